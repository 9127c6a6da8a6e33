package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/wire/tracefile"
)

// TestFileAndLook: a trace that is downloaded in any form and looked at again is drawn as it was, and nothing is stored.
func TestFileAndLook(t *testing.T) {
	s := fixture(t)
	h := handler(s)
	empty := storetest.NewModel()
	other := handler(empty)
	type drawn struct {
		TraceID, Start string
		Duration       int64
		Errors         int
		Services       []string
		Shapes         struct{ Service, Kind []int }
		Rows           struct {
			Depth, Shape, Flags  []int
			OffsetStep, Duration []int64
		}
		Causes []causeRow
	}
	var want drawn
	ask(t, h, trace2+"/skeleton", &want)
	for _, format := range []string{"otlp", "jaeger", "zipkin"} {
		w := get(t, h, Prefix+trace2+"/file?format="+format)
		name := map[string]string{"otlp": "", "jaeger": ".jaeger", "zipkin": ".zipkin"}[format]
		if w.Code != 200 || w.Header().Get("Content-Disposition") != `attachment; filename="trace-000000006b49d2000000000000000002`+name+`.json"` {
			t.Fatalf("%s: %d %v", format, w.Code, w.Header())
		}
		file := w.Body.String()
		form, b, rep, err := tracefile.Decode([]byte(file), wire.Limits{})
		if err != nil || string(form) != format || rep.Rejected != 0 || b.Len() != 12 {
			t.Fatalf("%s: %v, %v, %+v", format, form, err, rep)
		}
		var got drawn
		r := post(t, other, Prefix+"/look/skeleton", file)
		if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || r.Code != 200 {
			t.Fatalf("%s: %d %s", format, r.Code, r.Body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-stored +file)\n%s", format, diff)
		}
		for _, what := range []string{"stats?row=1", "paths", "spans?rows=0,2", "file?format=zipkin"} {
			if r := post(t, other, Prefix+"/look/"+what, file); r.Code != 200 || !json.Valid(r.Body.Bytes()) {
				t.Errorf("%s of %s: %d %s", what, format, r.Code, r.Body)
			}
		}
		// What OTLP says comes back to the last bit.
		stored, err := s.Trace(t.Context(), span.TraceID{Hi: 0x6b49d200, Lo: 2})
		if err != nil {
			t.Fatal(err)
		}
		if format == "otlp" {
			for i := range stored.Len() {
				if diff := cmp.Diff(storetest.Canonical(stored.Span(i)), storetest.Canonical(b.Span(i))); diff != "" {
					t.Errorf("span %d (-stored +file)\n%s", i, diff)
				}
			}
		}
	}
	if n := empty.Stats().Spans; n != 0 {
		t.Errorf("%d spans were stored", n)
	}
}

// TestRecordedFiles: files as other systems write them are drawn.
func TestRecordedFiles(t *testing.T) {
	h := handler(storetest.NewModel())
	for _, c := range []struct {
		form     string
		spans    int
		services []string
	}{
		{"otlp", 2, []string{"checkout"}},
		{"jaeger", 2, []string{"frontend", "mysql"}},
		{"zipkin", 4, []string{"frontend", "backend"}},
	} {
		text, err := os.ReadFile(filepath.Join("..", "wire", "tracefile", "testdata", c.form+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var what struct {
			Form   string
			Traces []openedRow
		}
		r := post(t, h, Prefix+"/look", string(text))
		if err := json.Unmarshal(r.Body.Bytes(), &what); err != nil || what.Form != c.form || len(what.Traces) != 1 || what.Traces[0].Spans != c.spans || what.Traces[0].Root == nil {
			t.Fatalf("%s: %d %s", c.form, r.Code, r.Body)
		}
		var got struct{ Services []string }
		r = post(t, h, Prefix+"/look/skeleton?trace="+what.Traces[0].TraceID, string(text))
		if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || !slices.Equal(got.Services, c.services) {
			t.Errorf("%s: %d %s", c.form, r.Code, r.Body)
		}
	}
}

func TestLookRefuses(t *testing.T) {
	h := handler(storetest.NewModel())
	zipkin := `[{"traceId":"1","id":"1"},{"traceId":"2","id":"1"},{"traceId":"2","id":"2"}]`
	for _, c := range []struct {
		target, body string
		code         int
		says         string
	}{
		{"/look", "", 400, "no file of OTLP"},
		{"/look", "<html>", 400, "byte 1"},
		{"/look/skeleton", "[]", 400, "no span in the file"},
		{"/look/nothing", zipkin, 404, "nothing answers"},
		{"/look/percentile", zipkin, 404, "nothing answers"},
		{"/look/skeleton?trace=77", zipkin, 404, "no span of this trace"},
		{"/look/stats?row=9", zipkin, 400, "rows 0 to 1"},
		{"/look/stats?trace=1&row=1", zipkin, 400, "rows 0 to 0"},
		{"/look", "[" + strings.Repeat(" ", 65<<20) + "]", 413, "larger than 64 MiB"},
		{"/lookout", zipkin, 405, "GET and HEAD"},
	} {
		r := post(t, h, Prefix+c.target, c.body)
		if r.Code != c.code || !strings.Contains(r.Body.String(), c.says) || !json.Valid(r.Body.Bytes()) {
			t.Errorf("POST %s: %d %s; want %d %q", c.target, r.Code, r.Body, c.code, c.says)
		}
	}
	if r := post(t, h, Prefix+"/look", zipkin, "Origin", "https://evil.example"); r.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", r.Code)
	}
	if w := get(t, h, Prefix+"/look?"+url.Values{"trace": {"1"}}.Encode()); w.Code != 404 {
		t.Errorf("GET /look: %d", w.Code)
	}
}
