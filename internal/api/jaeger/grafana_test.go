package jaeger_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// These are the members that Grafana's Jaeger data source reads, with the types into which it reads them:
// one of another type fails its whole decoding.
type (
	grafanaTag struct {
		Key   string `json:"key"`
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
	grafanaSpan struct {
		TraceID       string `json:"traceID"`
		SpanID        string `json:"spanID"`
		ProcessID     string `json:"processID"`
		OperationName string `json:"operationName"`
		StartTime     int64  `json:"startTime"` // µs
		Duration      int64  `json:"duration"`
		Logs          []struct {
			Timestamp int64        `json:"timestamp"`
			Fields    []grafanaTag `json:"fields"`
		} `json:"logs"`
		References []struct {
			RefType string `json:"refType"`
			SpanID  string `json:"spanID"`
			TraceID string `json:"traceID"`
		} `json:"references"`
		Tags     []grafanaTag `json:"tags"`
		Warnings []string     `json:"warnings"`
		Flags    int          `json:"flags"`
	}
	grafanaTrace struct {
		TraceID   string `json:"traceID"`
		Processes map[string]struct {
			ServiceName string       `json:"serviceName"`
			Tags        []grafanaTag `json:"tags"`
		} `json:"processes"`
		Warnings []string      `json:"warnings"`
		Spans    []grafanaSpan `json:"spans"`
	}
	grafanaAnswer[T any] struct {
		Data   []T `json:"data"`
		Errors []struct {
			Code int    `json:"code"`
			Msg  string `json:"msg"`
		} `json:"errors"`
		Limit  int `json:"limit"`
		Offset int `json:"offset"`
		Total  int `json:"total"`
	}
)

func grafanaDecode[T any](t testing.TB, body []byte) []T {
	t.Helper()
	var answer grafanaAnswer[T]
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&answer); err != nil {
		t.Fatalf("%v\n%.300s", err, body)
	}
	if len(answer.Errors) > 0 {
		t.Fatalf("errors, which Grafana shows in place of the data: %+v", answer.Errors)
	}
	return answer.Data
}

func grafanaTraces(t testing.TB, body []byte) []grafanaTrace {
	return grafanaDecode[grafanaTrace](t, body)
}

// root is what Grafana's table of results takes for the root: the earliest span whose CHILD_OF parent is
// not in the trace.
func (tr grafanaTrace) root() *grafanaSpan {
	var root *grafanaSpan
	for i := range tr.Spans {
		sp := &tr.Spans[i]
		hasParent := false
		for _, r := range sp.References {
			hasParent = hasParent || r.RefType == "CHILD_OF" && slices.ContainsFunc(tr.Spans, func(o grafanaSpan) bool { return o.SpanID == r.SpanID })
		}
		if !hasParent && (root == nil || sp.StartTime < root.StartTime) {
			root = sp
		}
	}
	return root
}

// TestGrafana asks what the data source asks, and reads the answers as it does.
func TestGrafana(t *testing.T) {
	h := fixture(t)
	services := grafanaDecode[string](t, get(t, h, "/api/services").Body.Bytes()) // "Save & test"
	if !slices.Equal(services, []string{"movie", "unknown_service", "web/front"}) {
		t.Errorf("services %q", services)
	}
	if ops := grafanaDecode[string](t, get(t, h, "/api/services/movie/operations").Body.Bytes()); !slices.Equal(ops, []string{"SELECT", "call", "get", "query", "self"}) {
		t.Errorf("operations %q", ops)
	}

	w := get(t, h, "/api/traces?end=1800000000000000&limit=20&maxDuration=1s&minDuration=1ms&service=web%2Ffront&start=1799996400000000&tags=%7B%22error%22%3A%22true%22%7D", "Accept-Encoding", "identity")
	if w.Code != 200 {
		t.Fatalf("search: %d", w.Code)
	}
	found := grafanaTraces(t, w.Body.Bytes())
	if len(found) != 1 {
		t.Fatalf("%d traces", len(found))
	}
	root := found[0].root()
	if name := found[0].Processes[root.ProcessID].ServiceName + ": " + root.OperationName; name != "web/front: GET /subject/{id}" ||
		found[0].TraceID != first.String() || root.StartTime != 1799999400000000 || root.Duration != 20000 {
		t.Errorf("the table shows %s, %+v", name, root)
	}

	for _, query := range []string{"", "?start=1799996400000&end=1800000000000"} { // "use time range in query" sends ms
		tr := grafanaTraces(t, get(t, h, "/api/traces/"+first.String()+query).Body.Bytes())[0]
		if len(tr.Spans) != 5 || len(tr.Processes) != 3 || len(tr.Warnings) != 2 {
			t.Fatalf("%d spans of %d processes, warnings %q", len(tr.Spans), len(tr.Processes), tr.Warnings)
		}
		for i, sp := range tr.Spans {
			if sp.TraceID != tr.TraceID || len(sp.SpanID) != 16 || tr.Processes[sp.ProcessID].ServiceName == "" || sp.Tags == nil || sp.Logs == nil || sp.References == nil {
				t.Errorf("span %d: %+v", i, sp)
			}
		}
		// The half with the wrong clock is centred in its caller, and says so; its event and its child moved along.
		late := tr.Spans[2]
		if late.OperationName != "get" || late.StartTime != root.StartTime+2000 || len(late.Warnings) != 1 || late.Logs[0].Timestamp != late.StartTime+1000 ||
			tr.Spans[3].StartTime != late.StartTime+1000 {
			t.Errorf("the span with the wrong clock: %+v", late)
		}
	}

	edges := grafanaDecode[struct {
		Parent    string `json:"parent"`
		Child     string `json:"child"`
		CallCount int    `json:"callCount"`
	}](t, get(t, h, "/api/dependencies?endTs=1800000000000&lookback=604800000").Body.Bytes())
	if len(edges) != 1 || edges[0].Parent != "web/front" || edges[0].Child != "movie" || edges[0].CallCount != 3 {
		t.Errorf("dependencies %+v", edges)
	}

	if w := get(t, h, "/api/traces/abc"); w.Code != 404 {
		t.Errorf("no such trace: %d", w.Code)
	}
}
