package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// EntityType is an entity that has been registered: where its attributes and methods are. E is the Go type of its values, K that of its key.
type EntityType[E any, K int64 | string] struct {
	server *Server
	name   string
	engine *engine.Entity
	key    func(E) K
}

// Entity registers the entity of the Go type E. Two values with the same key are the same entity; key must be cheap, and
// hold for nil if E can be nil.
func Entity[E any, K int64 | string](s *Server, name string, key func(E) K, doc ...string) *EntityType[E, K] {
	kind := schema.KindString
	if reflect.TypeFor[K]().Kind() == reflect.Int64 {
		kind = schema.KindInt
	}
	e := &engine.Entity{Name: name, Key: kind, Attrs: map[string]*engine.Attr{}, Methods: map[string]*engine.Method{}}
	e.Bytes = sizeOf(reflect.TypeFor[E]())
	e.Pick = func(refs any, idx []int32) any {
		src, _ := refs.([]E)
		out := make([]E, len(idx))
		for i, j := range idx {
			out[i] = src[j]
		}
		return out
	}
	e.Append = func(refs, more any) any {
		a, _ := refs.([]E)
		b, _ := more.([]E)
		return slices.Concat(a, b)
	}
	e.Keys = func(refs any) *engine.Vec {
		src, _ := refs.([]E)
		keys := make([]K, len(src))
		for i, r := range src {
			keys[i] = key(r)
		}
		v := &engine.Vec{N: len(keys)}
		switch keys := any(keys).(type) {
		case []int64:
			v.Ints = keys
		case []string:
			v.Texts = keys
		}
		return v
	}
	t := &EntityType[E, K]{server: s, name: name, engine: e, key: key}
	goType := reflect.TypeFor[E]()
	if _, twice := s.known[goType]; twice {
		s.mistake("Entity %s: the Go type %s is registered already", name, goType)
		return t
	}
	add(s.known, codec[E]{
		schema.EntityOf(name),
		func(vals []E) *engine.Vec {
			return &engine.Vec{N: len(vals), Base: &engine.Base{Entity: e, Refs: vals, N: len(vals)}}
		},
		nil,
	})
	s.catalog.Entities[name] = e
	s.catalog.Schema.Entities = append(s.catalog.Schema.Entities, schema.Entity{Name: name, Doc: strings.Join(doc, " "), Key: schema.Of(kind)})
	Attr(t, "id", key)
	return t
}

// entry returns the entity's place in the schema.
func (t *EntityType[E, K]) entry() *schema.Entity {
	if e := t.server.catalog.Schema.Entity(t.name); e != nil {
		return e
	}
	return new(schema.Entity) // the registration failed, and its mistake is noted
}

// Attr registers a local property: f must be cheap, must not block and must not fail. The attribute id, the key, is there already; registering
// another replaces it.
func Attr[E, R any, K int64 | string](t *EntityType[E, K], name string, f func(E) R, doc ...string) {
	c, err := codecOf[R](t.server.known)
	if err != nil {
		t.server.mistake("Attr %s.%s: %v", t.name, name, err)
		return
	}
	entry := t.entry()
	if name == "id" {
		entry.Attrs = slices.DeleteFunc(entry.Attrs, func(a schema.Attr) bool { return a.Name == "id" })
	}
	entry.Attrs = append(entry.Attrs, schema.Attr{Name: name, Doc: strings.Join(doc, " "), Type: c.typ})
	t.engine.Attrs[name] = &engine.Attr{Type: c.typ, Fill: filler(f), Read: func(refs any, idx []int32, n int) *engine.Vec {
		vals := make([]R, n)
		fill(vals, refs, idx, 0, f)
		return c.gather(vals)
	}}
}

// fill reads rows with f.
func fill[E, R any](vals []R, refs any, idx []int32, start int, f func(E) R) {
	src, _ := refs.([]E)
	if idx == nil {
		for i, r := range src[start : start+len(vals)] {
			vals[i] = f(r)
		}
		return
	}
	for i, j := range idx[start : start+len(vals)] {
		vals[i] = f(src[j])
	}
}

