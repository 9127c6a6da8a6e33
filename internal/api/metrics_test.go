package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/api/jaeger"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

// exposed is a parsed exposition: the value of every sample by its name and labels as written.
type exposed struct {
	families []string // "name type help", in order
	values   map[string]float64
}

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	labelForm = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"`)
)

// parseExposition reads the text format 0.0.4, more strictly than Prometheus does: every family has HELP,
// then TYPE, then its samples in one run; no sample twice; histograms are complete and cumulative.
func parseExposition(text string) (*exposed, error) {
	x := &exposed{values: map[string]float64{}}
	seen := map[string]bool{}
	var family, typ, help string
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("line %d, %q: %s", i+1, line, fmt.Sprintf(format, args...))
		}
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, help, ok = strings.Cut(rest, " ")
			if typ = ""; !ok || help == "" || seen[family] || nameForm.FindString(family) != family {
				return nil, fail("no help, or a family that was there before")
			}
			seen[family] = true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, t, _ := strings.Cut(rest, " ")
			if typ != "" || name != family || !slices.Contains([]string{"counter", "gauge", "histogram"}, t) {
				return nil, fail("TYPE does not follow its HELP")
			}
			typ = t
			x.families = append(x.families, family+" "+typ+" "+help)
			continue
		}
		name := nameForm.FindString(line)
		rest := line[len(name):]
		labels := map[string]string{}
		if strings.HasPrefix(rest, "{") {
			for rest = rest[1:]; ; rest = rest[1:] {
				m := labelForm.FindStringSubmatch(rest)
				if m == nil {
					return nil, fail("no label at %q", rest)
				}
				if _, twice := labels[m[1]]; twice {
					return nil, fail("label %s twice", m[1])
				}
				labels[m[1]] = m[2]
				if rest = rest[len(m[0]):]; !strings.HasPrefix(rest, ",") {
					break
				}
			}
			var ok bool
			if rest, ok = strings.CutPrefix(rest, "}"); !ok {
				return nil, fail("labels do not end")
			}
		}
		value, err := strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
		if err != nil || !strings.HasPrefix(rest, " ") {
			return nil, fail("no value: %v", err)
		}
		key := line[:len(line)-len(rest)]
		if _, twice := x.values[key]; twice || typ == "" {
			return nil, fail("a sample twice, or without TYPE")
		}
		suffix, ok := strings.CutPrefix(name, family)
		switch {
		case !ok, typ == "histogram" && !slices.Contains([]string{"_bucket", "_sum", "_count"}, suffix), typ != "histogram" && suffix != "":
			return nil, fail("a sample of another family than %s", family)
		case typ == "counter" && !strings.HasSuffix(family, "_total"), typ != "counter" && strings.HasSuffix(family, "_total"):
			return nil, fail("_total is for counters")
		case (suffix == "_bucket") != (labels["le"] != ""):
			return nil, fail("le is for buckets")
		case math.IsNaN(value) || value < 0:
			return nil, fail("value %v", value)
		}
		x.values[key] = value
	}
	return x, x.checkHistograms()
}

// checkHistograms: buckets are cumulative, the last is +Inf and equals _count, and there is a _sum.
func (x *exposed) checkHistograms() error {
	bucket := regexp.MustCompile(`^(.*)_bucket\{(.*),?le="([^"]*)"\}$`)
	type edge struct{ le, n float64 }
	series := map[[2]string][]edge{}
	for key, n := range x.values {
		if m := bucket.FindStringSubmatch(key); m != nil {
			le, err := strconv.ParseFloat(m[3], 64)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			id := [2]string{m[1], strings.TrimSuffix(m[2], ",")}
			series[id] = append(series[id], edge{le, n})
		}
	}
	for id, edges := range series {
		slices.SortFunc(edges, func(a, b edge) int { return int(math.Copysign(1, a.le-b.le)) })
		for i := 1; i < len(edges); i++ {
			if edges[i].n < edges[i-1].n {
				return fmt.Errorf("%s{%s}: fewer up to %v than up to %v", id[0], id[1], edges[i].le, edges[i-1].le)
			}
		}
		count, ok := x.values[id[0]+"_count{"+id[1]+"}"]
		_, hasSum := x.values[id[0]+"_sum{"+id[1]+"}"]
		if last := edges[len(edges)-1]; !math.IsInf(last.le, 1) || !ok || last.n != count || !hasSum {
			return fmt.Errorf("%s{%s} is not complete", id[0], id[1])
		}
	}
	return nil
}

