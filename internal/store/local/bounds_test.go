package local

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

func longNamed(from, n int, name func(i int) string) *span.Batch {
	b := &span.Batch{}
	for i := from; i < from+n; i++ {
		b.Append(&span.Span{TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: span.ID(i + 1), Name: name(i), Start: int64(i), Duration: 1})
	}
	return b
}

// Whatever spans are long in, the head knows what they take: no text is free.
func TestHeadCountsText(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	text := func(i int) string { return fmt.Sprint(i, long) }
	value := func(i int) []span.Attribute { return []span.Attribute{{Key: "k", Value: span.StringValue(text(i))}} }
	for name, put := range map[string]func(s *span.Span, i int){
		"name":      func(s *span.Span, i int) { s.Name = text(i) },
		"message":   func(s *span.Span, i int) { s.StatusMessage = text(i) },
		"state":     func(s *span.Span, i int) { s.TraceState = text(i) },
		"attribute": func(s *span.Span, i int) { s.Attrs = value(i) },
		"map": func(s *span.Span, i int) {
			s.Attrs = []span.Attribute{{Key: "k", Value: span.TextValue(span.Map, `{"a":"`+text(i)+`"}`)}}
		},
		"event":    func(s *span.Span, i int) { s.Events = []span.Event{{Name: text(i)}} },
		"link":     func(s *span.Span, i int) { s.Links = []span.Link{{TraceState: text(i)}} },
		"resource": func(s *span.Span, i int) { s.Resource.Attrs = value(i) },
		"service": func(s *span.Span, i int) {
			s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(text(i))}}
		},
		"schema url": func(s *span.Span, i int) { s.Resource.SchemaURL = text(i) },
		"scope":      func(s *span.Span, i int) { s.Scope.Name = text(i) },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 200
			h := newHead(1)
			for i := range n {
				s := span.Span{TraceID: span.TraceID{Lo: uint64(i + 1)}, SpanID: span.ID(i + 1)}
				put(&s, i)
				h.append(batch(s))
			}
			if least := n * len(long); h.bytes < least {
				t.Errorf("%d bytes of text are counted as %d", least, h.bytes)
			}
		})
	}
}

// Copies make the log longer and the head not: the log is a reason to seal, too.
func TestCopiesDoNotGrowTheLogForEver(t *testing.T) {
	o := options(vfs.NewMem(), "/d")
	o.SegmentBytes = 1 << 20
	s := open(t, o)
	b := longNamed(0, 1000, func(int) string { return strings.Repeat("n", 1000) })
	one := int64(0)
	for range 30 {
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		one = max(one, s.Stats().LogBytes)
	}
	if _, body := encode(b); one > int64(maxHeads*(o.SegmentBytes+2*len(body))) {
		t.Errorf("the logs grew to %d bytes, with a bound of %d and batches of %d", one, o.SegmentBytes, len(body))
	}
}

// While the sealer cannot keep up and the committer waits for it, what was acknowledged before is synced
// as soon as ever: a power cut costs no more than SyncEvery.
func TestSyncedWhileSealerIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		stuck := true
		o := options(vfs.Inject(mem, func(op vfs.Op, name string) error {
			if stuck && op == vfs.OpCreate && strings.HasSuffix(name, tmpSuffix) {
				return errors.New("no room")
			}
			return nil
		}), "/d")
		o.SegmentRows, o.MaxWait = 10, time.Second
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := 0
		for i := range 3 {
			if err := s.Append(t.Context(), longNamed(10*i, 10, func(int) string { return "n" })); err == nil {
				acknowledged += 10
			}
		}
		if acknowledged != 20 {
			t.Fatalf("%d spans were taken; the test wants a head that is being sealed, a full one, and no more", acknowledged)
		}
		time.Sleep(s.o.SyncEvery)
		synctest.Wait()
		after := open(t, options(mem.AfterCrash(), "/d"))
		if n := after.Stats().Spans; n != int64(acknowledged) {
			t.Errorf("%d spans acknowledged, %d after a power cut", acknowledged, n)
		}
		if err := after.Close(); err != nil {
			t.Error(err)
		}
		stuck = false
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
