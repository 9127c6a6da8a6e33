package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// segment is an open file of sealed spans. It is a [source]; what it decodes goes to the cache.
type segment struct {
	number uint64
	name   string
	size   int64
	n      int
	pages  []pageStats
	list   []attrColumn
	chunks []*segmentColumn // by column
	cache  *cache
	file   *checkedFile
	refs   atomic.Int32 // the store's, and one of each query that reads it
}

type segmentColumn struct {
	mu    sync.Mutex // one reader at a time
	chunk *parquet.FileColumnChunk
	meta  *format.ColumnMetaData
}

// readBuffer is the buffer of each column's reader, in bytes; larger reads go around it.
const readBuffer = 4 << 10

// columnReader reads the pages of a column; it has the dictionary.
type columnReader struct {
	pages *parquet.FilePages
	dict  dict
}

// corruptError says that a segment does not hold what its writer wrote.
type corruptError struct {
	segment *segment
	err     error
}

func (e *corruptError) Error() string { return fmt.Sprintf("%s is corrupt: %v", e.segment.name, e.err) }
func (e *corruptError) Unwrap() error { return e.err }

// checkedFile remembers that the disk failed, which is not the file's fault.
type checkedFile struct {
	vfs.File
	failed atomic.Pointer[error]
}

func (f *checkedFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("the file points to a place before its beginning")
	}
	n, err := f.File.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		f.failed.Store(&err)
	}
	return n, err
}

// openSegment opens a file. The error is a *corruptError if the file is at fault.
func openSegment(fsys vfs.FS, name string, number uint64, c *cache) (_ *segment, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{number: number, name: name, cache: c, file: &checkedFile{File: f}, chunks: make([]*segmentColumn, numFixed)}
	s.refs.Store(1)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if s.size, err = f.Size(); err != nil {
		return nil, err
	}
	return s, s.guard(s.open)
}

