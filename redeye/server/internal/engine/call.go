package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// calls is what a run knows of the methods it called.
type calls struct {
	tables   map[tableKey]*table
	entities map[*Entity]*interned
	back     chan *part
	slots    chan struct{} // one for each invocation that may be under way
	open     int           // parts that are not back
	began    struct {
		sync.Mutex
		sent  int64
		ended bool
	}
	guard func(ctx context.Context, m *Method, items int) (context.Context, func(Outcome), error)
}

func (c *calls) init(opt Options) {
	n := opt.Concurrent
	if n <= 0 {
		n = 16
	}
	c.tables, c.entities = map[tableKey]*table{}, map[*Entity]*interned{}
	c.back, c.slots = make(chan *part), make(chan struct{}, n)
	c.guard = opt.Guard
}

// begin counts an invocation, unless the run is over.
func (c *calls) begin() bool {
	c.began.Lock()
	defer c.began.Unlock()
	if c.began.ended {
		return false
	}
	c.began.sent++
	return true
}

// end lets no further invocation begin, and returns how many did.
func (c *calls) end() int64 {
	c.began.Lock()
	defer c.began.Unlock()
	c.began.ended = true
	return c.began.sent
}

// interned numbers the entities of one type that a run has called methods on.
type interned struct {
	refs  any // []E, by number
	n     int
	first *Base // if it has unique keys and is all there is: numbers are its rows, and there is no map yet
	ints  map[int64]int32
	texts map[string]int32
}

// ords returns the number of each row of b.
func (x *run) ords(b *Base) []int32 {
	if b.ords != nil {
		return b.ords
	}
	t := x.calls.entities[b.Entity]
	if t == nil {
		t = &interned{}
		x.calls.entities[b.Entity] = t
		if b.Unique {
			t.refs, t.n, t.first = b.Refs, b.N, b
			b.ords = identity(b.N)
			return b.ords
		}
	}
	if t.ints == nil && t.texts == nil {
		t.ints, t.texts = map[int64]int32{}, map[string]int32{}
		if t.first != nil {
			keys := x.keysOf(&Vec{N: t.n, Base: t.first})
			for i := range t.n {
				if keys.Ints != nil {
					t.ints[keys.Ints[i]] = int32(i)
				} else {
					t.texts[keys.Texts[i]] = int32(i)
				}
			}
		}
	}
	keys := x.keysOf(&Vec{N: b.N, Base: b})
	b.ords = make([]int32, b.N)
	var fresh []int32
	for i := range b.ords {
		var ord int32
		var seen bool
		if keys.Ints != nil {
			if ord, seen = t.ints[keys.Ints[i]]; !seen {
				t.ints[keys.Ints[i]] = int32(t.n)
			}
		} else if ord, seen = t.texts[keys.Texts[i]]; !seen {
			t.texts[keys.Texts[i]] = int32(t.n)
		}
		if !seen {
			ord = int32(t.n)
			t.n++
			fresh = append(fresh, int32(i))
		}
		b.ords[i] = ord
	}
	more := b.Entity.Pick(b.Refs, fresh)
	if t.refs == nil {
		t.refs = more
	} else {
		t.refs = b.Entity.Append(t.refs, more)
	}
	return b.ords
}

// tableKey is a method with arguments.
type tableKey struct {
	method *Method
	args   string // written as a key
}

// table is what is known of a method with certain arguments. A source has one row.
type table struct {
	args  string  // as in its key
	slot  []int32 // by number of the receiver: 0 not asked, underWay, or 1 + the row of store
	store *Vec
	pairs *pairs // of a method of pairs; slot is by the number of the pair
}

const underWay = -1

// flight is the receivers that a node asked for at once, in parts of the size that the method takes.
type flight struct {
	table  *table
	method *Method
	args   []*Vec
	node   *Node
	parts  []*part
	left   int                // parts that are not back, and one if others' answers are waited for
	rows   map[int32]int32    // of a method of pairs: by number of the pair, the row of args; otherwise args have one
	keys   map[int32]cacheKey // by number of the receiver, if answers are kept
}

type part struct {
	flight *flight
	ords   []int32
	refs   any
	args   []*Vec
	vec    *Vec
	took   time.Duration
	over   func() // instead of all that: what was waited for is over
}

