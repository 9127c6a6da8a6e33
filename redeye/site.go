package redeye

import (
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
)

const (
	maxSites = 10_000           // of a client; further ones share one
	idleSite = 10 * time.Minute // after which a site can be forgotten
)

// site is what a client knows of a call site and program.
type site struct {
	key     string
	breaker *breaker.Breaker
	hashes  hashState
	used    atomic.Int64 // Unix seconds
}

func newSite(key string) *site { return &site{key: key, breaker: breaker.New(breaker.Config{})} }

// siteKey tells programs of one call site apart without making a string of it.
type siteKey struct {
	name string
	sum  [4]byte
}

type siteTable struct {
	mu    sync.RWMutex
	sites map[siteKey]*site
	other *site
	swept time.Time
}

// find returns the site of a program. Where there are too many sites, because a name or text holds what changes from
// query to query, new ones share one, until old ones have not been used for a while.
func (t *siteTable) find(p *program, now time.Time) *site {
	key := siteKey{p.site.Key, p.sum}
	t.mu.RLock()
	s := t.sites[key]
	t.mu.RUnlock()
	if s == nil {
		s = t.add(key, p, now)
	}
	s.used.Store(now.Unix())
	return s
}

func (t *siteTable) add(key siteKey, p *program, now time.Time) *site {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sites[key]; s != nil {
		return s
	}
	if len(t.sites) >= maxSites && now.Sub(t.swept) > time.Minute {
		t.swept = now
		for k, s := range t.sites {
			if now.Unix()-s.used.Load() > int64(idleSite/time.Second) {
				delete(t.sites, k)
			}
		}
	}
	if len(t.sites) >= maxSites {
		if t.other == nil {
			t.other = newSite("other")
		}
		return t.other
	}
	if t.sites == nil {
		t.sites = map[siteKey]*site{}
	}
	name := p.site.Key
	if !p.named {
		name += "#" + hex.EncodeToString(p.sum[:])
	}
	s := newSite(name)
	t.sites[key] = s
	return s
}

// hashState decides whether a prepared program is sent by its hash. A server that does not know it costs a second request, so each miss in a row
// makes twice as many queries send the whole program at once, up to 1,024.
type hashState struct{ misses, whole atomic.Int32 }

func (h *hashState) try() bool { return h.whole.Load() <= 0 || h.whole.Add(-1) < 0 }
func (h *hashState) hit()      { h.misses.Store(0) }
func (h *hashState) miss()     { h.whole.Store(1<<min(h.misses.Add(1)-1, 10) - 1) }

const (
	maxTokens = 10.0
	perQuery  = 0.1
)

// retryBudget lets a tenth of the queries be repeated, and ten at once.
type retryBudget struct {
	mu     sync.Mutex
	tokens float64
}

func (b *retryBudget) earn() {
	b.mu.Lock()
	b.tokens = min(b.tokens+perQuery, maxTokens)
	b.mu.Unlock()
}

func (b *retryBudget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// blameOf says how far an error speaks against its call site: 1 if asking again would harm, 0 if the server did its work. What the caller
// ended says nothing; a method that failed has a breaker of its own, on the server.
func blameOf(err error) (blame float64, counts bool) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return 0, true
	case !ok || e.Code == CodeCanceled || e.Reason == "BUILD" || e.Reason == "DECODE":
		return 0, false
	case e.Method != "":
		return 0, true
	}
	switch e.Code {
	case CodeUnavailable, CodeDeadlineExceeded, CodeInternal:
		return 1, true
	case CodeResourceExhausted:
		return 1, true
	default:
		return 0, true
	}
}