// TestParseExposition: the test's parser takes no nonsense.
func TestParseExposition(t *testing.T) {
	const head = "# HELP a_total Help.\n# TYPE a_total counter\n"
	if x, err := parseExposition(head + `a_total{x="1",y="a\"\\\n,}"} 5` + "\n"); err != nil || x.values[`a_total{x="1",y="a\"\\\n,}"}`] != 5 {
		t.Errorf("%v, %v", x, err)
	}
	for _, text := range []string{
		"", "a_total 5\n", head + "a_total 5", head + "b_total 5\n", head + "a_total\n", head + "a_total x\n", head + "a_total -1\n",
		head + "a_total 1\na_total 2\n", head + "a_total{x=1} 5\n", head + `a_total{x="1} 5` + "\n", head + `a_total{x="1"}5` + "\n",
		head + `a_total{x="1",x="2"} 5` + "\n", head + "a_total 1\n" + head + "a_total{x=\"1\"} 2\n", "# TYPE a_total counter\na_total 1\n",
		"# HELP a Help.\n# TYPE a counter\na 1\n", "# HELP a_total Help.\na_total 1\n", head + "\n", head + "# x\n",
		"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
	} {
		if _, err := parseExposition(text); err == nil {
			t.Errorf("taken: %q", text)
		}
	}
}

func scrape(t testing.TB, h http.Handler) *exposed {
	t.Helper()
	w := get(t, h, "/metrics")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	x, err := parseExposition(w.Body.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Body)
	}
	return x
}

