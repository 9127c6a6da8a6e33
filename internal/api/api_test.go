package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Unix(1_800_000_000, 0).UTC()

const ms = int64(time.Millisecond)

func resource(service string) span.Resource {
	return span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}}
}

// pageTrace is a request that makes n calls of mc and one RPC, started ago before now.
func pageTrace(id uint64, name string, ago time.Duration, n int, failed bool) *span.Batch {
	b := new(span.Batch)
	trace := span.TraceID{Hi: 0x6b49d200, Lo: id}
	start := now.Add(-ago).UnixNano()
	next := id<<16 | 1
	put := func(s span.Span) span.ID {
		s.TraceID, s.SpanID = trace, span.ID(next)
		next++
		b.Append(&s)
		return s.SpanID
	}
	root := span.Span{
		Name: name, Kind: span.KindServer, Start: start, Duration: int64(n+12) * ms, Resource: resource("movie-web"),
		Attrs: []span.Attribute{{Key: "http.request.method", Value: span.StringValue("GET")}, {Key: "http.response.status_code", Value: span.IntValue(200)}},
		Scope: span.Scope{Name: "shuaihttp", Version: "0.1.0"}, Flags: 257,
	}
	if failed {
		root.Status, root.StatusMessage = span.StatusError, "the movie is gone"
		root.Events = []span.Event{{Time: start + ms, Name: "exception", Attrs: []span.Attribute{{Key: "exception.type", Value: span.StringValue("NotFound")}}}}
		root.Links = []span.Link{{TraceID: span.TraceID{Hi: 1, Lo: 2}, SpanID: 3}}
		root.DroppedAttrs = 2
		root.Attrs = append(
			root.Attrs,
			span.Attribute{Key: "cached", Value: span.BoolValue(false)},
			span.Attribute{Key: "load", Value: span.DoubleValue(0.5)},
			span.Attribute{Key: "key", Value: span.TextValue(span.Bytes, "\x00\xff")},
			span.Attribute{Key: "ids", Value: span.TextValue(span.List, "[1,2]")},
			span.Attribute{Key: "nothing", Value: span.Value{}},
		)
	}
	parent := put(root)
	rpc := []span.Attribute{{Key: "rpc.method", Value: span.StringValue("movie.service/get")}}
	client := put(span.Span{Parent: parent, Name: "get", Kind: span.KindClient, Start: start + ms, Duration: 8 * ms, Attrs: rpc, Resource: resource("movie-web")})
	put(span.Span{Parent: client, Name: "get", Kind: span.KindServer, Start: start + 2*ms, Duration: 6 * ms, Attrs: rpc, Resource: resource("movie")})
	for i := range n {
		put(span.Span{
			Parent: parent, Name: "get", Kind: span.KindClient, Start: start + int64(10+i)*ms, Duration: ms - 1000*int64(i),
			Attrs: []span.Attribute{{Key: "db.system.name", Value: span.StringValue("memcached")}}, Resource: resource("movie-web"),
		})
	}
	return b
}

// fixture is a store with a few requests: one of them failed, one without its root, one of a day ago.
func fixture(t testing.TB) store.Store {
	t.Helper()
	s := storetest.NewModel()
	orphans := pageTrace(5, "GET /lost", 3*time.Minute, 2, false)
	for i := range orphans.Parent {
		if orphans.Parent[i] == 0 {
			orphans.Parent[i] = 0xdead
		}
	}
	for _, b := range []*span.Batch{
		pageTrace(1, "GET /subject/{id}", 10*time.Minute, 6, false),
		pageTrace(2, "GET /subject/{id}", 20*time.Minute, 9, true),
		pageTrace(3, "GET /", 30*time.Minute, 0, false),
		pageTrace(4, "GET /", 24*time.Hour, 1, false),
		orphans,
	} {
		add(t, s, b)
	}
	return s
}

