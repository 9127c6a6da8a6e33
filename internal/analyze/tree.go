// Package analyze answers questions about a trace: what called what, how often, and where the time
// went. Its functions are pure and work on all spans of one trace ([NewTree]); none recurses, and none
// takes more than n log n steps in spans, so that a trace of any shape, sent by anybody, costs what its
// size says: 50,000 spans take well under 100 ms.
//
// A trace that arrives from many hosts is rarely in order. NewTree makes a forest of whatever there is,
// with every span in it exactly once, and says in [Tree.Notes] what it had to repair.
package analyze

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Flag says something about one span of a tree.
type Flag uint8

// The flags of a span; the numbers are those of the API.
const (
	Failed     Flag = 1 << iota // its status is error
	Adopted                     // its parent is not stored, or the link was broken: it stands under the root
	Moved                       // its start is not the one it came with: clock skew, or it had none
	ServerHalf                  // the receiving side of the call whose client side is its parent
)

// Tree is a trace in preorder: every column has one element for each span, a parent stands before its
// children, and siblings are ordered by start, then span id. A position is an index into the columns.
// The subtree of position p is the half-open range [p, End[p]).
type Tree struct {
	Batch *span.Batch

	Start    int64 // earliest start, Unix ns, after corrections
	Duration int64 // from Start to the latest end, ns
	Errors   int   // spans that are Failed

	Row     []int32 // row in Batch
	Parent  []int32 // position of the parent; -1 at the top
	End     []int32 // position after the subtree
	Depth   []int32 // 0 at the top
	Direct  []int32 // number of children
	Offset  []int64 // start, ns after Start
	Length  []int64 // duration, ns
	Self    []int64 // ns of the span in which no child ran: Length less the union of the children's intervals
	Service []int32 // index into Services
	Name    []int32 // index into Names
	Type    []int32 // index into Types
	Flags   []Flag

	Services, Names, Types []string // in order of first use

	// Notes are sentences for a person: what about this trace is not as it was sent.
	Notes []string

	kids  []int32 // positions of all children, by parent
	first []int32 // children of p are kids[first[p]:first[p+1]]
}

// Len is the number of spans.
func (t *Tree) Len() int { return len(t.Row) }

// Children are the positions of p's children, in order; do not write to them.
func (t *Tree) Children(p int) []int32 { return t.kids[t.first[p]:t.first[p+1]] }

// NewTree arranges the spans of one trace. It keeps a reference to b and does not change it.
//
//   - A span whose parent is not stored is adopted by the earliest root; while no root is stored, such
//     spans stand at the top, side by side. So is a span that names itself, and the earliest span of a
//     cycle of parents.
//   - Of two spans with one id, a server span is the other half of the client span, as Zipkin has it, and
//     becomes its child. Spans that name a shared id as their parent go to the holder in their own
//     process, else to the server half, else to the earliest.
//   - A span that began before its parent on another host, or ended after it though it is the shorter of
//     the two, shows that the clocks differ: it is centred in its parent (Zipkin and Jaeger assume the
//     same: request and answer take equally long on the wire), and with it all below it on that host. A
//     span that outlives its parent is moved only so far that it does not begin before it, and messages
//     (producer, consumer) may end whenever they like. Within one host nothing is moved.
//   - A span without a start (0) begins with its parent.
func NewTree(b *span.Batch) *Tree {
	w := builder{b: b, n: b.Len(), places: &places{}}
	w.identify(b)
	t := w.arrange()
	t.measure()
	t.internServices()
	t.internNames()
	t.Notes = w.notes(t)
	return t
}

// Summary is what one line says of a trace, in the words of [Tree].
type Summary struct {
	Start, Duration int64
	Spans, Errors   int
	Services        []string
	Root            *Root // of the whole trace; nil: it is not stored
}

// Root is the first span of a trace.
type Root struct {
	Service, Name string
	Length        int64 // ns
}

// Summarizer makes summaries of one trace after the other. The zero value is ready.
type Summarizer struct {
	of *span.Batch
	places
}

