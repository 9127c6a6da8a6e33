package local

import "sync"

// cache keeps decoded pages and dictionaries of segments, up to a number of bytes; beyond, one goes that was not used for
// long (second chance: a hand goes round, and passes over what was used since it came by). Evicted values may still be in use:
// they are left to the garbage collector.
type cache struct {
	limit int

	mu      sync.Mutex
	size    int
	entries map[cacheKey]*cacheEntry
	round   []*cacheEntry
	hand    int // place in round
}

// cacheKey names a page of a column of a segment; page −1 is the column's dictionary and reader.
type cacheKey struct {
	segment   uint64
	col, page int32
}

type cacheEntry struct {
	key   cacheKey
	value any
	size  int
	at    int  // place in round
	used  bool // since the hand came by
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: map[cacheKey]*cacheEntry{}}
}

func (c *cache) get(key cacheKey) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	e.used = true
	return e.value
}

func (c *cache) put(key cacheKey, value any, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil { // another query was faster
		c.remove(e)
	}
	e := &cacheEntry{key: key, value: value, size: size, at: len(c.round)}
	c.entries[key], c.round = e, append(c.round, e)
	for c.size += size; c.size > c.limit && len(c.round) > 1; {
		if c.hand >= len(c.round) {
			c.hand = 0
		}
		switch next := c.round[c.hand]; {
		case next == e:
			c.hand++
		case next.used:
			next.used = false
			c.hand++
		default:
			c.remove(next)
			c.hand++ // what took its place stood last, and mostly is the new one
		}
	}
}

// drop forgets a segment.
func (c *cache) drop(segment uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if key.segment == segment {
			c.remove(e)
		}
	}
}

// remove puts the last of the round in the place of an entry.
func (c *cache) remove(e *cacheEntry) {
	last := len(c.round) - 1
	c.round[e.at] = c.round[last]
	c.round[e.at].at = e.at
	c.round[last] = nil
	c.round = c.round[:last]
	delete(c.entries, e.key)
	c.size -= e.size
}
