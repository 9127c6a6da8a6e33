package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// logOf is a log of some batches, and where each frame ends.
func logOf(batches ...int) (data []byte, ends []int) {
	data = binary.LittleEndian.AppendUint32([]byte(logMagic), logVersion)
	for _, i := range batches {
		format, body := encode(numbered(i))
		data = append(appendFrame(data, format, body), body...)
		ends = append(ends, len(data))
	}
	return data, ends
}

// TestRequiredColumn: an index that says of a column that all rows have a value in it, and that there is none, is corrupt. Else a
// row would have a code of a dictionary without texts.
func TestRequiredColumn(t *testing.T) {
	d := directory{stats: make([]pageStats, 1), columns: make([]columnPlace, numFixed), starts: make([][]uint64, numFixed), sums: make([]uint32, numFixed)}
	none := columnPlace{encoding: format.RLEDictionary, pages: make([]pagePlace, 1)}
	v := varints{p: appendColumn(nil, &none, nil)}
	if err := d.parseColumn(&v, colKind, 7, 1<<20); err == nil || !strings.Contains(err.Error(), "0 values in 7 rows") {
		t.Errorf("%v", err)
	}
}

// diskWith is a disk with files in /data.
func diskWith(t testing.TB, files map[string][]byte) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := vfs.WriteFile(disk, filepath.Join("/data", name), data); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// TestTornLog cuts the newest log at every byte: the frames before are there, and the store goes on. Its
// codec makes bodies of one byte, the number of the batch.
func TestTornLog(t *testing.T) {
	o := options(nil, "/data")
	o.Encode = func(b *span.Batch) (byte, []byte) { return 1, []byte{byte(b.Values[0].Num)} }
	o.Decode = func(_ byte, body []byte, b *span.Batch) error {
		for row := range 2 {
			s := numbered(int(body[0])).Span(row)
			b.Append(&s)
		}
		return nil
	}
	data := binary.LittleEndian.AppendUint32([]byte(logMagic), logVersion)
	const n, size = 4, frameHeader + 1
	for i := range n {
		data = append(appendFrame(data, 1, []byte{byte(i)}), byte(i))
	}
	for cut := range len(data) + 1 {
		whole := max(cut-logHeader, 0) / size
		disk := diskWith(t, map[string][]byte{"000007.log": data[:cut]})
		o.FS = disk
		s, err := Open(o)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := s.Append(t.Context(), numbered(9)); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if there := whatIsThere(t, s); len(there) != whole+1 {
			t.Fatalf("cut at %d: %v are there", cut, there)
		}
		if st := s.Stats(); len(st.SetAside) > 0 {
			t.Fatalf("cut at %d: a torn tail is normal, yet %q", cut, st.SetAside)
		}
		o.FS = disk.AfterKill()
		after, err := Open(o)
		if err != nil {
			t.Fatalf("cut at %d: again: %v", cut, err)
		}
		if there := whatIsThere(t, after); len(there) != whole+1 {
			t.Fatalf("cut at %d: again: %v are there", cut, there)
		}
		if err := errors.Join(s.Close(), after.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamage opens what nobody should find, and says what becomes of it.
func TestDamage(t *testing.T) {
	good, ends := logOf(0, 1, 2)
	middle := bytes.Clone(good)
	middle[ends[0]+20] ^= 1
	length := bytes.Clone(good)
	length[ends[0]+len(frameMark)+3] ^= 0x80
	mark := bytes.Clone(good)
	mark[ends[0]] ^= 1
	version := bytes.Clone(good)
	version[len(logMagic)]++
	foreign := append([]byte("something else"), good...)
	format := bytes.Clone(good[:ends[0]])
	format = append(appendFrame(format, 1, []byte("x")), 'x')
	format = append(format, good[ends[0]:]...)

	sealed := diskWith(t, map[string][]byte{"000001.log": good})
	s := open(t, options(sealed, "/data"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment, err := vfs.ReadFile(sealed, "/data/000001.parquet")
	if err != nil {
		t.Fatal(err)
	}
	later, laterEnds := logOf(3, 4)

	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []int    // batches that are there
		aside []string // beginnings of what Stats says
		kept  []string // files that must be there
	}{
		{"a log and its segment", map[string][]byte{"000001.log": good, "000001.parquet": segment}, []int{0, 1, 2}, nil, nil},
		{"a segment half written", map[string][]byte{"000001.log": good, "000001.parquet.tmp": segment[:99]}, []int{0, 1, 2}, nil, nil},
		{"two logs", map[string][]byte{"000001.log": good, "000002.log": later}, []int{0, 1, 2, 3, 4}, nil, nil},
		{"a frame in the middle", map[string][]byte{"000001.log": middle}, []int{0, 2}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a frame of an older log", map[string][]byte{"000001.log": middle, "000002.log": later[:laterEnds[0]]}, []int{0, 2, 3}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"the end of an older log", map[string][]byte{"000001.log": good[:ends[1]+frameHeader], "000002.log": later}, []int{0, 1, 3, 4}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a length", map[string][]byte{"000001.log": length}, []int{0, 2}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a length in an older log", map[string][]byte{"000001.log": length, "000002.log": later}, []int{0, 2, 3, 4}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a mark", map[string][]byte{"000001.log": mark}, []int{0, 2}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a format that nobody knows", map[string][]byte{"000001.log": format}, []int{0, 1, 2}, []string{"000001.log.bad: bytes"}, []string{"000001.log.bad"}},
		{"a log of the future", map[string][]byte{"000001.log": version, "000002.log": good}, []int{0, 1, 2}, []string{"000001.log.bad: log of version 2"}, []string{"000001.log.bad"}},
		{"no log", map[string][]byte{"000001.log": foreign}, nil, []string{"000001.log.bad: not a log"}, []string{"000001.log.bad"}},
		{"half a segment", map[string][]byte{"000001.parquet": segment[:len(segment)/2]}, nil, []string{"000001.parquet.bad: "}, []string{"000001.parquet.bad"}},
		{"an empty segment with its log", map[string][]byte{"000001.parquet": nil, "000001.log": good}, []int{0, 1, 2}, []string{"000001.parquet.bad: "}, []string{"000001.parquet.bad"}},
		{"set aside before", map[string][]byte{"000004.parquet.bad": segment, "000005.log": good}, []int{0, 1, 2}, []string{"000004.parquet.bad: set aside earlier"}, []string{"000004.parquet.bad"}},
		{"not ours", map[string][]byte{"notes.txt": nil, "12.log": nil, "000001.txt": nil}, nil, nil, []string{"notes.txt", "12.log", "000001.txt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := diskWith(t, c.files)
			for range 2 { // nothing changes when it is opened again
				s := open(t, options(disk, "/data"))
				there := whatIsThere(t, s)
				want := map[int]bool{}
				for _, i := range c.want {
					want[i] = true
				}
				if d := cmp.Diff(want, there); d != "" {
					t.Fatalf("batches (-want +got):\n%s", d)
				}
				aside := s.Stats().SetAside
				if len(aside) != len(c.aside) {
					t.Fatalf("set aside: %q, want %q", aside, c.aside)
				}
				for i := range aside {
					if !strings.HasPrefix(aside[i], c.aside[i]) {
						t.Fatalf("set aside: %q, want %q", aside, c.aside)
					}
					name, _, _ := strings.Cut(aside[i], ":")
					c.aside[i] = name + ": set aside earlier"
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range c.kept {
				if ok, err := vfs.Exists(disk, "/data/"+name); !ok || err != nil {
					t.Errorf("%s is gone: %v", name, err)
				}
			}
		})
	}
}

// TestFlippedBits flips a bit in every few bytes of a segment: nothing crashes, and what the pages'
// checksums cover is found. Only the footer has no checksum.
func TestFlippedBits(t *testing.T) {
	disk := vfs.NewMem()
	s := open(t, options(disk, "/data"))
	for i := range 20 {
		if err := s.Append(t.Context(), numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := vfs.ReadFile(disk, "/data/000001.parquet")
	if err != nil {
		t.Fatal(err)
	}
	answers := func(data []byte) (string, []string) {
		disk := diskWith(t, map[string][]byte{"000001.parquet": data})
		s, err := Open(options(disk, "/data"))
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for i := range 20 {
			b, err := s.Trace(t.Context(), numbered(i).TraceID[0])
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			if err != nil {
				continue
			}
			for row := range b.Len() {
				fmt.Fprintf(&text, "%+v\n", b.Span(row))
			}
		}
		aside := s.Stats().SetAside
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return text.String(), aside
	}
	want, _ := answers(good)
	footer := len(good) - 8 - int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	found, missed := 0, 0
	for at := 0; at < len(good); at += 5 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		got, aside := answers(bad)
		switch {
		case len(aside) == 1:
			found++
		case got != want && at < footer:
			t.Errorf("a bit of byte %d of %d is flipped, and the answers are others", at, len(good))
		case got != want:
			missed++
		}
	}
	t.Logf("%d bytes, footer from %d: %d flips found, %d in the footer not found", len(good), footer, found, missed)
	if found == 0 {
		t.Error("no flip was found")
	}
}

// TestDiskError is no corruption: the query fails, the file stays. Here the disk cannot give what another program cut off.
func TestDiskError(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(vfs.OS(), dir))
	if err := s.Append(t.Context(), numbered(0)); err != nil {
		t.Fatal(err)
	}
	sealNow(t, s)
	file := filepath.Join(dir, "000001.parquet")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Trace(t.Context(), numbered(0).TraceID[0]); err == nil || !strings.Contains(err.Error(), "the disk does not give") {
		t.Fatalf("Trace of a disk that fails: %v", err)
	}
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if there := whatIsThere(t, s); len(there) != 1 || len(s.Stats().SetAside) != 0 {
		t.Fatalf("%v are there, %q set aside", there, s.Stats().SetAside)
	}
}

// TestSealWithoutReading: a segment that cannot be read back is none yet; the spans stay in the head.
func TestSealWithoutReading(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	o := options(vfs.Inject(vfs.NewMem(), func(op vfs.Op, name string) error {
		if failing.Load() && op == vfs.OpRead {
			return syscall.EIO
		}
		return nil
	}), "/data")
	o.sealWait = time.Millisecond
	s := open(t, o)
	if err := s.Append(t.Context(), numbered(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s.rotate <- done
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if there := whatIsThere(t, s); len(there) != 1 {
		t.Fatalf("%v are there", there)
	}
	failing.Store(false)
	waitSealed(t, s)
	if there := whatIsThere(t, s); len(there) != 1 || len(s.Stats().SetAside) != 0 {
		t.Fatalf("%v are there, %q set aside", there, s.Stats().SetAside)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(vfs.OS(), dir))
	if _, err := Open(options(vfs.OS(), dir)); !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), dir+" is in use by another process") {
		t.Errorf("a directory in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := vfs.WriteFile(vfs.OS(), file, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(options(vfs.OS(), filepath.Join(file, "data"))); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a directory below a file: %v", err)
	}
	for _, op := range []vfs.Op{vfs.OpMkdir, vfs.OpLock, vfs.OpList, vfs.OpCreate, vfs.OpSyncDir} {
		_, err := Open(options(vfs.Inject(vfs.NewMem(), func(o vfs.Op, _ string) error {
			if o == op {
				return syscall.EACCES
			}
			return nil
		}), "/data"))
		if !errors.Is(err, syscall.EACCES) {
			t.Errorf("%s is forbidden: %v", op, err)
		}
	}
	for _, o := range []Options{{}, {Dir: "x"}, {Encode: encode, Decode: decode}} {
		if _, err := Open(o); err == nil {
			t.Errorf("Open(%+v) succeeds", o)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	good, _ := logOf(0, 1, 2)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte(logMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, damages, err := readLog(data)
		if err != nil {
			return
		}
		covered := min(int64(len(data)), logHeader)
		for _, fr := range frames {
			again := append(appendFrame(nil, fr.format, fr.body), fr.body...)
			if !bytes.HasPrefix(data[fr.at:], again) {
				t.Fatalf("the frame at %d is not what is there", fr.at)
			}
			covered += int64(len(again))
		}
		for _, d := range damages {
			if d.from > d.to || d.reason == "" {
				t.Fatalf("damage %+v", d)
			}
			covered += d.to - d.from
		}
		if len(data) >= logHeader && covered != int64(len(data)) {
			t.Fatalf("%d of %d bytes are accounted for", covered, len(data))
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add(`{"attributes":{"a":1},"schemaUrl":"x"}`)
	f.Add(`[{"time":1,"name":"e","attributes":{"$raw:AA==":{"$raw":{"type":1,"bytes":{"bytesValue":"AAE="}}}}}]`)
	f.Fuzz(func(t *testing.T, text string) { // none of these panics
		_, _ = parseObject(text)
		_, _ = parseObjects(text)
		_, _ = parseMap(text)
	})
}

func FuzzRawMap(f *testing.F) {
	f.Add("key", "value", uint64(0xfff8000000000001))
	f.Add("\xff", "\xfe", uint64(0))
	f.Add("$raw:x", rawPrefix+`1}`, uint64(1))
	f.Fuzz(func(t *testing.T, key, text string, num uint64) {
		in := canonical([]span.Attribute{
			{Key: key, Value: span.StringValue(text)}, {Key: key + "2", Value: span.Value{Type: span.Double, Num: num}},
		})
		out, err := parseMap(string(appendMap(nil, in)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, out); d != "" {
			t.Fatalf("(-in +out):\n%s", d)
		}
	})
}
