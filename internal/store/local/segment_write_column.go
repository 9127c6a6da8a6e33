package local

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// column writes a column.
func (w *segmentWriter) column(p segmentColumnPlan, pages []pageStats) error {
	w.begin(p.leaf)
	c := &w.s.cols[p.col]
	if p.col == colMore {
		var err error
		if c, err = w.moreColumn(); err != nil {
			return err
		}
	}
	switch {
	case p.col == colTrace:
		w.traceColumn(pages)
		return w.err
	case p.col == colParent:
		w.locateParents(c.nums)
	case c.sparse:
		w.locate(c.rows)
	default:
		w.at = w.order
		w.ends = w.ends[:0]
		for page := range pagesOf(w.s.n) {
			w.ends = append(w.ends, page*pageRows+pageLen(w.s.n, page))
		}
	}
	if p.leaf.typ == format.ByteArray {
		w.textColumn(p.col, c)
	} else {
		w.nums = sized(w.nums, len(w.at))
		for i, at := range w.at {
			w.nums[i] = c.nums[at]
		}
		w.numColumn(p)
	}
	return w.err
}

// locate finds the values of a sparse column in the order of the file; rows has those of the snapshot.
func (w *segmentWriter) locate(rows []uint32) {
	w.clearPresent()
	w.place = sized(w.place, w.s.n)
	for at, row := range rows {
		to := w.inverse[row]
		w.present[to/64] |= 1 << (to % 64)
		w.place[to] = uint32(at)
	}
	w.collect()
}

// locateParents is locate for the dense column in which 0 stands for none.
func (w *segmentWriter) locateParents(nums []uint64) {
	w.clearPresent()
	w.place = sized(w.place, w.s.n)
	for to, row := range w.order {
		if nums[row] != 0 {
			w.present[to/64] |= 1 << (to % 64)
			w.place[to] = row
		}
	}
	w.collect()
}

func (w *segmentWriter) clearPresent() {
	w.present = sized(w.present, (w.s.n+63)/64)
	clear(w.present)
}

// collect lists the places of the rows that are present, page by page.
func (w *segmentWriter) collect() {
	w.places, w.ends = w.places[:0], w.ends[:0]
	for i, word := range w.present {
		for ; word != 0; word &= word - 1 {
			w.places = append(w.places, w.place[64*i+bits.TrailingZeros64(word)])
		}
		if (i+1)%(pageRows/64) == 0 {
			w.ends = append(w.ends, len(w.places))
		}
	}
	if len(w.ends) < pagesOf(w.s.n) {
		w.ends = append(w.ends, len(w.places))
	}
	w.at = w.places
}

// emit writes page p, whose values are in body.
func (w *segmentWriter) emit(p int, encoding format.Encoding, compress bool, b pageBounds) {
	rows, n := pageLen(w.s.n, p), w.ends[p]-w.begins(p)
	w.levels = w.levels[:0]
	if w.leaf.optional {
		first := p * pageRows / 64
		w.levels = appendLevels(w.levels, w.present[first:first+(rows+63)/64], rows, n)
	}
	w.data(rows, rows-n, encoding, w.levels, w.body, compress && len(w.body) > 0, b)
}

// begins is the first value of page p.
func (w *segmentWriter) begins(p int) int {
	if p == 0 {
		return 0
	}
	return w.ends[p-1]
}

// traceColumn writes the ids of the traces: they are the dictionary, their codes ascend, and each is a run.
func (w *segmentWriter) traceColumn(pages []pageStats) {
	w.plain = w.plain[:0]
	for _, id := range w.traces {
		p := id.Bytes()
		w.plain = append(w.plain, p[:]...)
	}
	w.dictionary()
	w.piece(w.plain, uint32(len(w.traces)))
	w.endDictionary()
	rank := 0
	for p := range pagesOf(w.s.n) {
		from := uint32(p * pageRows)
		to := from + uint32(pageLen(w.s.n, p))
		last := rank
		for w.firstRow[last+1] < to {
			last++
		}
		width := codeWidth(uint32(last))
		w.body = append(w.body[:0], byte(width))
		for ; ; rank++ {
			w.body = appendRun(w.body, uint32(rank), int(min(to, w.firstRow[rank+1])-max(from, w.firstRow[rank])), width)
			if rank == last {
				break
			}
		}
		if w.firstRow[rank+1] == to {
			rank++
		}
		low, high := pages[p].firstTrace.Bytes(), pages[p].lastTrace.Bytes()
		w.data(int(to-from), 0, format.RLEDictionary, nil, w.body, false, pageBounds{low[:], high[:]})
	}
	low, high := w.traces[0].Bytes(), w.traces[len(w.traces)-1].Bytes()
	w.ended(format.Ascending, pageBounds{low[:], high[:]})
}

// pieceBytes is the size of the pieces of a dictionary of texts, each of which can be read without the others:
// of a trace, whose texts mostly lie together, one or two. Smaller ones compress worse.
const pieceBytes = 32 << 10

