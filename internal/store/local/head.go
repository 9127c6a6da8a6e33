package local

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/fuwu-project/fuwu/internal/span"
)

// maxHeadKeys bounds the attribute keys that a head counts. The attributes of others go to colMore, and so do those of
// keys that get none of the maxAttrColumns columns.
const maxHeadKeys = 4096

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

	keys       dictBuilder
	keyInfo    []keyInfo   // by code of keys
	services   []uint32    // code in colService by code in colResource
	identities hashTable   // rows by hashID
	kinds      [256]uint32 // code + 1 in colKind
	statuses   [256]uint32 // code + 1 in colStatus
	guesses    []guess     // shapeAttrs of each shape
	order      []int32     // attribute columns in the order of columns.attrs; nil: to be sorted again
	byTrace    traceIndex
	likely     map[attrColumn]columnSize // of those that the head before used most
	reserved   int                       // of likely: without a column yet
	ownMore    bool                      // hardly two spans will have the same map in colMore: do not look for it

	fresh []freshSpan // those of the batch at work
	more  []span.Attr
	text  []byte
}

type headColumn struct {
	vector
	dict dictBuilder
	attr attrColumn
}

// keyInfo is what a head knows of an attribute key.
type keyInfo struct {
	columns [span.Bytes + 1]int32 // column by type; 0: not asked for yet, < 0: none
	last    uint32                // row + 1 of the span that had it last
	without uint32                // values that found no column
	typ     span.ValueType        // of the last of these
}

// guess is the codes that an attribute had in the last span of the same shape, at the same place. Spans of one
// name and kind, a shape, mostly come from one place in a program: they have the same keys in the same order, and
// often the same values, so these are compared before anything is hashed. Shapes of the same number modulo shapes,
// and the attributes beyond shapeAttrs, share their guesses.
type guess struct{ key, value uint32 }

const (
	shapes     = 1024
	shapeAttrs = 16
)

// freshSpan is a span of a batch that the head does not have yet.
type freshSpan struct {
	i    int32 // in the batch
	slot int32 // of identities: the first that may be it
	hash uint32
}

// What a row takes in the dense columns and in identities; a value of an attribute beside its text; an entry of a
// dictionary beside its text. In bytes, roughly.
const (
	rowBytes       = 80 + slotBytes
	attrTextBytes  = 8
	attrNumBytes   = 12
	dictEntryBytes = 8 + slotBytes
)

func newHead(number uint64) *head {
	h := &head{number: number, columns: make([]*headColumn, numFixed), guesses: make([]guess, shapes*shapeAttrs)}
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
	from := h.n
	h.addIdentities(b)
	h.addNumbers(b)
	h.addTexts(b)
	names, kinds := h.columns[colName].codes, h.columns[colKind].codes
	for k, f := range h.fresh {
		row := from + k
		h.addRare(b, int(f.i), uint32(row))
		h.addAttrs(b, b.Attrs[f.i], uint32(row), (names[row]<<3^kinds[row])%shapes)
	}
}

// addIdentities finds the spans of b that are not here yet and adds the columns by which they are told apart.
func (h *head) addIdentities(b *span.Batch) {
	h.identities.reserve(h.n + b.Len())
	h.fresh = slices.Grow(h.fresh[:0], b.Len())
	for i := range b.Len() { // a loop of its own, so that the processor waits for several slots at once
		hash := uint32(hashID(b.TraceID[i], b.SpanID[i]))
		slot, _ := h.identities.first(hash)
		h.fresh = append(h.fresh, freshSpan{int32(i), int32(slot), hash})
	}
	resources := h.resources(b)
	trace, id, kind, resource := h.columns[colTrace], h.columns[colSpan], h.columns[colKind], h.columns[colResource]
	kept := h.fresh[:0]
next:
	for _, f := range h.fresh {
		t, s, r := b.TraceID[f.i], uint64(b.SpanID[f.i]), resources[b.Resource[f.i]]
		k := h.codeOf(&h.kinds, kind, byte(b.Kind[f.i]), b.Kind[f.i].String)
		slot, found := h.identities.from(int(f.slot), f.hash)
		for ; found; slot, found = h.identities.from(slot+1, f.hash) {
			row := h.identities.value(slot)
			if id.nums[row] == s && trace.ids[row] == t && kind.codes[row] == k && resource.codes[row] == r {
				continue next
			}
		}
		h.identities.put(slot, f.hash, uint32(h.n))
		h.n++
		kept = append(kept, f)
		trace.ids, id.nums = append(trace.ids, t), append(id.nums, s)
		kind.codes, resource.codes = append(kind.codes, k), append(resource.codes, r)
	}
	h.fresh = kept
	h.bytes += rowBytes * len(kept)
}

