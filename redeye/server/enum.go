package server

import (
	"fmt"
	"reflect"

	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Enum makes a Go type known that is a string with certain values: programs see an enum of that name, and what they compare it with is checked
// against the values before anything is called. It may be an argument too, and is then one of them.
//
//	type Genre string
//	const ( Drama Genre = "drama"; Comedy Genre = "comedy" )
//	server.Enum(s, "Genre", Drama, Comedy)
//
// A value that an attribute or method gives and that is none of them is an error OUT_OF_RANGE of its row. It must be registered before what
// takes or returns it.
func Enum[T ~string](s *Server, name string, values ...T) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	enum(s, name, values, names, func(v T) string { return fmt.Sprintf("%.40q", string(v)) })
}

// EnumInt is [Enum] for a Go type that is a whole number, with the text that each value is for programs. Names are by the type's values or by
// numbers, as generated code of protobuf has them:
//
//	server.EnumInt[Rating](s, "Rating", map[Rating]string{General: "G", Restricted: "R"})
//	server.EnumInt[pb.Genre](s, "Genre", pb.Genre_name)
func EnumInt[T, K integer](s *Server, name string, names map[K]string) {
	values := make([]T, 0, len(names))
	texts := make([]string, 0, len(names))
	for _, k := range sortedKeys(names) {
		if v := T(k); K(v) != k || (v < 0) != (k < 0) {
			s.mistake("EnumInt %s: %d is too large for the Go type", name, k)
			continue
		}
		values, texts = append(values, T(k)), append(texts, names[k])
	}
	enum(s, name, values, texts, func(v T) string { return fmt.Sprintf("%d", v) })
}

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// enum makes known a type whose values have these names, in this order.
func enum[T comparable](s *Server, name string, values []T, names []string, show func(T) string) {
	if goType := reflect.TypeFor[T](); goType.PkgPath() == "" {
		s.mistake("Enum %s: %s is any %s; give the enum a Go type of its own", name, goType, goType)
		return
	}
	if !newType[T](s, "Enum "+name+" of") {
		return
	}
	typ, err := schema.EnumOf(name, names...)
	if err != nil {
		s.mistake("Enum: %v", err)
		return
	}
	nameOf, valueOf := make(map[T]string, len(values)), make(map[string]T, len(values))
	for i, v := range values {
		nameOf[v], valueOf[names[i]] = names[i], v
	}
	add(s.known, codec[T]{
		typ,
		func(vals []T) *engine.Vec {
			v := &engine.Vec{N: len(vals), Texts: make([]string, len(vals))}
			var undeclared map[T]*engine.Error // rows share them
			for i, val := range vals {
				text, ok := nameOf[val]
				if v.Texts[i] = text; ok {
					continue
				}
				if undeclared == nil {
					undeclared = map[T]*engine.Error{}
				}
				if undeclared[val] == nil {
					undeclared[val] = &engine.Error{Code: "OUT_OF_RANGE", Msg: show(val) + " is none of the values of " + name}
				}
				v.SetErr(i, undeclared[val])
			}
			return v
		},
		func(v *engine.Vec, row int) T { return valueOf[v.Texts[row]] },
	})
}
