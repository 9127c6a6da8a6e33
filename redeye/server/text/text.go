// Package text reads programs that are written as text, in the syntax of Python's expressions:
//
//	get_movies(ids)
//		.filter(lambda x: x.can_view(user))
//		.map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})
//
// A name that no lambda binds is a parameter. name(…) calls a source, x.name(…) a method of x, unless the name is one of the
// operations that package ast lists. A list comprehension is written for map and filter. Lines may be broken
// anywhere, and # begins a comment. [ast.Print] writes what this package reads.
//
// The syntax is Starlark's and is read by its reference implementation; what a program cannot consist of
// is refused at its place.
package text

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Error says what cannot be read, and where.
type Error struct {
	Text string
	At   ast.Span
	Msg  string
}

// Error returns line, column and message, and below them the line with the place marked.
func (e *Error) Error() string { return ast.PointAt(e.Text, e.At, e.Msg) }

// Parse reads a program. The error is an [*Error], or an [*ast.LimitError] for one that is too large. Whatever the
// text, time and memory are proportional to it. The node has passed [ast.Check].
func Parse(text string, limits ast.Limits) (ast.Node, *ast.Source, error) {
	limits = limits.Or()
	if len(text) > limits.Bytes {
		return nil, nil, &ast.LimitError{What: "bytes", Limit: limits.Bytes}
	}
	p := parser{text: text, limits: limits, places: newPlaces(text), spans: map[ast.Node]ast.Span{}}
	if i := firstInvalid(text); i >= 0 {
		return nil, nil, &Error{text, ast.Span{Start: i, End: i + 1}, "this is not UTF-8"}
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil, &Error{text, ast.Span{}, "the program is empty"}
	}
	switch count, stray := nesting(text); {
	case stray >= 0:
		return nil, nil, &Error{text, ast.Span{Start: stray, End: stray + 1}, "this closes nothing"}
	case count > 4*limits.Nodes: // so many cannot be in so few nodes, and the syntax package recurses on them
		return nil, nil, &ast.LimitError{What: "nodes", Limit: limits.Nodes}
	}
	root, err := p.program()
	if err != nil {
		return nil, nil, err
	}
	source := &ast.Source{Text: text, Spans: p.spans}
	if err := ast.Check(root, limits); err != nil {
		if bad, ok := errors.AsType[*ast.Error](err); ok {
			return nil, nil, &Error{text, p.spans[bad.Node], bad.Msg}
		}
		return nil, nil, err
	}
	return root, source, nil
}

func firstInvalid(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// nesting counts what can nest, outside of strings and comments: brackets, signs, not, lambda and if. A bracket that
// closes none is at stray, which is -1 otherwise.
func nesting(s string) (n, stray int) {
	open := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '#':
			if end := strings.IndexByte(s[i:], '\n'); end >= 0 {
				i += end
			} else {
				return n, -1
			}
		case c == '"' || c == '\'':
			i += stringLen(s[i:])
			continue
		case strings.IndexByte("([{", c) >= 0:
			n++
			open++
		case strings.IndexByte(")]}", c) >= 0:
			if open--; open < 0 {
				return n, i
			}
		case strings.IndexByte("-+~", c) >= 0:
			n++
		case letter(c):
			word := i
			for i < len(s) && letter(s[i]) {
				i++
			}
			if w := s[word:i]; w == "not" || w == "lambda" || w == "if" {
				n++
			}
			continue
		}
		i++
	}
	return n, -1
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

// stringLen is the length of the string literal at the beginning of s, the rest of s if it does not end.
func stringLen(s string) int {
	quote := s[:1]
	if strings.HasPrefix(s, quote+quote+quote) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\n' && len(quote) == 1:
			return i
		}
	}
	return len(s)
}

// places turns the positions of the syntax package into offsets. It is given the text in parentheses, so that line
// breaks mean nothing, and its columns count runes.
type places struct {
	text  string
	lines []int32 // number of the first rune of each line
	runes []int32 // offset of each rune; nil if all are of one byte
}