// callState is what a call node waits for in a frame.
type callState struct {
	tables  []*table
	of      []int32         // of each row its table
	rows    map[int32]int32 // of a method of pairs: of each that is new, a row
	ord     []int32         // of each row the receiver's number; -1 if the receiver or an argument is in error
	bad     []*Error
	flights []*flight
}

// runCall asks a method of all receivers of the frame that have not been asked, in one batch for each distinct arguments.
func runCall(x *run, n *Node, f *Frame) *Vec {
	s, _ := f.state[n].(*callState)
	if s == nil {
		if s = x.issue(n, f); s == nil {
			return nil
		}
		state(n, f, func() *callState { return s })
	}
	for _, fl := range s.flights {
		if fl.left > 0 {
			return nil
		}
	}
	return x.collect(n, f, s)
}

// issue sends what has to be sent for a node in a frame.
func (x *run) issue(n *Node, f *Frame) *callState {
	operands := make([]*Vec, len(n.Kids))
	pending := false
	for i, k := range n.Kids {
		operands[i] = x.eval(k, f)
		if operands[i] == nil || i >= n.receivers() && !x.deep(operands[i], k.Type) {
			pending = true
		}
	}
	if pending {
		return nil
	}
	s := &callState{bad: errs(f.n, operands...), ord: make([]int32, f.n)}
	var ords []int32
	var recv *Vec
	if n.receivers() == 1 {
		recv = operands[0]
		if recv.Base != nil {
			ords = x.ords(recv.Base)
		}
	}
	args := operands[n.receivers():]
	var pairOf []int32
	if n.Method.Pairs && recv.Base != nil {
		s.tables = []*table{x.calls.table(tableKey{n.Method, ""})}
		pairOf, s.rows = x.pairOrds(s.tables[0], n.Method, recv, args, ords, s.bad)
	} else {
		s.tables, s.of = x.tablesFor(n, f, args, s.bad)
	}
	if x.err != nil {
		return nil
	}
	x.used.Planned += int64(f.n)
	todo := make([][]int32, len(s.tables))
	for i := range f.n {
		if s.bad != nil && s.bad[i] != nil {
			s.ord[i] = -1
			continue
		}
		switch {
		case pairOf != nil:
			s.ord[i] = pairOf[i]
		case recv != nil:
			s.ord[i] = ords[recv.ref(i)]
		}
		which := int32(0)
		if s.of != nil {
			which = s.of[i]
		}
		t := s.tables[which]
		ord := s.ord[i]
		if int(ord) >= len(t.slot) {
			size := int(ord) + 1
			if pairOf != nil {
				size = len(t.pairs.recv)
			} else if recv != nil {
				size = x.calls.entities[recv.Base.Entity].n
			}
			t.slot = append(t.slot, make([]int32, size-len(t.slot))...)
		}
		if t.slot[ord] == 0 {
			t.slot[ord] = underWay
			todo[which] = append(todo[which], ord)
		}
	}
	rowOf := make([]int32, len(s.tables)) // a row that has the arguments
	if s.of != nil {
		for i := f.n - 1; i >= 0; i-- {
			if s.of[i] >= 0 {
				rowOf[s.of[i]] = int32(i)
			}
		}
	}
	for which, ords := range todo {
		if len(ords) > 0 && !x.send(n, s, which, ords, rowOf[which], args) {
			return nil
		}
	}
	// Receivers that another node asked for and that are under way.
	for _, t := range s.tables {
		s.flights = append(s.flights, x.flying(t)...)
	}
	return s
}

// receivers is how many of a call's operands are no arguments.
func (n *Node) receivers() int { return len(n.Kids) - len(n.Method.Args) }

func (c *calls) table(k tableKey) *table {
	t := c.tables[k]
	if t == nil {
		t = &table{args: k.args}
		c.tables[k] = t
	}
	return t
}

// tablesFor finds the tables of the arguments of each row: one for all rows if the arguments are the same.
func (x *run) tablesFor(n *Node, f *Frame, args []*Vec, bad []*Error) (tables []*table, of []int32) {
	same := true
	for _, a := range args {
		same = same && (a.One || f.n == 1)
	}
	key := func(i int) tableKey {
		var b []byte
		for j, a := range args {
			b = x.keyer(n.Method.Args[j].Type).appendKey(b, a, i)
		}
		x.read(len(b))
		return tableKey{n.Method, string(b)}
	}
	if same {
		return []*table{x.calls.table(key(0))}, nil
	}
	of = make([]int32, f.n)
	number := map[tableKey]int32{}
	for i := range f.n {
		if of[i] = -1; bad != nil && bad[i] != nil {
			continue
		}
		k := key(i)
		j, seen := number[k]
		if !seen {
			if !x.hold(len(k.args)) {
				return tables, of
			}
			j = int32(len(tables))
			number[k] = j
			tables = append(tables, x.calls.table(k))
		}
		of[i] = j
	}
	return tables, of
}