// resources returns the codes of the resources of b.
func (h *head) resources(b *span.Batch) []uint32 {
	codes := make([]uint32, len(b.Resources))
	for i, r := range b.Resources {
		h.text = appendResource(h.text[:0], b, r)
		codes[i] = h.intern(h.columns[colResource], h.text)
		if int(codes[i]) == len(h.services) {
			service := serviceOf(attributes(b, r.Attrs))
			h.services = append(h.services, h.intern(h.columns[colService], []byte(service)))
		}
	}
	return codes
}

// scopes returns the codes of the scopes of b.
func (h *head) scopes(b *span.Batch) []uint32 {
	codes := make([]uint32, len(b.Scopes))
	for i, s := range b.Scopes {
		h.text = appendScope(h.text[:0], b, s)
		codes[i] = h.intern(h.columns[colScope], h.text)
	}
	return codes
}

// codeOf is the code of a value of which there are few; known has those that occurred.
func (h *head) codeOf(known *[256]uint32, c *headColumn, v byte, text func() string) uint32 {
	if known[v] == 0 {
		known[v] = h.intern(c, []byte(text())) + 1
	}
	return known[v] - 1
}

// addNumbers adds to the dense columns of numbers and to the bounds of the pages.
func (h *head) addNumbers(b *span.Batch) {
	parent, flags := h.nums(colParent), h.nums(colFlags)
	start, duration := h.nums(colStart), h.nums(colDuration)
	row := h.n - len(h.fresh)
	for k, f := range h.fresh {
		d := b.Duration[f.i]
		if d < 0 {
			d = 0
			h.clamped++
		}
		parent[k], flags[k] = uint64(b.Parent[f.i]), uint64(b.Flags[f.i])
		start[k], duration[k] = uint64(b.Start[f.i]), uint64(d)
		if (row+k)%pageRows == 0 {
			h.pages = append(h.pages, newPageStats(b.TraceID[f.i]))
		}
		h.pages[len(h.pages)-1].add(b.TraceID[f.i], b.Start[f.i], d)
	}
}

// addTexts adds to the other dense columns of texts.
func (h *head) addTexts(b *span.Batch) {
	service, name, status, scope := h.codes(colService), h.codes(colName), h.codes(colStatus), h.codes(colScope)
	resources, scopes := h.columns[colResource].codes[h.n-len(h.fresh):], h.scopes(b)
	for k, f := range h.fresh {
		service[k] = h.services[resources[k]]
		name[k] = h.intern(h.columns[colName], b.Bytes(b.Name[f.i]))
		status[k] = h.codeOf(&h.statuses, h.columns[colStatus], byte(b.Status[f.i]), b.Status[f.i].String)
		scope[k] = scopes[b.Scope[f.i]]
	}
}

// nums makes a dense column as long as the head and returns the part of the batch at work. So does codes.
func (h *head) nums(col int) []uint64 {
	c := h.columns[col]
	from := len(c.nums)
	c.nums = slices.Grow(c.nums, h.n-from)[:h.n]
	return c.nums[from:]
}

func (h *head) codes(col int) []uint32 {
	c := h.columns[col]
	from := len(c.codes)
	c.codes = slices.Grow(c.codes, h.n-from)[:h.n]
	return c.codes[from:]
}

