package local

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/internal/span"
)

// maxHeadColumns bounds the attribute columns of a head: the attributes of keys beyond go to colMore.
const maxHeadColumns = 4096

// head is the part of the store that is in memory only (and in the log of the same number): columns
// that grow at their end, without pointers, so that they cost the garbage collector nothing.
//
// One goroutine appends. Readers take a snapshot: slices are append-only, so a copy of their headers
// stays as it is while the head grows.
type head struct {
	number   uint64
	log      *logFile // the committer's, until the head is left to the sealer
	logBytes atomic.Int64

	mu      sync.Mutex
	columns []*headColumn
	n       int
	bytes   int // in memory, roughly
	clamped int64
	pages   []pageStats
	snap    *snapshot // of the present state, if someone asked for it

	keys     dictBuilder
	keyInfo  []keyInfo // by code of keys
	resource []resourceInfo
	seen     []uint32 // hash table of identities: row + 1, 0: free
	order    []int32  // attribute columns in the order of source.attrs; nil: to be sorted again

	more []span.Attribute
	text []byte
}

type headColumn struct {
	vector
	dict dictBuilder
	attr attrColumn
}

// keyInfo is what a head knows of an attribute key.
type keyInfo struct {
	columns [span.Bytes + 1]int32 // column by type; 0: none
	last    uint32                // row + 1 of the span that had it last
	next    uint32                // code + 1 of the key that stood before it last time
}

type resourceInfo struct{ service uint32 } // code in colService

func newHead(number uint64) *head {
	h := &head{number: number, columns: make([]*headColumn, numFixed)}
	for i := range h.columns {
		h.columns[i] = &headColumn{vector: vector{sparse: fixed[i].sparse}}
	}
	return h
}

// rows is the number of spans.
func (h *head) rows() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// full says whether the head has reached its bound of rows, or it or its log that of bytes: copies of spans
// that are here already make the log longer and not the head.
func (h *head) full(rows, bytes int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n >= rows || max(h.bytes, int(h.logBytes.Load())) >= bytes
}

// append adds the spans of b, leaving out those that the head has already.
func (h *head) append(b *span.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.snap = nil
	resources, scopes := make([]uint32, len(b.Resources)), make([]uint32, len(b.Scopes)) // code + 1
	for i := range b.Len() {
		r := b.Resource[i]
		if resources[r] == 0 {
			resources[r] = h.addResource(b, r) + 1
		}
		s := b.Scope[i]
		if scopes[s] == 0 {
			h.text = appendScope(h.text[:0], b, b.Scopes[s])
			scopes[s] = h.intern(h.columns[colScope], h.text) + 1
		}
		h.add(b, i, resources[r]-1, scopes[s]-1)
	}
}

func (h *head) addResource(b *span.Batch, i uint32) uint32 {
	h.text = appendResource(h.text[:0], b, b.Resources[i])
	code := h.intern(h.columns[colResource], h.text)
	if int(code) == len(h.resource) {
		service := serviceOf(attributes(b, b.Resources[i].Attrs))
		h.resource = append(h.resource, resourceInfo{h.intern(h.columns[colService], []byte(service))})
	}
	return code
}

func (h *head) add(b *span.Batch, i int, resource, scope uint32) {
	kind := h.columns[colKind].dict.code([]byte(b.Kind[i].String()))
	if !h.isNew(b.TraceID[i], b.SpanID[i], kind, resource) {
		return
	}
	row := uint32(h.n)
	h.n++
	start, duration := b.Start[i], b.Duration[i]
	if duration < 0 {
		duration = 0
		h.clamped++
	}
	h.columns[colTrace].ids = append(h.columns[colTrace].ids, b.TraceID[i])
	h.num(colSpan, uint64(b.SpanID[i]))
	h.num(colParent, uint64(b.Parent[i]))
	h.num(colStart, uint64(start))
	h.num(colDuration, uint64(duration))
	h.num(colFlags, uint64(b.Flags[i]))
	h.code(colService, h.resource[resource].service)
	h.code(colName, h.intern(h.columns[colName], b.Bytes(b.Name[i])))
	h.code(colKind, kind)
	h.code(colStatus, h.columns[colStatus].dict.code([]byte(b.Status[i].String())))
	h.code(colResource, resource)
	h.code(colScope, scope)
	h.sparseText(colStatusMessage, row, b.Bytes(b.StatusMessage[i]))
	h.sparseText(colTraceState, row, b.Bytes(b.TraceState[i]))
	if r := b.EventsOf[i]; r.Len() > 0 {
		h.text = appendEvents(h.text[:0], b, r)
		h.sparseText(colEvents, row, h.text)
	}
	if r := b.LinksOf[i]; r.Len() > 0 {
		h.text = appendLinks(h.text[:0], b, r)
		h.sparseText(colLinks, row, h.text)
	}
	h.sparseNum(colDroppedAttrs, row, b.Dropped[i].Attrs)
	h.sparseNum(colDroppedEvents, row, b.Dropped[i].Events)
	h.sparseNum(colDroppedLinks, row, b.Dropped[i].Links)
	h.addAttrs(b, b.Attrs[i], row)

	if int(row)%pageRows == 0 {
		h.pages = append(h.pages, newPageStats(b.TraceID[i]))
	}
	h.pages[len(h.pages)-1].add(b.TraceID[i], start, duration)
	h.bytes += 80
}

