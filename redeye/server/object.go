package server

import (
	"reflect"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Object makes the Go type T one that attributes, methods and sources may return: for programs it is an object of the fields, in their order,
// and there are lists, maps and nulls of it. It is a value: what has an identity, and methods, is an [Entity].
//
//	server.Object(s, server.Field("street", func(a Address) string { return a.Street }), server.Field("zip", func(a Address) int64 { return a.Zip }))
//
// It must be registered before what returns it. It cannot be an argument.
func Object[T any](s *Server, fields ...FieldOf[T]) {
	goType := reflect.TypeFor[T]()
	out := codec[T]{typ: schema.Type{Kind: schema.KindObject}}
	var columns []func(vals []T) *engine.Vec
	for _, f := range fields {
		typ, column, err := f.column(s.known)
		switch {
		case err != nil:
			s.mistake("Object %s: its field %s: %v", goType, f.name, err)
		case !ast.IsName(f.name):
			s.mistake("Object %s: %q cannot be the name of a field; it has letters, digits and _, and is no word of the language", goType, f.name)
		case out.typ.Field(f.name) >= 0:
			s.mistake("Object %s: there are two fields %s", goType, f.name)
		default:
			out.typ.Fields = append(out.typ.Fields, schema.Field{Name: f.name, Type: typ})
			columns = append(columns, column)
		}
	}
	if !newType[T](s, "Object") {
		return
	}
	if len(fields) == 0 {
		s.mistake("Object %s: it has no fields", goType)
	}
	out.gather = func(vals []T) *engine.Vec {
		v := &engine.Vec{N: len(vals), Fields: make([]engine.Col, len(columns))}
		for i, column := range columns {
			v.Fields[i] = engine.Ready(column(vals))
		}
		return v
	}
	add(s.known, out)
}

// FieldOf is a field of an [Object], as [Field] makes it.
type FieldOf[T any] struct {
	name   string
	column func(known codecs) (schema.Type, func(vals []T) *engine.Vec, error)
}

// Field is a field of an object: f reads it, as an attribute is read.
func Field[T, R any](name string, f func(T) R) FieldOf[T] {
	return FieldOf[T]{name, func(known codecs) (schema.Type, func(vals []T) *engine.Vec, error) {
		c, err := codecOf[R](known)
		if err != nil {
			return schema.Type{}, nil, err
		}
		return c.typ, func(vals []T) *engine.Vec {
			out := make([]R, len(vals))
			for i, v := range vals {
				out[i] = f(v)
			}
			return c.gather(out)
		}, nil
	}}
}

// Named makes a Go type known that is a string by another name: programs see a string. It may be an argument too; which of its values are good
// is for whoever takes it to say. One whose values are known is an [Enum].
func Named[T ~string](s *Server) {
	if newType[T](s, "Named") {
		add(s.known, codec[T]{
			schema.Of(schema.KindString),
			func(vals []T) *engine.Vec {
				v := &engine.Vec{N: len(vals), Texts: make([]string, len(vals))}
				for i, val := range vals {
					v.Texts[i] = string(val)
				}
				return v
			},
			func(v *engine.Vec, row int) T { return T(v.Texts[row]) },
		})
	}
}

// NamedInt is [Named] for a Go type that is a whole number: programs see an int.
func NamedInt[T ~int64 | ~int | ~int32](s *Server) {
	if newType[T](s, "NamedInt") {
		addInt(s.known, schema.KindInt, converted[T])
	}
}

func newType[T any](s *Server, what string) bool {
	goType := reflect.TypeFor[T]()
	_, twice := s.known[goType]
	if twice {
		s.mistake("%s %s: the Go type is known already", what, goType)
	}
	return !twice
}