// addRare adds what few spans have.
func (h *head) addRare(b *span.Batch, i int, row uint32) {
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
	if d := b.Dropped[i]; d != (span.Dropped{}) {
		h.sparseNum(colDroppedAttrs, row, d.Attrs)
		h.sparseNum(colDroppedEvents, row, d.Events)
		h.sparseNum(colDroppedLinks, row, d.Links)
	}
}

func (h *head) sparseNum(col int, row, v uint32) {
	if v != 0 {
		c := h.columns[col]
		c.rows, c.nums = append(c.rows, row), append(c.nums, uint64(v))
		h.bytes += attrNumBytes
	}
}

func (h *head) sparseText(col int, row uint32, p []byte) {
	if len(p) > 0 {
		c := h.columns[col]
		c.rows, c.codes = append(c.rows, row), append(c.codes, h.intern(c, p))
		h.bytes += attrTextBytes
	}
}

// addAttrs goes backwards, since of a key that occurs twice the last counts; the others are dropped.
func (h *head) addAttrs(b *span.Batch, r span.Range, row, shape uint32) {
	guesses := h.guesses[shape*shapeAttrs:][:shapeAttrs]
	h.more = h.more[:0]
	for j := range r.Len() {
		a := &b.Values[int(r.To)-1-j]
		g := &guesses[min(j, shapeAttrs-1)]
		if !h.key(b.Bytes(a.Key), g) {
			h.more = append(h.more, *a)
			continue
		}
		info := &h.keyInfo[g.key]
		if info.last == row+1 {
			continue
		}
		info.last = row + 1
		c := h.column(g.key, a.Type)
		if c == nil {
			h.more = append(h.more, *a)
			continue
		}
		c.rows = append(c.rows, row)
		if !a.Type.IsText() {
			c.nums = append(c.nums, a.Num)
			h.bytes += attrNumBytes
			continue
		}
		text := b.Bytes(a.Text())
		if int(g.value) >= c.dict.len() || string(c.dict.at(g.value)) != string(text) {
			g.value = h.intern(c, text)
		}
		c.codes = append(c.codes, g.value)
		h.bytes += attrTextBytes
	}
	if len(h.more) > 0 {
		slices.Reverse(h.more)
		var plain bool
		if h.text, plain = appendPlainMap(h.text[:0], b, h.more); !plain {
			attrs := make([]span.Attribute, 0, len(h.more))
			for i := range h.more {
				attrs = append(attrs, borrowed(b, &h.more[i]))
			}
			h.text = appendMap(h.text, canonical(attrs))
		}
		c := h.columns[colMore]
		if len(c.rows) == ownMoreFrom && c.dict.len() > ownMoreFrom/8*7 {
			h.ownMore, c.dict.codes = true, hashTable{}
		}
		if !h.ownMore {
			h.sparseText(colMore, row, h.text)
			return
		}
		c.rows, c.codes = append(c.rows, row), append(c.codes, c.dict.add(h.text))
		h.bytes += attrTextBytes + 2*len(h.text) + dictEntryBytes
	}
}

// borrowed is an attribute whose texts are those of the batch, and valid as long.
func borrowed(b *span.Batch, a *span.Attr) span.Attribute {
	v := span.Value{Type: a.Type, Num: a.Num}
	if a.Type.IsText() {
		v.Num, v.Str = 0, viewString(b.Bytes(a.Text()))
	}
	return span.Attribute{Key: viewString(b.Bytes(a.Key)), Value: v}
}