// addAttrs goes backwards, since of a key that occurs twice the last counts; the others are dropped.
func (h *head) addAttrs(b *span.Batch, r span.Range, row uint32) {
	h.more = h.more[:0]
	after := uint32(0) // code + 1 of the key before, in the order of going
	for j := int(r.To) - 1; j >= int(r.From); j-- {
		a := b.Values[j]
		key, ok := h.key(b.Bytes(a.Key), after)
		if !ok {
			h.more = append(h.more, attribute(b, a))
			continue
		}
		info := &h.keyInfo[key]
		again := info.last == row+1
		info.last, after = row+1, key+1
		if again {
			continue
		}
		if !hasColumn(a.Type) {
			h.more = append(h.more, attribute(b, a))
			continue
		}
		if info.columns[a.Type] == 0 {
			if len(h.columns)-numFixed >= maxHeadColumns {
				h.more = append(h.more, attribute(b, a))
				continue
			}
			info.columns[a.Type] = int32(len(h.columns))
			h.columns = append(h.columns, &headColumn{
				vector: vector{sparse: true}, attr: attrColumn{string(h.keys.at(key)), a.Type},
			})
			h.order = nil
			h.bytes += 512
		}
		c := h.columns[info.columns[a.Type]]
		c.rows = append(c.rows, row)
		if a.Type.IsText() {
			c.codes = append(c.codes, h.intern(c, b.Bytes(a.Text())))
			h.bytes += 8
		} else {
			c.nums = append(c.nums, a.Num)
			h.bytes += 12
		}
	}
	if len(h.more) > 0 {
		slices.Reverse(h.more)
		h.text = appendMap(h.text[:0], canonical(h.more))
		h.sparseText(colMore, row, h.text)
	}
}

// key is the code of an attribute key; after is the code + 1 of the key that was seen before it, which
// mostly foretells it. It is false for keys beyond the bound.
func (h *head) key(p []byte, after uint32) (uint32, bool) {
	if after > 0 {
		if next := h.keyInfo[after-1].next; next > 0 && string(h.keys.at(next-1)) == string(p) {
			return next - 1, true
		}
	}
	key, ok := h.keys.lookup(p)
	if !ok {
		if h.keys.len() >= maxHeadColumns {
			return 0, false
		}
		key = h.keys.code(p)
		h.keyInfo = append(h.keyInfo, keyInfo{})
	}
	if after > 0 {
		h.keyInfo[after-1].next = key + 1
	}
	return key, true
}

// dictEntryBytes is what an entry of a dictionary takes beside its text, roughly.
const dictEntryBytes = 24

// intern is the code of p in the dictionary of c. A new entry counts as memory, twice, since slices grow by
// doubling.
func (h *head) intern(c *headColumn, p []byte) uint32 {
	before := c.dict.len()
	code := c.dict.code(p)
	if c.dict.len() > before {
		h.bytes += 2*len(p) + dictEntryBytes
	}
	return code
}

func (h *head) num(col int, v uint64) {
	h.columns[col].nums = append(h.columns[col].nums, v)
}

func (h *head) code(col int, code uint32) {
	h.columns[col].codes = append(h.columns[col].codes, code)
}

