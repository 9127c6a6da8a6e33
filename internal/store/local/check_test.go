package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// checkAll is the report on a directory, a line for each file and each damage.
func checkAll(t *testing.T, fsys vfs.FS) (lines []string, damages []Damage) {
	t.Helper()
	o := options(fsys, "/data")
	o.Encode = nil
	for f, err := range Check(t.Context(), o) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s: %d spans, %d batches", f.Name, f.Spans, f.Batches)
		if f.Note != "" {
			line += " (" + f.Note + ")"
		}
		lines = append(lines, line)
		for _, d := range f.Damages {
			lines = append(lines, fmt.Sprintf("  %d: %s", d.Offset, d.Reason))
			damages = append(damages, d)
		}
	}
	return lines, damages
}

func TestCheck(t *testing.T) {
	good, ends := logOf(0, 1, 2)
	later, laterEnds := logOf(3, 4)
	segment := segmentOf(t, good)
	flipped := func(data []byte, at int) []byte {
		data = bytes.Clone(data)
		data[at] ^= 1
		return data
	}
	unknown := append(bytes.Clone(good), append(appendFrame(nil, 1, []byte("x")), 'x')...)
	version := bytes.Clone(good)
	version[len(logMagic)]++
	newer := ofVersion(segment, 9)

	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"a store that is new", map[string][]byte{lockName: nil}, nil},
		{
			"a store that is sound",
			map[string][]byte{"000001.parquet": segment, "000002.log": later, lockName: nil, "notes.txt": []byte("not ours")},
			[]string{"000001.parquet: 6 spans, 0 batches", "000002.log: 4 spans, 2 batches"},
		},
		{
			"what a crash leaves",
			map[string][]byte{"000001.parquet": segment, "000001.log": good, "000002.parquet.tmp": segment[:9], "000002.log": good, "000003.log": later[:laterEnds[0]+5]},
			[]string{
				"000001.log: 6 spans, 3 batches (its segment is there as well: the server removes this log, unless it cannot open the segment)",
				"000001.parquet: 6 spans, 0 batches",
				"000002.log: 6 spans, 3 batches",
				"000002.parquet.tmp: 0 spans, 0 batches (being written, or left by a crash; the server removes it when it starts)",
				"000003.log: 2 spans, 1 batches (5 bytes at the end are not a whole batch: being written, or torn by a crash and never acknowledged)",
			},
		},
		{
			"frames of logs",
			map[string][]byte{"000001.log": flipped(good, ends[0]+20), "000002.log": good[:ends[1]+frameHeader], "000003.log": unknown, "000004.log": later},
			[]string{
				"000001.log: 4 spans, 2 batches",
				fmt.Sprintf("  %d: the checksum of the frame does not match", ends[0]),
				"000002.log: 4 spans, 2 batches",
				fmt.Sprintf("  %d: a frame of %d bytes where there are 1", ends[1], ends[2]-ends[1]-frameHeader+1),
				"000003.log: 6 spans, 3 batches",
				fmt.Sprintf("  %d: format 1", len(good)),
				"000004.log: 4 spans, 2 batches",
			},
		},
		{
			"logs as a whole",
			map[string][]byte{"000001.log": version, "000002.log": []byte("something else"), "000003.log": later},
			[]string{
				"000001.log: 0 spans, 0 batches", "  0: log of version 2, this program knows version 1",
				"000002.log: 0 spans, 0 batches", "  0: not a log of Shuai: it does not begin with SHUAILOG",
				"000003.log: 4 spans, 2 batches",
			},
		},
		{
			"segments as a whole",
			map[string][]byte{"000001.parquet": newer, "000002.parquet.bad": segment, "000003.log.bad": good},
			[]string{
				"000001.parquet: 0 spans, 0 batches", "  -1: version 9, want 1",
				"000002.parquet.bad: 0 spans, 0 batches", "  -1: set aside by the server; delete it when nobody wants to look into it",
				"000003.log.bad: 0 spans, 0 batches", "  -1: set aside by the server; delete it when nobody wants to look into it",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := diskWith(t, c.files)
			before := contents(t, disk, "/data")
			got, _ := checkAll(t, readingOnly(t, disk))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if after := contents(t, disk, "/data"); !maps.Equal(before, after) {
				t.Error("the directory has changed")
			}
		})
	}
}

