package shuai

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// adaptive is a tracer whose collector says what to keep.
func adaptive(t *testing.T, ratios func() (*http.Response, error)) (*Tracer, *collector) {
	t.Helper()
	c := &collector{}
	c.answerOther = func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return ratios()
		}
		return reply(200, ""), nil
	}
	tr, err := New(Config{Service: "movie web", Transport: c, MaxTraces: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Stop(t.Context()) })
	return tr, c
}

// share is how many of n roots are recorded.
func share(t *testing.T, tr *Tracer, name string, n int) float64 {
	t.Helper()
	recorded := 0
	for range n {
		_, s := tr.StartSpan(t.Context(), name, KindServer)
		if s.Recording() {
			recorded++
		}
		s.End()
	}
	return float64(recorded) / float64(n)
}

// Each endpoint keeps the share that the collector says; the last good answer holds while the collector is away or talks
// nonsense, and what it says nothing of stays as it is.
func TestRatiosFromTheCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Pointer[string]
		answer.Store(new("{}"))
		tr, c := adaptive(t, func() (*http.Response, error) {
			if *answer.Load() == "" {
				return nil, errors.New("away")
			}
			return reply(200, *answer.Load()), nil
		})
		const n = 20_000
		check := func(when, name string, want float64) {
			t.Helper()
			if got := share(t, tr, name, n); math.Abs(got-want) > 5*math.Sqrt(max(want, 0.001)*1.0/n) {
				t.Errorf("%s: %v of %q is recorded, want %v", when, got, name, want)
			}
		}
		say := func(s string) {
			answer.Store(&s)
			time.Sleep(reportEvery)
			synctest.Wait()
		}
		check("at first", "rare", 0.001)
		check("at first", "busy", 0.001)
		say(`{"service": "movie web", "tracesPerMinute": 60, "endpoints": [
			{"kind": "SPAN_KIND_SERVER", "name": "rare", "ratio": 1},
			{"kind": "SPAN_KIND_SERVER", "name": "busy", "ratio": 0.25},
			{"kind": "SPAN_KIND_SERVER", "name": "not of this process", "ratio": 1},
			{"kind": "SPAN_KIND_CLIENT", "name": "busy", "ratio": 1}]}`)
		check("told", "rare", 1)
		check("told", "busy", 0.25)
		check("told of others", "other", 0.001)
		for _, nonsense := range []string{
			"", "<html>", `{"endpoints": [{"kind": "SPAN_KIND_SERVER", "name": "rare", "ratio": 0}]}`,
			`{"endpoints": [{"kind": "SPAN_KIND_SERVER", "name": "rare", "ratio": 7}, {"kind": "x", "name": "rare", "ratio": 0.1}]}`, `{"endpoints": []}`,
		} {
			say(nonsense)
			check("told "+nonsense, "rare", 1)
		}
		say(`{"endpoints": [{"kind": "SPAN_KIND_SERVER", "name": "rare", "ratio": 0.5}]}`)
		check("told again", "rare", 0.5)

		asked := 0
		for _, o := range c.others {
			if o.method == http.MethodGet {
				asked++
				if o.url != "http://127.0.0.1:4318/v1/shuai/sampling?service=movie+web" {
					t.Errorf("asked %s", o.url)
				}
			}
		}
		if asked != 7 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// A collector that knows nothing of ratios is not asked every time, nor one that takes no statistics sent them.
func TestOtherCollectors(t *testing.T) {
	for _, tt := range []struct {
		name           string
		metrics        int
		ratios         int
		reports, asked int // in an hour
	}{
		{"Shuai", 200, 200, 359, 359},
		{"takes metrics", 200, 404, 359, 12},
		{"takes traces alone", 404, 404, 12, 0},
		{"overloaded", 503, 200, 359, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, c := adaptive(t, func() (*http.Response, error) { return reply(tt.ratios, "{}"), nil })
				inner := c.answerOther
				c.answerOther = func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						return reply(tt.metrics, ""), nil
					}
					return inner(r)
				}
				endSpans(tr, 1)
				time.Sleep(time.Hour - time.Millisecond)
				synctest.Wait()
				reports, asked := 0, 0
				for _, o := range c.others {
					if o.method == http.MethodPost {
						reports++
					} else {
						asked++
					}
				}
				if reports != tt.reports || asked < tt.asked-1 || asked > tt.asked {
					t.Errorf("%d reports, asked %d times; want %d and %d", reports, asked, tt.reports, tt.asked)
				}
			})
		})
	}
}

