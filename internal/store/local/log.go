package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

// The log's format; the package doc draws it.
const (
	logMagic    = "SHUAILOG"
	logVersion  = 1
	logHeader   = 12 // magic, version uint32
	frameMark   = "SHFR"
	frameHeader = 13 // mark, length uint32 of format and body, CRC-32C uint32 of the same, format
	maxFrame    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends the header of a frame; body follows it in the file.
func appendFrame(dst []byte, format byte, body []byte) []byte {
	dst = append(dst, frameMark...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)+1))
	crc := crc32.Update(crc32.Checksum([]byte{format}, castagnoli), castagnoli, body)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return append(dst, format)
}

// logFile is a log that is being written. Only the committer uses it.
type logFile struct {
	f      vfs.File
	name   string
	number uint64
	end    int64 // behind the last frame that is whole
	synced int64 // what a power cut leaves at least
	broken error // why nothing more may be written; nil: nothing is wrong
}

// createLog makes an empty log, durable with its name.
func createLog(fsys vfs.FS, dir, name string, number uint64) (_ *logFile, err error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	header := binary.LittleEndian.AppendUint32([]byte(logMagic), logVersion)
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	return &logFile{f: f, name: name, number: number, end: logHeader, synced: logHeader}, nil
}

// write appends p, which is whole frames. After an error none of p is in the log, or, if that could not
// be brought about, the log is broken.
func (l *logFile) write(p []byte) error {
	if l.broken != nil {
		return l.broken
	}
	if _, err := l.f.WriteAt(p, l.end); err != nil {
		err = fmt.Errorf("write %s: %w", l.name, err)
		if terr := l.f.Truncate(l.end); terr != nil {
			l.broken = errors.Join(err, terr)
		}
		return err
	}
	l.end += int64(len(p))
	return nil
}

// sync makes what was written durable. If that fails nobody knows what the disk holds: the log is broken.
func (l *logFile) sync() error {
	if l.broken != nil {
		return l.broken
	}
	if l.synced == l.end {
		return nil
	}
	if err := l.f.Sync(); err != nil {
		l.broken = fmt.Errorf("sync %s: %w", l.name, err)
		return l.broken
	}
	l.synced = l.end
	return nil
}

// frame is one entry of a log.
type frame struct {
	at     int64 // where it begins
	format byte
	body   []byte
}

// damage is a part of a log that cannot be read.
type damage struct {
	from, to int64
	reason   string
}

// readLog splits the contents of a log into frames and what is damaged, which ends where the next whole
// frame begins. A damage that reaches to the end of the log may be the tail that a crash tore. A log shorter
// than its header is torn as a whole.
func readLog(data []byte) (frames []frame, damages []damage, err error) {
	if len(data) < logHeader {
		return nil, []damage{{0, int64(len(data)), "the header is torn"}}, nil
	}
	if string(data[:len(logMagic)]) != logMagic {
		return nil, nil, errors.New("not a log of Shuai: it does not begin with " + logMagic)
	}
	if v := binary.LittleEndian.Uint32(data[len(logMagic):]); v != logVersion {
		return nil, nil, fmt.Errorf("log of version %d, this program knows version %d", v, logVersion)
	}
	for at := logHeader; at < len(data); {
		f, next, err := readFrame(data, at)
		if err == nil {
			frames = append(frames, f)
			at = next
			continue
		}
		next = nextFrame(data, at+1, next)
		damages = append(damages, damage{int64(at), int64(next), err.Error()})
		at = next
	}
	return frames, damages, nil
}

// nextFrame is where the first whole frame from offset at on begins, or the end of data. Hint is where it is if
// a damaged length is to be believed, else 0. Bodies can hold marks, by accident or design, so what is
// checksummed on the way is bounded.
func nextFrame(data []byte, at, hint int) int {
	if hint > 0 && hint < len(data) {
		if _, _, err := readFrame(data, hint); err == nil {
			return hint
		}
	}
	for patience := 8 * len(data); patience > 0; at++ {
		i := bytes.Index(data[at:], []byte(frameMark))
		if i < 0 {
			break
		}
		at += i
		_, next, err := readFrame(data, at)
		if err == nil {
			return at
		}
		patience -= max(next-at, 0)
	}
	return len(data)
}

// readFrame reads the frame at an offset. Next is where the next one is if the length is to be believed,
// else 0.
func readFrame(data []byte, at int) (f frame, next int, err error) {
	rest := data[at:]
	if len(rest) < frameHeader {
		return f, 0, errors.New("the header of the frame is cut short")
	}
	if string(rest[:len(frameMark)]) != frameMark {
		return f, 0, errors.New("no frame begins here")
	}
	n := binary.LittleEndian.Uint32(rest[4:])
	if n == 0 || n > maxFrame || int64(n) > int64(len(rest)-frameHeader+1) {
		return f, 0, fmt.Errorf("a frame of %d bytes where there are %d", n, len(rest)-frameHeader+1)
	}
	payload := rest[frameHeader-1 : frameHeader-1+int(n)]
	next = at + frameHeader - 1 + int(n)
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(rest[8:]) {
		return f, next, errors.New("the checksum of the frame does not match")
	}
	return frame{int64(at), payload[0], payload[1:]}, next, nil
}
