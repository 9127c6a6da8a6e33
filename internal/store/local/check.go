package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// FileReport is what [Check] found of one file.
type FileReport struct {
	Name    string
	Bytes   int64
	Spans   int    // those that can be read; of a log, with copies
	Batches int    // in a log
	Note    string // what is unusual and harmless; "": nothing
	Damages []Damage
}

// Damage is a place where a file does not hold what was written.
type Damage struct {
	Offset int64 // of the first byte of what cannot be trusted; −1: the file as a whole
	Reason string
}

// Check reads every file of a directory whole, ascending by name, and reports on each: frames of logs and
// pages of segments by their checksums, then every value of every column, and whether they fit together.
// It changes nothing, and works beside a server, whose files may then vanish while it goes; it passes over
// those. The error, which ends the sequence, is about the directory or the context; a file that the disk
// cannot read is damaged. Options.Encode may be nil.
func Check(ctx context.Context, o Options) iter.Seq2[FileReport, error] {
	return func(yield func(FileReport, error) bool) {
		o.readOnly = true
		err := o.setDefaults()
		var files []dirFile
		if err == nil {
			files, err = listFiles(o.FS, o.Dir)
		}
		if err != nil {
			yield(FileReport{}, err)
			return
		}
		newest := uint64(0)
		for _, f := range files {
			if f.kind == headLog {
				newest = f.number
			}
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				yield(FileReport{}, err)
				return
			}
			r := FileReport{Name: f.name}
			err := r.check(&o, f, f.number == newest)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				r.damaged(-1, err)
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (r *FileReport) damaged(offset int64, err error) {
	r.Damages = append(r.Damages, Damage{offset, err.Error()})
}

// check reads a file. The error is the disk's.
func (r *FileReport) check(o *Options, f dirFile, newest bool) error {
	file, err := o.FS.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written
	if r.Bytes, err = file.Size(); err != nil {
		return err
	}
	switch f.kind {
	case segmentFile:
		return r.checkSegment(o.FS, file, f)
	case mergedFile:
		r.Note = "its spans are in a larger segment as well: the server removes this one, unless it cannot open the other"
		return r.checkSegment(o.FS, file, f)
	case headLog:
		return r.checkLog(o, f.path, newest)
	case sealedLog:
		r.Note = "its segment is there as well: the server removes this log, unless it cannot open the segment"
		return r.checkLog(o, f.path, true)
	case tmpFile:
		r.Note = "being written, or left by a crash; the server removes it when it starts"
	case badFile:
		r.damaged(-1, errors.New("set aside by the server; delete it when nobody wants to look into it"))
	}
	return nil
}

func (r *FileReport) checkLog(o *Options, path string, newest bool) error {
	data, err := vfs.ReadFile(o.FS, path)
	if err != nil {
		return err
	}
	frames, damages, err := readLog(data)
	if err != nil {
		r.damaged(0, err)
		return nil
	}
	if n := len(damages); n > 0 && newest && damages[n-1].to == int64(len(data)) {
		if r.Note == "" {
			r.Note = fmt.Sprintf("%d bytes at the end are not a whole batch: being written, or torn by a crash and never acknowledged", damages[n-1].to-damages[n-1].from)
		}
		damages = damages[:n-1]
	}
	for _, d := range append(damages, o.decodeFrames(frames, func(b *span.Batch) {
		r.Batches++
		r.Spans += b.Len()
	})...) {
		r.damaged(d.from, errors.New(d.reason))
	}
	return nil
}