func newPlaces(text string) places {
	p := places{text: text, lines: []int32{0}}
	count := utf8.RuneCountInString(text)
	if count < len(text) {
		p.runes = make([]int32, 0, count)
	}
	n := int32(0)
	for i, r := range text {
		if p.runes != nil {
			p.runes = append(p.runes, int32(i))
		}
		n++
		if r == '\n' {
			p.lines = append(p.lines, n)
		}
	}
	return p
}

func (p *places) offset(pos syntax.Position) int {
	line, column := int(pos.Line)-1, int(pos.Col)-1
	if line < 0 || line >= len(p.lines) {
		return len(p.text)
	}
	if line == 0 {
		column-- // the parenthesis
	}
	at := max(0, int(p.lines[line])+column)
	switch {
	case p.runes == nil:
		return min(at, len(p.text))
	case at < len(p.runes):
		return int(p.runes[at])
	}
	return len(p.text)
}

type parser struct {
	text   string
	limits ast.Limits
	places places
	spans  map[ast.Node]ast.Span
	vars   []string // of the lambdas around
	depth  int
	count  int // of nodes
}

func (p *parser) program() (root ast.Node, err error) {
	wrapped := "(" + p.text + "\n)"
	expr, err := new(syntax.FileOptions).ParseExpr("", wrapped, 0)
	if err != nil {
		if bad, ok := errors.AsType[syntax.Error](err); ok {
			at := p.places.offset(bad.Pos)
			return nil, &Error{p.text, ast.Span{Start: at, End: at + 1}, p.reword(bad.Msg, at)}
		}
		return nil, &Error{p.text, ast.Span{}, err.Error()}
	}
	whole, ok := expr.(*syntax.ParenExpr)
	if !ok { // a comma after it: (x,)
		return nil, p.fail(expr, "there are no tuples; a list is written in [ ]")
	}
	return p.expr(whole.X)
}

// reword puts in the words of a whole text what the syntax package says about one in parentheses.
func (p *parser) reword(msg string, at int) string {
	switch {
	case at >= len(p.text):
		return "something is missing at the end"
	case strings.HasPrefix(msg, "got ") && strings.HasSuffix(msg, ", want ')'"):
		return "the program goes on with " + strings.TrimSuffix(strings.TrimPrefix(msg, "got "), ", want ')'") + " where it should end"
	}
	return msg
}

func (p *parser) span(n syntax.Node) ast.Span {
	start, end := n.Span()
	span := ast.Span{Start: p.places.offset(start), End: p.places.offset(end)}
	if endsInBracket(n) { // which the syntax package leaves out
		span.End++
	}
	return span
}

func endsInBracket(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.IndexExpr, *syntax.SliceExpr:
		return true
	case *syntax.BinaryExpr:
		return endsInBracket(n.Y)
	case *syntax.UnaryExpr:
		return endsInBracket(n.X)
	case *syntax.CondExpr:
		return endsInBracket(n.False)
	case *syntax.LambdaExpr:
		return endsInBracket(n.Body)
	case *syntax.DictEntry:
		return endsInBracket(n.Value)
	case *syntax.IfClause:
		return endsInBracket(n.Cond)
	}
	return false
}

func (p *parser) fail(at syntax.Node, format string, args ...any) error {
	return &Error{p.text, p.span(at), fmt.Sprintf(format, args...)}
}

// expr makes the node of an expression.
func (p *parser) expr(e syntax.Expr) (ast.Node, error) {
	if p.depth++; p.depth > 4*p.limits.Depth { // parentheses make no node
		return nil, &ast.LimitError{What: "levels", Limit: p.limits.Depth}
	}
	if p.count++; p.count > 8*p.limits.Nodes {
		return nil, &ast.LimitError{What: "nodes", Limit: p.limits.Nodes}
	}
	defer func() { p.depth-- }()
	n, err := p.bare(e)
	if err != nil {
		return nil, err
	}
	if _, seen := p.spans[n]; !seen {
		p.spans[n] = p.span(e)
	}
	return n, nil
}

