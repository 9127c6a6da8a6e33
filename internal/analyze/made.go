package analyze

import (
	"cmp"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Made are the calls of one label that a service makes while it answers one request. What the callee calls in its turn is none of them.
type Made struct {
	Label string
	Names []string // of the first: its name, rpc.method with rpc.service, its span type
	Count int
	First int64 // offset of the first's start, ns
	Rows  []int32
}

// CallsAround are the calls that the service which makes the call at position q makes in the same unit of work: everything below the span with
// which its part of the request began. They are in order of their first call.
func CallsAround(t *Tree, q int) []Made {
	unit := int(t.Parent[q])
	if unit < 0 {
		return nil
	}
	for !beginsUnit(t, unit) {
		unit = int(t.Parent[unit])
	}
	return madeIn(t, unit)
}

// beginsUnit says whether a service's part of a request begins with the span at position p.
func beginsUnit(t *Tree, p int) bool {
	up := t.Parent[p]
	return up < 0 || t.Service[up] != t.Service[p] || isEntry(t, p)
}

// madeIn are the calls of the unit of work that begins at a position.
func madeIn(t *Tree, unit int) []Made {
	service, b := t.Service[unit], t.Batch
	at := map[string]int{}
	var made []Made
	for p := unit + 1; p < int(t.End[unit]); p++ {
		row := int(t.Row[p])
		switch kind := b.Kind[row]; {
		case kind == span.KindConsumer: // of a message: nobody waits
			p = int(t.End[p]) - 1
			continue
		case kind != span.KindClient && kind != span.KindProducer && t.Service[p] == service:
			continue // its own work
		}
		typ := t.Types[t.Type[p]]
		name := label(b, row, typ)
		i, ok := at[name]
		if !ok {
			i = len(made)
			at[name] = i
			made = append(made, Made{Label: name, Names: namesOf(b, row, typ), First: t.Offset[p]})
		}
		m := &made[i]
		m.Count++
		m.First = min(m.First, t.Offset[p])
		m.Rows = append(m.Rows, int32(p))
		p = int(t.End[p]) - 1
	}
	slices.SortStableFunc(made, func(x, y Made) int { return cmp.Compare(x.First, y.First) })
	return made
}

// QuerySaving is by how much the request that begins at position root might be shorter, by estimate, if a query did what a service's
// calls of some labels do. Waves are these labels, by what of the query must wait for what. It is the time that the calls cover in each unit of
// work, less a chain of one call for each wave, which takes as long as a usual one of its slowest kind. A wave without labels, which no
// calls stand for, takes as long as a usual call of all; one of which a unit makes no call has nothing to do.
func QuerySaving(t *Tree, root int, service string, waves [][]string) (saving int64) {
	for p := root; p < int(t.End[root]); p++ {
		if t.Services[t.Service[p]] == service && beginsUnit(t, p) {
			if ns := querySaving(t, madeIn(t, p), waves); ns > 0 {
				saving += ns
				p = int(t.End[p]) - 1 // what is below is part of these calls, or waits for none
			}
		}
	}
	return saving
}

func querySaving(t *Tree, made []Made, waves [][]string) int64 {
	var rows []int32
	usual := map[string]int64{} // length of a call
	var sum int64
	for _, m := range made {
		if !slices.ContainsFunc(waves, func(labels []string) bool { return slices.Contains(labels, m.Label) }) {
			continue
		}
		var ns int64
		for _, q := range m.Rows {
			ns = addSat(ns, t.Length[q])
		}
		usual[m.Label] = ns / int64(m.Count)
		sum = addSat(sum, ns)
		rows = append(rows, m.Rows...)
	}
	if len(rows) == 0 {
		return 0
	}
	slices.SortStableFunc(rows, func(x, y int32) int { return cmp.Compare(t.Offset[x], t.Offset[y]) })
	ends := make([]int64, len(rows))
	for i, q := range rows {
		ends[i] = t.Offset[q] + t.Length[q]
	}
	slices.Sort(ends)
	_, saving := t.sweep(rows, ends)
	for _, labels := range waves {
		var longest int64
		for _, l := range labels {
			longest = max(longest, usual[l])
		}
		if len(labels) == 0 {
			longest = sum / int64(len(rows))
		}
		saving -= longest
	}
	return max(saving, 0)
}

// isEntry says whether the span at position p is where a request came into its service.
func isEntry(t *Tree, p int) bool {
	k := t.Batch.Kind[t.Row[p]]
	return k == span.KindServer || k == span.KindConsumer
}

func namesOf(b *span.Batch, row int, typ string) []string {
	names := []string{typ}
	add := func(s string) {
		if s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	add(b.String(b.Name[row]))
	if a, ok := b.Lookup(b.Attrs[row], "rpc.method"); ok && a.Type == span.String {
		add(b.String(a.Text()))
	}
	return names
}
