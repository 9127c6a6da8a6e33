package local

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// sortKey is what rows of one trace are sorted by.
type sortKey struct {
	start int64
	span  uint64
	row   uint32
}

func (a sortKey) compare(b sortKey) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.span, b.span), cmp.Compare(a.row, b.row))
}

// sort finds the order of the file: by trace, then start, then span id, then arrival. It sorts the ids of
// the traces and then the few rows of each, which is much less than to sort all rows.
func (w *segmentWriter) sort() {
	ids, starts, spans := w.s.cols[colTrace].ids, w.s.cols[colStart].nums, w.s.cols[colSpan].nums
	n := w.s.n
	w.order, w.inverse, w.codes = sized(w.order, n), sized(w.inverse, n), sized(w.codes, n)
	w.keys = sized(w.keys, n)

	// Number the traces as they come: codes[row] is the trace's number.
	w.traces = w.traces[:0]
	size := 1024
	w.slots = sized(w.slots, size)
	clear(w.slots)
	for row, id := range ids[:n] {
		if row > 0 && id == ids[row-1] {
			w.codes[row] = w.codes[row-1]
			continue
		}
		if 2*len(w.traces) >= size {
			size *= 2
			w.slots = sized(w.slots, size)
			clear(w.slots)
			for i, t := range w.traces {
				w.slots[w.slot(t)] = uint32(i) + 1
			}
		}
		at := w.slot(id)
		if w.slots[at] == 0 {
			w.traces = append(w.traces, id)
			w.slots[at] = uint32(len(w.traces))
		}
		w.codes[row] = w.slots[at] - 1
	}

	// Rank them by id, and count: firstRow[rank] is where a trace begins.
	w.remap, w.place = sized(w.remap, len(w.traces)), sized(w.place, len(w.traces))
	byID := w.place
	for i := range byID {
		byID[i] = uint32(i)
	}
	slices.SortFunc(byID, func(a, b uint32) int { return w.traces[a].Compare(w.traces[b]) })
	for rank, i := range byID {
		w.remap[i] = uint32(rank)
	}
	slices.SortFunc(w.traces, span.TraceID.Compare)
	w.firstRow = sized(w.firstRow, len(w.traces)+1)
	clear(w.firstRow)
	for row := range n {
		w.firstRow[w.remap[w.codes[row]]]++
	}
	from := uint32(0)
	for rank, rows := range w.firstRow {
		w.firstRow[rank] = from
		from += rows
	}

	// Lay the rows of each trace side by side, and sort them.
	next := byID
	copy(next, w.firstRow)
	for row := range n {
		rank := w.remap[w.codes[row]]
		w.keys[next[rank]] = sortKey{int64(starts[row]), spans[row], uint32(row)}
		next[rank]++
	}
	for rank := range w.traces {
		slices.SortFunc(w.keys[w.firstRow[rank]:w.firstRow[rank+1]], sortKey.compare)
	}
	for at, k := range w.keys {
		w.order[at] = k.row
		w.inverse[k.row] = uint32(at)
	}
}

// slot is the slot of a trace's number, or the free one where it goes.
func (w *segmentWriter) slot(id span.TraceID) uint64 {
	mask := uint64(len(w.slots) - 1)
	i := hashID(id, 0) & mask
	for ; w.slots[i] != 0 && w.traces[w.slots[i]-1] != id; i = (i + 1) & mask {
	}
	return i
}
