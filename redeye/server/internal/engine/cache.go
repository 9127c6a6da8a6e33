package engine

import (
	"container/heap"
	"container/list"
	"math/rand/v2"
	"sync"
	"time"
)

// Cache keeps values of parts of programs, and answers of methods, from one run to the next. It may be used concurrently.
//
// Its memory is bounded, and shared fairly: an entry is held against whoever had it made, and when there is too much, the entry goes
// that was not used for longest, of whoever has most. So a caller who fills it pushes out what they filled it with.
//
// A value that several want and that is not there is made by one of them; the others wait.
//
// An entry is good for a little less than its reader takes, by chance: between 80 and 100 % of that time, so that what was made at once is not
// too old at once, and is never older than the reader says.
type Cache struct {
	cfg CacheConfig

	mu      sync.Mutex
	entries map[cacheKey]*entry
	fills   map[cacheKey]chan struct{} // that are being made; a channel if somebody waits, closed when that has ended
	owners  map[string]*owner
	most    owners
	stats   CacheStats
}

// CacheConfig says what a [Cache] keeps.
type CacheConfig struct {
	Bytes    int64         // at most, about
	Negative time.Duration // how long null, and that there is nothing, are kept at most; not at all if it is not positive
	Stale    time.Duration // how long what is too old is kept, to stand in for what cannot be made
}

// CacheStats is how a [Cache] fares.
type CacheStats struct {
	Bytes   int64 `json:"bytes"`
	Max     int64 `json:"max_bytes"`
	Entries int   `json:"entries"`
	Owners  int   `json:"owners"` // callers who had them made
	Hits    int64 `json:"hits"`
	Misses  int64 `json:"misses"`
	Stale   int64 `json:"stale"`   // entries that were too old, and stood in for what could not be made
	Evicted int64 `json:"evicted"` // entries that went for want of room
	Renewed int64 `json:"renewed"` // entries that are made anew before they are too old
}

// A value that is used is made anew after this share of its time.
const renewAfter = 0.75

// recheck is how long nobody tries again to make what could not be made, where something too old stands in for it.
const recheck = time.Second

// cacheKey is a SHA-256 of everything that the value depends on, and of whose it is: so a caller cannot make one that is another's.
type cacheKey [32]byte

type entry struct {
	key      cacheKey
	vec      *Vec // one row, frozen
	size     int64
	negative bool // null, or that there is nothing
	born     time.Time
	until    time.Time // nobody has said that they would take it when it is older
	share    float64   // of the time that a reader takes, for which it is good
	failed   time.Time // when it was last tried in vain to make it anew
	renewing bool
	owner    *owner
	place    *list.Element
}

type owner struct {
	name  string
	bytes int64
	order list.List // of *entry, the last used first
	index int       // in the heap
}

// owners is a heap, who has most first.
type owners []*owner

func (h owners) Len() int           { return len(h) }
func (h owners) Less(i, j int) bool { return h[i].bytes > h[j].bytes }
func (h owners) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is part of [heap.Interface].
func (h *owners) Push(x any) {
	o, _ := x.(*owner)
	o.index = len(*h)
	*h = append(*h, o)
}

// Pop is part of [heap.Interface].
func (h *owners) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// NewCache returns an empty cache, or nil, which keeps nothing, if it has no room.
func NewCache(cfg CacheConfig) *Cache {
	if cfg.Bytes < 1 {
		return nil
	}
	return &Cache{cfg: cfg, entries: map[cacheKey]*entry{}, fills: map[cacheKey]chan struct{}{}, owners: map[string]*owner{}}
}