func (p *parser) bare(e syntax.Expr) (ast.Node, error) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return p.expr(e.X)
	case *syntax.Literal:
		v, err := p.literal(e, false)
		return &ast.Lit{Value: v}, err
	case *syntax.Ident:
		return p.ident(e)
	case *syntax.DotExpr:
		x, err := p.expr(e.X)
		return &ast.Attr{X: x, Name: e.Name.Name}, err
	case *syntax.IndexExpr:
		x, i, err := p.two(e.X, e.Y)
		return &ast.Index{X: x, I: i}, err
	case *syntax.CallExpr:
		return p.call(e)
	case *syntax.UnaryExpr:
		return p.unary(e)
	case *syntax.BinaryExpr:
		return p.binary(e)
	case *syntax.CondExpr:
		return p.conditional(e)
	case *syntax.ListExpr:
		items, err := p.list(e.List)
		return &ast.List{Items: items}, err
	case *syntax.DictExpr:
		return p.object(e)
	case *syntax.Comprehension:
		if e.Curly {
			return nil, p.fail(e, "an object has its fields written out; a comprehension makes a list, in [ ]")
		}
		return p.comprehension(e, e.Clauses)
	case *syntax.LambdaExpr:
		return nil, p.fail(e, "a function is no value; it stands as an argument of filter, map and their like")
	case *syntax.TupleExpr:
		return nil, p.fail(e, "there are no tuples; a list is written in [ ]")
	case *syntax.SliceExpr:
		return nil, p.fail(e, "there are no slices; write x.skip(n).limit(m)")
	default:
		return nil, p.fail(e, "this cannot be in a program")
	}
}

func (p *parser) two(a, b syntax.Expr) (ast.Node, ast.Node, error) {
	x, err := p.expr(a)
	if err != nil {
		return nil, nil, err
	}
	y, err := p.expr(b)
	return x, y, err
}

func (p *parser) list(es []syntax.Expr) ([]ast.Node, error) {
	var ns []ast.Node
	for _, e := range es {
		n, err := p.expr(e)
		if err != nil {
			return nil, err
		}
		ns = append(ns, n)
	}
	return ns, nil
}

// literal reads a number or text. A negative number is one literal: there is no other way to write the smallest int.
func (p *parser) literal(e *syntax.Literal, negative bool) (ast.Value, error) {
	switch v := e.Value.(type) {
	case int64:
		if negative {
			v = -v
		}
		return ast.Int(v), nil
	case *big.Int:
		if negative && v.Cmp(new(big.Int).Neg(big.NewInt(math.MinInt64))) == 0 {
			return ast.Int(math.MinInt64), nil
		}
		return ast.Value{}, p.fail(e, "an int has 64 bits")
	case float64:
		if negative {
			v = -v
		}
		return ast.Float(v), nil
	case string:
		if e.Token == syntax.BYTES {
			return ast.Bytes(v), nil
		}
		return ast.String(v), nil
	}
	return ast.Value{}, p.fail(e, "this cannot be in a program")
}

func (p *parser) ident(e *syntax.Ident) (ast.Node, error) {
	switch e.Name {
	case "None":
		return &ast.Lit{Value: ast.Null()}, nil
	case "True", "False":
		return &ast.Lit{Value: ast.Bool(e.Name == "True")}, nil
	}
	for i, name := range slices.Backward(p.vars) {
		if name == e.Name {
			return &ast.Var{Depth: len(p.vars) - 1 - i}, nil
		}
	}
	return &ast.Param{Name: e.Name}, nil
}

func (p *parser) unary(e *syntax.UnaryExpr) (ast.Node, error) {
	switch e.Op {
	case syntax.MINUS:
		if lit, ok := e.X.(*syntax.Literal); ok && lit.Token != syntax.STRING && lit.Token != syntax.BYTES {
			v, err := p.literal(lit, true)
			return &ast.Lit{Value: v}, err
		}
		x, err := p.expr(e.X)
		return &ast.Unary{Code: ast.OpNeg, X: x}, err
	case syntax.NOT:
		x, err := p.expr(e.X)
		return &ast.Unary{Code: ast.OpNot, X: x}, err
	default:
		return nil, p.fail(e, "there is no operation %s x", e.Op)
	}
}

