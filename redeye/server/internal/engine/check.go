package engine

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Check checks the types of a program and makes it runnable. Nothing is called. An error is an [*ast.Error], with the node that is wrong.
func Check(program ast.Node, cat *Catalog) (plan *Plan, err error) {
	c := &checker{cat: cat, nodes: map[string]*Node{}, params: map[string]int{}, hints: map[string]schema.Type{}, typeOf: map[ast.Node]schema.Type{}}
	defer func() {
		switch bad := recover().(type) {
		case nil:
		case *ast.Error: // by fail; every node checks its children, so this unwinds what returns would
			plan, err = nil, bad
		default: // a mistake of ours
			plan, err = nil, fmt.Errorf("check: %v\n%s", bad, debug.Stack())
		}
	}()
	c.hint(program)
	root := c.check(program, schema.Type{})
	if root.Type.Has(schema.KindUnknown) {
		c.fail(program, "nothing says what the answer's type is: it is %s", root.Type.Short())
	}
	for i, p := range c.types {
		if p.Type.Has(schema.KindUnknown) {
			c.fail(c.first[i], "nothing says what type %s has", p.Name)
		}
	}
	for _, n := range c.nodes { // now that all users of a node are known
		for _, term := range n.terms {
			n.bounds = append(n.bounds, boundOf(term, n.bound))
		}
		if n.Op == ast.OpLit {
			n.literal = literal(n.value)
		}
	}
	if c.caches {
		c.scopes(root, map[int]Scope{})
	}
	return &Plan{Root: root, Params: c.types, Program: program, Catalog: cat, Types: c.typeOf, slots: c.slots, Bytes: c.bytes(), Pages: c.pages}, nil
}

// bytes is about what the plan takes: measured for small and for large programs, and rounded up.
func (c *checker) bytes() int { return 4096 + 512*len(c.nodes) + 256*len(c.typeOf) + 64*c.patterns }

type checker struct {
	cat    *Catalog
	nodes  map[string]*Node
	slots  []int
	vars   []*schema.Type         // of the lambdas around; the variable of level i+1. Unknown is set by the first use that says what it is
	drops  [][]*Node              // or_drop in the functions around
	hints  map[string]schema.Type // of parameters, what sources and methods take that they are given to
	params map[string]int
	types  []Param
	first  []ast.Node // where each parameter stands first
	pure   string     // why no call can be here
	caches bool       // there is a cache
	pages  bool       // there is a page
	typeOf map[ast.Node]schema.Type

	patterns int // instructions of all patterns
}

func (c *checker) fail(at ast.Node, format string, args ...any) {
	panic(&ast.Error{Node: at, Msg: fmt.Sprintf(format, args...)})
}

var (
	unknown = schema.Type{}
	boolean = schema.Of(schema.KindBool)
	integer = schema.Of(schema.KindInt)
	floats  = schema.Of(schema.KindFloat)
	text    = schema.Of(schema.KindString)
)

// open says how much the type of n depends on its place: 0 not at all, 1 what it is can be changed by it (1 can be a float,
// "drama" a value of an enum, [] a list of anything), 2 it has none of itself.
func (c *checker) open(n ast.Node) int {
	switch n := n.(type) {
	case *ast.Param:
		if i, seen := c.params[n.Name]; (!seen || c.types[i].Type.Kind == schema.KindUnknown) && c.hints[n.Name].Kind == schema.KindUnknown {
			return 2
		}
	case *ast.Var:
		if c.vars[len(c.vars)-n.Depth-1].Kind == schema.KindUnknown {
			return 2
		}
	case *ast.Lit:
		switch n.Value.Kind() {
		case ast.KindNull, ast.KindInt, ast.KindString:
			return 1
		default:
		}
	case *ast.List:
		least := 1
		for i, item := range n.Items {
			if open := c.open(item); i == 0 || open < least {
				least = open
			}
		}
		return least
	case *ast.Index:
		if c.open(n.X) == 2 {
			return 2
		}
	case *ast.Unary:
		switch open := c.open(n.X); {
		case n.Code == ast.OpNeg:
			return open
		case (n.Code == ast.OpFirst || n.Code == ast.OpLast) && open == 2:
			return 2
		}
	case *ast.Binary:
		if n.Code >= ast.OpAdd && n.Code <= ast.OpMod && !isText(n.L) && !isText(n.R) { // texts put together are no value of an enum
			return min(c.open(n.L), c.open(n.R))
		}
	default:
	}
	return 0
}

