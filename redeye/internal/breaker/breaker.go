// Package breaker stops calls that keep failing. A Breaker is closed until too large a share of the recent calls has failed; then it is open and
// refuses all, and after a time it lets a few through to see: if all of those succeed it closes, if one fails it is open
// again, for longer. It takes the time as an argument and starts no goroutine.
package breaker

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Config is when a breaker opens and closes. The zero value is the default of each field.
type Config struct {
	Window  time.Duration // in which calls are counted; default 10 s
	Samples float64       // calls in the window below which it never opens; default 20
	Rate    float64       // of failures, from which on it opens; default 0.5
	Open    time.Duration // how long it is open the first time; default 5 s. Each time after, twice as long, and up to a tenth more by chance
	MaxOpen time.Duration // how long it is open at most; default 60 s
	Probes  int           // calls let through at once when it is half open, and successes that close it; default 3
}

const parts = 10 // of the window: what is forgotten at once

func (c *Config) defaults() {
	if c.Window <= 0 {
		c.Window = 10 * time.Second
	}
	if c.Samples <= 0 {
		c.Samples = 20
	}
	if c.Rate <= 0 {
		c.Rate = 0.5
	}
	if c.Open <= 0 {
		c.Open = 5 * time.Second
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = 60 * time.Second
	}
	if c.Probes <= 0 {
		c.Probes = 3
	}
}

// State is what a breaker does with calls.
type State uint8

// The states of a breaker.
const (
	Closed   State = iota // lets all through
	Open                  // refuses all
	HalfOpen              // lets a few through, to see
)

// String returns "closed", "open" or "half-open".
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// Switch is what an operator has said about a breaker.
type Switch uint8

// The positions of the switch.
const (
	Automatic    Switch = iota // the breaker decides
	ForcedOpen                 // all calls are refused
	ForcedClosed               // all calls are let through; what becomes of them is counted all the same
)

var switchNames = [...]string{"automatic", "open", "closed"}

// String returns "automatic", "open" or "closed".
func (s Switch) String() string { return switchNames[s] }

// ParseSwitch reads what String returns.
func ParseSwitch(name string) (Switch, bool) {
	i := slices.Index(switchNames[:], name)
	return Switch(max(i, 0)), i >= 0
}

// Breaker guards one thing. It may be used concurrently.
type Breaker struct {
	cfg Config

	mu      sync.Mutex
	counts  [parts]count
	forced  Switch
	state   State
	since   uint64    // changes of state; a call that began before the last one says nothing about what is now
	until   time.Time // it is open
	openFor time.Duration
	probing int // calls under way when half open
	good    int // of those, successes so far
	opened  int64
}

// count is what happened in one slice of the window.
type count struct {
	slice         int64
	calls, failed float64
}

// New returns a breaker that is closed.
func New(cfg Config) *Breaker {
	cfg.defaults()
	return &Breaker{cfg: cfg}
}

// Call is a call that was let through. Each must come to [Call.Done] or [Call.Forget], once.
type Call struct {
	b     *Breaker
	since uint64
}

// Allow lets a call through, or says how long to wait before asking again.
func (b *Breaker) Allow(now time.Time) (call Call, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.forced {
	case ForcedOpen:
		return Call{}, time.Minute, false
	case ForcedClosed:
		return Call{b, b.since}, 0, true
	case Automatic:
	}
	if b.state == Open {
		if wait := b.until.Sub(now); wait > 0 {
			return Call{}, wait, false
		}
		b.change(HalfOpen)
	}
	if b.state == HalfOpen {
		if b.probing+b.good >= b.cfg.Probes {
			return Call{}, b.cfg.Open / 10, false
		}
		b.probing++
	}
	return Call{b, b.since}, 0, true
}

// Done says how the call went: failed is the share of it that did, from 0 to 1.
func (c Call) Done(now time.Time, failed float64) {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.since != b.since {
		return
	}
	if b.state == HalfOpen {
		b.probing--
		switch {
		case failed >= b.cfg.Rate:
			b.open(now)
		default:
			if b.good++; b.good >= b.cfg.Probes {
				b.change(Closed)
				b.openFor = 0
			}
		}
		return
	}
	slice := now.UnixNano() / int64(b.cfg.Window/parts)
	n := &b.counts[uint64(slice)%parts]
	if n.slice != slice {
		*n = count{slice: slice}
	}
	n.calls++
	n.failed += failed
	if failed > 0 && b.forced == Automatic && b.tooMany(slice) {
		b.open(now)
	}
}

// Forget takes the call back: how it went says nothing.
func (c Call) Forget() {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.since == b.since && b.state == HalfOpen {
		b.probing--
	}
}

func (b *Breaker) tooMany(slice int64) bool {
	calls, failed := b.recent(slice)
	return calls >= b.cfg.Samples && failed >= b.cfg.Rate*calls
}

func (b *Breaker) recent(slice int64) (calls, failed float64) {
	for _, n := range b.counts {
		if n.slice > slice-parts && n.slice <= slice {
			calls += n.calls
			failed += n.failed
		}
	}
	return calls, failed
}

func (b *Breaker) open(now time.Time) {
	b.openFor = min(max(2*b.openFor, b.cfg.Open), b.cfg.MaxOpen)
	b.until = now.Add(b.openFor + time.Duration(rand.Int64N(int64(b.openFor/10)+1)))
	b.change(Open)
	b.opened++
}

// Opened returns how often the breaker has opened, by itself.
func (b *Breaker) Opened() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// Force sets the operator's switch. Left to itself again, the breaker is closed and knows nothing.
func (b *Breaker) Force(to Switch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.forced == to {
		return
	}
	b.forced, b.openFor = to, 0
	b.change(Closed)
}

// Forced returns the operator's switch.
func (b *Breaker) Forced() Switch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.forced
}

func (b *Breaker) change(s State) {
	b.state, b.probing, b.good = s, 0, 0
	b.since++
	if s == Closed {
		b.counts = [parts]count{}
	}
}

// State returns what the breaker does with a call now.
func (b *Breaker) State(now time.Time) State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.forced == ForcedOpen {
		return Open
	}
	if b.state == Open && !now.Before(b.until) {
		return HalfOpen
	}
	return b.state
}
