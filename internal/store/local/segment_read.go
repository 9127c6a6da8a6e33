package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/bitpack"
	"github.com/parquet-go/bitpack/unsafecast"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// segment is an open file of sealed spans. It is mapped into memory and read where it lies; what of it is
// asked for again and again, the directory, the operations and the dictionaries, is kept in the cache.
type segment struct {
	number uint64
	name   string
	size   int64
	head   indexHead
	data   []byte
	cache  *cache
	file   vfs.File
	refs   atomic.Int32 // the store's, and one of each query that reads it
}

// corruptError says that a segment does not hold what its writer wrote.
type corruptError struct {
	segment *segment
	err     error
}

func (e *corruptError) Error() string { return fmt.Sprintf("%s is corrupt: %v", e.segment.name, e.err) }
func (e *corruptError) Unwrap() error { return e.err }

// openSegment opens a file. The error is a *corruptError if the file is at fault.
func openSegment(fsys vfs.FS, name string, number uint64, c *cache) (_ *segment, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{number: number, name: name, cache: c, file: f}
	s.refs.Store(1)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if s.data, err = f.Map(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	s.size = int64(len(s.data))
	return s, faultless(func() error {
		return s.guard(func() error {
			t, err := readTail(s.data)
			if err == nil {
				s.head, err = parseHead(t.index)
			}
			return err
		})
	})
}

// guard runs what reads what nobody has checked yet: a panic is the file's fault, as is an error. But where
// the disk cannot read it the processor faults, which is [faultless]' to say.
func (s *segment) guard(read func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
			if err != nil {
				err = &corruptError{s, err}
			}
		case interface{ Addr() uintptr }:
			panic(p)
		default:
			err = &corruptError{s, fmt.Errorf("reading it went wrong: %v", p)}
		}
	}()
	return read()
}

// faultless runs what reads mapped files; what the disk cannot read of them is an error.
func faultless(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			fault, ok := p.(interface {
				runtime.Error
				Addr() uintptr
			})
			if !ok {
				panic(p)
			}
			err = fmt.Errorf("the disk does not give a part of a segment: %w", fault)
		}
	}()
	return read()
}

func (s *segment) acquire() { s.refs.Add(1) }

func (s *segment) release() error {
	if s.refs.Add(-1) > 0 {
		return nil
	}
	return s.file.Close()
}

func (s *segment) rows() int                       { return s.head.rows }
func (s *segment) bounds() pageStats               { return s.head.bounds }
func (s *segment) sorted() bool                    { return true }
func (s *segment) mayHave(trace span.TraceID) bool { return s.head.traces.Check(hashTrace(trace)) }

// The numbers that stand for a page in a cacheKey of what is no page.
const (
	directoryKey  = -1 // with any column
	operationsKey = -2
	framesKey     = 1 << 30 // and the number of the frame in the column
)

// columns implements [source].
func (s *segment) columns() (columns, error) {
	key := cacheKey{s.number, 0, directoryKey}
	d, ok := s.cache.get(key).(*directory)
	if !ok {
		err := s.guard(func() (err error) {
			d, err = parseDirectory(s.head.directory, s.head.rows, uint64(len(s.data)))
			return err
		})
		if err != nil {
			return nil, err
		}
		s.cache.put(key, d, d.size())
	}
	return &segmentColumns{segment: s, directory: d}, nil
}

// segmentColumns is a segment whose directory is read.
type segmentColumns struct {
	*segment
	*directory
}

func (s *segmentColumns) attrs() []attrColumn   { return s.list }
func (s *segmentColumns) stats(p int) pageStats { return s.directory.stats[p] }

func (s *segmentColumns) layoutOf(col int) layout {
	if col < numFixed {
		return fixed[col].layout
	}
	return layoutOf(s.list[col-numFixed].typ)
}