func (h *head) sparseNum(col int, row, v uint32) {
	if v != 0 {
		c := h.columns[col]
		c.rows, c.nums = append(c.rows, row), append(c.nums, uint64(v))
	}
}

func (h *head) sparseText(col int, row uint32, p []byte) {
	if len(p) > 0 {
		c := h.columns[col]
		c.rows, c.codes = append(c.rows, row), append(c.codes, h.intern(c, p))
		h.bytes += 8
	}
}

// isNew says whether the identity is not among the rows, and enters it as the next row's.
func (h *head) isNew(trace span.TraceID, id span.ID, kind, resource uint32) bool {
	if 2*h.n >= len(h.seen) {
		h.growSeen()
	}
	mask := uint64(len(h.seen) - 1)
	i := hashID(trace, id) & mask
	for ; h.seen[i] != 0; i = (i + 1) & mask {
		row := h.seen[i] - 1
		if h.columns[colSpan].nums[row] == uint64(id) && h.columns[colTrace].ids[row] == trace &&
			h.columns[colKind].codes[row] == kind && h.columns[colResource].codes[row] == resource {
			return false
		}
	}
	h.seen[i] = uint32(h.n) + 1
	return true
}

func (h *head) growSeen() {
	h.seen = make([]uint32, max(1024, 2*len(h.seen)))
	mask := uint64(len(h.seen) - 1)
	for row, trace := range h.columns[colTrace].ids {
		i := hashID(trace, span.ID(h.columns[colSpan].nums[row])) & mask
		for h.seen[i] != 0 {
			i = (i + 1) & mask
		}
		h.seen[i] = uint32(row) + 1
	}
}

// hashID mixes a span's ids; both may be far from random.
func hashID(trace span.TraceID, id span.ID) uint64 {
	x := trace.Hi*0x9e3779b97f4a7c15 ^ trace.Lo
	x = (x^x>>32)*0xd6e8feb86659fd93 ^ uint64(id)
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

// snapshot is a head as it was at one moment.
type snapshot struct {
	n       int
	columns []snapColumn
	list    []attrColumn
	pages   []pageStats
}

type snapColumn struct {
	vector
	d dict
}

// state is a snapshot, and how many spans ended before they started.
func (h *head) state() (*snapshot, int64) {
	s := h.snapshot()
	h.mu.Lock()
	defer h.mu.Unlock()
	return s, h.clamped
}

// snapshot returns the present state.
func (h *head) snapshot() *snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.snap != nil {
		return h.snap
	}
	if h.order == nil {
		for i := numFixed; i < len(h.columns); i++ {
			h.order = append(h.order, int32(i))
		}
		slices.SortFunc(h.order, func(a, b int32) int {
			return h.columns[a].attr.compare(h.columns[b].attr)
		})
	}
	s := &snapshot{
		n: h.n, pages: slices.Clone(h.pages),
		columns: make([]snapColumn, 0, len(h.columns)), list: make([]attrColumn, 0, len(h.order)),
	}
	for _, c := range h.columns[:numFixed] {
		s.columns = append(s.columns, snapColumn{c.vector, c.dict.dict})
	}
	for _, i := range h.order {
		c := h.columns[i]
		s.columns = append(s.columns, snapColumn{c.vector, c.dict.dict})
		s.list = append(s.list, c.attr)
	}
	h.snap = s
	return s
}

func (s *snapshot) rows() int                      { return s.n }
func (s *snapshot) stats(p int) pageStats          { return s.pages[p] }
func (s *snapshot) sorted() bool                   { return false }
func (s *snapshot) attrs() []attrColumn            { return s.list }
func (s *snapshot) dict(col int) (d dict, _ error) { return s.columns[col].d, nil }

func (s *snapshot) page(col, p int) (vector, error) {
	v := s.columns[col].vector
	v.from = uint32(p * pageRows)
	from, to := p*pageRows, p*pageRows+pageLen(s.n, p)
	if v.sparse {
		first, _ := slices.BinarySearch(v.rows, uint32(from))
		end, _ := slices.BinarySearch(v.rows, uint32(to))
		v.rows = v.rows[first:end]
		from, to = first, end
	}
	switch {
	case v.ids != nil:
		v.ids = v.ids[from:to]
	case v.nums != nil:
		v.nums = v.nums[from:to]
	case v.codes != nil:
		v.codes = v.codes[from:to]
	}
	return v, nil
}