func viewString(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// key makes g.key the code of p. It is false for keys beyond the bound.
func (h *head) key(p []byte, g *guess) bool {
	if int(g.key) < h.keys.len() && string(h.keys.at(g.key)) == string(p) {
		return true
	}
	key, known := h.keys.lookup(p)
	if !known {
		if h.keys.len() >= maxHeadKeys {
			return false
		}
		key = h.keys.intern(p)
		h.keyInfo = append(h.keyInfo, keyInfo{})
	}
	g.key = key
	return true
}

// column is the column for values of a type of a key, or nil if there is none for them.
func (h *head) column(key uint32, t span.ValueType) *headColumn {
	if !hasColumn(t) {
		return nil
	}
	info := &h.keyInfo[key]
	at := &info.columns[t]
	if *at == 0 {
		h.newColumn(at, attrColumn{string(h.keys.at(key)), t})
	}
	if *at < 0 {
		info.without, info.typ = info.without+1, t
		return nil
	}
	return h.columns[*at]
}

// newColumn makes a column, unless all there may be are taken, or kept for those that will be used more.
func (h *head) newColumn(at *int32, attr attrColumn) {
	size, likely := h.likely[attr]
	if likely {
		h.reserved--
	} else if len(h.columns)-numFixed+h.reserved >= maxAttrColumns {
		*at = -1
		return
	}
	c := &headColumn{vector: vector{sparse: true}, attr: attr}
	c.reserve(size)
	*at = int32(len(h.columns))
	h.columns = append(h.columns, c)
	h.order = nil
	h.bytes += 512
}

// intern is the code of p in the dictionary of c. A new entry counts as memory, twice, since slices grow by
// doubling.
func (h *head) intern(c *headColumn, p []byte) uint32 {
	before := c.dict.len()
	code := c.dict.intern(p)
	if c.dict.len() > before {
		h.bytes += 2*len(p) + dictEntryBytes
	}
	return code
}

// hashID mixes a span's ids, as wyhash mixes words. They are the sender's to choose, so the keys are secret: else a
// batch could be made of which all hashes are equal.
func hashID(trace span.TraceID, id span.ID) uint64 {
	h := mix(trace.Hi^idKeys[0], trace.Lo^idKeys[1])
	return mix(uint64(id)^idKeys[2], h^idKeys[3])
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

var idKeys = [4]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}

// ownMoreFrom is how many maps of a head tell how the rest will be: if nearly all differ, equal ones are no longer looked for.
const ownMoreFrom = 1024

// columnSize is how much a column of a head has come to hold.
type columnSize struct{ rows, ids, codes, nums, entries, text int }

// expect prepares an empty head for what the one before had: columns begin with as much room, so that they are seldom
// copied as they grow, and three quarters of the columns of attributes are kept for those that were used most.
func (h *head) expect(before *head) {
	before.mu.Lock()
	defer before.mu.Unlock()
	for i, c := range before.columns[:numFixed] {
		h.columns[i].reserve(c.size())
	}
	h.identities.reserve(before.n)

	type use struct {
		attr attrColumn
		n    int
		size columnSize
	}
	var uses []use
	for _, c := range before.columns[numFixed:] {
		uses = append(uses, use{c.attr, len(c.rows), c.size()})
	}
	for key, info := range before.keyInfo {
		if info.without > 0 {
			uses = append(uses, use{attr: attrColumn{string(before.keys.at(uint32(key))), info.typ}, n: int(info.without)})
		}
	}
	slices.SortStableFunc(uses, func(a, b use) int { return cmp.Compare(b.n, a.n) })
	uses = uses[:min(len(uses), maxAttrColumns*3/4)]
	h.likely, h.reserved = make(map[attrColumn]columnSize, len(uses)), len(uses)
	for _, u := range uses {
		h.likely[u.attr] = u.size
	}
}

func (c *headColumn) size() columnSize {
	return columnSize{len(c.rows), len(c.ids), len(c.codes), len(c.nums), c.dict.len(), len(c.dict.text)}
}

// reserve makes room in an empty column for a size, and an eighth more.
func (c *headColumn) reserve(s columnSize) {
	c.rows, c.ids = room[uint32](s.rows), room[span.TraceID](s.ids)
	c.codes, c.nums = room[uint32](s.codes), room[uint64](s.nums)
	c.dict.text, c.dict.offsets = room[byte](s.text), room[uint32](s.entries)
	c.dict.codes.reserve(s.entries)
}

func room[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n+n/8)
}
