package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/api"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/workload"
)

var rewrite = flag.Bool("update", false, "write the golden files anew")

var askedAt = time.Unix(1_800_000_000, 0)

// subjectPage is the request of the talk: 180 RPCs one after the other, 89 look-ups in memcached and 26
// in beansdb, all of them called by the page itself.
func subjectPage() *span.Batch {
	b := new(span.Batch)
	const ms = int64(time.Millisecond)
	id := span.ID(1)
	start := askedAt.Add(-10 * time.Minute).UnixNano()
	at := start + 2*ms
	put := func(s span.Span, service string) span.ID {
		s.TraceID, s.SpanID = span.TraceID{Hi: 0x6b49d20000000000, Lo: 0xabc}, id
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}
		id++
		b.Append(&s)
		return s.SpanID
	}
	root := put(span.Span{Name: "GET /subject/{id}", Kind: span.KindServer, Start: start}, "movie-web")
	for i := range 295 {
		s := span.Span{Parent: root, Kind: span.KindClient, Start: at}
		switch {
		case i%59 < 36: // 180 of 295
			s.Name, s.Duration = "movie_pic1svc", 4*ms+int64(i%7)*ms/2
			s.Attrs = []span.Attribute{{Key: "rpc.service", Value: span.StringValue("movie.service")}, {Key: "rpc.method", Value: span.StringValue("movie_pic1svc")}}
			client := put(s, "movie-web")
			put(span.Span{Parent: client, Name: s.Name, Kind: span.KindServer, Start: at + ms/2, Duration: s.Duration - ms, Attrs: s.Attrs}, "movie")
		case i%59 < 54 && i != 53: // 89
			s.Name, s.Duration = "get", ms/2
			s.Attrs = []span.Attribute{{Key: "db.system.name", Value: span.StringValue("memcached")}}
			put(s, "movie-web")
		default: // 26
			s.Name, s.Duration = "get", 3*ms
			s.Attrs = []span.Attribute{{Key: "db.system.name", Value: span.StringValue("beansdb")}}
			if i == 58 {
				s.Status = span.StatusError
			}
			put(s, "movie-web")
		}
		if at += s.Duration; i%50 == 0 {
			at -= s.Duration / 2
		}
	}
	b.Duration[0] = at + 3*ms - start
	return b
}

func smallPage(n uint64, name string, took time.Duration) *span.Batch {
	b := new(span.Batch)
	s := span.Span{
		TraceID: span.TraceID{Hi: 0x6b49d20000000000, Lo: n}, SpanID: span.ID(n << 8), Name: name, Kind: span.KindServer,
		Start: askedAt.Add(-time.Duration(n) * time.Minute).UnixNano(), Duration: int64(took),
		Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue("movie-web")}}},
	}
	b.Append(&s)
	return b
}

