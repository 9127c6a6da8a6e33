package engine

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// This file keeps values from one run to the next: those of cache and warm nodes, and answers of methods that were registered to be
// kept. Both look their keys up all at once, make what is not there, take what others make meanwhile, and renew
// what will soon be too old, in a run of its own that nobody waits for.

// patience is how long to wait for what somebody else makes, before making it too.
const patience = time.Second

// keeping is a cache node at work in a frame.
type keeping struct {
	owner []byte
	keys  []cacheKey // distinct ones
	of    []int32    // of each row its key; -1 has none, since what it takes is in error
	rep   []int32    // of each key the first row that has it
	vecs  []*Vec     // of each key the value that was found
	mine  *Sel       // rows to be computed here, since nobody has them
	ours  []int32    // of each of those the key, or -1
	await waiting
	late  *Sel // of those that somebody else was to make, the rows that are to be computed here after all
	lates []int32
	fresh *Vec // mine, once they are computed
}

// waiting is for what other runs make.
type waiting struct {
	keys []int32
	over bool
}

func (x *run) now() time.Time { return time.Now() }

// runCache takes what is kept, and computes the operand of the other rows.
func runCache(x *run, n *Node, f *Frame) *Vec {
	k, ok := x.keeping(n, f, true)
	if !ok {
		return x.eval(n.Kids[0], f)
	}
	if k == nil {
		return nil
	}
	whole := len(k.mine.idx) == f.n // nothing was found: what is computed is all
	if k.fresh == nil {
		k.fresh = x.compute(n, f, k, k.mine, k.ours)
	}
	mine := k.fresh
	if len(k.await.keys) > 0 {
		if !k.await.over {
			return nil
		}
		if k.late == nil {
			x.lookAgain(n, k)
		}
		late := x.compute(n, f, k, k.late, k.lates)
		if late == nil {
			return nil
		}
		if mine != nil {
			return x.gatherKept(f, k, mine, late)
		}
		return nil
	}
	if mine == nil || whole {
		return mine
	}
	return x.gatherKept(f, k, mine, blank(n.Type, 0))
}

// compute computes rows of the operand, throughout, and keeps them; where that failed something too old may stand in. It returns nil while
// that waits.
func (x *run) compute(n *Node, f *Frame, k *keeping, sel *Sel, keys []int32) *Vec {
	if len(sel.idx) == 0 {
		return blank(n.Type, 0)
	}
	v := x.eval(n.Kids[0], f.over(sel))
	if v == nil || !x.deep(v, n.Kids[0].Type) {
		return nil
	}
	failed := x.keepRows(n, k, v, keys)
	return x.standIn(n, v, n.keep.ttl, failed, func(row int32) cacheKey { return k.keys[keys[row]] })
}

// incomplete reports whether a value of the operand may lack something for an error that is not seen in it any more. It is what
// can be said of the whole run, so it may be true of a value that is complete; that one is not kept, and no harm is done.
func (x *run) incomplete(n *Node) bool {
	return x.dropped > 0 || x.used.Stale > 0 || x.excused && n.keep.excuses
}

// keepRows puts rows into the cache, each under its key, and returns those that failed.
func (x *run) keepRows(n *Node, k *keeping, v *Vec, keys []int32) (failed []int32) {
	incomplete := x.incomplete(n)
	for row, key := range keys {
		if key >= 0 && x.keepRow(k.keys[key], v, n.Kids[0].Type, row, n.keep.ttl, incomplete) {
			failed = append(failed, int32(row))
		}
	}
	return failed
}

// keepRow puts a row into the cache, unless it is incomplete or in error, and ends this run's claim to its key. It reports whether the row failed, for
// reasons that are not the caller's.
func (x *run) keepRow(key cacheKey, v *Vec, t schema.Type, row int, ttl time.Duration, incomplete bool) (failed bool) {
	one, err := x.freeze(v, t, row)
	switch {
	case err == nil && !incomplete:
		x.cache.put(x.now(), x.payer(), key, one, ttl)
	case err != nil && err.own():
		x.cache.failed(x.now(), key)
		failed = true
	}
	x.disclaim(key)
	return failed
}

