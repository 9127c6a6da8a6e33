package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/parquet-go/bitpack"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
)

// pageView is a page as it lies in the file, its parts told apart.
type pageView struct {
	rows, values int
	bits         []byte // of the rows that have a value, if some have and some have not
	body         []byte // and at least padding bytes of what follows
	size         int    // of body
}

// has says whether row i of the page has a value.
func (v *pageView) has(i int) bool {
	if v.bits == nil {
		return v.values > 0
	}
	return v.bits[i>>3]&(1<<(i&7)) != 0
}

// rank is how many rows before row i have a value.
func (v *pageView) rank(i int) int {
	if v.bits == nil {
		return min(i, v.values) // all have one, or none
	}
	n := 0
	at := 0
	for ; at+64 <= i; at += 64 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(v.bits[at>>3:]))
	}
	for ; at+8 <= i; at += 8 {
		n += bits.OnesCount64(uint64(v.bits[at>>3]))
	}
	if at < i {
		n += bits.OnesCount64(uint64(v.bits[at>>3] & (1<<(i-at) - 1)))
	}
	return n
}

// view finds a page, and checks it when it is asked for the first time.
func (s *segmentColumns) view(col, p int) (v pageView, err error) {
	c := &s.directory.columns[col]
	page, from := &c.pages[p], s.starts[col][p]
	v.rows, v.values = pageLen(s.head.rows, p), int(page.values)
	from += uint64(page.header)
	levels := s.data[from:][:page.levels]
	body := from + uint64(page.levels)
	v.size = int(page.body)
	v.body = s.data[body : body+uint64(page.body)+padding]
	if c.optional && v.values > 0 && v.values < v.rows {
		if _, n := binary.Uvarint(levels); n > 0 {
			v.bits = levels[n:]
		}
	}
	if s.isSound(col, p) {
		return v, nil
	}
	s.fetch(from, from+uint64(page.levels)+uint64(page.body))
	err = s.guard(func() error {
		if crc32.ChecksumIEEE(s.data[from:][:page.levels+page.body]) != page.crc {
			return errors.New("the checksum of the page does not match")
		}
		return s.checkView(col, &v, levels)
	})
	if err == nil {
		s.setSound(col, p)
	}
	return v, s.located(err, col, p)
}

// checkView checks what reading a page relies on, should a file have the checksums of a segment and not be
// written by one.
func (s *segmentColumns) checkView(col int, v *pageView, levels []byte) error {
	c := &s.directory.columns[col]
	switch {
	case v.values > v.rows, !c.optional && v.values != v.rows:
		return fmt.Errorf("%d values in %d rows", v.values, v.rows)
	case v.bits != nil && (len(v.bits) < (v.rows+7)/8 || levels[0]&1 == 0):
		return errors.New("levels that are not one run of bits")
	case v.bits == nil && v.values > 0 && v.values < v.rows:
		return errors.New("no levels where some rows have no value")
	case v.bits != nil && v.rank(v.rows) != v.values:
		return fmt.Errorf("levels of %d values, want %d", v.rank(v.rows), v.values)
	case v.bits != nil && v.rows%8 != 0 && v.bits[v.rows>>3]>>(v.rows%8) != 0:
		return errors.New("levels of more rows than the page has")
	case v.values == 0:
		return nil
	case c.encoding == format.Plain && !c.zstd && v.size < s.plainSize(col, v.values):
		return fmt.Errorf("%d numbers in %d bytes", v.values, v.size)
	case s.hasCodes(col):
		codes, err := v.codes(nil, 0, v.values)
		if err != nil {
			return err
		}
		if highest := slices.Max(codes); highest >= c.dict.values {
			return fmt.Errorf("code %d of a dictionary of %d", highest, c.dict.values)
		}
	}
	return nil
}

// plainSize is what so many plain values take.
func (s *segmentColumns) plainSize(col, values int) int {
	if col >= numFixed && s.list[col-numFixed].typ == span.Bool {
		return (values + 7) / 8
	}
	return 8 * values
}

func (s *segmentColumns) hasCodes(col int) bool {
	return s.directory.columns[col].encoding == format.RLEDictionary
}

// padding is what unpacking may read behind its input; the index is behind every page.
const padding = bitpack.PaddingInt64

// run is the first run of codes of a page: one code n times, or packed ones.
type run struct {
	width, n int
	packed   []byte // nil: all are code
	code     uint32
	rest     []byte // behind it
}

