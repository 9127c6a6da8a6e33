package local

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// writers keeps the buffers of writers between segments, as long as memory is not short.
var writers = sync.Pool{New: func() any { return new(segmentWriter) }}

// writeSegment writes the rows of s to a file, clustered by trace and within a trace by start, and syncs
// it. The file's name is the caller's to sync.
func writeSegment(fsys vfs.FS, name string, s *snapshot) (err error) {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(&offsetWriter{f: f}, 128<<10)
	w, ok := writers.Get().(*segmentWriter)
	if !ok {
		return errors.New("the pool of segment writers holds something else")
	}
	err = w.write(s, out)
	w.forget()
	writers.Put(w)
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// offsetWriter writes one piece behind the other.
type offsetWriter struct {
	f   vfs.File
	off int64
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.f.WriteAt(p, w.off)
	w.off += int64(n)
	return n, err
}

// segmentWriter writes a segment from a snapshot: it finds the order of the rows, and then, column after
// column, brings the values into it and encodes them page by page. Texts keep the codes that they have in
// the head, renumbered by their first use, so no value is looked up again. Its memory is some arrays of
// the length of the segment, and the largest dictionary.
type segmentWriter struct {
	parquetWriter

	s      *snapshot
	chosen []attrColumn                // the columns of attributes, in their order
	more   map[uint32][]span.Attribute // by row of s: of columns that the file does not have

	order    []uint32 // rows of s by row of the file
	inverse  []uint32 // rows of the file by row of s
	traces   []span.TraceID
	firstRow []uint32 // by trace: its first row of the file; and the number of rows
	keys     []sortKey
	slots    []uint32 // a hash table

	present []uint64 // of a sparse column: bit i says that row i of the file has a value
	place   []uint32 // of a sparse column: place in the head's arrays by row of the file
	places  []uint32 // of a sparse column: places of its values, in the order of the file
	at      []uint32 // the same of any column: places, or order
	ends    []int    // by page: the values of it and those before

	codes  []uint32
	nums   []uint64
	ints   []int64
	remap  []uint32 // new code + 1 by code
	unique []uint64 // by code: the number
	plain  []byte   // a piece of a dictionary
	hashes []uint64

	byColumn   []int            // where the columns of a segment, in its own order, stand in the file
	renumbered map[int][]uint32 // by column, of those that operations have: codes of the file + 1 by code of the head
	ops        []operationSum
	levels     []byte
	body       []byte
}

// forget lets go of the snapshot.
func (w *segmentWriter) forget() {
	w.s, w.chosen, w.more, w.at, w.renumbered = nil, nil, nil, nil, nil
	w.out, w.compressor = nil, nil
	clear(w.chunks[:cap(w.chunks)])
	clear(w.columns[:cap(w.columns)])
	clear(w.offsets[:cap(w.offsets)])
	clear(w.laid[:cap(w.laid)])
	clear(w.filters[:cap(w.filters)])
}

// sized returns s with length n; what it holds is undefined.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// leafOf is a fixed column as the schema has it.
func leafOf(col int) parquetLeaf {
	f := fixed[col]
	leaf := parquetLeaf{name: f.name, optional: f.sparse, zstd: true}
	switch {
	case col == colTrace:
		leaf.typ, leaf.length, leaf.zstd = format.FixedLenByteArray, 16, false
	case col == colSpan, col == colParent:
		leaf.typ, leaf.length = format.FixedLenByteArray, 8
		leaf.optional, leaf.zstd = col == colParent, col == colParent
	case col == colStart:
		leaf.typ, leaf.zstd = format.Int64, false
		leaf.logical = &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.NanoSeconds{}}}
	case col == colResource, col == colScope, col == colEvents, col == colLinks, col == colMore:
		leaf.typ, leaf.logical, leaf.converted = format.ByteArray, &format.JsonType{}, thrift.New(deprecated.Json)
	case f.layout == textLayout:
		textLeaf(&leaf)
	default:
		intLeaf(&leaf)
		leaf.zstd = col != colDuration
	}
	return leaf
}

func textLeaf(leaf *parquetLeaf) {
	leaf.typ, leaf.logical, leaf.converted = format.ByteArray, &format.StringType{}, thrift.New(deprecated.UTF8)
}

func intLeaf(leaf *parquetLeaf) {
	leaf.typ, leaf.logical, leaf.converted = format.Int64, &format.IntType{BitWidth: 64, IsSigned: true}, thrift.New(deprecated.Int64)
}

// attrLeaf is an attribute column as the schema has it.
func attrLeaf(name string, t span.ValueType) parquetLeaf {
	leaf := parquetLeaf{group: attrGroup, name: name, optional: true, zstd: true}
	switch t {
	case span.Bool:
		leaf.typ, leaf.zstd = format.Boolean, false
	case span.Int:
		intLeaf(&leaf)
	case span.Double:
		leaf.typ = format.Double
	case span.Bytes:
		leaf.typ = format.ByteArray
	case span.String, span.Null, span.List, span.Map: // the latter have no columns
		textLeaf(&leaf)
	}
	return leaf
}

// segmentColumnPlan says which column of the snapshot a column of the file has.
type segmentColumnPlan struct {
	leaf parquetLeaf
	col  int
}

