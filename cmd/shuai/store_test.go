package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store/local"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// storeDir is a data directory with two segments and a log, as a server that was killed leaves it.
func storeDir(t *testing.T) string {
	t.Helper()
	dir, killed := t.TempDir(), t.TempDir()
	open := func() *local.Store {
		s, err := local.Open(local.Options{Dir: dir, Decode: wire.Replay, Encode: wire.Encode})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	evil := smallPage(5, "GET /", time.Second)
	evil.Resources[0].Attrs = span.Range{From: uint32(len(evil.Values))}
	evil.AddAttr(evil.PutText("service.name"), span.StringValue("evil\x1b[2J"))
	evil.Resources[0].Attrs.To = uint32(len(evil.Values))
	lives := [][]*span.Batch{
		{subjectPage()}, {smallPage(1, "GET /", time.Second), evil}, {smallPage(2, "GET /", time.Second), smallPage(3, "GET /", time.Second)},
	}
	for life, batches := range lives {
		s := open()
		for _, b := range batches {
			if err := s.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if life == len(lives)-1 {
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return killed
}

var (
	sizes  = regexp.MustCompile(`[0-9.]+ k?B`)
	perOne = regexp.MustCompile(`(?m)\d+\.\d$`)
	magic  = regexp.MustCompile(`magic footer.*`)
	places = regexp.MustCompile(`at byte \d+`)
	spaces = regexp.MustCompile(` {2,}`)
)

// lastOf is the offset of the last byte of a column of a segment.
func lastOf(t *testing.T, segment []byte, column string) int64 {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(segment), int64(len(segment)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Metadata().RowGroups[0].Columns {
		if m := c.MetaData; m.PathInSchema[0] == column {
			return m.DataPageOffset + m.TotalCompressedSize - 1
		}
	}
	t.Fatalf("no column %s", column)
	return 0
}

// TestStoreGolden compares what the commands print but for sizes and places, which are the writer's.
func TestStoreGolden(t *testing.T) {
	t.Setenv("COLUMNS", "130")
	sound, damaged, empty, other := storeDir(t), storeDir(t), t.TempDir(), t.TempDir()
	write := func(dir, name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(damaged, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	log := read("000003.log")
	write(damaged, "000003.log", log[:len(log)-3])
	write(damaged, "000002.log", append(slices.Clip(log), 'x')) // older than the newest
	first := read("000001.parquet")
	first[lastOf(t, first, "span_id")] ^= 1
	write(damaged, "000001.parquet", first)
	segment := read("000002.parquet")
	write(damaged, "000002.parquet.bad", segment)
	write(damaged, "000002.parquet", segment[:len(segment)/2])
	write(damaged, "000004.parquet.tmp", segment[:9])
	write(empty, "LOCK", nil)
	write(other, "notes.txt", nil)

	for name, tt := range map[string]struct {
		args []string
		code int
	}{
		"store-check":         {[]string{"check", sound}, 0},
		"store-check-damaged": {[]string{"check", damaged}, 1},
		"store-check-empty":   {[]string{"check", empty}, 0},
		"store-check-other":   {[]string{"check", other}, 1},
		"store-check-missing": {[]string{"check", filepath.Join(other, "x")}, 1},
		"store-stats":         {[]string{"stats", sound, "-n", "1"}, 0},
		"store-stats-damaged": {[]string{"stats", damaged, "-n", "0"}, 0},
		"store-stats-empty":   {[]string{"stats", empty}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := shuaiRun(t, append([]string{"store"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("control characters reach the terminal: %q", out)
			}
			if i := strings.Index(out, "column of the segments\n"); i >= 0 { // which is the largest is the writer's as well
				out = out[:i]
			}
			got := out + errs
			for dir, name := range map[string]string{sound: "SOUND", damaged: "DAMAGED", empty: "EMPTY", other: "OTHER"} {
				got = strings.ReplaceAll(got, dir, name)
			}
			got = spaces.ReplaceAllString(perOne.ReplaceAllString(sizes.ReplaceAllString(got, "SIZE"), "N"), "  ")
			got = magic.ReplaceAllString(got, "magic footer …")
			got = places.ReplaceAllString(got, "at byte N")
			file := filepath.Join("testdata", name+".golden")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestStoreStatsJSON(t *testing.T) {
	code, out, errs := shuaiRun(t, "store", "stats", storeDir(t), "-o", "json", "-n", "100")
	var got struct {
		Segments, SegmentSpans, SegmentBytes, Logs, LogSpans, LogBytes int64
		Oldest, Newest                                                 string
		SetAside                                                       []string
		Services                                                       []struct {
			Name  string
			Spans int64
		}
		Columns []struct {
			Name  string
			Bytes int64
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	if got.Segments != 2 || got.Logs != 1 || got.LogSpans != 2 || got.SetAside == nil || len(got.SetAside) > 0 {
		t.Errorf("%+v", got)
	}
	total := int64(0)
	for _, s := range got.Services {
		total += s.Spans
	}
	if total != got.SegmentSpans+got.LogSpans || len(got.Services) != 3 || got.Services[0].Name != "movie-web" {
		t.Errorf("%d spans in %+v", total, got.Services)
	}
	total = 0
	attr := false
	for _, c := range got.Columns {
		total += c.Bytes
		attr = attr || c.Name == "attr.rpc.method"
	}
	if !attr || total <= 0 || total >= got.SegmentBytes {
		t.Errorf("%d of %d bytes, attr.rpc.method: %v", total, got.SegmentBytes, attr)
	}
}

// TestServeRetention: what is too old is gone when the server starts again, and serve says what it keeps.
func TestServeRetention(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		flags []string
		code  int
	}{
		{[]string{"--retention", "0"}, 0},
		{[]string{"--retention", "1000w"}, 0},
		{[]string{"--retention", "1ns"}, 1},
		{[]string{"--retention", "0"}, 1}, // it was deleted
	} {
		s := startServe(t, append(tt.flags, "--data", dir, "--log-level", "error")...)
		if tt.code == 0 {
			post(t, s.otlpHTTP, strings.ReplaceAll(oneSpan, "17953776", "16953776")) // 2023
		}
		if code, out, errs := shuaiRun(t, "trace", "6b0349c00a112a079f3b6c1de85a7042", "--server", s.ui); code != tt.code {
			t.Fatalf("%v: exit code %d, want %d: %s%s", tt.flags, code, tt.code, out, errs)
		}
		if code, errs := s.stop(); code != 0 {
			t.Fatalf("stopped with exit code %d: %s", code, errs)
		}
	}
}

func TestFlagTypes(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "7d": 7 * day, " 2w ": 14 * day, "36h": 36 * time.Hour, "1.5d": 36 * time.Hour, "1h30m": 90 * time.Minute,
		"": -1, "7": -1, "d": -1, "-1d": -1, "-1h": -1, "NaNd": -1, "Infw": -1, "1e300d": -1, "7 days": -1, "1d12h": -1,
	} {
		got := period(-1)
		if err := got.UnmarshalText([]byte(text)); (err != nil) != (want < 0) || time.Duration(got) != want {
			t.Errorf("period %q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]byteCount{
		"0": 0, "1000000": 1e6, "50GB": 50e9, "1.5 kB": 1500, "512MiB": 512 << 20, "2tib": 2 << 40, "7b": 7,
		"": -1, "GB": -1, "-1": -1, "-1GB": -1, "5XB": -1, "1e30": -1, "NaN": -1, "1 2": -1,
	} {
		got := byteCount(-1)
		if err := got.UnmarshalText([]byte(text)); (err != nil) != (want < 0) || got != want {
			t.Errorf("size %q: %v, %v", text, got, err)
		}
	}
	for _, c := range []struct {
		age  period
		size byteCount
		want string
	}{
		{0, 0, "everything"},
		{period(7 * day), 0, "spans of the last 7d"},
		{period(36 * time.Hour), 5e10, "spans of the last 36h0m0s, the newest 50.0 GB"},
		{0, 999, "the newest 999 B"},
	} {
		if got := kept(c.age, c.size); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.00 kB", 999_499: "999 kB", 999_500: "1.00 MB", 1 << 62: "4.61 EB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