// TestMetricFamilies is the list of what there is: dashboards depend on it.
func TestMetricFamilies(t *testing.T) {
	x := scrape(t, handler(fixture(t)))
	families := x.families
	if _, ok := cpuTime(); !ok {
		families = append(families, "shuai_process_cpu_seconds_total counter CPU time used, by the process and for it by the system.")
	}
	got := strings.Join(families, "\n") + "\n"
	const file = "testdata/metric-families.golden"
	if *update {
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
	unit := regexp.MustCompile(`_(seconds|bytes|spans|segments|files|requests|texts|cycles|goroutines|info|errors|cut|connections)(_total)?( |$)|_running(_max)? `)
	for _, f := range families {
		name, _, _ := strings.Cut(f, " ")
		if !strings.HasPrefix(name, "shuai_") || !unit.MatchString(name+" ") {
			t.Errorf("%s: no unit, or not ours", name)
		}
	}
}

func TestMetricsMove(t *testing.T) {
	s := storetest.NewModel()
	in := Ingest{Refused: map[string]int64{}, Reasons: []string{"too_large", "malformed"}}
	h := New(Config{Store: s, Version: "v1\"\\\n\xff", Now: func() time.Time { return now }, Ingest: func() Ingest { return in }, MaxQueries: 3})
	before := scrape(t, h)
	for key, want := range map[string]float64{
		`shuai_build_info{version="v1\"\\\n` + "\ufffd" + `",go="` + runtime.Version() + `"}`: 1,
		`shuai_start_time_seconds`:                                  1_800_000_000,
		`shuai_ingest_refused_requests_total{reason="malformed"}`:   0, // there before the first, so that rate() sees it
		`shuai_ingest_refused_requests_total{reason="too_large"}`:   0,
		`shuai_query_duration_seconds_count{question="skeleton"}`:   0,
		`shuai_queries_running`:                                     0,
		`shuai_queries_running_max`:                                 3,
		`shuai_store_oldest_span_time_seconds`:                      0,
		`shuai_query_errors_total{question="traces",reason="gone"}`: 0,
	} {
		if got, ok := before.values[key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}

	in = Ingest{
		Received: 1 << 53, Rejected: 2, Refused: map[string]int64{"too_large": 3, "new": 4}, Reasons: in.Reasons,
		Requests: 5, Bytes: 6, Cut: 7, Clamped: 8, Replaced: 9, InFlight: 10, Connections: 11, MetricsRequests: 12,
	}
	add(t, s, pageTrace(1, "GET /", time.Minute, 3, false))
	get(t, h, Prefix+"/endpoints")
	get(t, h, Prefix+"/endpoints?sort=cat")
	get(t, h, Prefix+"/traces/6b49d2000000000000000001/skeleton")
	get(t, h, Prefix+"/traces/77/skeleton")
	get(t, h, Prefix+"/nothing")
	get(t, h, "/api/services")
	get(t, h, "/api/traces/xyz")
	get(t, h, "/api/traces/abc")
	get(t, h, "/api/nothing")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, Prefix+"/names", nil))

	after := scrape(t, h)
	for key, want := range map[string]float64{
		`shuai_ingest_spans_total`: 1 << 53, `shuai_ingest_rejected_spans_total`: 2, `shuai_ingest_requests_total`: 5, `shuai_ingest_bytes_total`: 6,
		`shuai_ingest_cut_total`: 7, `shuai_ingest_clamped_spans_total`: 8, `shuai_ingest_replaced_texts_total`: 9, `shuai_ingest_in_flight_bytes`: 10,
		`shuai_ingest_open_connections`: 11, `shuai_ingest_metrics_requests_total`: 12,
		`shuai_ingest_refused_requests_total{reason="malformed"}`: 0, `shuai_ingest_refused_requests_total{reason="new"}`: 4,
		`shuai_ingest_refused_requests_total{reason="too_large"}`: 3,
		`shuai_store_spans`: 6, `shuai_store_head_spans`: 6, `shuai_store_set_aside_files`: 0, `shuai_store_oldest_span_time_seconds`: 1_799_999_940,
		`shuai_query_duration_seconds_count{question="endpoints"}`: 2, `shuai_query_errors_total{question="endpoints",reason="client"}`: 1,
		`shuai_query_duration_seconds_count{question="skeleton"}`: 2, `shuai_query_errors_total{question="skeleton",reason="client"}`: 1,
		`shuai_query_duration_seconds_bucket{question="skeleton",le="+Inf"}`: 2,
		`shuai_query_duration_seconds_count{question="jaeger_services"}`:     1, `shuai_query_errors_total{question="jaeger_services",reason="client"}`: 0,
		`shuai_query_duration_seconds_count{question="jaeger_trace"}`: 2, `shuai_query_errors_total{question="jaeger_trace",reason="client"}`: 2,
		`shuai_query_errors_total{question="names",reason="gone"}`: 1,
	} {
		if got, ok := after.values[key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}
	for _, key := range []string{`shuai_query_duration_seconds_sum{question="endpoints"}`, "shuai_process_goroutines", "shuai_process_heap_bytes", "shuai_process_memory_bytes"} {
		if after.values[key] <= 0 {
			t.Errorf("%s is %v", key, after.values[key])
		}
	}
	for key, v := range before.values { // nothing that counts goes back, and nothing goes away
		name, _, _ := strings.Cut(key, "{")
		if now, ok := after.values[key]; !ok || now < v && strings.HasSuffix(name, "_total") {
			t.Errorf("%s was %v and is %v", key, v, now)
		}
	}
	for _, kind := range append(slices.Clone(nativeKinds), jaeger.Kinds...) {
		if _, ok := after.values[fmt.Sprintf(`shuai_query_duration_seconds_count{question=%q}`, kind)]; !ok {
			t.Errorf("no figures of %s", kind)
		}
	}
}

// TestMetricsOfFailures: each way to end without an answer has its reason.
func TestMetricsOfFailures(t *testing.T) {
	failed := func(h http.Handler, reason string) {
		t.Helper()
		get(t, h, Prefix+"/endpoints")
		key := `shuai_query_errors_total{question="endpoints",reason="` + reason + `"}`
		if got := scrape(t, h).values[key]; got != 1 {
			t.Errorf("%s is %v", key, got)
		}
	}
	failed(New(Config{Store: brokenStore{Store: storetest.NewModel()}}), "internal")
	closed := storetest.NewModel()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	failed(New(Config{Store: closed}), "stopping")
	failed(New(Config{Store: storetest.NewModel(), QueryTimeout: time.Nanosecond}), "timeout")
}

// TestDurationBuckets: a bound belongs to the bucket that it ends.
func TestDurationBuckets(t *testing.T) {
	f := newFigures([]string{"x"})
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 30 * time.Second, time.Hour} {
		f.add("x", d, answered)
	}
	last := len(durationBounds)
	for i, want := range map[int]int64{0: 2, 1: 1, last - 1: 1, last: 1} {
		if got := f["x"].buckets[i].Load(); got != want {
			t.Errorf("bucket %d has %d, want %d", i, got, want)
		}
	}
}
