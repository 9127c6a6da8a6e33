package server

import (
	"container/list"
	"fmt"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
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

// otherSites is the key of what is beyond the sites that a tenant may have; its hash is zero, which no program's is.
const otherSites = "other"

type site struct {
	id       siteKey
	label    string // the last one
	program  string
	running  int
	limit    int    // executions at once; 0 is the server's
	budget   Budget // that an operator set; what is 0 is the server's
	calls    int64
	errors   int64
	refused  int64
	backend  int64 // invocations
	planned  int64 // calls of methods that the program asked for
	cpuSteps int64
	hits     int64 // of the cache
	misses   int64
	stale    int64
	times    histogram
	last     time.Time
	breaker  *breaker.Breaker

	place, mine *list.Element // among all, and among those of its tenant
}

// The live sites are bounded, for each tenant and in all. One that comes when there are so many takes the place of the one that was
// used longest ago, if that is long enough; otherwise it shares one with others of its tenant. So whoever makes up
// call sites pushes out no history, and is bounded as one site is.
const (
	maxSites    = 20_000
	tenantSites = 10_000
	idleSite    = 10 * time.Minute
)

type sites struct {
	mu              sync.Mutex
	limit           int // executions at once of one that has no limit of its own
	most, mostOfOne int
	all             map[siteKey]*site
	order           *list.List            // the last used first
	tenants         map[string]*list.List // those of each, in the same order
	total           siteSum               // of all there ever were; known and open stay 0
}

// siteSum is what all sites have done.
type siteSum struct{ calls, errors, refused, running, known, open int64 }

func (t *sites) sum() siteSum {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.total
	now := time.Now()
	for _, s := range t.all {
		out.known++
		out.open += boolInt(s.breaker.State(now) == breaker.Open)
	}
	return out
}

func (t *sites) init(most, mostOfATenant, limit int) {
	t.most, t.mostOfOne, t.limit = most, mostOfATenant, limit
	t.all, t.order, t.tenants = map[siteKey]*site{}, list.New(), map[string]*list.List{}
}

// enter begins an execution, whose span it is, at a site, or says why there is none.
func (t *sites) enter(span *shuai.Span, now time.Time, id siteKey, label string, program func() string) (*site, breaker.Call, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(now, id, program)
	s.last = now
	if label != "" {
		s.label = label
	}
	spanBreaker(span, s.breaker, now)
	limit := s.limit
	if limit == 0 {
		limit = t.limit
	}
	if s.running >= limit {
		t.refuse(s)
		return nil, breaker.Call{}, &Error{
			Code: "UNAVAILABLE", Reason: "SITE_BUSY", Msg: fmt.Sprintf("%d of this query run already, as many as may at once", s.running), Site: label, Wait: 100 * time.Millisecond,
		}
	}
	pass, wait, ok := s.breaker.Allow(now)
	if !ok {
		t.refuse(s)
		e := &Error{Code: "UNAVAILABLE", Reason: "BREAKER_OPEN", Msg: "this query exceeded its budgets too often, and is refused for a while", Site: label, Wait: wait}
		if s.breaker.Forced() == breaker.ForcedOpen {
			e.Reason, e.Msg = "SITE_OFF", "the operator has switched this query off"
		}
		return nil, breaker.Call{}, e
	}
	s.running++
	s.calls++
	t.total.running++
	t.total.calls++
	return s, pass, nil
}

func (t *sites) refuse(s *site) {
	s.refused++
	t.total.refused++
}

// bound returns the budget of an execution at a site, where that of others is most.
func (t *sites) bound(id siteKey, most Budget) Budget {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[id]
	if s == nil {
		return most
	}
	b := s.budget.or(most)
	b.Wall = min(b.Wall, most.Wall)
	return b
}

// find returns the site of an id, or the one that it shares with others.
func (t *sites) find(now time.Time, id siteKey, program func() string) *site {
	if s := t.all[id]; s != nil {
		t.order.MoveToFront(s.place)
		t.tenants[id.tenant].MoveToFront(s.mine)
		return s
	}
	switch {
	case t.tenants[id.tenant] != nil && t.tenants[id.tenant].Len() >= t.mostOfOne && !t.forget(now, t.tenants[id.tenant].Back()):
		id = siteKey{tenant: id.tenant, key: otherSites}
	case len(t.all) >= t.most && !t.forget(now, t.order.Back()):
		id = siteKey{key: otherSites} // of no tenant: there may be any number of those
	}
	if id.hash == (ast.Hash{}) {
		if t.all[id] != nil {
			return t.find(now, id, nil)
		}
		program = func() string { return "" }
	}
	s := &site{id: id, program: program(), breaker: breaker.New(breaker.Config{})}
	if t.tenants[id.tenant] == nil {
		t.tenants[id.tenant] = list.New()
	}
	s.place, s.mine = t.order.PushFront(s), t.tenants[id.tenant].PushFront(s)
	t.all[id] = s
	return s
}

// forget forgets a site that is not used, and that no operator has touched, and reports whether it did.
func (t *sites) forget(now time.Time, e *list.Element) bool {
	s, ok := e.Value.(*site)
	if !ok || s.running > 0 || s.limit != 0 || s.budget != (Budget{}) || s.breaker.Forced() != breaker.Automatic || now.Sub(s.last) < idleSite {
		return false
	}
	t.order.Remove(s.place)
	mine := t.tenants[s.id.tenant]
	if mine.Remove(s.mine); mine.Len() == 0 {
		delete(t.tenants, s.id.tenant)
	}
	delete(t.all, s.id)
	return true
}

// leave ends an execution.
func (t *sites) leave(s *site, took time.Duration, use Usage, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.running--
	t.total.running--
	s.times[bucketOf(took)]++
	if err != nil {
		s.errors++
		t.total.errors++
	}
	s.hits, s.misses, s.stale = s.hits+use.Hits, s.misses+use.Misses, s.stale+use.Stale
	s.backend, s.planned, s.cpuSteps = s.backend+use.sent, s.planned+use.Planned, s.cpuSteps+use.Steps
}