// isText reports whether n is a text that is written down.
func isText(n ast.Node) bool {
	lit, ok := n.(*ast.Lit)
	return ok && lit.Value.Kind() == ast.KindString
}

// maxType bounds the parts of a type. A value that is put into an object twice, and that into another twice, has a type that doubles each time.
const maxType = 1000

// parts counts the parts of a type, as far as there are no more than most. Eight values of an enum are one.
func parts(t schema.Type, most int) int {
	n := 1 + len(t.Values)/8
	if t.Elem != nil {
		n += parts(*t.Elem, most-n)
	}
	for _, f := range t.Fields {
		if n > most {
			break
		}
		n += parts(f.Type, most-n)
	}
	return n
}

// want checks n and that it can stand for the type.
func (c *checker) want(n ast.Node, t schema.Type) *Node {
	got := c.check(n, t)
	if !fits(got.Type, t) {
		c.fail(n, "this is %s; %s is wanted here%s", article(got.Type), article(t), advice(got.Type, t))
	}
	fill(got.Type, t)
	return got
}

// check checks n. The type is what its place would like; what comes may be another.
func (c *checker) check(n ast.Node, like schema.Type) *Node {
	bare := c.bare(n, like)
	if parts(bare.Type, maxType) > maxType {
		c.fail(n, "the type of this has more than %d parts", maxType)
	}
	out := c.intern(bare)
	if t, twice := c.typeOf[n]; twice && !t.Equal(out.Type) { // a node that stands in several places
		c.typeOf[n] = unknown
	} else {
		c.typeOf[n] = out.Type
	}
	return out
}

// fits reports whether a value of one type can stand where another is wanted.
func fits(got, want schema.Type) bool {
	if got.Null && !want.Null {
		return false
	}
	if got.Kind == schema.KindUnknown {
		return want.Null || !got.Null
	}
	if got.Kind != want.Kind || got.Name != want.Name || got.Key != want.Key || !slices.Equal(got.Values, want.Values) {
		return false
	}
	if got.Elem != nil && !fits(*got.Elem, *want.Elem) {
		return false
	}
	return slices.EqualFunc(got.Fields, want.Fields, func(f, g schema.Field) bool { return f.Name == g.Name && fits(f.Type, g.Type) })
}

// both returns the type that values of either can stand for.
func both(a, b schema.Type) (schema.Type, bool) {
	null := a.Null || b.Null
	switch {
	case a.Kind == schema.KindUnknown:
		b.Null = null
		return b, true
	case b.Kind == schema.KindUnknown || a.Kind != b.Kind || a.Name != b.Name || a.Key != b.Key ||
		!slices.Equal(a.Values, b.Values) || len(a.Fields) != len(b.Fields):
		a.Null = null
		return a, b.Kind == schema.KindUnknown
	}
	out := a
	out.Null = null
	if a.Elem != nil {
		elem, ok := both(*a.Elem, *b.Elem)
		if !ok {
			return a, false
		}
		out.Elem = &elem
	}
	out.Fields = nil
	for i, f := range a.Fields {
		t, ok := both(f.Type, b.Fields[i].Type)
		if !ok || f.Name != b.Fields[i].Name {
			return a, false
		}
		out.Fields = append(out.Fields, schema.Field{Name: f.Name, Type: t})
	}
	return out, true
}

func article(t schema.Type) string {
	switch {
	case t.Kind == schema.KindUnknown && t.Null:
		return "None"
	case strings.ContainsAny(t.Short()[:1], "aeioAEIO{"):
		return "an " + t.Short()
	}
	return "a " + t.Short()
}

