package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Options say how a program is run.
type Options struct {
	Budget     Budget
	Partial    bool // cells in error become null
	Concurrent int  // invocations at once in this run; 0 is 16
	Cursors    Cursors
	Cache      *Cache // nil keeps nothing
	Who        Caller
	// Figures takes what the run does at each node; nil if nobody wants to know.
	Figures *Figures
	// Emit is handed the answer in parts, one row each, of which that of a list has the next rows; it may block. The value of the answer is then nil.
	Emit func(part *column.Column) error
	// Background runs work that nobody waits for, some time, with a context that does not end with the query, or says that it does not. Nil does not.
	Background func(work func(ctx context.Context)) bool
	// Guard is asked before each invocation, which an error of its stops, and told how it ended. Nil lets all through.
	Guard func(ctx context.Context, m *Method, items int) (context.Context, func(Outcome), error)
}

// Outcome is how an invocation ended.
type Outcome struct {
	Err    error   // of the whole batch
	Bad    int     // items in error
	Failed float64 // the share of its items that failed for reasons of the method's own: not of the caller, and not for want of an entity
	Late   bool    // it failed since the time of the run was over
	Unsaid bool    // it was cancelled, which says nothing
}

// Answer is the value of a program.
type Answer struct {
	Value       *column.Column // of one row
	Errors      []*Error       // at most 100 of the cells that became null
	ErrorsTotal int64
	RowsDropped int64 // whose predicate or key failed
}

// run is one execution of a plan.
type run struct {
	ctx     context.Context
	plan    *Plan
	params  []*Vec
	root    *Frame
	budget  Budget
	partial bool
	err     *Error
	used    Usage
	left    []byte // two values that are compared
	right   []byte
	unread  int // bytes that are not a step yet
	start   time.Time
	wake    time.Time // when to look again even if no call is back; zero is never

	scratch    scratch
	cursors    Cursors
	cache      *Cache
	who        Caller
	background func(work func(ctx context.Context)) bool
	claims     map[cacheKey]bool // of what is made here, and others may wait for
	excused    bool              // an error was replaced by something else, or its row dropped

	figures  *Figures
	calls    calls
	flights  []*flight // that are not back
	dropped  int64
	reported []*Error
	total    int64
}