// Summarize is what [NewTree] says at the top of a trace, without the tree. A batch that comes again has the resources that
// it had, and perhaps more, as [store.Store.BriefTraces] promises.
func (z *Summarizer) Summarize(b *span.Batch) Summary {
	if z.of != b {
		*z = Summarizer{of: b}
	}
	z.identify(b)
	w := builder{b: b, n: b.Len(), places: &z.places}
	t := w.arrange()
	t.internServices()
	s := Summary{Start: t.Start, Duration: t.Duration, Spans: t.Len(), Errors: t.Errors, Services: t.Services}
	if t.Len() > 0 && t.Flags[0]&Adopted == 0 {
		s.Root = &Root{t.Services[t.Service[0]], b.String(b.Name[t.Row[0]]), t.Length[0]}
	}
	return s
}

// arrange makes a tree of where every span stands, and when.
func (w *builder) arrange() *Tree {
	w.clampTimes()
	w.link()
	w.breakCycles()
	w.adopt()
	w.align()
	return w.preorder()
}

// builder holds what NewTree knows by row of the batch.
type builder struct {
	b *span.Batch
	n int
	*places
	start  []int64 // corrected in align
	length []int64
	parent []int32 // row; noParent for a root, unknown for what must be adopted
	flags  []Flag
	shift  []int64 // ns by which align moved the row
	root   int32   // the earliest root, or noParent

	roots, missing, selfParents, cycles, doubles, noStart int
}

const (
	noParent = -1
	unknown  = -2
)

func (w *builder) clampTimes() {
	w.start, w.length = make([]int64, w.n), make([]int64, w.n)
	for i := range w.n {
		w.start[i] = max(w.b.Start[i], 0)
		w.length[i] = min(max(w.b.Duration[i], 0), math.MaxInt64-w.start[i])
	}
}

// numbering gives resources of a batch that are the same in some respect one number. The zero value is ready.
type numbering struct {
	of    []int32 // by resource
	byKey map[string]int32
	key   []byte
}

// extend numbers the resources that have no number yet; appendKey appends to a key what counts of the attributes of one.
func (n *numbering) extend(b *span.Batch, appendKey func(key []byte, attrs span.Range) []byte) {
	if n.byKey == nil {
		n.byKey = map[string]int32{}
	}
	for _, r := range b.Resources[len(n.of):] {
		n.key = appendKey(n.key[:0], r.Attrs)
		i, ok := n.byKey[string(n.key)]
		if !ok {
			i = int32(len(n.byKey))
			n.byKey[string(n.key)] = i
		}
		n.of = append(n.of, i)
	}
}

// places numbers what a batch's resources speak of.
type places struct {
	processes numbering // equal resources are one process; few traces ask for it
	hosts     numbering // processes on one host share its clock
}

// process is the process of a resource.
func (p *places) process(b *span.Batch, resource uint32) int32 {
	p.processes.extend(b, func(key []byte, attrs span.Range) []byte { return appendAttrs(key, b, attrs) })
	return p.processes.of[resource]
}

// identify numbers the hosts. That of a resource is its host.id or host.name; one that has neither is a host of its own.
func (p *places) identify(b *span.Batch) {
	p.hosts.extend(b, func(key []byte, attrs span.Range) []byte {
		for _, name := range [...]string{"host.id", "host.name"} {
			if a, ok := b.Lookup(attrs, name); ok && a.Type == span.String && a.Text().Len > 0 {
				return appendAttr(key, b, a)
			}
		}
		return appendAttrs(key, b, attrs)
	})
}

func appendAttrs(key []byte, b *span.Batch, attrs span.Range) []byte {
	for _, a := range b.Values[attrs.From:attrs.To] {
		key = appendAttr(key, b, a)
	}
	return key
}

