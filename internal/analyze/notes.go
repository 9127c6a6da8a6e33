package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxSkewNotes bounds the services whose clocks are named one by one.
const maxSkewNotes = 5

// notes says what NewTree had to repair.
func (w *builder) notes(t *Tree) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }

	where := "it is drawn under the root"
	some := "they are drawn under the root"
	if w.roots == 0 {
		where, some = "it is drawn at the top", "they are drawn at the top"
	}
	switch {
	case w.n > 0 && w.roots == 0:
		note("the root span is not stored, or not yet")
	case w.roots > 1:
		note("%d spans have no parent, so this trace has %d roots; the first is taken for the request", w.roots, w.roots)
	}
	switch {
	case w.missing == 1:
		note("1 span names a parent that is not stored; %s", where)
	case w.missing > 1:
		note("%d spans name a parent that is not stored; %s", w.missing, some)
	}
	switch {
	case w.selfParents == 1:
		note("1 span names itself as its parent; %s", where)
	case w.selfParents > 1:
		note("%d spans name themselves as their parent; %s", w.selfParents, some)
	}
	switch {
	case w.cycles == 1:
		note("spans name each other as parents, in a circle; it was cut at the earliest")
	case w.cycles > 1:
		note("spans name each other as parents, in %d circles; each was cut at the earliest", w.cycles)
	}
	switch {
	case w.doubles == 1:
		note("1 span has an id that another span has, too; what they called is told apart by process")
	case w.doubles > 1:
		note("%d spans have an id that another span has, too; what they called is told apart by process", w.doubles)
	}
	switch {
	case w.noStart == 1:
		note("1 span came without a start; it is drawn at the start of its parent")
	case w.noStart > 1:
		note("%d spans came without a start; they are drawn at the start of their parents", w.noStart)
	}
	return append(notes, w.skewNotes(t)...)
}

func (w *builder) skewNotes(t *Tree) []string {
	type skew struct {
		service int32
		spans   int
		most    int64
	}
	skews := make([]skew, len(t.Services))
	for p, r := range t.Row {
		if s := w.shift[r]; s != 0 {
			k := &skews[t.Service[p]]
			k.service = t.Service[p]
			k.spans++
			k.most = max(k.most, max(s, -s))
		}
	}
	skews = slices.DeleteFunc(skews, func(k skew) bool { return k.spans == 0 })
	slices.SortStableFunc(skews, func(x, y skew) int { return cmp.Compare(y.spans, x.spans) })
	var notes []string
	for i, k := range skews {
		if i == maxSkewNotes {
			notes = append(notes, fmt.Sprintf("the clocks of %d more services differ from their callers'", len(skews)-i))
			break
		}
		by := time.Duration(k.most)
		if by > time.Millisecond {
			by = by.Round(time.Microsecond)
		}
		name := shorten(t.Services[k.service])
		if k.spans == 1 {
			notes = append(notes, fmt.Sprintf("the clock of %s differs from its caller's: 1 span was moved by %v", name, by))
		} else {
			notes = append(notes, fmt.Sprintf("the clock of %s differs from its caller's: %d spans were moved, by up to %v", name, k.spans, by))
		}
	}
	return notes
}

// shorten keeps a name from filling a note.
func shorten(s string) string {
	const most = 80
	runes := 0
	for i := range s {
		if runes++; runes > most {
			return s[:i] + "…"
		}
	}
	return s
}