// TestCheckSegment damages a page, the dictionary of a page and half of the file.
func TestCheckSegment(t *testing.T) {
	good, _ := logOf(0, 1, 2)
	segment := segmentOf(t, good)
	spanIDs := whereSpanIDsAre(t, segment)
	bad := bytes.Clone(segment)
	bad[spanIDs+3] ^= 4
	lines, damages := checkAll(t, diskWith(t, map[string][]byte{"000001.parquet": bad}))
	if len(damages) != 1 || damages[0].Reason != "column span_id: the checksum of the page does not match" ||
		damages[0].Offset > int64(spanIDs) || damages[0].Offset < int64(spanIDs)-100 {
		t.Errorf("a bit of byte %d: %q", spanIDs+3, lines)
	}
	for _, size := range []int{0, 3, len(segment) / 2, len(segment) - 1} {
		lines, damages := checkAll(t, diskWith(t, map[string][]byte{"000001.parquet": segment[:size]}))
		if len(damages) != 1 {
			t.Errorf("the first %d bytes: %q", size, lines)
		}
	}
}

// ofVersion is a segment that says to be of another version.
func ofVersion(segment []byte, version uint32) []byte {
	p := bytes.Clone(segment)
	at := len(p) - 8 - int(binary.LittleEndian.Uint32(p[len(p)-8:])) - tailSize
	binary.LittleEndian.PutUint32(p[at+24:], version)
	binary.LittleEndian.PutUint32(p[at+28:], crc32.Checksum(p[at:at+28], castagnoli))
	return p
}

// whereSpanIDsAre finds those of batches 0, 1 and 2, which are plain.
func whereSpanIDsAre(t *testing.T, segment []byte) int {
	t.Helper()
	var ids []byte
	for id := range uint64(6) {
		ids = binary.BigEndian.AppendUint64(ids, id+1)
	}
	at := bytes.Index(segment, ids)
	if at < 0 {
		t.Fatal("no span ids in the segment")
	}
	return at
}

