// Package suggest writes the Redeye query that a chatty page should be. It knows what the page calls, from a trace, and
// what services offer, from their schemas; [For] brings both together:
//
//	movie.service.get_movie ×100, .can_view ×100, .title ×60    and    get_movies(ids): list<Movie>, Movie.can_view(user), Movie.title()
//
// become
//
//	get_movies(ids)
//		.filter(lambda x: x.can_view(user))
//		.map(lambda x: {"id": x.id, "title": x.title()})
//
// A call belongs to the method that says so (schema.Method.Replaces), or whose name is alike. What a trace cannot say
// is assumed, and each assumption is listed, as is each call for which no service offers anything. Everything here is pure.
package suggest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Call is what one request does again and again, or once: calls that do the same to different things.
type Call struct {
	Label string   // as people know it: "movie.service.get_title", "mc get"
	Names []string // what else a schema may call it: the span's name, rpc.method
	Count int
	First int64 // when the first was made, on any clock
}

// Part is one kind of calls, and what becomes of it.
type Part struct {
	Label string `json:"label"`
	Calls int    `json:"calls"`
	By    string `json:"by"` // the method or source that does it, "Movie.title"; "" if nothing does
}

// Assumption is what a trace cannot say, and the query takes for granted.
type Assumption struct {
	Kind string `json:"kind"`
	Of   string `json:"of"`
}

// The kinds of assumptions.
const (
	AssumeFilter = "filter" // the page drops rows for which the method Of is false
	AssumeSource = "source" // the page begins with what the source Of gives
	AssumePath   = "path"   // the page finds the things of a call by the method or attribute Of
	AssumeFields = "fields" // the page shows these attributes of the entity Of
)

// Suggestion is a query in place of calls.
type Suggestion struct {
	Schema  *schema.Schema // that it is made of; nil of a sketch
	Sketch  bool           // no service offers what the query would need: it says what to register
	Query   string         // the program, as text
	Go      string         // the same with the package that redeye gen writes; "" where Go has no such form
	Params  []schema.Arg
	Parts   []Part // calls that it makes needless
	Kept    []Part // calls that it does not
	Batches int    // calls of the service's own functions that remain, for any number of rows
	// Waves are the labels of the calls that it makes needless, by what in the query waits for what: those of the source first. One is
	// empty if nothing was called that it stands for. A label can be in two. A sketch has none.
	Waves   [][]string
	Assumed []Assumption
}

// For suggests a query in place of what a request calls. The finding is the label of the calls that are to go. Of several
// services, the one that offers most is asked. Where none offers what the finding needs, it is a sketch.
func For(calls []Call, finding string, services []*schema.Schema) *Suggestion {
	var best *Suggestion
	saved := func(s *Suggestion) (n int) {
		for _, p := range s.Parts {
			n += p.Calls
		}
		return n
	}
	for _, sch := range services {
		if s := of(calls, finding, sch); s != nil && (best == nil || saved(s) > saved(best)) {
			best = s
		}
	}
	if best != nil {
		return best
	}
	return sketch(calls, finding)
}

// op is a call and the method or source that does it.
type op struct {
	*Call
	method *schema.Method
	entity string // whose method it is; "" of a source
}

func (o *op) name() string {
	if o.entity == "" {
		return o.method.Name
	}
	return o.entity + "." + o.method.Name
}

// target is the entity that something is asked of, or that the source gives.
func (o *op) target() string {
	if o.entity != "" {
		return o.entity
	}
	e, _ := entityOf(o.method.Result)
	return e
}

// entityOf is the entity that a value is, or that a list is of.
func entityOf(t schema.Type) (name string, list bool) {
	switch {
	case t.Kind == schema.KindEntity:
		return t.Name, false
	case t.Kind == schema.KindList && t.Elem.Kind == schema.KindEntity && !t.Null && !t.Elem.Null:
		return t.Elem.Name, true
	}
	return "", false
}

// of makes the suggestion of one service, or nil if it does not offer what the finding calls.
func of(calls []Call, finding string, sch *schema.Schema) *Suggestion {
	b := builder{schema: sch, params: map[string]schema.Type{}}
	var subject *op
	var kept []Part
	for i := range calls {
		c := &calls[i]
		fits := match(sch, c)
		if len(fits) == 0 {
			kept = append(kept, Part{Label: c.Label, Calls: c.Count})
			continue
		}
		for _, f := range fits {
			o := &op{c, f.m, f.entity}
			b.ops = append(b.ops, o)
			if c.Label == finding && (subject == nil || subject.entity == "") { // what is asked of a thing says more than where it comes from
				subject = o
			}
		}
	}
	if subject == nil || !b.build(subject) {
		return nil
	}
	s := &Suggestion{Schema: sch, Kept: kept, Assumed: b.assumed, Batches: b.batches, Params: b.args}
	for i := range calls {
		p := Part{Label: calls[i].Label, Calls: calls[i].Count}
		var by []string
		matched := false
		for _, o := range b.ops {
			if o.Call == &calls[i] {
				matched = true
				if b.done[o] {
					by = append(by, o.name())
				}
			}
		}
		if p.By = strings.Join(by, ", "); p.By != "" {
			s.Parts = append(s.Parts, p)
		} else if matched {
			s.Kept = append(s.Kept, p)
		}
	}
	s.Query = b.text()
	s.Go = b.goCode()
	s.Waves = b.waves()
	return s
}

