// Package sampling decides which share of its traces each endpoint keeps, so that a busy one does not drown the store and a rare
// one is always seen: about so many traces a minute of every endpoint, over all processes of a service.
//
// The tracers say how many traces began, sampled or not, every ten seconds; the share is the wanted number divided by what
// began in the last minute. As what began is known exactly and does not depend on the share, the loop has nothing to swing
// about: one observation is enough.
package sampling

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Endpoint is what a trace is sampled by: the span that begins it, in one service.
type Endpoint struct {
	Kind string // OTLP's name, as SPAN_KIND_SERVER
	Name string
}

// Ratio is the share of an endpoint's traces that is to be kept, more than 0 and at most 1.
type Ratio struct {
	Endpoint
	Ratio float64
}

// Observation is one counter of roots as a process reports it.
type Observation struct {
	Service  string
	Process  string // what tells it from others of the service
	Endpoint Endpoint
	Roots    uint64    // that began since Since
	Since    time.Time // cumulative: when counting began, usually the start of the process; else the last report
	Delta    bool      // Roots is new since the last report, not since the start
}

const (
	slot   = 10 * time.Second
	slots  = 6 // a minute
	window = slot * slots

	// A process that is silent for so long has gone; an endpoint that is, too.
	forgetProcess  = 5 * time.Minute
	forgetEndpoint = 10 * time.Minute

	// Bounds of memory, over all services: about 30 MB. What is observed beyond them is not.
	maxEndpoints = 50_000
	maxCounters  = 200_000

	minRatio = 1e-6
)

// Targets knows how often traces of each endpoint begin. Its methods may be called concurrently.
type Targets struct {
	perMinute float64

	mu       sync.Mutex
	services map[string]map[Endpoint]*history
	counters map[counterKey]*counter
	swept    time.Time
	count    int // of endpoints
}

type counterKey struct {
	service, process string
	endpoint         Endpoint
}

// counter is what a cumulative counter stood at.
type counter struct {
	since time.Time
	roots uint64
	seen  time.Time
}

// history counts the roots of the last minute in slots of ten seconds.
type history struct {
	first time.Time // when the endpoint was first heard of
	last  time.Time
	at    [slots]int64 // number of the slot since the epoch
	roots [slots]uint64
}

// New makes targets of so many traces a minute for each endpoint; 0 wants none adapted, and Ratios is always empty.
func New(tracesPerMinute float64) *Targets {
	return &Targets{
		perMinute: tracesPerMinute,
		services:  map[string]map[Endpoint]*history{},
		counters:  map[counterKey]*counter{},
	}
}

// PerMinute is the wanted number of traces of each endpoint.
func (t *Targets) PerMinute() float64 { return t.perMinute }

// Observe counts what a process reports at the time now.
func (t *Targets) Observe(now time.Time, o Observation) {
	if t.perMinute <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) >= time.Minute {
		t.sweep(now)
	}
	roots := o.Roots
	if !o.Delta {
		var known bool
		if roots, known = t.increase(now, o); !known {
			return
		}
	}
	endpoints := t.services[o.Service]
	h := endpoints[o.Endpoint]
	if h == nil {
		if t.count >= maxEndpoints {
			return
		}
		h = &history{first: now.Add(-slot)} // what is reported began in the ten seconds before
		if endpoints == nil {
			endpoints = map[Endpoint]*history{}
			t.services[o.Service] = endpoints
		}
		endpoints[o.Endpoint] = h
		t.count++
	}
	h.add(now, roots)
}

// increase is by how much a cumulative counter has grown; unknown if it was not seen before and began to count long ago.
func (t *Targets) increase(now time.Time, o Observation) (uint64, bool) {
	key := counterKey{o.Service, o.Process, o.Endpoint}
	c := t.counters[key]
	if c == nil {
		if len(t.counters) >= maxCounters {
			return 0, false
		}
		t.counters[key] = &counter{o.Since, o.Roots, now}
		return o.Roots, now.Sub(o.Since) < 3*slot
	}
	before := *c
	*c = counter{o.Since, o.Roots, now}
	if !before.since.Equal(o.Since) || o.Roots < before.roots { // begun anew
		return o.Roots, true
	}
	return o.Roots - before.roots, true
}

func (h *history) add(now time.Time, roots uint64) {
	h.last = now
	n := now.UnixNano() / int64(slot)
	i := n % slots
	if h.at[i] != n {
		h.at[i], h.roots[i] = n, 0
	}
	h.roots[i] += roots
}

// perMinute is the rate at which traces begin now.
func (h *history) perMinute(now time.Time) float64 {
	n := now.UnixNano() / int64(slot)
	sum := uint64(0)
	for i, at := range h.at {
		if n-at < slots {
			sum += h.roots[i]
		}
	}
	age := min(now.Sub(h.first), window)
	return float64(sum) * float64(time.Minute) / float64(max(age, slot))
}

// Ratios are the shares of a service's endpoints that have been heard of lately, ordered by name and kind. Of an endpoint that is
// missing nothing is known: a tracer keeps to what it was last told of it.
func (t *Targets) Ratios(now time.Time, service string) []Ratio {
	t.mu.Lock()
	defer t.mu.Unlock()
	ratios := make([]Ratio, 0, len(t.services[service]))
	for e, h := range t.services[service] {
		ratio := 1.0
		if rate := h.perMinute(now); rate > t.perMinute {
			ratio = max(t.perMinute/rate, minRatio)
		}
		ratios = append(ratios, Ratio{e, ratio})
	}
	slices.SortFunc(ratios, func(a, b Ratio) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return ratios
}

// sweep forgets what is silent.
func (t *Targets) sweep(now time.Time) {
	t.swept = now
	maps.DeleteFunc(t.counters, func(_ counterKey, c *counter) bool { return now.Sub(c.seen) > forgetProcess })
	t.count = 0
	for service, endpoints := range t.services {
		maps.DeleteFunc(endpoints, func(_ Endpoint, h *history) bool { return now.Sub(h.last) > forgetEndpoint })
		if t.count += len(endpoints); len(endpoints) == 0 {
			delete(t.services, service)
		}
	}
}
