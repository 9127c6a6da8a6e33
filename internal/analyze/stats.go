package analyze

import (
	"cmp"
	"math"
	"slices"
)

// Stats are the three tables of a span: how often everything below it was called (Count Stats), how
// long that took (Duration Stats), and what the span called itself (Direct Child Count).
//
// They count calls: the server half of a call whose client half is stored is the same call, so it is
// not counted again; its self time is the call's, and what it called are the call's direct children.
type Stats struct {
	Row      int         `json:"row"`
	Spans    int         `json:"spans"`    // in the subtree, the row included
	Duration int64       `json:"duration"` // of the row, ns
	Self     int64       `json:"self"`     // of the row, and of its server half
	Critical int64       `json:"critical"` // of the critical path of the row, what it and its server half spent themselves
	Types    []TypeStats `json:"types"`    // by count, descending, then type
	Direct   Direct      `json:"direct"`
}

// TypeStats are the figures of the calls of one span type. Durations are ns; quantiles are exact, by
// nearest rank.
type TypeStats struct {
	Type   string  `json:"type"`
	Count  int     `json:"count"`
	Errors int     `json:"errors"` // calls of which either half failed
	Total  int64   `json:"total"`
	Self   int64   `json:"self"`
	Mean   int64   `json:"mean"`
	P50    int64   `json:"p50"`
	P95    int64   `json:"p95"`
	Max    int64   `json:"max"`
	Share  float64 `json:"share"` // part of the row's duration in which at least one of the calls ran

	// Critical is the time on the critical path of the row, in the calls themselves: with the row's own they
	// sum to the row's duration. CriticalShare is the part of that duration.
	Critical      int64   `json:"critical"`
	CriticalShare float64 `json:"criticalShare"`
	// Serial is the share of the time covered by the calls in which exactly one of them ran.
	Serial float64 `json:"serial"`
}

// Direct counts the calls that a span makes itself, by span type: by count, descending, then type.
type Direct struct {
	Count int         `json:"count"`
	Types []TypeCount `json:"types"`
}

// TypeCount is how many calls of a type there are.
type TypeCount struct {
	Type  string `json:"type"`
	Count int    `json:"count"`
}

// Stats counts the calls below position p.
func (t *Tree) Stats(p int) Stats {
	end := int(t.End[p])
	s := Stats{Row: p, Spans: end - p, Duration: t.Length[p], Types: []TypeStats{}, Direct: t.direct(p)}

	// What the server halves add to their calls, and which calls they failed.
	self := slices.Clone(t.Self[p:end])
	critical := onPath(t.CriticalPath(p), p, end-p)
	failed := make([]bool, end-p)
	calls := make([]int32, 0, end-p)
	for q := p + 1; q < end; q++ {
		if t.Flags[q]&ServerHalf == 0 {
			calls = append(calls, int32(q))
		} else {
			client := int(t.Parent[q]) - p
			self[client] = addSat(self[client], t.Self[q])
			critical[client] += critical[q-p]
			failed[client] = failed[client] || t.Flags[q]&Failed != 0
		}
		failed[q-p] = failed[q-p] || t.Flags[q]&Failed != 0
	}

	s.Self, s.Critical = self[0], critical[0]

	slices.SortFunc(calls, func(x, y int32) int {
		if c := cmp.Compare(t.Type[x], t.Type[y]); c != 0 {
			return c
		}
		return cmp.Compare(t.Offset[x], t.Offset[y])
	})
	var durations, ends []int64
	for from := 0; from < len(calls); {
		first := from
		typ := t.Type[calls[from]]
		ts := TypeStats{Type: t.Types[typ]}
		durations, ends = durations[:0], ends[:0]
		var covered int64
		until := t.Offset[p]
		rowEnd := t.Offset[p] + t.Length[p]
		for ; from < len(calls) && t.Type[calls[from]] == typ; from++ {
			q := calls[from]
			durations = append(durations, t.Length[q])
			ends = append(ends, t.Offset[q]+t.Length[q])
			ts.Count++
			ts.Critical += critical[int(q)-p]
			ts.Total = addSat(ts.Total, t.Length[q])
			ts.Self = addSat(ts.Self, self[int(q)-p])
			if failed[int(q)-p] {
				ts.Errors++
			}
			if a, b := max(t.Offset[q], until), min(t.Offset[q]+t.Length[q], rowEnd); b > a {
				covered += b - a
				until = b
			}
		}
		slices.Sort(durations)
		slices.Sort(ends)
		ts.Serial = t.serial(calls[first:from], ends)
		ts.Mean = ts.Total / int64(ts.Count)
		ts.P50, ts.P95 = quantile(durations, 0.50), quantile(durations, 0.95)
		ts.Max = durations[len(durations)-1]
		if t.Length[p] > 0 {
			ts.Share = float64(covered) / float64(t.Length[p])
			ts.CriticalShare = float64(ts.Critical) / float64(t.Length[p])
		}
		s.Types = append(s.Types, ts)
	}
	slices.SortFunc(s.Types, func(x, y TypeStats) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Type, y.Type))
	})
	return s
}