func add(t testing.TB, s store.Store, b *span.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func handler(s store.Store) http.Handler {
	return New(Config{
		Store: s, Version: "v1.2.3", Now: func() time.Time { return now }, ReadWithin: time.Hour, QueryTimeout: time.Hour,
		Ingest: func() Ingest { return Ingest{Received: 42, Rejected: 3, Refused: map[string]int64{"too large": 2}} },
		UI: fstest.MapFS{
			"index.html":                {Data: []byte("<!doctype html><title>Shuai</title>" + strings.Repeat(" ", 2000))},
			"favicon.svg":               {Data: []byte("<svg/>")},
			"assets/index-Ab3_x-9Z.js":  {Data: []byte("console.log(1)" + strings.Repeat("//", 1000))},
			"assets/index-Ab3_x-9Z.css": {Data: []byte("a{}")},
			"assets/plain.js":           {Data: []byte("1")},
		},
	})
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

const trace2 = "/traces/6b49d2000000000000000002"

func TestGolden(t *testing.T) {
	h := handler(fixture(t))
	for name, target := range map[string]string{
		"endpoints":          "/endpoints",
		"endpoints-day":      "/endpoints?from=now-2d&sort=slowest&limit=1",
		"endpoints-service":  "/endpoints?service=movie",
		"traces-newest":      "/traces?q=" + url.QueryEscape("{ root }"),
		"traces-slowest":     "/traces?sort=slowest&limit=2&q=" + url.QueryEscape(`{ span.db.system.name = "memcached" }`),
		"traces-none":        "/traces?q=" + url.QueryEscape(`{ name = "nothing" }`),
		"traces-unknown":     "/traces?q=" + url.QueryEscape(`{ span.db.sytem.name = "mysql" || .method = "x" || resource.colour = "red" }`),
		"endpoints-before":   "/endpoints?from=now-15m&before=10m&limit=1",
		"traces-bad":         "/traces?q=" + url.QueryEscape(`{ root && duration > }`),
		"skeleton":           trace2 + "/skeleton",
		"skeleton-rootless":  "/traces/6b49d2000000000000000005/skeleton",
		"stats":              trace2 + "/stats",
		"stats-row":          trace2 + "/stats?row=1",
		"paths":              trace2 + "/paths",
		"paths-row":          trace2 + "/paths?row=1",
		"percentile-few":     trace2 + "/percentile?row=0",
		"percentile":         trace2 + "/percentile?row=3&from=now-2d",
		"spans":              trace2 + "/spans?rows=0,2",
		"spans-ids":          trace2 + "/spans?ids=0000000000020003,ffff",
		"names-services":     "/names",
		"names-operations":   "/names?of=operations&service=movie-web&prefix=GET&limit=1",
		"names-keys":         "/names?of=keys&prefix=span.",
		"names-values":       "/names?of=values&key=span.db.system.name",
		"status":             "/status",
		"error-missing":      "/traces/77/skeleton",
		"error-id":           "/traces/xyz/skeleton",
		"error-revision":     trace2 + "/stats?row=1&revision=3",
		"error-row":          trace2 + "/stats?row=12",
		"error-path":         "/nothing",
		"services":           "/services?from=now-1w",
		"endpoint":           "/endpoint?service=movie-web&name=GET%20/&from=now-12h&columns=4",
		"heatmap":            "/heatmap?columns=3&q=" + url.QueryEscape("{ root }"),
		"why":                "/why?service=movie-web&name=GET%20/subject/%7Bid%7D&slow=20ms..&normal=..20ms",
		"patterns":           "/patterns?service=movie-web&name=GET%20/&from=now-1h&before=1d",
		"compare":            "/compare?a=2&b=1&limit=1",
		"map":                "/map?service=movie&hops=2",
		"error-names-no-key": "/names?of=values",
	} {
		t.Run(name, func(t *testing.T) {
			w := get(t, h, Prefix+target)
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

// TestWrongQuestions: what a person could get wrong has an answer that says what.
func TestWrongQuestions(t *testing.T) {
	h := handler(fixture(t))
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		target string
		code   int
		says   string
	}{
		{"/endpoints?from=yesterday", 400, "RFC 3339"},
		{"/endpoints?from=now&to=now-1h", 400, "from is not before to"},
		{"/endpoints?from=now", 400, "from is not before to"},
		{"/endpoints?to=1900-01-01T00:00:00Z", 400, "1970"},
		{"/endpoints?from=99999999999999999999", 400, "1970"},
		{"/endpoints?sort=best", 400, "time, p95, rate, errors, slowest"},
		{"/endpoints?limit=0", 400, "1 to 1000"},
		{"/endpoints?limit=1000000000000000000000", 400, "1 to 1000"},
		{"/endpoints?limit=ten", 400, "1 to 1000"},
		{"/endpoints?service=" + long, 400, "at most 4096"},
		{"/endpoints?limit=%zz", 400, "query string"},
		{"/traces?limit=1001", 400, "1 to 1000"},
		{"/traces?q=" + long, 400, "filter"},
		{"/traces?q=%7B%00%ff", 400, "filter"},
		{"/traces?sort=oldest", 400, "newest, slowest"},
		{"/traces/" + long[:40] + "/skeleton", 400, "hex"},
		{"/traces/0/skeleton", 400, "zeros"},
		{"/traces/000000006b49d2000000000000000002f/skeleton", 400, "32 hex"},
		{"/traces/2/nothing", 404, "nothing answers"},
		{"/traces/2", 404, "nothing answers"},
		{"/traces//skeleton", 400, "hex"},
		{trace2 + "/paths?row=12", 400, "rows 0 to 11"},
		{trace2 + "/percentile?from=x", 400, "RFC 3339"},
		{trace2 + "/stats?row=-1", 400, "row"},
		{trace2 + "/stats?row=99999999999", 400, "row"},
		{trace2 + "/spans", 400, "rows=0,17"},
		{trace2 + "/spans?rows=0&ids=1", 400, "rows=0,17"},
		{trace2 + "/spans?rows=0,,1", 400, "not a row number"},
		{trace2 + "/spans?rows=12", 400, "rows 0 to 11"},
		{trace2 + "/spans?ids=zz", 400, "hex"},
		{trace2 + "/spans?rows=" + strings.Repeat("0,", 200) + "0", 400, "at most 200"},
		{"/endpoint?service=x", 400, "service=…&name=…"},
		{"/endpoint?name=x", 400, "service=…&name=…"},
		{"/endpoint?service=x&name=y&before=soon", 400, "how far back"},
		{"/endpoint?service=x&name=y&columns=241", 400, "1 to 240"},
		{"/heatmap?q=%7B", 400, "filter"},
		{"/why?service=x&name=y&slow=fast", 400, "p25..p75"},
		{"/why?service=x&name=y&normal=p101..", 400, "p25..p75"},
		{"/why?service=x&name=y&slowFrom=now&slowTo=now-1h", 400, "slowFrom"},
		{"/patterns?service=x", 400, "service=…&name=…"},
		{"/compare?a=1", 400, "b=typical"},
		{"/compare?a=zz&b=1", 400, "hex"},
		{"/compare?a=77&b=2", 404, "no span of this trace"},
		{"/map?hops=0", 400, "1 to 20"},
		{"/services?limit=0", 400, "1 to 1000"},
		{"/names?of=cats", 400, "services"},
		{"/names?of=values&key=a%3D1||b", 400, "not a field"},
		{"", 404, "nothing answers"},
		{"/", 404, "nothing answers"},
	} {
		w := get(t, h, Prefix+tt.target)
		var answer struct {
			Error struct{ Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Errorf("%.80s: %v", tt.target, err)
		}
		if w.Code != tt.code || !strings.Contains(answer.Error.Message, tt.says) || len(answer.Error.Message) > 500 {
			t.Errorf("%.80s: %d %.300s; want %d and %q", tt.target, w.Code, answer.Error.Message, tt.code, tt.says)
		}
	}
	for _, target := range []string{"/api/shuai", "/api/shuai/", "/api/shuai/v2/status", "/api/shuai/v1x"} {
		if w := get(t, h, target); w.Code != 404 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	// What belongs to nobody is no page of the UI either.
	for _, target := range []string{"/api", "/api/", "/api/shuaix", "/api/v3/services", "/api/echo", "/api//services"} {
		w := get(t, h, target)
		if w.Code != 404 || w.Body.String() != "404 page not found\n" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

// TestTraceIDs: an id is taken as it stands in logs and headers.
func TestTraceIDs(t *testing.T) {
	h := handler(fixture(t))
	for _, id := range []string{
		"6b49d200000000000000000000000002"[:16] + "0000000000000002", "6B49D2000000000000000002", "0000000000000002", "2",
		"00-000000006b49d2000000000000000002-0000000000020001-01", "01-000000006b49d2000000000000000002-0000000000020001-01-more",
		"00000000-6b49-d200-0000-000000000002", "AAAAAGtJ0gAAAAAAAAAAAg==", "AAAAAGtJ0gAAAAAAAAAAAg", "AAAAAAAAAAI=",
	} {
		w := get(t, h, Prefix+"/traces/"+url.PathEscape(id)+"/stats")
		if want := 200; strings.HasPrefix(id, "6b49d2000000000000000") && len(id) == 32 {
			if w.Code != 404 { // another trace
				t.Errorf("%s: %d", id, w.Code)
			}
		} else if w.Code != want {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"//79/Pv6+fj39vX08/Lx8A==", "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0"},
		{"__79_Pv6-fj39vX08_Lx8A", "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0"},
	} {
		if id, err := parseTraceID(c.text); err != nil || id.String() != c.want {
			t.Errorf("%s: %v, %v", c.text, id, err)
		}
		if w := get(t, h, Prefix+"/traces/"+url.PathEscape(c.text)+"/stats"); w.Code != 404 || !strings.Contains(w.Body.String(), "not have been sampled") {
			t.Errorf("%s: %d %s", c.text, w.Code, w.Body)
		}
	}
	for _, bad := range []string{"////", "AAAAAAAAAAA=", "00-0-0-0", "00000000-0000-0000-0000-00000000000g", "zz", strings.Repeat("z", 23)} {
		if id, err := parseTraceID(bad); err == nil {
			t.Errorf("%s is %v", bad, id)
		}
	}
}

func TestMethods(t *testing.T) {
	h := handler(fixture(t))
	for _, target := range []string{Prefix + "/status", "/", "/healthz"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("x"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("POST %s: %d %s", target, w.Code, w.Body)
		}
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	for _, target := range []string{Prefix + "/status", "/", "/healthz", Prefix + trace2 + "/skeleton"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, srv.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != 200 || len(body) > 0 {
			t.Errorf("HEAD %s: %d, %d bytes, %v", target, resp.StatusCode, len(body), err)
		}
	}
}

// TestHostileSpans: whatever a client has put into a span, every answer about it is JSON in UTF-8.
func TestHostileSpans(t *testing.T) {
	const evil = "<script>alert(1)</script>\x00\xff\xfe\u2028\"\\\x1b[31m"
	long := strings.Repeat("é", 1<<19)
	s := storetest.NewModel()
	b := new(span.Batch)
	for i, text := range []string{evil, long, "", "\x80"} {
		attrs := []span.Attribute{
			{Key: "db.system.name", Value: span.StringValue(text)},
			{Key: text, Value: span.TextValue(span.Map, text)},
			{Key: "b", Value: span.TextValue(span.Bytes, text)},
			{Key: "inf", Value: span.DoubleValue(math.Inf(1))},
		}
		sp := span.Span{
			TraceID: span.TraceID{Hi: 9, Lo: 9}, SpanID: span.ID(i + 1), Name: text, StatusMessage: text, TraceState: text,
			Kind: 77, Status: 99, Start: now.UnixNano() - 1000, Duration: 10, Attrs: attrs,
			Events: []span.Event{{Time: -1, Name: text, Attrs: attrs}}, Links: []span.Link{{TraceState: text, Attrs: attrs}},
			Resource: resource(text), Scope: span.Scope{Name: text, Version: text, Attrs: attrs, SchemaURL: text},
		}
		if i > 0 {
			sp.Parent = 1
		}
		b.Append(&sp)
	}
	add(t, s, b)
	h := handler(s)
	evilEndpoint := url.Values{"service": {evil}, "name": {evil}}.Encode()
	for _, target := range []string{
		"/endpoints", "/traces", "/traces/90000000000000009/skeleton", "/traces/90000000000000009/stats",
		"/traces/90000000000000009/spans?rows=0,1,2,3", "/names", "/names?of=operations", "/names?of=keys",
		"/names?of=values&key=span.db.system.name", "/traces/90000000000000009/paths", "/traces/90000000000000009/percentile",
		"/services", "/heatmap", "/map", "/compare?a=90000000000000009&b=typical", "/endpoint?" + evilEndpoint, "/why?normal=..&slow=..&" + evilEndpoint,
		"/patterns?" + evilEndpoint,
	} {
		w := get(t, h, Prefix+target)
		if w.Code != 200 || !json.Valid(w.Body.Bytes()) || !bytes.Equal(bytes.ToValidUTF8(w.Body.Bytes(), nil), w.Body.Bytes()) {
			t.Errorf("%s: %d %.300q", target, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'self';") {
			t.Errorf("%s: headers %v", target, w.Header())
		}
		if strings.Contains(target, "skeleton") && w.Body.Len() > 20_000 {
			t.Errorf("a name of 1 MB makes a skeleton of %d bytes", w.Body.Len())
		}
	}
	if w := get(t, h, Prefix+"/traces/90000000000000009/spans?rows="+strings.Repeat("1,", 50)+"0"); w.Code != 200 || w.Body.Len() > maxSpansBytes+1000 {
		t.Errorf("50 spans of several MB: %d, %d bytes", w.Code, w.Body.Len())
	} else {
		var answer struct {
			Spans   []json.RawMessage
			Omitted int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Omitted == 0 || len(answer.Spans)+answer.Omitted != 51 {
			t.Errorf("%d spans and %d omitted, of 51: %v", len(answer.Spans), answer.Omitted, err)
		}
	}
}

// TestOneIDForMany: no more spans than may be asked for by row, and those left out are counted.
func TestOneIDForMany(t *testing.T) {
	s := storetest.NewModel()
	b := pageTrace(1, "x", time.Minute, 250, false)
	for i := range b.Len() {
		b.SpanID[i], b.Parent[i] = 5, 0
	}
	for i := range b.Len() { // different processes, or they would be one span
		b.AddAttr(b.PutText("service.instance.id"), span.IntValue(int64(i)))
		at := uint32(len(b.Values))
		b.Resources = append(b.Resources, span.ResourceRow{Attrs: span.Range{From: at - 1, To: at}})
		b.Resource[i] = uint32(len(b.Resources) - 1)
	}
	add(t, s, b)
	var answer struct {
		Spans   []struct{ Row int }
		Omitted int
	}
	if err := json.Unmarshal(get(t, handler(s), Prefix+"/traces/6b49d2000000000000000001/spans?ids=5").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Spans) != maxSpans || answer.Omitted != 53 {
		t.Errorf("%d spans, %d omitted", len(answer.Spans), answer.Omitted)
	}
}

// countingStore counts the questions for spans.
type countingStore struct {
	store.Store
	selects *atomic.Int64
}

func (s countingStore) Select(ctx context.Context, q store.Query) (store.Result, error) {
	s.selects.Add(1)
	return s.Store.Select(ctx, q)
}

// TestEqualEndpoints: a service that puts ids into its names has endpoints without number, all in one bucket of
// the sketch; asking for the slowest is answered nevertheless.
func TestEqualEndpoints(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	for i := range 2500 {
		b.Append(&span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: uint64(i + 1)}, SpanID: 1, Name: fmt.Sprintf("GET /%04d", i),
			Start: now.UnixNano() - int64(time.Minute), Duration: ms, Resource: resource("web"),
		})
	}
	add(t, s, b)
	counting := countingStore{s, new(atomic.Int64)}
	w := get(t, handler(counting), Prefix+"/endpoints?sort=slowest&limit=2")
	var answer struct {
		Total     int
		Endpoints []struct{ Max int64 }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Total != 2500 || len(answer.Endpoints) != 2 || answer.Endpoints[0].Max != ms || answer.Endpoints[1].Max != ms {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if n := counting.selects.Load(); n != 2+maxTied {
		t.Errorf("%d questions to the store for 2 lines", n)
	}
}

// TestManyEndpoints checks the exact figures and every order against counting, with more endpoints than
// the page has lines and several in one bucket of the sketch.
func TestManyEndpoints(t *testing.T) {
	s := storetest.NewModel()
	b := new(span.Batch)
	for i := range 60 {
		for j := range 1 + i%3 {
			b.Append(&span.Span{
				TraceID: span.TraceID{Hi: 1, Lo: uint64(100*i + j + 1)}, SpanID: 1, Name: fmt.Sprintf("GET /%02d", i),
				Start: now.UnixNano() - int64(time.Minute), Duration: 100*ms + int64((i*37)%60)*10_000 - int64(j)*ms,
				Resource: resource("web"), Status: span.Status(1 + i%2),
			})
		}
	}
	add(t, s, b)
	h := handler(s)
	for _, order := range []string{"time", "p95", "rate", "errors", "slowest"} {
		var answer struct {
			Total     int
			Endpoints []struct {
				Name                   string
				Count, Errors          int
				Max, P95, Mean         int64
				SlowestTrace           string
				Rate, Share            float64
				Service, From, To, P50 any
			}
		}
		if err := json.Unmarshal(get(t, h, Prefix+"/endpoints?limit=10&sort="+order).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Total != 60 || len(answer.Endpoints) != 10 {
			t.Fatalf("%s: %d of %d endpoints", order, len(answer.Endpoints), answer.Total)
		}
		for k, e := range answer.Endpoints {
			i, err := strconv.Atoi(strings.TrimPrefix(e.Name, "GET /"))
			if err != nil {
				t.Fatal(err)
			}
			if want := 100*ms + int64((i*37)%60)*10_000; e.Max != want || e.SlowestTrace != (span.TraceID{Hi: 1, Lo: uint64(100*i + 1)}).String() {
				t.Errorf("%s %s: max %d of %s, want %d", order, e.Name, e.Max, e.SlowestTrace, want)
			}
			if order == "slowest" && e.Max != 100*ms+int64(59-k)*10_000 {
				t.Errorf("slowest number %d has max %d", k, e.Max)
			}
			if k == 0 {
				continue
			}
			before := answer.Endpoints[k-1]
			if map[string]bool{
				"time": e.Rate*float64(e.Mean) > before.Rate*float64(before.Mean)*1.000001, "p95": e.P95 > before.P95,
				"rate": e.Rate > before.Rate, "errors": e.Errors > before.Errors,
			}[order] {
				t.Errorf("%s: number %d is before %d: %+v", order, k-1, k, answer.Endpoints[k-1:k+1])
			}
		}
	}
}

// TestOneTraceWithMostMatches: a row a trace, even when one trace has most of what matches.
func TestOneTraceWithMostMatches(t *testing.T) {
	s := storetest.NewModel()
	add(t, s, pageTrace(1, "big", time.Minute, 3000, false))
	for i := range 5 {
		add(t, s, pageTrace(uint64(10+i), "small", 2*time.Minute, 1, false))
	}
	var answer struct {
		Matched int
		Cut     bool
		Traces  []struct {
			Spans int
			Match struct{ Start string }
		}
	}
	if err := json.Unmarshal(get(t, handler(s), Prefix+"/traces?limit=4").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Traces) != 4 || answer.Traces[0].Spans != 3003 || answer.Traces[3].Spans != 4 || answer.Matched != 3003+5*4 || answer.Cut {
		t.Errorf("got %+v", answer)
	}
}

// TestHalfID: a trace asked for by the low half of its id has its whole id in the answer.
func TestHalfID(t *testing.T) {
	s := storetest.NewModel()
	add(t, s, pageTrace(7, "x", time.Minute, 0, false))
	if w := get(t, handler(s), Prefix+"/traces/7/skeleton"); !strings.Contains(w.Body.String(), `"traceId":"000000006b49d2000000000000000007"`) {
		t.Errorf("%.200s", w.Body)
	}
	other := pageTrace(7, "x", time.Minute, 0, false)
	for i := range other.TraceID {
		other.TraceID[i].Hi++
	}
	add(t, s, other)
	if w := get(t, handler(s), Prefix+"/traces/7/skeleton"); !strings.Contains(w.Body.String(), "spans of more than one trace") {
		t.Errorf("%s", w.Body)
	}
}

func TestGzip(t *testing.T) {
	h := handler(fixture(t))
	short := Prefix + trace2 + "/spans?rows=0"
	long := short + strings.Repeat(",1,2,3,4,5", 30)
	if w := get(t, h, short, "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%d bytes are compressed", w.Body.Len())
	}
	plain := get(t, h, long)
	for accept, want := range map[string]string{
		"gzip": "gzip", "br, GZIP;q=0.5": "gzip", "*": "gzip", "identity, *;q=0.1": "gzip",
		"": "", "gzip;q=0": "", "*;q=1, gzip; q=0.0": "", "br": "", "gzip;q=x": "",
	} {
		w := get(t, h, long, "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: %q", accept, got)
			continue
		}
		body := io.Reader(w.Body)
		if want == "gzip" {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := io.ReadAll(body); err != nil || !bytes.Equal(p, plain.Body.Bytes()) {
			t.Errorf("Accept-Encoding %q: other bytes, %v", accept, err)
		}
	}
}

func TestUI(t *testing.T) {
	h := handler(fixture(t))
	for _, tt := range []struct {
		target, mediaType, cache string
		code                     int
	}{
		{"/", "text/html; charset=utf-8", "no-cache", 200},
		{"/index.html", "text/html; charset=utf-8", "no-cache", 200},
		{"/trace/6b49", "text/html; charset=utf-8", "no-cache", 200},
		{"/e/movie-web/GET%20%2F%2Fsubject%2F..%2Fa.js", "text/html; charset=utf-8", "no-cache", 200},
		{"/assets", "text/html; charset=utf-8", "no-cache", 200},
		{"/favicon.svg", "image/svg+xml", "no-cache", 200},
		{"/assets/index-Ab3_x-9Z.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", 200},
		{"/assets/index-Ab3_x-9Z.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable", 200},
		{"/assets/plain.js", "text/javascript; charset=utf-8", "no-cache", 200},
		{"/assets/index-gone0000.js", "text/plain; charset=utf-8", "no-store", 404},
		{"/assets/../index.html", "text/plain; charset=utf-8", "no-store", 404},
	} {
		w := get(t, h, tt.target)
		if w.Code != tt.code || w.Header().Get("Content-Type") != tt.mediaType || w.Header().Get("Cache-Control") != tt.cache {
			t.Errorf("%s: %d %v", tt.target, w.Code, w.Header())
		}
		if tt.code != 200 {
			continue
		}
		tag := w.Header().Get("ETag")
		if again := get(t, h, tt.target, "If-None-Match", `"other", W/`+tag); tag == "" || again.Code != 304 || again.Body.Len() > 0 {
			t.Errorf("%s with its ETag %s: %d", tt.target, tag, again.Code)
		}
	}
	zipped := get(t, h, "/", "Accept-Encoding", "gzip")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("ETag") == get(t, h, "/").Header().Get("ETag") {
		t.Errorf("gzip of the page: %v", zipped.Header())
	}
	csp := zipped.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
		t.Errorf("content security policy: %s", csp)
	}
	if w := get(t, New(Config{Store: storetest.NewModel()}), "/"); w.Code != 404 {
		t.Errorf("without a UI: %d", w.Code)
	}
	if w := get(t, New(Config{Store: storetest.NewModel(), UI: fstest.MapFS{}}), "/"); w.Code != 404 {
		t.Errorf("with an empty UI: %d", w.Code)
	}
}

func TestHealth(t *testing.T) {
	s := fixture(t)
	h := handler(s)
	for _, target := range []string{"/healthz", "/readyz"} {
		if w := get(t, h, target); w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if w := get(t, h, "/healthz"); w.Code != 200 {
		t.Errorf("/healthz: %d", w.Code)
	}
	if w := get(t, h, "/readyz"); w.Code != 503 {
		t.Errorf("/readyz of a closed store: %d", w.Code)
	}
	if w := get(t, h, Prefix+"/endpoints"); w.Code != 503 || !strings.Contains(w.Body.String(), "stopping") {
		t.Errorf("/endpoints of a closed store: %d %s", w.Code, w.Body)
	}
}

// brokenStore fails, or hangs until the question is given up.
type brokenStore struct {
	store.Store
	hang   bool
	inside chan struct{}
	err    error
}

func (s brokenStore) Aggregate(ctx context.Context, _ store.AggregateQuery) ([]store.Group, error) {
	if s.hang {
		s.inside <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return nil, errors.New("page 7 of /var/lib/secret is torn")
}

func TestInternalErrorsStayInside(t *testing.T) {
	w := get(t, handler(brokenStore{Store: storetest.NewModel()}), Prefix+"/endpoints")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTooManyGroups(t *testing.T) {
	w := get(t, handler(brokenStore{Store: storetest.NewModel(), err: fmt.Errorf("%w: name has more than 9 different values", store.ErrTooMany)}), Prefix+"/endpoints")
	want := "too many groups: name has more than 9 different values; ask for a shorter time range, or for a part of them"
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestBoundedQueries: with one slot, a second question waits for the first and both end with their time;
// a client that goes away frees its slot at once.
func TestBoundedQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := brokenStore{Store: storetest.NewModel(), hang: true, inside: make(chan struct{})}
		h := New(Config{Store: s, MaxQueries: 1, QueryTimeout: 30 * time.Second})
		ask := func(ctx context.Context) (int, time.Duration) {
			start := time.Now()
			w := httptest.NewRecorder()
			w.Code = 0
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/endpoints", nil))
			return w.Code, time.Since(start)
		}
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan int)
		go func() {
			code, _ := ask(ctx)
			left <- code
		}()
		<-s.inside
		type answer struct {
			code int
			took time.Duration
		}
		second := make(chan answer)
		go func() {
			code, took := ask(t.Context())
			second <- answer{code, took}
		}()
		synctest.Wait()
		select {
		case <-s.inside:
			t.Fatal("two questions at a time")
		default:
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/status", nil))
		if w.Code != 200 {
			t.Errorf("/status of a busy server: %d", w.Code)
		}
		leave()
		if code := <-left; code != 0 {
			t.Errorf("the one who left was answered %d", code)
		}
		<-s.inside // the second has the slot
		if a := <-second; a.code != 503 || a.took != 30*time.Second {
			t.Errorf("the second was answered %d after %v", a.code, a.took)
		}
	})
}

// stuckWriter is a client that does not read its answer until it is released.
type stuckWriter struct {
	*httptest.ResponseRecorder
	writing, released chan struct{}
}

func (w stuckWriter) Write(p []byte) (int, error) {
	close(w.writing)
	<-w.released
	return w.ResponseRecorder.Write(p)
}

// TestSlowReader: with one slot, who does not read an answer keeps nobody else waiting for theirs.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Store: fixture(t), MaxQueries: 1, Now: func() time.Time { return now }})
		ask := func(w http.ResponseWriter) {
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/names", nil))
		}
		slow := stuckWriter{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			ask(slow)
		}()
		<-slow.writing
		w := httptest.NewRecorder()
		ask(w)
		if w.Code != 200 {
			t.Errorf("another client was answered %d %s", w.Code, w.Body)
		}
		close(slow.released)
		<-done
		if slow.Code != 200 || slow.Body.String() != w.Body.String() {
			t.Errorf("the slow one was answered %d %s", slow.Code, slow.Body)
		}
	})
}

func TestParseTime(t *testing.T) {
	const at = int64(1_800_000_000e9)
	for s, want := range map[string]int64{
		"now": at, "now-1h30m": at - 5400e9, "now-1d": at - 86400e9, "now-1w2d3h": at - (9*86400+3*3600)*1e9,
		"now-1.5h": at - 5400e9, "now-250ms": at - 250e6, "0": 0, "1800000000000000001": at + 1,
		"2027-01-15T08:00:00Z": at, "2027-01-15T16:00:00+08:00": at, "2027-01-15T16:00:00 08:00": at, "2027-01-15T08:00:00.000000001Z": at + 1,
		"now-100000d": 0,
	} {
		if got, err := parseTime(s, at); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "now-", "now+1h", "now-1", "now-h", "now--1h", "now-1h-", "now-99999999w", "now-1y", "-1", "1e9", "2027-01-15", "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "9223372036854775808", "now-1.2.3h", "١"} {
		if got, err := parseTime(s, at); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now", "now-1h30m", "now-1w2d", "1800000000000000000", "2027-01-15T16:00:00.5+08:00", "now-9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const at = int64(1_800_000_000e9)
		ns, err := parseTime(s, at)
		if err != nil {
			return
		}
		if ns < 0 || strings.HasPrefix(s, "now") && ns > at {
			t.Fatalf("%q is %d", s, ns)
		}
		if again, err := parseTime(number(ns), at); err != nil || again != ns {
			t.Fatalf("%d, written as a number, is %d, %v", ns, again, err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	s := fixture(f)
	h := handler(s)
	f.Add("/traces", "q=%7Broot%7D&from=now-1h&limit=3")
	f.Add(trace2+"/spans", "rows=0,1")
	f.Add("/names", "of=values&key=name")
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: Prefix + path, RawQuery: query}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s?%s: %d %.200s", path, query, w.Code, w.Body)
		}
	})
}

// onlyTrace is a store that has one trace at hand.
type onlyTrace struct {
	store.Store
	b *span.Batch
}

func (s onlyTrace) Trace(context.Context, span.TraceID) (*span.Batch, error) { return s.b, nil }

// BenchmarkSkeleton answers for a trace of 50,000 spans: tree, statistics, groups, JSON, gzip.
func BenchmarkSkeleton(b *testing.B) {
	batch := pageTrace(1, "GET /subject/{id}", time.Minute, 49_997, false)
	for i := range batch.Len() { // times as clocks give them
		if i > 2 {
			batch.Start[i] += int64(i*7919%1009) * 613
			batch.Duration[i] = 1000 + int64(i)*int64(i)*7919%2_000_003
			batch.Parent[i] = batch.SpanID[(i*31)%min(i, 400)]
		}
	}
	h := handler(onlyTrace{storetest.NewModel(), batch})
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			size := 0
			for b.Loop() {
				w := get(b, h, Prefix+"/traces/1/skeleton", "Accept-Encoding", encoding)
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// TestOdds: a busy endpoint of which one request in 128 is recorded comes before a rare one that is recorded in full.
func TestOdds(t *testing.T) {
	s := storetest.NewModel()
	for i := range uint64(20) {
		b := pageTrace(100+i, "GET /rare", time.Duration(i+1)*time.Minute, 40, false)
		if i%2 == 0 {
			b = pageTrace(100+i, "GET /busy", time.Duration(i+1)*time.Minute, 4, false)
			for row := range b.TraceState {
				b.TraceState[row] = b.PutText("ot=th:fe")
			}
		}
		add(t, s, b)
	}
	h := handler(s)
	const busy, rare = 10 * 128 * 16, 10 * 52 // ms in requests
	share := float64(busy) / (busy + rare)
	var list struct{ Endpoints []endpointRow }
	decode(t, get(t, h, Prefix+"/endpoints?from=now-1h"), &list)
	if len(list.Endpoints) != 2 {
		t.Fatalf("%d endpoints", len(list.Endpoints))
	}
	first, second := list.Endpoints[0], list.Endpoints[1]
	if first.Name != "GET /busy" || first.Count != 10 || first.Stands != 1280 || first.Rate != 128*second.Rate || math.Abs(first.Share-share) > 1e-9 || second.Stands != 10 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	var one struct{ Now redRow }
	decode(t, get(t, h, Prefix+"/endpoint?service=movie-web&name=GET+/busy&from=now-1h"), &one)
	if one.Now.Requests != 10 || one.Now.Stands != 1280 || one.Now.Rate != first.Rate || math.Abs(one.Now.Share-share) > 1e-9 {
		t.Errorf("of one: %+v", one.Now)
	}
	var services struct{ Services []serviceRow }
	decode(t, get(t, h, Prefix+"/services?from=now-1h"), &services)
	if r := services.Services[0]; len(services.Services) != 2 || r.Service != "movie-web" || r.Requests != 20 || r.Stands != 1290 {
		t.Errorf("services %+v", services.Services)
	}
}

func decode(t *testing.T, r *httptest.ResponseRecorder, into any) {
	t.Helper()
	if err := json.Unmarshal(r.Body.Bytes(), into); err != nil || r.Code != http.StatusOK {
		t.Fatalf("%d: %v", r.Code, err)
	}
}
