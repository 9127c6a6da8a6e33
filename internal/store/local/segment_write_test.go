package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// written is a segment of s on a disk in memory, and its bytes.
func written(t testing.TB, s *snapshot) (*segment, []byte) {
	t.Helper()
	disk := diskWith(t, nil)
	if err := writeSegment(disk, "/data/000001.parquet", s); err != nil {
		t.Fatal(err)
	}
	data, err := vfs.ReadFile(disk, "/data/000001.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, data), data
}

func columnsOf(t testing.TB, seg *segment) *segmentColumns {
	t.Helper()
	columns, err := seg.columns()
	if err != nil {
		t.Fatal(err)
	}
	return columns.(*segmentColumns)
}

func opened(t testing.TB, data []byte) *segment {
	t.Helper()
	seg, err := openSegment(diskWith(t, map[string][]byte{"000001.parquet": data}), "/data/000001.parquet", 1, 1, newCache(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return seg
}

// randomHead has rows spans with values of all shapes; wide gives it more keys than a segment has columns.
func randomHead(seed uint64, rows int, wide bool) *head {
	rng := rand.New(rand.NewPCG(seed, 1))
	texts := []string{"", "\x00", "a\x00b", "ä", "\xff\xfe", strings.Repeat("long ", 3000), strings.Repeat("\U0010ffff", 9), strings.Repeat("\xff", 40), "GET"}
	ints := []int64{0, -1, 1, math.MinInt64, math.MaxInt64, 200, 404}
	doubles := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1.5, math.MaxFloat64}
	h, b := newHead(1), &span.Batch{}
	traces := 1 + rng.IntN(rows)
	sp := span.Span{}
	for i := range rows {
		sp = span.Span{
			TraceID: span.TraceID{Hi: rng.Uint64N(3) << 62, Lo: uint64(1 + rng.IntN(traces))}, SpanID: span.ID(i + 1), Parent: span.ID(rng.Uint64N(4) << 61),
			Start: rng.Int64() - rng.Int64(), Duration: rng.Int64N(1 << (1 + rng.IntN(62))), Name: texts[rng.IntN(len(texts))],
			Kind: span.Kind(rng.IntN(6)),
			Attrs: []span.Attribute{
				{Key: "one", Value: span.StringValue("one")},
				{Key: "distinct", Value: span.StringValue(fmt.Sprint(rng.Uint64()))},
				{Key: "distinct.int", Value: span.IntValue(rng.Int64() - rng.Int64())},
				{Key: "distinct.double", Value: span.DoubleValue(rng.NormFloat64())},
				{Key: "null", Value: span.Value{}},
			},
		}
		add := func(key string, v span.Value) { sp.Attrs = append(sp.Attrs, span.Attribute{Key: key, Value: v}) }
		for key, v := range []span.Value{
			span.StringValue(texts[rng.IntN(len(texts))]), span.IntValue(ints[rng.IntN(len(ints))]), span.DoubleValue(doubles[rng.IntN(len(doubles))]),
			span.BoolValue(rng.IntN(2) == 0), span.TextValue(span.Bytes, texts[rng.IntN(len(texts))]),
		} {
			if rng.IntN(3) > 0 {
				add(fmt.Sprint("some.", key), v)
			}
			if rng.IntN(4) == 0 && i%3 == key%3 {
				add("conflict", v)
			}
			if i >= 8192 || i == rows-1 { // absent from the first page
				add(fmt.Sprint("late.", key), v)
			}
			if i < 5 {
				add(fmt.Sprint("early.", key), v)
			}
		}
		if wide {
			add(fmt.Sprint("wide.", rng.IntN(300)), span.IntValue(int64(i)))
		}
		b.Append(&sp)
	}
	h.append(b)
	return h
}

// reading reads columns row by row, as text.
type reading struct {
	pagedColumns
	t     testing.TB
	pages map[[2]int]*vector
	texts map[int]*texts
}

type pagedColumns interface {
	columns
	page(col, p int, v *vector) error
}

func readingOf(t testing.TB, c pagedColumns) *reading {
	return &reading{c, t, map[[2]int]*vector{}, map[int]*texts{}}
}

// value is the value of a row in a column, found in its page and by itself; false: none.
func (r *reading) value(col int, row uint32) (string, bool) {
	t := r.t
	t.Helper()
	place := [2]int{col, int(row) / pageRows}
	v := r.pages[place]
	if v == nil {
		v = &vector{}
		if err := r.page(col, place[1], v); err != nil {
			t.Fatal(err)
		}
		r.pages[place] = v
	}
	at := v.find(row)
	x, has, direct, err := r.at(col, row)
	if err != nil || direct && has != (at >= 0) {
		t.Fatalf("column %d, row %d: at says %t, %v; the page has %d", col, row, has, err, at)
	}
	if row%61 == 0 {
		r.checkPart(col, row, v)
	}
	if at < 0 {
		return "", false
	}
	switch {
	case v.ids != nil:
		return v.ids[at].String(), true
	case len(v.codes) > 0:
		if direct && x != uint64(v.codes[at]) {
			t.Fatalf("column %d, row %d: at says %d; the page has %d", col, row, x, v.codes[at])
		}
		if r.texts[col] == nil {
			r.texts[col] = r.pagedColumns.texts(col)
		}
		text, err := r.texts[col].at(v.codes[at])
		if err != nil {
			t.Fatal(err)
		}
		return string(text), true
	}
	if direct && x != v.nums[at] {
		t.Fatalf("column %d, row %d: at says %d; the page has %d", col, row, x, v.nums[at])
	}
	return fmt.Sprintf("%016x", v.nums[at]), true
}

// checkPart reads a part of a page around a row, which is to be what the page has there.
func (r *reading) checkPart(col int, row uint32, page *vector) {
	r.t.Helper()
	from := max(int(page.from), int(row)-int(row*7919%1500))
	to := min(int(page.to), int(row)+1+int(row*104729%1500))
	var part vector
	if err := r.read(col, uint32(from), uint32(to), &part); err != nil {
		r.t.Fatal(err)
	}
	k, end := from-int(page.from), to-int(page.from)
	if page.sparse {
		k, _ = slices.BinarySearch(page.rows, uint32(from))
		end, _ = slices.BinarySearch(page.rows, uint32(to))
		if !slices.Equal(part.rows, page.rows[k:end]) {
			r.t.Fatalf("column %d: rows %d to %d are other ones than the page's", col, from, to)
		}
	}
	same := true
	switch {
	case len(page.ids) > 0:
		same = slices.Equal(part.ids, page.ids[k:end])
	case len(page.nums) > 0:
		same = slices.Equal(part.nums, page.nums[k:end])
	case len(page.codes) > 0:
		same = slices.Equal(part.codes, page.codes[k:end])
	}
	if !same || part.from != uint32(from) || part.to != uint32(to) {
		r.t.Fatalf("column %d: rows %d to %d have other values than the page", col, from, to)
	}
}

// TestSegmentRoundTrip writes random heads and reads them with both readers.
func TestSegmentRoundTrip(t *testing.T) {
	sizes := []int{1, 2, 63, 64, 65, 130, 8191, 8192, 8193}
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SampledFrom(sizes[:6]).Draw(rt, "rows")
		roundTrip(t, randomHead(rapid.Uint64().Draw(rt, "seed"), rows, rapid.Bool().Draw(rt, "wide")).snapshot())
	})
	for i, rows := range sizes[6:] {
		roundTrip(t, randomHead(uint64(i), rows, false).snapshot())
	}
}