// standIn returns v with what the cache has of rows that failed, too old though it is, in their place.
func (x *run) standIn(n *Node, v *Vec, ttl time.Duration, failed []int32, key func(row int32) cacheKey) *Vec {
	if len(failed) == 0 {
		return v
	}
	keys := make([]cacheKey, len(failed))
	for i, row := range failed {
		keys[i] = key(row)
	}
	idx, vecs := identity(v.N), []*Vec{v}
	for i, got := range x.cache.look(x.now(), keys, ttl, false) {
		if got.vec != nil {
			idx[failed[i]] = int32(v.N + len(vecs) - 1)
			vecs = append(vecs, x.take(got, n))
		}
	}
	if len(vecs) == 1 {
		return v
	}
	return x.pick(x.concat(vecs...), &Sel{idx})
}

// keeping finds out what is kept for the rows of a frame; nil while that waits, false if nothing is to be kept at all.
func (x *run) keeping(n *Node, f *Frame, look bool) (k *keeping, ok bool) {
	if k, ok := f.state[n].(*keeping); ok {
		return k, true
	}
	owner, known := x.who.owner(n.keep.scope)
	if x.cache == nil || !known {
		return nil, false
	}
	inputs := make([]*Vec, len(n.keep.inputs))
	pending := false
	for i, in := range n.keep.inputs {
		inputs[i] = x.eval(in, f)
		pending = pending || inputs[i] == nil || !x.deep(inputs[i], in.Type)
	}
	if pending {
		return nil, true
	}
	k = &keeping{owner: owner, of: make([]int32, f.n), mine: &Sel{[]int32{}}}
	if x.identify(n, f, k, inputs); x.err != nil {
		return nil, true
	}
	state(n, f, func() *keeping { return k })
	if !look {
		return k, true
	}
	k.vecs = make([]*Vec, len(k.keys))
	waits := make([]<-chan struct{}, 0)
	hit := make([]bool, len(k.keys))
	var renew []int32
	at := x.figures.of(n)
	for i, got := range x.look(k.keys, n.keep.ttl) {
		at.misses++
		switch {
		case got.vec != nil:
			at.hits, at.misses = at.hits+1, at.misses-1
			hit[i] = true
			k.vecs[i] = x.take(got, n)
			if got.renew {
				renew = append(renew, int32(i))
			}
		case got.wait != nil:
			hit[i] = true
			k.await.keys = append(k.await.keys, int32(i))
			waits = append(waits, got.wait)
		}
	}
	for row, key := range k.of {
		if key < 0 || !hit[key] && k.rep[key] == int32(row) {
			k.mine.idx, k.ours = append(k.mine.idx, int32(row)), append(k.ours, key)
		}
	}
	x.waitFor(waits, func() { k.await.over = true })
	if len(renew) > 0 {
		x.renew(n, k, inputs, renew)
	}
	return k, true
}

// identify makes the keys of the rows.
func (x *run) identify(n *Node, f *Frame, k *keeping, inputs []*Vec) {
	bad := errs(f.n, inputs...)
	prefix := n.keep.nodeKey(k.owner)
	known := map[cacheKey]int32{}
	buf := make([]byte, 0, 128)
	for row := range f.n {
		if k.of[row] = -1; bad != nil && bad[row] != nil {
			continue
		}
		buf = append(buf[:0], prefix...)
		for i, in := range n.keep.inputs {
			buf = x.keyer(in.Type).appendKey(buf, inputs[i], row)
		}
		if !x.read(len(buf)) {
			return
		}
		key := cacheKey(sha256.Sum256(buf))
		at, seen := known[key]
		if !seen {
			at = int32(len(k.keys))
			known[key] = at
			k.keys, k.rep = append(k.keys, key), append(k.rep, int32(row))
		}
		k.of[row] = at
	}
}

