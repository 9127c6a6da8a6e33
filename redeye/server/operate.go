package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// This file is what an operator sees and sets: /redeye/callsites, and the same for programs.

// SiteStatus is what is known of a program at a call site.
type SiteStatus struct {
	Tenant  string    `json:"tenant,omitempty"`
	Key     string    `json:"key,omitempty"` // "other", with a hash of zeros, is what is beyond the sites that a tenant may have
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
	Stale   int64     `json:"cache_stale"` // values that were too old, and stood in for what failed
	Last    time.Time `json:"last"`
	Breaker string    `json:"breaker"` // closed, open or half-open
	Switch  string    `json:"switch"`  // automatic; open or closed if the operator says so
	Off     bool      `json:"off"`     // Switch is open
	Limit   int       `json:"limit,omitempty"`
	Budget  *Budget   `json:"budget,omitempty"` // that an operator set; what is 0 is the server's
}

// CallSites lists every program at every call site, those with most backend calls first.
func (s *Server) CallSites() []SiteStatus {
	t := &s.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	out := make([]SiteStatus, 0, len(t.all))
	for _, s := range t.all {
		forced := s.breaker.Forced()
		var budget *Budget
		if s.budget != (Budget{}) {
			budget = new(s.budget)
		}
		out = append(out, SiteStatus{
			Tenant: s.id.tenant, Key: s.id.key, Label: s.label, Hash: s.id.hash.String(), Program: s.program, Calls: s.calls, Errors: s.errors,
			Refused: s.refused, Running: s.running, P50: s.times.quantile(0.5).String(), P99: s.times.quantile(0.99).String(), Backend: s.backend,
			Planned: s.planned, Steps: s.cpuSteps, Hits: s.hits, Misses: s.misses, Stale: s.stale, Last: s.last, Breaker: s.breaker.State(now).String(),
			Switch: forced.String(), Off: forced == breaker.ForcedOpen, Limit: s.limit, Budget: budget,
		})
	}
	slices.SortFunc(out, func(a, b SiteStatus) int {
		return cmp.Or(cmp.Compare(b.Backend, a.Backend), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Hash, b.Hash))
	})
	return out
}

// MethodStatus is what is known of a method or source.
type MethodStatus struct {
	Name      string `json:"name"`
	Calls     int64  `json:"calls"`
	Failed    int64  `json:"failed"`  // calls with an item that failed for reasons of the method's own
	Slow      int64  `json:"slow"`    // calls that took longer than SlowAfter
	Refused   int64  `json:"refused"` // by its breaker
	Opened    int64  `json:"opened"`  // how often that has opened
	Running   int    `json:"running"`
	Waiting   int    `json:"waiting"` // for their turn
	P50       string `json:"p50"`
	P99       string `json:"p99"`
	Breaker   string `json:"breaker"`
	Switch    string `json:"switch"`
	Limit     int    `json:"limit"`                // calls at once, of all queries
	SlowAfter string `json:"slow_after,omitempty"` // what a call may take before it counts as failed; "" is any time
}