func roundTrip(t *testing.T, s *snapshot) {
	t.Helper()
	opened, data := written(t, s)
	if opened.rows() != s.n {
		t.Fatalf("%d rows, want %d", opened.rows(), s.n)
	}
	seg := columnsOf(t, opened)
	order := make([]uint32, s.n)
	for i := range order {
		order[i] = uint32(i)
	}
	ids, starts, spans := s.cols[colTrace].ids, s.cols[colStart].nums, s.cols[colSpan].nums
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(ids[a].Compare(ids[b]), cmp.Compare(int64(starts[a]), int64(starts[b])), cmp.Compare(spans[a], spans[b]))
	})
	columns := map[int]int{} // of the snapshot by that of the segment
	for col := range numFixed {
		columns[col] = col
	}
	for i, a := range s.list {
		if at, ok := slices.BinarySearchFunc(seg.list, a, attrColumn.compare); ok {
			columns[numFixed+at] = numFixed + i
		}
	}
	if n := min(len(s.list), maxAttrColumns); len(seg.list) != n || len(columns) != numFixed+n {
		t.Fatalf("%d attribute columns, want %d", len(seg.list), n)
	}
	overflow := len(s.list) > maxAttrColumns
	leaves, leafOf := leafValues(t, data), leavesOf(t, data, seg)
	heads, sealed := readingOf(t, s), readingOf(t, seg)
	for col, from := range columns {
		leaf := leaves[leafOf[col]]
		for at, row := range order {
			if col == colMore && overflow {
				checkMore(t, s, sealed, columns, row, uint32(at))
				continue
			}
			want, ok := heads.value(from, row)
			if got, has := sealed.value(col, uint32(at)); got != want || has != ok {
				t.Fatalf("column %d, row %d: %.60q %t, want %.60q %t", col, at, got, has, want, ok)
			}
			if col == colParent && s.cols[col].nums[row] == 0 {
				want, ok = "", false
			}
			if got, has := leafText(leaf[at]); got != want || has != ok {
				t.Fatalf("column %d, row %d: the library reads %.60q %t, want %.60q %t", col, at, got, has, want, ok)
			}
		}
	}
}