func advice(got, want schema.Type) string {
	switch {
	case got.Null && fits(got.NotNull(), want):
		return ". It may be null: use x.then(lambda v: …) or x.or_else(…)"
	case got.Kind == schema.KindInt && want.Kind == schema.KindFloat:
		return ": write float(x)"
	case got.Kind == schema.KindFloat && want.Kind == schema.KindInt:
		return ": write int(x)"
	case got.Kind == schema.KindEnum && want.Kind == schema.KindString:
		return ": write str(x)"
	case got.Kind == schema.KindString && want.Kind == schema.KindEnum:
		return ": write str(x) of that"
	case got.Kind == schema.KindList && want.Kind == schema.KindBool:
		return ": write x.length() > 0"
	case want.Kind == schema.KindBool:
		return ": compare it with something"
	}
	return ""
}

// together checks nodes that must be of one type, those first whose type depends least on the others'.
func (c *checker) together(like schema.Type, ns ...ast.Node) ([]*Node, schema.Type) {
	out := make([]*Node, len(ns))
	t, first := like, true
	for rank := range 3 {
		for i, n := range ns {
			if out[i] != nil || c.open(n) > rank {
				continue
			}
			out[i] = c.check(n, t)
			if first {
				t, first = out[i].Type, false
				continue
			}
			joined, ok := both(t, out[i].Type)
			if !ok {
				c.fail(n, "this is %s, and what stands beside it is %s%s", article(out[i].Type), article(t), advice(out[i].Type, t))
			}
			t = joined
		}
	}
	return out, t
}

// function checks a lambda of one variable.
func (c *checker) function(f ast.Lambda, of *schema.Type, result schema.Type) (*Node, []*Node) {
	c.vars = append(c.vars, of)
	c.drops = append(c.drops, nil)
	body := c.check(f.Body, result)
	if result.Kind != schema.KindUnknown && !fits(body.Type, result) {
		c.fail(f.Body, "this is %s; %s is wanted here%s", article(body.Type), article(result), advice(body.Type, result))
	}
	drops := c.drops[len(c.drops)-1]
	c.drops = c.drops[:len(c.drops)-1]
	c.vars = c.vars[:len(c.vars)-1]
	return body, drops
}

// list checks a node that must be a list.
func (c *checker) list(n ast.Node, like schema.Type) *Node {
	if like.Kind == schema.KindUnknown && c.open(n) == 2 {
		like = schema.ListOf(unknown) // of what, others say
	}
	x := c.check(n, like)
	switch {
	case x.Type.Kind != schema.KindList:
		c.fail(n, "this is %s; a list is wanted here", article(x.Type))
	case x.Type.Null:
		c.fail(n, "this list may be null: use x.then(lambda v: …) or x.or_else([])")
	}
	return x
}