// appendAttr appends a form of a that no other attribute has.
func appendAttr(key []byte, b *span.Batch, a span.Attr) []byte {
	num := a.Num
	if a.Type.IsText() {
		num = uint64(a.Text().Len)
	}
	key = binary.LittleEndian.AppendUint32(key, a.Key.Len)
	key = append(append(key, b.Bytes(a.Key)...), byte(a.Type))
	key = binary.LittleEndian.AppendUint64(key, num)
	if a.Type.IsText() {
		key = append(key, b.Bytes(a.Text())...)
	}
	return key
}

func (w *builder) processOf(row int32) int32 { return w.process(w.b, w.b.Resource[row]) }

// holders are the rows that have one span id: rows[from:to] of link.
type holders struct {
	from, to int32
	client   int32 // the earliest client span, or -1
	parent   int32 // the row that children from elsewhere belong to
}

// link finds the parent of every row.
func (w *builder) link() {
	b := w.b
	rows := make([]int32, w.n)
	for i := range rows {
		rows[i] = int32(i)
	}
	notServer := func(r int32) int {
		if b.Kind[r] == span.KindServer {
			return 0
		}
		return 1
	}
	slices.SortFunc(rows, func(x, y int32) int {
		if c := cmp.Compare(b.SpanID[x], b.SpanID[y]); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(w.processOf(x), w.processOf(y)), cmp.Compare(notServer(x), notServer(y)),
			cmp.Compare(w.start[x], w.start[y]), cmp.Compare(x, y))
	})

	byID := make(map[span.ID]holders, w.n)
	for from := 0; from < w.n; {
		id := b.SpanID[rows[from]]
		h := holders{from: int32(from), client: -1, parent: rows[from]}
		servers, to := 0, from
		for ; to < w.n && b.SpanID[rows[to]] == id; to++ {
			r := rows[to]
			if b.Kind[r] == span.KindServer {
				servers++
			}
			if b.Kind[r] == span.KindClient && (h.client < 0 || w.before(r, h.client)) {
				h.client = r
			}
			if d := notServer(r) - notServer(h.parent); d < 0 || d == 0 && w.before(r, h.parent) {
				h.parent = r
			}
		}
		h.to = int32(to)
		if w.doubles += to - from - 1; h.client >= 0 {
			w.doubles -= servers
		}
		byID[id] = h
		from = to
	}

	w.parent, w.flags = make([]int32, w.n), make([]Flag, w.n)
	for i := range w.parent {
		r := int32(i)
		h, found := byID[b.Parent[i]]
		switch own := byID[b.SpanID[i]]; {
		case b.Kind[i] == span.KindServer && own.client >= 0:
			w.parent[i] = own.client
		case b.Parent[i] == 0:
			w.parent[i] = noParent
		case b.Parent[i] == b.SpanID[i]:
			w.parent[i] = unknown
			w.selfParents++
		case !found:
			w.parent[i] = unknown
			w.missing++
		default:
			w.parent[i] = w.holderIn(rows[h.from:h.to], r, h.parent)
		}
	}
}

// holderIn is the first of rows that is in the process of a row, else the given one.
func (w *builder) holderIn(rows []int32, row, otherwise int32) int32 {
	if len(rows) == 1 {
		return rows[0]
	}
	i, ok := slices.BinarySearchFunc(rows, w.processOf(row), func(r, p int32) int { return cmp.Compare(w.processOf(r), p) })
	if ok {
		return rows[i]
	}
	return otherwise
}

// before orders rows by start, then id, kind and row.
func (w *builder) before(x, y int32) bool { return w.compare(x, y) < 0 }

func (w *builder) compare(x, y int32) int {
	if c := cmp.Compare(w.start[x], w.start[y]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(w.b.SpanID[x], w.b.SpanID[y]), cmp.Compare(w.b.Kind[x], w.b.Kind[y]), cmp.Compare(x, y))
}

// breakCycles cuts every cycle of parents above its earliest span.
func (w *builder) breakCycles() {
	walk := make([]int32, w.n) // the walk that has seen the row, from 1
	for i := range w.n {
		r := int32(i)
		for r >= 0 && walk[r] == 0 {
			walk[r] = int32(i + 1)
			r = w.parent[r]
		}
		if r < 0 || walk[r] != int32(i+1) {
			continue
		}
		first := r
		for q := w.parent[r]; q != r; q = w.parent[q] {
			if w.before(q, first) {
				first = q
			}
		}
		w.parent[first] = unknown
		w.cycles++
	}
}