// look looks keys up, and claims those that are not there and that nobody makes, this run included.
func (x *run) look(keys []cacheKey, ttl time.Duration) []found {
	out := x.cache.look(x.now(), keys, ttl, true)
	for i, k := range keys {
		switch {
		case out[i].vec != nil:
		case out[i].wait == nil:
			if x.claims == nil {
				x.claims = map[cacheKey]bool{}
			}
			x.claims[k] = true
		case x.claims[k]: // it stands elsewhere in this query: waiting for oneself could be for ever
			out[i].wait = nil
		}
		if out[i].wait == nil && out[i].vec == nil {
			x.used.Misses++
		}
	}
	return out
}

// take charges what was found for a node, and makes it this run's.
func (x *run) take(got found, n *Node) *Vec {
	if got.stale {
		x.used.Stale++
		x.figures.of(n).stale++
	} else {
		x.used.Hits++
	}
	t := n.Type
	v := got.vec.thaw()
	if err := v.err(0); err != nil { // that there is nothing: here
		here := *err
		here.At = n.Src
		if n.keep != nil {
			here.At = n.Kids[0].Src
		}
		v.Errs = []*Error{&here}
	}
	if !x.charge("memory", &x.used.Memory, got.size, x.budget.Memory) || t.Kind == schema.KindList && !x.rows(v.items()) {
		return blank(t, 1)
	}
	return v
}

// disclaim says that what was claimed is there, or will not be.
func (x *run) disclaim(key cacheKey) {
	if x.claims[key] {
		delete(x.claims, key)
		x.cache.release(key)
	}
}

// abandon gives up all claims, when the run ends.
func (x *run) abandon() {
	for k := range x.claims {
		x.cache.release(k)
	}
	clear(x.claims)
}

// waitFor calls over, in the run's goroutine, when all that others make has ended, or after a while.
func (x *run) waitFor(chans []<-chan struct{}, over func()) {
	if len(chans) == 0 {
		return
	}
	x.calls.open++
	go func() {
		enough := time.NewTimer(patience)
		defer enough.Stop()
	wait:
		for _, c := range chans {
			select {
			case <-c:
			case <-enough.C:
				break wait
			case <-x.ctx.Done():
				return
			}
		}
		select {
		case x.calls.back <- &part{over: over}:
		case <-x.ctx.Done():
		}
	}()
}

// lookAgain takes what others have made; the rest is made here.
func (x *run) lookAgain(n *Node, k *keeping) {
	k.late = &Sel{[]int32{}}
	keys := make([]cacheKey, len(k.await.keys))
	for i, key := range k.await.keys {
		keys[i] = k.keys[key]
	}
	for i, got := range x.cache.look(x.now(), keys, n.keep.ttl, false) {
		key := k.await.keys[i]
		if got.vec != nil {
			k.vecs[key] = x.take(got, n)
			continue
		}
		x.used.Misses++
		k.late.idx, k.lates = append(k.late.idx, k.rep[key]), append(k.lates, key)
	}
}

// gatherKept puts what was found and what was made into the order of the rows.
func (x *run) gatherKept(f *Frame, k *keeping, mine, late *Vec) *Vec {
	at := make([]int32, len(k.keys))
	idx := make([]int32, f.n)
	vs := []*Vec{mine, late}
	next := int32(mine.N)
	for i, row := range k.mine.idx {
		if key := k.ours[i]; key >= 0 {
			at[key] = int32(i)
		} else {
			idx[row] = int32(i)
		}
	}
	for i, key := range k.lates {
		at[key] = next + int32(i)
	}
	next += int32(late.N)
	for key, v := range k.vecs {
		if v != nil {
			at[key] = next
			vs = append(vs, v)
			next++
		}
	}
	for row, key := range k.of {
		if key >= 0 {
			idx[row] = at[key]
		}
	}
	return x.pick(x.concat(vs...), &Sel{idx})
}