// checkMore checks the attributes without columns of a row.
func checkMore(t *testing.T, s *snapshot, seg *reading, columns map[int]int, row, at uint32) {
	t.Helper()
	var want []span.Attribute
	if text := s.moreOf(row); text != nil {
		attrs, err := parseMap(string(text))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, attrs...)
	}
	has := map[int]bool{}
	for _, from := range columns {
		has[from] = true
	}
	for i, a := range s.list {
		c := &s.cols[numFixed+i]
		if place := c.find(row); place >= 0 && !has[numFixed+i] {
			v := span.Value{Type: a.typ}
			if a.typ.IsText() {
				v.Str = string(c.d.at(c.codes[place]))
			} else {
				v.Num = c.nums[place]
			}
			want = append(want, span.Attribute{Key: a.key, Value: v})
		}
	}
	var got []span.Attribute
	if text, ok := seg.value(colMore, at); ok {
		var err error
		if got, err = parseMap(text); err != nil {
			t.Fatal(err)
		}
	}
	if d := gocmp.Diff(canonical(want), got); len(want)+len(got) > 0 && d != "" {
		t.Fatalf("more_attributes (-want +got):\n%.500s", d)
	}
}

// leafValues are the values of all leaves as the library reads them.
func leafValues(t *testing.T, data []byte) [][]parquet.Value {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]parquet.Value
	for _, chunk := range f.RowGroups()[0].ColumnChunks() {
		var values []parquet.Value
		pages := chunk.Pages()
		for {
			page, err := pages.ReadPage()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			read := make([]parquet.Value, page.NumValues())
			n, err := page.Values().ReadValues(read)
			if n != len(read) || err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%d of %d values: %v", n, len(read), err)
			}
			for _, v := range read {
				values = append(values, v.Clone())
			}
			checkBounds(t, chunk, (len(values)-1)/pageRows, read)
			parquet.Release(page)
		}
		if err := pages.Close(); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, values)
	}
	return leaves
}

