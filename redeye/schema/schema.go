// Package schema is what a service offers to Redeye: the types of values, the entities with their attributes and methods, and
// the sources. A server makes a [Schema] from what was registered and serves it as JSON; clients, tools and generated
// code read it.
package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Schema lists what programs can use.
type Schema struct {
	Service  string   `json:"service"`
	Version  string   `json:"version"` // a hash of the rest
	Entities []Entity `json:"entities"`
	Sources  []Method `json:"sources"`
}

// Entity is a type whose values stay on the server; outside it is known by its key.
type Entity struct {
	Name    string   `json:"name"`
	Doc     string   `json:"doc,omitempty"`
	Key     Type     `json:"key"` // int or string
	Attrs   []Attr   `json:"attrs"`
	Methods []Method `json:"methods"`
}

// Attr is a property that costs nothing to read.
type Attr struct {
	Name string `json:"name"`
	Doc  string `json:"doc,omitempty"`
	Type Type   `json:"type"`
}

// Method is a method of an entity, or a source.
type Method struct {
	Name   string `json:"name"`
	Doc    string `json:"doc,omitempty"`
	Args   []Arg  `json:"args,omitempty"`
	Result Type   `json:"result"`
	// Batch says how it is called: "unary", once for each receiver; "batch", once for many; "keyed", once for many keys;
	// "pairs", once for many receivers with their arguments. Empty for a source.
	Batch    string `json:"batch,omitempty"`
	MaxBatch int    `json:"max_batch,omitempty"` // receivers in one call; 0 is any number
	Cost     string `json:"cost"`                // cheap, normal or dear
	Scope    string `json:"scope"`               // who may see the same answer: public, tenant or principal
	Cache    string `json:"cache,omitempty"`     // how long the server keeps answers, as 1m0s; "never" if no program may keep one
	// Replaces names calls that a program makes needless by using the method, as Shuai shows them: "movie.service.get_title".
	Replaces []string `json:"replaces,omitempty"`
}

// Arg is an argument of a method.
type Arg struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Entity returns the entity of that name, or nil.
func (s *Schema) Entity(name string) *Entity {
	for i := range s.Entities {
		if s.Entities[i].Name == name {
			return &s.Entities[i]
		}
	}
	return nil
}

// Source returns the source of that name, or nil.
func (s *Schema) Source(name string) *Method { return find(s.Sources, name) }

// Enums lists the enums that there are, as they are met.
func (s *Schema) Enums() (enums []Type) {
	add := func(part Type) {
		if part.Kind == KindEnum && !slices.ContainsFunc(enums, func(e Type) bool { return e.Name == part.Name }) {
			enums = append(enums, part.NotNull())
		}
	}
	method := func(m Method) {
		for _, a := range m.Args {
			a.Type.each(add)
		}
		m.Result.each(add)
	}
	for _, e := range s.Entities {
		for _, a := range e.Attrs {
			a.Type.each(add)
		}
		for _, m := range e.Methods {
			method(m)
		}
	}
	for _, m := range s.Sources {
		method(m)
	}
	return enums
}

// Method returns the method of that name, or nil.
func (e *Entity) Method(name string) *Method { return find(e.Methods, name) }

// Attr returns the attribute of that name, or nil.
func (e *Entity) Attr(name string) *Attr {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return &e.Attrs[i]
		}
	}
	return nil
}

func find(ms []Method, name string) *Method {
	for i := range ms {
		if ms[i].Name == name {
			return &ms[i]
		}
	}
	return nil
}

// Read reads a schema as JSON and checks it.
func Read(b []byte) (*Schema, error) {
	s := new(Schema)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return s, nil
}

// Check reports everything that makes the schema unusable: names that a program cannot write, or that stand twice, types
// of entities that are not there, and enums of one name with different values.
func (s *Schema) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	enums := map[string]Type{}
	typ := func(where string, t Type) {
		t.each(func(part Type) {
			if part.Kind != KindEnum {
				return
			}
			first, seen := enums[part.Name]
			if !seen {
				enums[part.Name] = part
			}
			switch err := part.checkEnum(); {
			case seen && !slices.Equal(first.Values, part.Values):
				bad("%s has an enum %s, but not with the values that it has elsewhere", where, part.Name)
			case !seen && err != nil:
				bad("%s: %w", where, err)
			}
		})
		switch missing := s.missing(t); {
		case missing != "":
			bad("%s has a type %s, but there is no entity %s", where, t, missing)
		case t.Has(KindUnknown):
			bad("%s has the type %s, which is none of a value", where, t)
		}
	}
	method := func(where string, m Method) {
		typ("the result of "+where, m.Result)
		names := map[string]bool{}
		for _, a := range m.Args {
			if !ast.IsName(a.Name) || names[a.Name] {
				bad("%s has an argument named %q; names are distinct, of letters, digits and _", where, a.Name)
			}
			names[a.Name] = true
			typ("the argument "+a.Name+" of "+where, a.Type)
		}
	}
	entities := map[string]bool{}
	for _, e := range s.Entities {
		if !ast.IsName(e.Name) || kindOf(e.Name) != KindUnknown {
			bad("%q cannot be the name of an entity; it has letters, digits and _, and is no word of the language", e.Name)
		}
		if entities[e.Name] {
			bad("there are two entities %s", e.Name)
		}
		entities[e.Name] = true
		if e.Key.Null || e.Key.Kind != KindInt && e.Key.Kind != KindString {
			bad("the key of %s is a %s; it must be an int or a string", e.Name, e.Key)
		}
		names := map[string]bool{}
		for _, a := range e.Attrs {
			where := e.Name + "." + a.Name
			if !ast.IsName(a.Name) {
				bad("%s: %q cannot be the name of an attribute; it has letters, digits and _, and is no word of the language", e.Name, a.Name)
			}
			if names[a.Name] {
				bad("there are two %s", where)
			}
			names[a.Name] = true
			typ(where, a.Type)
		}
		for _, m := range e.Methods {
			where := e.Name + "." + m.Name
			if !ast.IsMethodName(m.Name) {
				bad("%s: %q cannot be the name of a method; it is an operation of the language, or no name at all", e.Name, m.Name)
			}
			if names[m.Name] {
				bad("there are two %s", where)
			}
			names[m.Name] = true
			method(where, m)
		}
	}
	names := map[string]bool{}
	for _, m := range s.Sources {
		if !ast.IsSourceName(m.Name) {
			bad("%q cannot be the name of a source; it is a function of the language, or no name at all", m.Name)
		}
		if names[m.Name] {
			bad("there are two sources %s", m.Name)
		}
		names[m.Name] = true
		method(m.Name, m)
	}
	for _, name := range slices.Sorted(maps.Keys(enums)) {
		if entities[name] {
			bad("there are an entity and an enum %s", name)
		}
	}
	return errors.Join(errs...)
}

// missing returns the name of an entity that the type mentions and the schema does not have.
func (s *Schema) missing(t Type) (name string) {
	t.each(func(part Type) {
		if part.Kind == KindEntity && s.Entity(part.Name) == nil && name == "" {
			name = part.Name
		}
	})
	return name
}

// SetVersion makes Version a hash of the rest: 16 hexadecimal digits of its SHA-256.
func (s *Schema) SetVersion() error {
	s.Version = ""
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	sum := sha256.Sum256(b)
	s.Version = hex.EncodeToString(sum[:8])
	return nil
}
