package server

import (
	"cmp"
	"container/list"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
	"github.com/fuwu-project/fuwu/shuai"
)

// A program at a call site is a dynamic interface: nobody released it, and yet it has a name, figures, limits and a
// switch of its own. This file keeps them.

// siteKey is what a history is kept under. The key of the call site is the client's word, so it means something only among the
// calls of one tenant.
type siteKey struct {
	tenant, key string
	hash        ast.Hash
}

type site struct {
	id       siteKey
	label    string // the last one
	program  string
	running  int
	off      bool
	limit    int // executions at once; 0 is the server's
	calls    int64
	errors   int64
	refused  int64
	backend  int64 // invocations
	planned  int64 // calls of methods that the program asked for
	cpuSteps int64
	hits     int64 // of the cache
	misses   int64
	times    histogram
	last     time.Time
	place    *list.Element
	breaker  *breaker.Breaker
}

// histogram counts durations in buckets of a quarter of a power of two.
type histogram [256]int64

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1))
	exp := bits.Len64(n) - 1
	if exp < 2 {
		return int(n)
	}
	return exp<<2 | int(n>>(exp-2)&3)
}

// quantile is the upper end of the bucket in which the share q of all is reached.
func (h *histogram) quantile(q float64) time.Duration {
	total := int64(0)
	for _, n := range h {
		total += n
	}
	rank := int64(q * float64(total))
	for i, n := range h {
		if rank -= n; rank < 0 {
			if i < 8 {
				return time.Duration(i)
			}
			exp := i >> 2
			return time.Duration(uint64(4|i&3)<<(exp-2) + 1<<(exp-2) - 1)
		}
	}
	return 0
}

// sites are the live ones, the last used first.
type sites struct {
	mu    sync.Mutex
	max   int
	limit int
	all   map[siteKey]*site
	order *list.List
}

func (t *sites) init(maxSites, limit int) {
	t.max, t.limit = maxSites, limit
	t.all, t.order = map[siteKey]*site{}, list.New()
}

// enter begins an execution, whose span it is, at a site, or says why there is none.
func (t *sites) enter(span *shuai.Span, now time.Time, id siteKey, label string, program func() string) (*site, breaker.Call, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[id]
	if s == nil {
		s = &site{id: id, program: program(), breaker: breaker.New(breaker.Config{})}
		s.place = t.order.PushFront(s)
		t.all[id] = s
		t.evict()
	}
	t.order.MoveToFront(s.place)
	s.last = now
	if label != "" {
		s.label = label
	}
	spanBreaker(span, s.breaker, now)
	limit := s.limit
	if limit == 0 {
		limit = t.limit
	}
	switch {
	case s.off:
		s.refused++
		return nil, breaker.Call{}, &Error{Code: "UNAVAILABLE", Reason: "SITE_OFF", Msg: "the operator has switched this query off", Site: label, Wait: time.Minute}
	case s.running >= limit:
		s.refused++
		return nil, breaker.Call{}, &Error{
			Code: "UNAVAILABLE", Reason: "SITE_BUSY", Msg: fmt.Sprintf("%d of this query run already, as many as may at once", s.running), Site: label, Wait: 100 * time.Millisecond,
		}
	}
	pass, wait, ok := s.breaker.Allow(now)
	if !ok {
		s.refused++
		return nil, breaker.Call{}, &Error{
			Code: "UNAVAILABLE", Reason: "BREAKER_OPEN", Msg: "this query exceeded its budgets too often, and is refused for a while", Site: label, Wait: wait,
		}
	}
	s.running++
	s.calls++
	return s, pass, nil
}

// evict forgets the sites that were used longest ago, if there are too many. One that runs, or that the operator has touched, stays.
func (t *sites) evict() {
	for e := t.order.Back(); e != nil && len(t.all) > t.max; {
		before := e.Prev()
		if s, ok := e.Value.(*site); ok && s.running == 0 && !s.off && s.limit == 0 && e != t.order.Front() {
			t.order.Remove(e)
			delete(t.all, s.id)
		}
		e = before
	}
}

