package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/realdb"
	"github.com/fuwu-project/fuwu/internal/weave"
)

// TestBuild builds a program that knows nothing of tracing, lets it ask a real MariaDB and send to the real server, and compares what the
// server has of its requests.
func TestBuild(t *testing.T) {
	db, err := realdb.MariaDB(t.Context(), t.TempDir())
	if errors.Is(err, realdb.ErrMissing) {
		t.Skipf("%v: no program was built that asks a database", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Stop)
	s := serveReal(t)
	bin := filepath.Join(t.TempDir(), "shop")
	code, out, errs := shuaiRun(t, "build", "-o", bin, "./testdata/shop")
	if code != 0 || out != "" || errs != "" {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if _, err := os.Stat("testdata/shop/" + weave.GlueFile); !errors.Is(err, os.ErrNotExist) {
		t.Error("the build has left something in the program's directory:", err)
	}

	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Env = append(os.Environ(), "SHOP_DB=root@tcp("+db.Addr+")/mysql", "SHUAI_SERVICE=shop", "SHUAI_RATIO=1",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+s.otlpHTTP)
	cmd.Stdin = strings.NewReader("/product/5\nproxy /price/6\n/late\n/raw\nh2 /\n")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	printed, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 3 || complaints.Len() > 0 {
		t.Errorf("%v, %s", err, &complaints)
	}
	want := "product 5: 105\n106\nlater\n*mysql.mysqlConn *http.response true map[X-End:[yes]]\n404 page not found\n\n"
	if diff := cmp.Diff(want, string(printed)); diff != "" {
		t.Errorf("what the program prints (-), and printed (+):\n%s", diff)
	}

	want = `
client GET 200
  server GET /product/{id} 200
    client GET 200
      server GET /price/{id} 200
        client connect mysql
        client prepare SELECT mysql SELECT ? + ?
        client SELECT mysql SELECT ? + ?
client GET 200
  server GET 200
    client GET 200
      server GET /price/{id} 200
        client prepare SELECT mysql SELECT ? + ?
        client SELECT mysql SELECT ? + ?
client GET 200
  server GET /late 200
client GET 200
  server GET /price/{id} 200
    client prepare SELECT mysql SELECT ? + ?
    client SELECT mysql SELECT ? + ?
client GET 200
  server GET /raw 200
    client POST 200
      server POST /raw 200
client GET 404
  server GET 404
`
	if diff := cmp.Diff(want, s.trees(t, "shop")); diff != "" {
		t.Errorf("%s", diff)
	}
}

// trees is what Jaeger's API says of a service's traces, in the order of their start.
func (s *realServer) trees(t *testing.T, service string) string {
	t.Helper()
	type tag struct {
		Key   string
		Value any
	}
	type jaegerSpan struct {
		SpanID, OperationName string
		StartTime             int64
		References            []struct{ SpanID string }
		Tags                  []tag
	}
	var answer struct {
		Data []struct{ Spans []jaegerSpan }
	}
	from := time.Now().Add(-time.Hour).UnixMicro()
	resp, err := http.Get(fmt.Sprintf("%s/api/traces?limit=100&service=%s&start=%d&end=%d", s.ui, url.QueryEscape(service), from, time.Now().Add(time.Minute).UnixMicro()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	var roots []jaegerSpan
	below := map[string][]jaegerSpan{}
	for _, trace := range answer.Data {
		for _, span := range trace.Spans {
			if len(span.References) == 0 {
				roots = append(roots, span)
			} else {
				below[span.References[0].SpanID] = append(below[span.References[0].SpanID], span)
			}
		}
	}
	var text strings.Builder
	var write func(spans []jaegerSpan, indent string)
	write = func(spans []jaegerSpan, indent string) {
		slices.SortFunc(spans, func(a, b jaegerSpan) int { return int(a.StartTime - b.StartTime) })
		for _, span := range spans {
			of := map[string]any{}
			for _, t := range span.Tags {
				of[t.Key] = t.Value
			}
			fmt.Fprintf(&text, "\n%s%v %s", indent, of["span.kind"], span.OperationName)
			for _, key := range []string{"db.namespace", "db.query.text", "http.response.status_code"} {
				if v, ok := of[key]; ok {
					fmt.Fprintf(&text, " %v", v)
				}
			}
			write(below[span.SpanID], indent+"  ")
		}
	}
	write(roots, "")
	return text.String() + "\n"
}

// TestBuildWithoutTracer builds a program whose go.mod does not have the tracer.
func TestBuildWithoutTracer(t *testing.T) {
	tracer, err := filepath.Abs("../../shuai")
	if err != nil {
		t.Fatal(err)
	}
	write := func(dir string, files map[string]string) {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	t.Setenv("SHUAI_TRACER", tracer)
	program := map[string]string{
		"go.mod":  "module example.com/hello\n\ngo 1.26\n\nreplace " + weave.Tracer + " => " + tracer + "\n", // with -mod=mod Go itself would add what it lacks
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"example.com/hello/words\"\n)\n\nfunc main() { fmt.Println(words.Hello) }\n",
	}
	dir := t.TempDir()
	write(dir, program)
	if err := os.Mkdir(filepath.Join(dir, "words"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "words"), map[string]string{"words.go": "package words\n\nconst Hello = \"hello\"\n"})
	for name, args := range map[string][]string{
		"package":   {"-C", dir, "-o", "out/package", "."},
		"all":       {"-C=" + dir, "-o", "out/", "-ldflags", "-s -w", "-mod=mod", "-json=false", "./..."},
		"file":      {"-C", dir, "-o=out/file", "main.go"},
		"and words": {"-C", dir, "-v=false", "-o", "out/and words", ".", "./words"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := shuaiRun(t, append([]string{"build"}, args...)...)
			if name == "and words" { // go build itself refuses
				if code != 1 || !strings.Contains(errs, "go build: exit status 1") {
					t.Errorf("exit code %d: %s", code, errs)
				}
				return
			}
			if code != 0 || out != "" || errs != "" {
				t.Fatalf("exit code %d: %s%s", code, out, errs)
			}
			bin := filepath.Join(dir, "out", name)
			if name == "all" {
				bin = filepath.Join(dir, "out", "hello")
			}
			for setting, want := range map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9": "hello\n",
				"SHUAI_RATIO=many": "shuai: this program is not traced: configure tracer: SHUAI_RATIO: \"many\" is not a ratio, a number from 0 (none) to 1 (all)\nhello\n",
			} {
				cmd := exec.CommandContext(t.Context(), bin)
				cmd.Env = append(os.Environ(), setting)
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
					t.Errorf("%s: %v, %q, want %q", setting, err, out, want)
				}
			}
		})
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || string(text) != program["go.mod"] {
		t.Errorf("the go.mod has become %q, %v", text, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("beside the program there are %v, %v", entries, err)
	}

	for name, c := range map[string]struct {
		mod, tracer, work string
		flags, cache      string // GOFLAGS, GOMODCACHE
		args              []string
		want              string
	}{
		"no value":     {args: []string{"-o"}, want: "the flag -o has no value"},
		"overlay":      {args: []string{"-overlay", "x", "."}, want: "shuai build has its own"},
		"their flags":  {flags: "-overlay=x", want: "shuai build has its own"},
		"their file":   {flags: "-modfile=go.mod", want: "go.mod does not have the tracer"},
		"their cache":  {cache: runtime.GOROOT(), want: "is one that Go has downloaded by itself"}, //nolint:staticcheck // the test runs where it was built
		"plugin":       {args: []string{"-buildmode=plugin", "."}, want: "-buildmode=plugin is no program"},
		"vendor":       {args: []string{"-mod", "vendor", "."}, want: "-mod=mod leaves it aside"},
		"no program":   {args: []string{"./words"}, want: "there is no package main among the packages"},
		"no package":   {args: []string{"./nowhere"}, want: "nowhere"},
		"no flag":      {args: []string{"-colour=red", "."}, want: "flag provided but not defined: -colour"},
		"old language": {mod: "module example.com/hello\n\ngo 1.21\n", want: "it needs Go 1.26, and the go.mod says 1.21"},
		"no tracer":    {tracer: dir + "/words", want: "SHUAI_TRACER says which one"},
		"no module":    {mod: "-", args: []string{"main.go"}, want: "there is no go.mod here"},
		"their go.mod": {args: []string{"-modfile=go.mod", "."}, want: "go.mod does not have the tracer"},
		"workspace":    {work: "go 1.26\n\nuse .\n", want: "in a workspace shuai build cannot add it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(dir, map[string]string{"go.mod": "module example.com/hello\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"})
			if err := os.Mkdir(filepath.Join(dir, "words"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(filepath.Join(dir, "words"), map[string]string{"words.go": "package words\n"})
			switch {
			case c.mod == "-":
				os.Remove(filepath.Join(dir, "go.mod"))
			case c.mod != "":
				write(dir, map[string]string{"go.mod": c.mod})
			case c.work != "":
				write(dir, map[string]string{"go.work": c.work})
				t.Setenv("GOWORK", filepath.Join(dir, "go.work"))
			case c.tracer != "":
				t.Setenv("SHUAI_TRACER", c.tracer)
			case c.flags != "":
				t.Setenv("GOFLAGS", c.flags)
			case c.cache != "":
				t.Setenv("GOMODCACHE", c.cache)
			}
			if c.args == nil {
				c.args = []string{"."}
			}
			code, out, errs := shuaiRun(t, append([]string{"build", "-C", dir}, c.args...)...)
			if code != 1 || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit code %d, %s, want %q in %s", code, out, c.want, errs)
			}
		})
	}
}
