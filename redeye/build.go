package redeye

import (
	"reflect"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Programs are built in Go from symbols: Int, Str, Seq and the others stand for values that will be there when the program runs, on the
// server. Each holds a function that makes its nodes, for a node depends on where it comes to stand: a variable is
// written as the number of lambdas between it and the one that binds it.

// Node is a part of a program that is being built. It is for generated code.
type Node struct{ make func(*scope) ast.Node }

// Expr is an expression whose value is a T in Go. Only symbols of this package, and generated ones, are expressions.
type Expr[T any] interface {
	node() Node
	is(T)
}

// Any is an expression of any type.
type Any interface{ node() Node }

// Symbol is the type X of symbols for values that are a T in Go: Int is Symbol[Int, int64].
type Symbol[X, T any] interface {
	Expr[T]
	// From makes the symbol of a node. It is for generated code.
	From(n Node) X
}

// scope is where nodes are being made.
type scope struct {
	vars   []*variable // of the lambdas around, the innermost last
	slots  map[*slot]string
	names  map[string]bool
	values []binding
	err    *Error
}

// variable is what a lambda binds. Its address is what it is.
type variable struct{ _ byte }

// slot is a value that is given with the program: a parameter.
type slot struct {
	name  string
	value any
}

func (s *scope) fail(format string, args ...any) ast.Node {
	if s.err == nil {
		s.err = buildError(format, args...)
	}
	return &ast.Lit{}
}

// build makes the whole program.
func (n Node) build() (ast.Node, []binding, *Error) {
	s := &scope{slots: map[*slot]string{}, names: map[string]bool{}}
	root := n.in(s)
	if s.err != nil {
		return nil, nil, s.err
	}
	if err := ast.Check(root, ast.Limits{}); err != nil {
		return nil, nil, buildError("%v", err)
	}
	return root, s.values, nil
}

func (n Node) in(s *scope) ast.Node {
	if n.make == nil {
		return s.fail("a symbol that is zero; symbols come from sources, and from what is done with them")
	}
	return n.make(s)
}

// with makes a lambda that binds vars, of a body.
func (s *scope) with(body Node, vars ...*variable) ast.Lambda {
	s.vars = append(s.vars, vars...)
	n := body.in(s)
	s.vars = s.vars[:len(s.vars)-len(vars)]
	return ast.Lambda{Body: n}
}

func (v *variable) node() Node {
	return Node{func(s *scope) ast.Node {
		for i, outer := range slices.Backward(s.vars) {
			if outer == v {
				return &ast.Var{Depth: len(s.vars) - 1 - i}
			}
		}
		return s.fail("a row is used outside of the function that it was given to")
	}}
}

func (p *slot) node() Node {
	return Node{func(s *scope) ast.Node {
		name, ok := s.slots[p]
		if !ok {
			name = p.name
			for i := 2; s.names[name]; i++ {
				name = p.name + strconv.Itoa(i)
			}
			s.slots[p], s.names[name] = name, true
			s.values = append(s.values, binding{name, p.value})
		}
		return &ast.Param{Name: name}
	}}
}

// value is a parameter without a name of its own.
func value(v any) Node { return (&slot{name: "p", value: v}).node() }

// literal makes a value part of the program, where nothing else would say its type.
func (s *scope) literal(v any) ast.Node {
	switch v := v.(type) {
	case bool:
		return &ast.Lit{Value: ast.Bool(v)}
	case int64:
		return &ast.Lit{Value: ast.Int(v)}
	case float64:
		return &ast.Lit{Value: ast.Float(v)}
	case string:
		return &ast.Lit{Value: ast.String(v)}
	case time.Time:
		return &ast.Lit{Value: ast.Time(v)}
	case time.Duration:
		return &ast.Lit{Value: ast.Duration(v)}
	}
	return s.fail("a %T cannot stand in a program; only a scalar can", v)
}

// bind calls f with the symbol of a new variable.
func bind[X Symbol[X, T], T, Y any](f func(X) Y) (*variable, Y) {
	v := new(variable)
	var zero X
	return v, f(zero.From(v.node()))
}

func unary(op ast.Op, x Node) Node {
	return Node{func(s *scope) ast.Node { return &ast.Unary{Code: op, X: x.in(s)} }}
}

func binary(op ast.Op, l, r Node) Node {
	return Node{func(s *scope) ast.Node { return &ast.Binary{Code: op, L: l.in(s), R: r.in(s)} }}
}

func from[X Symbol[X, T], T any](n Node) X {
	var zero X
	return zero.From(n)
}

// Attr is an attribute of an entity, or a field of an object. It is for generated code.
func Attr[X Symbol[X, T], T any](x Any, name string) X {
	recv := x.node()
	return from[X](Node{func(s *scope) ast.Node { return &ast.Attr{X: recv.in(s), Name: name} }})
}

// Call calls a method of an entity. It is for generated code.
func Call[X Symbol[X, T], T any](recv Any, name string, args ...Node) X {
	r := recv.node()
	return from[X](Node{func(s *scope) ast.Node { return &ast.Call{X: r.in(s), Name: name, Args: all(s, args)} }})
}

// Source calls a source. It is for generated code.
func Source[X Symbol[X, T], T any](name string, args ...Node) X {
	return from[X](Node{func(s *scope) ast.Node { return &ast.Call{Name: name, Args: all(s, args)} }})
}

// Value is a value that is given with the program, as a parameter of this name. It is for generated code.
func Value[T any](name string, v T) Node { return (&slot{name: name, value: v}).node() }

// NodeOf is the node of an expression. It is for generated code.
func NodeOf[T any](e Expr[T]) Node { return e.node() }

func all(s *scope, nodes []Node) []ast.Node {
	out := make([]ast.Node, len(nodes))
	for i, n := range nodes {
		out[i] = n.in(s)
	}
	return out
}

// Fields are the fields of an object, in order: what [Into] and [Object] want of a function.
type Fields []Field

// Field is a field of an object; see [Set].
type Field struct {
	dst  unsafe.Pointer
	typ  reflect.Type
	node Node
}

// Set says that a field of a struct, given by its address, gets the value of an expression.
func Set[T any](dst *T, e Expr[T]) Field {
	return Field{unsafe.Pointer(dst), reflect.TypeFor[T](), e.node()}
}

// object makes the node of an object out of the fields of row.
func object[R any](row *R, fields Fields) Node {
	t := reflect.TypeFor[R]()
	if t.Kind() != reflect.Struct {
		return Node{func(s *scope) ast.Node { return s.fail("%s is no struct, so it has no fields to set", t) }}
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		offset := uintptr(f.dst) - uintptr(unsafe.Pointer(row))
		for sf := range t.Fields() {
			if sf.Offset == offset && sf.Type == f.typ && sf.IsExported() {
				names[i] = fieldName(sf)
			}
		}
		if names[i] == "" {
			return Node{func(s *scope) ast.Node {
				return s.fail("Set number %d: its address is none of an exported field of the %s that the function was given", i+1, t)
			}}
		}
	}
	return Node{func(s *scope) ast.Node {
		values := make([]ast.Node, len(fields))
		for i, f := range fields {
			values[i] = f.node.in(s)
		}
		return &ast.Object{Names: names, Values: values}
	}}
}

// Into is a list with a struct of each row:
//
//	redeye.Into(movies.GetMovies(ids), func(x movies.MovieX, c *Card) redeye.Fields {
//		return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title())}
//	})
//
// f is called once, with a symbol that stands for every row. The query is an expression too, so a field of a struct can be set to a list of structs.
func Into[X Symbol[X, T], T, R any](list Seq[X, T], f func(x X, row *R) Fields) Query[[]R] {
	row, v := new(R), new(variable)
	body := object(row, f(from[X](v.node()), row))
	xs := list.node()
	return Query[[]R]{query{site: Here(1), built: true, tree: Node{func(s *scope) ast.Node {
		return &ast.Map{X: xs.in(s), F: s.with(body, v)}
	}}}}
}

// Object is one struct, of expressions.
func Object[R any](f func(row *R) Fields) Query[R] {
	row := new(R)
	return Query[R]{query{site: Here(1), built: true, tree: object(row, f(row))}}
}

// Page is a page of a list.
type Page[R any] struct {
	Rows []R
	Next *string // what to give as after for the next page; nil at the end
}

// PageInto is a page of at most size rows of a list, with a struct of each row as in [Into]. after is Next of the page before, or "" for the first. The list must be sorted, or its
// source must declare that its order is stable.
func PageInto[X Symbol[X, T], T, R any](list Seq[X, T], size int64, after string, f func(x X, row *R) Fields) Query[Page[R]] {
	row, v, page := new(R), new(variable), new(variable)
	body := object(row, f(from[X](v.node()), row))
	xs, n, cursor := list.node(), value(size), &slot{name: "after"}
	cursor.value = &after
	if after == "" {
		cursor.value = (*string)(nil)
	}
	c := cursor.node()
	whole := Node{func(s *scope) ast.Node {
		p := page.node()
		return &ast.Object{Names: []string{"rows", "next"}, Values: []ast.Node{
			&ast.Map{X: &ast.Attr{X: p.in(s), Name: "rows"}, F: s.with(body, v)},
			&ast.Attr{X: p.in(s), Name: "next"},
		}}
	}}
	return Query[Page[R]]{query{site: Here(1), built: true, tree: Node{func(s *scope) ast.Node {
		x := &ast.Page{X: xs.in(s), Size: n.in(s), After: c.in(s)}
		return &ast.Let{X: x, In: s.with(whole, page)}
	}}}}
}

func (q Query[R]) is(R) {}

func (q Query[R]) node() Node {
	if !q.q.built {
		return Node{func(s *scope) ast.Node { return s.fail("a query that is text cannot be part of another") }}
	}
	return q.q.tree
}