// adopt gives the rows whose parent is unknown to the earliest root.
func (w *builder) adopt() {
	w.root = noParent
	for i, p := range w.parent {
		if p != noParent {
			continue
		}
		w.roots++
		if r := int32(i); w.root == noParent || w.before(r, w.root) {
			w.root = r
		}
	}
	for i, p := range w.parent {
		if p == unknown {
			w.parent[i] = w.root
			w.flags[i] |= Adopted
		}
	}
}

// children lists the rows below each row, and at the top, in the order given: those of row r are
// list[first[r+1]:first[r+2]], those at the top list[:first[1]].
func (w *builder) children(order []int32) (list, first []int32) {
	first = make([]int32, w.n+2)
	for _, p := range w.parent {
		first[p+2]++
	}
	for i := range w.n + 1 {
		first[i+1] += first[i]
	}
	next := slices.Clone(first)
	list = make([]int32, w.n)
	for _, r := range order {
		at := &next[w.parent[r]+1]
		list[*at] = r
		*at++
	}
	return list, first
}

// align corrects the starts, from the top down.
func (w *builder) align() {
	earliest := int64(math.MaxInt64)
	rows := make([]int32, w.n)
	for i, s := range w.start {
		rows[i] = int32(i)
		if s > 0 {
			earliest = min(earliest, s)
		}
	}
	timeless := func(r int32) bool { return w.start[r] == 0 && w.b.Start[r] <= 0 && earliest != math.MaxInt64 }

	w.shift = make([]int64, w.n)
	list, first := w.children(rows)
	queue := append(make([]int32, 0, w.n), list[:first[1]]...)
	for i := 0; i < len(queue); i++ {
		r := queue[i]
		queue = append(queue, list[first[r+1]:first[r+2]]...)
		p := w.parent[r]
		sameHost := p >= 0 && w.hosts.of[w.b.Resource[p]] == w.hosts.of[w.b.Resource[r]]
		switch {
		case timeless(r):
			at := earliest
			if p >= 0 {
				at = w.start[p]
			}
			w.start[r] = min(at, math.MaxInt64-w.length[r])
			w.flags[r] |= Moved
			w.noStart++
		case p < 0 || w.flags[r]&Adopted != 0:
		case sameHost:
			w.move(r, w.shift[p])
		case w.b.Start[p] > 0:
			w.move(r, w.skew(r, p))
		}
	}
}

func (w *builder) move(r int32, by int64) {
	to := min(max(addSat(w.start[r], by), 0), math.MaxInt64-w.length[r])
	if w.shift[r] = to - w.start[r]; w.shift[r] != 0 {
		w.start[r] = to
		w.flags[r] |= Moved
	}
}

// skew is how far r has to move so that it can be a child of p on another host.
func (w *builder) skew(r, p int32) int64 {
	start, end := w.start[r], w.start[r]+w.length[r]
	from, to := w.start[p], w.start[p]+w.length[p]
	kind := w.b.Kind[r]
	message := kind == span.KindConsumer || kind == span.KindProducer || w.b.Kind[p] == span.KindProducer
	fits := w.length[r] <= w.length[p] && !message
	switch {
	case fits && (start < from || end > to):
		return from + (w.length[p]-w.length[r])/2 - start
	case start < from:
		return from - start
	}
	return 0
}

