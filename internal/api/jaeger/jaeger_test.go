package jaeger_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/api"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Unix(1_800_000_000, 0).UTC()

const ms = int64(time.Millisecond)

func attr(key string, v span.Value) span.Attribute { return span.Attribute{Key: key, Value: v} }

func process(service, host string) span.Resource {
	return span.Resource{Attrs: []span.Attribute{attr("service.name", span.StringValue(service)), attr("host.name", span.StringValue(host))}}
}

// page is a request: a server span, a call of another service whose clock is late, an event, links, and a
// store. It started ago before now.
func page(id span.TraceID, ago time.Duration) *span.Batch {
	b := new(span.Batch)
	start := now.Add(-ago).UnixNano() + 999 // less than a µs more
	web, movie := process("web/front", "a"), process("movie", "b")
	base := span.ID(id.Lo << 8)
	for _, s := range []span.Span{
		{
			SpanID: base + 1, Name: "GET /subject/{id}", Kind: span.KindServer, Start: start, Duration: 20*ms + 999, Resource: web, Flags: 0x103,
			Status: span.StatusError, StatusMessage: "the movie is gone", TraceState: "a=b", Scope: span.Scope{Name: "shuaihttp", Version: "0.1.0"},
			Attrs: []span.Attribute{
				attr("http.response.status_code", span.IntValue(500)), attr("big", span.IntValue(math.MaxInt64)), attr("least", span.IntValue(-(1<<53 - 1))),
				attr("below", span.IntValue(-(1 << 53))), attr("cached", span.BoolValue(false)), attr("load", span.DoubleValue(1e21)), attr("nan", span.DoubleValue(math.NaN())),
				attr("key", span.TextValue(span.Bytes, "\x00\xff")), attr("ids", span.TextValue(span.List, `[1,"x"]`)), attr("nothing", span.Value{}),
			},
			Events: []span.Event{{Time: start + 3*ms, Name: "exception", Attrs: []span.Attribute{attr("exception.type", span.StringValue("NotFound"))}}},
			Links: []span.Link{
				{TraceID: span.TraceID{Lo: 2}, SpanID: 3},
				{TraceID: id, SpanID: 4, Attrs: []span.Attribute{attr("opentracing.ref_type", span.StringValue("child_of"))}},
				{}, // leads nowhere
			},
		},
		{SpanID: base + 2, Parent: base + 1, Name: "get", Kind: span.KindClient, Start: start + ms, Duration: 8 * ms, Resource: web},
		{ // its clock is 5 ms late
			SpanID: base + 3, Parent: base + 2, Name: "get", Kind: span.KindServer, Start: start - 3*ms, Duration: 6 * ms, Resource: movie,
			Events: []span.Event{{Time: start - 2*ms, Name: "found"}},
		},
		{
			SpanID: base + 4, Parent: base + 3, Name: "SELECT", Kind: span.KindClient, Start: start - 2*ms, Duration: 2 * ms, Resource: movie,
			Attrs: []span.Attribute{attr("db.system.name", span.StringValue("mysql"))},
		},
		{SpanID: base + 5, Parent: 0xdead, Name: "lost", Start: start + 2*ms, Duration: ms}, // no service, no parent
	} {
		s.TraceID = id
		b.Append(&s)
	}
	return b
}

// shared is a call as Zipkin records it: both halves have one id.
func shared(id span.TraceID, ago time.Duration) *span.Batch {
	b := new(span.Batch)
	start := now.Add(-ago).UnixNano()
	for _, s := range []span.Span{
		{SpanID: 7, Name: "call", Kind: span.KindClient, Start: start, Duration: 10 * ms, Resource: process("web/front", "a")},
		{SpanID: 7, Name: "call", Kind: span.KindServer, Start: start + ms, Duration: 8 * ms, Resource: process("movie", "b")},
		{SpanID: 8, Parent: 7, Name: "query", Kind: span.KindClient, Start: start + 2*ms, Duration: ms, Resource: process("movie", "b")},
		{SpanID: 9, Parent: 9, Name: "self", Kind: span.KindInternal, Start: start + 3*ms, Duration: ms, Resource: process("movie", "b")},
	} {
		s.TraceID = id
		b.Append(&s)
	}
	return b
}

var (
	first  = span.TraceID{Hi: 0x6b49d200, Lo: 1}
	second = span.TraceID{Lo: 0xfb02} // a 64-bit peer's
	third  = span.TraceID{Hi: 0x6b49d200, Lo: 3}
)

