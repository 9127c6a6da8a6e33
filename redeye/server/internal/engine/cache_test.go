package engine

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// Entries that were made at once are too old one after another, none before 80 % of their time and none after it.
func TestCacheJitter(t *testing.T) {
	const n, ttl = 10_000, 100 * time.Second
	c := NewCache(CacheConfig{Bytes: 64 << 20, Negative: time.Hour})
	keys := make([]cacheKey, n)
	var start time.Time
	for i := range keys {
		binary.LittleEndian.PutUint32(keys[i][:], uint32(i))
		c.put(start, "ann", keys[i], frozen{vec: &Vec{N: 1}, negative: i%2 == 0}, ttl)
	}
	there := func(after time.Duration) (n int) {
		for _, got := range c.look(start.Add(after), keys, ttl, false) {
			if got.vec != nil {
				n++
			}
		}
		return n
	}
	if got := there(80 * time.Second); got != n {
		t.Errorf("%d of %d are there after 80 s", got, n)
	}
	before := n
	for after := 82 * time.Second; after <= ttl; after += 2 * time.Second {
		got := there(after)
		if went := before - got; went < n/10-n/50 || went > n/10+n/50 {
			t.Errorf("%d go in the two seconds until %v", went, after)
		}
		before = got
	}
	if got := there(ttl + 1); got != 0 || c.Stats().Entries != 0 || c.Stats().Bytes != 0 {
		t.Errorf("%d are there after their time, %+v", got, c.Stats())
	}
}

// What is too old is there as long as it may stand in for what cannot be made, is given where that was just tried in vain, and not for null.
func TestCacheStale(t *testing.T) {
	c := NewCache(CacheConfig{Bytes: 1 << 20, Negative: time.Hour, Stale: time.Minute})
	var start time.Time
	value, nothing := cacheKey{1}, cacheKey{2}
	c.put(start, "ann", value, frozen{vec: &Vec{N: 1}}, 10*time.Second)
	c.put(start, "ann", nothing, frozen{vec: &Vec{N: 1}, negative: true}, 10*time.Second)
	for _, step := range []struct {
		at     time.Duration
		failed bool
		want   string
	}{
		{7 * time.Second, true, "good good"},
		{11 * time.Second, false, "none none"},
		{11 * time.Second, true, "stale none"},
		{11999 * time.Millisecond, false, "stale none"},
		{12 * time.Second, false, "none none"},
		{70 * time.Second, true, "stale none"},
		{70*time.Second + 1, true, "none none"},
	} {
		now := start.Add(step.at)
		if step.failed {
			c.failed(now, value)
			c.failed(now, nothing)
		}
		var got []string
		for _, f := range c.look(now, []cacheKey{value, nothing}, 10*time.Second, false) {
			switch {
			case f.vec == nil:
				got = append(got, "none")
			case f.stale:
				got = append(got, "stale")
			default:
				got = append(got, "good")
			}
		}
		if got := strings.Join(got, " "); got != step.want {
			t.Errorf("%v after: %s instead of %s", step.at, got, step.want)
		}
	}
	if s := c.Stats(); s.Stale != 3 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}