// runWarm computes its operand, whatever is kept of it, and keeps it.
func runWarm(x *run, n *Node, f *Frame) *Vec {
	k, ok := x.keeping(n, f, false)
	if ok && k == nil {
		return nil
	}
	v := x.eval(n.Kids[0], f)
	if v == nil || !x.deep(v, n.Kids[0].Type) {
		return nil
	}
	if ok {
		x.keepRows(n, k, v, k.of)
	}
	out := &Vec{N: f.n, Ints: make([]int64, f.n), Errs: errs(f.n, v)}
	for i := range out.Ints {
		out.Ints[i] = 1
		if n.Kids[0].Type.Kind == schema.KindList && v.Ends != nil {
			start, end := v.span(i)
			out.Ints[i] = int64(end - start)
		}
	}
	return out
}

// payer is on whose account values are kept.
func (x *run) payer() string { return string(appendPart(appendPart(nil, x.who.Tenant), x.who.Name)) }

// detached is a run of the same plan for the same caller that goes on when x has ended.
func (x *run) detached(ctx context.Context) *run {
	y := &run{ctx: ctx, plan: x.plan, budget: x.budget, start: time.Now(), cursors: x.cursors, cache: x.cache, who: x.who}
	y.root = &Frame{run: y, n: 1}
	y.calls.init(Options{Concurrent: cap(x.calls.slots), Guard: x.calls.guard})
	return y
}

// behind lets f work when nobody waits for it, and reports whether it may.
func (x *run) behind(keys []cacheKey, f func(y *run) bool) {
	made := false
	work := func(ctx context.Context) {
		y := x.detached(ctx)
		defer func() {
			y.calls.end()
			y.abandon()
			x.cache.renewed(keys, made)
		}()
		made = f(y)
	}
	if x.background == nil || !x.background(work) {
		x.cache.renewed(keys, false)
	}
}

// renew makes values of the operand anew, in a run of its own. It has the frames that the operand stands in, of the rows that
// are renewed alone, and in them what the operand takes from outside.
func (x *run) renew(n *Node, k *keeping, inputs []*Vec, which []int32) {
	rows := make([]int32, len(which))
	keys := make([]cacheKey, len(which))
	for i, key := range which {
		rows[i], keys[i] = k.rep[key], k.keys[key]
	}
	given := make([]*Vec, len(inputs))
	for i, in := range inputs {
		some := rows
		if n.keep.inputs[i].level == 0 {
			some = rows[:1]
		}
		given[i], _, _ = x.freezeRows(in, n.keep.inputs[i].Type, some)
	}
	operand := n.Kids[0]
	x.behind(keys, func(y *run) bool {
		frames := []*Frame{y.root}
		for level := 1; level <= operand.level; level++ {
			up := frames[level-1]
			var idx []int32
			if up.n != len(rows) {
				idx = make([]int32, len(rows))
			}
			frames = append(frames, newScope(up, level, len(rows), idx, nil))
		}
		for i, in := range n.keep.inputs {
			g := frames[in.level]
			if !y.remember(g, in.level) {
				return false
			}
			g.memo[in.slot] = given[i]
		}
		v, ok := y.finish(operand, frames[operand.level])
		if !ok || y.incomplete(n) {
			return false
		}
		for i, key := range keys {
			row := i
			if operand.level == 0 {
				row = 0
			}
			y.keepRow(key, v, operand.Type, row, n.keep.ttl, false)
		}
		return true
	})
}

