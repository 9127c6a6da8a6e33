package server

import (
	"container/list"
	"sync"

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

	explained func() string // the plan as a tree, for people; made once
}

// planCache keeps the plans that were used last, by the program's hash, and remembers which text is which program.
type planCache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *planned, the last used first
	plans map[ast.Hash]*list.Element
	texts map[string]ast.Hash
}

func (c *planCache) init(limit int) {
	c.max, c.order = limit, list.New()
	c.plans, c.texts = map[ast.Hash]*list.Element{}, map[string]ast.Hash{}
}

func (c *planCache) get(h ast.Hash) *planned {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookup(h)
}

func (c *planCache) getText(text string) *planned {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.texts[text]; ok {
		return c.lookup(h)
	}
	return nil
}

func (c *planCache) lookup(h ast.Hash) *planned {
	e := c.plans[h]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	p, _ := e.Value.(*planned)
	return p
}

// put keeps a plan, and that text is its program unless text is empty. Texts are forgotten all at once when there are more of them than plans may be:
// formatting must not fill memory.
func (c *planCache) put(p *planned, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans[p.hash] == nil {
		c.plans[p.hash] = c.order.PushFront(p)
	}
	for len(c.plans) > c.max {
		last := c.order.Back()
		if old, ok := c.order.Remove(last).(*planned); ok {
			delete(c.plans, old.hash)
		}
	}
	if text != "" && len(text) <= 4096 {
		if len(c.texts) >= c.max {
			clear(c.texts)
		}
		c.texts[text] = p.hash
	}
}