func (c *checker) bare(n ast.Node, like schema.Type) *Node {
	out := &Node{Op: n.Op(), Src: n}
	bind := func() { out.bound = len(c.vars) + 1 }
	switch n := n.(type) {
	case *ast.Lit:
		c.literal(out, n.Value, like)
	case *ast.Param:
		c.param(out, n, like)
	case *ast.Var:
		out.bound = len(c.vars) - n.Depth
		t := c.vars[out.bound-1]
		if t.Kind == schema.KindUnknown && !t.Null && !like.Has(schema.KindEntity) {
			*t = own(like)
		}
		out.Type, out.run = *t, runVar
	case *ast.Let:
		bind()
		x := c.check(n.X, unknown)
		body, drops := c.function(n.In, &x.Type, like)
		c.noDrops(drops)
		out.Kids, out.Type, out.run = []*Node{x, body}, body.Type, runLet
	case *ast.Attr:
		c.attr(out, n)
	case *ast.Index:
		c.index(out, n, like)
	case *ast.Call:
		c.call(out, n)
	case *ast.Unary:
		c.unary(out, n, like)
	case *ast.Binary:
		c.binary(out, n, like)
	case *ast.If:
		cond := c.want(n.Cond, boolean)
		kids, t := c.together(like, n.Then, n.Else)
		out.Kids, out.Type, out.run = []*Node{cond, kids[0], kids[1]}, t, runIf
	case *ast.Match:
		x := c.want(n.X, text)
		out.re, out.field = c.pattern(n)
		out.Kids, out.Type, out.run = []*Node{x}, boolean, runMatch
	case *ast.Then:
		bind()
		x := c.check(n.X, unknown)
		if !x.Type.Null {
			c.fail(n.X, "this is %s, which is never null; use it as it is", article(x.Type))
		}
		some := x.Type.NotNull()
		body, drops := c.function(n.F, &some, like.NotNull())
		c.noDrops(drops)
		out.Kids, out.Type, out.run = []*Node{x, body}, body.Type.OrNull(), runThen
	case *ast.Object:
		out.Type.Kind = schema.KindObject
		out.Kids, out.Type.Fields = make([]*Node, len(n.Names)), make([]schema.Field, len(n.Names))
		for _, open := range []bool{false, true} { // the one may say what the other is
			for i, name := range n.Names {
				if out.Kids[i] != nil || !open && c.open(n.Values[i]) == 2 {
					continue
				}
				wish := unknown
				if j := like.Field(name); j >= 0 {
					wish = like.Fields[j].Type
				}
				v := c.check(n.Values[i], wish)
				out.Kids[i], out.Type.Fields[i] = v, schema.Field{Name: name, Type: v.Type}
			}
		}
		out.run = runObject
	case *ast.List:
		wish := unknown
		if like.Kind == schema.KindList {
			wish = *like.Elem
		}
		kids, t := c.together(wish, n.Items...)
		if len(kids) == 0 {
			t = wish
		}
		out.Kids, out.Type, out.run = kids, schema.ListOf(t), runList
	case *ast.Filter, *ast.Map, *ast.FlatMap, *ast.Limit, *ast.Skip, *ast.Sort, *ast.Distinct, *ast.Group, *ast.Aggregate, *ast.Reduce,
		*ast.Join, *ast.Page:
		c.collection(out, n, like)
	case *ast.Validate:
		bind()
		x := c.check(n.X, like)
		cond, drops := c.function(n.F, &x.Type, boolean)
		c.noDrops(drops)
		out.Kids, out.Type, out.msg, out.run = []*Node{x, cond}, x.Type, n.Msg, runValidate
	case *ast.Cache:
		x := c.check(n.X, like)
		out.Kids, out.Type, out.value, out.run = []*Node{x}, x.Type, n.TTL, runCache
		c.keeps(out, n.X, n.Scope)
	case *ast.Warm:
		x := c.check(n.X, unknown)
		if x.Type.Has(schema.KindUnknown) {
			c.fail(n.X, "nothing says what the type is: it is %s", x.Type.Short())
		}
		out.Kids, out.Type, out.value, out.run = []*Node{x}, integer, n.TTL, runWarm
		c.keeps(out, n.X, n.Scope)
	case *ast.Timeout:
		x := c.check(n.X, like)
		out.Kids, out.Type, out.value, out.run = []*Node{x}, x.Type, n.After, runTimeout
	}
	return out
}

// noDrops refuses or_drop in a function whose variable is no row.
func (c *checker) noDrops(drops []*Node) {
	if len(drops) > 0 {
		c.fail(drops[0].Src, "or_drop drops a row, and here is none: it stands in the function of map, flat_map or filter, outside of let and then")
	}
}

func (c *checker) literal(out *Node, v ast.Value, like schema.Type) {
	out.value, out.run = v, runLiteral
	if v.Kind() == ast.KindNull {
		out.Type = like.OrNull()
		return
	}
	if v.Kind() == ast.KindString && like.Kind == schema.KindEnum {
		if !slices.Contains(like.Values, v.Text()) {
			if near := similar(v.Text(), like.Values); near != "" {
				c.fail(out.Src, "%s has no value %.40q%s", like.Name, v.Text(), near)
			}
			c.fail(out.Src, "%s", like.NoValue(v.Text()))
		}
		out.Type = like.NotNull()
		return
	}
	if v.Kind() == ast.KindInt && like.Kind == schema.KindFloat {
		out.value = ast.Float(float64(v.Int()))
	}
	out.Type = schema.Of(map[ast.Kind]schema.Kind{
		ast.KindBool: schema.KindBool, ast.KindInt: schema.KindInt, ast.KindFloat: schema.KindFloat, ast.KindString: schema.KindString,
		ast.KindBytes: schema.KindBytes, ast.KindTime: schema.KindTime, ast.KindDuration: schema.KindDuration,
	}[out.value.Kind()])
}