// TestCheckFlippedBits: when Check finds nothing, the answers are right.
func TestCheckFlippedBits(t *testing.T) {
	var batches []int
	for i := range 20 {
		batches = append(batches, i)
	}
	log, _ := logOf(batches...)
	good := segmentOf(t, log)
	answers := func(data []byte) (text string) {
		s, err := Open(options(diskWith(t, map[string][]byte{"000001.parquet": data}), "/data"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for i := range batches {
			b, err := s.Trace(t.Context(), numbered(i).TraceID[0])
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			for row := range b.Len() {
				text += fmt.Sprintf("%+v\n", b.Span(row))
			}
		}
		return text
	}
	want := answers(good)
	footer := len(good) - 8 - int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	found, harmless, missed := 0, 0, 0
	for at := 1; at < len(good); at += 17 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		_, damages := checkAll(t, diskWith(t, map[string][]byte{"000001.parquet": bad}))
		switch {
		case len(damages) > 0:
			found++
		case answers(bad) == want:
			harmless++
		case at < footer:
			t.Errorf("a bit of byte %d of %d is flipped, the answers are others, and nothing is found", at, len(good))
		default:
			missed++
		}
	}
	t.Logf("%d flips found, %d harmless, %d in the footer missed", found, harmless, missed)
	if found < harmless || missed > found/100 {
		t.Errorf("%d flips found, %d harmless, %d in the footer missed", found, harmless, missed)
	}
}

// TestCheckValues writes segments whose checksums are right and whose contents are not.
func TestCheckValues(t *testing.T) {
	bad := func(change func(*snapshot)) []byte {
		h := newHead(1)
		h.append(numbered(0))
		h.append(numbered(3))
		s := *h.snapshot()
		change(&s)
		disk := diskWith(t, nil)
		if err := writeSegment(disk, "/data/x", &s); err != nil {
			t.Fatal(err)
		}
		data, err := vfs.ReadFile(disk, "/data/x")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	text := func(col int, text string) func(*snapshot) {
		return func(s *snapshot) {
			var d dictBuilder
			d.intern([]byte(text))
			c := &s.cols[col]
			c.d, c.codes = d.dict, make([]uint32, s.n)
			if c.sparse {
				c.rows = nil
				for row := range uint32(s.n) {
					c.rows = append(c.rows, row)
				}
			}
		}
	}
	for _, c := range []struct {
		column string
		change func(*snapshot)
		want   string // prefix; "": sound
	}{
		{"", func(*snapshot) {}, ""},
		{"kind", text(colKind, "nonsense"), "entry 0 of the dictionary: "},
		{"status", text(colStatus, ""), "entry 0 of the dictionary: "},
		{"resource", text(colResource, "{"), "entry 0 of the dictionary: "},
		{"scope", text(colScope, "]"), "entry 0 of the dictionary: "},
		{"events", text(colEvents, "[1]"), "entry 0 of the dictionary: "},
		{"links", text(colLinks, "x"), "entry 0 of the dictionary: "},
		{"more_attributes", text(colMore, "x"), "entry 0 of the dictionary: "},
	} {
		lines, damages := checkAll(t, diskWith(t, map[string][]byte{"000001.parquet": bad(c.change)}))
		switch {
		case c.want == "" && len(damages) > 0:
			t.Errorf("sound: %q", lines)
		case c.want == "":
		case len(damages) != 1 || !strings.HasPrefix(damages[0].Reason, "column "+c.column+": "+c.want) || damages[0].Offset < 4:
			t.Errorf("%s: %q", c.column, lines)
		}
	}
}

// TestCheckRows changes, in the directory of a segment, what hides rows from queries.
func TestCheckRows(t *testing.T) {
	h := newHead(1)
	for _, i := range []int{0, 3, 4} {
		h.append(numbered(i))
	}
	for _, c := range []struct {
		name   string
		change func(*segmentColumns)
		want   string
	}{
		{"sound", func(*segmentColumns) {}, ""},
		{"bounds", func(s *segmentColumns) { s.directory.stats[0].maxDuration++ }, "column start_time: page 0: the bounds of trace ids, starts or durations are others than the values'"},
		{"filter", func(s *segmentColumns) { clear(s.head.traces) }, "column trace_id: row 0: the filter of trace ids does not know the id"},
		{"place", func(s *segmentColumns) { s.starts[colSpan][0]-- }, "column span_id: index and footer place its pages differently"},
		{"operations", func(s *segmentColumns) {
			ops, err := s.operations()
			if err != nil {
				t.Fatal(err)
			}
			ops[0].count++
		}, "the operations of the index are not the sums of the rows"},
	} {
		seg, data := written(t, h.snapshot())
		columns, err := seg.columns()
		if err != nil {
			t.Fatal(err)
		}
		r := FileReport{Bytes: int64(len(data))}
		check := segmentCheck{r: &r, data: data, seg: columns.(*segmentColumns), offsets: map[string][]int64{}}
		if err := check.checkPages(); err != nil {
			t.Fatal(err)
		}
		c.change(check.seg)
		check.checkRows()
		check.checkColumns()
		check.checkOperations()
		got := ""
		if len(r.Damages) > 0 {
			got = r.Damages[0].Reason
		}
		if got != c.want || len(r.Damages) > 1 {
			t.Errorf("%s: %v, want %q", c.name, r.Damages, c.want)
		}
	}
}

// TestCheckVector gives pages that a reader must not give.
func TestCheckVector(t *testing.T) {
	for _, c := range []struct {
		name string
		v    vector
		l    layout
		want string
	}{
		{"dense", vector{from: 8, nums: make([]uint64, 3)}, numLayout, ""},
		{"too few", vector{nums: make([]uint64, 2)}, numLayout, "2 values, want 3"},
		{"ids", vector{ids: make([]span.TraceID, 3)}, idLayout, ""},
		{"codes", vector{codes: []uint32{0, 1, 1}}, textLayout, ""},
		{"a code too large", vector{codes: []uint32{0, 2, 1}}, textLayout, "code 2 of a dictionary of 2"},
		{"sparse", vector{from: 8, sparse: true, rows: []uint32{8, 10}, codes: []uint32{0, 1}}, textLayout, ""},
		{"no value at all", vector{sparse: true}, textLayout, ""},
		{"before the page", vector{from: 8, sparse: true, rows: []uint32{7}, codes: []uint32{0}}, textLayout, "row 7 is out of place"},
		{"behind the page", vector{from: 8, sparse: true, rows: []uint32{11}, codes: []uint32{0}}, textLayout, "row 11 is out of place"},
		{"twice", vector{from: 8, sparse: true, rows: []uint32{8, 8}, codes: []uint32{0, 1}}, textLayout, "row 8 is out of place"},
	} {
		got := ""
		if err := c.v.check(3, c.l, 2); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	log, _ := logOf(0)
	disk := diskWith(t, map[string][]byte{"000001.log": log, "000002.parquet": segmentOf(t, log)})
	for _, op := range []vfs.Op{vfs.OpOpen, vfs.OpRead} { // what cannot be read is damaged
		_, damages := checkAll(t, vfs.Inject(disk, func(o vfs.Op, _ string) error {
			if o == op {
				return syscall.EIO
			}
			return nil
		}))
		if len(damages) != 2 || !strings.Contains(damages[0].Reason, syscall.EIO.Error()) || !strings.Contains(damages[1].Reason, syscall.EIO.Error()) {
			t.Errorf("%s fails: %v", op, damages)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		o    Options
		want error
	}{
		{ctx, options(disk, "/data"), context.Canceled},
		{t.Context(), options(vfs.OS(), t.TempDir()), ErrNoStore},
		{t.Context(), options(disk, "/nowhere"), fs.ErrNotExist},
	} {
		n := 0
		for _, err := range Check(c.ctx, c.o) {
			if n++; !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		}
		if n != 1 {
			t.Errorf("%v came %d times", c.want, n)
		}
	}
}

func TestInspect(t *testing.T) {
	o := onMem(t)
	s := open(t, o)
	for i := range 5 {
		mustAppend(t, s, numbered(i))
		if i%2 == 1 {
			sealNow(t, s)
		}
	}
	st := s.Stats()
	inv, err := Inspect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	columns := inv.Columns
	inv.Columns = nil
	want := Inventory{
		Segments: 2, SegmentSpans: 8, SegmentBytes: st.Bytes - st.LogBytes, Logs: 1, LogSpans: 2, LogBytes: st.LogBytes,
		Oldest: 0, Newest: 4, Services: []Share{{"unknown_service", 10}},
	}
	if d := cmp.Diff(want, inv); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	total, names := int64(0), map[string]bool{}
	for i, c := range columns {
		if i > 0 && c.Amount > columns[i-1].Amount || c.Amount <= 0 {
			t.Errorf("columns are out of order: %v", columns)
		}
		total += c.Amount
		names[c.Name] = true
	}
	if total >= inv.SegmentBytes || total < inv.SegmentBytes/10 || !names["attr.batch"] || !names["trace_id"] || len(names) != numFixed+1 {
		t.Errorf("%d bytes in %v of segments of %d", total, columns, inv.SegmentBytes)
	}
	if _, err := Inspect(t.Context(), options(vfs.OS(), t.TempDir())); !errors.Is(err, ErrNoStore) {
		t.Errorf("an empty directory: %v", err)
	}
}
