package local

import (
	"container/list"
	"sync"
)

// cache keeps decoded pages and dictionaries of segments, up to a number of bytes; beyond, the least
// recently used go. Evicted values may still be in use: they are left to the garbage collector.
type cache struct {
	limit int

	mu      sync.Mutex
	size    int
	entries map[cacheKey]*list.Element
	recent  list.List // of *cacheEntry, the most recently used in front
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
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: map[cacheKey]*list.Element{}}
}

func (c *cache) get(key cacheKey) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cacheEntry).value //nolint:errcheck // the list holds nothing else
}

func (c *cache) put(key cacheKey, value any, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok { // another query was faster
		c.remove(e)
	}
	c.entries[key] = c.recent.PushFront(&cacheEntry{key, value, size})
	c.size += size
	for c.size > c.limit && c.recent.Len() > 1 {
		c.remove(c.recent.Back())
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

func (c *cache) remove(e *list.Element) {
	entry := c.recent.Remove(e).(*cacheEntry) //nolint:errcheck // the list holds nothing else
	delete(c.entries, entry.key)
	c.size -= entry.size
}
