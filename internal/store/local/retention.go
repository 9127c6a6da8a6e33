package local

import (
	"cmp"
	"slices"
	"time"
)

// retainEvery is how often the store looks for segments that have become too old; it also looks whenever
// a segment has been sealed.
const retainEvery = time.Minute

// tenure is what retention asks of a segment. Times are Unix ns.
type tenure struct {
	number uint64
	bytes  int64
	latest int64 // start of its youngest span
	sealed int64 // when its file was written, by the file system
}

// from is the time from which the segment ages: the start of its youngest span. A start in the future is a
// clock that is ahead, and must not keep the segment for ever: then it is the time of sealing. Only then,
// because tools that restore files may set any time.
func (t tenure) from(now int64) int64 {
	if t.latest > now {
		return min(t.sealed, now)
	}
	return t.latest
}

// expiry is a segment to drop, and why.
type expiry struct {
	tenure
	reason string
}

// expired lists the segments to drop, the oldest first: those with no span younger than age, and of the
// others the oldest until what is left takes, with logBytes of logs, at most maxBytes. A bound that is not
// positive is none. Logs count since the disk must hold them, but are never dropped: they become segments.
func expired(segments []tenure, logBytes, now int64, age time.Duration, maxBytes int64) []expiry {
	segments = slices.Clone(segments)
	slices.SortFunc(segments, func(a, b tenure) int {
		return cmp.Or(cmp.Compare(a.from(now), b.from(now)), cmp.Compare(a.number, b.number))
	})
	total := logBytes
	for _, t := range segments {
		total += t.bytes
	}
	var drop []expiry
	for _, t := range segments {
		switch {
		case age > 0 && t.from(now) < now-int64(age):
			drop = append(drop, expiry{t, "older than the retention"})
		case maxBytes > 0 && total > maxBytes:
			drop = append(drop, expiry{t, "more than the maximum of bytes"})
		default:
			return drop // those that follow are younger, and all of them fit
		}
		total -= t.bytes
	}
	return drop
}

// tenureOf describes a segment; the caller holds s.mu.
func (s *Store) tenureOf(seg *segment) tenure {
	return tenure{seg.number, seg.size, seg.bounds().maxStart, seg.sealed}
}

// retains says whether the store ever drops segments.
func (s *Store) retains() bool { return s.o.Retention > 0 || s.o.MaxBytes > 0 }

// retain drops the segments that have expired. Only the sealer calls it, and Open before there is one.
func (s *Store) retain(now time.Time) {
	if !s.retains() {
		return
	}
	s.mu.Lock()
	segments := make([]tenure, len(s.segments))
	for i, seg := range s.segments {
		segments[i] = s.tenureOf(seg)
	}
	logs := int64(0)
	for _, h := range s.heads {
		logs += h.logBytes.Load()
	}
	s.mu.Unlock()

	some := false
	for _, e := range expired(segments, logs, now.UnixNano(), s.o.Retention, s.o.MaxBytes) {
		if err := s.drop(e); err != nil {
			s.o.Logger.Error("a segment cannot be dropped; it stays", "segment", e.number, "error", err, "retry", retainEvery)
			continue
		}
		some = true
	}
	if some {
		s.complain("make the removal of segments durable", s.fs.SyncDir(s.o.Dir))
	}
}

// discardParts removes what a segment was merged from, should some of it be there still: alone it would count again.
func (s *Store) discardParts(seg *segment) error {
	if seg.first == seg.number {
		return nil
	}
	files, err := listFiles(s.fs, s.o.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.kind == mergedFile && f.first >= seg.first && f.number <= seg.number {
			if err := s.discard(f.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop removes a segment. Queries that read it keep its file open until they end. If the power goes before
// the removal is durable the segment is there again, whole, and the next Open drops it.
func (s *Store) drop(e expiry) error {
	// If the log could not be removed when the segment was sealed, it would bring the spans back.
	if err := s.discard(s.path(e.number, logSuffix)); err != nil {
		return err
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.segments, func(seg *segment) bool { return seg.number == e.number })
	if i < 0 { // a query has set it aside meanwhile
		s.mu.Unlock()
		return nil
	}
	seg := s.segments[i]
	err := s.discardParts(seg)
	if err == nil {
		err = s.discard(seg.name)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.segments = slices.Delete(slices.Clone(s.segments), i, i+1)
	s.droppedSegments++
	s.droppedSpans += int64(seg.rows())
	s.mu.Unlock()
	s.cache.drop(seg.id)
	s.complain("close segment", seg.release())
	s.o.Logger.Info("segment dropped", "segment", e.number, "reason", e.reason, "spans", seg.rows(), "bytes", e.bytes,
		"youngest", time.Unix(0, e.latest).UTC())
	return nil
}