// recall takes from the cache what is kept of a method's answers for the receivers of a flight, and returns those that are to be
// asked. Those that another run asks for are waited for.
func (x *run) recall(fl *flight, ords []int32) []int32 {
	m := fl.method
	owner, known := x.who.owner(m.Scope)
	if m.TTL <= 0 || x.cache == nil || !known {
		return ords
	}
	fl.keys = x.methodKeys(fl, ords, owner)
	keys := make([]cacheKey, len(ords))
	for i, ord := range ords {
		keys[i] = fl.keys[ord]
	}
	here, awaited := &part{flight: fl}, &part{flight: fl}
	var vecs []*Vec
	var waits []<-chan struct{}
	var ask, renew []int32
	at := x.figures.of(fl.node)
	for i, got := range x.look(keys, m.TTL) {
		at.misses++
		switch {
		case got.vec != nil:
			at.hits, at.misses = at.hits+1, at.misses-1
			vecs, here.ords = append(vecs, x.take(got, fl.node)), append(here.ords, ords[i])
			if got.renew {
				renew = append(renew, ords[i])
			}
		case got.wait != nil:
			waits, awaited.ords = append(waits, got.wait), append(awaited.ords, ords[i])
		default:
			ask = append(ask, ords[i])
		}
	}
	if len(vecs) > 0 {
		here.vec = x.concat(vecs...)
		fl.parts = append(fl.parts, here)
	}
	if len(waits) > 0 {
		fl.left++
		x.waitFor(waits, func() { x.recalled(fl, awaited.ords) })
	}
	if len(renew) > 0 {
		x.renewAnswers(fl, renew)
	}
	return ask
}

// recalled takes what others have asked for, and asks for the rest.
func (x *run) recalled(fl *flight, ords []int32) {
	keys := make([]cacheKey, len(ords))
	for i, ord := range ords {
		keys[i] = fl.keys[ord]
	}
	here := &part{flight: fl}
	var vecs []*Vec
	var ask []int32
	for i, got := range x.cache.look(x.now(), keys, fl.method.TTL, false) {
		if got.vec == nil {
			x.used.Misses++
			ask = append(ask, ords[i])
			continue
		}
		vecs, here.ords = append(vecs, x.take(got, fl.node)), append(here.ords, ords[i])
	}
	if len(vecs) > 0 {
		here.vec = x.concat(vecs...)
		fl.parts = append(fl.parts, here)
	}
	if !x.dispatch(fl, ask) {
		return
	}
	if fl.left--; fl.left == 0 {
		x.arrive(fl)
	}
}

// methodKeys makes the keys of a method's answers for receivers.
func (x *run) methodKeys(fl *flight, ords []int32, owner []byte) map[int32]cacheKey {
	prefix := methodKey(fl.method, fl.table.args, owner)
	out := make(map[int32]cacheKey, len(ords))
	n := fl.node
	if n.receivers() == 0 {
		out[0] = sha256.Sum256(prefix)
		return out
	}
	e := x.entity(n.Kids[0].Type)
	keys := e.Keys(e.Pick(x.calls.entities[e].refs, fl.receivers(ords)))
	k := x.keyer(schema.Of(e.Key))
	buf := make([]byte, 0, 128)
	for i, ord := range ords {
		buf = k.appendKey(append(buf[:0], prefix...), keys, i)
		if fl.rows != nil {
			buf = appendPart(buf, fl.table.pairs.args[ord])
		}
		out[ord] = sha256.Sum256(buf)
	}
	return out
}

// keepAnswers keeps what a part brought back, and returns the rows that failed.
func (x *run) keepAnswers(p *part) (failed []int32) {
	fl := p.flight
	if fl.keys == nil {
		return nil
	}
	for i, ord := range p.ords {
		if x.keepRow(fl.keys[ord], p.vec, fl.method.Result, i, fl.method.TTL, false) {
			failed = append(failed, int32(i))
		}
	}
	return failed
}

// renewAnswers asks a method again for answers that will soon be too old.
func (x *run) renewAnswers(fl *flight, ords []int32) {
	again := &flight{table: fl.table, method: fl.method, args: fl.args, node: fl.node, rows: fl.rows, keys: fl.keys}
	keys := make([]cacheKey, len(ords))
	for i, ord := range ords {
		keys[i] = fl.keys[ord]
	}
	parts := x.split(again, ords)
	x.behind(keys, func(y *run) bool {
		for _, p := range parts {
			p.vec = y.call(p)
			y.keepAnswers(p)
		}
		return true
	})
}
