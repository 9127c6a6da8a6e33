package server

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
)

// serveMetrics is /redeye/metrics: what the guards have done and what is kept, in Prometheus' text format
// (prometheus.io/docs/instrumenting/exposition_formats). Of call sites, of which there may be any number, it has sums.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if err := s.Operator(r); err != nil {
		http.Error(w, "operators only", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write(s.metrics()) // the client is gone if this fails
}

func (s *Server) metrics() []byte {
	var b bytes.Buffer
	family := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind) }
	one := func(name, kind, help string, value int64) {
		family(name, kind, help)
		fmt.Fprintf(&b, "%s %d\n", name, value)
	}

	sites := s.sites.sum()
	one("redeye_queries_total", "counter", "Executions of programs that were begun.", sites.calls)
	one("redeye_query_errors_total", "counter", "Executions that ended with an error.", sites.errors)
	one("redeye_queries_refused_total", "counter", "Executions that a call site's breaker, switch or limit refused.", sites.refused)
	one("redeye_queries_running", "gauge", "Executions under way.", sites.running)
	one("redeye_callsites", "gauge", "Programs at call sites that are known.", sites.known)
	one("redeye_callsites_open", "gauge", "Those of them that are refused, by their breaker or the operator.", sites.open)

	methods := s.Methods()
	for _, m := range []struct {
		name, kind, help string
		of               func(*MethodStatus) int64
	}{
		{"calls_total", "counter", "Calls of the method that are over.", func(m *MethodStatus) int64 { return m.Calls }},
		{"failed_total", "counter", "Calls with an item that failed for reasons of the method's own.", func(m *MethodStatus) int64 { return m.Failed }},
		{"slow_total", "counter", "Calls that took longer than they should.", func(m *MethodStatus) int64 { return m.Slow }},
		{"refused_total", "counter", "Calls that the method's breaker or switch refused.", func(m *MethodStatus) int64 { return m.Refused }},
		{"running", "gauge", "Calls under way.", func(m *MethodStatus) int64 { return int64(m.Running) }},
		{"waiting", "gauge", "Calls that wait for their turn.", func(m *MethodStatus) int64 { return int64(m.Waiting) }},
		{"breaker_opened_total", "counter", "How often the method's breaker has opened.", func(m *MethodStatus) int64 { return m.Opened }},
		{"breaker_open", "gauge", "1 if calls are refused, by the breaker or the operator.", func(m *MethodStatus) int64 { return boolInt(m.Breaker == breaker.Open.String()) }},
	} {
		name := "redeye_method_" + m.name
		family(name, m.kind, m.help)
		for i := range methods {
			fmt.Fprintf(&b, "%s{method=%q} %d\n", name, methods[i].Name, m.of(&methods[i]))
		}
	}

	cache, plans := s.CacheStats(), s.PlanStats()
	one("redeye_cache_bytes", "gauge", "What the cache holds, about.", cache.Bytes)
	one("redeye_cache_entries", "gauge", "Values in it.", int64(cache.Entries))
	one("redeye_cache_hits_total", "counter", "Values that were found in it.", cache.Hits)
	one("redeye_cache_misses_total", "counter", "Values that were looked for in it, and were not there.", cache.Misses)
	one("redeye_cache_stale_total", "counter", "Values that were too old, and stood in for what failed.", cache.Stale)
	one("redeye_cache_evicted_total", "counter", "Values that went for want of room.", cache.Evicted)
	one("redeye_cache_renewed_total", "counter", "Values that were made anew before they were too old.", cache.Renewed)
	one("redeye_plans", "gauge", "Plans of programs that are kept.", int64(plans.Plans))
	one("redeye_plans_pinned", "gauge", "Those of them that took long to make, and are not pushed out by others.", int64(plans.Pinned))
	one("redeye_plan_bytes", "gauge", "What they take, about.", plans.Bytes)
	one("redeye_plan_hits_total", "counter", "Runs whose plan was there.", plans.Hits)
	one("redeye_plan_misses_total", "counter", "Plans that were made.", plans.Misses)
	return b.Bytes()
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