// filler reads scalars of the types that columns hold as they are straight into a column; nil of others.
func filler[E, R any](f func(E) R) func(dst *engine.Vec, refs any, idx []int32, start int) {
	switch f := any(f).(type) {
	case func(E) bool:
		return func(dst *engine.Vec, refs any, idx []int32, start int) { fill(dst.Bools, refs, idx, start, f) }
	case func(E) int64:
		return func(dst *engine.Vec, refs any, idx []int32, start int) { fill(dst.Ints, refs, idx, start, f) }
	case func(E) int:
		return fillInts(f)
	case func(E) int32:
		return fillInts(f)
	case func(E) time.Duration:
		return fillInts(f)
	case func(E) float64:
		return func(dst *engine.Vec, refs any, idx []int32, start int) { fill(dst.Floats, refs, idx, start, f) }
	case func(E) string:
		return func(dst *engine.Vec, refs any, idx []int32, start int) { fill(dst.Texts, refs, idx, start, f) }
	}
	return nil
}

func fillInts[E any, R ~int | ~int32 | ~int64](f func(E) R) func(dst *engine.Vec, refs any, idx []int32, start int) {
	return func(dst *engine.Vec, refs any, idx []int32, start int) {
		src, _ := refs.([]E)
		for i := range dst.Ints {
			j := start + i
			if idx != nil {
				j = int(idx[j])
			}
			dst.Ints[i] = int64(f(src[j]))
		}
	}
}

// none is the argument of methods that take none.
type none struct{}

// Batch registers a method that answers for many receivers at once.
func Batch[E, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, rs []E) ([]R, error), opts ...Option) {
	method(t, name, "batch", func(ctx context.Context, rs []E, _ none) ([]R, error) { return f(ctx, rs) }, opts)
}

// BatchArg registers a method with an argument, which is the same for all receivers of a batch. If A is a struct, its exported fields are the
// arguments, by their names in lower_case.
func BatchArg[E, A, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, rs []E, arg A) ([]R, error), opts ...Option) {
	method(t, name, "batch", f, opts)
}

// Pair is a receiver with its argument.
type Pair[E, A any] struct {
	On  E
	Arg A
}

// BatchPairs registers a method that takes receivers with an argument each: rows with different arguments are one call, where a
// method of [BatchArg] is called once for each argument. No pair is there twice. The answer has one value for each pair, as that of
// a batch.
func BatchPairs[E, A, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, pairs []Pair[E, A]) ([]R, error), opts ...Option) {
	where := t.name + "." + name
	m, entry, ok := describe[A, R](t.server, where, name, "pairs", opts)
	if !ok {
		return
	}
	m.Pairs = true
	args, answers := arguments[A](t.server, m), resultOf[R](t.server)
	t.add(m, entry, func(ctx context.Context, refs any, n int, cols []*engine.Vec) (*engine.Vec, error) {
		rs, _ := refs.([]E)
		pairs := make([]Pair[E, A], n)
		for i := range pairs {
			pairs[i] = Pair[E, A]{rs[i], args(cols, i)}
		}
		vals, err := f(ctx, pairs)
		return answers(where, vals, n, err)
	})
}

// add adds a method to the entity.
func (t *EntityType[E, K]) add(m *engine.Method, entry schema.Method, call func(context.Context, any, int, []*engine.Vec) (*engine.Vec, error)) {
	m.Call = call
	t.engine.Methods[entry.Name] = m
	e := t.entry()
	e.Methods = append(e.Methods, entry)
}

// Unary registers a method that answers for one receiver. It is called for many at once, up to the server's bound.
func Unary[E, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, r E) (R, error), opts ...Option) {
	UnaryArg(t, name, func(ctx context.Context, r E, _ none) (R, error) { return f(ctx, r) }, opts...)
}

// UnaryArg registers a method of one receiver with an argument, as [BatchArg] does.
func UnaryArg[E, A, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, r E, arg A) (R, error), opts ...Option) {
	opts = append(opts, MaxBatch(1))
	method(t, name, "unary", func(ctx context.Context, rs []E, arg A) ([]R, error) {
		r, err := f(ctx, rs[0], arg)
		return []R{r}, err
	}, opts)
}

// Keyed registers a method that answers by key.
func Keyed[E, R any, K int64 | string](t *EntityType[E, K], name string, f func(ctx context.Context, keys []K) (map[K]R, error), opts ...Option) {
	c, _ := codecOf[R](t.server.known)
	method(t, name, "keyed", func(ctx context.Context, rs []E, _ none) ([]R, error) {
		keys := make([]K, len(rs))
		for i, r := range rs {
			keys[i] = t.key(r)
		}
		found, err := f(ctx, keys)
		if err != nil {
			return nil, err
		}
		out := make([]R, len(keys))
		var missing Errs
		for i, k := range keys {
			r, ok := found[k]
			out[i] = r
			if !ok && !c.typ.Null {
				if missing == nil {
					missing = make(Errs, len(keys))
				}
				missing[i] = Errorf("NOT_FOUND", "there is none for the key %v", k)
			}
		}
		if missing != nil {
			return out, missing
		}
		return out, nil
	}, opts)
}

