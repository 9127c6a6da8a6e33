package local

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// A server that gets few spans seals them after SealAfter, or when it stops, into segments that are much smaller than
// they could be. Eight neighbours of about one size are merged into one, and eight of these again, until a segment is an
// eighth of a full one or more: so a span is written a few times at most, and days of little traffic are a handful of
// segments. Segments of servers that get many spans are full when they are sealed, and are never written again.

// mergeWay is how many segments are merged at a time, and which part of a full one is large enough.
const mergeWay = 8

// mergeSize is what merging asks of a segment.
type mergeSize struct {
	rows  int
	bytes int64
}

// mergeable finds the first mergeWay neighbours that are small and of about one size: none is more than half of what they
// make, so that with each merging the segment of a span is twice as large or more. What they make has at most full
// rows and so many bytes. n is 0 if there are none.
func mergeable(segments []mergeSize, full int, bytes int64) (from, n int) {
	for i := 0; i+mergeWay <= len(segments); i++ {
		rows, most, size := 0, 0, int64(0)
		for _, s := range segments[i : i+mergeWay] {
			rows += s.rows
			most = max(most, s.rows)
			size += s.bytes
		}
		if most <= min(full/mergeWay, rows/2) && size <= bytes {
			return i, mergeWay
		}
	}
	return 0, 0
}

// merge merges segments until there is nothing to merge. Only the sealer calls it.
func (s *Store) merge() {
	for {
		s.mu.Lock()
		segments := slices.Clone(s.segments)
		for _, seg := range segments {
			seg.acquire()
		}
		s.mu.Unlock()
		sizes := make([]mergeSize, len(segments))
		for i, seg := range segments {
			sizes[i] = mergeSize{seg.rows(), seg.size}
		}
		// The memory of a head is several times the bytes of its segment.
		from, n := mergeable(sizes, s.o.SegmentRows, int64(s.o.SegmentBytes)/8)
		var err error
		if n > 0 {
			err = s.mergeInto(segments[from : from+n])
		}
		for _, seg := range segments {
			s.complain("close segment", seg.release())
		}
		if err != nil {
			s.o.Logger.Error("segments cannot be merged; they stay as they are", "first", segments[from].name, "segments", n, "error", err)
		}
		if n == 0 || err != nil {
			return
		}
	}
}

// mergeInto replaces segments, which are neighbours, by one. Its name says which it has, so that it counts alone from the
// moment of its appearance, and the others can be removed at any later time.
func (s *Store) mergeInto(parts []*segment) error {
	began := time.Now()
	first, number := parts[0].first, parts[len(parts)-1].number
	h := newHead(number)
	err := faultless(func() error {
		for _, part := range parts {
			if err := part.addTo(h); err != nil {
				return err
			}
		}
		return nil
	})
	if corrupt, ok := errors.AsType[*corruptError](err); ok {
		s.quarantine(corrupt) // the others are merged another time
	}
	if err != nil {
		return err
	}
	for _, part := range parts { // a log that is left would be taken for one of the merged segment
		if err := s.discard(s.path(part.number, logSuffix)); err != nil {
			return err
		}
	}
	name := filepath.Join(s.o.Dir, fmt.Sprintf("%06d-%06d%s", first, number, segmentSuffix))
	merged, err := s.install(name, first, number, h.snapshot())
	if err != nil { // if it has its name it would count alone at the next Open, whatever becomes of its parts until then
		return errors.Join(err, s.discard(name))
	}
	s.mu.Lock()
	i := slices.Index(s.segments, parts[0])
	if i < 0 || i+len(parts) > len(s.segments) || !slices.Equal(s.segments[i:i+len(parts)], parts) {
		// A query has set one of them aside meanwhile: then what is here came from a file that is not to be trusted.
		s.mu.Unlock()
		return errors.Join(fmt.Errorf("a part of %s proved corrupt", name), merged.release(), s.discard(name), s.fs.SyncDir(s.o.Dir))
	}
	s.segments = slices.Replace(slices.Clone(s.segments), i, i+len(parts), merged)
	s.mergedSegments += len(parts)
	s.mu.Unlock()
	for _, part := range parts {
		s.cache.drop(part.id)
		s.complain("remove a segment that was merged into another", s.discard(part.name))
		s.complain("close segment", part.release())
	}
	s.o.Logger.Info("segments merged", "into", filepath.Base(name), "segments", len(parts), "spans", merged.rows(), "took", time.Since(began))
	return nil
}

// mergeRows is how many rows are taken from a segment at a time: of one page.
const mergeRows = pageRows / 2

// addTo adds all spans of a segment to a head.
func (s *segment) addTo(h *head) error {
	c := newCursor(s, &vectors{})
	if err := c.open(); err != nil {
		return err
	}
	for from := 0; from < c.rows(); from += mergeRows {
		var hits []hit
		to := min(from+mergeRows, c.rows())
		c.dwell(uint32(from), uint32(to), nil)
		if _, err := c.vector(colTrace, from/pageRows); err != nil {
			return err
		}
		for row := from; row < to; row++ {
			k, err := c.key(uint32(row))
			if err != nil {
				return err
			}
			hits = append(hits, hit{c: c, row: uint32(row), key: k})
		}
		b, err := newGatherer(false).gather(hits)
		if err != nil {
			return err
		}
		h.append(b)
	}
	return nil
}