// filterFrom is how many texts a dictionary has that gets no Bloom filter yet, since it can be looked through.
const filterFrom = 256

// textColumn writes column col, of texts, by their codes.
func (w *segmentWriter) textColumn(col int, c *snapColumn) {
	if len(w.at) == 0 {
		w.body = w.body[:0]
		for p := range w.ends {
			w.emit(p, format.Plain, false, pageBounds{})
		}
		w.ended(format.Unordered, pageBounds{})
		return
	}
	// Number the texts by their first use: so the codes of the first pages are short, texts that occur
	// together lie together, and texts that the file does not have are left out.
	w.remap = sized(w.remap, c.d.len())
	clear(w.remap)
	w.codes, w.plain = sized(w.codes, len(w.at)), w.plain[:0]
	w.hashes = w.hashes[:0]
	n, before := uint32(0), uint32(0) // texts, and those of them in the pieces before
	w.dictionary()
	low, high := c.d.at(c.codes[w.at[0]]), c.d.at(c.codes[w.at[0]])
	for i, at := range w.at {
		code := c.codes[at]
		if w.remap[code] == 0 {
			n++
			w.remap[code] = n
			text := c.d.at(code)
			if len(w.plain)+len(text) > pieceBytes && len(w.plain) > 0 {
				w.piece(w.plain, n-1-before)
				w.plain, before = w.plain[:0], n-1
			}
			w.plain = binary.LittleEndian.AppendUint32(w.plain, uint32(len(text)))
			w.plain = append(w.plain, text...)
			if bytes.Compare(text, low) < 0 {
				low = text
			} else if bytes.Compare(text, high) > 0 {
				high = text
			}
		}
		w.codes[i] = w.remap[code] - 1
	}
	w.piece(w.plain, n-before)
	w.endDictionary()
	if n > filterFrom && w.leaf.group == attrGroup {
		for code, to := range w.remap {
			if to > 0 {
				w.hashes = append(w.hashes, xxhash.Sum64(c.d.at(uint32(code))))
			}
		}
		w.filter(w.hashes)
	}
	if _, ok := w.renumbered[col]; ok {
		w.renumbered[col] = slices.Clone(w.remap)
	}
	// Bounds of the whole column are bounds of each page, if wide ones.
	b := pageBounds{lowText(low), highText(high)}
	w.codePages(func([]uint32) pageBounds { return b })
	w.ended(format.Unordered, pageBounds{})
}

// codePages writes the pages of codes.
func (w *segmentWriter) codePages(bounds func(codes []uint32) pageBounds) {
	for p, end := range w.ends {
		codes := w.codes[w.begins(p):end]
		w.body = appendCodes(w.body[:0], codes)
		var b pageBounds
		if len(codes) > 0 {
			b = bounds(codes)
		}
		w.emit(p, format.RLEDictionary, false, b)
	}
}

// textBound is the number of bytes to which bounds are cut.
const textBound = 16

// lowText is p, or a shorter text below it.
func lowText(p []byte) []byte {
	if len(p) <= textBound {
		return bytes.Clone(noNil(p))
	}
	return bytes.Clone(cut(p))
}

// highText is p, or a shorter text above it.
func highText(p []byte) []byte {
	if len(p) <= textBound {
		return bytes.Clone(noNil(p))
	}
	short := bytes.Clone(cut(p))
	if utf8.Valid(short) { // and it stays so
		for len(short) > 0 {
			r, size := utf8.DecodeLastRune(short)
			short = short[:len(short)-size]
			if r++; r == 0xd800 {
				r = 0xe000 // behind the surrogates
			}
			if r <= utf8.MaxRune {
				return utf8.AppendRune(short, r)
			}
		}
		return bytes.Clone(p)
	}
	for i := len(short) - 1; i >= 0; i-- {
		if short[i]++; short[i] != 0 {
			return short[:i+1]
		}
	}
	return bytes.Clone(p)
}

// cut cuts a long text, between characters if it is text.
func cut(p []byte) []byte {
	for n := textBound; n > textBound-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n]) {
			return p[:n]
		}
	}
	return p[:textBound]
}