func answering(t *testing.T) string {
	t.Helper()
	s := storetest.NewModel()
	evil := smallPage(5, "GET /\x1b[2J名前\u202e", 40*time.Microsecond)
	evil.Parent[0] = 77
	for _, b := range []*span.Batch{
		subjectPage(), smallPage(1, "GET /", 12*time.Millisecond), smallPage(2, "GET /", 1500*time.Millisecond),
		smallPage(3, "GET /健康", 950*time.Nanosecond), evil,
	} {
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return serving(t, s)
}

// analysing answers about an endpoint with planted causes.
func analysing(t *testing.T) string {
	t.Helper()
	clock := askedAt.Add(-10 * time.Second)
	w := findings.Start(findings.Options{Store: storetest.NewModel(), Now: func() time.Time { return clock }})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	for b := range workload.Subject(9, 150, askedAt.Add(-45*time.Minute).UnixNano(), int64(10*time.Second)) {
		if err := w.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle(t.Context(), askedAt)
	return serving(t, w)
}

func serving(t *testing.T, s store.Store) string {
	t.Helper()
	watcher, _ := s.(*findings.Watcher)
	srv := httptest.NewServer(api.New(api.Config{Store: s, Findings: watcher, Now: func() time.Time { return askedAt }, ReadWithin: time.Hour}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// ask runs the commands that ask a server as main does.
func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var cli struct {
		Trace    TraceCmd    `cmd:""`
		Slow     SlowCmd     `cmd:""`
		Why      WhyCmd      `cmd:""`
		Diff     DiffCmd     `cmd:""`
		Findings FindingsCmd `cmd:""`
		Redeye   RedeyeCmd   `cmd:""`
	}
	var out, errs bytes.Buffer
	parser, err := kong.New(&cli, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.Bind(streams{&out, &errs}), kong.Writers(&out, &errs))
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = cmd.Run()
	if errs.Len() > 0 {
		t.Errorf("printed to stderr: %s", &errs)
	}
	return out.String(), err
}

const subject = "6b49d200000000000000000000000abc"

const (
	subjectA = "6b49cb700a010203d7341ef9bc8fa0a3"
	subjectB = "6b49c9680a0102033bad1fe078674b9f"
	chatty   = "66926013e29e3845"
)

func TestAskGolden(t *testing.T) {
	t.Setenv("COLUMNS", "130")
	server := answering(t)
	golden(t, server, map[string][]string{
		"trace":         {"trace", subject},
		"trace-unfold":  {"trace", subject, "--unfold", "--limit", "12"},
		"trace-hostile": {"trace", "6b49d200000000000000000000000005"},
		"trace-span":    {"trace", subject, "--span", "2"},
		"trace-row":     {"trace", subject, "--row", "0"},
		"slow":          {"slow"},
		"slow-limit":    {"slow", "--limit", "1", "--sort", "slowest", "--service", "movie-web"},
		"slow-nothing":  {"slow", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"},
		"slow-name":     {"slow", "--name", "GET /", "-n", "1"},
		"slow-query":    {"slow", "-q", `{ span.db.system.name = "beansdb" }`, "--service", "movie-web"},
		"slow-no-match": {"slow", "-q", `name = "nothing"`},
		"slow-unknown":  {"slow", "-q", `{ span.db.sytem.name = "mysql" }`},
		"why-one":       {"why"},
		"why-nothing":   {"why", "--service", "movie-web", "--name", "GET /nothing"},
		"findings-none": {"findings"},
		"redeye-none":   {"redeye"},
	})
}

// TestAnalysisGolden: what was planted is named in the terminal, too.
func TestAnalysisGolden(t *testing.T) {
	t.Setenv("COLUMNS", "130")
	server := analysing(t)
	golden(t, server, map[string][]string{
		"why":            {"why", "-n", "4"},
		"why-times":      {"why", "-s", "web", "--name", workload.SubjectName, "--slow", "..", "--slow-from", "now-30m", "--normal", "..100ms", "--normal-to", "now-35m", "-n", "2"},
		"why-patterns":   {"why", "--patterns", "--from", "now-30m", "--before", "15m"},
		"diff":           {"diff", subjectA, subjectB, "-n", "3"},
		"diff-typical":   {"diff", subjectA},
		"findings":       {"findings"},
		"findings-one":   {"findings", chatty},
		"findings-muted": {"findings", "--state", "muted"},
	})
	for _, decide := range [][]string{{"--mute", "--reason", "by design", "--for", "7d"}, {"--reopen"}, {"--resolve"}} {
		if out, err := ask(t, append([]string{"findings", chatty, "--server", server}, decide...)...); err != nil || !strings.Contains(out, "user.Get") {
			t.Errorf("%v: %v\n%s", decide, err, out)
		}
	}
	if out, err := ask(t, "findings", "--state", "resolved", "--server", server); err != nil || !strings.Contains(out, chatty) {
		t.Errorf("resolved: %v\n%s", err, out)
	}
}

func golden(t *testing.T, server string, commands map[string][]string) {
	t.Helper()
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			got, err := ask(t, append(args, "--server", server)...)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(got, "\x1b\u202e") {
				t.Errorf("control characters reach the terminal: %q", got)
			}
			file := filepath.Join("testdata", name+".golden")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAskJSON(t *testing.T) {
	server := answering(t)
	for _, args := range [][]string{
		{"trace", subject},
		{"trace", subject, "--span", "1"},
		{"slow"},
		{"slow", "--name", "GET /"},
		{"why"},
		{"why", "--patterns"},
		{"diff", subject, subject},
		{"findings"},
	} {
		got, err := ask(t, append(args, "-o", "json", "--server", server)...)
		if err != nil || !json.Valid([]byte(got)) {
			t.Errorf("%v: %v %.200s", args, err, got)
		}
	}
}

// TestAskErrors: what goes wrong says what to do.
func TestAskErrors(t *testing.T) {
	server := answering(t)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{[]string{"trace", "77", "--server", server}, []string{"no span of this trace is stored"}},
		{[]string{"trace", "xyz?a#b", "--server", server}, []string{"not a hex digit"}},
		{[]string{"trace", subject, "--span", "99999", "--server", server}, []string{"has no span 99999"}},
		{[]string{"trace", subject, "--row", "9999", "--server", server}, []string{"rows 0 to"}},
		{[]string{"why", "--name", "x", "--server", server}, []string{"--name needs --service"}},
		{[]string{"why", "--slow", "fast", "--server", server}, []string{"p25..p75"}},
		{[]string{"why", "--from", "now-2d", "--to", "now-1d", "--server", server}, []string{"there were no requests", "--from"}},
		{[]string{"diff", subject, "77", "--server", server}, []string{"no span of this trace is stored"}},
		{[]string{"findings", "77", "--server", server}, []string{"no such finding"}},
		{[]string{"findings", "--mute", "--server", server}, []string{"say which finding"}},
		{[]string{"slow", "-q", "{ duration > }", "--server", server}, []string{"\n  { duration > }\n               ^"}},
		{[]string{"slow", "--from", "tomorrow", "--server", server}, []string{"from=tomorrow", "RFC 3339"}},
		{[]string{"slow", "-n", "0", "--server", server}, []string{"limit=0"}},
		{[]string{"slow", "--server", gone.URL}, []string{"no server answers at " + gone.URL, "shuai serve", "SHUAI_SERVER"}},
		{[]string{"slow", "--server", other.URL}, []string{"is no Shuai server"}},
		{[]string{"slow", "--server", "http://[::1"}, []string{"--server"}},
		{[]string{"slow", "-o", "xml"}, []string{"table", "json"}},
		{[]string{"trace", subject, "--span", "1", "--row", "2"}, []string{"--span", "--row"}},
	} {
		out, err := ask(t, tt.args...)
		if err == nil || out != "" {
			t.Errorf("%v: no error, %q", tt.args, out)
			continue
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%v: %q does not say %q", tt.args, err, s)
			}
		}
	}
}

// TestServerFromEnvironment: SHUAI_SERVER, with or without a scheme.
func TestServerFromEnvironment(t *testing.T) {
	t.Setenv("SHUAI_SERVER", strings.TrimPrefix(answering(t), "http://")+"/")
	if _, err := ask(t, "slow"); err != nil {
		t.Error(err)
	}
}

func TestFigures(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "健康": 4, "e\u0301": 1} {
		if got := width(s); got != want {
			t.Errorf("%q takes %d cells, want %d", s, got, want)
		}
	}
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"健康", 3, "健…"}, {"健康", 2, "…"}} {
		if got := fit(tt.s, tt.n); got != tt.want {
			t.Errorf("%q in %d cells is %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestColoursOnlyOnTerminals(t *testing.T) {
	if colours(new(bytes.Buffer)) {
		t.Error("a buffer is no terminal")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if colours(f) {
		t.Error("a file is no terminal")
	}
	if paint(true).red("x") != "\x1b[31mx\x1b[0m" || paint(false).red("x") != "x" {
		t.Error("paint")
	}
}
