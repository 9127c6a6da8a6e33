package local

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// segmentCheck is the check of one segment. It goes over the pages by itself, as Parquet's footer places them,
// since the reader looks only at what a query needs, and then over the values through the reader.
type segmentCheck struct {
	r       *FileReport
	data    []byte
	seg     *segmentColumns
	offsets map[string][]int64 // of the data pages by name of the column
}

// checkSegment checks a segment. The error is the disk's.
func (r *FileReport) checkSegment(fsys vfs.FS, file vfs.File, f dirFile) error {
	c := segmentCheck{r: r, offsets: map[string][]int64{}}
	var err error
	if c.data, err = file.Map(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	seg, err := openSegment(fsys, f.path, f.first, f.number, newCache(64<<20))
	if corrupt, ok := errors.AsType[*corruptError](err); ok {
		r.damaged(-1, corrupt.err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = seg.release() }() // nothing was written
	r.Spans = seg.rows()
	return faultless(func() error {
		c.guard(-1, c.checkPages)
		if len(r.Damages) == 0 {
			c.guard(-1, c.checkTail)
		}
		columns, err := seg.columns()
		if err != nil {
			if len(r.Damages) == 0 {
				r.damaged(-1, reasonOf(err))
			}
			return nil
		}
		c.seg, _ = columns.(*segmentColumns)
		if len(r.Damages) == 0 {
			c.checkRows()
			c.checkColumns()
			c.checkOperations()
		}
		return nil
	})
}

// guard runs what reads the file; an error or panic of it is damage at an offset, unless the disk failed.
func (c *segmentCheck) guard(offset int64, read func() error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			panic(p)
		default:
			c.r.damaged(offset, fmt.Errorf("reading it went wrong: %v", p))
		}
	}()
	if err := read(); err != nil {
		c.r.damaged(offset, err)
	}
}

// checkTail compares the checksum of what only other readers of Parquet read.
func (c *segmentCheck) checkTail() error {
	t, err := readTail(c.data)
	if err != nil {
		return err
	}
	sum := crc32.Checksum(c.data[t.pagesEnd:t.indexAt], castagnoli)
	if crc32.Update(sum, castagnoli, t.footer) != t.parquet {
		return errors.New("the checksum of Parquet's Bloom filters, page index and footer does not match")
	}
	return nil
}

// checkPages walks the pages of all columns and compares their checksums.
func (c *segmentCheck) checkPages() error {
	f, err := parquet.OpenFile(bytes.NewReader(c.data), c.r.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	for _, group := range f.Metadata().RowGroups {
		for i := range group.Columns {
			meta := &group.Columns[i].MetaData
			name := strings.Join(meta.PathInSchema, ".")
			from := meta.DataPageOffset
			if meta.DictionaryPageOffset > 0 {
				from = min(from, meta.DictionaryPageOffset)
			}
			if from < 0 || meta.TotalCompressedSize < 0 || meta.TotalCompressedSize > c.r.Bytes-from {
				c.r.damaged(-1, fmt.Errorf("column %s: the footer places it outside the file", name))
				continue
			}
			c.guard(from, func() error { return c.checkChunk(name, meta, from) })
		}
	}
	return nil
}

// checkChunk walks the pages of a column. Where a page ends before its header says, or has no readable
// header, the rest of the column is damaged with it.
func (c *segmentCheck) checkChunk(name string, meta *format.ColumnMetaData, from int64) error {
	data := c.data[from : from+meta.TotalCompressedSize]
	values := int64(0)
	for at := 0; at < len(data); {
		offset := from + int64(at)
		var header format.PageHeader
		rest := bytes.NewReader(data[at:])
		if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(rest)).Decode(&header); err != nil {
			c.r.damaged(offset, fmt.Errorf("column %s: header of a page: %w", name, err))
			return nil
		}
		body := data[len(data)-rest.Len():]
		size := int(header.CompressedPageSize)
		if size < 0 || size > len(body) {
			c.r.damaged(offset, fmt.Errorf("column %s: a page of %d bytes where there are %d", name, size, len(body)))
			return nil
		}
		if header.CRC != 0 && crc32.ChecksumIEEE(body[:size]) != uint32(header.CRC) {
			c.r.damaged(offset, fmt.Errorf("column %s: the checksum of the page does not match", name))
		}
		switch header.Type {
		case format.DataPage:
			values += int64(header.DataPageHeader.V.NumValues)
			c.offsets[name] = append(c.offsets[name], offset)
		case format.DataPageV2:
			values += int64(header.DataPageHeaderV2.V.NumValues)
			c.offsets[name] = append(c.offsets[name], offset)
		default:
		}
		at = len(data) - len(body) + size
	}
	if values != meta.NumValues {
		c.r.damaged(from, fmt.Errorf("column %s: pages of %d values, the footer says %d", name, values, meta.NumValues))
	}
	return nil
}

// name is the name of a column in the file.
func (c *segmentCheck) name(col int) string {
	if col < numFixed {
		return fixed[col].name
	}
	a := c.seg.attrs()[col-numFixed]
	if name := attrGroup + "." + columnName(a, true); c.offsets[name] != nil {
		return name
	}
	return attrGroup + "." + columnName(a, false)
}

func (c *segmentCheck) damaged(col, p int, err error) {
	name, offset := c.name(col), int64(-1)
	if pages := c.offsets[name]; p < len(pages) {
		offset = pages[p]
	}
	c.r.damaged(offset, fmt.Errorf("column %s: %w", name, err))
}

