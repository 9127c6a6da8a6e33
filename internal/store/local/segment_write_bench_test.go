package local

import (
	"path/filepath"
	"testing"

	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// BenchmarkSeal is the writing of one full segment from its head.
func BenchmarkSeal(b *testing.B) {
	const rows = 131072
	h := newHead(1)
	for _, batch := range workload.Generate(1, 4400) {
		if h.n >= rows {
			break
		}
		h.append(batch)
	}
	s, fsys := h.snapshot(), vfs.OS()
	name := filepath.Join(b.TempDir(), "segment")
	b.ReportAllocs()
	for b.Loop() {
		if err := writeSegment(fsys, name, s); err != nil {
			b.Fatal(err)
		}
	}
	f, err := fsys.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.n), "ns/span")
	b.ReportMetric(float64(size)/float64(s.n), "B/span")
	b.ReportMetric(float64(s.n), "spans")
}