// send issues the batches for receivers that have not been asked.
func (x *run) send(n *Node, s *callState, which int, ords []int32, row int32, args []*Vec) bool {
	m := n.Method
	fl := &flight{table: s.tables[which], method: m, node: n, rows: s.rows}
	if fl.rows != nil {
		fl.args = args
		args = nil
	}
	for i, a := range args {
		fl.args = append(fl.args, x.settle(x.spread(x.pick(a, &Sel{[]int32{row}})), m.Args[i].Type))
	}
	s.flights = append(s.flights, fl)
	x.flights = append(x.flights, fl)
	if !x.dispatch(fl, x.recall(fl, ords)) {
		return false
	}
	if fl.left == 0 {
		x.arrive(fl)
	}
	return x.err == nil
}

// receivers returns the numbers of the receivers of the numbers of a flight's table.
func (fl *flight) receivers(ords []int32) []int32 {
	if fl.rows == nil {
		return ords
	}
	return gather(fl.table.pairs.recv, ords)
}

// split divides receivers into parts of the size that the method takes.
func (x *run) split(fl *flight, ords []int32) (parts []*part) {
	size := len(ords)
	if m := fl.method; m.MaxBatch > 0 {
		size = min(size, m.MaxBatch)
	}
	for start := 0; start < len(ords); start += size {
		p := &part{flight: fl, ords: ords[start:min(start+size, len(ords))], args: fl.args}
		if fl.rows != nil {
			p.args = x.pairArgs(fl, p.ords)
		}
		if fl.node.receivers() == 1 {
			e := x.entity(fl.node.Kids[0].Type)
			p.refs = e.Pick(x.calls.entities[e].refs, fl.receivers(p.ords))
		}
		parts = append(parts, p)
	}
	return parts
}

// dispatch sends receivers.
func (x *run) dispatch(fl *flight, ords []int32) bool {
	parts := x.split(fl, ords)
	if !x.charge("calls", &x.used.Calls, int64(len(parts)), x.budget.Calls) ||
		!x.charge("items", &x.used.Items, int64(len(ords)), x.budget.Items) {
		return false
	}
	fl.parts = append(fl.parts, parts...)
	fl.left += len(parts)
	x.calls.open += len(parts)
	for _, p := range parts {
		go x.invoke(p)
	}
	return true
}

func (x *run) entity(t schema.Type) *Entity { return x.plan.Catalog.Entities[t.Name] }

// flying returns the flights of a table that are not back.
func (x *run) flying(t *table) (out []*flight) {
	for _, fl := range x.flights {
		if fl.table == t && fl.left > 0 {
			out = append(out, fl)
		}
	}
	return out
}

// invoke runs in a goroutine of its own: it waits for its turn, calls, and brings back what came.
func (x *run) invoke(p *part) {
	select {
	case x.calls.slots <- struct{}{}:
	case <-x.ctx.Done():
		return
	}
	if !x.calls.begin() { // the turn came when nobody waits any more
		return
	}
	start := time.Now()
	p.vec = x.call(p)
	p.took = time.Since(start)
	<-x.calls.slots
	select {
	case x.calls.back <- p:
	case <-x.ctx.Done():
	}
}

// call calls the method. Whatever it does, there is an answer of the right length: an error of the whole batch is one of
// each of its items, and touches no other batch.
func (x *run) call(p *part) (v *Vec) {
	m, n := p.flight.method, len(p.ords)
	var err error
	ctx, finish := x.ctx, func(Outcome) {}
	defer func() {
		if bug := recover(); bug != nil {
			err = &Error{Code: "INTERNAL", Msg: "the method failed for a mistake of the server", Cause: fmt.Errorf("%s panicked: %v\n%s", m.Name, bug, debug.Stack())}
			v = failed(m.Result, n, methodError(m, p.flight.node, err))
		}
		o := outcome(v, err)
		o.Late = o.Failed > 0 && errors.Is(x.ctx.Err(), context.DeadlineExceeded)
		finish(o)
	}()
	if x.calls.guard != nil {
		var refused error
		if ctx, finish, refused = x.calls.guard(ctx, m, n); refused != nil {
			finish = func(Outcome) {}
			return failed(m.Result, n, methodError(m, p.flight.node, refused))
		}
	}
	v, err = m.Call(ctx, p.refs, n, p.args)
	if err == nil && v.N != n {
		err = &Error{Code: "INTERNAL", Msg: "the method failed for a mistake of the server", Cause: fmt.Errorf("%s returned %d answers for %d receivers", m.Name, v.N, n)}
	}
	if err != nil {
		return failed(m.Result, n, methodError(m, p.flight.node, err))
	}
	blame(v, map[*Error]*Error{}, func(e *Error) *Error { return methodError(m, p.flight.node, e) })
	return v
}

