package engine

import (
	"fmt"
	"strings"
	"time"
)

// Figures are what a run did at each node of its plan: give an empty one in [Options], and [Plan.Explain] it when the run is over.
type Figures struct{ at map[*Node]*figures }

type figures struct {
	frames, rows  int64 // columns that were computed, and their rows
	calls, items  int64
	failed        int64 // items in error
	took, longest time.Duration
	hits, misses  int64
	stale         int64 // values that were too old
}

// of returns the figures of a node; of nothing, if nobody wants them, what nobody reads.
func (f *Figures) of(n *Node) *figures {
	if f == nil {
		return &figures{}
	}
	if f.at == nil {
		f.at = map[*Node]*figures{}
	}
	if f.at[n] == nil {
		f.at[n] = &figures{}
	}
	return f.at[n]
}

// landed notes a call that is back.
func (f *Figures) landed(p *part) {
	if f == nil {
		return
	}
	at := f.of(p.flight.node)
	at.calls++
	at.items += int64(len(p.ords))
	at.took += p.took
	at.longest = max(at.longest, p.took)
	for _, e := range p.vec.Errs {
		if e != nil {
			at.failed++
		}
	}
}

// String writes them as the end of a plan's line.
func (f *figures) String() string {
	if f == nil || f.frames+f.calls+f.hits+f.misses == 0 {
		return "not computed"
	}
	parts := []string{count(f.rows, "row")}
	if f.frames > 1 {
		parts[0] += fmt.Sprintf(" in %d columns", f.frames)
	}
	if f.calls > 0 {
		call := fmt.Sprintf("%s of %s in %v", count(f.calls, "call"), count(f.items, "item"), round(f.took/time.Duration(f.calls)))
		if f.calls > 1 {
			call += fmt.Sprintf(" each, the longest %v", round(f.longest))
		}
		parts = append(parts, call)
	}
	if f.failed > 0 {
		parts = append(parts, count(f.failed, "item")+" in error")
	}
	if f.hits+f.misses > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d kept", f.hits, f.hits+f.misses))
	}
	if f.stale > 0 {
		parts = append(parts, count(f.stale, "value")+" too old")
	}
	return strings.Join(parts, ", ")
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func round(d time.Duration) time.Duration {
	if d >= time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}
