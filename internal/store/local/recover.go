package local

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// The names in the directory.
const (
	lockName      = "LOCK"
	logSuffix     = ".log"
	segmentSuffix = ".parquet"
	tmpSuffix     = ".tmp"
	badSuffix     = ".bad"
)

func (s *Store) path(number uint64, suffix string) string {
	return filepath.Join(s.o.Dir, fmt.Sprintf("%06d%s", number, suffix))
}

// parseName splits a name like 000012.log, or 000005-000012.parquet, the segment that those of these numbers were merged
// into.
func parseName(name string) (first, number uint64, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	from, to, merged := strings.Cut(digits, "-")
	if !merged {
		to = from
	}
	if !found || len(from) < 6 || len(to) < 6 {
		return 0, 0, "", false
	}
	first, err := strconv.ParseUint(from, 10, 63)
	if err != nil {
		return 0, 0, "", false
	}
	number, err = strconv.ParseUint(to, 10, 63)
	return first, number, "." + rest, err == nil && (first < number || !merged)
}

// recover takes the directory's lock, reads what is there and returns the head that takes spans. The
// other heads, of older logs, are in s.heads before it.
func (s *Store) recover() (current *head, err error) {
	dir := s.o.Dir
	if err := s.fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	s.lock, err = s.fs.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("the data directory %s is in use by another process: stop it, or choose another directory: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		for _, h := range s.heads {
			err = errors.Join(err, h.log.f.Close())
		}
		for _, seg := range s.segments {
			err = errors.Join(err, seg.release())
		}
		err = errors.Join(err, s.lock.Close())
	}()
	logs, next, err := s.openSegments()
	if err != nil {
		return nil, err
	}
	for i, number := range logs {
		newest := i == len(logs)-1
		h, resume, err := s.replay(number, newest)
		if err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		s.heads = append(s.heads, h)
		if resume {
			current = h
		}
	}
	if current == nil {
		log, err := createLog(s.fs, dir, s.path(next, logSuffix), next)
		if err != nil {
			return nil, fmt.Errorf("begin a log: %w", err)
		}
		current = newHead(next)
		current.log = log
		current.logBytes.Store(log.end)
		s.heads = append(s.heads, current)
	}
	return current, s.fs.SyncDir(dir)
}

// openSegments opens all segments and returns the logs that have none, ascending, and the number of the
// next log. It removes what is left of interrupted work.
func (s *Store) openSegments() (logs []uint64, next uint64, err error) {
	files, err := listFiles(s.fs, s.o.Dir)
	if err != nil && !errors.Is(err, ErrNoStore) {
		return nil, 0, err
	}
	for _, f := range files {
		next = max(next, f.number)
		switch f.kind {
		case tmpFile:
			if err := s.fs.Remove(f.path); err != nil {
				return nil, 0, fmt.Errorf("remove what is left of a crash: %w", err)
			}
		case badFile:
			s.setAside = append(s.setAside, f.name+": set aside earlier")
		case headLog, sealedLog:
			logs = append(logs, f.number)
		case segmentFile, mergedFile:
			if s.covers(f.first, f.number) {
				s.complain("remove a segment that was merged into another", s.fs.Remove(f.path))
				continue
			}
			seg, err := openSegment(s.fs, f.path, f.first, f.number, s.cache)
			if corrupt, ok := errors.AsType[*corruptError](err); ok {
				s.putAside(f.name, corrupt.err.Error())
				continue
			}
			if err != nil {
				return nil, 0, fmt.Errorf("open segment: %w", err)
			}
			s.segments = append(s.segments, seg)
		}
	}
	logs = slices.DeleteFunc(logs, func(number uint64) bool {
		covered := s.covers(number, number)
		if covered {
			s.complain("remove the log of a segment", s.fs.Remove(s.path(number, logSuffix)))
		}
		return covered
	})
	return logs, next + 1, nil
}

// covers says whether an open segment has what the segments of these numbers have. The caller holds s.mu, or is alone.
func (s *Store) covers(first, number uint64) bool {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].number >= number })
	return i < len(s.segments) && s.segments[i].first <= first
}

// putAside renames a file, unless the store is read-only, so that nobody reads it again, and names it in
// Stats. The caller holds s.mu, or is alone.
func (s *Store) putAside(name, reason string) {
	if s.o.readOnly {
		s.setAside = append(s.setAside, name+": "+reason)
		s.o.Logger.Error("a file is damaged; what can be read of it is shown", "file", name, "reason", reason)
		return
	}
	path := filepath.Join(s.o.Dir, name)
	err := s.fs.Rename(path, path+badSuffix)
	if err == nil {
		err = s.fs.SyncDir(s.o.Dir)
	}
	s.complain("set aside", err)
	s.report(name+badSuffix, reason)
}