// method registers any method.
func method[E, A, R any, K int64 | string](t *EntityType[E, K], name, batch string, f func(context.Context, []E, A) ([]R, error), opts []Option) {
	where := t.name + "." + name
	m, entry, ok := describe[A, R](t.server, where, name, batch, opts)
	if !ok {
		return
	}
	args, answers := arguments[A](t.server, m), resultOf[R](t.server)
	t.add(m, entry, func(ctx context.Context, refs any, n int, cols []*engine.Vec) (*engine.Vec, error) {
		rs, _ := refs.([]E)
		vals, err := f(ctx, rs, args(cols, 0))
		return answers(where, vals, n, err)
	})
}

// Source registers a function that programs begin with. A is its argument, as in [BatchArg].
func Source[A, R any](s *Server, name string, f func(ctx context.Context, arg A) (R, error), opts ...Option) {
	m, entry, ok := describe[A, R](s, name, name, "", opts)
	if !ok {
		return
	}
	args, answers := arguments[A](s, m), resultOf[R](s)
	m.Call = func(ctx context.Context, _ any, n int, cols []*engine.Vec) (*engine.Vec, error) {
		val, err := f(ctx, args(cols, 0))
		v, err := answers(name, []R{val}, n, err)
		if err == nil && m.UniqueKeys {
			v.MarkUnique()
		}
		return v, err
	}
	if s.catalog.Sources[name] != nil {
		s.mistake("Source %s: there are two", name)
	}
	s.catalog.Sources[name] = m
	s.catalog.Schema.Sources = append(s.catalog.Schema.Sources, entry)
}

// Source0 registers a source without arguments.
func Source0[R any](s *Server, name string, f func(ctx context.Context) (R, error), opts ...Option) {
	Source(s, name, func(ctx context.Context, _ none) (R, error) { return f(ctx) }, opts...)
}

// resultOf makes the column of what a function returned: all contracts of batches are kept here.
func resultOf[R any](s *Server) func(where string, vals []R, n int, err error) (*engine.Vec, error) {
	c, _ := codecOf[R](s.known)
	return func(where string, vals []R, n int, err error) (*engine.Vec, error) {
		var each Errs
		if err != nil && (!errors.As(err, &each) || len(each) != n) {
			return nil, err
		}
		if len(vals) != n {
			if each == nil || vals != nil {
				return nil, &engine.Error{
					Code: "INTERNAL", Msg: "the method failed for a mistake of the server",
					Cause: fmt.Errorf("%s returned %d answers for %d receivers", where, len(vals), n),
				}
			}
			vals = make([]R, n)
		}
		v := c.gather(vals)
		for i, e := range each {
			if e != nil {
				v.SetErr(i, asError(e))
			}
		}
		return v, nil
	}
}

// describe makes what a method and a source have in common.
func describe[A, R any](s *Server, where, name, batch string, opts []Option) (*engine.Method, schema.Method, bool) {
	o := options{cost: "normal", scope: "principal"}
	for _, opt := range opts {
		opt(&o)
	}
	bad := len(s.mistakes)
	result, err := codecOf[R](s.known)
	if err != nil {
		s.mistake("%s: its result: %v", where, err)
	}
	args := s.argsOf(where, reflect.TypeFor[A](), o.args)
	if o.maxBatch < 0 {
		s.mistake("%s: MaxBatch(%d): a batch holds at least one receiver", where, o.maxBatch)
	}
	if o.concurrency < 0 {
		s.mistake("%s: Concurrency(%d): at least one call runs at once", where, o.concurrency)
	}
	if o.slow < 0 {
		s.mistake("%s: SlowAfter(%v): a call takes longer than that whatever it does", where, max(o.slow, 0))
	}
	scope, ok := engine.ParseScope(o.scope)
	cache := ""
	switch {
	case o.uncached && o.cached != 0:
		s.mistake("%s: it is both Cached and Uncached", where)
	case o.cached < 0 || o.cached > engine.MaxTTL:
		s.mistake("%s: Cached(%v): answers are kept for more than nothing and at most %v", where, o.cached, engine.MaxTTL)
	case o.uncached:
		scope, cache = engine.Never, "never"
	case o.cached > 0:
		cache = o.cached.String()
	}
	if !ok {
		s.mistake("%s: a scope is public, tenant or principal, not %q", where, o.scope)
	}
	if len(s.mistakes) > bad {
		return nil, schema.Method{}, false
	}
	m := &engine.Method{
		Name: where, Args: args, Result: result.typ, MaxBatch: o.maxBatch, Cheap: o.cost == "cheap", UniqueKeys: o.unique, Stable: o.stable,
		Scope: scope, TTL: o.cached, Concurrency: o.concurrency, SlowAfter: o.slow,
	}
	entry := schema.Method{
		Name: name, Doc: o.doc, Args: args, Result: result.typ, Batch: batch, MaxBatch: o.maxBatch, Cost: o.cost, Scope: o.scope, Cache: cache,
		Replaces: o.replaces,
	}
	return m, entry, true
}

