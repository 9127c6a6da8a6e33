package local

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// mended is the bytes of a segment with the checksums of its index made right, so that what lies behind them is read.
// ok is false if there is no index to be found.
func mended(data []byte) (_ []byte, ok bool) {
	data = append([]byte(nil), data...)
	end := len(data) - 8
	if end < 4 {
		return nil, false
	}
	copy(data, parquetMagic)
	copy(data[end+4:], parquetMagic)
	at := end - int(binary.LittleEndian.Uint32(data[end:])) - tailSize
	if at < 0 || at > end-tailSize {
		return nil, false
	}
	sum := func(p []byte, n uint64) []byte { // and what follows it
		if uint64(len(p)) < n+4 {
			return nil
		}
		binary.LittleEndian.PutUint32(p[n:], crc32.Checksum(p[:n], castagnoli))
		return p[n+4:]
	}
	binary.LittleEndian.PutUint32(data[at+24:], segmentVersion)
	sum(data[at:], 28)
	copy(data[at+32:], indexMagic)
	t, err := readTail(data)
	if err != nil || len(t.index) < headSize {
		return nil, false
	}
	sizes := t.index[headSize-12:]
	rest := t.index
	for i, n := range [...]uint64{headSize, 0, 0} {
		rest = sum(rest, n+uint64(binary.LittleEndian.Uint32(sizes[4*i:])))
	}
	return data, true
}

// mend makes the checksums of pages, dictionaries and Bloom filters those of what is there.
func (s *segmentColumns) mend() {
	d, size := s.directory, uint64(len(s.data))
	for col := range d.columns {
		c := &d.columns[col]
		if from := c.off + uint64(c.dict.header); from+uint64(c.dict.body) <= size {
			c.dict.crc = crc32.ChecksumIEEE(s.data[from : from+uint64(c.dict.body)])
		}
		d.sums[col] = crc32.Checksum(s.data[c.bloom:c.bloom+uint64(c.blooms)], castagnoli)
		for p := range c.pages {
			page := &c.pages[p]
			from := d.starts[col][p] + uint64(page.header)
			page.crc = crc32.ChecksumIEEE(s.data[from : from+uint64(page.levels)+uint64(page.body)])
		}
	}
}

// FuzzSegment reads all that can be read of segments that nobody has written: the answer is one, or that they are
// corrupt.
func FuzzSegment(f *testing.F) {
	for seed, rows := range []int{1, 7, 60} {
		_, data := written(f, randomHead(uint64(seed), rows, false).snapshot())
		f.Add(data)
	}
	var exprs []store.Expr
	for _, text := range []string{
		`{}`, `{ name = "GET" || name =~ "a.*" }`, `{ some.0 != nil && !(some.1 > 3) }`, `{ duration > 1ms && root }`, `{ status = error || kind = client }`,
		`{ traceDuration > 1s || rootName = "GET" }`, `{ resource.a = 1 || one = "one" }`, `{ conflict = 1 }`, `{ statusMessage = "" }`,
	} {
		e, err := store.ParseFilter(text)
		if err != nil {
			f.Fatal(err)
		}
		exprs = append(exprs, e)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data, ok := mended(data)
		if !ok {
			return
		}
		seg, err := openSegment(diskWith(t, map[string][]byte{"000001.parquet": data}), "/data/000001.parquet", 1, 1, newCache(64<<20))
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		columns, err := seg.columns()
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		c := columns.(*segmentColumns)
		c.mend()
		if c.rows() > 2*pageRows {
			return // too long for a fuzz target
		}
		ask := func(do func(context.Context, view) error) {
			err := faultless(func() error { return do(t.Context(), view{newCursor(seg, &vectors{})}) })
			if !errors.Is(err, store.ErrNotFound) {
				wantCorrupt(t, err)
			}
		}
		for col := range numFixed + len(c.attrs()) {
			for p := range pagesOf(c.rows()) {
				wantCorrupt(t, c.page(col, p, &vector{}))
				var m bitmap
				wantCorrupt(t, c.present(col, p, &m))
			}
			if c.layoutOf(col) == textLayout {
				wantCorrupt(t, c.texts(col).all(func(_ uint32, text []byte) error {
					_, err := c.mayHold(col, text)
					return err
				}))
			}
			for _, row := range []int{0, c.rows() / 2, c.rows() - 1} {
				_, _, _, err := c.at(col, uint32(row))
				wantCorrupt(t, err)
			}
		}
		for _, id := range []span.TraceID{c.bounds().firstTrace, c.bounds().lastTrace, {Lo: 1}, {Hi: 1 << 62, Lo: 1}} {
			ask(func(ctx context.Context, v view) error { _, err := v.traceReader(false).read(ctx, id); return err })
		}
		for i, e := range exprs {
			for _, within := range []store.TimeRange{{}, {From: c.bounds().minStart + 1, To: c.bounds().maxStart}} {
				ask(func(ctx context.Context, v view) error {
					_, err := v.choose(ctx, store.Query{Filter: e, Range: within, Order: store.Order(i % 3), Limit: 5 + 100*(i%2), Count: i%4 > 1})
					return err
				})
				ask(func(ctx context.Context, v view) error {
					_, err := v.aggregate(ctx, store.AggregateQuery{Filter: e, Range: within, By: []store.Field{
						{Name: "conflict"}, store.ServiceName, store.Name, store.Root, store.Duration,
					}[i%5:][:1]}, 1<<18)
					return err
				})
			}
		}
		for of := store.Services; of <= store.Values; of++ {
			ask(func(ctx context.Context, v view) error {
				_, err := v.list(ctx, store.NamesQuery{Of: of, Field: store.Field{Name: "some.2"}})
				return err
			})
		}
		ask(func(context.Context, view) error { return seg.addTo(newHead(2)) })
	})
}

// wantCorrupt wants no error but that of a corrupt segment.
func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*corruptError](err); err != nil && !ok {
		t.Fatalf("not said to be corrupt: %v", err)
	}
}