func fixture(t testing.TB) http.Handler {
	t.Helper()
	s := storetest.NewModel()
	for _, b := range []*span.Batch{page(first, 10*time.Minute), shared(second, 5*time.Minute), page(third, 30*time.Hour)} {
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return handler(s)
}

func handler(s store.Store) http.Handler {
	return api.New(api.Config{Store: s, Now: func() time.Time { return now }})
}

func get(t testing.TB, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGolden(t *testing.T) {
	h := fixture(t)
	quote := url.QueryEscape
	for name, target := range map[string]string{
		"services":            "/api/services",
		"service-operations":  "/api/services/web%2Ffront/operations",
		"service-unknown":     "/api/services/nobody/operations",
		"operations":          "/api/operations?service=movie",
		"operations-kind":     "/api/operations?service=movie&spanKind=client",
		"operations-empty":    "/api/operations?service=nobody",
		"trace":               "/api/traces/" + first.String(),
		"trace-raw":           "/api/traces/6b49d2000000000000000001?raw=true",
		"trace-shared-id":     "/api/traces/fb02?start=1799999000000&end=1800000000000",
		"search-tags":         "/api/traces?service=movie&limit=5&tags=" + quote(`{"db.system.name":"mysql"}`) + "&start=1799990000000000&end=1800000000000000&lookback=1h",
		"search-none":         "/api/traces?service=movie&operation=nothing",
		"multi-get":           "/api/traces?traceID=fb02&traceID=abc&traceID=00000000000000000000000000000abd",
		"dependencies":        "/api/dependencies",
		"dependencies-two":    "/api/dependencies?endTs=1800000000000&lookback=604800000&service=movie",
		"dependencies-none":   "/api/dependencies?endTs=1000&lookback=10",
		"error-missing":       "/api/traces/abc",
		"error-id":            "/api/traces/xyz",
		"error-service":       "/api/operations",
		"error-kind":          "/api/operations?service=movie&spanKind=cat",
		"error-tag":           "/api/traces?tag=novalue",
		"error-tags":          "/api/traces?tags=" + quote(`{"a":1}`),
		"error-duration":      "/api/traces?minDuration=2s&maxDuration=1s",
		"error-duration-form": "/api/traces?minDuration=fast",
		"error-limit":         "/api/traces?limit=many",
	} {
		t.Run(name, func(t *testing.T) {
			w := get(t, h, target)
			var pretty bytes.Buffer
			fmt.Fprintf(&pretty, "GET %s\n%d %s\n", target, w.Code, w.Header().Get("Content-Type"))
			if err := json.Indent(&pretty, w.Body.Bytes(), "", " "); err != nil {
				t.Fatalf("%v\n%s", err, w.Body)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestHostileParameters: what is wrong is said, as an error in Jaeger's form.
func TestHostileParameters(t *testing.T) {
	h := fixture(t)
	long := strings.Repeat("x", 20<<10)
	many := strings.Repeat("&traceID=1", 1001)
	var tags strings.Builder
	for i := range 65 {
		fmt.Fprintf(&tags, "&tag=k%d:v", i)
	}
	for _, tt := range []struct {
		target string
		code   int
		says   string
	}{
		{"/api/traces?limit=-1", 400, "limit"},
		{"/api/traces?limit=99999999999999999999", 400, "limit"},
		{"/api/traces?start=now", 400, "start"},
		{"/api/traces?end=1e15", 400, "end"},
		{"/api/traces?start=" + strings.Repeat("9", 1000), 400, "out of range"},
		{"/api/traces?raw=perhaps", 400, "raw"},
		{"/api/traces?maxDuration=-1s", 400, "maxDuration"},
		{"/api/traces?minDuration=" + long, 400, "at most 16384"},
		{"/api/traces?service=" + long, 400, "at most 16384"},
		{"/api/traces?tags=%7B", 400, "malformed 'tags'"},
		{"/api/traces?tags=[]", 400, "malformed 'tags'"},
		{"/api/traces?" + tags.String(), 400, "at most 64"},
		{"/api/traces?traceID=", 400, "traceID"},
		{"/api/traces?traceID=0", 400, "zeros"},
		{"/api/traces?" + many, 400, "at most 1000"},
		{"/api/traces?service=%zz", 400, "query string"},
		{"/api/traces?a;b", 400, "query string"},
		{"/api/traces/1?start=soon", 400, "start"},
		{"/api/traces/1?raw=2", 400, "raw"},
		{"/api/traces/" + strings.Repeat("1", 33), 400, "traceID"},
		{"/api/traces/%00", 400, "traceID"},
		{"/api/dependencies?endTs=x", 400, "endTs"},
		{"/api/dependencies?lookback=-1", 400, "lookback"},
	} {
		w := get(t, h, tt.target)
		var answer struct {
			Data   json.RawMessage
			Errors []struct {
				Code int
				Msg  string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Errors) != 1 {
			t.Errorf("%.80s: %d %.300s, %v", tt.target, w.Code, w.Body, err)
			continue
		}
		e := answer.Errors[0]
		if w.Code != tt.code || e.Code != tt.code || !strings.Contains(e.Msg, tt.says) || len(e.Msg) > 500 || string(answer.Data) != "null" ||
			w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasSuffix(w.Body.String(), "\n") {
			t.Errorf("%.80s: %d %.300s; want %d and %q", tt.target, w.Code, w.Body, tt.code, tt.says)
		}
	}
	for _, target := range []string{
		"/api/traces?limit=999999999", "/api/traces?start=9223372036854775807", "/api/traces?end=-9223372036854775808", "/api/traces?start=2&end=1",
		"/api/dependencies?endTs=9223372036854775807&lookback=9223372036854775807", "/api/dependencies?lookback=0", "/api/operations?service=%00%ff",
		"/api/services/%ff/operations", "/api/services/a%2F%2E%2E%2Fb/operations", "/api/traces?tag=:", "/api/traces?tag=%ff:%00",
	} {
		if w := get(t, h, target); w.Code != 200 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %.300s", target, w.Code, w.Body)
		}
	}
}

// TestAddresses: what is not Jaeger's is nobody's, and nothing is changed by asking.
func TestAddresses(t *testing.T) {
	h := fixture(t)
	for _, target := range []string{
		"/api/traces/", "/api/traces/1/2", "/api/services/", "/api/services/a", "/api/services/a/operation", "/api/services//operations", "/api/archive/1",
	} {
		if w := get(t, h, target); w.Code != 404 || w.Body.String() != "404 page not found\n" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	// Grafana joins a service's name to the address unescaped.
	if w := get(t, h, "/api/services/web/front/operations"); w.Code != 200 || !strings.Contains(w.Body.String(), "GET /subject/{id}") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for accept, code := range map[string]int{
		"application/protobuf": 404, "application/protobuf;q=1, */*": 404, // it is Tempo that is asked
		"application/json": 200, "*/*": 200, "": 200, "text/html, application/protobuf": 200,
	} {
		if w := get(t, h, "/api/traces/fb02", "Accept", accept); w.Code != code {
			t.Errorf("Accept %s: %d", accept, w.Code)
		}
	}
	for _, target := range []string{"/api/traces", "/api/services"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("{}")))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("POST %s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestForms(t *testing.T) {
	h := fixture(t)
	p := first.Bytes()
	plain := get(t, h, "/api/traces/"+first.String()).Body.String()
	for _, form := range []string{strings.ToUpper(first.String()), "6b49d2000000000000000001", url.PathEscape(base64.StdEncoding.EncodeToString(p[:])), base64.RawURLEncoding.EncodeToString(p[:])} {
		if got := get(t, h, "/api/traces/"+form).Body.String(); got != plain {
			t.Errorf("%s: %.200s", form, got)
		}
	}
	if got := get(t, h, "/api/services?prettyPrint=1").Body.String(); !strings.HasPrefix(got, "{\n    \"data\": [\n        \"") {
		t.Errorf("prettyPrint: %s", got)
	}
	if got := get(t, h, "/api/services?prettyPrint=false").Body.String(); strings.Contains(got, "\n") {
		t.Errorf("no prettyPrint: %s", got)
	}
	// By the low half of its id a trace is found, and shown with the whole one.
	if got := get(t, h, "/api/traces/1").Body.String(); !strings.HasPrefix(got, `{"data":[{"traceID":"`+first.String()+`"`) {
		t.Errorf("%.200s", got)
	}
}

// TestSearchIsOfOneSpan: all conditions must hold of one span, whose whole trace is the answer; newest first.
func TestSearchIsOfOneSpan(t *testing.T) {
	h := fixture(t)
	for query, want := range map[string][]string{
		"":                                        {"000000000000fb02", first.String(), third.String()},
		"limit=1":                                 {"000000000000fb02"},
		"limit=2":                                 {"000000000000fb02", first.String()},
		"service=movie&operation=SELECT":          {first.String(), third.String()},
		"service=web/front&operation=SELECT":      {},
		"service=web/front&minDuration=15ms":      {first.String(), third.String()},
		"service=movie&minDuration=15ms":          {},
		"operation=call&maxDuration=9ms":          {"000000000000fb02"},
		"start=1799999000000000":                  {"000000000000fb02", first.String()},
		"end=1799999000000000":                    {third.String()},
		"tag=error:true&tag=span.kind:server":     {first.String(), third.String()},
		"tag=error:true&tag=span.kind:client":     {},
		"tag=otel.scope.name:shuaihttp&limit=1":   {first.String()},
		"tag=scope.version:0.2":                   {},
		"traceID=fb02&service=nobody":             {"000000000000fb02"},
		"traceID=fb02&traceID=FB02&traceID=0fb02": {"000000000000fb02"},
	} {
		var answer struct {
			Data []struct {
				TraceID string
				Spans   []json.RawMessage
			}
			Errors []any
		}
		w := get(t, h, "/api/traces?"+query)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Data == nil || answer.Errors != nil {
			t.Fatalf("%s: %v\n%s", query, err, w.Body)
		}
		got := []string{}
		for _, tr := range answer.Data {
			got = append(got, tr.TraceID)
			if len(tr.Spans) < 4 {
				t.Errorf("%s: only %d spans", query, len(tr.Spans))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", query, diff)
		}
	}
}

// TestBigAnswers: traces that do not fit are named, and each can be had alone.
func TestBigAnswers(t *testing.T) {
	s := storetest.NewModel()
	text := span.StringValue(strings.Repeat("x", 24<<20))
	for i := range 3 {
		b := new(span.Batch)
		b.Append(&span.Span{TraceID: span.TraceID{Lo: uint64(i + 1)}, SpanID: 1, Start: now.UnixNano() - int64(i) - 1, Attrs: []span.Attribute{attr("text", text)}})
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct {
		Data   []struct{ TraceID string }
		Errors []struct{ Msg, TraceID string }
	}
	if err := json.Unmarshal(get(t, handler(s), "/api/traces").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Data) != 2 || len(answer.Errors) != 1 || answer.Errors[0].TraceID != "0000000000000003" || !strings.Contains(answer.Errors[0].Msg, "64 MiB") {
		t.Errorf("%d traces, errors %+v", len(answer.Data), answer.Errors)
	}
}

// TestHostileSpans: whatever a client has put into a span, the answer is JSON in UTF-8, and its ids are unique.
func TestHostileSpans(t *testing.T) {
	const evil = "<script>\x00\xff\u2028\"\\\x1b[31m"
	s := storetest.NewModel()
	b := new(span.Batch)
	for i := range 6 { // three of one id, all in a circle
		attrs := []span.Attribute{attr(evil, span.StringValue(evil)), attr("m", span.TextValue(span.Map, evil)), attr("inf", span.DoubleValue(math.Inf(-1)))}
		b.Append(&span.Span{
			TraceID: first, SpanID: span.ID(1 + i/3), Parent: span.ID(2 - i/3), Name: evil, Kind: span.Kind(70 + i), Status: 99, Flags: math.MaxUint32,
			StatusMessage: evil, TraceState: evil, Start: int64(i % 2), Duration: math.MaxInt64 - 2, Attrs: attrs,
			Events: []span.Event{{Time: math.MaxInt64, Name: evil, Attrs: attrs}, {Time: math.MinInt64}}, Links: []span.Link{{TraceID: first, SpanID: 1, Attrs: attrs}},
			Resource: span.Resource{Attrs: []span.Attribute{attr("service.name", span.IntValue(5)), attr(evil, span.StringValue(evil))}},
			Scope:    span.Scope{Name: evil, Version: evil},
		})
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/api/traces/" + first.String(), "/api/traces/" + first.String() + "?raw=1", "/api/services", "/api/operations?service=unknown_service", "/api/traces?start=0", "/api/dependencies?lookback=1800000000000"} {
		w := get(t, handler(s), target)
		if w.Code != 200 || !json.Valid(w.Body.Bytes()) || !bytes.Equal(bytes.ToValidUTF8(w.Body.Bytes(), nil), w.Body.Bytes()) {
			t.Errorf("%s: %d %.300q", target, w.Code, w.Body)
		}
	}
	traces := grafanaTraces(t, get(t, handler(s), "/api/traces/"+first.String()).Body.Bytes())
	var ids []string
	for _, sp := range traces[0].Spans {
		ids = append(ids, sp.SpanID)
	}
	slices.Sort(ids)
	if len(ids) != 6 || len(slices.Compact(ids)) != 6 {
		t.Errorf("ids %v", ids)
	}
}

// TestDependenciesRange: a call counts while both its spans started in the range, to the last ms of it, and
// with service only if it touches that.
func TestDependenciesRange(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	put := func(id, parent span.ID, service string, at int64) {
		b.Append(&span.Span{TraceID: first, SpanID: id, Parent: parent, Start: at, Resource: process(service, service)})
	}
	const at = 1_700_000_000_000 * ms
	put(1, 0, "a", at-ms)
	put(2, 1, "b", at)
	put(3, 2, "c", at+ms-1)
	put(4, 3, "d", at+ms)
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"endTs=1700000000001":                      "a>b b>c c>d ",
		"endTs=1700000000000":                      "a>b b>c ",
		"endTs=1700000000000&lookback=0":           "a>b b>c ", // a began before the range: the call is b's span
		"endTs=1700000000000&lookback=1":           "a>b b>c ",
		"endTs=1700000000001&lookback=2&service=d": "c>d ",
		"endTs=1700000000001&lookback=2&service=b": "a>b b>c ",
		"endTs=1700000000001&service=nobody":       "",
		"endTs=1699999999999":                      "",
	} {
		var answer struct {
			Data []struct {
				Parent, Child string
				CallCount     int
			}
		}
		if err := json.Unmarshal(get(t, handler(s), "/api/dependencies?"+query).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, d := range answer.Data {
			got.WriteString(d.Parent + ">" + d.Child + " ")
			if d.CallCount != 1 {
				t.Errorf("%s: %+v", query, d)
			}
		}
		if got.String() != want {
			t.Errorf("%s: %q, want %q", query, got.String(), want)
		}
	}
}

// TestHalfIDs: spans of a peer that knows only half the id are of the same trace, which is shown once.
func TestHalfIDs(t *testing.T) {
	s := storetest.NewModel()
	b := page(first, time.Minute)
	b.TraceID[3].Hi = 0
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	traces := grafanaTraces(t, get(t, handler(s), "/api/traces").Body.Bytes())
	if len(traces) != 1 || traces[0].TraceID != first.String() || len(traces[0].Spans) != 5 {
		t.Fatalf("%d traces", len(traces))
	}
	for _, sp := range traces[0].Spans {
		if sp.TraceID != first.String() {
			t.Errorf("span %s is of trace %s", sp.SpanID, sp.TraceID)
		}
	}
	other := page(span.TraceID{Hi: 7, Lo: first.Lo}, time.Hour)
	if err := s.Append(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	traces = grafanaTraces(t, get(t, handler(s), "/api/traces/1").Body.Bytes())
	if len(traces) != 1 || traces[0].TraceID != "0000000000000001" || !strings.Contains(strings.Join(traces[0].Warnings, ""), "more than one trace") {
		t.Errorf("%s %q", traces[0].TraceID, traces[0].Warnings)
	}
}

// TestRootless: spans whose parent is not stored keep it while there is no root to show them under; a link
// that closes a circle is cut.
func TestRootless(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	for i, parent := range []span.ID{0xdead, 3, 2} { // the second and the third are each other's
		b.Append(&span.Span{TraceID: first, SpanID: span.ID(i + 1), Parent: parent, Start: now.UnixNano() - 10 + int64(i)})
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	parents := func(query string) (list []string) {
		for _, sp := range grafanaTraces(t, get(t, handler(s), "/api/traces/"+first.String()+query).Body.Bytes())[0].Spans {
			list = append(list, sp.SpanID+" of ")
			for _, r := range sp.References {
				list[len(list)-1] += r.SpanID
			}
		}
		return list
	}
	want := []string{"0000000000000001 of 000000000000dead", "0000000000000002 of ", "0000000000000003 of 0000000000000002"}
	if diff := cmp.Diff(want, parents("")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want[1] += "0000000000000003"
	if diff := cmp.Diff(want, parents("?raw=true")); diff != "" {
		t.Errorf("raw: (-want +got)\n%s", diff)
	}
}