func (v *pageView) run(p []byte, width int) (r run, err error) {
	head, size := binary.Uvarint(p)
	if size <= 0 || width > 32 || head>>1 > pageRows {
		return r, errors.New("broken codes")
	}
	p, r.width, r.n = p[size:], width, int(head>>1)
	if head&1 != 0 {
		r.n *= 8
		if len(p) < r.n*width/8+padding {
			return r, errors.New("codes that are cut short")
		}
		r.packed, r.rest = p, p[r.n*width/8:]
		return r, nil
	}
	n := (width + 7) / 8
	if len(p) < n {
		return r, errors.New("codes that are cut short")
	}
	for i := range n {
		r.code |= uint32(p[i]) << (8 * i)
	}
	r.rest = p[n:]
	return r, nil
}

// codes are the codes of values k to end of a page; dst is memory for them.
func (v *pageView) codes(dst []uint32, k, end int) ([]uint32, error) {
	dst = dst[:0]
	width, p := int(v.body[0]), v.body[1:]
	for at := 0; at < end; { // at is the first of the run
		r, err := v.run(p, width)
		if err != nil {
			return nil, err
		}
		if r.n == 0 || at+r.n > v.values+7 {
			return nil, errors.New("runs of codes that do not end where the page does")
		}
		from, to := max(k-at, 0), min(end-at, r.n)
		if from < to && r.packed == nil {
			for range to - from {
				dst = append(dst, r.code)
			}
		} else if from < to {
			whole := from &^ 7 // a byte's begin
			n := len(dst)
			dst = slices.Grow(dst, to-whole)[:n+to-whole]
			bitpack.Unpack(dst[n:], r.packed[whole/8*width:], uint(width))
			if from > whole {
				copy(dst[n:], dst[n+from-whole:])
				dst = dst[:n+to-from]
			}
		}
		at, p = at+r.n, r.rest
	}
	return dst, nil
}

// code is the k-th code of a page that is sound.
func (v *pageView) code(k int) (uint32, error) {
	width, p := int(v.body[0]), v.body[1:]
	for {
		r, err := v.run(p, width)
		switch {
		case err != nil:
			return 0, err
		case r.n == 0:
			return 0, errors.New("an empty run of codes")
		case k >= r.n:
			k -= r.n
			p = r.rest
			continue
		case r.packed == nil:
			return r.code, nil
		}
		bit := k * width
		word := binary.LittleEndian.Uint64(r.packed[bit>>3:]) >> (bit & 7)
		return uint32(word & (1<<width - 1)), nil
	}
}

// find is where in a page whose codes ascend a code stands: each is a run.
func (v *pageView) find(code uint32) (from, to int, _ error) {
	width, p := int(v.body[0]), v.body[1:]
	for n := 0; n < v.values; {
		r, err := v.run(p, width)
		switch {
		case err != nil:
			return 0, 0, err
		case r.n == 0 || r.packed != nil || r.n > v.values-n:
			return 0, 0, errors.New("codes that are not one run of each")
		case r.code == code:
			return n, n + r.n, nil
		case r.code > code:
			return 0, 0, nil
		}
		n, p = n+r.n, r.rest
	}
	return 0, 0, nil
}

// at implements [columns].
func (s *segmentColumns) at(col int, row uint32) (x uint64, has, direct bool, err error) {
	c := &s.directory.columns[col]
	i, p := int(row%pageRows), int(row/pageRows)
	codes := s.hasCodes(col)
	dense := col < numFixed && !fixed[col].sparse // a row without a value has 0
	switch {
	case c.pages[p].values == 0:
		return 0, dense, true, nil
	case col == colTrace, !codes && c.encoding != format.Plain:
		return 0, false, false, nil
	}
	v, err := s.view(col, p)
	if err != nil || !v.has(i) {
		return 0, dense, true, err
	}
	k := v.rank(i)
	if c.zstd {
		frame, err := s.frame(col, p, k/frameValues, v.body[:v.size])
		if err != nil {
			return 0, false, true, err
		}
		return s.plainNumber(col, frame, k%frameValues), true, true, nil
	}
	if !codes {
		return s.plainNumber(col, v.body[:v.size], k), true, true, nil
	}
	code, err := v.code(k)
	if err == nil && s.layoutOf(col) == numLayout {
		var dict []byte
		if dict, err = s.numbers(col); err == nil {
			return binary.LittleEndian.Uint64(dict[8*code:]), true, true, nil
		}
	}
	return uint64(code), err == nil, true, s.located(err, col, p)
}

// frame is a frame of a compressed page, uncompressed.
func (s *segmentColumns) frame(col, p, i int, body []byte) ([]byte, error) {
	page := &s.directory.columns[col].pages[p]
	key := cacheKey{s.id, int32(col), int32(framesKey + p*pageRows/frameValues + i)}
	if plain, ok := s.cache.get(key).([]byte); ok {
		return plain, nil
	}
	from := uint32(0)
	for _, n := range page.frames[:i] {
		from += n
	}
	values := min(int(page.values)-i*frameValues, frameValues)
	plain, err := decompress(body[from:from+page.frames[i]], 8*values)
	if err != nil {
		return nil, s.located(err, col, p)
	}
	s.cache.put(key, plain, len(plain))
	return plain, nil
}