// Who has given a ratio is not overruled, and with statistics off there is nothing to learn from.
func TestRatioGiven(t *testing.T) {
	for name, cfg := range map[string]Config{"ratio": {Ratio: 0.5}, "no statistics": {Statistics: "off"}} {
		s, err := cfg.resolve(func(string) string { return "" })
		if err != nil || s.ratiosURL != "" || s.maxTraces != 0 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestStatisticsConfig(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		env   map[string]string
		check func(settings) bool
	}{
		{"defaults", Config{}, nil, func(s settings) bool {
			return s.statistics == statisticsCumulative && s.metricsURL == "http://127.0.0.1:4318/v1/metrics" && s.maxTraces == 100 && s.maxSeries == 2000
		}},
		{"delta", Config{Statistics: "delta"}, map[string]string{"SHUAI_STATISTICS": "off"}, func(s settings) bool { return s.statistics == statisticsDelta }},
		{"off", Config{}, map[string]string{"SHUAI_STATISTICS": "off"}, func(s settings) bool { return s.statistics == statisticsOff }},
		{"OpenTelemetry's", Config{}, map[string]string{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta"}, func(s settings) bool {
			return s.statistics == statisticsDelta
		}},
		{"no metrics", Config{}, map[string]string{"OTEL_METRICS_EXPORTER": "none"}, func(s settings) bool { return s.statistics == statisticsOff }},
		{"a place for metrics", Config{}, map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m:1/x"}, func(s settings) bool {
			return s.metricsURL == "http://m:1/x"
		}},
		{"no place for metrics", Config{}, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:1/x"}, func(s settings) bool {
			return s.statistics == statisticsOff
		}},
		{"cap", Config{}, map[string]string{"SHUAI_MAX_TRACES": "7.5"}, func(s settings) bool { return s.maxTraces == 7.5 }},
		{"no cap", Config{MaxTraces: -1}, nil, func(s settings) bool { return s.maxTraces == 0 }},
	} {
		if s, err := tt.cfg.resolve(func(k string) string { return tt.env[k] }); err != nil || !tt.check(s) {
			t.Errorf("%s: %+v, %v", tt.name, s, err)
		}
	}
	for _, env := range []map[string]string{
		{"SHUAI_STATISTICS": "some"}, {"SHUAI_MAX_TRACES": "many"}, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "nowhere"},
	} {
		if _, err := (Config{}).resolve(func(k string) string { return env[k] }); err == nil {
			t.Errorf("%v is accepted", env)
		}
	}
}

// The cap lets through so many a second, and no more after a pause than in one.
func TestLimiter(t *testing.T) {
	var l limiter
	l.init(50)
	second := int64(time.Second)
	allowed := func(from, to int64, every int64) (n int) {
		for now := from; now < to; now += every {
			if l.allowAt(now) {
				n++
			}
		}
		return n
	}
	if n := allowed(100*second, 101*second, second/1000); n < 50 || n > 101 {
		t.Errorf("%d in the first second", n)
	}
	if n := allowed(101*second, 111*second, second/1000); n < 499 || n > 501 {
		t.Errorf("%d in ten seconds", n)
	}
	if n := allowed(1000*second, 1000*second+1000, 1); n != 50 {
		t.Errorf("%d at once after a pause", n)
	}
	if n := allowed(2000*second, 2010*second, second/10); n != 100 {
		t.Errorf("%d of 100 that are fewer than the cap", n)
	}
}

// The cap of a process holds for roots, not for what others decided.
func TestMaxTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := testTracer(t, Config{MaxTraces: 10})
		recorded := 0
		for range 1000 {
			_, s := tr.StartSpan(t.Context(), "x", KindServer)
			if s.Recording() {
				recorded++
			}
			_, child := tr.StartSpan(Remote(t.Context(), exampleTrace, exampleSpan, FlagSampled, ""), "x", KindServer)
			if !child.Recording() {
				t.Fatal("the child of a recorded span is not recorded")
			}
		}
		if capped := tr.Stats().Capped; recorded < 10 || recorded > 20 || capped != uint64(1000-recorded) {
			t.Errorf("%d of 1,000 at once are recorded, %d were not because of the cap", recorded, capped)
		}
	})
}

// Spans that are dropped are reported as such, by reason.
func TestDropsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answerOther: accept, answer: func(*http.Request) (*http.Response, error) { return reply(400, "no"), nil }}
		tr, _ := testTracer(t, Config{Transport: c, BufferBytes: 4 << 10})
		endSpans(tr, 100)
		time.Sleep(reportEvery)
		synctest.Wait()
		s := tr.Stats().Dropped
		if s.Total() != 100 || s.BufferFull == 0 || s.Rejected == 0 {
			t.Fatalf("%+v", s)
		}
		got := c.reports(t)[0].sums
		for name, want := range map[string]uint64{"buffer_full": s.BufferFull, "rejected": s.Rejected} {
			if n := got["shuai.tracer.spans|"+name]; n != want {
				t.Errorf("%s: %d, want %d", name, n, want)
			}
		}
	})
}

// An answer without end, or one that would be worth gigabytes, is not read to its end.
func TestHostileRatios(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := adaptive(t, func() (*http.Response, error) {
			var b strings.Builder
			b.WriteString(`{"endpoints": [`)
			for i := range 100_000 {
				fmt.Fprintf(&b, `{"kind": "SPAN_KIND_SERVER", "name": "%d", "ratio": 1},`, i)
			}
			return reply(200, b.String()), nil
		})
		share(t, tr, "x", 10)
		time.Sleep(reportEvery)
		synctest.Wait()
		if got := share(t, tr, "x", 10_000); got > 0.1 || len(tr.statistics.all) > 20 {
			t.Errorf("%v recorded, %d series", got, len(tr.statistics.all))
		}
	})
}