// Methods lists the methods and sources, by their names.
func (s *Server) Methods() []MethodStatus {
	now := time.Now()
	out := make([]MethodStatus, 0, len(s.methods))
	for m, g := range s.methods {
		slowAfter := ""
		if g.slowAfter > 0 {
			slowAfter = g.slowAfter.String()
		}
		g.mu.Lock()
		out = append(out, MethodStatus{
			Name: m.Name, Calls: g.calls, Failed: g.failed, Slow: g.slow, SlowAfter: slowAfter, Refused: g.refused, Running: g.running, Waiting: g.waiting.Len(),
			P50: g.times.quantile(0.5).String(), P99: g.times.quantile(0.99).String(),
			Breaker: g.breaker.State(now).String(), Opened: g.breaker.Opened(), Switch: g.breaker.Forced().String(), Limit: g.limit,
		})
		g.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b MethodStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// CacheStats says what is kept of answers.
func (s *Server) CacheStats() CacheStats { return s.cache.Stats() }

// CacheStats is what a server keeps of answers, and how well that serves.
type CacheStats = engine.CacheStats

// Setting is what an operator wants of a program at a call site, or of a method.
type Setting struct {
	Switch string // "automatic", or "": its breaker decides; "open": it is refused; "closed": it is let through whatever its breaker thinks
	Limit  int    // executions, or calls, at once; 0 is the server's own bound
	// Budget is what an execution at the call site may use, more or less than others, but no longer; a field that is 0 is as the server has it. Nil leaves the budget
	// as it is. A method has none.
	Budget *Budget
}

func (set Setting) read() (breaker.Switch, error) {
	if set.Limit < 0 {
		return 0, fmt.Errorf("a limit of %d: it is a number of executions or calls at once, or 0 for the server's own", set.Limit)
	}
	if set.Budget != nil && set.Budget.negative() {
		return 0, errors.New("a budget has no bound below zero; 0 is as the server has it")
	}
	to, ok := breaker.ParseSwitch(cmp.Or(set.Switch, "automatic"))
	if !ok {
		return 0, fmt.Errorf("there is no switch %q: it is automatic, open or closed", set.Switch)
	}
	return to, nil
}

// ErrNoSuch says that there is no such call site or method.
var ErrNoSuch = errors.New("there is no such call site or method")

// SetSite sets the switch and the limit of a program at a call site, by what [Server.CallSites] says of it.
func (s *Server) SetSite(tenant, key, hash string, set Setting) error {
	to, err := set.read()
	if err != nil {
		return err
	}
	t := &s.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, one := range t.all {
		if id.tenant == tenant && id.key == key && id.hash.String() == hash {
			one.limit = set.Limit
			if set.Budget != nil {
				one.budget = *set.Budget
			}
			one.breaker.Force(to)
			return nil
		}
	}
	return ErrNoSuch
}

// SetMethod sets the switch and the limit of a method or source, for all queries.
func (s *Server) SetMethod(name string, set Setting) error {
	to, err := set.read()
	if err != nil {
		return err
	}
	if set.Budget != nil {
		return errors.New("a method has no budget; programs at call sites do")
	}
	if err := s.start(); err != nil {
		return err
	}
	for m, g := range s.methods {
		if m.Name == name {
			g.breaker.Force(to)
			g.bound(cmp.Or(set.Limit, s.concurrency(m)))
			return nil
		}
	}
	return ErrNoSuch
}

// serveCallSites is /redeye/callsites: GET lists call sites, methods, cache and plans; POST of {tenant, key, hash, switch, limit, budget} is
// [Server.SetSite], of {method, switch, limit} [Server.SetMethod]. {"off": true} is the switch open.
func (s *Server) serveCallSites(w http.ResponseWriter, r *http.Request) {
	if err := s.Operator(r); err != nil {
		http.Error(w, "operators only", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(map[string]any{ // the client is gone if this fails
			"callsites": s.CallSites(), "methods": s.Methods(), "cache": s.CacheStats(), "plans": s.PlanStats(),
		})
	case http.MethodPost:
		var in struct {
			Tenant, Key, Hash, Method, Switch string
			Off                               bool
			Limit                             int
			Budget                            *Budget
		}
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		dec.DisallowUnknownFields() // a setting that is misspelt must not be taken for none
		if err := dec.Decode(&in); err != nil {
			http.Error(w, "want JSON {tenant, key, hash, switch, limit, budget} or {method, switch, limit}: "+err.Error(), http.StatusBadRequest)
			return
		}
		set := Setting{in.Switch, in.Limit, in.Budget}
		if in.Off && in.Switch == "" {
			set.Switch = "open"
		}
		var err error
		if in.Method != "" {
			err = s.SetMethod(in.Method, set)
		} else {
			err = s.SetSite(in.Tenant, in.Key, in.Hash, set)
		}
		switch {
		case errors.Is(err, ErrNoSuch):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	}
}
