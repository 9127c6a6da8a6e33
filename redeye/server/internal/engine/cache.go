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
type Cache struct {
	max int64

	mu      sync.Mutex
	entries map[cacheKey]*entry
	fills   map[cacheKey]chan struct{} // that are being made; a channel if somebody waits, closed when that has ended
	owners  map[string]*owner
	most    owners
	stats   CacheStats
}

// CacheStats is how a [Cache] fares.
type CacheStats struct {
	Bytes   int64 `json:"bytes"`
	Max     int64 `json:"max_bytes"`
	Entries int   `json:"entries"`
	Owners  int   `json:"owners"` // callers who had them made
	Hits    int64 `json:"hits"`
	Misses  int64 `json:"misses"`
	Evicted int64 `json:"evicted"` // entries that went for want of room
	Renewed int64 `json:"renewed"` // entries that are made anew before they are too old
}

// cacheKey is a SHA-256 of everything that the value depends on, and of whose it is: so a caller cannot make one that is another's.
type cacheKey [32]byte

type entry struct {
	key      cacheKey
	vec      *Vec // one row, frozen
	size     int64
	born     time.Time
	until    time.Time // nobody has said that they would take it when it is older
	renewAt  float64   // share of its time after which it is made anew while it is still good
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

// NewCache returns an empty cache of at most so many bytes, or nil, which keeps nothing, if that is less than one.
func NewCache(maxBytes int64) *Cache {
	if maxBytes < 1 {
		return nil
	}
	return &Cache{max: maxBytes, entries: map[cacheKey]*entry{}, fills: map[cacheKey]chan struct{}{}, owners: map[string]*owner{}}
}

// Stats returns how the cache fares.
func (c *Cache) Stats() CacheStats {
	if c == nil {
		return CacheStats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Max, s.Entries, s.Owners = c.max, len(c.entries), len(c.owners)
	return s
}

// found is what there is for a key: a value; or a channel that is closed when whoever makes it is done; or neither, and then the caller
// is to make it.
type found struct {
	vec   *Vec // frozen
	size  int64
	renew bool // the caller is to make it anew, beside using it
	wait  <-chan struct{}
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
			if age <= ttl {
				c.stats.Hits++
				e.owner.order.MoveToFront(e.place)
				if until := e.born.Add(ttl); until.After(e.until) {
					e.until = until
				}
				out[i] = found{vec: e.vec, size: e.size, renew: !e.renewing && float64(age) >= e.renewAt*float64(ttl)}
				e.renewing = e.renewing || out[i].renew
				continue
			}
			if now.After(e.until) {
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

// put keeps a value, which must be frozen, on the account of whoever had it made.
func (c *Cache) put(now time.Time, who string, key cacheKey, vec *Vec, size int64, ttl time.Duration) {
	size += entryBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[key]; old != nil {
		c.remove(old)
	}
	if size > c.max/8 { // one value must not push out all others
		return
	}
	o := c.owners[who]
	if o == nil {
		o = &owner{name: who}
		c.owners[who] = o
		heap.Push(&c.most, o)
	}
	// Not all at once: entries that were made together are made anew one after another.
	e := &entry{key: key, vec: vec, size: size, born: now, until: now.Add(ttl), renewAt: 0.75 + 0.15*rand.Float64(), owner: o}
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
	for c.stats.Bytes > c.max {
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