// node is an entity, or a list of one, of which the query says something.
type node struct {
	entity  *schema.Entity
	list    bool
	many    bool // a list, or within one
	null    bool
	whole   bool // the page had all that is known of it
	filters []*field
	fields  []*field
}

// field is a part of an object: an attribute, or what a method answers, or of these an object.
type field struct {
	name   string
	attr   *schema.Attr
	method *schema.Method
	args   []schema.Arg // of the method, by the names of the program's parameters
	sub    *node
}

type builder struct {
	schema  *schema.Schema
	ops     []*op // in order of their first call
	done    map[*op]bool
	source  *schema.Method
	srcArgs []schema.Arg
	root    *node
	nodes   []*node
	params  map[string]schema.Type
	args    []schema.Arg
	assumed []Assumption
	batches int
}

func (b *builder) assume(kind, of string) { b.assumed = append(b.assumed, Assumption{kind, of}) }

// build makes the tree of the query, and reports whether the calls that it is about are part of it.
func (b *builder) build(subject *op) bool {
	slices.SortStableFunc(b.ops, func(x, y *op) int { return cmp.Compare(x.First, y.First) })
	if !b.begin(subject) {
		return false
	}
	for progress := true; progress; {
		progress = false
		for _, o := range b.ops {
			if !b.done[o] && b.place(o) {
				progress = true
			}
		}
		for _, o := range b.ops { // only where nothing else leads on, by way of what was not called
			if !progress && !b.done[o] && b.reach(o.target(), o.Count > 1) {
				progress = b.place(o)
			}
		}
	}
	for _, n := range b.nodes {
		// Lists that came later have what was asked for before.
		n.whole = n.whole || slices.ContainsFunc(b.ops, func(o *op) bool { return o.entity == "" && b.done[o] && o.target() == n.entity.Name })
		b.finish(n)
	}
	return b.done[subject]
}

// begin finds the source: one that was called once and leads to the calls, or that stands for them, or any that gives what
// they are asked of.
func (b *builder) begin(subject *op) bool {
	b.done = map[*op]bool{}
	start := func(m *schema.Method) bool {
		name, list := entityOf(m.Result)
		e := b.schema.Entity(name)
		if e == nil {
			return false
		}
		b.source, b.root = m, &node{entity: e, list: list, many: list, null: m.Result.Null}
		b.nodes = []*node{b.root}
		return b.leadsTo(subject.target())
	}
	chosen := false
	for _, o := range b.ops {
		if o.entity == "" && (o.Count == 1 || o == subject) && start(o.method) {
			b.done[o], b.root.whole, chosen = true, true, true
			break
		}
	}
	for _, o := range b.ops {
		if !chosen && o.entity == "" && start(o.method) {
			b.done[o], b.root.whole, chosen = true, true, true
		}
	}
	if !chosen {
		m := b.sourceFor(subject)
		if m == nil {
			return false
		}
		start(m)
		b.assume(AssumeSource, m.Name)
	}
	b.srcArgs = b.bind(b.source.Args)
	b.batches++
	return true
}

// sourceFor is a source of the things that calls are asked of: of many, or of the one whose list they read.
func (b *builder) sourceFor(subject *op) *schema.Method {
	_, readsList := entityOf(subject.method.Result)
	var best *schema.Method
	rank := func(m *schema.Method) int {
		_, list := entityOf(m.Result)
		if m.Result.Null {
			return 20 + len(m.Args)
		}
		if list == readsList {
			return 10 + len(m.Args)
		}
		return len(m.Args)
	}
	for i := range b.schema.Sources {
		m := &b.schema.Sources[i]
		if name, list := entityOf(m.Result); name == subject.target() && (list || readsList) && (best == nil || rank(m) < rank(best)) {
			best = m
		}
	}
	return best
}

// leadsTo says whether an entity can be come by from the nodes that there are.
func (b *builder) leadsTo(entity string) bool {
	return len(b.wayTo(entity, false)) > 0 || b.has(entity)
}

func (b *builder) has(entity string) bool {
	return slices.ContainsFunc(b.nodes, func(n *node) bool { return n.entity.Name == entity })
}