func (c *checker) param(out *Node, n *ast.Param, like schema.Type) {
	i, seen := c.params[n.Name]
	if !seen {
		i = len(c.types)
		c.params[n.Name] = i
		c.types = append(c.types, Param{Name: n.Name})
		c.first = append(c.first, n)
	}
	t := &c.types[i].Type
	if t.Kind == schema.KindUnknown {
		if hint := c.hints[n.Name]; like.Has(schema.KindUnknown) && hint.Kind != schema.KindUnknown {
			like = hint
		}
		if like.Kind == schema.KindUnknown {
			c.fail(n, "nothing says here what type the parameter %s has; put first a use of it that does", n.Name)
		}
		if like.Has(schema.KindEntity) {
			c.fail(n, "a parameter cannot be %s; give its key to a source", article(like))
		}
		*t = own(like)
	}
	out.field, out.Type, out.run = i, *t, runParam
}

// hint notes of parameters that are given to a source or method as they are, or as elements of a list, what it takes: so a use
// that says nothing may stand before it.
func (c *checker) hint(n ast.Node) {
	note := func(args []ast.Node, m *Method) {
		for i, a := range args[:min(len(args), len(m.Args))] {
			c.hintAs(a, m.Args[i].Type)
		}
	}
	if call, ok := n.(*ast.Call); ok {
		switch m := c.cat.Sources[call.Name]; {
		case call.X == nil && m != nil:
			note(call.Args, m)
		case call.X != nil:
			for _, e := range c.cat.Entities {
				if m := e.Methods[call.Name]; m != nil {
					note(call.Args, m)
				}
			}
		}
	}
	for k := range ast.Children(n) {
		c.hint(k)
	}
}

func (c *checker) hintAs(n ast.Node, t schema.Type) {
	switch n := n.(type) {
	case *ast.Param:
		if was, ok := c.hints[n.Name]; ok && !was.Equal(t) {
			t = unknown // of several methods of the name, it is not known which is meant
		}
		c.hints[n.Name] = t
	case *ast.List:
		if t.Kind == schema.KindList {
			for _, item := range n.Items {
				c.hintAs(item, *t.Elem)
			}
		}
	default:
	}
}

// own copies a type such that what of it is unknown can be set without setting it elsewhere.
func own(t schema.Type) schema.Type {
	if t.Elem != nil {
		elem := own(*t.Elem)
		t.Elem = &elem
	}
	return t
}

// fill sets what is unknown of the elements of a type to what they are in another, in place: so the list that they came from has it too.
func fill(t, from schema.Type) {
	if t.Elem == nil || from.Elem == nil {
		return
	}
	if t.Elem.Kind == schema.KindUnknown && !t.Elem.Null && !from.Elem.Has(schema.KindUnknown) {
		*t.Elem = own(*from.Elem)
	}
	fill(*t.Elem, *from.Elem)
}

func (c *checker) attr(out *Node, n *ast.Attr) {
	x := c.check(n.X, unknown)
	out.Kids = []*Node{x}
	if x.Type.Null {
		c.fail(n, "this may be null, and null has no %s; write x.then(lambda v: v.%s)", n.Name, n.Name)
	}
	switch x.Type.Kind {
	case schema.KindObject:
		i := x.Type.Field(n.Name)
		if i < 0 {
			c.fail(n, "%s has no field %s%s", x.Type.Short(), n.Name, similar(n.Name, fieldNames(x.Type)))
		}
		out.field, out.Type, out.run = i, x.Type.Fields[i].Type, runField
	case schema.KindEntity:
		e := c.cat.Entities[x.Type.Name]
		out.attr = e.Attrs[n.Name]
		switch {
		case out.attr != nil:
			out.Type, out.run = out.attr.Type, runAttr
		case e.Methods[n.Name] != nil:
			c.fail(n, "%s.%s is a method; write x.%s(…)", e.Name, n.Name, n.Name)
		default:
			c.fail(n, "%s has no attribute %s%s", e.Name, n.Name, similar(n.Name, keys(e.Attrs), keys(e.Methods)))
		}
	default:
		c.fail(n, "this is %s, which has no attributes", article(x.Type))
	}
}