// operations implements [columns].
func (s *segmentColumns) operations() ([]operation, error) {
	key := cacheKey{s.number, 0, operationsKey}
	ops, ok := s.cache.get(key).([]operation)
	if ok {
		return ops, nil
	}
	err := s.guard(func() (err error) {
		ops, err = parseOperations(s.head.operations, &s.head.bounds, len(s.directory.stats))
		return err
	})
	if err != nil {
		return nil, err
	}
	size := 64
	for i := range ops {
		size += int(unsafe.Sizeof(ops[i])) + 8*len(ops[i].pages)
	}
	s.cache.put(key, ops, size)
	return ops, nil
}

// decoder undoes zstd; it may be used concurrently and has no goroutines.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(math.MaxInt32))
})

func decompress(dst, src []byte, want int) ([]byte, error) {
	z, err := decoder()
	if err != nil {
		return nil, err
	}
	plain, err := z.DecodeAll(src, slices.Grow(dst[:0], want))
	if err == nil && len(plain) != want {
		err = fmt.Errorf("%d bytes uncompressed, want %d", len(plain), want)
	}
	return plain, err
}

// plain is a chunk of a column's dictionary, uncompressed. The frames of packed chunks have checksums of their own.
func (s *segmentColumns) plain(col, chunk int) (p []byte, err error) {
	c := &s.directory.columns[col]
	from := c.off + uint64(c.dict.header)
	for _, k := range c.chunks[:chunk] {
		from += uint64(k.body)
	}
	k := c.chunks[chunk]
	body := s.data[from : from+uint64(k.body)]
	if c.packed {
		return decompress(nil, body, int(k.plain))
	}
	if !s.isSound(col, dictionaryPage) {
		whole := s.data[c.off+uint64(c.dict.header):][:c.dict.body]
		if crc32.ChecksumIEEE(whole) != c.dict.crc {
			return nil, errors.New("the checksum of the dictionary does not match")
		}
		s.setSound(col, dictionaryPage)
	}
	return body, nil
}

// texts implements [columns].
func (s *segmentColumns) texts(col int) *texts {
	c := &s.directory.columns[col]
	firsts, n := make([]uint32, len(c.chunks)+1), uint32(0)
	for i, k := range c.chunks {
		n += k.entries
		firsts[i+1] = n
	}
	return newTexts(firsts, func(i int) (d *dict, err error) {
		key := cacheKey{s.segment.number, int32(col), int32(i)}
		if d, ok := s.cache.get(key).(*dict); ok {
			return d, nil
		}
		err = s.guard(func() error {
			plain, err := s.plain(col, i)
			if err == nil {
				d, err = parseTexts(plain, int(c.chunks[i].entries))
			}
			return err
		})
		if err == nil {
			s.cache.put(key, d, d.size())
		}
		return d, err
	})
}

// parseTexts reads n texts, each behind its length. The text of the dict is p: the lengths lie between.
func parseTexts(p []byte, n int) (*dict, error) {
	d := &dict{text: make([]byte, 0, max(len(p)-4*n, 0)), offsets: make([]uint32, 1, n+1)}
	for range n {
		if len(p) < 4 {
			return nil, errors.New("a dictionary with fewer texts than it says")
		}
		size := binary.LittleEndian.Uint32(p)
		if uint64(size) > uint64(len(p)-4) {
			return nil, errors.New("a text of a dictionary that is longer than it")
		}
		d.text = append(d.text, p[4:4+size]...)
		d.offsets = append(d.offsets, uint32(len(d.text)))
		p = p[4+size:]
	}
	if len(p) > 0 {
		return nil, errors.New("a dictionary with more texts than it says")
	}
	return d, nil
}

// mayHold says whether a text may be in the dictionary of a column; its Bloom filter says no for certain.
func (s *segmentColumns) mayHold(col int, text []byte) (may bool, err error) {
	c := &s.directory.columns[col]
	if c.blooms == 0 {
		return c.dict.values > 0, nil
	}
	err = s.guard(func() error {
		filter := s.data[c.bloom : c.bloom+uint64(c.blooms)]
		if !s.isSound(col, bloomPage) {
			if crc32.Checksum(filter, castagnoli) != s.sums[col] {
				return errors.New("the checksum of a Bloom filter does not match")
			}
			s.setSound(col, bloomPage)
		}
		may = bloom.MakeSplitBlockFilter(filter).Check(xxhash.Sum64(text))
		return nil
	})
	return may, err
}

