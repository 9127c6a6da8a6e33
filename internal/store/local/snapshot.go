package local

import (
	"slices"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// snapshot is a head as it was at one moment. It is a [source], and its own [columns].
type snapshot struct {
	n     int
	cols  []snapColumn
	list  []attrColumn
	pages []pageStats
	index *traceIndex // the head's
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
		n: h.n, pages: slices.Clone(h.pages), index: &h.byTrace,
		cols: make([]snapColumn, 0, len(h.columns)), list: make([]attrColumn, 0, len(h.order)),
	}
	for _, c := range h.columns[:numFixed] {
		s.cols = append(s.cols, snapColumn{c.vector, c.dict.dict})
	}
	for _, i := range h.order {
		c := h.columns[i]
		s.cols = append(s.cols, snapColumn{c.vector, c.dict.dict})
		s.list = append(s.list, c.attr)
	}
	h.snap = s
	return s
}

func (s *snapshot) rows() int                               { return s.n }
func (s *snapshot) sorted() bool                            { return false }
func (s *snapshot) columns() (columns, error)               { return s, nil }
func (s *snapshot) stats(p int) pageStats                   { return s.pages[p] }
func (s *snapshot) attrs() []attrColumn                     { return s.list }
func (s *snapshot) operations() ([]operation, error)        { return nil, nil }
func (s *snapshot) texts(col int) *texts                    { return s.cols[col].d.whole() }
func (s *snapshot) mayHold(col int, _ []byte) (bool, error) { return s.cols[col].d.len() > 0, nil }

func (s *snapshot) bounds() pageStats {
	if s.n == 0 {
		return newPageStats(span.TraceID{})
	}
	b := s.pages[0]
	for _, p := range s.pages[1:] {
		b.join(p)
	}
	return b
}

func (s *snapshot) mayHave(trace span.TraceID) bool {
	return len(s.index.find(s.ids(), trace)) > 0
}

func (s *snapshot) find(id span.TraceID) ([]uint32, error) {
	rows := s.index.find(s.ids(), id)
	slices.Reverse(rows)
	return rows, nil
}

func (s *snapshot) traceAt(row uint32) (span.TraceID, error) { return s.ids()[row], nil }

func (s *snapshot) willNeed(uint32, uint32, []int) {}

func (s *snapshot) parsed(_ int, _ uint32, parse func() (*parsed, error)) (*parsed, error) {
	return parse()
}

func (s *snapshot) ids() []span.TraceID { return s.cols[colTrace].ids[:s.n] }

func (s *snapshot) read(col int, first, end uint32, v *vector) error {
	*v = s.cols[col].vector
	v.from, v.to = first, end
	from, to := int(first), int(end)
	if v.sparse {
		from, _ = slices.BinarySearch(v.rows, first)
		to, _ = slices.BinarySearch(v.rows, end)
		v.rows = v.rows[from:to]
	}
	switch {
	case v.ids != nil:
		v.ids = v.ids[from:to]
	case v.nums != nil:
		v.nums = v.nums[from:to]
	case v.codes != nil:
		v.codes = v.codes[from:to]
	}
	return nil
}

// page sets v to a page of a column.
func (s *snapshot) page(col, p int, v *vector) error {
	from := p * pageRows
	return s.read(col, uint32(from), uint32(from+pageLen(s.n, p)), v)
}

func (s *snapshot) having(col, p int, code uint32, out *bitmap, _ *vectors) error {
	var v vector
	if err := s.page(col, p, &v); err != nil {
		return err
	}
	for i, c := range v.codes {
		if c == code {
			out.set(v.place(i))
		}
	}
	return nil
}

func (s *snapshot) present(col, p int, out *bitmap) error {
	var v vector
	if err := s.page(col, p, &v); err != nil {
		return err
	}
	for i := range max(len(v.nums), len(v.codes)) {
		if v.sparse || v.nums[i] != 0 {
			out.set(v.place(i))
		}
	}
	return nil
}

func (s *snapshot) at(col int, row uint32) (x uint64, has, direct bool, err error) {
	v := &s.cols[col].vector
	at := v.find(row)
	switch {
	case at < 0:
		return 0, false, true, nil
	case v.nums != nil:
		return v.nums[at], true, true, nil
	case v.codes != nil:
		return uint64(v.codes[at]), true, true, nil
	}
	return 0, false, false, nil
}

// traceIndex finds the rows of a trace in a head. It grows when it is asked, so that a head of which nobody
// asks for traces pays nothing for it.
type traceIndex struct {
	mu     sync.Mutex
	newest hashTable // the row that a trace had last, by the low half of its id
	before []uint32  // by row: the one before it of the same low half, + 1
	ids    []span.TraceID
}

// find lists the rows, among ids, of a trace, or of all traces with the same low half if the high half is zero;
// the latest first.
func (x *traceIndex) find(ids []span.TraceID, id span.TraceID) (rows []uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(ids) > len(x.ids) {
		x.ids = ids
	}
	for row := len(x.before); row < len(x.ids); row++ {
		at, found := x.slot(ids[row].Lo)
		if found {
			x.before = append(x.before, x.newest.value(at)+1)
			x.newest.replace(at, uint32(row))
			continue
		}
		x.before = append(x.before, 0)
		x.newest.put(at, lowHash(ids[row].Lo), uint32(row))
	}
	at, found := x.slot(id.Lo)
	if !found {
		return nil
	}
	for row := x.newest.value(at); ; row = x.before[row] - 1 {
		if int(row) < len(ids) && (ids[row] == id || id.Hi == 0) {
			rows = append(rows, row)
		}
		if x.before[row] == 0 {
			return rows
		}
	}
}

// slot is the slot of the rows of a low half, or the free one for them.
func (x *traceIndex) slot(low uint64) (at int, found bool) {
	hash := lowHash(low)
	for at, found = x.newest.first(hash); found; at, found = x.newest.from(at+1, hash) {
		if x.ids[x.newest.value(at)].Lo == low {
			break
		}
	}
	return at, found
}

func lowHash(low uint64) uint32 { return uint32(mix(low^idKeys[0], idKeys[1])) }