// Stats returns how the cache fares.
func (c *Cache) Stats() CacheStats {
	if c == nil {
		return CacheStats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Max, s.Entries, s.Owners = c.cfg.Bytes, len(c.entries), len(c.owners)
	return s
}

// found is what there is for a key: a value; or a channel that is closed when whoever makes it is done; or neither, and then the caller
// is to make it.
type found struct {
	vec   *Vec // frozen
	size  int64
	stale bool // it is too old, but cannot be made now
	renew bool // the caller is to make it anew, beside using it
	wait  <-chan struct{}
}

// good is for how long an entry is good for a reader who takes what is not older than ttl, and for how long it can stand in for
// what cannot be made.
func (c *Cache) good(e *entry, ttl time.Duration) (fresh, stale time.Duration) {
	if e.negative {
		return time.Duration(e.share * float64(min(ttl, c.cfg.Negative))), 0
	}
	if c.cfg.Stale > 0 {
		stale = ttl + c.cfg.Stale
	}
	return time.Duration(e.share * float64(ttl)), stale
}

// wanted notes that a reader takes an entry of that age.
func (e *entry) wanted(age time.Duration) {
	if until := e.born.Add(age); until.After(e.until) {
		e.until = until
	}
}

// look looks keys up, for values that are not older than ttl. With claim, the caller makes what is not there, and must
// [Cache.release] those keys in the end.
func (c *Cache) look(now time.Time, keys []cacheKey, ttl time.Duration, claim bool) []found {
	out := make([]found, len(keys))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, k := range keys {
		if e := c.entries[k]; e != nil {
			age := now.Sub(e.born)
			fresh, stale := c.good(e, ttl)
			e.wanted(max(fresh, stale))
			switch {
			case age <= fresh:
				c.stats.Hits++
				e.owner.order.MoveToFront(e.place)
				out[i] = found{vec: e.vec, size: e.size, renew: !e.renewing && float64(age) >= renewAfter*float64(fresh)}
				e.renewing = e.renewing || out[i].renew
				continue
			case age <= stale && now.Sub(e.failed) < recheck:
				c.stats.Stale++
				e.owner.order.MoveToFront(e.place)
				out[i] = found{vec: e.vec, size: e.size, stale: true}
				continue
			case now.After(e.until):
				c.remove(e)
			}
		}
		c.stats.Misses++
		if !claim {
			continue
		}
		done, taken := c.fills[k]
		if !taken {
			c.fills[k] = nil
			continue
		}
		if done == nil {
			done = make(chan struct{})
			c.fills[k] = done
		}
		out[i].wait = done
	}
	return out
}

// failed notes that what has that key could not be made. For a while whoever looks gets what is too old instead, if that is there, and does not try.
func (c *Cache) failed(now time.Time, key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		e.failed = now
	}
}

// put keeps a value, which must be frozen, on the account of whoever had it made.
func (c *Cache) put(now time.Time, who string, key cacheKey, f frozen, ttl time.Duration) {
	if f.negative && c.cfg.Negative <= 0 {
		return
	}
	size := f.size + entryBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[key]; old != nil {
		c.remove(old)
	}
	if size > c.cfg.Bytes/8 { // one value must not push out all others
		return
	}
	o := c.owners[who]
	if o == nil {
		o = &owner{name: who}
		c.owners[who] = o
		heap.Push(&c.most, o)
	}
	e := &entry{key: key, vec: f.vec, size: size, negative: f.negative, born: now, share: 1 - 0.2*rand.Float64(), owner: o}
	fresh, stale := c.good(e, ttl)
	e.wanted(max(fresh, stale))
	e.place = o.order.PushFront(e)
	c.entries[key] = e
	c.account(o, size)
	for last := o.order.Back(); last != e.place; last = o.order.Back() { // what is too old goes first
		old, _ := last.Value.(*entry)
		if !now.After(old.until) {
			break
		}
		c.remove(old)
	}
	for c.stats.Bytes > c.cfg.Bytes {
		if old, ok := c.most[0].order.Back().Value.(*entry); ok {
			c.remove(old)
			c.stats.Evicted++
		}
	}
}

// entryBytes is about what an entry takes besides its value.
const entryBytes = 320

// account adds to what is held against an owner.
func (c *Cache) account(o *owner, bytes int64) {
	c.stats.Bytes += bytes
	o.bytes += bytes
	heap.Fix(&c.most, o.index)
}

func (c *Cache) remove(e *entry) {
	delete(c.entries, e.key)
	e.owner.order.Remove(e.place)
	c.account(e.owner, -e.size)
	if e.owner.order.Len() == 0 {
		heap.Remove(&c.most, e.owner.index)
		delete(c.owners, e.owner.name)
	}
}

// release ends claims: whoever waits looks again.
func (c *Cache) release(keys ...cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		if done := c.fills[k]; done != nil {
			close(done)
		}
		delete(c.fills, k)
	}
}

// renewed ends the making anew of entries.
func (c *Cache) renewed(keys []cacheKey, made bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		if e := c.entries[k]; e != nil {
			e.renewing = false
		}
		if made {
			c.stats.Renewed++
		}
	}
}
