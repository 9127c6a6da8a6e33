package ast

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// precedence is how tightly an expression binds, as in Starlark's grammar.
type precedence uint8

const (
	bindAny precedence = iota // lambda, a if c else b
	bindOr
	bindAnd
	bindNot
	bindCompare
	bindAdd
	bindMul
	bindNeg
	bindCall // x.y, x(y), x[y], names, literals
)

// Print writes the program as text, in one line. Reading the text gives the same tree again. Variables keep their
// names unless that would change what is meant. The tree must be one that [Check] accepts.
func Print(n Node) *Source {
	p := printer{spans: map[Node]Span{}, taken: map[string]int{}}
	collectParams(n, p.taken)
	p.expr(n, bindAny)
	return &Source{Text: string(p.buf), Spans: p.spans}
}

// Text returns the program as text; see [Print].
func Text(n Node) string { return Print(n).Text }

type printer struct {
	buf   []byte
	spans map[Node]Span
	vars  []string       // of the lambdas around
	taken map[string]int // names in use here: parameters and vars
}

func (p *printer) write(s ...string) {
	for _, part := range s {
		p.buf = append(p.buf, part...)
	}
}

// expr writes n, in parentheses if it binds less tightly than its place needs.
func (p *printer) expr(n Node, place precedence) {
	if bind(n) < place {
		p.write("(")
		defer p.write(")")
	}
	start := len(p.buf)
	p.bare(n)
	p.spans[n] = Span{start, len(p.buf)}
	if v := identity(n); v != nil { // is not written
		p.spans[v] = p.spans[n]
	}
}

// identity returns the body of a function that is left out in text since it is lambda x: x.
func identity(n Node) Node {
	var body Node
	switch n := n.(type) {
	case *Distinct:
		body = n.F.Body
	case *Aggregate:
		body = n.F.Body
	default:
		return nil
	}
	if v, ok := body.(*Var); ok && v.Depth == 0 {
		return v
	}
	return nil
}

func bind(n Node) precedence {
	switch n := n.(type) {
	case *If:
		return bindAny
	case *Unary:
		switch n.Code {
		case OpNot:
			return bindNot
		case OpNeg:
			return bindNeg
		default:
			return bindCall
		}
	case *Binary:
		if ops[n.Code].syntax == infix {
			return ops[n.Code].bind
		}
		return bindCall
	case *Lit:
		if negative(n.Value) {
			return bindNeg
		}
		return bindCall
	default:
		return bindCall
	}
}

func negative(v Value) bool {
	return v.kind == KindInt && v.Int() < 0 || v.kind == KindFloat && v.bits>>63 == 1
}

func number(n Node) bool {
	lit, ok := n.(*Lit)
	return ok && (lit.Value.kind == KindInt || lit.Value.kind == KindFloat)
}

func (p *printer) bare(n Node) {
	switch n := n.(type) {
	case *Lit:
		p.write(Literal(n.Value))
	case *Param:
		p.write(n.Name)
	case *Var:
		p.write(p.vars[len(p.vars)-1-n.Depth])
	case *Attr:
		p.receiver(n.X)
		p.write(".", n.Name)
	case *Index:
		p.receiver(n.X)
		p.write("[")
		p.expr(n.I, bindAny)
		p.write("]")
	case *Call:
		if n.X != nil {
			p.receiver(n.X)
			p.write(".")
		}
		p.write(n.Name, "(")
		p.list(n.Args)
		p.write(")")
	case *Unary:
		p.unary(n)
	case *Binary:
		p.binary(n)
	case *If:
		p.expr(n.Then, bindOr)
		p.write(" if ")
		p.expr(n.Cond, bindOr)
		p.write(" else ")
		p.expr(n.Else, bindAny)
	case *Object:
		p.write("{")
		for i, name := range n.Names {
			if i > 0 {
				p.write(", ")
			}
			p.write(quote(name), ": ")
			p.expr(n.Values[i], bindAny)
		}
		p.write("}")
	case *List:
		p.write("[")
		p.list(n.Items)
		p.write("]")
	case *Let:
		p.write("let(")
		p.expr(n.X, bindAny)
		p.write(", ")
		p.lambda(n.In, 1)
		p.write(")")
	case *Match:
		p.method(n, n.X, quote(n.Pattern))
	case *Then:
		p.method(n, n.X, n.F)
	case *Filter:
		p.method(n, n.X, n.F)
	case *Map:
		p.method(n, n.X, n.F)
	case *FlatMap:
		p.method(n, n.X, n.F)
	case *Limit:
		p.method(n, n.X, n.N)
	case *Skip:
		p.method(n, n.X, n.N)
	case *Sort:
		args := make([]any, len(n.Keys))
		for i, key := range n.Keys {
			args[i] = key
		}
		p.method(n, n.X, args...)
	case *Distinct:
		p.each(n, n.X, n.F)
	case *Group:
		p.method(n, n.X, n.F)
	case *Aggregate:
		p.each(n, n.X, n.F)
	case *Reduce:
		p.method(n, n.X, n.Init, n.F)
	case *Join:
		p.method(n, n.Left, n.Right, n.LeftKey, n.RightKey)
	case *Page:
		p.method(n, n.X, n.Size, n.After)
	case *Validate:
		p.method(n, n.X, n.F, quote(n.Msg))
	case *Cache:
		p.kept(n, n.X, n.TTL, n.Scope)
	case *Warm:
		p.kept(n, n.X, n.TTL, n.Scope)
	case *Timeout:
		p.method(n, n.X, quote(n.After.Duration().String()))
	}
}