// checkBounds checks the column index of a page.
func checkBounds(t *testing.T, chunk parquet.ColumnChunk, p int, values []parquet.Value) {
	t.Helper()
	index, err := chunk.ColumnIndex()
	if err != nil {
		t.Fatal(err)
	}
	nulls, compare := int64(0), chunk.Type().Compare
	low, high := index.MinValue(p), index.MaxValue(p)
	if low.Kind() == parquet.Double && (math.IsNaN(low.Double()) || math.IsNaN(high.Double())) {
		t.Fatalf("column %d: a NaN is a bound", chunk.Column())
	}
	for _, v := range values {
		switch {
		case v.IsNull():
			nulls++
		case v.Kind() == parquet.Double && math.IsNaN(v.Double()):
		case compare(v, low) < 0 || compare(v, high) > 0:
			t.Fatalf("column %d: %.60v is not within %.60v and %.60v", chunk.Column(), v, low, high)
		}
	}
	if index.NullCount(p) != nulls || index.NullPage(p) != (nulls == int64(len(values))) {
		t.Fatalf("column %d: %d nulls, want %d", chunk.Column(), index.NullCount(p), nulls)
	}
}

// leafText is a value as valueAt has it.
func leafText(v parquet.Value) (string, bool) {
	switch {
	case v.IsNull():
		return "", false
	case v.Kind() == parquet.Int64:
		return fmt.Sprintf("%016x", v.Uint64()), true
	case v.Kind() == parquet.Double:
		return fmt.Sprintf("%016x", math.Float64bits(v.Double())), true
	case v.Kind() == parquet.Boolean:
		return fmt.Sprintf("%016x", span.BoolValue(v.Boolean()).Num), true
	case v.Kind() == parquet.FixedLenByteArray && len(v.ByteArray()) == 8:
		return fmt.Sprintf("%016x", binary.BigEndian.Uint64(v.ByteArray())), true
	case v.Kind() == parquet.FixedLenByteArray:
		return traceID(v.ByteArray()).String(), true
	}
	return string(v.ByteArray()), true
}

// leavesOf are the leaves of the columns in the schema of the file.
func leavesOf(t *testing.T, data []byte, seg *segmentColumns) []int {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	leaves := make([]int, len(seg.starts))
	for col := range leaves {
		leaves[col] = slices.IndexFunc(f.Metadata().RowGroups[0].Columns, func(c format.ColumnChunk) bool {
			return uint64(c.MetaData.DataPageOffset) == seg.starts[col][0]
		})
		if leaves[col] < 0 {
			t.Fatalf("column %d is not in the footer", col)
		}
	}
	return leaves
}

// TestVersion1 reads a file that was written when the format was given its number: later writers may write
// other pages, but readers go on reading these. (go test -run TestVersion1 -update writes it again, which only a new
// version may ask for.)
func TestVersion1(t *testing.T) {
	s := randomHead(7, 40, false).snapshot()
	now, data := written(t, s)
	name := "testdata/version1.parquet"
	if *update {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want, old := columnsOf(t, now), columnsOf(t, opened(t, data))
	if d := gocmp.Diff(want.list, old.list, gocmp.AllowUnexported(attrColumn{})); d != "" {
		t.Fatalf("columns (-now +old):\n%s", d)
	}
	last, first := readingOf(t, want), readingOf(t, old)
	for col := range old.directory.columns {
		for row := range uint32(s.n) {
			want, ok := last.value(col, row)
			if got, has := first.value(col, row); got != want || has != ok {
				t.Errorf("column %d, row %d: %.60q %t, want %.60q %t", col, row, got, has, want, ok)
			}
		}
	}
}

var update = flag.Bool("update", false, "write golden files")

func TestTextBounds(t *testing.T) {
	for _, text := range []string{
		"", "short", "exactly sixteen.", "more than sixteen bytes", strings.Repeat("\U0010ffff", 5), strings.Repeat("\xff", 17),
		"fifteen bytes..é and more", strings.Repeat("\ud7ff", 6), "\x00" + strings.Repeat("\xff", 30), "a" + strings.Repeat("\U0010ffff", 5),
	} {
		low, high := string(lowText([]byte(text))), string(highText([]byte(text)))
		if low > text || high < text {
			t.Errorf("%q is not within %q and %q", text, low, high)
		}
		if utf8.ValidString(text) && (!utf8.ValidString(low) || !utf8.ValidString(high)) {
			t.Errorf("the bounds of %q are not UTF-8: %q, %q", text, low, high)
		}
	}
}
