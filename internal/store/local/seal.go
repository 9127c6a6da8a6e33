package local

import (
	"errors"
	"io/fs"
	"time"
)

// maxSealWait bounds how long the sealer waits after a failure: a second at first, then twice as long
// after each further one.
const maxSealWait = 30 * time.Second

// sealLoop seals heads, the oldest first, until the store closes and the last one is sealed, or cannot be.
// Between, it drops what has expired and merges small segments.
func (s *Store) sealLoop() {
	var retain <-chan time.Time
	if s.retains() {
		tick := time.NewTicker(retainEvery)
		defer tick.Stop()
		retain = tick.C
	}
	s.merge()
	wait := s.o.sealWait
	for {
		h, last := s.toSeal()
		if h == nil {
			if last {
				return
			}
			select {
			case <-s.wake:
			case now := <-retain:
				s.retain(now)
			}
			continue
		}
		err := s.seal(h)
		s.retain(time.Now()) // even after a failure: it may make the room that was missing
		if err == nil {
			wait = s.o.sealWait
			if !last {
				s.merge()
			}
			continue
		}
		s.o.Logger.Error("a segment cannot be written; its spans stay in memory and in the log", "segment", h.number, "error", err, "retry", wait)
		if last {
			return
		}
		select {
		case <-time.After(wait):
		case <-s.last:
		}
		wait = min(2*wait, maxSealWait)
	}
}

// toSeal is the oldest head that takes no more spans, or nil; last says that no head takes any.
func (s *Store) toSeal() (h *head, last bool) {
	select {
	case <-s.last:
		last = true
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.heads) > 1, last && len(s.heads) == 1 && s.heads[0].rows() > 0:
		return s.heads[0], last
	}
	return nil, last
}

// seal replaces a head by a segment. Whatever fails, the head and its log are there still.
func (s *Store) seal(h *head) error {
	snap, clamped := h.state()
	var seg *segment
	if snap.n > 0 {
		var err error
		if seg, err = s.install(s.path(h.number, segmentSuffix), h.number, h.number, snap); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if seg != nil {
		s.segments = append(s.segments, seg)
	}
	s.heads = append([]*head(nil), s.heads[1:]...)
	s.clamped += clamped
	s.mu.Unlock()
	signal(s.sealed)
	// If the log cannot be removed now, the next Open will: the segment makes it superfluous.
	s.complain("close log", h.log.f.Close())
	s.complain("remove log", s.fs.Remove(h.log.name))
	return nil
}

// install writes a segment and gives it its name, durably, and opens it.
func (s *Store) install(name string, first, number uint64, snap *snapshot) (*segment, error) {
	if err := writeSegment(s.fs, name+tmpSuffix, snap); err != nil {
		return nil, errors.Join(err, s.discard(name+tmpSuffix))
	}
	if err := s.fs.Rename(name+tmpSuffix, name); err != nil {
		return nil, err
	}
	if err := s.fs.SyncDir(s.o.Dir); err != nil {
		return nil, err
	}
	return openSegment(s.fs, name, first, number, s.cache)
}

// discard removes a file that may not be there.
func (s *Store) discard(name string) error {
	if err := s.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