// preorder lays the rows out by position.
func (w *builder) preorder() *Tree {
	n := w.n
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	slices.SortFunc(rows, w.compare)
	list, first := w.children(rows)

	all := make([]int32, 10*n) // in one piece
	column := func() (c []int32) {
		c, all = all[:n:n], all[n:]
		return c
	}
	t := &Tree{
		Batch: w.b,
		Row:   column(), Parent: column(), End: column(), Depth: column(), Direct: column(),
		Offset: make([]int64, n), Length: make([]int64, n), Flags: make([]Flag, n),
		Service: column(), Name: column(), Type: column(),
		kids: column(), first: make([]int32, n+1),
	}
	if n == 0 {
		return t
	}
	t.Start = w.start[rows[0]]
	latest := int64(0)
	position := column()
	stack := make([]int32, 0, 64)
	push := func(rows []int32) {
		for _, r := range slices.Backward(rows) {
			stack = append(stack, r)
		}
	}
	push(list[:first[1]])
	for pos := 0; len(stack) > 0; pos++ {
		r := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		kids := list[first[r+1]:first[r+2]]
		push(kids)

		position[r] = int32(pos)
		t.Row[pos], t.Parent[pos] = r, noParent
		t.Offset[pos], t.Length[pos] = w.start[r]-t.Start, w.length[r]
		t.Direct[pos], t.first[pos+1] = int32(len(kids)), t.first[pos]+int32(len(kids))
		t.Flags[pos] = w.flags[r]
		latest = max(latest, w.start[r]+w.length[r])
		if w.b.Status[r] == span.StatusError {
			t.Flags[pos] |= Failed
			t.Errors++
		}
		if p := w.parent[r]; p >= 0 {
			t.Parent[pos] = position[p]
			t.Depth[pos] = t.Depth[position[p]] + 1
			if w.b.Kind[r] == span.KindServer && w.b.Kind[p] == span.KindClient && t.Flags[pos]&Adopted == 0 {
				t.Flags[pos] |= ServerHalf
			}
		}
	}
	t.Duration = latest - t.Start
	return t
}

// measure fills End, kids and Self.
func (t *Tree) measure() {
	n := t.Len()
	for p := n - 1; p >= 0; p-- {
		t.End[p] = max(t.End[p], int32(p+1))
		if q := t.Parent[p]; q >= 0 {
			t.End[q] = max(t.End[q], t.End[p])
		}
	}

	next := slices.Clone(t.first)
	for p, q := range t.Parent {
		if q >= 0 {
			t.kids[next[q]] = int32(p)
			next[q]++
		}
	}
	t.Self = SelfTimes(t.Parent, t.Offset, t.Length)
}

// SelfTimes are the parts of spans in which no child ran: their lengths less the union of the children's intervals,
// clipped to the span. A parent (-1: none) stands before its children, and these in order of offset.
func SelfTimes(parent []int32, offset, length []int64) []int64 {
	self, until := slices.Clone(length), slices.Clone(offset) // until: the latest end so far among the children
	for p, q := range parent {
		if q < 0 {
			continue
		}
		from := max(offset[p], until[q])
		if to := min(offset[p]+length[p], offset[q]+length[q]); to > from {
			self[q] -= to - from
			until[q] = to
		}
	}
	return self
}

// internServices fills Services and Service, with one look at each resource.
func (t *Tree) internServices() {
	b := t.Batch
	services := map[string]int32{}
	ofResource := make([]int32, len(b.Resources))
	for i := range ofResource {
		ofResource[i] = -1
	}
	for p, r := range t.Row {
		at := &ofResource[b.Resource[r]]
		if *at < 0 {
			*at = number(services, &t.Services, b.Service(int(r)))
		}
		t.Service[p] = *at
	}
}

// internNames fills the other dictionaries.
func (t *Tree) internNames() {
	b := t.Batch
	names, types := map[string]int32{}, map[string]int32{}
	for p, r := range t.Row {
		if i, ok := names[string(b.Bytes(b.Name[r]))]; ok { // without a copy
			t.Name[p] = i
		} else {
			t.Name[p] = number(names, &t.Names, b.String(b.Name[r]))
		}
		t.Type[p] = number(types, &t.Types, b.Type(int(r)))
	}
}

func number(m map[string]int32, list *[]string, s string) int32 {
	if i, ok := m[s]; ok {
		return i
	}
	i := int32(len(*list))
	m[s] = i
	*list = append(*list, s)
	return i
}

// addSat is a + b, held within int64.
func addSat(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
