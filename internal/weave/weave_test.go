package weave

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakeRoot is a library with the lines that are looked for, in the packages given.
func fakeRoot(t *testing.T, packages ...string) (root string, all map[string]bool) {
	t.Helper()
	root, all = t.TempDir(), map[string]bool{"fmt": true}
	for _, p := range library {
		for _, want := range packages {
			if p.path != want {
				continue
			}
			all[p.path] = true
			dir := filepath.Join(root, "src", filepath.FromSlash(p.path))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, f := range p.files {
				var text strings.Builder
				for _, e := range f.edits {
					text.WriteString("before\n" + strings.TrimSuffix(e.old, "\n") + "\nafter\n")
				}
				if err := os.WriteFile(filepath.Join(dir, f.name), []byte(text.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return root, all
}

func overlay(t *testing.T, b Build) (map[string]string, error) {
	t.Helper()
	path, err := b.Overlay(t.TempDir())
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for of, file := range list.Replace {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[of] = string(text)
	}
	return files, nil
}

// A program gets hooks for the packages that it has.
func TestOnlyWhatIsThere(t *testing.T) {
	root, all := fakeRoot(t, "runtime", "net/http")
	files, err := overlay(t, Build{root, "go1", all, []string{"/a", "/b"}})
	if err != nil {
		t.Fatal(err)
	}
	for of := range files {
		if strings.Contains(of, "database") {
			t.Error(of, "is of no package of the program")
		}
	}
	glue := files[filepath.Join("/a", GlueFile)]
	if glue == "" || glue != files[filepath.Join("/b", GlueFile)] {
		t.Errorf("the two programs have %q and %q", glue, files[filepath.Join("/b", GlueFile)])
	}
	if strings.Contains(glue, "sql") || !strings.Contains(glue, "shuai_build_net_http.ShuaiHang") {
		t.Error(glue)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "", glue, parser.AllErrors); err != nil {
		t.Error(err, glue)
	}
}

// What this version of Go has in its library is known, and every line stays at its number.
func TestThisLibrary(t *testing.T) {
	root, all := runtime.GOROOT(), map[string]bool{} //nolint:staticcheck // the test runs where it was built
	for _, p := range library {
		all[p.path] = true
	}
	files, err := overlay(t, Build{root, runtime.Version(), all, nil})
	if err != nil {
		t.Fatal(err)
	}
	for of, woven := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), of, woven, parser.AllErrors); err != nil {
			t.Error(err)
		}
		was, err := os.ReadFile(of)
		if filepath.Base(of) == "shuai_build.go" {
			continue
		}
		if err != nil || strings.Count(string(was), "\n") != strings.Count(woven, "\n") {
			t.Errorf("%s has other lines than before, or none: %v", of, err)
		}
		if string(was) == woven {
			t.Errorf("%s: nothing was woven in", of)
		}
	}
}

func TestUnknownLibrary(t *testing.T) {
	root, all := fakeRoot(t, "runtime", "net/http", "database/sql")
	file := filepath.Join(root, "src", "net", "http", "server.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"gone":  {"nothing", `net/http of go9.9: server.go has "\thandler.ServeHTTP(rw, req)\n" 0 times, not once: this version of shuai does not know this version of Go`},
		"twice": {string(text) + string(text), "2 times, not once"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := overlay(t, Build{root, "go9.9", all, nil}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if _, err := overlay(t, Build{t.TempDir(), "go9.9", all, nil}); err == nil || !strings.Contains(err.Error(), "the library of Go") {
		t.Error(err)
	}
}
