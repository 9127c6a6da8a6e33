package server

import (
	"time"

	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Budget bounds an execution. What exceeds it fails with RESOURCE_EXHAUSTED, and the error names the bound and the use.
type Budget struct {
	Steps    int64         `json:"steps,omitempty"`      // rows times nodes; default 10 million
	Rows     int64         `json:"rows,omitempty"`       // in any one column; default 100,000
	RowsOut  int64         `json:"rows_out,omitempty"`   // in the answer's list; default 10,000
	Memory   int64         `json:"memory,omitempty"`     // bytes in columns; default 64 MiB
	BytesOut int64         `json:"bytes_out,omitempty"`  // of the answer; default 3.5 MiB, since gRPC's clients take 4
	Calls    int64         `json:"calls,omitempty"`      // invocations of methods and sources; default 200
	Items    int64         `json:"items,omitempty"`      // receivers in them; default 20,000
	Wall     time.Duration `json:"wall_nanos,omitempty"` // from start to answer, and never longer than the client's deadline; default 5 s
}

var defaultBudget = Budget{
	Steps: 10_000_000, Rows: 100_000, RowsOut: 10_000, Memory: 64 << 20, BytesOut: 7 << 19, Calls: 200, Items: 20_000, Wall: 5 * time.Second,
}

func (b Budget) or(d Budget) Budget {
	pick := func(v, d int64) int64 {
		if v <= 0 {
			return d
		}
		return v
	}
	return Budget{
		pick(b.Steps, d.Steps), pick(b.Rows, d.Rows), pick(b.RowsOut, d.RowsOut), pick(b.Memory, d.Memory), pick(b.BytesOut, d.BytesOut),
		pick(b.Calls, d.Calls), pick(b.Items, d.Items), time.Duration(pick(int64(b.Wall), int64(d.Wall))),
	}
}

// within returns b, nowhere above the bounds of most.
func (b Budget) within(most Budget) Budget {
	b = b.or(most)
	return Budget{
		min(b.Steps, most.Steps), min(b.Rows, most.Rows), min(b.RowsOut, most.RowsOut), min(b.Memory, most.Memory), min(b.BytesOut, most.BytesOut),
		min(b.Calls, most.Calls), min(b.Items, most.Items), min(b.Wall, most.Wall),
	}
}

// negative reports whether a bound is below zero, which says nothing.
func (b Budget) negative() bool {
	return min(b.Steps, b.Rows, b.RowsOut, b.Memory, b.BytesOut, b.Calls, b.Items, int64(b.Wall)) < 0
}

// named returns the bound that an error names.
func (b Budget) named(name string) int64 {
	return map[string]int64{
		"steps": b.Steps, "rows": b.Rows, "rows_out": b.RowsOut, "memory": b.Memory, "bytes_out": b.BytesOut, "calls": b.Calls, "items": b.Items,
	}[name]
}

func (b Budget) engine() engine.Budget { return engine.Budget(b) }