func (c *checker) index(out *Node, n *ast.Index, like schema.Type) {
	wish := unknown
	if c.open(n.X) == 2 { // what is taken out says what is in it, and the key, what it is
		wish = schema.ListOf(like)
		if lit, ok := n.I.(*ast.Lit); ok && lit.Value.Kind() == ast.KindString {
			wish.Kind, wish.Key = schema.KindMap, schema.KindString
		}
	}
	x := c.check(n.X, wish)
	var key schema.Type
	switch {
	case x.Type.Kind == schema.KindList && !x.Type.Null:
		key = integer
	case x.Type.Kind == schema.KindMap && !x.Type.Null:
		key = schema.Of(x.Type.Key)
	default:
		c.fail(n.X, "this is %s; an element is of a list or a map", article(x.Type))
	}
	out.Kids = []*Node{x, c.want(n.I, key)}
	out.Type, out.run = *x.Type.Elem, runIndex
}

func (c *checker) call(out *Node, n *ast.Call) {
	if c.pure != "" {
		c.fail(n, "%s", c.pure)
	}
	if n.X == nil {
		out.Method = c.cat.Sources[n.Name]
		if out.Method == nil {
			if how, ok := instead[n.Name]; ok {
				c.fail(n, "there is no function %s; write %s", n.Name, how)
			}
			c.fail(n, "there is no source %s%s", n.Name, similar(n.Name, keys(c.cat.Sources)))
		}
	} else {
		x := c.check(n.X, unknown)
		switch {
		case x.Type.Null:
			c.fail(n, "this may be null, and null has no methods; write x.then(lambda v: v.%s(…))", n.Name)
		case x.Type.Kind != schema.KindEntity:
			c.fail(n, "this is %s, which has no method %s%s", article(x.Type), n.Name, similar(n.Name, listOperations))
		}
		e := c.cat.Entities[x.Type.Name]
		out.Method = e.Methods[n.Name]
		switch {
		case out.Method != nil:
		case e.Attrs[n.Name] != nil:
			c.fail(n, "%s.%s is an attribute; write x.%s", e.Name, n.Name, n.Name)
		default:
			c.fail(n, "%s has no method %s%s", e.Name, n.Name, similar(n.Name, keys(e.Methods), keys(e.Attrs)))
		}
		out.Kids = []*Node{x}
	}
	args := out.Method.Args
	if len(n.Args) != len(args) {
		var names []string
		for _, a := range args {
			names = append(names, a.Name+": "+a.Type.Short())
		}
		c.fail(n, "%s takes (%s), not %d arguments", out.Method.Name, strings.Join(names, ", "), len(n.Args))
	}
	for i, a := range n.Args {
		out.Kids = append(out.Kids, c.want(a, args[i].Type))
	}
	out.Type, out.run = out.Method.Result, runCall
}

// instead says how something is written that people try.
var instead = map[string]string{
	"len": "x.length()", "filter": "x.filter(lambda x: …)", "map": "x.map(lambda x: …)", "sorted": "x.sort(lambda x: …)",
	"sum": "x.sum()", "min": "x.min()", "max": "x.max()", "any": "x.any(lambda x: …)", "all": "x.all(lambda x: …)", "bool": "x != None",
	"dict": "{\"name\": value}", "list": "[x, y]", "bytes": "b\"…\"", "reduce": "x.reduce(init, lambda acc, x: …)",
}

var listOperations = []string{
	"filter", "map", "flat_map", "limit", "skip", "sort", "distinct", "group", "reduce", "page", "sum", "min", "max", "avg", "any", "all", "join",
	"length", "first", "last", "lower", "upper", "matches", "startswith", "endswith", "or_else", "then",
}

func fieldNames(t schema.Type) []string {
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		names[i] = f.Name
	}
	return names
}

func keys[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// similar suggests the name that is nearest to what was written, if one is near.
func similar(name string, lists ...[]string) string {
	best, bestAt := "", 3
	for _, names := range lists {
		for _, n := range names {
			if d := distance(name, n); d < bestAt && d < max(len(name), 2) {
				best, bestAt = n, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