// numbers are the entries of a dictionary of numbers.
func (s *segmentColumns) numbers(col int) ([]byte, error) {
	c := &s.directory.columns[col]
	key := cacheKey{s.number, int32(col), 0}
	if p, ok := s.cache.get(key).([]byte); ok {
		return p, nil
	}
	if len(c.chunks) != 1 {
		return nil, errors.New("a dictionary of numbers in pieces")
	}
	p, err := s.plain(col, 0)
	if err == nil && c.packed {
		s.cache.put(key, p, len(p))
	}
	return p, err
}

// find implements [columns]: the ids are the dictionary, ascending, and in the pages each is a run.
func (s *segmentColumns) find(id span.TraceID) (rows []uint32, err error) {
	var dict []byte
	if err := s.guard(func() (err error) { dict, err = s.plain(colTrace, 0); return err }); err != nil {
		return nil, err
	}
	n := len(dict) / 16
	from, to := 0, n
	if id.Hi != 0 {
		from = sort.Search(n, func(i int) bool { return traceID(dict[16*i:]).Compare(id) >= 0 })
		to = min(from+1, n)
	}
	for code := from; code < to; code++ {
		if t := traceID(dict[16*code:]); t == id || id.Hi == 0 && t.Lo == id.Lo {
			if rows, err = s.findCode(rows, uint32(code), t); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// findCode appends the rows of the trace that has a code.
func (s *segmentColumns) findCode(rows []uint32, code uint32, id span.TraceID) ([]uint32, error) {
	first := sort.Search(len(s.directory.stats), func(p int) bool { return s.stats(p).lastTrace.Compare(id) >= 0 })
	for p := first; p < len(s.directory.stats) && s.stats(p).firstTrace.Compare(id) <= 0; p++ {
		v, err := s.view(colTrace, p)
		if err != nil {
			return nil, err
		}
		codes, err := v.codes(nil)
		if err != nil {
			return nil, s.located(err, colTrace, p)
		}
		at, _ := slices.BinarySearch(codes, code)
		for ; at < len(codes) && codes[at] == code; at++ {
			rows = append(rows, uint32(p*pageRows+at))
		}
	}
	return rows, nil
}

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
		return i
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
	case v.values == 0:
		return nil
	case s.hasCodes(col):
		codes, err := v.codes(nil)
		if err != nil {
			return err
		}
		if highest := slices.Max(codes); highest >= c.dict.values {
			return fmt.Errorf("code %d of a dictionary of %d", highest, c.dict.values)
		}
	}
	return nil
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

// codes are the codes of a page; dst is memory for them.
func (v *pageView) codes(dst []uint32) ([]uint32, error) {
	dst = sized(dst, v.values+8)
	width, p, n := int(v.body[0]), v.body[1:], 0
	for n < v.values {
		r, err := v.run(p, width)
		if err != nil {
			return nil, err
		}
		if r.n == 0 || n+r.n > len(dst) {
			return nil, errors.New("runs of codes that do not end where the page does")
		}
		if out := dst[n : n+r.n]; r.packed != nil {
			bitpack.Unpack(out, r.packed, uint(width))
		} else {
			for i := range out {
				out[i] = r.code
			}
		}
		n, p = n+r.n, r.rest
	}
	return dst[:v.values], nil
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
	key := cacheKey{s.segment.number, int32(col), int32(framesKey + p*pageRows/frameValues + i)}
	if plain, ok := s.cache.get(key).([]byte); ok {
		return plain, nil
	}
	from := uint32(0)
	for _, n := range page.frames[:i] {
		from += n
	}
	values := min(int(page.values)-i*frameValues, frameValues)
	plain, err := decompress(nil, body[from:from+page.frames[i]], 8*values)
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

// codes implements [columns].
func (s *segmentColumns) codes(col, p int, dst []uint32) ([]uint32, error) {
	view, err := s.view(col, p)
	if err != nil || view.values == 0 {
		return dst[:0], err
	}
	codes, err := view.codes(dst)
	return codes, s.located(err, col, p)
}

// page implements [columns].
func (s *segmentColumns) page(col, p int, v *vector) error {
	v.from, v.sparse = uint32(p)*pageRows, col >= numFixed || fixed[col].sparse
	v.rows, v.codes, v.nums, v.ids = v.rows[:0], v.codes[:0], v.nums[:0], v.ids[:0]
	view, err := s.view(col, p)
	if err != nil {
		return err
	}
	return s.located(s.guard(func() error { return s.decode(col, &view, v) }), col, p)
}

func (s *segmentColumns) decode(col int, view *pageView, v *vector) (err error) {
	if v.sparse {
		v.rows = view.present(v.rows, v.from)
	}
	if view.values == 0 && v.sparse {
		return nil
	}
	switch s.layoutOf(col) {
	case textLayout:
		v.codes, err = view.codes(v.codes)
		return err
	case idLayout:
		return s.decodeTraces(col, view, v)
	case numLayout:
	}
	if err := s.decodeNums(col, view, v); err != nil {
		return err
	}
	if !v.sparse && view.values < view.rows { // an optional column that is dense here: 0 stands for absent
		v.nums = slices.Grow(v.nums, view.rows-view.values)[:view.rows]
		k := view.values
		for i := view.rows - 1; i >= 0; i-- {
			n := uint64(0)
			if view.has(i) {
				k--
				n = v.nums[k]
			}
			v.nums[i] = n
		}
	}
	return nil
}

// present appends the rows that have a value.
func (v *pageView) present(rows []uint32, from uint32) []uint32 {
	rows = slices.Grow(rows, v.values)
	if v.bits == nil {
		for i := range uint32(v.values) {
			rows = append(rows, from+i)
		}
		return rows
	}
	for at := 0; at < v.rows; at += 8 {
		for b := uint32(v.bits[at>>3]); b != 0; b &= b - 1 {
			rows = append(rows, from+uint32(at+bits.TrailingZeros32(b)))
		}
	}
	return rows
}

func (s *segmentColumns) decodeTraces(col int, view *pageView, v *vector) error {
	codes, err := view.codes(v.codes)
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

// decodeNums reads the values that are there of a column of numbers, or of ids of 8 bytes.
func (s *segmentColumns) decodeNums(col int, view *pageView, v *vector) (err error) {
	n, c := view.values, &s.directory.columns[col]
	body := view.body[:view.size]
	if c.zstd && n > 0 {
		if body, err = decompress(nil, body, 8*n); err != nil {
			return err
		}
	}
	v.nums = sized(v.nums, n)
	switch {
	case n == 0:
	case s.hasCodes(col):
		codes, err := view.codes(v.codes)
		if err != nil {
			return err
		}
		dict, err := s.numbers(col)
		if err != nil {
			return err
		}
		for i, code := range codes {
			v.nums[i] = binary.LittleEndian.Uint64(dict[8*code:])
		}
		v.codes = codes[:0]
	case c.encoding == format.DeltaBinaryPacked:
		var coder delta.BinaryPackedEncoding
		ints, err := coder.DecodeInt64(unsafecast.Slice[int64](v.nums), body)
		if err != nil {
			return err
		}
		if len(ints) != n {
			return fmt.Errorf("%d numbers, want %d", len(ints), n)
		}
		v.nums = unsafecast.Slice[uint64](ints)
	case c.encoding == format.Plain:
		for i := range v.nums {
			v.nums[i] = s.plainNumber(col, body, i)
		}
	default:
		return fmt.Errorf("numbers in the encoding %s", c.encoding)
	}
	return nil
}
