// Package views keeps what people have given a name: states of the UI, each a link without a host. They are listed for
// everybody, and their ids make short links.
//
// # The file
//
// views.json in the data directory is {"version": 1, "views": […]} of [View]s, replaced whole at every change. One that
// cannot be read is set aside as views.json.bad.
package views

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

// View is a named state of the UI.
type View struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Link string `json:"link"` // a path of the UI with its query: "/traces?q=…"
	Made int64  `json:"made"` // Unix ns
}

// Bounds of what is kept.
const (
	maxViews = 1000
	maxName  = 200
	maxLink  = 8192
)

const (
	fileName    = "views.json"
	fileVersion = 1
)

type file struct {
	Version int    `json:"version"`
	Views   []View `json:"views"`
}

// Errors that callers branch on. Others are of the disk.
var (
	ErrInvalid = errors.New("not a view")
	ErrUnknown = errors.New("there is no such view")
)

// List is the views kept. It is safe for concurrent use.
type List struct {
	disk vfs.FS
	name string

	mu    sync.Mutex
	views []View // in order of making
}

// Open reads the views kept in a directory; none if there is no file. With an error beside it, the list works and
// begins empty: the error is to be told.
func Open(disk vfs.FS, dir string) (*List, error) {
	l := &List{disk: disk, name: filepath.Join(dir, fileName)}
	text, err := vfs.ReadFile(disk, l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	var kept file
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err == nil && kept.Version != fileVersion {
		err = fmt.Errorf("version %d is not known; this program reads version %d", kept.Version, fileVersion)
	}
	if err != nil {
		return l, errors.Join(fmt.Errorf("read %s, which is set aside as %s.bad: %w", l.name, fileName, err), disk.Rename(l.name, l.name+".bad"))
	}
	l.views = slices.DeleteFunc(kept.Views, func(v View) bool { return valid(v.Name, v.Link) != nil })
	return l, nil
}

// valid says what is wrong with a name or a link. A link leads to this server and nowhere else, whoever follows it.
func valid(name, link string) error {
	switch {
	case strings.TrimSpace(name) == "" || len(name) > maxName:
		return fmt.Errorf("%w: the name has 1 to %d bytes", ErrInvalid, maxName)
	case len(link) > maxLink:
		return fmt.Errorf("%w: the link has %d bytes; at most %d are kept", ErrInvalid, len(link), maxLink)
	case !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//") || strings.HasPrefix(link, "/api/"):
		return fmt.Errorf(`%w: the link is the path of a page with its query, such as "/traces?q=…"`, ErrInvalid)
	case strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return fmt.Errorf("%w: the link has blanks or control characters, or a backslash", ErrInvalid)
	}
	return nil
}

// All are the views in order of making.
func (l *List) All() []View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.views)
}

// Find is the view of an id, or ErrUnknown.
func (l *List) Find(id string) (View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.at(id); i >= 0 {
		return l.views[i], nil
	}
	return View{}, ErrUnknown
}

func (l *List) at(id string) int {
	return slices.IndexFunc(l.views, func(v View) bool { return v.ID == id })
}

// Add keeps a view, durably. The same name and link again is the same view. Errors are ErrInvalid, or of the disk; then
// nothing is kept.
func (l *List) Add(now time.Time, name, link string) (View, error) {
	if err := valid(name, link); err != nil {
		return View{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.views {
		if v.Name == name && v.Link == link {
			return v, nil
		}
	}
	if len(l.views) >= maxViews {
		return View{}, fmt.Errorf("%w: there are %d views, which is the most that is kept; remove one first", ErrInvalid, maxViews)
	}
	v := View{ID: l.freeID(name + "\x00" + link), Name: name, Link: link, Made: now.UnixNano()}
	return v, l.replace(append(slices.Clone(l.views), v))
}

// freeID makes a short id of text: six or more digits of its hash.
func (l *List) freeID(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash takes everything
	digits := strconv.FormatUint(h.Sum64()|1<<63, 36)
	for n := 6; n < len(digits); n++ {
		if l.at(digits[len(digits)-n:]) < 0 {
			return digits[len(digits)-n:]
		}
	}
	return digits
}

// Remove forgets a view, durably.
func (l *List) Remove(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.at(id)
	if i < 0 {
		return ErrUnknown
	}
	return l.replace(slices.Delete(slices.Clone(l.views), i, i+1))
}

func (l *List) replace(views []View) error {
	text, err := json.Marshal(file{fileVersion, views})
	if err == nil {
		err = vfs.ReplaceFile(l.disk, l.name, text)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", l.name, err)
	}
	l.views = views
	return nil
}
