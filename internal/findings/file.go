package findings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// fileName is the file in the data directory.
const fileName = "findings.json"

const fileVersion = 1

type file struct {
	Version  int         `json:"version"`
	Until    int64       `json:"until"`          // Unix ns; traces that came later are not in the findings
	Left     []leftTrace `json:"left,omitempty"` // nor are these, that came before
	Findings []*Finding  `json:"findings"`
}

// leftTrace is a trace that was not examined yet.
type leftTrace struct {
	ID     string  `json:"id"`
	Weight float64 `json:"weight"`       // how many traces it stands for
	At     int64   `json:"at,omitempty"` // Unix ns: the time that its requests count for; 0: when they are examined
}

// left are the traces to examine.
func (f *file) left() []Ripe {
	var left []Ripe
	for _, l := range f.Left {
		if id, err := span.ParseTraceID(l.ID); err == nil && l.Weight >= 1 && l.Weight < 1e12 && len(left) < mostLeft {
			r := Ripe{ID: id, Weight: l.Weight}
			if l.At > 0 {
				r.At = time.Unix(0, l.At)
			}
			left = append(left, r)
		}
	}
	return left
}

// load reads what was kept; nothing if there is no file. A file that cannot be read is set aside, and
// said in the error, beside nothing.
func load(disk vfs.FS, dir string) (file, error) {
	name := filepath.Join(dir, fileName)
	text, err := vfs.ReadFile(disk, name)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, nil
	}
	var kept file
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err == nil && kept.Version != fileVersion {
		err = fmt.Errorf("version %d is not known; this program reads version %d", kept.Version, fileVersion)
	}
	if err == nil {
		for _, f := range kept.Findings {
			if f == nil {
				err = errors.New("a finding is null")
			}
		}
	}
	if err != nil {
		return file{}, errors.Join(fmt.Errorf("read %s, which is set aside as %s.bad: %w", name, fileName, err), disk.Rename(name, name+".bad"))
	}
	return kept, nil
}

// encode is the file's contents.
func encode(list []*Finding, until time.Time, left []Ripe) ([]byte, error) {
	f := file{Version: fileVersion, Until: until.UnixNano(), Findings: list}
	for _, r := range left {
		l := leftTrace{ID: r.ID.String(), Weight: r.Weight}
		if !r.At.IsZero() {
			l.At = r.At.UnixNano()
		}
		f.Left = append(f.Left, l)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode findings: %w", err)
	}
	return text, nil
}

// save replaces the file, durably.
func save(disk vfs.FS, dir string, text []byte) error {
	name := filepath.Join(dir, fileName)
	if err := vfs.ReplaceFile(disk, name, text); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
