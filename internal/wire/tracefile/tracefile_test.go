package tracefile

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

var update = flag.Bool("update", false, "write the golden files anew")

func spansOf(b *span.Batch) []span.Span {
	list := make([]span.Span, 0, b.Len())
	for i := range b.Len() {
		list = append(list, b.Span(i))
	}
	slices.SortStableFunc(list, func(x, y span.Span) int {
		return cmp.Or(x.TraceID.Compare(y.TraceID), cmp.Compare(x.SpanID, y.SpanID), cmp.Compare(x.Kind, y.Kind))
	})
	return list
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestFiles reads files of each form and shows the spans: one that has everything the form can say, and one that was recorded (see
// testdata/recorded/README.md).
func TestFiles(t *testing.T) {
	for _, name := range []string{"otlp", "jaeger", "zipkin", "recorded/otlp", "recorded/jaeger", "recorded/zipkin"} {
		form, b, rep, err := Decode(read(t, name+".json"), wire.Limits{})
		if err != nil || string(form) != path.Base(name) || rep.Rejected > 0 {
			t.Fatalf("%s: %v, %v, %+v", name, form, err, rep)
		}
		var w strings.Builder
		for _, s := range spansOf(b) {
			fmt.Fprintf(&w, "%s %s < %s %s %q %d+%d %s %q flags %d state %q dropped %d %d %d\n", s.TraceID, s.SpanID, s.Parent, s.Kind, s.Name,
				s.Start, s.Duration, s.Status, s.StatusMessage, s.Flags, s.TraceState, s.DroppedAttrs, s.DroppedEvents, s.DroppedLinks)
			show := func(indent string, attrs []span.Attribute) {
				for _, a := range attrs {
					fmt.Fprintf(&w, "%s%s %s %q\n", indent, a.Key, a.Value.Type, a.Value.String())
				}
			}
			show("  ", s.Attrs)
			fmt.Fprintf(&w, "  of\n")
			show("    ", s.Resource.Attrs)
			fmt.Fprintf(&w, "  by %q %q\n", s.Scope.Name, s.Scope.Version)
			for _, e := range s.Events {
				fmt.Fprintf(&w, "  at %d %q\n", e.Time, e.Name)
				show("    ", e.Attrs)
			}
			for _, l := range s.Links {
				fmt.Fprintf(&w, "  link %s %s\n", l.TraceID, l.SpanID)
				show("    ", l.Attrs)
			}
		}
		golden := name + ".golden"
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", golden), []byte(w.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := gocmp.Diff(string(read(t, golden)), w.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestOTLPRoundTrip: nothing is lost.
func TestOTLPRoundTrip(t *testing.T) {
	_, odd, _, err := Decode(read(t, "otlp.json"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append(workload.Generate(5, 20)[:40], odd, new(span.Batch)) {
		form, back, rep, err := Decode(EncodeOTLP(b), wire.Limits{})
		if err != nil || form != OTLP || rep != (wire.Report{}) {
			t.Fatalf("%v, %v, %+v", form, err, rep)
		}
		if diff := gocmp.Diff(spansOf(b), spansOf(back)); diff != "" {
			t.Fatalf("(-written +read)\n%s", diff)
		}
	}
}

// TestZipkinRoundTrip: what Zipkin can say comes back. Times are µs, values text, and a resource's attributes the span's.
func TestZipkinRoundTrip(t *testing.T) {
	for _, b := range workload.Generate(6, 20)[:40] {
		text, err := EncodeZipkin(b)
		if err != nil {
			t.Fatal(err)
		}
		form, back, _, err := Decode(text, wire.Limits{})
		if err != nil || form != Zipkin {
			t.Fatalf("%v, %v", form, err)
		}
		want, got := spansOf(b), spansOf(back)
		for i := range want {
			w, g := &want[i], &got[i]
			kind := w.Kind
			if kind == span.KindUnspecified {
				kind = span.KindInternal
			}
			if w.TraceID != g.TraceID || w.SpanID != g.SpanID || w.Parent != g.Parent || kind != g.Kind || w.Name != g.Name || w.Service() != g.Service() ||
				w.Start/1000 != g.Start/1000 || max(w.Duration-g.Duration, g.Duration-w.Duration) > 1000 || w.Status != g.Status || w.StatusMessage != g.StatusMessage ||
				w.Scope.Name != g.Scope.Name || len(w.Events) != len(g.Events) {
				t.Fatalf("%+v\nis read as\n%+v", w, g)
			}
			for _, a := range w.Attrs {
				if v := g.Attr(a.Key); v.String() != a.Value.String() {
					t.Fatalf("%s is %q, was %q", a.Key, v, a.Value)
				}
			}
			for j, e := range w.Events {
				if !slices.Equal(e.Attrs, g.Events[j].Attrs) || e.Name != g.Events[j].Name {
					t.Fatalf("event %+v is read as %+v", e, g.Events[j])
				}
			}
		}
	}
	_, b, _, err := Decode(read(t, "zipkin.json"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := EncodeZipkin(b)
	if err != nil {
		t.Fatal(err)
	}
	_, back, _, err := Decode(text, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(spansOf(b), spansOf(back)); diff != "" { // what came from Zipkin goes back as it was
		t.Errorf("(-first +second)\n%s", diff)
	}
	if !bytes.Contains(text, []byte(`"shared":true`)) || !bytes.Contains(text, []byte(`"remoteEndpoint":{"serviceName":"backend","ipv4":"172.17.0.9","port":9000}`)) {
		t.Errorf("%s", text)
	}
}

// TestZipkinStatus: a status comes back, whatever a reader would make of the status of HTTP.
func TestZipkinStatus(t *testing.T) {
	for _, status := range []span.Status{span.StatusUnset, span.StatusOK, span.StatusError} {
		for _, code := range []int64{200, 404, 500} {
			for _, kind := range []span.Kind{span.KindClient, span.KindServer, span.KindInternal} {
				s := span.Span{TraceID: span.TraceID{Lo: 1}, SpanID: 1, Kind: kind, Status: status, Attrs: []span.Attribute{{Key: "http.response.status_code", Value: span.IntValue(code)}}}
				var b span.Batch
				b.Append(&s)
				text, err := EncodeZipkin(&b)
				if err != nil {
					t.Fatal(err)
				}
				if _, back, _, err := Decode(text, wire.Limits{}); err != nil || back.Status[0] != status {
					t.Errorf("%v, %s: %v, %s", err, text, back.Status, status)
				}
			}
		}
	}
}

// TestOtherShapes: the ways in which files wrap the same.
func TestOtherShapes(t *testing.T) {
	otlp, jaeger, zipkin := read(t, "otlp.json"), read(t, "jaeger.json"), read(t, "zipkin.json")
	one := bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(jaeger), []byte(`{"data":[`)), []byte(`],"total":0,"limit":0,"offset":0,"errors":null}`))
	for _, c := range []struct {
		text  string
		form  Form
		spans int
	}{
		{`{"result":` + string(otlp) + `}`, OTLP, 2},
		{"\ufeff \n" + string(otlp), OTLP, 2},
		{string(one), Jaeger, 2},
		{"[" + string(zipkin) + "]", Zipkin, 4},
		{"[]", Zipkin, 0},
		{`{"data":[]}`, Jaeger, 0},
		{`{"resourceSpans":[]}`, OTLP, 0},
	} {
		form, b, _, err := Decode([]byte(c.text), wire.Limits{})
		if err != nil || form != c.form || b.Len() != c.spans {
			t.Errorf("%.40s: %v, %v", c.text, form, err)
		}
	}
	for _, c := range []struct{ text, says string }{
		{"", "no file of OTLP"},
		{"{}", "no file of OTLP"},
		{"null", "no file of OTLP"},
		{"7", "cannot"},
		{"{", "byte"},
		{"<html>", "byte 1"},
		{`[{"traceId": 7}]`, "byte 13: '7' where a string should be"},
		{`{"data": [{"spans": [{"startTime": "x"}]}]}`, "StartTime is a string"},
		{`{"resourceSpans": 7}`, "byte"},
	} {
		if _, _, _, err := Decode([]byte(c.text), wire.Limits{}); err == nil || c.says != "cannot" && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.text, err, c.says)
		}
	}
	if _, _, rep, err := Decode([]byte(`{"data":[{"spans":[{"traceID":"0","spanID":"1"}]}]}`), wire.Limits{}); err != nil || rep.Rejected != 1 || rep.Reason != "span 0 has no valid ids" {
		t.Errorf("%+v, %v", rep, err)
	}
	if _, _, _, err := Decode(otlp, wire.Limits{RequestBytes: 10}); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	_, b, rep, err := Decode([]byte(`[{"traceId":"0","id":"1"},{"traceId":"1","id":"1"}]`), wire.Limits{})
	if err != nil || b.Len() != 1 || rep.Rejected != 1 || rep.Reason != `span "": its trace id is nothing but zeros, want 16 bytes` {
		t.Errorf("%+v, %v", rep, err)
	}
}

// FuzzDecode: whatever a file is, it becomes spans that can be written in every form, or an error.
func FuzzDecode(f *testing.F) {
	for _, form := range []Form{OTLP, Jaeger, Zipkin} {
		f.Add(read(f, string(form)+".json"))
		f.Add(read(f, "recorded/"+string(form)+".json"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, b, _, err := Decode(text, wire.Limits{})
		if err != nil {
			return
		}
		for i := range b.Len() {
			if b.TraceID[i].IsZero() || b.SpanID[i] == 0 || b.Start[i] < 0 || b.Duration[i] < 0 || b.End(i) < 0 {
				t.Fatalf("span %+v", b.Span(i))
			}
		}
		if _, err := EncodeZipkin(b); err != nil {
			t.Fatal(err)
		}
		_, back, _, err := Decode(EncodeOTLP(b), wire.Limits{})
		if err != nil || back.Len() != b.Len() {
			t.Fatalf("%d spans come back as %d, %v", b.Len(), back.Len(), err)
		}
	})
}
