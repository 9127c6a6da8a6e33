package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
)

// Scripts in testdata are a session in a terminal, with the example service as the server:
//
//	run
//	redeye query -p '{"ids": [1]}' -
//	the standard input
//	----
//	what is printed
func TestSessions(t *testing.T) {
	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	t.Setenv("REDEYE_SERVER", srv.URL)
	version := regexp.MustCompile(`[0-9a-f]{16}`)
	took := regexp.MustCompile(` +[0-9.]+(?:ns|µs|ms)( ?)( ?) *`) // and what fills the column behind it
	datadriven.RunTest(t, "testdata/session", func(t *testing.T, d *datadriven.TestData) string {
		var out, errs bytes.Buffer
		line, stdin, _ := strings.Cut(d.Input, "\n")
		code := run(t.Context(), words(line)[1:], strings.NewReader(stdin), &out, &errs)
		got := out.String() + errs.String()
		if code != 0 {
			got += fmt.Sprintf("exit %d\n", code)
		}
		got = took.ReplaceAllString(got, " <time>$1$2")
		return version.ReplaceAllString(strings.ReplaceAll(got, srv.URL, "http://movies"), "<version>")
	})
}

// A service that wants to know who asks is told by --token, or the environment.
func TestToken(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer srv.Close()
	t.Setenv("REDEYE_SERVER", srv.URL)
	run(t.Context(), []string{"query", "1"}, nil, io.Discard, io.Discard)
	run(t.Context(), []string{"schema", "--token", "a"}, nil, io.Discard, io.Discard)
	t.Setenv("REDEYE_TOKEN", "b")
	run(t.Context(), []string{"explain", "1"}, nil, io.Discard, io.Discard)
	if want := []string{"", "Bearer a", "Bearer b"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// When no server answers the words say how to name another.
func TestNoServer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Setenv("REDEYE_SERVER", srv.URL)
	for _, what := range []string{"what answers is no Redeye server", "no server answers at " + srv.URL} {
		var out strings.Builder
		if code := run(t.Context(), []string{"schema"}, nil, io.Discard, &out); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		for _, want := range []string{what, "--server"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q does not say %q", out.String(), want)
			}
		}
		srv.Close()
	}
}

// words splits a command line at blanks that are not within single quotes.
func words(line string) (out []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// What redeye gen writes is a package that compiles, from a server and from a file.
func TestGen(t *testing.T) {
	s, err := movies.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	dir := t.TempDir()
	ok := func(stdout *bytes.Buffer, args ...string) {
		t.Helper()
		var errs bytes.Buffer
		if code := run(t.Context(), args, nil, stdout, &errs); code != 0 {
			t.Fatalf("redeye %s: %s", strings.Join(args, " "), errs.String())
		}
	}
	var schema, again bytes.Buffer
	ok(&schema, "schema", "--server", srv.URL, "-o", "json")
	file := filepath.Join(dir, "movies.json")
	if err := os.WriteFile(file, schema.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ok(new(bytes.Buffer), "gen", "--server", srv.URL, "-o", filepath.Join(dir, "movies", "movies.go"))
	ok(&again, "gen", "--schema", file)
	src, err := os.ReadFile(filepath.Join(dir, "movies", "movies.go"))
	if err != nil || !bytes.Equal(src, again.Bytes()) || !bytes.Contains(src, []byte("package movies\n")) {
		t.Fatalf("%v\n%s", err, src)
	}
	out, err := exec.CommandContext(t.Context(), "go", "vet", filepath.Join(dir, "movies", "movies.go")).CombinedOutput()
	if err != nil {
		t.Errorf("%s", out)
	}
}
