package findings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

// fileName is the file in the data directory.
const fileName = "findings.json"

const fileVersion = 1

type file struct {
	Version  int        `json:"version"`
	Findings []*Finding `json:"findings"`
}

// load reads the findings that were kept; none if there is no file. A file that cannot be read is set aside, and
// said in the error, beside no findings.
func load(disk vfs.FS, dir string) ([]*Finding, error) {
	name := filepath.Join(dir, fileName)
	text, err := vfs.ReadFile(disk, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
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
		return nil, errors.Join(fmt.Errorf("read %s, which is set aside as %s.bad: %w", name, fileName, err), disk.Rename(name, name+".bad"))
	}
	return kept.Findings, nil
}

// encode is the file's contents.
func encode(list []*Finding) ([]byte, error) {
	text, err := json.Marshal(file{fileVersion, list})
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
