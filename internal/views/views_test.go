package views

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/vfs"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, disk vfs.FS) *List {
	t.Helper()
	l, err := Open(disk, "data")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestViews(t *testing.T) {
	disk := newDisk(t)
	l := open(t, disk)
	a, err := l.Add(noon, "slow searches", "/traces?q=%7B+duration+%3E+1s+%7D")
	if err != nil || len(a.ID) != 6 {
		t.Fatalf("%+v, %v", a, err)
	}
	b, err := l.Add(noon, "map", "/map")
	if err != nil || b.ID == a.ID {
		t.Fatalf("%+v, %v", b, err)
	}
	if again, err := l.Add(noon.Add(time.Hour), "map", "/map"); err != nil || again != b {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	l = open(t, disk) // as after a restart
	if all := l.All(); len(all) != 2 || all[0] != a || all[1] != b {
		t.Errorf("%+v", all)
	}
	if v, err := l.Find(b.ID); err != nil || v != b {
		t.Errorf("%+v, %v", v, err)
	}
	if err := l.Remove(a.ID); err != nil {
		t.Fatal(err)
	}
	if all := open(t, disk).All(); len(all) != 1 || all[0] != b {
		t.Errorf("%+v", all)
	}
	if _, err := l.Find(a.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("found: %v", err)
	}
	if err := l.Remove(a.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	l := open(t, newDisk(t))
	for _, c := range []struct{ name, link string }{
		{"", "/map"},
		{" ", "/map"},
		{strings.Repeat("x", 201), "/map"},
		{"x", ""},
		{"x", "map"},
		{"x", "https://evil.example/"},
		{"x", "//evil.example/"},
		{"x", "/\\evil.example"},
		{"x", "javascript:alert(1)"},
		{"x", "/api/shuai/v1/status"},
		{"x", "/a b"},
		{"x", "/a\nb"},
		{"x", "/" + strings.Repeat("x", 8192)},
	} {
		if _, err := l.Add(noon, c.name, c.link); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q %.20q: %v", c.name, c.link, err)
		}
	}
	for i := range maxViews {
		l.views = append(l.views, View{ID: fmt.Sprint(i)})
	}
	if _, err := l.Add(noon, "one more", "/map"); !errors.Is(err, ErrInvalid) {
		t.Errorf("over the bound: %v", err)
	}
}

// TestIDs: two views whose ids would be the same get different ones.
func TestIDs(t *testing.T) {
	l := open(t, newDisk(t))
	seen := map[string]bool{}
	for range 5 {
		id := l.freeID("x")
		if seen[id] {
			t.Fatalf("%s is there twice", id)
		}
		seen[id] = true
		l.views = append(l.views, View{ID: id})
	}
}

// TestCrash: power fails at any operation on the disk; a view that was kept is there.
func TestCrash(t *testing.T) {
	for k := 0; ; k++ {
		disk := newDisk(t)
		disk.CrashAt(k)
		l, err := Open(disk, "data")
		kept := 0
		for i := range 3 {
			if err == nil {
				if _, err = l.Add(noon, fmt.Sprint(i), "/map"); err == nil {
					kept++
				}
			}
		}
		if n := len(open(t, disk.AfterCrash()).All()); n != kept && n != kept+1 {
			t.Fatalf("crash at %d: %d views, %d were kept", k, n, kept)
		}
		if !disk.Crashed() {
			return
		}
	}
}

// FuzzFile: whatever the file says, the list works and links lead nowhere else.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"views":[{"id":"a","name":"b","link":"/map","made":1}]}`))
	f.Add([]byte(`{"version":1,"views":[{"link":"//x"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		disk := newDisk(t)
		if err := vfs.WriteFile(disk, "data/views.json", text); err != nil {
			t.Fatal(err)
		}
		l, err := Open(disk, "data")
		if err != nil {
			if ok, _ := vfs.Exists(disk, "data/views.json.bad"); !ok || !strings.Contains(err.Error(), "set aside") {
				t.Fatalf("%v", err)
			}
		}
		for _, v := range l.All() {
			if err := valid(v.Name, v.Link); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Add(noon, "new", "/new"); err != nil {
			t.Fatal(err)
		}
	})
}