// argsOf lists the arguments that a Go type stands for.
func (s *Server) argsOf(where string, t reflect.Type, names []string) (args []schema.Arg) {
	if t == reflect.TypeFor[none]() {
		return nil
	}
	types := []reflect.Type{t}
	if s.known[t] == nil && t.Kind() == reflect.Struct {
		types = nil
		var fields []string
		for f := range t.Fields() {
			if f.IsExported() {
				types, fields = append(types, f.Type), append(fields, lowerCase(f.Name))
			}
		}
		if names == nil {
			names = fields
		}
	}
	if names == nil {
		names = []string{"arg"}
	}
	if len(names) != len(types) {
		s.mistake("%s: Args names %d arguments of %d", where, len(names), len(types))
		return nil
	}
	for i, t := range types {
		c, ok := s.known[t].(interface {
			schemaType() schema.Type
			argument() bool
		})
		if !ok || !c.argument() {
			s.mistake("%s: its argument %s: the type %s is none that a program can give", where, names[i], t)
			return nil
		}
		if !ast.IsName(names[i]) {
			s.mistake("%s: %q cannot be the name of an argument", where, names[i])
		}
		args = append(args, schema.Arg{Name: names[i], Type: c.schemaType()})
	}
	return args
}

func (c *codec[T]) schemaType() schema.Type { return c.typ }
func (c *codec[T]) argument() bool          { return c.get != nil }
func (c *codec[T]) any(v *engine.Vec, row int) reflect.Value {
	return reflect.ValueOf(c.get(v, row))
}

// arguments returns what makes the argument of a function out of a row of columns.
func arguments[A any](s *Server, m *engine.Method) func(cols []*engine.Vec, row int) A {
	if len(m.Args) == 0 {
		return func([]*engine.Vec, int) (a A) { return a }
	}
	if c, ok := s.known[reflect.TypeFor[A]()].(*codec[A]); ok {
		return func(cols []*engine.Vec, row int) A { return c.get(cols[0], row) }
	}
	t := reflect.TypeFor[A]()
	var fields []int
	var read []func(*engine.Vec, int) reflect.Value
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			c, _ := s.known[f.Type].(interface {
				any(v *engine.Vec, row int) reflect.Value
			})
			fields, read = append(fields, i), append(read, c.any)
		}
	}
	return func(cols []*engine.Vec, row int) (a A) {
		v := reflect.ValueOf(&a).Elem()
		for i, f := range fields {
			v.Field(f).Set(read[i](cols[i], row))
		}
		return a
	}
}

// sizeOf is about what a value takes, as far as its type says.
func sizeOf(t reflect.Type) int64 {
	if t.Kind() == reflect.Pointer {
		return int64(t.Size()) + sizeOf(t.Elem())
	}
	return int64(t.Size()) + 32
}

// lowerCase writes UserID as user_id.
func lowerCase(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		if upper(i) && i > 0 && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(name[i : i+1]))
	}
	return b.String()
}

func sortedKeys[K cmp.Ordered, T any](m map[K]T) []K { return slices.Sorted(maps.Keys(m)) }

// nanos returns Unix nanoseconds, of a time outside of their range the nearest.
func nanos(t time.Time) int64 {
	switch sec := t.Unix(); {
	case sec < math.MinInt64/1_000_000_000:
		return math.MinInt64
	case sec >= math.MaxInt64/1_000_000_000:
		return math.MaxInt64
	}
	return t.UnixNano()
}
