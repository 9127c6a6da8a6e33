package engine

import (
	"context"
	"time"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Catalog is what was registered: the schema, and how to call what is in it. It is not changed once programs are
// planned with it.
type Catalog struct {
	Schema   schema.Schema
	Entities map[string]*Entity
	Sources  map[string]*Method
}

// Entity is how the engine handles columns of Go values of one type.
type Entity struct {
	Name    string
	Key     schema.Kind // int or string
	Attrs   map[string]*Attr
	Methods map[string]*Method

	Bytes  int64                           // about what a value takes
	Pick   func(refs any, idx []int32) any // of []E the elements that idx names
	Append func(refs, more any) any        // puts two []E into a new one
	Keys   func(refs any) *Vec             // of each element its key
}

// Attr is a local property of an entity.
type Attr struct {
	Type schema.Type
	// One of: Read reads it of the elements of []E that idx names, of all n if idx is nil. Fill reads a scalar that is never null into the rows of
	// dst, which has the type's array; row 0 is element idx[start], or start if idx is nil.
	Read func(refs any, idx []int32, n int) *Vec
	Fill func(dst *Vec, refs any, idx []int32, start int)
}

func (a *Attr) read(refs any, idx []int32, n int) *Vec {
	if a.Fill == nil {
		return a.Read(refs, idx, n)
	}
	v := blank(a.Type, n)
	a.Fill(v, refs, idx, 0)
	return v
}

// Method is a method of an entity, or a source.
type Method struct {
	Name        string // Movie.title; get_movies
	Args        []schema.Arg
	Result      schema.Type
	MaxBatch    int  // receivers in one call; 0 is any number
	Cheap       bool // may be called on rows that turn out not to need it
	Pairs       bool // a call takes arguments for each receiver
	UniqueKeys  bool // of a source: no key is in its list twice
	Stable      bool // of a source: the order of its list does not change
	Scope       Scope
	Concurrency int           // calls at once, of all runs; 0 is the server's own bound
	SlowAfter   time.Duration // a call that takes longer counts as failed; 0 is the server's own time
	TTL         time.Duration // answers are kept so long; 0 is not at all, but where a program says so

	// Call answers for each of n receivers, in order. Receivers are an []E, nil of a source (then n is 1). Arguments are columns of one row, or of n
	// if Pairs.
	Call func(ctx context.Context, refs any, n int, args []*Vec) (*Vec, error)
}