// Run runs a plan. Parameters are columns of one row, of the types that the plan says. The error is an [*Error]; the usage is there with an error too.
// When Run returns, no further call is made, and the context of those that are not back is cancelled.
func Run(ctx context.Context, p *Plan, params []*column.Column, opt Options) (answer *Answer, used Usage, err error) {
	var cancel context.CancelFunc
	if opt.Budget.Wall > 0 {
		ctx, cancel = context.WithTimeout(ctx, opt.Budget.Wall)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	x := &run{ctx: ctx, plan: p, budget: opt.Budget, partial: opt.Partial, cursors: opt.Cursors, start: time.Now()}
	x.root = &Frame{run: x, n: 1}
	x.cache, x.who, x.background = opt.Cache, opt.Who, opt.Background
	x.figures = opt.Figures
	x.calls.init(opt)
	defer func() {
		bug := recover()
		x.used.Sent, x.used.Wall = x.calls.end(), time.Since(x.start)
		x.abandon()
		used = x.used
		if bug != nil { // of ours: it must not take the process with it
			answer, err = nil, &Error{Code: "INTERNAL", Msg: "the query failed for a mistake of the server", Cause: fmt.Errorf("%v\n%s", bug, debug.Stack())}
		}
	}()
	for i, c := range params {
		if i >= len(p.Params) || !c.Type.Equal(p.Params[i].Type) || c.Len != 1 {
			return nil, used, &Error{Code: "INVALID_ARGUMENT", Msg: fmt.Sprintf("parameter %d is %s", i, c.Type)}
		}
		x.params = append(x.params, fromColumn(c))
	}
	if len(params) != len(p.Params) {
		return nil, used, &Error{Code: "INVALID_ARGUMENT", Msg: fmt.Sprintf("%d parameters of %d were given", len(params), len(p.Params))}
	}
	switch {
	case x.hopeless():
	case opt.Emit != nil && p.streams():
		var v *Vec
		if x.until(func() bool { v = x.eval(p.Root, x.root); return v != nil }) {
			x.stream(v, opt.Emit)
			answer = x.said(nil)
		}
	default:
		if v, ok := x.finish(p.Root, x.root); ok {
			answer = x.answer(v)
		}
		if opt.Emit != nil && x.err == nil {
			x.emit(opt.Emit, answer.Value)
			answer.Value = nil
		}
	}
	if x.err != nil { // which answer may have met, too
		return nil, used, x.err
	}
	return answer, used, nil
}

// finish computes a node throughout; false if the run has failed.
func (x *run) finish(n *Node, f *Frame) (v *Vec, ok bool) {
	ok = x.until(func() bool {
		v = x.eval(n, f)
		return v != nil && x.deep(v, n.Type)
	})
	return v, ok
}

// until evaluates, each time some calls are back, until that is done; false if the run has failed.
func (x *run) until(done func() bool) bool {
	for {
		x.wake = time.Time{}
		if done() {
			return x.err == nil
		}
		if x.err == nil && x.calls.open == 0 && x.wake.IsZero() {
			x.fail(&Error{Code: "INTERNAL", Msg: "the query failed for a mistake of the server", Cause: errors.New("pending, but on nothing")})
		}
		if x.err == nil {
			x.wait()
		}
		if x.err != nil {
			return false
		}
	}
}

// wait returns when at least one call is back, and takes in all that are.
func (x *run) wait() {
	var timer <-chan time.Time
	if !x.wake.IsZero() {
		t := time.NewTimer(time.Until(x.wake))
		defer t.Stop()
		timer = t.C
	}
	select {
	case part := <-x.calls.back:
		x.land(part)
	case <-timer:
	case <-x.ctx.Done():
		x.fail(ended(x.ctx))
		return
	}
	for {
		select {
		case part := <-x.calls.back:
			x.land(part)
		default:
			return
		}
	}
}

// fail ends the run with its first error.
func (x *run) fail(err *Error) {
	if x.err == nil {
		x.err = err
	}
}

func ended(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Code: "DEADLINE_EXCEEDED", Msg: "the query was not done in time", Cause: ctx.Err()}
	}
	return &Error{Code: "CANCELLED", Msg: "the query was cancelled", Cause: ctx.Err()}
}

// deep computes everything below v; false if some of it waits. It goes everywhere even so, so that all calls that
// can be made are.
func (x *run) deep(v *Vec, t schema.Type) bool {
	done := true
	below := func(c Col, t schema.Type) {
		w := c.force(x)
		done = w != nil && x.deep(w, t) && done
	}
	switch t.Kind {
	case schema.KindList:
		if v.Ends != nil {
			below(v.Items, *t.Elem)
		}
	case schema.KindMap:
		if v.Ends != nil {
			below(v.Keys, schema.Of(t.Key))
			below(v.Items, *t.Elem)
		}
	case schema.KindObject:
		for i, f := range v.Fields {
			below(f, t.Fields[i].Type)
		}
	default:
	}
	return done
}

// RowsOut is how many rows an answer has: those of its list, or of the longest list that is a field of it.
func RowsOut(c *column.Column) int {
	if c.Items != nil {
		return c.Items.Len
	}
	most := 0
	for _, f := range c.Fields {
		most = max(most, RowsOut(f))
	}
	return most
}

// settle returns v with everything below it there, not to be computed: what another goroutine may read.
func (x *run) settle(v *Vec, t schema.Type) *Vec {
	below := func(c Col, t schema.Type) Col {
		if w := c.force(x); w != nil {
			return Ready(x.settle(w, t))
		}
		return Ready(blank(t, 0))
	}
	out := *v
	switch {
	case t.Kind == schema.KindList && v.Ends != nil:
		out.Items = below(v.Items, *t.Elem)
	case t.Kind == schema.KindMap && v.Ends != nil:
		out.Keys, out.Items = below(v.Keys, schema.Of(t.Key)), below(v.Items, *t.Elem)
	case t.Kind == schema.KindObject:
		out.Fields = make([]Col, len(v.Fields))
		for i, f := range v.Fields {
			out.Fields[i] = below(f, t.Fields[i].Type)
		}
	}
	return &out
}

