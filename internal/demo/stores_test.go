package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/fuwu-project/fuwu/internal/demo/standin"
	"github.com/fuwu-project/fuwu/internal/realdb"
)

// realStores starts the real ones; of beansdb there is a stand-in alone, which answers as the real one was seen to.
func realStores(t *testing.T) (at Addresses) {
	t.Helper()
	for _, one := range []struct {
		start func(context.Context, string) (*realdb.Server, error)
		addr  *string
	}{
		{realdb.MariaDB, &at.MySQL}, {realdb.Redis, &at.Redis}, {realdb.Memcached, &at.Memcached},
	} {
		s, err := one.start(t.Context(), t.TempDir())
		if errors.Is(err, realdb.ErrMissing) {
			t.Skipf("%v; the site ran on stand-ins only", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		*one.addr = s.Addr
	}
	at.MySQL = "root@tcp(" + at.MySQL + ")/"
	s, err := standin.Beansdb(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	at.Beansdb = s.Addr
	return at
}

// storeCalls counts a trace's calls of stores, by the name under which the statistics have them.
func (s *sink) storeCalls(trace string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := map[string]int{}
	for _, sp := range s.spans {
		system := sp.attr("db.system.name")
		if hexID(sp.TraceId) != trace || system == "" || sp.Name == "connect" {
			continue
		}
		calls[system]++
		if sp.Kind != tracepb.Span_SPAN_KIND_CLIENT || sp.attr("server.address") != "127.0.0.1" || sp.attr("db.operation.name")+sp.attr("db.query.text") == "" {
			calls["badly described "+sp.Name]++
		}
	}
	return calls
}

// Every page is the same on the real stores and on the stand-ins, in every way, and each call of a store is a span.
func TestRealStores(t *testing.T) {
	real, standIns := newSink(t), newSink(t)
	sites := map[*sink]*Site{
		real:     runSite(t, Config{Collector: real.URL, Stores: realStores(t)}),
		standIns: runSite(t, Config{Collector: standIns.URL}),
	}
	type visit struct {
		path  string
		way   Way
		trace map[*sink]string
	}
	var visits []visit
	for _, path := range everyPage {
		for _, way := range Ways() {
			v := visit{path, way, map[*sink]string{}}
			bodies := map[*sink]string{}
			for s, site := range sites {
				resp, body := get(t, site.URL+asJSON(path, way))
				bodies[s], v.trace[s] = body, resp.Header.Get("X-Trace-Id")
				if resp.StatusCode != 200 {
					t.Errorf("%s by %s: %s: %.200s", path, way, resp.Status, body)
				}
			}
			if bodies[real] != bodies[standIns] {
				t.Errorf("%s by %s is on the real stores\n%.500s\nand on stand-ins\n%.500s", path, way, bodies[real], bodies[standIns])
			}
			visits = append(visits, v)
		}
	}
	for _, site := range sites {
		if err := site.Close(t.Context()); err != nil { // flushes
			t.Fatal(err)
		}
	}
	var table strings.Builder
	for _, v := range visits {
		calls := real.storeCalls(v.trace[real])
		if others := standIns.storeCalls(v.trace[standIns]); !maps.Equal(calls, others) {
			t.Errorf("%s by %s called the real stores %v, and stand-ins %v", v.path, v.way, calls, others)
		}
		fmt.Fprintf(&table, "%-30s %-6s", v.path, v.way)
		for _, system := range slices.Sorted(maps.Keys(calls)) {
			fmt.Fprintf(&table, " %s %d", system, calls[system])
		}
		table.WriteByte('\n')
	}
	golden(t, "testdata/store-calls", table.String())
}
