package server

import (
	"container/list"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// planned is a program that was checked, optimised and planned.
type planned struct {
	hash    ast.Hash
	program ast.Node // as it was given
	source  *ast.Source
	plan    *engine.Plan
	rules   []string // of the optimiser, that were applied
	bytes   int64    // about what all that takes
	took    time.Duration
	pinned  bool

	explained func() string // the plan as a tree, for people; made once
}

// planCache keeps the plans that were used last, by the program's hash, and remembers which text is which program. It is bounded in
// number and in bytes: a stranger's programs may be large.
//
// Plans that took long to make are pinned: a flood of cheap ones, as of a caller that writes values into its texts, pushes out none of them. They
// have half of the room at most, of which those go that were not used for longest, and from then on they are as others are.
type planCache struct {
	mu          sync.Mutex
	most        int
	mostBytes   int64
	order       *list.List // of *planned that are not pinned, the last used first
	pinned      *list.List // of those that are, likewise
	pinnedBytes int64
	plans       map[ast.Hash]*list.Element
	making      map[ast.Hash]chan struct{} // closed when that is over
	texts       map[string]ast.Hash
	textBytes   int
	stats       PlanStats
}

// PlanStats is what a server keeps of programs.
type PlanStats struct {
	Plans  int   `json:"plans"`
	Pinned int   `json:"pinned"` // of those, that took long to make and are not pushed out by others
	Bytes  int64 `json:"bytes"`  // about
	Hits   int64 `json:"hits"`   // runs whose plan was there
	Misses int64 `json:"misses"`
}

// PlanStats says how many plans are kept, and how often a plan was there.
func (s *Server) PlanStats() PlanStats {
	c := &s.plans
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.stats
	out.Plans, out.Pinned = len(c.plans), c.pinned.Len()
	return out
}

const (
	dearPlan     = 5 * time.Millisecond // one that took longer is pinned
	maxPlans     = 10_000
	maxPlanBytes = 64 << 20
	maxText      = 4 << 10 // of a text that is remembered,
	maxTextBytes = 8 << 20 // and of all of them
)

func (c *planCache) init(most int, mostBytes int64) {
	c.most, c.mostBytes, c.order, c.pinned = most, mostBytes, list.New(), list.New()
	c.plans, c.making, c.texts = map[ast.Hash]*list.Element{}, map[ast.Hash]chan struct{}{}, map[string]ast.Hash{}
}

// byText returns the plan of a text that was seen before, or nil.
func (c *planCache) byText(text string) *planned {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.texts[text]; ok {
		return c.lookup(h)
	}
	return nil
}

// get returns the plan of a program; nil if it is not there and there is no program to make it of. Of several that want one that is
// not there, one makes it.
func (c *planCache) get(h ast.Hash, compile func() (*planned, error)) (*planned, error) {
	c.mu.Lock()
	p := c.lookup(h)
	done := c.making[h]
	switch {
	case p != nil || compile == nil:
		c.mu.Unlock()
		return p, nil
	case done != nil:
		c.mu.Unlock()
		<-done
		c.mu.Lock()
		p := c.lookup(h)
		c.mu.Unlock()
		if p != nil {
			return p, nil
		}
		return compile() // the other's error, which is not kept, or a plan that is gone already
	}
	done = make(chan struct{})
	c.making[h] = done
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.making, h)
		c.mu.Unlock()
		close(done)
	}()
	p, err := compile()
	if err != nil {
		return nil, err
	}
	c.put(p)
	return p, nil
}

func (c *planCache) lookup(h ast.Hash) *planned {
	e := c.plans[h]
	if e == nil {
		return nil
	}
	c.stats.Hits++
	p, _ := e.Value.(*planned)
	if p.pinned {
		c.pinned.MoveToFront(e)
	} else {
		c.order.MoveToFront(e)
	}
	return p
}

func (c *planCache) put(p *planned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Misses++
	if c.plans[p.hash] != nil {
		return
	}
	c.stats.Bytes += p.bytes
	if p.pinned = p.took > dearPlan; p.pinned {
		c.plans[p.hash] = c.pinned.PushFront(p)
		c.pinnedBytes += p.bytes
	} else {
		c.plans[p.hash] = c.order.PushFront(p)
	}
	for c.pinned.Len() > c.most/2 || c.pinnedBytes > c.mostBytes/2 {
		if old, ok := c.pinned.Remove(c.pinned.Back()).(*planned); ok {
			old.pinned = false
			c.pinnedBytes -= old.bytes
			c.plans[old.hash] = c.order.PushFront(old)
		}
	}
	for c.order.Len() > 0 && (len(c.plans) > c.most || c.stats.Bytes > c.mostBytes && len(c.plans) > 1) {
		if old, ok := c.order.Remove(c.order.Back()).(*planned); ok {
			delete(c.plans, old.hash)
			c.stats.Bytes -= old.bytes
		}
	}
}

// remember notes that a text is a program. Texts are forgotten all at once when there are too many: formatting must not fill memory.
func (c *planCache) remember(text string, h ast.Hash) {
	if len(text) > maxText {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.texts[text]; known {
		return
	}
	if c.textBytes += len(text); c.textBytes > maxTextBytes || len(c.texts) >= c.most {
		clear(c.texts)
		c.textBytes = len(text)
	}
	c.texts[text] = h
}
