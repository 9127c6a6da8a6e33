package local

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

// ErrReadOnly is Append's answer of a store that [OpenReadOnly] opened.
var ErrReadOnly = errors.New("the store is open for reading only")

// ErrNoStore says that a directory is none of a store.
var ErrNoStore = errors.New("no store is in this directory: it has no file like 000001.parquet, 000001.log or LOCK")

// maxLooks bounds how often OpenReadOnly begins anew since the directory changed under its eyes.
const maxLooks = 20

// errChanged says that the directory has changed while it was read.
var errChanged = errors.New("the directory keeps changing")

// OpenReadOnly opens what a directory holds at this moment, for tools. It writes nothing, takes no lock,
// and so works beside a server that has the store open: the answers are those of the moment of opening,
// with all that the server had acknowledged by then. Logs are read into memory. Append answers
// [ErrReadOnly]; what is damaged stays where it is and is named in Stats. Options.Encode may be nil.
func OpenReadOnly(o Options) (*Store, error) {
	o.readOnly = true
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	for range maxLooks {
		s := newStore(o)
		err := s.look()
		if err == nil {
			return s, nil
		}
		err = errors.Join(err, s.Close())
		if !errors.Is(err, errChanged) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read %s: %w", o.Dir, errChanged)
}

// look reads the directory. A server that runs may seal a log or drop a segment meanwhile: then files
// vanish that were listed, or the list is another at the end, and the error is errChanged.
func (s *Store) look() error {
	files, err := listFiles(s.fs, s.o.Dir)
	if err != nil {
		return err
	}
	changed := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return errChanged
		}
		return err
	}
	var logs []dirFile
	for _, f := range files {
		switch f.kind {
		case segmentFile, mergedFile:
			if s.covers(f.first, f.number) {
				continue
			}
			seg, err := openSegment(s.fs, f.path, f.first, f.number, s.cache)
			if e, ok := errors.AsType[*corruptError](err); ok {
				s.putAside(f.name, e.err.Error())
				continue
			}
			if err != nil {
				return changed(fmt.Errorf("open segment: %w", err))
			}
			s.segments = append(s.segments, seg)
		case headLog, sealedLog:
			logs = append(logs, f)
		case badFile:
			s.setAside = append(s.setAside, f.name+": set aside earlier")
		case tmpFile:
		}
	}
	logs = slices.DeleteFunc(logs, func(f dirFile) bool { return s.covers(f.number, f.number) })
	for i, f := range logs {
		if err := s.readHead(f, i == len(logs)-1); err != nil {
			return changed(fmt.Errorf("read log: %w", err))
		}
	}
	again, err := listFiles(s.fs, s.o.Dir)
	if err != nil {
		return err
	}
	lasting := func(files []dirFile) []dirFile {
		return slices.DeleteFunc(files, func(f dirFile) bool { return f.kind == tmpFile })
	}
	if !slices.Equal(lasting(files), lasting(again)) {
		return errChanged
	}
	return nil
}

// readHead reads a log into a head. What is torn at the end of the newest is being written, or was when
// a server died.
func (s *Store) readHead(f dirFile, newest bool) error {
	data, err := vfs.ReadFile(s.fs, f.path)
	if err != nil {
		return err
	}
	frames, damages, err := readLog(data)
	if err != nil {
		s.putAside(f.name, err.Error())
		return nil // it is in Stats
	}
	if n := len(damages); n > 0 && newest && damages[n-1].to == int64(len(data)) {
		damages = damages[:n-1]
	}
	h := newHead(f.number)
	for _, d := range append(damages, s.o.decodeFrames(frames, h.append)...) {
		s.putAside(f.name, fmt.Sprintf("bytes %d to %d: %s", d.from, d.to, d.reason))
	}
	h.logBytes.Store(int64(len(data)))
	s.heads = append(s.heads, h)
	return nil
}

// fileKind is what a file of the directory is for.
type fileKind uint8

const (
	segmentFile fileKind = iota
	mergedFile           // a segment that is part of another
	headLog              // a log that has no segment
	sealedLog            // superfluous: its segment is there
	tmpFile              // being written, or left by a crash
	badFile              // set aside
)

// dirFile is a file of the directory.
type dirFile struct {
	name, path    string
	first, number uint64
	kind          fileKind
}

// listFiles lists the store's files, ascending by first number; of segments that begin with the same number the one with
// the most comes first.
func listFiles(fsys vfs.FS, dir string) ([]dirFile, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be read: %w", err)
	}
	var files []dirFile
	for _, name := range names {
		first, number, suffix, ok := parseName(name)
		if !ok {
			continue // not ours
		}
		f := dirFile{name: name, path: filepath.Join(dir, name), first: first, number: number}
		switch {
		case strings.HasSuffix(suffix, tmpSuffix):
			f.kind = tmpFile
		case strings.HasSuffix(suffix, badSuffix):
			f.kind = badFile
		case suffix == segmentSuffix:
			f.kind = segmentFile
		case suffix == logSuffix:
			f.kind = headLog
		default:
			continue
		}
		files = append(files, f)
	}
	if len(files) == 0 && !slices.Contains(names, lockName) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoStore)
	}
	slices.SortFunc(files, func(a, b dirFile) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.number, a.number), cmp.Compare(a.name, b.name))
	})
	// Segments have their numbers alone, or lie within a larger one, which comes before them.
	last := uint64(0)
	logs := map[uint64]*dirFile{}
	for i := range files {
		switch f := &files[i]; {
		case f.kind == segmentFile && f.number <= last:
			f.kind = mergedFile
		case f.kind == segmentFile:
			last = f.number
			if log := logs[f.first]; log != nil {
				log.kind = sealedLog
			}
		case f.kind == headLog && f.number <= last:
			f.kind = sealedLog
		case f.kind == headLog:
			logs[f.number] = f
		}
	}
	return files, nil
}