// DefaultScope is the scope of a [Cache] or [Warm] that names none.
const DefaultScope = "principal"

func (p *printer) kept(n, x Node, ttl Value, scope string) {
	if scope == DefaultScope {
		p.method(n, x, quote(ttl.Duration().String()))
		return
	}
	p.method(n, x, quote(ttl.Duration().String()), quote(scope))
}

// receiver writes what stands before a dot or bracket. A number's own dot would swallow it.
func (p *printer) receiver(n Node) {
	if number(n) {
		p.write("(")
		p.expr(n, bindAny)
		p.write(")")
		return
	}
	p.expr(n, bindCall)
}

func (p *printer) unary(n *Unary) {
	switch {
	case n.Code == OpNot:
		p.write("not ")
		p.expr(n.X, bindNot)
	case n.Code == OpNeg && number(n.X): // -1 is a literal, -(1) is not
		p.write("-(")
		p.expr(n.X, bindAny)
		p.write(")")
	case n.Code == OpNeg:
		p.write("-")
		p.expr(n.X, bindNeg)
	case ops[n.Code].syntax == function:
		p.write(ops[n.Code].name, "(")
		p.expr(n.X, bindAny)
		p.write(")")
	default:
		p.method(n, n.X)
	}
}

func (p *printer) binary(n *Binary) {
	op := ops[n.Code]
	if op.syntax == method {
		p.method(n, n.L, n.R)
		return
	}
	left := op.bind
	if left == bindCompare { // which does not chain
		left++
	}
	p.expr(n.L, left)
	p.write(" ", op.token, " ")
	p.expr(n.R, op.bind+1)
}

// each writes an operation whose function may be left out where it is the identity.
func (p *printer) each(n, x Node, f Lambda) {
	if identity(n) != nil {
		p.method(n, x)
		return
	}
	p.method(n, x, f)
}

// method writes an operation as x.name(args…). Strings among args stand as they are.
func (p *printer) method(n, x Node, args ...any) {
	p.receiver(x)
	p.write(".", ops[n.Op()].name, "(")
	for i, arg := range args {
		if i > 0 {
			p.write(", ")
		}
		switch arg := arg.(type) {
		case string:
			p.write(arg)
		case Lambda:
			vars := 1
			if n.Op() == OpReduce {
				vars = 2
			}
			p.lambda(arg, vars)
		case Key:
			if !arg.Desc {
				p.lambda(arg.By, 1)
				continue
			}
			p.write("desc(")
			p.lambda(arg.By, 1)
			p.write(")")
		case Node:
			p.expr(arg, bindAny)
		}
	}
	p.write(")")
}

func (p *printer) list(ns []Node) {
	for i, n := range ns {
		if i > 0 {
			p.write(", ")
		}
		p.expr(n, bindAny)
	}
}

func (p *printer) lambda(f Lambda, vars int) {
	p.write("lambda ")
	outer := len(p.vars)
	for i := range vars {
		name := defaultVars[i]
		if i < len(f.Vars) {
			name = f.Vars[i]
		}
		name = p.free(name)
		if i > 0 {
			p.write(", ")
		}
		p.write(name)
		p.vars = append(p.vars, name)
		p.taken[name]++
	}
	p.write(": ")
	p.expr(f.Body, bindAny)
	for _, name := range p.vars[outer:] {
		p.taken[name]--
	}
	p.vars = p.vars[:outer]
}

var defaultVars = [...]string{"x", "y"}

// free returns a name that means nothing yet where a lambda begins: name itself, or name with a number.
func (p *printer) free(name string) string {
	if p.taken[name] == 0 {
		return name
	}
	base := strings.TrimRight(name[:min(len(name), 56)], "0123456789")
	for i := 2; ; i++ {
		if try := base + strconv.Itoa(i); p.taken[try] == 0 {
			return try
		}
	}
}

// collectParams counts the parameters of a program, which no variable may hide.
func collectParams(n Node, into map[string]int) {
	if p, ok := n.(*Param); ok {
		into[p.Name]++
	}
	for c := range Children(n) {
		collectParams(c, into)
	}
}

// Literal writes a literal as it stands in text.
func Literal(v Value) string {
	switch v.kind {
	case KindNull:
		return "None"
	case KindBool:
		if v.Bool() {
			return "True"
		}
		return "False"
	case KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case KindFloat:
		s := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case KindString:
		return quote(v.text)
	case KindBytes:
		return quoteBytes(v.text)
	case KindTime:
		return "time(" + quote(v.Time().Format(time.RFC3339Nano)) + ")"
	case KindDuration:
		return "duration(" + quote(v.Duration().String()) + ")"
	default:
		return "unknown"
	}
}

// quote writes a string as a literal of Starlark.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteBytes(s string) string {
	var b strings.Builder
	b.WriteString(`b"`)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c < 0x7f:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