// place makes a call part of the query, if the entity that it is about is there. A method that is called for each
// of several lists is asked of all of them.
func (b *builder) place(o *op) bool {
	placed := false
	for _, n := range slices.Clone(b.nodes) {
		if n.entity.Name != o.target() {
			continue
		}
		placed = true
		if o.entity == "" { // one after the other, what is a list here
			n.whole = true
			continue
		}
		f := b.attach(n, &field{name: o.method.Name, method: o.method})
		if f.sub != nil && f.sub.list && o.Count > 1 { // it was asked for one of them at a time
			f.sub.whole = true
		}
	}
	b.done[o] = b.done[o] || placed
	return placed
}

// attach adds a field to a node, once, and returns the one that is there.
func (b *builder) attach(n *node, f *field) *field {
	if at := slices.IndexFunc(n.fields, func(g *field) bool { return g.name == f.name }); at >= 0 {
		return n.fields[at]
	}
	result := schema.Type{}
	if f.method != nil {
		f.args = b.bind(f.method.Args)
		result = f.method.Result
		b.batches++
	} else {
		result = f.attr.Type
	}
	if name, list := entityOf(result); name != "" && !result.Null && len(b.nodes) < maxNodes {
		f.sub = &node{entity: b.schema.Entity(name), list: list, many: list || n.many}
		b.nodes = append(b.nodes, f.sub)
	}
	n.fields = append(n.fields, f)
	return f
}

const (
	maxNodes = 16 // entities within entities
	maxWay   = 4  // steps to an entity that nothing was seen to lead to
)

// reach extends the tree by what the schema has on the shortest way to an entity.
func (b *builder) reach(entity string, list bool) bool {
	if b.has(entity) {
		return false
	}
	way := b.wayTo(entity, list)
	if len(way) == 0 {
		way = b.wayTo(entity, false)
	}
	if len(way) == 0 {
		return false
	}
	n := way[0].from
	for _, step := range way {
		b.assume(AssumePath, n.entity.Name+"."+step.field.name)
		f := *step.field
		if n = b.attach(n, &f).sub; n == nil {
			return false
		}
	}
	return true
}

type wayStep struct {
	from  *node // of the first step
	field *field
}

// wayTo is the shortest way from a node to an entity, by attributes and by methods without arguments.
func (b *builder) wayTo(entity string, list bool) []wayStep {
	type place struct {
		entity string
		many   bool
		way    []wayStep
	}
	var queue []place
	seen := map[string]bool{}
	for _, n := range slices.Backward(b.nodes) { // what was called last leads on
		if !seen[n.entity.Name] {
			seen[n.entity.Name] = true
			queue = append(queue, place{n.entity.Name, n.many, []wayStep{{from: n}}})
		}
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		e := b.schema.Entity(p.entity)
		if len(p.way) > maxWay || e == nil {
			continue
		}
		step := func(f *field, t schema.Type) []wayStep {
			name, isList := entityOf(t)
			if name == "" || t.Null {
				return nil
			}
			way := slices.Clone(p.way)
			if way[len(way)-1].field != nil {
				way = append(way, wayStep{})
			}
			way[len(way)-1].field = f
			if name == entity && (isList || p.many || !list) {
				return way
			}
			if !seen[name] {
				seen[name] = true
				queue = append(queue, place{name, isList || p.many, way})
			}
			return nil
		}
		for i := range e.Attrs {
			if way := step(&field{name: e.Attrs[i].Name, attr: &e.Attrs[i]}, e.Attrs[i].Type); way != nil {
				return way
			}
		}
		for i := range e.Methods {
			if len(e.Methods[i].Args) > 0 {
				continue
			}
			if way := step(&field{name: e.Methods[i].Name, method: &e.Methods[i]}, e.Methods[i].Result); way != nil {
				return way
			}
		}
	}
	return nil
}

// bind makes parameters of arguments. Two of one name and type are one.
func (b *builder) bind(args []schema.Arg) []schema.Arg {
	bound := make([]schema.Arg, len(args))
	for i, a := range args {
		name := a.Name
		for n := '2'; n <= '9'; n++ {
			t, taken := b.params[name]
			if !taken || t.Equal(a.Type) {
				break
			}
			name = a.Name + string(n)
		}
		if _, known := b.params[name]; !known {
			b.params[name] = a.Type
			b.args = append(b.args, schema.Arg{Name: name, Type: a.Type})
		}
		bound[i] = schema.Arg{Name: name, Type: a.Type}
	}
	return bound
}

