package server

import (
	"context"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Server is a service's registrations and what runs programs over them. Everything is registered and configured before it
// is first used; from then on it may be used concurrently.
type Server struct {
	// Limits bound the programs that are read.
	Limits ast.Limits
	// Budget bounds an execution; a request can only lower it. A field that is zero has its default.
	Budget Budget
	// Authenticate says who asks, by the headers of a request. Without it everybody is nobody in particular. It may be called concurrently.
	Authenticate func(ctx context.Context, header http.Header) (Principal, error)
	// Authorize refuses a program that would use a method ("Movie.title") or source that who asks must not. It is asked before each run,
	// once for each method of the program, and may be called concurrently.
	Authorize func(ctx context.Context, who Principal, method string) error
	// Operator says whether a request comes from an operator. With it, the handler serves /redeye/callsites: every program at every call
	// site with its figures, and the switch that turns one off; and /redeye/metrics, the same in sum for Prometheus. Without it there are no such pages.
	Operator func(r *http.Request) error
	// Mode says which programs are run.
	Mode Mode
	// SiteConcurrency is how many executions of one program at one call site run at once; default 64.
	SiteConcurrency int
	// MethodConcurrency is how many calls of one method run at once, of all queries, unless it was registered with [Concurrency]; default 64. Beyond
	// it they wait.
	MethodConcurrency int
	// SlowCall is what a call of a method may take before it counts as failed for the method's breaker, unless it was registered with [SlowAfter]; default 0, any time.
	SlowCall time.Duration
	// CacheBytes bounds what is kept of answers from one query to the next, for programs that say cache and methods that are [Cached]: about 64 MiB if it is
	// zero, and nothing is kept if it is negative. What is kept for one principal or tenant is kept only where [Server.Authenticate] or
	// [WithPrincipal] says who that is.
	CacheBytes int64
	// NegativeTTL is how long it is kept that something is null or NOT_FOUND, if what keeps it says no shorter time; default 1 s, since what is missing is
	// often about to be there. Neither is kept if it is negative.
	NegativeTTL time.Duration
	// StaleIfError is how long a value that is too old can still stand in for one that cannot be made, since a method fails or its breaker is open; default 0,
	// not at all, and at most 24 h. [Usage.Stale] says of an answer how many values did.
	StaleIfError time.Duration
	// CursorSecret is what pages' cursors are sealed with; servers that share it open each other's. Without one,
	// cursors end with the process.
	CursorSecret []byte
	// CursorTTL is how long a cursor is good for; default 24 h.
	CursorTTL time.Duration

	known    codecs
	catalog  engine.Catalog
	mistakes []error
	start    func() error // finishes the schema, once
	plans    planCache
	aead     cipher.AEAD // of cursors
	sites    sites
	programs programs
	methods  map[*engine.Method]*gate
	running  running
	cache    *engine.Cache
	spare    chan struct{} // a token for each renewal that may be under way
}

// New returns a server of a service of that name, with nothing registered.
func New(service string) *Server {
	s := &Server{known: scalars()}
	s.catalog.Schema.Service = service
	s.catalog.Entities, s.catalog.Sources = map[string]*engine.Entity{}, map[string]*engine.Method{}
	s.start = sync.OnceValue(s.finish)
	s.plans.init(maxPlans, maxPlanBytes)
	return s
}

func (s *Server) mistake(format string, args ...any) {
	s.mistakes = append(s.mistakes, fmt.Errorf(format, args...))
}

// Check reports everything that is wrong with what was registered. After it nothing more can be registered.
func (s *Server) Check() error { return s.start() }

func (s *Server) finish() error {
	s.Budget = s.Budget.or(defaultBudget)
	if s.CursorTTL <= 0 {
		s.CursorTTL = 24 * time.Hour
	}
	if s.SiteConcurrency <= 0 {
		s.SiteConcurrency = 64
	}
	if s.CacheBytes == 0 {
		s.CacheBytes = 64 << 20
	}
	if s.NegativeTTL == 0 {
		s.NegativeTTL = time.Second
	}
	s.cache = engine.NewCache(engine.CacheConfig{Bytes: s.CacheBytes, Negative: s.NegativeTTL, Stale: min(s.StaleIfError, engine.MaxTTL)})
	s.spare = make(chan struct{}, 8)
	if s.MethodConcurrency <= 0 {
		s.MethodConcurrency = 64
	}
	s.sites.init(maxSites, tenantSites, s.SiteConcurrency)
	s.methods = s.gates()
	aead, err := newAEAD(s.CursorSecret)
	if err != nil {
		return err
	}
	s.aead = aead
	if err := errors.Join(append(s.mistakes, s.catalog.Schema.Check())...); err != nil {
		return err
	}
	return s.catalog.Schema.SetVersion()
}

// Schema returns what programs can use. It is not to be changed.
func (s *Server) Schema() (*schema.Schema, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	return &s.catalog.Schema, nil
}

// SchemaJSON is the schema as it is served.
func (s *Server) SchemaJSON() ([]byte, error) {
	sch, err := s.Schema()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(sch, "", "\t")
}

// running counts executions, so that a server can go down when there are none.
type running struct {
	mu   sync.Mutex
	n    int
	down bool
	idle chan struct{} // closed when down and n is 0
}

func (r *running) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return false
	}
	r.n++
	return true
}

func (r *running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.down {
		close(r.idle)
	}
}

// Shutdown refuses new queries, with UNAVAILABLE, and waits until those that run are done or ctx is. The listener is whoever
// opened it's to close, after this, so that clients hear why.
func (s *Server) Shutdown(ctx context.Context) error {
	r := &s.running
	r.mu.Lock()
	if !r.down {
		r.down, r.idle = true, make(chan struct{})
		if r.n == 0 {
			close(r.idle)
		}
	}
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