func (x *run) answer(v *Vec) *Answer {
	t := Outside(x.plan.Root.Type, x.plan.Catalog, x.partial)
	out := x.export(v, t, func(int) string { return "" })
	if x.err != nil {
		return nil
	}
	if n := int64(0); !x.charge("rows_out", &n, int64(RowsOut(out)), x.budget.RowsOut) {
		return nil
	}
	return x.said(out)
}

// said is an answer, with what was met on the way to it.
func (x *run) said(value *column.Column) *Answer {
	return &Answer{Value: value, Errors: x.reported, ErrorsTotal: x.total, RowsDropped: x.dropped}
}

// Outside is the type of an answer as it leaves the server: entities are their keys, and with partial answers every cell
// may be null.
func Outside(t schema.Type, cat *Catalog, partial bool) schema.Type {
	return outside(t, cat, partial, false)
}

func outside(t schema.Type, cat *Catalog, partial, cell bool) schema.Type {
	out := t
	out.Null = t.Null || partial && cell
	if t.Kind == schema.KindEntity {
		return schema.Type{Kind: cat.Entities[t.Name].Key, Null: out.Null}
	}
	if t.Elem != nil {
		elem := outside(*t.Elem, cat, partial, true)
		out.Elem = &elem
	}
	out.Fields = nil
	for _, f := range t.Fields {
		out.Fields = append(out.Fields, schema.Field{Name: f.Name, Type: outside(f.Type, cat, partial, true)})
	}
	return out
}

// export makes a column for the client of a vec that is computed throughout, and meets the errors in it. The path of a
// row is made when there is an error to report.
func (x *run) export(v *Vec, t schema.Type, path func(row int) string) *column.Column {
	v = x.spread(v)
	out := &column.Column{Type: t, Len: v.N}
	if v.Null != nil && t.Null {
		out.Null = v.Null
	}
	if x.cellErrors(out, v.Errs, path); x.err != nil {
		return out
	}
	if v.kind() == schema.KindUnknown && t.Kind != schema.KindObject { // only nulls and errors
		v = withShape(v, t)
	}
	switch t.Kind {
	case schema.KindBool:
		out.Bools = v.Bools
	case schema.KindInt, schema.KindTime, schema.KindDuration:
		out.Ints = v.Ints
		if v.Base != nil {
			out.Ints = x.keysOf(v).Ints
		}
	case schema.KindFloat:
		out.Floats = v.Floats
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		out.Texts = v.Texts
		if v.Base != nil {
			out.Texts = x.keysOf(v).Texts
		}
	case schema.KindList, schema.KindMap:
		v = x.withoutItems(v)
		out.Ends = v.Ends
		items := func(j int) string {
			row := 0
			for int(v.Ends[row]) <= j {
				row++
			}
			start, _ := v.span(row)
			return fmt.Sprintf("%s[%d]", path(row), j-start)
		}
		out.Items = x.export(v.Items.force(x), *t.Elem, items)
		if t.Kind == schema.KindMap && x.err == nil {
			out.Keys = x.export(v.Keys.force(x), schema.Of(t.Key), items)
		}
	case schema.KindObject:
		var good *Sel // rows that have fields; nil is all
		if v.Errs != nil || v.Null != nil {
			good = where(v.N, func(i int) bool { return v.err(i) == nil && !v.isNull(i) })
		}
		for i, f := range t.Fields {
			if x.err != nil { // in a field before: there is nothing more to be had
				return out
			}
			field := under(f.Type, v.N)
			if v.Fields != nil {
				if field = v.Fields[i].force(x); good != nil {
					field = x.merge(v.N, func(n int) *Vec { return under(f.Type, n) }, []*Sel{good}, []*Vec{x.pick(field, good)})
				}
			}
			out.Fields = append(out.Fields, x.export(field, f.Type, func(row int) string { return path(row) + "." + f.Name }))
		}
	case schema.KindUnknown, schema.KindEntity:
	}
	return out
}

// under returns n rows of a field of an object that is null or in error, where nothing is to be met: null if it may be.
func under(t schema.Type, n int) *Vec {
	if t.Null {
		return nulls(t, n)
	}
	return blank(t, n)
}

