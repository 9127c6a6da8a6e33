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
	service := t.Service[unit]
	for up := t.Parent[unit]; up >= 0 && t.Service[up] == service && !isEntry(t, unit); up = t.Parent[unit] {
		unit = int(up)
	}
	b := t.Batch
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
