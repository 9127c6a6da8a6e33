package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/realdb"
)

// shuaiRun runs the program to its end.
func shuaiRun(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// serving is a server in this process, started as the command line would.
type runningServer struct {
	ui, otlpHTTP, otlpGRPC string
	printed                string
	stop                   func() (code int, stderr string)
}

func startServe(t *testing.T, args ...string) runningServer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errs bytes.Buffer
	codes := make(chan int, 1)
	go func() {
		defer w.Close()
		codes <- run(ctx, append([]string{"serve", "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--zipkin", "127.0.0.1:0", "--jaeger", "127.0.0.1:0"}, args...), w, &errs)
	}()
	var s runningServer
	printed := make([]byte, 0, 512)
	for !strings.Contains(string(printed), "\ndata ") {
		var p [256]byte
		n, err := r.Read(p[:])
		if printed = append(printed, p[:n]...); err != nil {
			cancel()
			t.Fatalf("the server ended with %d: %s", <-codes, &errs)
		}
	}
	for line := range strings.Lines(string(printed)) {
		f := strings.Fields(line)
		switch f[0] {
		case "ui":
			s.ui = f[1]
		case "otlp/http":
			s.otlpHTTP = f[1]
		case "otlp/grpc":
			s.otlpGRPC = f[1]
		}
	}
	s.printed = string(printed)
	go io.Copy(io.Discard, r)
	s.stop = sync.OnceValues(func() (int, string) {
		cancel()
		return <-codes, errs.String()
	})
	t.Cleanup(func() { s.stop() })
	return s
}