// located adds the place to what is corrupt.
func (s *segmentColumns) located(err error, col, p int) error {
	if err == nil {
		return nil
	}
	if corrupt, ok := errors.AsType[*corruptError](err); ok {
		err = corrupt.err
	}
	return &corruptError{s.segment, fmt.Errorf("column %s, page %d: %w", s.columnName(col), p, err)}
}

func (s *segmentColumns) columnName(col int) string {
	if col < numFixed {
		return fixed[col].name
	}
	return attrGroup + "." + columnName(s.list[col-numFixed], false)
}

// plainNumber is the k-th of plain values.
func (s *segmentColumns) plainNumber(col int, body []byte, k int) uint64 {
	switch {
	case col < numFixed: // ids
		return binary.BigEndian.Uint64(body[8*k:])
	case s.list[col-numFixed].typ == span.Bool:
		return uint64(body[k>>3]>>(k&7)) & 1
	default:
		return binary.LittleEndian.Uint64(body[8*k:])
	}
}

// present implements [columns], for optional columns of Parquet.
func (s *segmentColumns) present(col, p int, out *bitmap) error {
	s.ahead(col, p)
	view, err := s.view(col, p)
	switch {
	case err != nil || view.values == 0:
		return err
	case view.bits == nil:
		out.fill(view.rows)
		return nil
	}
	for i := range view.rows / 64 {
		out[i] = binary.LittleEndian.Uint64(view.bits[8*i:])
	}
	for i := view.rows / 64 * 64; i < view.rows; i++ {
		if view.has(i) {
			out.set(i)
		}
	}
	return nil
}

// having implements [columns]. Codes ascend by first use, so that those of later pages are too wide for earlier ones.
func (s *segmentColumns) having(col, p int, code uint32, out *bitmap, memory *vectors) error {
	s.ahead(col, p)
	view, err := s.view(col, p)
	if err != nil || view.values == 0 || uint64(code)>>view.body[0] != 0 {
		return err
	}
	codes, err := view.codes(memory.codes, 0, view.values)
	if err != nil {
		return s.located(err, col, p)
	}
	memory.codes = codes
	rows := rowsOf{view: &view}
	for k := 0; k < len(codes); k++ {
		for ; len(codes)-k >= 8; k += 8 { // slices.Index, twice as fast
			if s := codes[k : k+8]; s[0] == code || s[1] == code || s[2] == code || s[3] == code ||
				s[4] == code || s[5] == code || s[6] == code || s[7] == code {
				break
			}
		}
		next := slices.Index(codes[k:], code)
		if next < 0 {
			break
		}
		k += next
		out.set(rows.of(k))
	}
	return nil
}

// rowsOf finds the rows of a page's values, asked for in ascending order.
type rowsOf struct {
	view *pageView
	row  int // all rows before it are passed, of which so many have a value:
	rank int
}

func (r *rowsOf) of(k int) int {
	if r.view.bits == nil {
		return k
	}
	for {
		b := r.view.bits[r.row>>3]
		n := bits.OnesCount8(b)
		if k < r.rank+n {
			for range k - r.rank {
				b &= b - 1
			}
			return r.row + bits.TrailingZeros8(b)
		}
		r.row, r.rank = r.row+8, r.rank+n
	}
}

// read implements [columns].
func (s *segmentColumns) read(col int, from, to uint32, v *vector) error {
	p := int(from / pageRows)
	if int(to-from) == pageLen(s.head.rows, p) {
		s.ahead(col, p)
	}
	v.from, v.to, v.sparse = from, to, col >= numFixed || fixed[col].sparse
	v.rows, v.codes, v.nums, v.ids = v.rows[:0], v.codes[:0], v.nums[:0], v.ids[:0]
	view, err := s.view(col, p)
	if err != nil {
		return err
	}
	return s.located(s.guard(func() error { return s.decode(col, p, &view, int(from%pageRows), int(to-from), v) }), col, p)
}

// page sets v to a page of a column.
func (s *segmentColumns) page(col, p int, v *vector) error {
	from := p * pageRows
	return s.read(col, uint32(from), uint32(from+pageLen(s.head.rows, p)), v)
}

