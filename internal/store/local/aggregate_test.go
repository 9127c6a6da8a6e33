package local

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFirstNames compares with sorting all names, and looks at how many are kept.
func TestFirstNames(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching("[ab]{0,3}"), 0, 60).Draw(rt, "names")
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		prefix := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "prefix")
		first := firstNames{limit: limit, room: limit + 3, prefix: prefix, names: map[string]bool{}}
		var want []string
		for _, name := range names {
			first.add(name)
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
			if len(first.names) > limit+3 {
				rt.Fatalf("%d names are kept, of which %d are wanted", len(first.names), limit)
			}
		}
		slices.Sort(want)
		want = slices.Compact(want)
		want = want[:min(limit, len(want))]
		if got := first.sorted(); !slices.Equal(got, want) {
			rt.Fatalf("%q, want %q", got, want)
		}
	})
}
