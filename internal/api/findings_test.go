package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

func post(t testing.TB, h http.Handler, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestFindings: what is stored becomes a finding that every page shows, and a person decides about it.
func TestFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := findings.Start(findings.Options{Store: storetest.NewModel()})
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		h := New(Config{Store: w, Findings: w})
		for i := range uint64(4) {
			b := pageTrace(1+i, "GET /subject/{id}", 0, 90, false)
			for r := range b.Start {
				b.Start[r] += time.Now().UnixNano() - now.UnixNano()
			}
			add(t, w, b)
		}
		time.Sleep(10 * time.Second)

		var list struct {
			Examined int
			Rate     float64
			Total    int
			Findings []findingRow
		}
		ask(t, h, "/findings", &list)
		if list.Examined != 4 || list.Rate != 1 || list.Total != 1 {
			t.Fatalf("%+v", list)
		}
		f := list.Findings[0]
		if f.Kind != "chatty" || f.State != "new" || f.Label != "mc get" || f.Calls < 89 || f.Calls > 91 || f.Requests != 4 || len(f.Evidence) != 4 ||
			!strings.HasPrefix(f.Title, "movie-web calls mc get 9") || !strings.Contains(f.Advice, "in one call") {
			t.Errorf("%+v", f)
		}
		var one findingRow
		ask(t, h, "/findings/"+f.ID, &one)
		if one.Title != f.Title {
			t.Errorf("%+v", one)
		}
		var page struct{ Findings []findingRow }
		ask(t, h, "/endpoint?"+url.Values{"service": {"movie-web"}, "name": {"GET /subject/{id}"}}.Encode(), &page)
		if len(page.Findings) != 1 || page.Findings[0].ID != f.ID {
			t.Errorf("the endpoint has %+v", page.Findings)
		}
		var endpoints struct{ Endpoints []endpointRow }
		ask(t, h, "/endpoints", &endpoints)
		if endpoints.Endpoints[0].Findings != 1 {
			t.Errorf("%+v", endpoints)
		}
		var trace struct{ Causes []causeRow }
		ask(t, h, "/traces/2/skeleton", &trace)
		if len(trace.Causes) != 1 || trace.Causes[0].Finding != f.ID || len(trace.Causes[0].Rows) != 90 {
			t.Errorf("%+v", trace)
		}
		metrics := get(t, h, "/metrics").Body.String()
		for _, line := range []string{
			`shuai_findings{kind="chatty",state="new"} 1`, `shuai_findings{kind="slow-call",state="open"} 0`,
			`shuai_finding_requests_total{finding="` + f.ID + `",kind="chatty",service="movie-web",endpoint="GET /subject/{id}",path="mc get"} 4`,
			"shuai_findings_examined_total 4", "shuai_findings_sampling_ratio 1",
		} {
			if !strings.Contains(metrics, line+"\n") {
				t.Errorf("metrics lack %s", line)
			}
		}

		target := Prefix + "/findings/" + f.ID
		r := post(t, h, target+"/mute", `{"reason": "by design", "for": "7d"}`)
		if err := json.Unmarshal(r.Body.Bytes(), &one); err != nil || r.Code != 200 || one.State != "muted" || one.Reason != "by design" || one.MutedUntil == "" {
			t.Errorf("%d %s", r.Code, r.Body)
		}
		ask(t, h, "/findings", &list)
		if list.Total != 0 {
			t.Errorf("still in sight: %+v", list)
		}
		ask(t, h, "/findings?state=muted&kind=chatty&service=movie-web&sort=new", &list)
		if list.Total != 1 {
			t.Errorf("%+v", list)
		}
		ask(t, h, "/findings?state=all&kind=slow-call", &list)
		if list.Total != 0 {
			t.Errorf("%+v", list)
		}
		for _, what := range []struct{ do, state string }{{"reopen", "new"}, {"resolve", "resolved"}} {
			r := post(t, h, target+"/"+what.do, "")
			if err := json.Unmarshal(r.Body.Bytes(), &one); err != nil || one.State != what.state {
				t.Errorf("%s: %d %s", what.do, r.Code, r.Body)
			}
		}

		for _, c := range []struct {
			target, body string
			header       []string
			code         int
			says         string
		}{
			{target + "/mute", "{", nil, 400, "the body is JSON"},
			{target + "/mute", `{"for": "soon"}`, nil, 400, "how long"},
			{target + "/mute", strings.Repeat(" ", 1<<20), nil, 400, "too large"},
			{target + "/mute", `{"reason": "` + strings.Repeat("x", 3000) + `"}`, nil, 400, "at most 2000"},
			{Prefix + "/findings/1/mute", "", nil, 404, "no such finding"},
			{Prefix + "/findings/xyz/mute", "", nil, 400, "hex"},
			{target + "/forget", "", nil, 405, "GET and HEAD"},
			{target + "/mute", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
			{target + "/mute", "", []string{"Origin", "https://evil.example"}, 403, "another site"},
		} {
			r := post(t, h, c.target, c.body, c.header...)
			if r.Code != c.code || !strings.Contains(r.Body.String(), c.says) || !json.Valid(r.Body.Bytes()) {
				t.Errorf("POST %.60s %.30q: %d %s; want %d %q", c.target, c.body, r.Code, r.Body, c.code, c.says)
			}
		}
		if r := get(t, h, Prefix+"/findings/1"); r.Code != 404 {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	})
}

// TestWordsForTimes: advice writes a time as the terminal and the page do.
func TestWordsForTimes(t *testing.T) {
	for _, c := range []struct {
		kind   analyze.CauseKind
		saving float64
		says   string
	}{
		{analyze.Chatty, 320_600_000, "Saves about 321 ms of each"},
		{analyze.SlowCall, 1_234_000_000, "Make it faster: 1.23 s of each"},
		{analyze.RetryStorm, 45_678, "Saves about 45.7 µs of each"},
	} {
		f := &findings.Finding{Kind: c.kind}
		if _, advice := wordsFor(f, findings.Figures{Saving: c.saving}); !strings.Contains(advice, c.says) {
			t.Errorf("%v: %q, want %q", c.kind, advice, c.says)
		}
	}
}

// TestFindingsByExpectedSaving: what is likely to save much comes before what might save more.
func TestFindingsByExpectedSaving(t *testing.T) {
	saves := func(id uint64, kind analyze.CauseKind, perHour time.Duration) *findings.Finding {
		f := &findings.Finding{ID: id, Kind: kind, First: now.Add(-time.Hour).UnixNano()}
		f.Days.Hours[0].At, f.Days.Hours[0].Saving = now.Unix()/3600, float64(perHour)
		return f
	}
	list := []*findings.Finding{ // less sure from the first to the last
		saves(1, analyze.RetryStorm, time.Second),
		saves(2, analyze.SlowCall, 3*time.Second),
		saves(3, analyze.SerialFanOut, 4*time.Second),
	}
	s := &server{Config: Config{Now: func() time.Time { return now }}}
	rows := s.findingRows(list, func(*findings.Finding, findings.State) bool { return true })
	got := make([]string, len(rows))
	for i := range rows {
		got[i] = rows[i].ID[15:]
	}
	if !slices.Equal(got, []string{"2", "3", "1"}) {
		t.Errorf("the order is %v", got)
	}
}