// blame says of the errors in what a registered function gave, those below it too, where they are from.
func blame(v *Vec, done map[*Error]*Error, from func(*Error) *Error) {
	for i, e := range v.Errs {
		if e == nil {
			continue
		}
		if done[e] == nil { // many rows may have the same
			done[e] = from(e)
		}
		v.Errs[i] = done[e]
	}
	for _, c := range append([]Col{v.Items, v.Keys}, v.Fields...) {
		if c, ready := c.(readyCol); ready {
			blame(c.vec, done, from)
		}
	}
}

// land takes in a part that is back. When all of its flight are, the answers are in the table.
func (x *run) land(p *part) {
	x.calls.open--
	if p.over != nil {
		p.over()
		return
	}
	failed := x.keepAnswers(p)
	x.figures.landed(p)
	p.vec = x.standIn(p.flight.node, p.vec, p.flight.method.TTL, failed, func(row int32) cacheKey { return p.flight.keys[p.ords[row]] })
	if p.flight.left--; p.flight.left == 0 {
		x.arrive(p.flight)
	}
}

// arrive puts the answers of a flight of which all parts are back into its table.
func (x *run) arrive(fl *flight) {
	t := fl.table
	var vecs []*Vec
	next := int32(1)
	if t.store != nil {
		vecs = append(vecs, t.store)
		next += int32(t.store.N)
	}
	for _, p := range fl.parts {
		vecs = append(vecs, p.vec)
		for _, ord := range p.ords {
			t.slot[ord] = next
			next++
		}
	}
	if !x.grow(fl.method.Result, int(next)) {
		return
	}
	t.store = x.concat(vecs...)
	if x.plan.lists(fl.method) && !x.rows(t.store.items()) {
		return
	}
	for i, open := range x.flights {
		if open == fl {
			x.flights = append(x.flights[:i], x.flights[i+1:]...)
			break
		}
	}
}

// lists reports whether a method returns lists.
func (p *Plan) lists(m *Method) bool { return m.Result.Kind == schema.KindList }

// collect gives each row the answer of its receiver.
func (x *run) collect(n *Node, f *Frame, s *callState) *Vec {
	if len(s.tables) == 1 && s.bad == nil {
		t := s.tables[0]
		at := make([]int32, f.n)
		inOrder := t.store.N == f.n
		for i, ord := range s.ord {
			at[i] = t.slot[ord] - 1
			inOrder = inOrder && at[i] == int32(i)
		}
		if inOrder {
			return t.store
		}
		return x.pick(t.store, &Sel{at})
	}
	var sels []*Sel
	var parts []*Vec
	for which, t := range s.tables {
		sel, at := &Sel{}, &Sel{}
		for i, ord := range s.ord {
			if ord >= 0 && (s.of == nil || s.of[i] == int32(which)) {
				sel.idx, at.idx = append(sel.idx, int32(i)), append(at.idx, t.slot[ord]-1)
			}
		}
		if len(sel.idx) > 0 {
			sels, parts = append(sels, sel), append(parts, x.pick(t.store, at))
		}
	}
	return x.withErrs(x.merge(f.n, n.blank, sels, parts), s.bad)
}

// outcome says how an invocation ended that gave v, and err if it failed as a whole.
func outcome(v *Vec, err error) Outcome {
	out := Outcome{Err: err}
	failed := 0
	for _, e := range v.Errs {
		if e == nil {
			continue
		}
		out.Bad++
		out.Unsaid = out.Unsaid || e.Code == "CANCELLED"
		if e.own() {
			failed++
		}
	}
	if v.N > 0 {
		out.Failed = float64(failed) / float64(v.N)
	}
	return out
}