func (s *Store) report(name, reason string) {
	s.setAside = append(s.setAside, name+": "+reason)
	s.o.Logger.Error("a file is damaged; what can be read of it is kept, the file is set aside", "file", name, "reason", reason)
}

// quarantine sets aside a segment that proved corrupt while it was read.
func (s *Store) quarantine(c *corruptError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.segments, c.segment)
	if i < 0 {
		return // another query was faster
	}
	s.segments = slices.Delete(slices.Clone(s.segments), i, i+1)
	s.putAside(filepath.Base(c.segment.name), c.err.Error())
	s.cache.drop(c.segment.id)
	s.complain("close segment", c.segment.release())
}

// replay reads a log into a head. The newest log may go on being written: resume says so. A log without
// anything to keep has no head and is removed.
func (s *Store) replay(number uint64, newest bool) (h *head, resume bool, err error) {
	name := s.path(number, logSuffix)
	began := time.Now()
	data, err := vfs.ReadFile(s.fs, name)
	if err != nil {
		return nil, false, fmt.Errorf("read log: %w", err)
	}
	base := filepath.Base(name)
	frames, damages, err := readLog(data)
	if err != nil {
		s.putAside(base, err.Error())
		return nil, false, nil
	}
	end := int64(len(data))
	if n := len(damages); n > 0 && newest && damages[n-1].to == end {
		// What the process was writing when it died, or what the disk had of it. It was not acknowledged.
		end = damages[n-1].from
		s.o.Logger.Info("the end of the log is torn, as a crash leaves it", "file", base, "bytes", damages[n-1].to-end)
		damages = damages[:n-1]
	}
	h = newHead(number)
	damages = append(damages, s.o.decodeFrames(frames, h.append)...)
	if len(damages) > 0 {
		if err := s.keepDamaged(base, data, damages); err != nil {
			return nil, false, err
		}
	}
	s.o.Logger.Info("log replayed", "file", base, "spans", h.n, "frames", len(frames), "took", time.Since(began))
	if newest && len(damages) == 0 && end >= logHeader {
		return s.resume(h, name, end)
	}
	if h.n == 0 {
		return nil, false, s.fs.Remove(name)
	}
	f, err := s.fs.Open(name)
	if err != nil {
		return nil, false, fmt.Errorf("open log: %w", err)
	}
	h.log = &logFile{f: f, name: name, number: number, end: end, synced: end}
	h.logBytes.Store(end)
	return h, false, nil
}

// decodeFrames calls do with the batch of each frame, which is do's until it returns, and returns the
// frames that have none.
func (o *Options) decodeFrames(frames []frame, do func(*span.Batch)) (damages []damage) {
	b := &span.Batch{}
	for _, f := range frames {
		b.Reset()
		if err := o.Decode(f.format, f.body, b); err != nil {
			damages = append(damages, damage{f.at, f.at + frameHeader + int64(len(f.body)), err.Error()})
			continue
		}
		do(b)
	}
	return damages
}

// resume makes h the head that takes spans, behind what its log has.
func (s *Store) resume(h *head, name string, end int64) (*head, bool, error) {
	f, err := s.fs.OpenReadWrite(name)
	if err != nil {
		return nil, false, fmt.Errorf("open log: %w", err)
	}
	if err := f.Truncate(end); err != nil {
		return nil, false, errors.Join(fmt.Errorf("cut the torn end off %s: %w", name, err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return nil, false, errors.Join(fmt.Errorf("sync %s: %w", name, err), f.Close())
	}
	h.log = &logFile{f: f, name: name, number: h.number, end: end, synced: end}
	h.logBytes.Store(end)
	return h, true, nil
}

// keepDamaged keeps a copy of a log that is damaged in its middle: the log itself goes when what could be
// read of it is sealed.
func (s *Store) keepDamaged(base string, data []byte, damages []damage) error {
	path := filepath.Join(s.o.Dir, base+badSuffix)
	err := vfs.WriteFile(s.fs, path+tmpSuffix, data)
	if err == nil {
		err = s.fs.Rename(path+tmpSuffix, path)
	}
	if err == nil {
		err = s.fs.SyncDir(s.o.Dir)
	}
	if err != nil {
		return fmt.Errorf("keep a copy of the damaged log %s: %w", base, err)
	}
	s.setAside = slices.DeleteFunc(s.setAside, func(e string) bool { return strings.HasPrefix(e, base+badSuffix+":") })
	var reasons []string
	for _, d := range damages {
		reasons = append(reasons, fmt.Sprintf("bytes %d to %d: %s", d.from, d.to, d.reason))
	}
	s.report(base+badSuffix, strings.Join(reasons, "; ")+"; the rest was recovered")
	return nil
}
