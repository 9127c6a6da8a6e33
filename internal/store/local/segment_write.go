package local

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// schemaMaker makes the nodes of one segment's schema. The codec compresses what compression pays for:
// dictionaries and ids. It is the segment's own, since it keeps memory that fits the segment.
type schemaMaker struct{ codec zstd.Codec }

func (m *schemaMaker) text() parquet.Node {
	return parquet.Compressed(parquet.Encoded(parquet.String(), &parquet.RLEDictionary), &m.codec)
}

func (m *schemaMaker) json() parquet.Node {
	return parquet.Compressed(parquet.Encoded(parquet.JSON(), &parquet.RLEDictionary), &m.codec)
}

func delta(n parquet.Node) parquet.Node {
	return parquet.Encoded(n, &parquet.DeltaBinaryPacked)
}

func (m *schemaMaker) count() parquet.Node {
	return parquet.Compressed(parquet.Encoded(parquet.Int(64), &parquet.RLEDictionary), &m.codec)
}

// fixed are the columns of the schema that every segment has.
func (m *schemaMaker) fixed() parquet.Group {
	id := func(size int) parquet.Node { return parquet.Leaf(parquet.FixedLenByteArrayType(size)) }
	return parquet.Group{
		fixed[colTrace].name:         parquet.Compressed(parquet.Encoded(id(16), &parquet.RLEDictionary), &m.codec),
		fixed[colSpan].name:          parquet.Encoded(id(8), &parquet.Plain),
		fixed[colParent].name:        parquet.Optional(parquet.Compressed(parquet.Encoded(id(8), &parquet.Plain), &m.codec)),
		fixed[colStart].name:         delta(parquet.Timestamp(parquet.Nanosecond)),
		fixed[colDuration].name:      delta(parquet.Int(64)),
		fixed[colService].name:       m.text(),
		fixed[colName].name:          m.text(),
		fixed[colKind].name:          m.text(),
		fixed[colStatus].name:        m.text(),
		fixed[colResource].name:      m.json(),
		fixed[colScope].name:         m.json(),
		fixed[colFlags].name:         m.count(),
		fixed[colStatusMessage].name: parquet.Optional(m.text()),
		fixed[colTraceState].name:    parquet.Optional(m.text()),
		fixed[colEvents].name:        parquet.Optional(m.json()),
		fixed[colLinks].name:         parquet.Optional(m.json()),
		fixed[colMore].name:          parquet.Optional(m.json()),
		fixed[colDroppedAttrs].name:  parquet.Optional(m.count()),
		fixed[colDroppedEvents].name: parquet.Optional(m.count()),
		fixed[colDroppedLinks].name:  parquet.Optional(m.count()),
	}
}

func (m *schemaMaker) attr(t span.ValueType) parquet.Node {
	switch t {
	case span.String:
		return parquet.Optional(m.text())
	case span.Bytes:
		return parquet.Optional(parquet.Compressed(parquet.Encoded(parquet.Leaf(parquet.ByteArrayType), &parquet.RLEDictionary), &m.codec))
	case span.Int:
		return parquet.Optional(m.count())
	case span.Double:
		return parquet.Optional(parquet.Compressed(parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.RLEDictionary), &m.codec))
	case span.Bool:
		return parquet.Optional(parquet.Compressed(parquet.Leaf(parquet.BooleanType), &m.codec))
	case span.Null, span.List, span.Map:
	}
	return nil
}

// writeSegment writes the rows of s to a file, clustered by trace and within a trace by start, and syncs
// it. The file's name is the caller's to sync.
func writeSegment(fsys vfs.FS, name string, s *snapshot) (err error) {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(&offsetWriter{f: f}, 128<<10)
	w := newSegmentWriter(s, out)
	if err := w.write(); err != nil {
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

type segmentWriter struct {
	s      *snapshot
	schema schemaMaker
	order  []uint32                    // the rows of s in the order of the file
	chosen []attrColumn                // the columns of attributes, in their order
	paths  map[string]int              // column of s by path in the schema; colMore stands for more
	more   map[uint32][]span.Attribute // by row of s: of columns that the file does not have
	place  []int32                     // scratch: place + 1 of the value of a row of s; 0: none
	w      *parquet.GenericWriter[any]

	values []parquet.Value // of one page
	bytes  []byte          // what they point to
}

func newSegmentWriter(s *snapshot, out *bufio.Writer) *segmentWriter {
	w := &segmentWriter{s: s, paths: map[string]int{}, place: make([]int32, s.n)}
	w.schema.codec.Level = zstd.SpeedFastest
	w.sort()
	group := w.schema.fixed()
	for col, f := range fixed {
		w.paths[f.name] = col
	}
	if attrs := w.chooseColumns(); len(attrs) > 0 {
		group[attrGroup] = attrs
	}
	w.w = parquet.NewGenericWriter[any](out, parquet.NewSchema("span", group),
		parquet.KeyValueMetadata(versionKey, segmentVersion),
		parquet.CreatedBy("shuai", segmentVersion, ""),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending(fixed[colTrace].name))),
		parquet.PageBufferSize(4<<10), // for allocation only: pages end where column ends them
	)
	return w
}

// sort puts the rows into the order of the file.
func (w *segmentWriter) sort() {
	ids, starts, spans := w.s.columns[colTrace].ids, w.s.columns[colStart].nums, w.s.columns[colSpan].nums
	w.order = make([]uint32, w.s.n)
	for i := range w.order {
		w.order[i] = uint32(i)
	}
	slices.SortFunc(w.order, func(a, b uint32) int {
		if c := ids[a].Compare(ids[b]); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(int64(starts[a]), int64(starts[b])), cmp.Compare(spans[a], spans[b]), cmp.Compare(a, b))
	})
}