// withoutItems returns the lists v with those that are null or in error empty.
func (x *run) withoutItems(v *Vec) *Vec {
	bad := func(row int) bool { return v.err(row) != nil || v.isNull(row) }
	dirty := false
	for row := range v.N {
		start, end := v.span(row)
		dirty = dirty || start < end && bad(row)
	}
	if !dirty {
		return v
	}
	sel := &Sel{[]int32{}}
	out := &Vec{N: v.N, Null: v.Null, Errs: v.Errs, Ends: make([]int32, v.N)}
	for row := range v.N {
		if start, end := v.span(row); !bad(row) {
			for i := start; i < end; i++ {
				sel.idx = append(sel.idx, int32(i))
			}
		}
		out.Ends[row] = int32(len(sel.idx))
	}
	out.Items = v.Items.pick(sel)
	if v.Keys != nil {
		out.Keys = v.Keys.pick(sel)
	}
	return out
}

func withShape(v *Vec, t schema.Type) *Vec {
	out := blank(t, v.N)
	out.Null, out.Errs = v.Null, v.Errs
	return out
}

const maxReported = 100

// cellErrors meets the errors in a column of the answer: the first fails the run, or with partial answers each becomes null.
func (x *run) cellErrors(c *column.Column, errs []*Error, path func(row int) string) {
	var null []bool
	for i, err := range errs {
		if err == nil {
			continue
		}
		at := *err
		if x.total < maxReported {
			at.Path = path(i)
		}
		if !x.partial || !c.Type.Null {
			x.fail(&at)
			return
		}
		x.report(&at)
		if null == nil {
			null = make([]bool, c.Len)
			copy(null, c.Null)
		}
		null[i] = true
	}
	if null != nil {
		c.Null = null
	}
}

// listErrors meets the errors of predicates or keys of the items of v. With partial answers these items are dropped and reported;
// otherwise their list is in error, with the first of them.
func (x *run) listErrors(v *Vec, n int, err func(item int) *Error) (bad []*Error) {
	row := 0
	for i := range n {
		e := err(i)
		if e == nil {
			continue
		}
		if x.partial {
			x.dropped++
			x.report(e)
			continue
		}
		for int(v.Ends[row]) <= i {
			row++
		}
		if bad == nil {
			bad = make([]*Error, v.N)
		}
		if bad[row] == nil {
			bad[row] = e
		}
	}
	return bad
}

// report counts an error of a partial answer, and lists it if there are not too many.
func (x *run) report(err *Error) {
	x.total++
	if len(x.reported) < maxReported {
		x.reported = append(x.reported, err)
	}
}

// fromColumn makes a vec of a parameter.
func fromColumn(c *column.Column) *Vec {
	v := &Vec{N: c.Len, Null: c.Null, Bools: c.Bools, Ints: c.Ints, Floats: c.Floats, Texts: c.Texts, Ends: c.Ends}
	if c.Items != nil {
		v.Items = Ready(fromColumn(c.Items))
	}
	if c.Keys != nil {
		v.Keys = Ready(fromColumn(c.Keys))
	}
	for _, f := range c.Fields {
		v.Fields = append(v.Fields, Ready(fromColumn(f)))
	}
	return withShapeIfEmpty(v, c.Type)
}

func withShapeIfEmpty(v *Vec, t schema.Type) *Vec {
	if v.kind() == schema.KindUnknown {
		return withShape(v, t)
	}
	return v
}

func runLiteral(_ *run, n *Node, _ *Frame) *Vec {
	if n.literal != nil {
		return n.literal
	}
	return nulls(n.Type, 1)
}

// literal makes the row that a value is, for all runs; nil of null, since what may be a list is not shared by runs.
func literal(v ast.Value) *Vec {
	switch v.Kind() {
	case ast.KindBool:
		return &Vec{N: 1, Bools: []bool{v.Bool()}}
	case ast.KindInt, ast.KindTime, ast.KindDuration:
		return &Vec{N: 1, Ints: []int64{v.Int()}}
	case ast.KindFloat:
		return &Vec{N: 1, Floats: []float64{v.Float()}}
	case ast.KindString, ast.KindBytes:
		return &Vec{N: 1, Texts: []string{v.Text()}}
	case ast.KindNull:
	}
	return nil
}

func runParam(x *run, n *Node, _ *Frame) *Vec { return x.params[n.field] }

func runVar(x *run, _ *Node, f *Frame) *Vec { return f.item.force(x) }