// guard runs what reads the file. The library's panics on broken input are errors here.
func (s *segment) guard(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it went wrong: %v", p)
		}
		if err == nil {
			return
		}
		if disk := s.file.failed.Swap(nil); disk != nil {
			err = fmt.Errorf("read %s: %w", s.name, *disk)
		} else {
			err = &corruptError{s, err}
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

func (s *segment) open() error {
	f, err := parquet.OpenFile(s.file, s.size, parquet.SkipBloomFilters(true), parquet.ReadBufferSize(readBuffer))
	if err != nil {
		return err
	}
	if v, _ := f.Lookup(versionKey); v != segmentVersion {
		return fmt.Errorf("version %q, want %q", v, segmentVersion)
	}
	groups := f.RowGroups()
	if len(groups) != 1 {
		return fmt.Errorf("%d row groups, want 1", len(groups))
	}
	s.n = int(groups[0].NumRows())
	if s.n <= 0 {
		return fmt.Errorf("%d rows", s.n)
	}
	if err := s.openColumns(f.Schema(), groups[0].ColumnChunks(), f.Metadata().RowGroups[0].Columns); err != nil {
		return err
	}
	if err := s.readStats(); err != nil {
		return err
	}
	if sum, _ := f.Lookup(sumKey); sum != indexSum(s.n, s.pages, s.list) {
		return errors.New("the checksum of the index does not match")
	}
	return nil
}

func (s *segment) openColumns(schema *parquet.Schema, chunks []parquet.ColumnChunk, metas []format.ColumnChunk) error {
	type attr struct {
		attrColumn
		chunk *segmentColumn
	}
	var attrs []attr
	for i, path := range schema.Columns() {
		chunk, ok := chunks[i].(*parquet.FileColumnChunk)
		if !ok {
			return fmt.Errorf("column %q is not in the file", path)
		}
		if c := metas[i].MetaData.Codec; c != format.Uncompressed && c != format.Zstd {
			return fmt.Errorf("column %q has the codec %s, want ZSTD or none", path, c)
		}
		index, err := chunk.OffsetIndex()
		if err != nil {
			return fmt.Errorf("column %q: %w", path, err)
		}
		if index.NumPages() != pagesOf(s.n) {
			return fmt.Errorf("column %q has %d pages, want %d", path, index.NumPages(), pagesOf(s.n))
		}
		if len(path) == 2 && path[0] == attrGroup {
			a, err := parseColumnName(path[1], valueTypeOf(chunk.Type()))
			if err != nil {
				return err
			}
			attrs = append(attrs, attr{a, &segmentColumn{chunk: chunk, meta: &metas[i].MetaData}})
			continue
		}
		col := slices.IndexFunc(fixed[:], func(f fixedColumn) bool { return len(path) == 1 && f.name == path[0] })
		if col < 0 {
			return fmt.Errorf("column %q is unknown", path)
		}
		s.chunks[col] = &segmentColumn{chunk: chunk, meta: &metas[i].MetaData}
	}
	for col, c := range s.chunks {
		if c == nil {
			return fmt.Errorf("column %q is missing", fixed[col].name)
		}
	}
	slices.SortFunc(attrs, func(a, b attr) int { return a.compare(b.attrColumn) })
	for _, a := range attrs {
		s.list = append(s.list, a.attrColumn)
		s.chunks = append(s.chunks, a.chunk)
	}
	return nil
}

// valueTypeOf is the type of the values of an attribute column.
func valueTypeOf(t parquet.Type) span.ValueType {
	switch t.Kind() {
	case parquet.Boolean:
		return span.Bool
	case parquet.Int64:
		return span.Int
	case parquet.Double:
		return span.Double
	default:
		if c := t.ConvertedType(); c != nil && *c == deprecated.UTF8 {
			return span.String
		}
		return span.Bytes
	}
}

// readStats reads the bounds of the pages.
func (s *segment) readStats() error {
	s.pages = make([]pageStats, pagesOf(s.n))
	for _, col := range [...]int{colTrace, colStart, colDuration} {
		index, err := s.chunks[col].chunk.ColumnIndex()
		if err != nil {
			return fmt.Errorf("column %s: %w", fixed[col].name, err)
		}
		if index.NumPages() != len(s.pages) {
			return fmt.Errorf("column %s has bounds for %d pages, want %d", fixed[col].name, index.NumPages(), len(s.pages))
		}
		for p := range s.pages {
			st, lo, hi := &s.pages[p], index.MinValue(p), index.MaxValue(p)
			switch col {
			case colTrace:
				if len(lo.ByteArray()) != 16 || len(hi.ByteArray()) != 16 {
					return errors.New("column trace_id has bounds that are no ids")
				}
				st.firstTrace, st.lastTrace = traceID(lo.ByteArray()), traceID(hi.ByteArray())
			case colStart:
				st.minStart, st.maxStart = lo.Int64(), hi.Int64()
			case colDuration:
				st.minDuration, st.maxDuration = lo.Int64(), hi.Int64()
			}
		}
	}
	return nil
}

func traceID(p []byte) span.TraceID {
	return span.TraceID{Hi: binary.BigEndian.Uint64(p), Lo: binary.BigEndian.Uint64(p[8:])}
}

func (s *segment) rows() int             { return s.n }
func (s *segment) stats(p int) pageStats { return s.pages[p] }
func (s *segment) sorted() bool          { return true }
func (s *segment) attrs() []attrColumn   { return s.list }

func (s *segment) layoutOf(col int) layout {
	if col < numFixed {
		return fixed[col].layout
	}
	return layoutOf(s.list[col-numFixed].typ)
}

func (s *segment) dict(col int) (d dict, err error) {
	c := s.chunks[col]
	c.mu.Lock()
	defer c.mu.Unlock()
	err = s.guard(func() error {
		r, err := s.reader(col)
		if err == nil {
			d = r.dict
		}
		return err
	})
	return d, err
}

// reader opens the reader of a column; the caller holds the column's lock.
func (s *segment) reader(col int) (*columnReader, error) {
	key := cacheKey{s.number, int32(col), -1}
	if r, ok := s.cache.get(key).(*columnReader); ok {
		return r, nil
	}
	r := &columnReader{}
	pages, ok := s.chunks[col].chunk.Pages().(*parquet.FilePages)
	if !ok {
		return nil, errors.New("the column has no pages")
	}
	r.pages = pages
	if err := s.checkDictionary(s.chunks[col].meta); err != nil {
		return nil, err
	}
	if l := s.layoutOf(col); l != numLayout {
		d, err := pages.ReadDictionary()
		if err != nil {
			return nil, err
		}
		if d != nil && l == textLayout {
			data := d.Page().Data()
			r.dict.text, r.dict.offsets = data.ByteArray()
			if !slices.IsSorted(r.dict.offsets) || len(r.dict.offsets) > 0 && int(r.dict.offsets[len(r.dict.offsets)-1]) > len(r.dict.text) {
				return nil, errors.New("broken dictionary")
			}
		}
	}
	s.cache.put(key, r, 2*readBuffer+r.dict.size())
	return r, nil
}

// checkDictionary compares the checksum of a column's dictionary page, which the library writes and does
// not look at. Those of data pages it checks itself.
func (s *segment) checkDictionary(meta *format.ColumnMetaData) error {
	size := meta.DataPageOffset - meta.DictionaryPageOffset
	switch {
	case meta.DictionaryPageOffset == 0:
		return nil // no dictionary
	case size <= 0 || meta.DataPageOffset > s.size:
		return errors.New("the dictionary's place is impossible")
	}
	page := make([]byte, size)
	if _, err := s.file.ReadAt(page, meta.DictionaryPageOffset); err != nil {
		return err
	}
	var header format.PageHeader
	body := bytes.NewReader(page)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(body)).Decode(&header); err != nil {
		return err
	}
	if body.Len() != int(header.CompressedPageSize) || crc32.ChecksumIEEE(page[len(page)-body.Len():]) != uint32(header.CRC) {
		return errors.New("the checksum of the dictionary does not match")
	}
	return nil
}