// checkRows looks at the order of the rows and at the bounds of the pages, by which queries skip them.
func (c *segmentCheck) checkRows() {
	var lastTrace span.TraceID
	var lastStart uint64
	for p := range pagesOf(c.seg.rows()) {
		var vectors [3]vector
		for i, col := range [...]int{colTrace, colStart, colDuration} {
			if err := c.seg.page(col, p, &vectors[i]); err != nil {
				return // checkColumns says so
			}
		}
		ids, starts, durations := vectors[0].ids, vectors[1].nums, vectors[2].nums
		if n := pageLen(c.seg.rows(), p); len(ids) != n || len(starts) != n || len(durations) != n {
			return // checkColumns says so
		}
		got := newPageStats(ids[0])
		for i, id := range ids {
			got.add(id, int64(starts[i]), int64(durations[i]))
			if o := id.Compare(lastTrace); o < 0 || o == 0 && starts[i] < lastStart {
				c.damaged(colTrace, p, fmt.Errorf("row %d: the spans are not in order of trace id and start", p*pageRows+i))
				return
			}
			if !c.seg.mayHave(id) {
				c.damaged(colTrace, p, fmt.Errorf("row %d: the filter of trace ids does not know the id", p*pageRows+i))
				return
			}
			lastTrace, lastStart = id, starts[i]
		}
		if want := c.seg.stats(p); got != want {
			c.damaged(colStart, p, fmt.Errorf("page %d: the bounds of trace ids, starts or durations are others than the values'", p))
		}
	}
}

// checkColumns decodes all values, and parses the texts that have a syntax.
func (c *segmentCheck) checkColumns() {
	for col := range numFixed + len(c.seg.attrs()) {
		if want := c.offsets[c.name(col)]; !slices.EqualFunc(c.seg.starts[col], want, func(a uint64, b int64) bool { return a == uint64(b) }) {
			c.damaged(col, 0, errors.New("index and footer place its pages differently"))
			continue
		}
		d := &texts{firsts: []uint32{0}}
		if c.seg.layoutOf(col) == textLayout {
			d = c.seg.texts(col)
		}
		err := d.all(func(code uint32, text []byte) error {
			if err := parseText(col, string(text)); err != nil {
				return fmt.Errorf("entry %d of the dictionary: %w", code, err)
			}
			if may, err := c.seg.mayHold(col, text); err != nil || !may {
				return errors.Join(err, fmt.Errorf("entry %d of the dictionary is not in the Bloom filter", code))
			}
			return nil
		})
		if err != nil {
			c.damaged(col, 0, reasonOf(err))
			continue
		}
		for p := range pagesOf(c.seg.rows()) {
			var v vector
			err := c.seg.page(col, p, &v)
			if err == nil {
				err = v.check(pageLen(c.seg.rows(), p), c.seg.layoutOf(col), d.len())
			}
			if err != nil {
				c.damaged(col, p, reasonOf(err))
			}
		}
	}
}

// checkOperations sums up all rows again.
func (c *segmentCheck) checkOperations() {
	ops, err := c.seg.operations()
	if err != nil {
		c.r.damaged(-1, reasonOf(err))
		return
	}
	if ops == nil {
		return
	}
	sums := map[operationKey]*operationSum{}
	states := weigher{texts: c.seg.texts(colTraceState)}
	for p := range pagesOf(c.seg.rows()) {
		var v [8]vector
		for i, col := range [...]int{colService, colName, colKind, colStatus, colParent, colStart, colDuration, colTraceState} {
			if err := c.seg.page(col, p, &v[i]); err != nil {
				return // checkColumns says so
			}
		}
		weights, err := states.weigh(&v[7], pageLen(c.seg.rows(), p))
		if err != nil {
			return // checkColumns says so
		}
		for i, service := range v[0].codes {
			key := operationKey{service, v[1].codes[i], v[2].codes[i], v[3].codes[i], v[4].nums[i] == 0}
			if sums[key] == nil {
				sums[key] = newOperationSum(key)
			}
			weight := 1.0
			if weights != nil {
				weight = weights[i]
			}
			sums[key].add(uint32(p), int64(v[5].nums[i]), int64(v[6].nums[i]), weight)
		}
	}
	same := len(ops) == len(sums)
	for i := range ops {
		o := &ops[i]
		sum := sums[operationKey{o.service, o.name, o.kind, o.status, o.root}]
		same = same && sum != nil && sum.equal(o)
	}
	if !same {
		c.r.damaged(-1, errors.New("the operations of the index are not the sums of the rows"))
	}
}

// reasonOf is err without the name of the file.
func reasonOf(err error) error {
	if corrupt, ok := errors.AsType[*corruptError](err); ok {
		return corrupt.err
	}
	return err
}

// parseText says whether a text is one that its column may hold.
func parseText(col int, text string) (err error) {
	switch col {
	case colKind:
		_, err = parseCode(text, parseKind)
	case colStatus:
		_, err = parseCode(text, parseStatus)
	case colResource, colScope:
		_, err = parseObject(text)
	case colEvents, colLinks:
		_, err = parseObjects(text)
	case colMore:
		_, err = parseMap(text)
	}
	return err
}

// check says whether v can be a page of n rows, of a column whose dictionary has so many entries.
func (v *vector) check(n int, l layout, entries int) error {
	values := n
	if v.sparse {
		values = len(v.rows)
		for i, row := range v.rows {
			if row < v.from || row >= v.from+uint32(n) || i > 0 && row <= v.rows[i-1] {
				return fmt.Errorf("row %d is out of place", row)
			}
		}
	}
	got := len(v.ids)
	switch l {
	case numLayout:
		got = len(v.nums)
	case textLayout:
		got = len(v.codes)
		if i := slices.IndexFunc(v.codes, func(code uint32) bool { return int(code) >= entries }); i >= 0 {
			return fmt.Errorf("code %d of a dictionary of %d", v.codes[i], entries)
		}
	case idLayout:
	}
	if got != values {
		return fmt.Errorf("%d values, want %d", got, values)
	}
	return nil
}
