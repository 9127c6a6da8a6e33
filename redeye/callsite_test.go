package redeye

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests get to testdata")

// A program is built in ways in which the compiler names functions and files differently; its call sites stay
// what they are. testdata/program.golden has for every kind of place label and key.
func TestBuilds(t *testing.T) {
	const golden = "testdata/program.golden"
	for _, build := range []struct{ name, flags string }{
		{"optimised", ""},
		{"not inlined", "-gcflags=example.com/...=-l"},
		{"not optimised", "-gcflags=example.com/...=-N -l"},
		{"trimmed paths", "-trimpath"},
	} {
		t.Run(build.name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "program")
			args := slices.DeleteFunc([]string{"build", build.flags, "-o", program, "."}, func(s string) bool { return s == "" })
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Dir = "testdata/program"
			cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go %q: %v\n%s", args, err, out)
			}
			got, err := exec.CommandContext(t.Context(), program).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			if *rewrite && build.flags == "" {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Symbols that a build on this machine does not make, and the odd ends.
func TestNewCallSite(t *testing.T) {
	tests := []struct{ symbol, file, label, key string }{
		{"main.main", "/src/main.go", "movies/main.go:7", "example.com/movies.main"},
		{"main.(*Page).Cards", `C:\src\page.go`, "movies/page.go:7", "example.com/movies.(*Page).Cards"},
		{"main.(*Page).Cards.func1.2", "/build/page.go", "movies/page.go:7", "movies/page.go:(*Page).Cards"},
		{"example.com/a/web.cards-range1", "/a/web/x.go", "web/x.go:7", "example.com/a/web.cards"},
		{"example.com/a/web.cards.func2-range1", "/a/web/x.go", "web/x.go:7", "web/x.go:cards"},
		{"example.com/a/web.cards.gowrap1", "/a/web/x.go", "web/x.go:7", "web/x.go:cards"},
		{"example.com/a/web.cards.deferwrap2", "/a/web/x.go", "web/x.go:7", "web/x.go:cards"},
		{"example.com/a/web.Page.Cards-fm", "/a/web/x.go", "web/x.go:7", "example.com/a/web.Page.Cards"},
		{"example.com/a/web.func1", "/a/web/x.go", "web/x.go:7", "example.com/a/web.func1"}, // a name one may give
		{"example.com/a/web.init.3", "/a/web/x.go", "web/x.go:7", "example.com/a/web.init"},
		{"example.com/a/web.glob..func1", "/a/web/x.go", "web/x.go:7", "web/x.go:glob"}, // before Go 1.21
		{"example.com/a/web_test.TestX.func1", "/a/web/x_test.go", "web_test/x_test.go:7", "web_test/x_test.go:TestX"},
		{"example.com/a/vendor/example.com/b.F", "/a/vendor/example.com/b/b.go", "b/b.go:7", "example.com/b.F"}, // GOPATH
		{"vendor/golang.org/x/net/http/httpguts.F", "/go/x.go", "httpguts/x.go:7", "golang.org/x/net/http/httpguts.F"},
		{"gopkg.in/yaml%2ev3.F", "/m/gopkg.in/yaml.v3@v3.0.1/y.go", "yaml.v3/y.go:7", "gopkg.in/yaml.v3.F"},
		{"example.com/odd%.F", "/odd/y.go", "odd%/y.go:7", "example.com/odd%.F"},
		// A literal of another package, whose function was inlined here: only the file tells which.
		{"main.main.Cards.func3", "/m/example.com/web@v1.2.0/x.go", "web/x.go:7", "web/x.go:Cards"},
		{"main.main.Cards.func3", "/m/example.com/web/v2@v2.0.0/x.go", "web/x.go:7", "web/x.go:Cards"},
		{"main.main.Cards.func3", "/m/example.com/web/v2/x.go", "web/x.go:7", "web/x.go:Cards"},
		{"main.main.Cards.func3", "/m/github.com/!burnt!sushi@v1.0.0/x.go", "BurntSushi/x.go:7", "BurntSushi/x.go:Cards"},
		{"main.main.Cards.func3", "x.go", "movies/x.go:7", "movies/x.go:Cards"},
		{"main.main.main.func5.func14.func16", "/m/movies/x.go", "movies/x.go:7", "movies/x.go:main"},
		{"crosscall2", "/go/asm.s", "unknown/asm.s:7", "unknown.crosscall2"},
	}
	for _, test := range tests {
		s := newCallSite(test.symbol, test.file, 7, "example.com/movies")
		if s.Label != test.label || s.Key != test.key {
			t.Errorf("%s in %s:\ngot  %s  %s\nwant %s  %s", test.symbol, test.file, s.Label, s.Key, test.label, test.key)
		}
	}
}

// FuzzNewCallSite: whatever a compiler may call things, there is a label and a key.
func FuzzNewCallSite(f *testing.F) {
	f.Add("main.(*Page[...]).Cards.func1-range2", "/a@v1/x.go")
	f.Add("a%2eb/c%zz..", `C:\x!`)
	f.Add("init.0.func1", "!@/x.go")
	f.Fuzz(func(t *testing.T, symbol, file string) {
		s := newCallSite(symbol, file, 1, "main")
		if !strings.HasSuffix(s.Label, ":1") || s.Key == "" {
			t.Errorf("%+v", s)
		}
	})
}

// Places next to each other in a function have labels of their own, and one history.
func TestLines(t *testing.T) {
	a := Here(0)
	b := Here(0)
	if b.Line != a.Line+1 || a.Label == b.Label || a.Key != b.Key {
		t.Errorf("%+v\n%+v", a, b)
	}
	again := func() CallSite { return Here(0) }
	if first, second := again(), again(); first != second {
		t.Errorf("one place is %+v and %+v", first, second)
	}
}

func TestSkip(t *testing.T) {
	direct := Here(0)
	above := func() CallSite { return Here(1) }()
	if above.Line != direct.Line+1 || above.File != direct.File || above.Key != direct.Key {
		t.Errorf("the caller is %+v, next to %+v", above, direct)
	}
	if s := Here(-1); s.Line != above.Line+4 {
		t.Errorf("a negative skip gives %+v", s)
	}
	if s := Here(1 << 20); s != (CallSite{}) || s.String() != "" {
		t.Errorf("above the last caller is %+v", s)
	}
}

// Captures from many goroutines of more places than there are shards agree, whoever was first.
func TestConcurrentCaptures(t *testing.T) {
	var cache siteCache
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for pc := uintptr(0x400000); pc < 0x400000+500*32; pc += 32 {
				want := CallSite{Line: int(pc)}
				if s := cache.load(pc); s != nil && *s != want {
					t.Errorf("%#x is %+v", pc, *s)
				}
				if s := cache.store(pc, want); *s != want {
					t.Errorf("%#x was stored as %+v", pc, *s)
				}
				if s := cache.load(pc); s == nil || *s != want {
					t.Errorf("%#x was stored and is %+v", pc, s)
				}
			}
		})
	}
	wg.Wait()
}

func TestCachedCaptureAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = Here(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHere(b *testing.B) {
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Here(0)
		}
	})
	b.Run("deep", func(b *testing.B) {
		b.ReportAllocs()
		deep(50, func() {
			for b.Loop() {
				_ = Here(0)
			}
		})
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = Here(0)
			}
		})
	})
	b.Run("symbolise", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = newCallSite("example.com/movies/web.(*Page).Cards.func1", "/src/movies/web/page.go", 42, "main")
		}
	})
}

func deep(n int, f func()) {
	if n > 0 {
		deep(n-1, f)
		return
	}
	f()
}