var binaries = map[syntax.Token]ast.Op{
	syntax.AND: ast.OpAnd, syntax.OR: ast.OpOr, syntax.IN: ast.OpIn,
	syntax.EQL: ast.OpEq, syntax.NEQ: ast.OpNe, syntax.LT: ast.OpLt, syntax.LE: ast.OpLe, syntax.GT: ast.OpGt, syntax.GE: ast.OpGe,
	syntax.PLUS: ast.OpAdd, syntax.MINUS: ast.OpSub, syntax.STAR: ast.OpMul, syntax.SLASH: ast.OpDiv, syntax.SLASHSLASH: ast.OpFloorDiv,
	syntax.PERCENT: ast.OpMod,
}

func (p *parser) binary(e *syntax.BinaryExpr) (ast.Node, error) {
	op, ok := binaries[e.Op]
	if e.Op == syntax.NOT_IN {
		op, ok = ast.OpIn, true
	}
	if !ok {
		return nil, p.fail(e, "there is no operation x %s y", e.Op)
	}
	l, r, err := p.two(e.X, e.Y)
	if err != nil {
		return nil, err
	}
	var n ast.Node = &ast.Binary{Code: op, L: l, R: r}
	if e.Op == syntax.NOT_IN {
		p.spans[n] = p.span(e)
		n = &ast.Unary{Code: ast.OpNot, X: n}
	}
	return n, nil
}

func (p *parser) conditional(e *syntax.CondExpr) (ast.Node, error) {
	cond, then, err := p.two(e.Cond, e.True)
	if err != nil {
		return nil, err
	}
	otherwise, err := p.expr(e.False)
	return &ast.If{Cond: cond, Then: then, Else: otherwise}, err
}

func (p *parser) object(e *syntax.DictExpr) (ast.Node, error) {
	n := new(ast.Object)
	for _, x := range e.List {
		entry, ok := x.(*syntax.DictEntry)
		if !ok {
			return nil, p.fail(x, "a field is \"name\": value")
		}
		key, ok := entry.Key.(*syntax.Literal)
		if !ok || key.Token != syntax.STRING {
			return nil, p.fail(entry.Key, "the name of a field is a text in quotes")
		}
		name, _ := key.Value.(string)
		if !ast.IsName(name) {
			return nil, p.fail(entry.Key, "the name of a field has letters, digits and _, and is no word of the language")
		}
		value, err := p.expr(entry.Value)
		if err != nil {
			return nil, err
		}
		n.Names = append(n.Names, name)
		n.Values = append(n.Values, value)
	}
	return n, nil
}

// comprehension: [body for v in x if c] is x.filter(lambda v: c).map(lambda v: body), and a further for is a flat_map.
func (p *parser) comprehension(e *syntax.Comprehension, clauses []syntax.Node) (ast.Node, error) {
	loop, ok := clauses[0].(*syntax.ForClause)
	if !ok {
		return nil, p.fail(clauses[0], "this cannot be in a program")
	}
	v, ok := loop.Vars.(*syntax.Ident)
	if !ok {
		return nil, p.fail(loop.Vars, "a row has one name; its fields are x.name")
	}
	rows, err := p.expr(loop.X)
	if err != nil {
		return nil, err
	}
	p.vars = append(p.vars, v.Name)
	defer func() { p.vars = p.vars[:len(p.vars)-1] }()
	for clauses = clauses[1:]; len(clauses) > 0; clauses = clauses[1:] {
		cond, ok := clauses[0].(*syntax.IfClause)
		if !ok {
			inner, err := p.comprehension(e, clauses)
			if err != nil {
				return nil, err
			}
			p.spans[inner] = p.span(e)
			return &ast.FlatMap{X: rows, F: ast.Lambda{Vars: []string{v.Name}, Body: inner}}, nil
		}
		body, err := p.expr(cond.Cond)
		if err != nil {
			return nil, err
		}
		rows = &ast.Filter{X: rows, F: ast.Lambda{Vars: []string{v.Name}, Body: body}}
		p.spans[rows] = p.span(cond)
	}
	body, err := p.expr(e.Body)
	return &ast.Map{X: rows, F: ast.Lambda{Vars: []string{v.Name}, Body: body}}, err
}