// finish makes filters of what is asked of every row before anything else, and adds the key and, where the page had
// all of an entity, its attributes.
func (b *builder) finish(n *node) {
	isTruth := func(f *field) bool { return f.method != nil && f.method.Result.Equal(schema.Of(schema.KindBool)) }
	if n.list {
		for len(n.fields) > 1 && isTruth(n.fields[0]) || len(n.fields) == 1 && isTruth(n.fields[0]) && n.whole {
			b.assume(AssumeFilter, n.entity.Name+"."+n.fields[0].name)
			n.filters, n.fields = append(n.filters, n.fields[0]), n.fields[1:]
		}
	}
	var attrs []*field
	for i := range n.entity.Attrs {
		a := &n.entity.Attrs[i]
		isKey := a.Name == "id"
		if (isKey || n.whole && !a.Type.Has(schema.KindEntity)) && !slices.ContainsFunc(n.fields, func(f *field) bool { return f.name == a.Name }) {
			attrs = append(attrs, &field{name: a.Name, attr: a})
		}
	}
	if n.whole && len(attrs) > 1 {
		b.assume(AssumeFields, n.entity.Name)
	}
	n.fields = append(attrs, n.fields...)
}

// waves are the labels of the calls that are part of the query. Each filter is a wave, since what follows is asked of the rows that are left; the
// methods of an object are one.
func (b *builder) waves() (waves [][]string) {
	put := func(at int, entity, method string) {
		for len(waves) <= at {
			waves = append(waves, nil)
		}
		for _, o := range b.ops {
			if b.done[o] && o.entity == entity && (method == "" || o.method.Name == method) && !slices.Contains(waves[at], o.Label) {
				waves[at] = append(waves[at], o.Label)
			}
		}
	}
	put(0, "", "") // of all sources: what is a list in the query was asked for one by one
	var walk func(n *node, at int)
	walk = func(n *node, at int) {
		for _, f := range n.filters {
			put(at, n.entity.Name, f.name)
			at++
		}
		for _, f := range n.fields {
			below := at
			if f.method != nil {
				put(at, n.entity.Name, f.name)
				below++
			}
			if f.sub != nil {
				walk(f.sub, below)
			}
		}
	}
	walk(b.root, 1)
	return waves
}

// sketch is a query of a service that is not there yet: with a source of what the page goes through, and a method for each
// kind of calls that it repeats.
func sketch(calls []Call, finding string) *Suggestion {
	item := schema.Entity{Name: "Item", Key: schema.Of(schema.KindInt), Attrs: []schema.Attr{{Name: "id", Type: schema.Of(schema.KindInt)}}}
	sch := &schema.Schema{Sources: []schema.Method{{
		Name: "items", Args: []schema.Arg{{Name: "ids", Type: schema.ListOf(schema.Of(schema.KindInt))}}, Result: schema.ListOf(schema.EntityOf("Item")),
	}}}
	s := &Suggestion{Sketch: true}
	taken := map[string]bool{"id": true}
	for i := range calls {
		c := &calls[i]
		if c.Count < 2 && c.Label != finding {
			s.Kept = append(s.Kept, Part{Label: c.Label, Calls: c.Count})
			continue
		}
		name := methodName(c.Label)
		for n := '2'; taken[name] && n <= '9'; n++ {
			name = strings.TrimRight(name, "23456789") + string(n)
		}
		taken[name] = true
		item.Methods = append(item.Methods, schema.Method{Name: name, Result: schema.Of(schema.KindString)})
		s.Parts = append(s.Parts, Part{Label: c.Label, Calls: c.Count, By: "Item." + name})
	}
	sch.Entities = []schema.Entity{item}
	b := builder{schema: sch, params: map[string]schema.Type{}}
	b.source, b.root = &sch.Sources[0], &node{entity: &sch.Entities[0], list: true, many: true}
	b.nodes = []*node{b.root}
	b.srcArgs = b.bind(b.source.Args)
	b.batches = 1
	for i := range item.Methods {
		b.attach(b.root, &field{name: item.Methods[i].Name, method: &item.Methods[i]})
	}
	b.finish(b.root)
	s.Query, s.Params, s.Batches = b.text(), b.args, b.batches
	return s
}

// methodName is a name that a method for calls of a label could have.
func methodName(label string) string {
	label = parameter.ReplaceAllString(label, "")
	words := wordsOf(label)
	if kind, rest, ok := strings.Cut(label, " "); ok { // of a store, or of a host, of which nothing is asked
		if strings.Contains(kind, ":") {
			kind = ""
		}
		words = append(wordsOf(kind), wordsOf(strings.Map(func(r rune) rune {
			if strings.ContainsRune("./:", r) {
				return ' '
			}
			return r
		}, rest))...)
	}
	name := strings.Join(words[:min(len(words), 4)], "_")
	if !ast.IsMethodName(name) {
		name = "get_" + name
	}
	if !ast.IsMethodName(name) {
		return "value"
	}
	return name
}