// noNil is p; the empty bound is not the absent one.
func noNil(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// numColumn writes a column of numbers or ids of 8 bytes; nums has its values in the order of the file.
func (w *segmentWriter) numColumn(p segmentColumnPlan) {
	switch p.leaf.typ {
	case format.Boolean:
		w.pages(format.Plain, false, func(nums []uint64) {
			w.body = sized(w.body, (len(nums)+7)/8)
			clear(w.body)
			for i, n := range nums {
				w.body[i/8] |= byte(n&1) << (i % 8)
			}
		})
	case format.FixedLenByteArray:
		w.pages(format.Plain, p.leaf.zstd, func(nums []uint64) {
			w.body = sized(w.body, 8*len(nums))
			for i, n := range nums {
				binary.BigEndian.PutUint64(w.body[8*i:], n)
			}
		})
	case format.Int64:
		if p.col != colStart && p.col != colDuration && w.numDictionary() {
			break
		}
		var coder delta.BinaryPackedEncoding
		w.pages(format.DeltaBinaryPacked, false, func(nums []uint64) {
			w.ints = sized(w.ints, len(nums))
			for i, n := range nums {
				w.ints[i] = int64(n)
			}
			var err error
			if w.body, err = coder.EncodeInt64(w.body[:0], w.ints); err != nil {
				w.fail(err)
			}
		})
	default: // Double
		if w.numDictionary() {
			break
		}
		w.pages(format.Plain, true, func(nums []uint64) {
			w.body = sized(w.body, 8*len(nums))
			for i, n := range nums {
				binary.LittleEndian.PutUint64(w.body[8*i:], n)
			}
		})
	}
	b := pageBounds{}
	if len(w.nums) > 0 {
		b = numBounds(p.leaf.typ, w.nums)
	}
	w.ended(format.Unordered, b)
}

// pages writes the pages that encode puts into body.
func (w *segmentWriter) pages(encoding format.Encoding, compress bool, encode func(nums []uint64)) {
	for p, end := range w.ends {
		nums := w.nums[w.begins(p):end]
		if len(nums) == 0 { // a page of nulls needs no values
			w.body = w.body[:0]
			w.emit(p, format.Plain, false, pageBounds{})
			continue
		}
		encode(nums)
		w.emit(p, encoding, compress, numBounds(w.leaf.typ, nums))
	}
}

// maxNumbers is the size of the largest dictionary of numbers.
const maxNumbers = 4096

// numDictionary writes the column with a dictionary if there are few distinct numbers: not over a quarter
// of them, nor over maxNumbers.
func (w *segmentWriter) numDictionary() bool {
	limit := min(len(w.nums)/4, maxNumbers)
	size := 16
	for size < 2*limit+2 {
		size *= 2
	}
	w.slots, w.unique, w.codes = sized(w.slots, size), w.unique[:0], sized(w.codes, len(w.nums))
	clear(w.slots)
	for i, n := range w.nums {
		if i > 0 && n == w.nums[i-1] {
			w.codes[i] = w.codes[i-1]
			continue
		}
		h := n * 0x9e3779b97f4a7c15
		at := (h ^ h>>32) & uint64(size-1)
		for w.slots[at] != 0 && w.unique[w.slots[at]-1] != n {
			at = (at + 1) & uint64(size-1)
		}
		if w.slots[at] == 0 {
			if len(w.unique) == limit {
				return false
			}
			w.unique = append(w.unique, n)
			w.slots[at] = uint32(len(w.unique))
		}
		w.codes[i] = w.slots[at] - 1
	}
	if len(w.unique) == 0 {
		return false
	}
	w.plain = w.plain[:0]
	for _, n := range w.unique {
		w.plain = binary.LittleEndian.AppendUint64(w.plain, n)
	}
	w.dictionary()
	w.piece(w.plain, uint32(len(w.unique)))
	w.endDictionary()
	from := 0
	w.codePages(func(codes []uint32) pageBounds {
		b := numBounds(w.leaf.typ, w.nums[from:from+len(codes)])
		from += len(codes)
		return b
	})
	return true
}

// numBounds are the bounds of some numbers, at least one, as a type has them.
func numBounds(typ format.Type, nums []uint64) pageBounds {
	switch typ {
	case format.Double:
		// Of zeros the sign is open, and NaNs have no place in the order: the bounds are not to hide any.
		low, high := math.Inf(1), math.Inf(-1)
		for _, n := range nums {
			f := math.Float64frombits(n)
			if math.IsNaN(f) {
				low, high = math.Inf(-1), math.Inf(1)
				break
			}
			low, high = min(low, f), max(high, f)
		}
		if low == 0 {
			low = math.Copysign(0, -1)
		}
		if high == 0 {
			high = 0 // not -0
		}
		return pageBounds{
			binary.LittleEndian.AppendUint64(nil, math.Float64bits(low)), binary.LittleEndian.AppendUint64(nil, math.Float64bits(high)),
		}
	case format.Int64:
		low, high := int64(nums[0]), int64(nums[0])
		for _, n := range nums {
			low, high = min(low, int64(n)), max(high, int64(n))
		}
		return pageBounds{binary.LittleEndian.AppendUint64(nil, uint64(low)), binary.LittleEndian.AppendUint64(nil, uint64(high))}
	default: // ids, and booleans
		low, high := nums[0], nums[0]
		for _, n := range nums {
			low, high = min(low, n), max(high, n)
		}
		if typ == format.Boolean {
			return pageBounds{[]byte{byte(low)}, []byte{byte(high)}}
		}
		return pageBounds{binary.BigEndian.AppendUint64(nil, low), binary.BigEndian.AppendUint64(nil, high)}
	}
}