// decode reads the n rows of a page from row first on.
func (s *segmentColumns) decode(col, p int, view *pageView, first, n int, v *vector) (err error) {
	k, end := view.rank(first), view.rank(first+n) // the values of these rows
	if v.sparse {
		if v.rows = view.present(v.rows, first, n, v.from); k == end {
			return nil
		}
	}
	switch s.layoutOf(col) {
	case textLayout:
		v.codes, err = view.codes(v.codes, k, end)
		return err
	case idLayout:
		return s.decodeTraces(col, view, k, end, v)
	case numLayout:
	}
	if err := s.decodeNums(col, p, view, k, end, v); err != nil {
		return err
	}
	if some := end - k; !v.sparse && some < n { // an optional column that is dense here: 0 stands for absent
		v.nums = slices.Grow(v.nums, n-some)[:n]
		for i := n - 1; i >= 0; i-- {
			x := uint64(0)
			if view.has(first + i) {
				some--
				x = v.nums[some]
			}
			v.nums[i] = x
		}
	}
	return nil
}

// present appends those of n rows, from row first of the page on, that have a value; the first is row from of the source.
func (v *pageView) present(rows []uint32, first, n int, from uint32) []uint32 {
	switch {
	case v.values == 0:
		return rows
	case v.bits == nil:
		rows = slices.Grow(rows, n)
		for i := range uint32(n) {
			rows = append(rows, from+i)
		}
		return rows
	}
	for at := first &^ 7; at < first+n; at += 8 {
		b := uint32(v.bits[at>>3])
		if at < first {
			b = b >> (first - at) << (first - at)
		}
		if end := first + n - at; end < 8 {
			b &= 1<<end - 1
		}
		for ; b != 0; b &= b - 1 {
			rows = append(rows, from+uint32(at-first+bits.TrailingZeros32(b)))
		}
	}
	return rows
}

func (s *segmentColumns) decodeTraces(col int, view *pageView, k, end int, v *vector) error {
	codes, err := view.codes(v.codes, k, end)
	if err != nil {
		return err
	}
	dict, err := s.plain(col, 0)
	if err != nil {
		return err
	}
	v.ids = sized(v.ids, len(codes))
	for i, code := range codes {
		if i > 0 && code == codes[i-1] {
			v.ids[i] = v.ids[i-1]
		} else {
			v.ids[i] = traceID(dict[16*code:])
		}
	}
	v.codes = codes[:0]
	return nil
}

func traceID(p []byte) span.TraceID {
	return span.TraceID{Hi: binary.BigEndian.Uint64(p), Lo: binary.BigEndian.Uint64(p[8:])}
}

// decodeNums reads values k to end of a page of a column of numbers, or of ids of 8 bytes.
func (s *segmentColumns) decodeNums(col, p int, view *pageView, k, end int, v *vector) (err error) {
	c, n := &s.directory.columns[col], end-k
	body := view.body[:view.size]
	switch {
	case n == 0:
		return nil
	case s.hasCodes(col):
		codes, err := view.codes(v.codes, k, end)
		if err != nil {
			return err
		}
		dict, err := s.numbers(col)
		if err != nil {
			return err
		}
		v.nums = sized(v.nums, n)
		for i, code := range codes {
			v.nums[i] = binary.LittleEndian.Uint64(dict[8*code:])
		}
		v.codes = codes[:0]
		return nil
	case c.encoding == format.DeltaBinaryPacked && n == view.values:
		v.nums, err = decodeDeltas(v.nums, view.body, view.size, n, nil)
		return err
	case c.encoding == format.DeltaBinaryPacked:
		marks, err := s.marks(col, p, view)
		if err == nil {
			v.nums, err = decodeSomeDeltas(v.nums, view.body, view.size, view.values, marks, k, end)
		}
		return err
	case c.encoding != format.Plain:
		return fmt.Errorf("numbers in the encoding %s", c.encoding)
	case c.zstd && n < view.values:
		for k < end {
			frame, err := s.frame(col, p, k/frameValues, body)
			if err != nil {
				return err
			}
			in := k % frameValues
			some := min(end-k, frameValues-in)
			for i := range some {
				v.nums = append(v.nums, s.plainNumber(col, frame, in+i))
			}
			k += some
		}
		return nil
	case c.zstd:
		if body, err = decompress(body, 8*n); err != nil {
			return err
		}
	}
	v.nums = sized(v.nums, n)
	for i := range v.nums {
		v.nums[i] = s.plainNumber(col, body, k+i)
	}
	return nil
}

// marks are the marks of a page of deltas.
func (s *segmentColumns) marks(col, p int, view *pageView) ([]mark, error) {
	key := cacheKey{s.id, int32(col), int32(marksKey + p)}
	if marks, ok := s.cache.get(key).([]mark); ok {
		return marks, nil
	}
	var marks []mark
	if _, err := decodeDeltas(nil, view.body, view.size, view.values, &marks); err != nil {
		return nil, err
	}
	s.cache.put(key, marks, 64+16*len(marks))
	return marks, nil
}