// direct counts the calls that p and its server halves make.
func (t *Tree) direct(p int) Direct {
	d := Direct{Types: []TypeCount{}}
	at := map[int32]int{} // type to its place in d.Types
	count := func(q int32) {
		i, ok := at[t.Type[q]]
		if !ok {
			i = len(d.Types)
			at[t.Type[q]] = i
			d.Types = append(d.Types, TypeCount{Type: t.Types[t.Type[q]]})
		}
		d.Types[i].Count++
		d.Count++
	}
	for _, q := range t.Children(p) {
		if t.Flags[q]&ServerHalf == 0 {
			count(q)
			continue
		}
		for _, r := range t.Children(int(q)) { // none is a server half: their parent is no client
			count(r)
		}
	}
	slices.SortFunc(d.Types, func(x, y TypeCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Type, y.Type))
	})
	return d
}

// Group is a set of repeated siblings: children of one parent that have the same span type, whether or
// not others stand between them. Durations are ns; quantiles are exact, by nearest rank.
type Group struct {
	Parent int32   // position
	Type   int32   // index into Types
	Rows   []int32 // positions, ascending
	Sum    int64
	P50    int64
	P95    int64
	// Serial is the share of the time covered by the group in which exactly one member ran: 1 when they
	// ran one after the other, 0 when no member ever ran alone. A group that covers no time is serial.
	Serial float64
}

// Fold finds the groups of at least least members (2 if that is less), ordered by parent, then by first
// member.
func (t *Tree) Fold(least int) []Group {
	least = max(least, 2)
	var groups []Group
	count := make([]int32, len(t.Types)) // members by type, of one parent at a time
	place := make([]int32, len(t.Types)) // the type's group, from 1
	var ends, durations []int64
	for p := range t.Len() {
		kids := t.Children(p)
		if len(kids) < least {
			continue
		}
		for _, q := range kids {
			count[t.Type[q]]++
		}
		made := len(groups)
		for _, q := range kids {
			typ := t.Type[q]
			if count[typ] < int32(least) {
				continue
			}
			if place[typ] == 0 {
				groups = append(groups, Group{Parent: int32(p), Type: typ, Rows: make([]int32, 0, count[typ])})
				place[typ] = int32(len(groups))
			}
			g := &groups[place[typ]-1]
			g.Rows = append(g.Rows, q)
		}
		for i := range groups[made:] {
			g := &groups[made+i]
			durations, ends = durations[:0], ends[:0]
			for _, q := range g.Rows {
				g.Sum = addSat(g.Sum, t.Length[q])
				durations = append(durations, t.Length[q])
				ends = append(ends, t.Offset[q]+t.Length[q])
			}
			slices.Sort(durations)
			slices.Sort(ends)
			g.P50, g.P95 = quantile(durations, 0.50), quantile(durations, 0.95)
			g.Serial = t.serial(g.Rows, ends)
		}
		for _, q := range kids {
			count[t.Type[q]], place[t.Type[q]] = 0, 0
		}
	}
	return groups
}

// sweep merges the starts of rows, which are in order, with their ends, sorted: the time in which exactly
// one of them ran, and that in which any did.
func (t *Tree) sweep(rows []int32, ends []int64) (alone, covered int64) {
	var last int64
	started, ended := 0, 0
	for ended < len(ends) {
		now := ends[ended]
		starts := started < len(rows) && t.Offset[rows[started]] <= now
		if starts {
			now = t.Offset[rows[started]]
		}
		if running := started - ended; running > 0 {
			covered += now - last
			if running == 1 {
				alone += now - last
			}
		}
		last = now
		if starts {
			started++
		} else {
			ended++
		}
	}
	return alone, covered
}

// serial is the share of the time covered by rows, which are in order of start, in which exactly one ran; 1
// if they cover no time.
func (t *Tree) serial(rows []int32, ends []int64) float64 {
	alone, covered := t.sweep(rows, ends)
	if covered == 0 {
		return 1
	}
	return float64(alone) / float64(covered)
}

// quantile is the element of sorted, which is not empty, at or below which the fraction q of them lies.
func quantile(sorted []int64, q float64) int64 {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
