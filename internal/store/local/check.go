package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// FileReport is what [Check] found of one file.
type FileReport struct {
	Name    string
	Bytes   int64
	Spans   int    // those that can be read; of a log, with copies
	Batches int    // in a log
	Note    string // what is unusual and harmless; "": nothing
	Damages []Damage
}

// Damage is a place where a file does not hold what was written.
type Damage struct {
	Offset int64 // of the first byte of what cannot be trusted; −1: the file as a whole
	Reason string
}

// Check reads every file of a directory whole, ascending by name, and reports on each: frames of logs and
// pages of segments by their checksums, then every value of every column, and whether they fit together.
// It changes nothing, and works beside a server, whose files may then vanish while it goes; it passes over
// those. The error, which ends the sequence, is about the directory or the context; a file that the disk
// cannot read is damaged. Options.Encode may be nil.
func Check(ctx context.Context, o Options) iter.Seq2[FileReport, error] {
	return func(yield func(FileReport, error) bool) {
		o.readOnly = true
		err := o.setDefaults()
		var files []dirFile
		if err == nil {
			files, err = listFiles(o.FS, o.Dir)
		}
		if err != nil {
			yield(FileReport{}, err)
			return
		}
		newest := uint64(0)
		for _, f := range files {
			if f.kind == headLog {
				newest = f.number
			}
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				yield(FileReport{}, err)
				return
			}
			r := FileReport{Name: f.name}
			err := r.check(&o, f, f.number == newest)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				r.damaged(-1, err)
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (r *FileReport) damaged(offset int64, err error) {
	r.Damages = append(r.Damages, Damage{offset, err.Error()})
}

// check reads a file. The error is the disk's.
func (r *FileReport) check(o *Options, f dirFile, newest bool) error {
	file, err := o.FS.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written
	if r.Bytes, err = file.Size(); err != nil {
		return err
	}
	switch f.kind {
	case segmentFile:
		return r.checkSegment(o.FS, file, f)
	case headLog:
		return r.checkLog(o, f.path, newest)
	case sealedLog:
		r.Note = "its segment is there as well: the server removes this log, unless it cannot open the segment"
		return r.checkLog(o, f.path, true)
	case tmpFile:
		r.Note = "being written, or left by a crash; the server removes it when it starts"
	case badFile:
		r.damaged(-1, errors.New("set aside by the server; delete it when nobody wants to look into it"))
	}
	return nil
}

func (r *FileReport) checkLog(o *Options, path string, newest bool) error {
	data, err := vfs.ReadFile(o.FS, path)
	if err != nil {
		return err
	}
	frames, damages, err := readLog(data)
	if err != nil {
		r.damaged(0, err)
		return nil
	}
	if n := len(damages); n > 0 && newest && damages[n-1].to == int64(len(data)) {
		if r.Note == "" {
			r.Note = fmt.Sprintf("%d bytes at the end are not a whole batch: being written, or torn by a crash and never acknowledged", damages[n-1].to-damages[n-1].from)
		}
		damages = damages[:n-1]
	}
	for _, d := range append(damages, o.decodeFrames(frames, func(b *span.Batch) {
		r.Batches++
		r.Spans += b.Len()
	})...) {
		r.damaged(d.from, errors.New(d.reason))
	}
	return nil
}

func (r *FileReport) checkSegment(fsys vfs.FS, file vfs.File, f dirFile) error {
	c := segmentCheck{r: r, file: &checkedFile{File: file}, pages: map[string][]int64{}}
	c.guard(-1, c.checkPages)
	if failed := c.file.failed.Load(); failed != nil {
		return fmt.Errorf("read: %w", *failed)
	}
	seg, err := openSegment(fsys, f.path, f.number, newCache(64<<20))
	if corrupt, ok := errors.AsType[*corruptError](err); ok {
		if len(r.Damages) == 0 {
			r.damaged(-1, corrupt.err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = seg.release() }() // nothing was written
	r.Spans = seg.rows()
	if len(r.Damages) == 0 {
		c.seg = seg
		c.checkRows()
		c.checkColumns()
	}
	return nil
}

// segmentCheck is the check of one segment. It goes over the pages by itself, since the reader looks only
// at what a query needs, and then over the values through the reader.
type segmentCheck struct {
	r     *FileReport
	file  *checkedFile
	seg   source             // the segment
	pages map[string][]int64 // offsets of the data pages by name of the column
}

// guard runs what reads the file; an error or panic of it is damage at an offset, unless the disk failed.
func (c *segmentCheck) guard(offset int64, read func() error) {
	defer func() {
		if p := recover(); p != nil {
			c.r.damaged(offset, fmt.Errorf("reading it went wrong: %v", p))
		}
	}()
	if err := read(); err != nil && c.file.failed.Load() == nil {
		c.r.damaged(offset, err)
	}
}

// checkPages walks the pages of all columns and compares their checksums.
func (c *segmentCheck) checkPages() error {
	f, err := parquet.OpenFile(c.file, c.r.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
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
	data := make([]byte, meta.TotalCompressedSize)
	if _, err := c.file.ReadAt(data, from); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("column %s: %w", name, err)
	}
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
			c.pages[name] = append(c.pages[name], offset)
		case format.DataPageV2:
			values += int64(header.DataPageHeaderV2.V.NumValues)
			c.pages[name] = append(c.pages[name], offset)
		default:
		}
		at = len(data) - len(body) + size
	}
	if values != meta.NumValues {
		c.r.damaged(from, fmt.Errorf("column %s: pages of %d values, the footer says %d", name, values, meta.NumValues))
	}
	return nil
}

// place is the offset of page p of a column and the column's name.
func (c *segmentCheck) place(col, p int) (offset int64, name string) {
	if col < numFixed {
		name = fixed[col].name
	} else {
		a := c.seg.attrs()[col-numFixed]
		name = attrGroup + "." + columnName(a, true)
		if c.pages[name] == nil {
			name = attrGroup + "." + columnName(a, false)
		}
	}
	if pages := c.pages[name]; p < len(pages) {
		return pages[p], name
	}
	return -1, name
}

func (c *segmentCheck) damaged(col, p int, err error) {
	offset, name := c.place(col, p)
	c.r.damaged(offset, fmt.Errorf("column %s: %w", name, err))
}

// checkRows looks at the order of the rows and at the bounds of the pages, by which queries skip them.
func (c *segmentCheck) checkRows() {
	var lastTrace span.TraceID
	var lastStart uint64
	for p := range pagesOf(c.seg.rows()) {
		var vectors [3]vector
		for i, col := range [...]int{colTrace, colStart, colDuration} {
			v, err := c.seg.page(col, p)
			if err != nil {
				return // checkColumns says so
			}
			vectors[i] = v
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
		d, err := c.seg.dict(col)
		if err != nil {
			c.damaged(col, 0, reasonOf(err))
			continue
		}
		for code := range uint32(d.len()) {
			if err := parseText(col, string(d.at(code))); err != nil {
				c.damaged(col, 0, fmt.Errorf("entry %d of the dictionary: %w", code, err))
				break
			}
		}
		for p := range pagesOf(c.seg.rows()) {
			v, err := c.seg.page(col, p)
			if err == nil {
				err = v.check(pageLen(c.seg.rows(), p), layoutIn(c.seg, col), d.len())
			}
			if err != nil {
				c.damaged(col, p, reasonOf(err))
			}
		}
	}
}

func layoutIn(s source, col int) layout {
	if col < numFixed {
		return fixed[col].layout
	}
	return layoutOf(s.attrs()[col-numFixed].typ)
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