// chooseColumns makes the schema of the attribute columns and puts the values of the others into more.
func (w *segmentWriter) chooseColumns() parquet.Group {
	byUse := make([]int, len(w.s.list))
	for i := range byUse {
		byUse[i] = i
	}
	used := func(i int) int { return len(w.s.columns[numFixed+i].rows) }
	slices.SortStableFunc(byUse, func(a, b int) int { return cmp.Compare(used(b), used(a)) })
	group := parquet.Group{}
	keys, folded := map[string]bool{}, map[string]bool{}
	for _, i := range byUse {
		a := w.s.list[i]
		name := columnName(a, keys[a.key])
		// Names that differ in case only are one name to DuckDB.
		if fold := strings.ToLower(name); len(group) < maxAttrColumns && !folded[fold] {
			keys[a.key], folded[fold] = true, true
			group[name] = w.schema.attr(a.typ)
			w.chosen = append(w.chosen, a)
			w.paths[attrGroup+"\x00"+name] = numFixed + i
			continue
		}
		w.overflow(numFixed+i, a)
	}
	slices.SortFunc(w.chosen, attrColumn.compare)
	return group
}

// overflow moves the values of a column to the maps of their rows.
func (w *segmentWriter) overflow(col int, a attrColumn) {
	c := &w.s.columns[col]
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
	c := &s.columns[colMore]
	if at := c.find(row); at >= 0 {
		return c.d.at(c.codes[at])
	}
	return nil
}

// write writes all columns, each page by page.
func (w *segmentWriter) write() error {
	paths := w.w.Schema().Columns()
	for i, cw := range w.w.ColumnWriters() {
		path := strings.Join(paths[i], "\x00")
		col, ok := w.paths[path]
		if !ok {
			return fmt.Errorf("no column for %q", path)
		}
		if err := w.column(cw, i, col); err != nil {
			return fmt.Errorf("column %q: %w", path, err)
		}
	}
	w.w.SetKeyValueMetadata(sumKey, indexSum(w.s.n, w.bounds(), w.chosen))
	return w.w.Close()
}

// bounds are the bounds of the pages of the file.
func (w *segmentWriter) bounds() []pageStats {
	ids, starts, durations := w.s.columns[colTrace].ids, w.s.columns[colStart].nums, w.s.columns[colDuration].nums
	var pages []pageStats
	for rows := range slices.Chunk(w.order, pageRows) {
		st := newPageStats(ids[rows[0]])
		for _, row := range rows {
			st.add(ids[row], int64(starts[row]), int64(durations[row]))
		}
		pages = append(pages, st)
	}
	return pages
}

func (w *segmentWriter) column(cw *parquet.ColumnWriter, index, col int) error {
	c := &w.s.columns[col]
	if c.sparse {
		for at, row := range c.rows {
			w.place[row] = int32(at) + 1
		}
		defer func() {
			for _, row := range c.rows {
				w.place[row] = 0
			}
		}()
	}
	for rows := range slices.Chunk(w.order, pageRows) {
		w.values, w.bytes = w.values[:0], w.bytes[:0]
		for _, row := range rows {
			v, err := w.value(index, col, c, row)
			if err != nil {
				return err
			}
			w.values = append(w.values, v)
		}
		if _, err := cw.WriteRowValues(w.values); err != nil {
			return err
		}
		if err := cw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// value is the value of a row in a column of the file, with its definition level.
func (w *segmentWriter) value(index, col int, c *snapColumn, row uint32) (parquet.Value, error) {
	at := int(row)
	level := 0
	if c.sparse {
		if col == colMore && w.more[row] != nil {
			text, err := w.moreText(row)
			return parquet.ByteArrayValue(text).Level(0, 1, index), err
		}
		if at = int(w.place[row]) - 1; at < 0 {
			return parquet.NullValue().Level(0, 0, index), nil
		}
		level = 1
	}
	switch {
	case col == colTrace:
		id := c.ids[at].Bytes()
		return parquet.FixedLenByteArrayValue(w.keep(id[:])).Level(0, level, index), nil
	case col == colSpan:
		return parquet.FixedLenByteArrayValue(w.keep(binary.BigEndian.AppendUint64(nil, c.nums[at]))).Level(0, level, index), nil
	case col == colParent && c.nums[at] == 0:
		return parquet.NullValue().Level(0, 0, index), nil
	case col == colParent:
		return parquet.FixedLenByteArrayValue(w.keep(binary.BigEndian.AppendUint64(nil, c.nums[at]))).Level(0, 1, index), nil
	case c.codes != nil:
		return parquet.ByteArrayValue(c.d.at(c.codes[at])).Level(0, level, index), nil
	case col >= numFixed && w.s.list[col-numFixed].typ == span.Double:
		return parquet.DoubleValue(span.Value{Num: c.nums[at]}.Double()).Level(0, level, index), nil
	case col >= numFixed && w.s.list[col-numFixed].typ == span.Bool:
		return parquet.BooleanValue(c.nums[at] != 0).Level(0, level, index), nil
	}
	return parquet.Int64Value(int64(c.nums[at])).Level(0, level, index), nil
}

// keep holds bytes until the page is written. Growing leaves earlier values in the array of before.
func (w *segmentWriter) keep(p []byte) []byte {
	from := len(w.bytes)
	w.bytes = append(w.bytes, p...)
	return w.bytes[from:len(w.bytes):len(w.bytes)]
}