// leave ends an execution.
func (t *sites) leave(s *site, took time.Duration, use Usage, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.running--
	s.times[bucketOf(took)]++
	if err != nil {
		s.errors++
	}
	s.hits, s.misses = s.hits+use.Hits, s.misses+use.Misses
	s.backend, s.planned, s.cpuSteps = s.backend+use.sent, s.planned+use.Planned, s.cpuSteps+use.Steps
}

// SiteStatus is what is known of a program at a call site.
type SiteStatus struct {
	Tenant  string    `json:"tenant,omitempty"`
	Key     string    `json:"key,omitempty"`
	Label   string    `json:"label,omitempty"`
	Hash    string    `json:"hash"`
	Program string    `json:"program"`
	Calls   int64     `json:"calls"`
	Errors  int64     `json:"errors"`
	Refused int64     `json:"refused"`
	Running int       `json:"running"`
	P50     string    `json:"p50"`
	P99     string    `json:"p99"`
	Backend int64     `json:"backend_calls"`
	Planned int64     `json:"planned_calls"`
	Steps   int64     `json:"steps"`
	Hits    int64     `json:"cache_hits"`
	Misses  int64     `json:"cache_misses"`
	Last    time.Time `json:"last"`
	Breaker string    `json:"breaker"` // closed, open or half-open
	Off     bool      `json:"off"`
	Limit   int       `json:"limit,omitempty"` // executions at once, if not the server's
}

// CallSites lists every program at every call site, those with most backend calls first.
func (s *Server) CallSites() []SiteStatus {
	t := &s.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]SiteStatus, 0, len(t.all))
	for _, s := range t.all {
		out = append(out, SiteStatus{
			Tenant: s.id.tenant, Key: s.id.key, Label: s.label, Hash: s.id.hash.String(), Program: s.program, Calls: s.calls, Errors: s.errors,
			Refused: s.refused, Running: s.running, P50: s.times.quantile(0.5).String(), P99: s.times.quantile(0.99).String(), Backend: s.backend,
			Planned: s.planned, Steps: s.cpuSteps, Hits: s.hits, Misses: s.misses, Last: s.last, Breaker: s.breaker.State(time.Now()).String(), Off: s.off, Limit: s.limit,
		})
	}
	slices.SortFunc(out, func(a, b SiteStatus) int {
		return cmp.Or(cmp.Compare(b.Backend, a.Backend), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Hash, b.Hash))
	})
	return out
}

// Switch turns a program at a call site off or on, and bounds how many of it run at once (0 is the server's bound). It
// reports whether there is such a one.
func (s *Server) Switch(tenant, key, hash string, off bool, limit int) bool {
	t := &s.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, one := range t.all {
		if id.tenant == tenant && id.key == key && id.hash.String() == hash {
			one.off, one.limit = off, max(limit, 0)
			return true
		}
	}
	return false
}

// serveCallSites is /redeye/callsites: GET lists, POST of {tenant, key, hash, off, limit} is [Server.Switch].
func (s *Server) serveCallSites(w http.ResponseWriter, r *http.Request) {
	if err := s.Operator(r); err != nil {
		http.Error(w, "operators only", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(map[string]any{"callsites": s.CallSites(), "cache": s.CacheStats()}) // the client is gone if this fails
	case http.MethodPost:
		var in struct {
			Tenant, Key, Hash string
			Off               bool
			Limit             int
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil {
			http.Error(w, "want JSON {tenant, key, hash, off, limit}: "+err.Error(), http.StatusBadRequest)
			return
		}
		if !s.Switch(in.Tenant, in.Key, in.Hash, in.Off, in.Limit) {
			http.Error(w, "there is no such call site", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	}
}

// CacheStats says what is kept of answers.
func (s *Server) CacheStats() CacheStats { return s.cache.Stats() }

// CacheStats is what a server keeps of answers, and how well that serves.
type CacheStats = engine.CacheStats