// write writes s. The columns ascend by name, as do those of attributes in their group.
func (w *segmentWriter) write(s *snapshot, out io.Writer) error {
	w.s = s
	plan := w.chooseColumns()
	for col := range fixed {
		plan = append(plan, segmentColumnPlan{leafOf(col), col})
	}
	slices.SortFunc(plan, func(a, b segmentColumnPlan) int {
		return cmp.Or(strings.Compare(cmp.Or(a.leaf.group, a.leaf.name), cmp.Or(b.leaf.group, b.leaf.name)), strings.Compare(a.leaf.name, b.leaf.name))
	})
	w.sort()
	if err := w.reset(out, s.n); err != nil {
		return err
	}
	pages := w.bounds()
	leaves, sorting := make([]parquetLeaf, len(plan)), 0
	w.byColumn = sized(w.byColumn, len(plan))
	w.renumbered = map[int][]uint32{colService: nil, colName: nil, colKind: nil, colStatus: nil}
	for i, p := range plan {
		leaves[i] = p.leaf
		if p.col == colTrace {
			sorting = i
		}
		if p.col < numFixed {
			w.byColumn[p.col] = i
		} else {
			at, _ := slices.BinarySearchFunc(w.chosen, s.list[p.col-numFixed], attrColumn.compare)
			w.byColumn[numFixed+at] = i
		}
		if err := w.column(p, pages); err != nil {
			return err
		}
	}
	return w.finish("span", leaves, sorting, []format.KeyValue{{Key: versionKey, Value: strconv.Itoa(segmentVersion)}},
		"shuai version "+strconv.Itoa(segmentVersion)+" (build )", func() []byte { return w.index(pages) })
}

// chooseColumns lists the attribute columns and puts the values of the others into more.
func (w *segmentWriter) chooseColumns() (plan []segmentColumnPlan) {
	byUse := make([]int, len(w.s.list))
	for i := range byUse {
		byUse[i] = i
	}
	used := func(i int) int { return len(w.s.cols[numFixed+i].rows) }
	slices.SortStableFunc(byUse, func(a, b int) int { return cmp.Compare(used(b), used(a)) })
	keys, folded := map[string]bool{}, map[string]bool{}
	for _, i := range byUse {
		a := w.s.list[i]
		name := columnName(a, keys[a.key])
		// Names that differ in case only are one name to DuckDB.
		if fold := strings.ToLower(name); len(plan) < maxAttrColumns && !folded[fold] {
			keys[a.key], folded[fold] = true, true
			w.chosen = append(w.chosen, a)
			plan = append(plan, segmentColumnPlan{attrLeaf(name, a.typ), numFixed + i})
			continue
		}
		w.overflow(numFixed+i, a)
	}
	slices.SortFunc(w.chosen, attrColumn.compare)
	return plan
}

// overflow moves the values of a column to the maps of their rows.
func (w *segmentWriter) overflow(col int, a attrColumn) {
	c := &w.s.cols[col]
	if w.more == nil {
		w.more = map[uint32][]span.Attribute{}
	}
	for at, row := range c.rows {
		v := span.Value{Type: a.typ}
		if a.typ.IsText() {
			v.Str = string(c.d.at(c.codes[at]))
		} else {
			v.Num = c.nums[at]
		}
		w.more[row] = append(w.more[row], span.Attribute{Key: a.key, Value: v})
	}
}

// moreColumn is colMore with the values of overflow.
func (w *segmentWriter) moreColumn() (*snapColumn, error) {
	if w.more == nil {
		return &w.s.cols[colMore], nil
	}
	for _, row := range w.s.cols[colMore].rows {
		if _, ok := w.more[row]; !ok {
			w.more[row] = nil
		}
	}
	c := &snapColumn{vector: vector{sparse: true}}
	c.rows = slices.Sorted(maps.Keys(w.more))
	c.codes = make([]uint32, len(c.rows))
	var d dictBuilder
	for i, row := range c.rows {
		text, err := w.moreText(row)
		if err != nil {
			return nil, err
		}
		c.codes[i] = d.intern(text)
	}
	c.d = d.dict
	return c, nil
}

// moreText is the text of colMore in a row, or nil.
func (w *segmentWriter) moreText(row uint32) ([]byte, error) {
	text := w.s.moreOf(row)
	attrs := w.more[row]
	if attrs == nil {
		return text, nil
	}
	if text != nil {
		others, err := parseMap(string(text))
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, others...)
	}
	return appendMap(nil, canonical(attrs)), nil
}

// moreOf is the text of colMore in a row, or nil.
func (s *snapshot) moreOf(row uint32) []byte {
	c := &s.cols[colMore]
	if at := c.find(row); at >= 0 {
		return c.d.at(c.codes[at])
	}
	return nil
}

// bounds are the bounds of the pages of the file.
func (w *segmentWriter) bounds() []pageStats {
	ids, starts, durations := w.s.cols[colTrace].ids, w.s.cols[colStart].nums, w.s.cols[colDuration].nums
	pages := make([]pageStats, 0, pagesOf(w.s.n))
	for rows := range slices.Chunk(w.order, pageRows) {
		st := newPageStats(ids[rows[0]])
		st.lastTrace = ids[rows[len(rows)-1]]
		for _, row := range rows {
			start, duration := int64(starts[row]), int64(durations[row])
			st.minStart, st.maxStart = min(st.minStart, start), max(st.maxStart, start)
			st.minDuration, st.maxDuration = min(st.minDuration, duration), max(st.maxDuration, duration)
		}
		pages = append(pages, st)
	}
	return pages
}
