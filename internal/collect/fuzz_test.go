package collect_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// FuzzFront: whatever comes to the front doors is answered as their protocols answer, and all memory is given back.
func FuzzFront(f *testing.F) {
	var req collectorpb.ExportTraceServiceRequest
	if err := (protojson.UnmarshalOptions{}).Unmarshal([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}`), &req); err != nil {
		f.Fatal(err)
	}
	good, err := proto.Marshal(&req)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(true, "", frame(0, len(good), good))
	f.Add(true, "gzip", frame(1, 30, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")))
	f.Add(true, "", frame(0, len(good)+1, good))
	f.Add(false, "", good)
	f.Add(false, "gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	c := collect.New(collect.Config{Store: discard{}, Limits: wire.Limits{RequestBytes: 1 << 16}, Logger: slog.New(slog.DiscardHandler)})
	web, calls := c.HTTPHandler(), c.GRPCHandler()
	f.Fuzz(func(t *testing.T, overGRPC bool, encoding string, body []byte) {
		h, path, typ := web, "/v1/traces", asPB
		if overGRPC {
			h, path, typ = calls, export, "application/grpc"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", typ)
		if overGRPC {
			r.ProtoMajor = 2
			r.Header["Grpc-Encoding"] = []string{encoding}
		} else {
			r.Header["Content-Encoding"] = []string{encoding}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if n := c.Stats().InFlight; n != 0 {
			t.Fatalf("%d bytes are not given back", n)
		}
		if !overGRPC {
			if w.Code != 200 && w.Code != 400 && w.Code != 413 {
				t.Fatalf("%d %q", w.Code, w.Body)
			}
			return
		}
		status := w.Header().Get("Grpc-Status") + w.Header().Get(http.TrailerPrefix+"Grpc-Status")
		if w.Code != 200 || status == "" || strings.ContainsFunc(w.Header().Get("Grpc-Message"), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%d %v", w.Code, fmt.Sprint(w.Header()))
		}
	})
}
