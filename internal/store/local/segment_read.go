package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// segment is an open file of sealed spans. It is mapped into memory and read where it lies; what of it is
// asked for again and again, the directory, the operations and the dictionaries, is kept in the cache.
type segment struct {
	first  uint64 // the numbers that it has, or was merged from
	number uint64
	id     uint64 // by which the cache knows it
	sealed int64  // when its file was written, Unix ns
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

// segmentIDs counts segments that were opened.
var segmentIDs atomic.Uint64

// usualTail is as much of the end of a file as usually has its index and Parquet's footer.
const usualTail = 256 << 10

// openSegment opens a file. The error is a *corruptError if the file is at fault.
func openSegment(fsys vfs.FS, name string, first, number uint64, c *cache) (_ *segment, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{first: first, number: number, id: segmentIDs.Add(1), name: name, cache: c, file: f}
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
	s.fetch(0, uint64(len(parquetMagic)))
	s.fetchIndex()
	at, err := f.ModTime()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	s.sealed = at.UnixNano()
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

// fetch says that some bytes will be read, and what unpacking may read behind them.
func (s *segment) fetch(from, to uint64) { s.file.WillNeed(from, min(to+padding, uint64(s.size))) }

func (s *segment) fetchIndex() { s.fetch(uint64(max(s.size-usualTail, 0)), uint64(s.size)) }

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
	parsedKey     = 1 << 29 // and the code
	marksKey      = 1 << 28 // and the number of the page
)

// columns implements [source].
func (s *segment) columns() (columns, error) {
	key := cacheKey{s.id, 0, directoryKey}
	d, ok := s.cache.get(key).(*directory)
	if !ok {
		s.fetchIndex()
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
	key := cacheKey{s.id, 0, operationsKey}
	ops, ok := s.cache.get(key).([]operation)
	if ok {
		return ops, nil
	}
	s.fetchIndex()
	err := s.guard(func() (err error) {
		ops, err = parseOperations(s.head.operations, &s.head.bounds, len(s.directory.stats))
		for i := range ops {
			for _, col := range [...]int{colService, colName, colKind, colStatus} {
				if ops[i].code(col) >= s.directory.columns[col].dict.values {
					return fmt.Errorf("an operation with a code of column %s that has no text", fixed[col].name)
				}
			}
		}
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

// briefColumns are those of [store.Query].Brief, but for the trace's.
var briefColumns = []int{colSpan, colParent, colStart, colDuration, colName, colKind, colStatus, colResource}

// smallDictionary is fetched whole where a row may need a text of it.
const smallDictionary = 64 << 10

// willNeed implements [columns]. What was looked at before it leaves to the kernel, which reads around what it does not have
// any more.
func (s *segmentColumns) willNeed(from, to uint32, some []int) {
	for col := range s.directory.columns {
		if some != nil && !slices.Contains(some, col) {
			continue
		}
		c, fresh := &s.directory.columns[col], false
		for p := int(from) / pageRows; p <= int(to-1)/pageRows; p++ {
			if c.pages[p].values > 0 && !s.isSound(col, p) {
				s.fetch(s.starts[col][p], s.starts[col][p]+c.pages[p].size())
				fresh = true
			}
		}
		if fresh && c.dict.body <= smallDictionary {
			s.fetch(c.off, c.off+c.dict.size())
		}
	}
}

// ahead says that the pages of a column from p on will be read.
func (s *segmentColumns) ahead(col, p int) {
	if c := &s.directory.columns[col]; c.pages[p].values > 0 && !s.isSound(col, p) {
		last := len(c.pages) - 1
		s.fetch(s.starts[col][p], s.starts[col][last]+c.pages[last].size())
	}
}

// decoder undoes zstd; it may be used concurrently and has no goroutines. It never makes memory: frames may say anything of their
// size.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
})

// maxBlock is the most bytes that a block of zstd, of minBlock bytes at least, becomes.
const (
	maxBlock = 128 << 10
	minBlock = 4
)

// decompress returns what the frames of src hold, which is to be want bytes.
func decompress(src []byte, want int) ([]byte, error) {
	if want/maxBlock > len(src)/minBlock { // before there is memory for them
		return nil, fmt.Errorf("%d bytes are not what %d become", want, len(src))
	}
	z, err := decoder()
	if err != nil {
		return nil, err
	}
	plain, err := z.DecodeAll(src, make([]byte, 0, want))
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
		s.fetch(from, from+uint64(k.body))
		return decompress(body, int(k.plain))
	}
	if !s.isSound(col, dictionaryPage) {
		s.fetch(c.off, c.off+c.dict.size())
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
		key := cacheKey{s.id, int32(col), int32(i)}
		if d, ok := s.cache.get(key).(*dict); ok {
			return d, nil
		}
		err = s.guard(func() error {
			plain, err := s.plain(col, i)
			if err == nil {
				d, err = parseTexts(plain, int(c.chunks[i].entries))
			}
			if err == nil && d.len() <= maxFinder {
				d.finder = &finder{}
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
	if n > len(p)/4 {
		return nil, errors.New("a dictionary with fewer texts than it says")
	}
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

// traceAt implements [columns].
func (s *segmentColumns) traceAt(row uint32) (id span.TraceID, err error) {
	p := int(row / pageRows)
	v, err := s.view(colTrace, p)
	if err != nil {
		return id, err
	}
	code, err := v.code(int(row % pageRows))
	if err != nil {
		return id, s.located(err, colTrace, p)
	}
	err = s.guard(func() error {
		dict, err := s.plain(colTrace, 0)
		if err == nil {
			id = traceID(dict[16*code:])
		}
		return err
	})
	return id, err
}

// parsed implements [columns].
func (s *segmentColumns) parsed(col int, code uint32, parse func() (*parsed, error)) (*parsed, error) {
	key := cacheKey{s.id, int32(col), int32(parsedKey + code)}
	if p, ok := s.cache.get(key).(*parsed); ok {
		return p, nil
	}
	p, err := parse()
	if err == nil {
		s.cache.put(key, p, p.size())
	}
	return p, err
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
			s.fetch(c.bloom, c.bloom+uint64(c.blooms))
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
	key := cacheKey{s.id, int32(col), 0}
	if p, ok := s.cache.get(key).([]byte); ok {
		return p, nil
	}
	if len(c.chunks) != 1 {
		return nil, errors.New("a dictionary of numbers in pieces")
	}
	p, err := s.plain(col, 0)
	if err == nil && uint64(len(p)) != 8*uint64(c.dict.values) {
		return nil, fmt.Errorf("a dictionary of %d numbers in %d bytes", c.dict.values, len(p))
	}
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
		from, to, err := v.find(code)
		if err != nil {
			return nil, s.located(err, colTrace, p)
		}
		for ; from < to; from++ {
			rows = append(rows, uint32(p*pageRows+from))
		}
	}
	return rows, nil
}
