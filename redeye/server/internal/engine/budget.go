package engine

import (
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Budget bounds a run. Zero is no bound; the server has defaults.
type Budget struct {
	Steps    int64         // rows times nodes
	Rows     int64         // in any one column
	RowsOut  int64         // of the answer
	Memory   int64         // bytes in columns
	BytesOut int64         // of the answer, as protobuf
	Calls    int64         // invocations of methods and sources
	Items    int64         // receivers in them
	Wall     time.Duration // from start to answer
}

// Usage is what a run used of its budget.
type Usage struct {
	Steps, Rows, Memory, Calls, Items int64
	Planned                           int64 // calls that were asked for, one a row: what was saved is Planned - Sent
	Sent                              int64 // invocations that were begun; Calls are those that were charged, some of which may not have come to it
	Hits, Misses                      int64 // values that the cache had, and had not
	Stale                             int64 // values of the cache that were too old, and stood in for what failed
	Wall                              time.Duration
}

// charge adds to a use and reports whether it is within its bound. Otherwise the run has failed.
func (x *run) charge(name string, used *int64, add, limit int64) bool {
	if x.err != nil {
		return false
	}
	*used += add
	if limit <= 0 || *used <= limit {
		return true
	}
	x.fail(&Error{
		Code: "RESOURCE_EXHAUSTED", Reason: "BUDGET_EXCEEDED", Budget: name, Limit: limit, Used: *used,
		Msg: fmt.Sprintf("the query would use %d %s; its budget is %d", *used, name, limit),
	})
	return false
}

// step charges a node before it is computed for so many rows.
func (x *run) step(n *Node, rows int) bool {
	if x.ctx.Err() != nil {
		x.fail(ended(x.ctx))
		return false
	}
	return x.charge("steps", &x.used.Steps, int64(rows), x.budget.Steps) && x.grow(n.Type, rows)
}

// read charges bytes that an operation looks at, a step for every 64: a text that stands in all rows is short to name and long to read.
func (x *run) read(bytes int) bool {
	x.unread += bytes
	steps := x.unread / 64
	x.unread %= 64
	return x.charge("steps", &x.used.Steps, int64(steps), x.budget.Steps)
}

// readTexts charges all texts of columns.
func (x *run) readTexts(vs ...*Vec) bool {
	for _, v := range vs {
		total := 0
		for _, s := range v.Texts {
			total += len(s)
		}
		if v.One {
			total *= v.N
		}
		if !x.read(total) {
			return false
		}
	}
	return x.err == nil
}

// hold charges memory for bytes that are kept beside columns, as keys of maps are.
func (x *run) hold(bytes int) bool {
	return x.charge("memory", &x.used.Memory, int64(bytes), x.budget.Memory)
}

// grow charges a column before it is made.
func (x *run) grow(t schema.Type, rows int) bool {
	return x.charge("memory", &x.used.Memory, int64(rows)*width(t), x.budget.Memory)
}

// rows bounds the length of any column.
func (x *run) rows(n int) bool {
	most := max(x.used.Rows, int64(n))
	x.used.Rows = 0
	return x.charge("rows", &x.used.Rows, most, x.budget.Rows)
}

// width is about what a row takes in a column of its own, without what texts point to.
func width(t schema.Type) int64 {
	switch t.Kind {
	case schema.KindBool:
		return 1
	case schema.KindInt, schema.KindFloat, schema.KindTime, schema.KindDuration, schema.KindEntity:
		return 8
	case schema.KindString, schema.KindBytes, schema.KindEnum:
		return 16
	default:
		return 4 // lists: where each ends; objects: their fields are charged when they are computed
	}
}