const oneSpan = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeSpans":[{"spans":[
{"traceId":"6b0349c00a112a079f3b6c1de85a7042","spanId":"1503bc5349c04000","name":"GET /","kind":2,"startTimeUnixNano":"1795377600250000000","endTimeUnixNano":"1795377600260000000"}]}]}]}`

func post(t *testing.T, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/traces", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s %s %v", resp.Status, answer, err)
	}
}

// What is acknowledged can be asked for at once, by terminal and after a restart.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	for restart := range 3 {
		s := startServe(t, "--data", dir, "--retention", "0")
		if restart == 0 {
			post(t, s.otlpHTTP, oneSpan)
		}
		code, out, errs := shuaiRun(t, "trace", "6b0349c00a112a079f3b6c1de85a7042", "-o", "json", "--server", s.ui)
		var trace struct {
			Duration int64
			Names    []string
		}
		if err := json.Unmarshal([]byte(out), &trace); code != 0 || err != nil || trace.Duration != 10_000_000 || len(trace.Names) != 1 || trace.Names[0] != "GET /" {
			t.Fatalf("restart %d: exit code %d, %s%s", restart, code, out, errs)
		}
		if code, errs := s.stop(); code != 0 || errs != "" {
			t.Fatalf("stopped with exit code %d: %s", code, errs)
		}
	}
}

// Whoever cannot start says why, what to do, and exits with 1; a command line that is wrong with 2.
func TestServeRefuses(t *testing.T) {
	running := startServe(t, "--data", filepath.Join(t.TempDir(), "mine"))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("bogus: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(t.TempDir(), "used")
	other := startServe(t, "--data", used)
	free := []string{"--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--zipkin", "127.0.0.1:0", "--jaeger", "127.0.0.1:0"}
	for name, tt := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"taken port": {[]string{"serve", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--otlp-http", taken.Addr().String()}, 1, []string{taken.Addr().String(), "is taken", "--otlp-http"}},
		"taken ports": {
			[]string{"serve", "--data", t.TempDir(), "--http", taken.Addr().String(), "--otlp-http", "127.0.0.1:0", "--otlp-grpc", taken.Addr().String()},
			1,
			[]string{"--http " + taken.Addr().String() + " is taken", "--otlp-grpc " + taken.Addr().String() + " is taken"},
		},
		"certificate without key": {append([]string{"serve", "--data", t.TempDir(), "--tls-cert", file}, free...), 1, []string{"--tls-cert", "key"}},
		"no certificate":          {append([]string{"serve", "--data", t.TempDir(), "--tls-cert", file, "--tls-key", file}, free...), 1, []string{"--tls-cert", file}},
		"no such address":         {append([]string{"serve", "--data", t.TempDir()}, "--http", "nonsense"), 1, []string{"--http", "nonsense", "HOST:PORT"}},
		"no address":              {append([]string{"serve", "--data", t.TempDir()}, "--zipkin", ""), 1, []string{"--zipkin", "HOST:PORT"}},
		"an empty token":          {append([]string{"serve", "--data", t.TempDir(), "--token", "a,,b"}, free...), 1, []string{"--token", "empty"}},
		"a token of two words":    {append([]string{"serve", "--data", t.TempDir(), "--token", "a b"}, free...), 1, []string{"--token"}},
		"data is a file":          {append([]string{"serve", "--data", file}, free...), 1, []string{file}},
		"data below a file":       {append([]string{"serve", "--data", filepath.Join(file, "x")}, free...), 1, []string{file}},
		"data in use":             {append([]string{"serve", "--data", used}, free...), 1, []string{used, "in use"}},
		"unknown flag":            {[]string{"serve", "--nonsense"}, 2, []string{"--nonsense", "--help"}},
		"unknown command":         {[]string{"nonsense"}, 2, []string{"nonsense"}},
		"bad value":               {[]string{"serve", "--fsync", "often"}, 2, []string{"--fsync", "interval", "batch"}},
		"bad period":              {[]string{"serve", "--retention", "7 days"}, 2, []string{"--retention", "7 days", "2w"}},
		"bad size":                {[]string{"serve", "--max-bytes", "much"}, 2, []string{"--max-bytes", "much", "50GB"}},
		"unknown setting":         {[]string{"serve", "--config", file}, 2, []string{"bogus", "otlp-http"}},
		"no server":               {[]string{"slow", "--server", "http://" + taken.Addr().String() + "0"}, 1, []string{"shuai serve"}},
		"no such trace":           {[]string{"trace", "abc", "--server", running.ui}, 1, []string{"shuai trace: no span of this trace"}},
		"no id":                   {[]string{"id", "xyz"}, 1, []string{"xyz", "32 hex digits"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := shuaiRun(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, errs)
			}
			for _, s := range tt.says {
				if !strings.Contains(errs, s) {
					t.Errorf("%q does not say %q", errs, s)
				}
			}
		})
	}
	if code, errs := other.stop(); code != 0 {
		t.Errorf("the server whose directory was wanted by another: %d %s", code, errs)
	}
}

// What the file says is taken as it is written: nothing becomes a number or a truth value on its way.
func TestConfigurationAsWritten(t *testing.T) {
	for text, want := range map[string]any{
		"0123": "0123", "1e3": "1e3", "off": "off", "true": "true", "~": nil, "": nil, `"~"`: "~", "[a, 0123]": []any{"a", "0123"}, "[&x 07, *x]": []any{"07", "07"},
	} {
		c, err := loadConfig(strings.NewReader("token: " + text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Resolve(nil, nil, &kong.Flag{Value: &kong.Value{Name: "token"}})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	c, err := loadConfig(strings.NewReader("token: {a: b}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Resolve(nil, nil, &kong.Flag{Value: &kong.Value{Name: "token"}}); err == nil {
		t.Errorf("a map became %v", got)
	}
}

// The command line wins over the environment, that over the file, that over the default.
func TestConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shuai.yaml")
	dirs := map[string]string{}
	for _, from := range []string{"file", "env", "flag"} {
		dirs[from] = filepath.Join(t.TempDir(), from)
	}
	if err := os.WriteFile(file, []byte("# where\ndata: "+dirs["file"]+"\nlog-level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := func(from string) bool {
		_, err := os.Stat(dirs[from])
		return err == nil
	}
	startServe(t, "--config", file).stop()
	if !made("file") {
		t.Error("the file's directory was not used")
	}
	t.Setenv("SHUAI_DATA", dirs["env"])
	startServe(t, "--config", file).stop()
	if !made("env") || made("flag") {
		t.Error("the environment's directory was not used")
	}
	startServe(t, "--config", file, "--data", dirs["flag"]).stop()
	if !made("flag") {
		t.Error("the command line's directory was not used")
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}} {
		code, out, _ := shuaiRun(t, args...)
		for _, want := range []string{"serve", "demo", "trace", "slow", "id"} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("exit code %d, and no %q in %s", code, want, out)
			}
		}
	}
	code, out, _ := shuaiRun(t, "serve", "--help")
	for _, want := range []string{"--data", "$SHUAI_DATA", "--otlp-grpc", "127.0.0.1:4317", "OTEL_EXPORTER_OTLP_ENDPOINT", "fsync: batch", "MiB", "(7d)", "max-bytes: 200GB"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and no %q in %s", code, want, out)
		}
	}
}

// The demonstration runs for as long as it is told, shows an example, and removes what it wrote.
func TestDemo(t *testing.T) {
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "shuai-demo-*"))
	began := time.Now()
	code, out, errs := shuaiRun(t, "demo", "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--for", "6s", "--rate", "2")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d after %v: %s%s", code, time.Since(began), out, errs)
	}
	for _, want := range []string{"ui ", "site ", "stand-ins for MySQL, Redis, memcached, beansdb", "collector ", "/trace/"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	after, _ := filepath.Glob(filepath.Join(os.TempDir(), "shuai-demo-*"))
	if len(after) > len(before) {
		t.Errorf("left behind: %v", after)
	}
}

// It runs on real stores where flags say so, and says which one it cannot use.
func TestDemoStores(t *testing.T) {
	args := []string{"demo", "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--for", "100ms", "--rate", "0"}
	at, stop, err := startStores(t.Context())
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	if errors.Is(err, realdb.ErrMissing) {
		t.Skipf("%v; the demonstration ran on stand-ins only", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := shuaiRun(t, append(args, "--mysql", at.MySQL, "--redis", at.Redis, "--memcached", at.Memcached, "--beansdb", at.Beansdb)...)
	if want := "MySQL, Redis, memcached, beansdb as given\n"; code != 0 || errs != "" || !strings.Contains(out, want) {
		t.Errorf("exit code %d, no %q in %s%s", code, want, out, errs)
	}
	code, _, errs = shuaiRun(t, append(args, "--mysql", at.MySQL+"theirs")...)
	if want := `leave "theirs" out`; code != 1 || !strings.Contains(errs, want) {
		t.Errorf("exit code %d, no %q in %s", code, want, errs)
	}
}