func (s *segment) page(col, p int) (v vector, err error) {
	key := cacheKey{s.number, int32(col), int32(p)}
	if v, ok := s.cache.get(key).(vector); ok {
		return v, nil
	}
	c := s.chunks[col]
	c.mu.Lock()
	defer c.mu.Unlock()
	err = s.guard(func() error {
		r, err := s.reader(col)
		if err != nil {
			return err
		}
		if v, err = s.decode(r, col, p); err != nil {
			return fmt.Errorf("column %d, page %d: %w", col, p, err)
		}
		return nil
	})
	if err == nil {
		s.cache.put(key, v, v.size())
	}
	return v, err
}

// decode reads a page.
func (s *segment) decode(r *columnReader, col, p int) (v vector, err error) {
	if err := s.checkPage(col, p); err != nil {
		return v, err
	}
	if err := r.pages.SeekToRow(int64(p) * pageRows); err != nil {
		return v, err
	}
	page, err := r.pages.ReadPage()
	if err != nil {
		return v, err
	}
	defer parquet.Release(page)
	n := pageLen(s.n, p)
	if int(page.NumValues()) != n {
		return v, fmt.Errorf("%d rows, want %d", page.NumValues(), n)
	}
	v.from = uint32(p) * pageRows
	v.sparse = col >= numFixed || fixed[col].sparse
	rows, err := presentRows(page, v.from, n)
	if err != nil {
		return v, err
	}
	values := n
	if rows != nil {
		values = len(*rows)
	}
	switch {
	case s.layoutOf(col) == textLayout:
		v.codes, err = readCodes(page, r.dict.len())
	case col == colTrace:
		v.ids, err = readTraceIDs(page)
	default:
		v.nums, err = readNums(page)
	}
	if err != nil {
		return v, err
	}
	if got := len(v.codes) + len(v.ids) + len(v.nums); got != values {
		return v, fmt.Errorf("%d values, want %d", got, values)
	}
	switch {
	case v.sparse && rows == nil:
		return v, errors.New("a required column, want an optional one")
	case v.sparse:
		v.rows = *rows
	case rows != nil && values != n: // an optional column that is dense here: 0 stands for absent
		dense := make([]uint64, n)
		for i, row := range *rows {
			dense[row-v.from] = v.nums[i]
		}
		v.nums = dense
	}
	return v, nil
}

// presentRows are the rows of an optional column's page that have a value; nil of a required column.
func presentRows(page parquet.Page, from uint32, n int) (*[]uint32, error) {
	levels := page.DefinitionLevels()
	if levels == nil {
		return nil, nil //nolint:nilnil // documented
	}
	if len(levels) != n {
		return nil, fmt.Errorf("%d definition levels, want %d", len(levels), n)
	}
	rows := make([]uint32, 0, n-int(page.NumNulls()))
	for i, level := range levels {
		if level != 0 {
			rows = append(rows, from+uint32(i))
		}
	}
	return &rows, nil
}

func readCodes(page parquet.Page, entries int) ([]uint32, error) {
	if page.NumNulls() == page.NumValues() {
		return nil, nil
	}
	if page.Dictionary() == nil {
		return nil, errors.New("no dictionary")
	}
	data := page.Data()
	indexes := data.Int32()
	codes := make([]uint32, len(indexes))
	for i, x := range indexes {
		if x < 0 || int(x) >= entries {
			return nil, fmt.Errorf("code %d of a dictionary of %d", x, entries)
		}
		codes[i] = uint32(x)
	}
	return codes, nil
}

func readTraceIDs(page parquet.Page) ([]span.TraceID, error) {
	d := page.Dictionary()
	if d == nil {
		return nil, errors.New("no dictionary")
	}
	dictData := d.Page().Data()
	text, size := dictData.FixedLenByteArray()
	if size != 16 {
		return nil, fmt.Errorf("ids of %d bytes", size)
	}
	data := page.Data()
	indexes := data.Int32()
	ids := make([]span.TraceID, len(indexes))
	for i, x := range indexes {
		if x < 0 || 16*int(x)+16 > len(text) {
			return nil, fmt.Errorf("code %d of a dictionary of %d", x, len(text)/16)
		}
		if i > 0 && x == indexes[i-1] {
			ids[i] = ids[i-1]
		} else {
			ids[i] = traceID(text[16*x:])
		}
	}
	return ids, nil
}

// readNums reads the values that are there of a column of numbers, or of ids of 8 bytes.
func readNums(page parquet.Page) ([]uint64, error) {
	nums := make([]uint64, 0, page.NumValues()-page.NumNulls())
	values := make([]parquet.Value, 512)
	r := page.Values()
	for {
		n, err := r.ReadValues(values)
		for _, v := range values[:n] {
			switch {
			case v.IsNull():
			case v.Kind() == parquet.Int64:
				nums = append(nums, v.Uint64())
			case v.Kind() == parquet.Double:
				nums = append(nums, span.DoubleValue(v.Double()).Num)
			case v.Kind() == parquet.Boolean:
				nums = append(nums, span.BoolValue(v.Boolean()).Num)
			case v.Kind() == parquet.FixedLenByteArray && len(v.ByteArray()) == 8:
				nums = append(nums, binary.BigEndian.Uint64(v.ByteArray()))
			default:
				return nil, fmt.Errorf("values of kind %s", v.Kind())
			}
		}
		if errors.Is(err, io.EOF) {
			return nums, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
