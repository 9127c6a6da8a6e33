package analyze

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
)

// checkSummary compares the summary of a tree's spans with the tree.
func checkSummary(t interface {
	Helper()
	Fatalf(string, ...any)
}, tree *Tree,
) {
	t.Helper()
	want := Summary{Start: tree.Start, Duration: tree.Duration, Spans: tree.Len(), Errors: tree.Errors, Services: tree.Services}
	if tree.Len() > 0 && tree.Flags[0]&Adopted == 0 {
		want.Root = &Root{tree.Services[tree.Service[0]], tree.Names[tree.Name[0]], tree.Length[0]}
	}
	if got := new(Summarizer).Summarize(tree.Batch); !reflect.DeepEqual(got, want) {
		t.Fatalf("the summary is %+v, the tree says %+v", got, want)
	}
}

// checkShape verifies what holds of every tree, whatever the input.
func checkShape(t interface {
	Helper()
	Fatalf(string, ...any)
}, tree *Tree,
) {
	t.Helper()
	checkSummary(t, tree)
	n := tree.Batch.Len()
	if tree.Len() != n {
		t.Fatalf("%d spans made a tree of %d", n, tree.Len())
	}
	seen := make([]bool, n)
	var open []int32 // the ancestors of p
	tops := 0
	for p := range n {
		r := tree.Row[p]
		if seen[r] {
			t.Fatalf("row %d appears twice", r)
		}
		seen[r] = true
		for len(open) > 0 && tree.End[open[len(open)-1]] <= int32(p) {
			open = open[:len(open)-1]
		}
		parent := int32(-1)
		if len(open) > 0 {
			parent = open[len(open)-1]
		}
		if tree.Parent[p] != parent || int(tree.Depth[p]) != len(open) {
			t.Fatalf("position %d: parent %d, depth %d; the subtree ends say %d and %d", p, tree.Parent[p], tree.Depth[p], parent, len(open))
		}
		open = append(open, int32(p))
		if parent < 0 {
			tops++
		}
		kids := tree.Children(p)
		if int(tree.Direct[p]) != len(kids) {
			t.Fatalf("position %d: %d children counted, %d listed", p, tree.Direct[p], len(kids))
		}
		for i, q := range kids {
			if tree.Parent[q] != int32(p) || i > 0 && q <= kids[i-1] {
				t.Fatalf("children of %d are %v", p, kids)
			}
			if i > 0 && (tree.Offset[q] < tree.Offset[kids[i-1]] || tree.Offset[q] == tree.Offset[kids[i-1]] &&
				tree.Batch.SpanID[tree.Row[q]] < tree.Batch.SpanID[tree.Row[kids[i-1]]]) {
				t.Fatalf("children of %d are out of order", p)
			}
		}
		if tree.Offset[p] < 0 || tree.Length[p] < 0 || tree.Offset[p]+tree.Length[p] > tree.Duration || tree.Offset[p]+tree.Length[p] < 0 {
			t.Fatalf("position %d lies at %d + %d of %d", p, tree.Offset[p], tree.Length[p], tree.Duration)
		}
		if tree.Self[p] < 0 || tree.Self[p] > tree.Length[p] {
			t.Fatalf("position %d: self %d of %d", p, tree.Self[p], tree.Length[p])
		}
		if tree.Flags[p]&Moved == 0 && tree.Start+tree.Offset[p] != max(tree.Batch.Start[r], 0) {
			t.Fatalf("position %d was moved but does not say so", p)
		}
	}
	if n > 0 && tops == 0 {
		t.Fatalf("nothing stands at the top")
	}
}

// randomTrace draws a trace in which everything may be wrong: few ids, so that some are shared, missing
// or in a circle, and short times, so that a brute-force count over every ns is possible.
func randomTrace(t *rapid.T) *span.Batch {
	b := new(span.Batch)
	n := rapid.IntRange(0, 40).Draw(t, "n")
	ids := rapid.IntRange(1, 60).Draw(t, "ids")
	for range n {
		s := span.Span{
			TraceID:  span.TraceID{Lo: 1},
			SpanID:   span.ID(rapid.IntRange(1, ids).Draw(t, "id")),
			Parent:   span.ID(rapid.IntRange(0, ids).Draw(t, "parent")),
			Kind:     span.Kind(rapid.IntRange(0, 5).Draw(t, "kind")),
			Name:     string(rune('a' + rapid.IntRange(0, 3).Draw(t, "name"))),
			Start:    int64(rapid.IntRange(0, 200).Draw(t, "start")),
			Duration: int64(rapid.IntRange(-1, 60).Draw(t, "duration")),
			Status:   span.Status(rapid.IntRange(0, 2).Draw(t, "status")),
		}
		service := string(rune('A' + rapid.IntRange(0, 3).Draw(t, "service")))
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}
		if rapid.Bool().Draw(t, "named host") {
			s.Resource.Attrs = append(s.Resource.Attrs, span.Attribute{Key: "host.name", Value: span.StringValue("one")})
		}
		b.Append(&s)
	}
	return b
}

// TestSummarizer: what it knows of the resources of one trace serves the next, if that is in the same batch.
func TestSummarizer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var z Summarizer
		one := new(span.Batch)
		for range rapid.IntRange(1, 4).Draw(t, "traces") {
			alone := randomTrace(t)
			in := alone
			if rapid.Bool().Draw(t, "in one batch") {
				in = one
				one.Truncate(0)
				for i := range alone.Len() {
					s := alone.Span(i)
					one.Append(&s)
				}
			}
			want, got := new(Summarizer).Summarize(alone), z.Summarize(in)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("after others the summary is %+v, alone %+v", got, want)
			}
		}
	})
}

func TestTreeOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := randomTrace(t)
		tree := NewTree(b)
		checkShape(t, tree)
		checkParents(t, tree)
		checkSkew(t, tree)
		for p := range tree.Len() {
			if want := slowSelf(tree, p); tree.Self[p] != want {
				t.Fatalf("position %d: self %d, want %d\n%s", p, tree.Self[p], want, showTree(tree))
			}
		}
	})
}

// checkParents looks at every span: one whose parent id is held by a single other span, and that is
// neither a half of a shared id nor adopted, stands under that span; one that is adopted had a reason.
func checkParents(t *rapid.T, tree *Tree) {
	b := tree.Batch
	var cyclic int
	for p := range tree.Len() {
		r := tree.Row[p]
		var holders []int
		half := false
		for i := range b.Len() {
			if b.SpanID[i] == b.Parent[r] {
				holders = append(holders, i)
			}
			if b.SpanID[i] == b.SpanID[r] && b.Kind[i] == span.KindClient && b.Kind[r] == span.KindServer {
				half = true
			}
		}
		up := int32(-1)
		if tree.Parent[p] >= 0 {
			up = tree.Row[tree.Parent[p]]
		}
		switch {
		case tree.Flags[p]&Adopted != 0:
			if up >= 0 && b.Parent[up] != 0 {
				t.Fatalf("position %d was adopted by a span that is no root", p)
			}
			if len(holders) > 0 && b.Parent[r] != b.SpanID[r] {
				cyclic++
			}
		case half:
			if up < 0 || b.SpanID[up] != b.SpanID[r] || b.Kind[up] != span.KindClient {
				t.Fatalf("position %d does not stand under its client half", p)
			}
		case b.Parent[r] == 0:
			if up >= 0 {
				t.Fatalf("position %d is a root, but stands under %d", p, tree.Parent[p])
			}
		case up < 0 || !slices.Contains(holders, int(up)):
			t.Fatalf("position %d stands under row %d; its parent id is held by %v", p, up, holders)
		}
	}
	if noted := slices.ContainsFunc(tree.Notes, func(s string) bool { return len(s) > 16 && s[:16] == "spans name each " }); cyclic > 0 && !noted {
		t.Fatalf("%d links were cut without a note: %q", cyclic, tree.Notes)
	}
}

// checkSkew verifies that a span moves with its parent on one host, and otherwise only when it must.
func checkSkew(t *rapid.T, tree *Tree) {
	b := tree.Batch
	host := func(p int32) string {
		r := b.Span(int(tree.Row[p])).Resource
		for _, a := range r.Attrs {
			if a.Key == "host.name" {
				return "host " + a.Value.Str
			}
		}
		return fmt.Sprint(r.Attrs)
	}
	shift := func(p int32) int64 { return tree.Start + tree.Offset[p] - b.Start[tree.Row[p]] }
	for i := range tree.Len() {
		p := int32(i)
		q := tree.Parent[p]
		if q < 0 || tree.Flags[p]&Adopted != 0 || b.Start[tree.Row[p]] == 0 || b.Start[tree.Row[q]] == 0 {
			continue
		}
		if host(p) == host(q) {
			if got, want := shift(p), shift(q); got != want && b.Start[tree.Row[p]]+want >= 0 {
				t.Fatalf("position %d was moved by %d, its parent on the same host by %d", p, got, want)
			}
			continue
		}
		if tree.Offset[p] < tree.Offset[q] {
			t.Fatalf("position %d begins before its parent on another host", p)
		}
		raw := b.Start[tree.Row[p]] - tree.Start
		if raw >= tree.Offset[q] && raw+tree.Length[p] <= tree.Offset[q]+tree.Length[q] && shift(p) != 0 {
			t.Fatalf("position %d fits in its parent and was moved", p)
		}
	}
}

// slowSelf counts the ns of p in which no child runs, one by one.
func slowSelf(tree *Tree, p int) (self int64) {
	for x := tree.Offset[p]; x < tree.Offset[p]+tree.Length[p]; x++ {
		if running(tree, tree.Children(p), x) == 0 {
			self++
		}
	}
	return self
}

// running is how many of rows run in the ns [x, x+1).
func running(tree *Tree, rows []int32, x int64) (n int) {
	for _, q := range rows {
		if tree.Offset[q] <= x && x < tree.Offset[q]+tree.Length[q] {
			n++
		}
	}
	return n
}

func TestStatsAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree(randomTrace(t))
		if tree.Len() == 0 {
			return
		}
		p := rapid.IntRange(0, tree.Len()-1).Draw(t, "row")
		got, want := showStats(tree.Stats(p)), showStats(slowStats(tree, p))
		if got != want {
			t.Fatalf("stats of %d:\n%swant\n%s%s", p, got, want, showTree(tree))
		}
	})
}

func slowStats(tree *Tree, p int) Stats {
	isHalf := func(q int) bool {
		up := tree.Parent[q]
		return up >= 0 && tree.Flags[q]&Adopted == 0 && tree.Batch.Kind[tree.Row[q]] == span.KindServer &&
			tree.Batch.Kind[tree.Row[up]] == span.KindClient
	}
	below := func(q int) bool {
		for q := tree.Parent[q]; q >= 0; q = tree.Parent[q] {
			if q == int32(p) {
				return true
			}
		}
		return false
	}
	s := Stats{Row: p, Spans: 1, Duration: tree.Length[p], Self: tree.Self[p]}
	critical := map[int32]int64{}
	slowCritical(tree, int32(p), tree.Offset[p], tree.Offset[p]+tree.Length[p], critical)
	s.Critical = critical[int32(p)]
	for _, h := range tree.Children(p) {
		if isHalf(int(h)) {
			s.Self += tree.Self[h]
			s.Critical += critical[h]
		}
	}
	calls := map[string][]int32{}
	direct := map[string]int{}
	for q := range tree.Len() {
		if !below(q) {
			continue
		}
		s.Spans++
		if isHalf(q) {
			continue
		}
		typ := tree.Types[tree.Type[q]]
		calls[typ] = append(calls[typ], int32(q))
		if up := int(tree.Parent[q]); up == p || isHalf(up) && int(tree.Parent[up]) == p {
			direct[typ]++
			s.Direct.Count++
		}
	}
	for typ, n := range direct {
		s.Direct.Types = append(s.Direct.Types, TypeCount{typ, n})
	}
	slices.SortFunc(s.Direct.Types, func(x, y TypeCount) int {
		if x.Count != y.Count {
			return y.Count - x.Count
		}
		if x.Type < y.Type {
			return -1
		}
		return 1
	})
	for typ, rows := range calls {
		ts := TypeStats{Type: typ, Count: len(rows)}
		var durations []int64
		for _, q := range rows {
			failed := tree.Batch.Status[tree.Row[q]] == span.StatusError
			ts.Self += tree.Self[q]
			for _, h := range tree.Children(int(q)) {
				if isHalf(int(h)) {
					ts.Self += tree.Self[h]
					failed = failed || tree.Batch.Status[tree.Row[h]] == span.StatusError
				}
			}
			if failed {
				ts.Errors++
			}
			ts.Total += tree.Length[q]
			durations = append(durations, tree.Length[q])
		}
		alone, any := 0, 0
		for x := range tree.Duration {
			switch n := running(tree, rows, x); {
			case n == 1:
				alone++
				any++
			case n > 1:
				any++
			}
		}
		ts.Serial = 1
		if any > 0 {
			ts.Serial = float64(alone) / float64(any)
		}
		for _, q := range rows {
			ts.Critical += critical[q]
			for _, h := range tree.Children(int(q)) {
				if isHalf(int(h)) {
					ts.Critical += critical[h]
				}
			}
		}
		if tree.Length[p] > 0 {
			ts.CriticalShare = float64(ts.Critical) / float64(tree.Length[p])
		}
		ts.Mean, ts.Max = ts.Total/int64(len(rows)), slices.Max(durations)
		ts.P50, ts.P95 = slowQuantile(durations, 50), slowQuantile(durations, 95)
		covered := 0
		for x := tree.Offset[p]; x < tree.Offset[p]+tree.Length[p]; x++ {
			if running(tree, rows, x) > 0 {
				covered++
			}
		}
		if tree.Length[p] > 0 {
			ts.Share = float64(covered) / float64(tree.Length[p])
		}
		s.Types = append(s.Types, ts)
	}
	slices.SortFunc(s.Types, func(x, y TypeStats) int {
		if x.Count != y.Count {
			return y.Count - x.Count
		}
		if x.Type < y.Type {
			return -1
		}
		return 1
	})
	return s
}

// slowCritical adds to each span what it spent itself on the critical path between from and to, by looking at
// all children again for each step.
func slowCritical(tree *Tree, p int32, from, to int64, spent map[int32]int64) {
	for now := to; ; {
		best, bestFrom, bestTo := int32(-1), int64(0), int64(-1)
		for _, q := range tree.Children(int(p)) {
			a, b := max(tree.Offset[q], from), min(tree.Offset[q]+tree.Length[q], to)
			message := tree.Batch.Kind[tree.Row[q]] == span.KindConsumer || tree.Batch.Kind[tree.Row[p]] == span.KindProducer
			outlasts := tree.Offset[q]+tree.Length[q] > tree.Offset[p]+tree.Length[p]
			if b > now || b <= a || message && outlasts {
				continue
			}
			if b > bestTo || b == bestTo && a < bestFrom {
				best, bestFrom, bestTo = q, a, b
			}
		}
		if best < 0 {
			spent[p] += now - from
			return
		}
		spent[p] += now - bestTo
		slowCritical(tree, best, bestFrom, bestTo, spent)
		now = bestFrom
	}
}

func TestCriticalPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree(randomTrace(t))
		if tree.Len() == 0 {
			return
		}
		p := rapid.IntRange(0, tree.Len()-1).Draw(t, "row")
		path := tree.CriticalPath(p)
		at := tree.Offset[p]
		spent, want := map[int32]int64{}, map[int32]int64{}
		for _, s := range path { // they follow each other without a gap, so they are disjoint and sum to the whole
			if s.From != at || s.To <= s.From || s.Row < int32(p) || s.Row >= tree.End[p] {
				t.Fatalf("segment %+v after %d:\n%s%s", s, at, showCritical(tree, path), showTree(tree))
			}
			if s.From < tree.Offset[s.Row] || s.To > tree.Offset[s.Row]+tree.Length[s.Row] {
				t.Fatalf("segment %+v is outside its span", s)
			}
			at = s.To
			spent[s.Row] += s.To - s.From
		}
		if end := tree.Offset[p] + tree.Length[p]; at != end {
			t.Fatalf("the path ends at %d, the span at %d", at, end)
		}
		slowCritical(tree, int32(p), tree.Offset[p], at, want)
		for q := range int32(tree.Len()) {
			if spent[q] != want[q] {
				t.Fatalf("position %d: %d ns on the path, want %d\n%s%s", q, spent[q], want[q], showCritical(tree, path), showTree(tree))
			}
		}
	})
}

// TestProfile compares a profile with sums over the spans.
func TestProfile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree(randomTrace(t))
		if tree.Len() == 0 {
			return
		}
		p := rapid.IntRange(0, tree.Len()-1).Draw(t, "row")
		r := NewProfiler().Profile(tree, p)
		stats := tree.Stats(p)
		if r.Paths[0].Parent != nil || r.Paths[0].Depth != 0 {
			t.Fatalf("the first path is %+v", r.Paths[0].Path)
		}
		seen := map[*Path]bool{}
		count := 1 // the root
		errors, total, self, critical := 0, tree.Length[p], stats.Self, stats.Critical
		for _, ts := range stats.Types {
			count, errors, total = count+ts.Count, errors+ts.Errors, total+ts.Total
			self, critical = self+ts.Self, critical+ts.Critical
		}
		rootFailed := tree.Flags[p]&Failed != 0
		for _, h := range tree.Children(p) {
			rootFailed = rootFailed || tree.Flags[h]&(Failed|ServerHalf) == Failed|ServerHalf
		}
		if rootFailed {
			errors++
		}
		for i := range r.Paths {
			s := &r.Paths[i]
			if seen[s.Path] || s.Parent != nil && !seen[s.Parent] {
				t.Fatalf("path %d is there twice or before its parent\n%s", i, showProfile(r))
			}
			if seen[s.Path] = true; s.Most < 1 || s.Most > s.Count || s.Alone > s.Covered || s.Covered > s.Total {
				t.Fatalf("impossible path %+v", s)
			}
			count, errors, total, self, critical = count-s.Count, errors-s.Errors, total-s.Total, self-s.Self, critical-s.Critical
		}
		if count != 0 || errors != 0 || total != 0 || self != 0 || critical != 0 {
			t.Fatalf("off by %d calls, %d errors, %d total, %d self, %d critical\n%s%s", count, errors, total, self, critical, showProfile(r), showTree(tree))
		}
	})
}

// TestCompareSums: what paths add makes the difference of the whole.
func TestCompareSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := NewProfiler()
		draw := func(name string) (pop Population, profiles []*Profile) {
			for range rapid.IntRange(0, 4).Draw(t, name) {
				if tree := NewTree(randomTrace(t)); tree.Len() > 0 {
					r := f.Profile(tree, 0)
					pop.Add(r)
					profiles = append(profiles, r)
				}
			}
			return pop, profiles
		}
		a, profiles := draw("a")
		b, _ := draw("b")
		extra, share := 0.0, 0.0
		for _, d := range Compare(&a, &b) {
			extra += d.Extra
			share += d.Share
		}
		whole := a.Mean() - b.Mean()
		if math.Abs(extra-whole) > 1e-6 || whole != 0 && math.Abs(share-1) > 1e-6 {
			t.Fatalf("extras sum to %v, shares to %v of %v", extra, share, whole)
		}
		var critical int64
		seen := map[*Path]bool{}
		for _, p := range a.Paths() {
			critical += p.Critical
			if p.Parent != nil && !seen[p.Parent] {
				t.Fatalf("%s stands before its parent", p.Label)
			}
			seen[p.Path] = true
		}
		if critical != a.Duration {
			t.Fatalf("critical times sum to %d of %d", critical, a.Duration)
		}
		requests, took := 0, int64(0)
		for _, p := range Patterns(profiles) {
			requests, took = requests+p.Requests, took+p.Duration
			if p.Typical.Pattern != p.ID || p.P50 > p.P95 || p.P95 > p.Max || len(p.Slowest.Only(p.Typical)) > 0 {
				t.Fatalf("impossible pattern %+v", p)
			}
		}
		if requests != a.Requests || took != a.Duration {
			t.Fatalf("patterns have %d requests of %d ns; there are %d of %d", requests, took, a.Requests, a.Duration)
		}
		for _, l := range Lifts(&a, &b) {
			if l.InA <= l.InB || l.Times <= 1 || l.InA > 1 {
				t.Fatalf("impossible lift %+v", l)
			}
		}
	})
}

// TestLifts: what tells the populations apart comes first, and what chance makes does not come at all.
func TestLifts(t *testing.T) {
	f := NewProfiler()
	r := rand.New(rand.NewPCG(3, 4))
	population := func(n int, planted float64) (pop Population) {
		for range n {
			p := &Profile{}
			put := func(key, value string) { p.Traits = append(p.Traits, f.trait(Trait{"", key, value})) }
			for i := range 200 {
				put(fmt.Sprint("noise", i), fmt.Sprint(r.IntN(2+i%20)))
			}
			if r.Float64() < planted {
				put("planted", "yes")
			}
			pop.Add(p)
		}
		return pop
	}
	for _, n := range []int{20, 100, 1000} {
		a, b := population(n, 0.8), population(n, 0.05)
		list := Lifts(&a, &b)
		if len(list) == 0 || list[0].Key != "planted" || len(list) > 2 {
			t.Errorf("of %d: %d traits, first %+v", n, len(list), list)
		}
	}
	var none Population
	some := population(5, 1)
	if l := Lifts(&some, &none); len(l) > 0 {
		t.Errorf("beside nobody: %+v", l)
	}
	if l := Lifts(&none, &some); len(l) > 0 {
		t.Errorf("of nobody: %+v", l)
	}
}

// slowQuantile is the least duration that percent of all do not exceed.
func slowQuantile(durations []int64, percent int) int64 {
	best := slices.Max(durations)
	for _, d := range durations {
		n := 0
		for _, e := range durations {
			if e <= d {
				n++
			}
		}
		if n*100 >= percent*len(durations) {
			best = min(best, d)
		}
	}
	return best
}

func TestFoldAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree(randomTrace(t))
		least := rapid.IntRange(0, 6).Draw(t, "least")
		var want []Group
		for p := range tree.Len() {
			var done []int32
			for _, q := range tree.Children(p) {
				if slices.Contains(done, tree.Type[q]) {
					continue
				}
				done = append(done, tree.Type[q])
				g := Group{Parent: int32(p), Type: tree.Type[q]}
				var durations []int64
				for _, r := range tree.Children(p) {
					if tree.Type[r] == tree.Type[q] {
						g.Rows = append(g.Rows, r)
						g.Sum += tree.Length[r]
						durations = append(durations, tree.Length[r])
					}
				}
				if len(g.Rows) < max(least, 2) {
					continue
				}
				g.P50, g.P95 = slowQuantile(durations, 50), slowQuantile(durations, 95)
				alone, covered := 0, 0
				for x := range tree.Duration {
					switch running(tree, g.Rows, x) {
					case 0:
					case 1:
						alone++
						covered++
					default:
						covered++
					}
				}
				g.Serial = 1
				if covered > 0 {
					g.Serial = float64(alone) / float64(covered)
				}
				want = append(want, g)
			}
		}
		if got, want := showGroups(tree, tree.Fold(least)), showGroups(tree, want); got != want {
			t.Fatalf("groups:\n%swant\n%s%s", got, want, showTree(tree))
		}
	})
}

// FuzzTree builds a trace from bytes, six a span, and checks that each span is in the tree once.
func FuzzTree(f *testing.F) {
	f.Add([]byte{1, 0, 2, 0, 10, 90, 2, 1, 3, 0, 20, 30, 2, 1, 2, 1, 25, 20, 3, 3, 1, 1, 0, 0})
	f.Add([]byte{1, 2, 0, 0, 1, 1, 2, 3, 0, 0, 1, 1, 3, 1, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		b := new(span.Batch)
		for ; len(p) >= 6 && b.Len() < 2000; p = p[6:] {
			b.Append(&span.Span{
				SpanID: span.ID(p[0]), Parent: span.ID(p[1]), Kind: span.Kind(p[2] % 6), Name: string(p[2:3]),
				Start: int64(p[4])<<(p[3]>>2) - 5, Duration: int64(p[5])<<(p[3]>>2) - 5,
				Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(string(p[3:4]))}}},
			})
		}
		tree := NewTree(b)
		checkShape(t, tree)
		tree.Fold(2)
		if tree.Len() > 0 {
			var sum int64
			for _, s := range tree.CriticalPath(0) {
				sum += s.To - s.From
			}
			r, _ := NewProfiler().Examine(tree, 0)
			for i := range r.Paths {
				sum -= r.Paths[i].Critical
			}
			if sum != 0 {
				t.Fatalf("the critical path and the paths differ by %d", sum)
			}
		}
		for i := range min(tree.Len(), 5) {
			s := tree.Stats(i)
			total := 0
			for _, ts := range s.Types {
				total += ts.Count
				if ts.Share < 0 || ts.Share > 1 || ts.P50 > ts.P95 || ts.P95 > ts.Max {
					t.Fatalf("impossible figures %+v", ts)
				}
			}
			if total >= s.Spans || s.Direct.Count > total {
				t.Fatalf("%d calls, %d direct, among %d spans", total, s.Direct.Count, s.Spans)
			}
		}
	})
}

// The shapes of large traces.
func bigTrace(n int, parent func(i int) int) *span.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	b := new(span.Batch)
	attrs := []span.Attribute{
		{Key: "server.address", Value: span.StringValue("10.0.0.1")},
		{Key: "thread.name", Value: span.StringValue("worker-7")},
		{Key: "rpc.system.name", Value: span.StringValue("thrift")},
		{Key: "rpc.method", Value: span.StringValue("movie.service/movie_pic1svc")},
	}
	for i := range n {
		s := span.Span{
			TraceID: span.TraceID{Hi: 1, Lo: 1}, SpanID: span.ID(r.Uint64() | 1), Name: "call " + string(rune('a'+i%20)),
			Kind: span.Kind(i%5 + 1), Start: 1e18 + int64(i)*1000, Duration: r.Int64N(1e6), Attrs: attrs,
			Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue("service-" + string(rune('a'+i%8)))}}},
		}
		if i > 0 {
			s.Parent = b.SpanID[parent(i)]
		} else {
			s.Duration = 1e9
		}
		b.Append(&s)
	}
	return b
}

var bigShapes = []struct {
	name   string
	parent func(i int) int
}{
	{"chain", func(i int) int { return i - 1 }},
	{"wide", func(int) int { return 0 }},
	{"tree", func(i int) int { return (i*7919 + 13) % i }},
}

const bigSize = 50_000

func TestBigTraces(t *testing.T) {
	for _, shape := range bigShapes {
		tree := NewTree(bigTrace(bigSize, shape.parent))
		checkShape(t, tree)
		if s := tree.Stats(0); s.Spans != bigSize {
			t.Errorf("%s: the root has %d spans", shape.name, s.Spans)
		}
		tree.Fold(5)
		if r := NewProfiler().Profile(tree, 0); r.Spans != bigSize {
			t.Errorf("%s: the profile has %d spans", shape.name, r.Spans)
		}
	}
}

// TestOneIDForAll is the worst case for telling the holders of an id apart.
func TestOneIDForAll(t *testing.T) {
	b := bigTrace(bigSize, func(int) int { return 0 })
	for i := range b.SpanID {
		b.SpanID[i], b.Parent[i] = 7+span.ID(i%2), 8-span.ID(i%2)
	}
	checkShape(t, NewTree(b))
}

func BenchmarkTree(b *testing.B) {
	for _, shape := range bigShapes {
		batch := bigTrace(bigSize, shape.parent)
		b.Run(shape.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewTree(batch)
			}
		})
	}
}

// BenchmarkSkeleton is all that the request page needs.
func BenchmarkSkeleton(b *testing.B) {
	for _, shape := range bigShapes {
		batch := bigTrace(bigSize, shape.parent)
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				t := NewTree(batch)
				t.Stats(0)
				t.Fold(5)
				t.CriticalPath(0)
			}
		})
	}
}

// BenchmarkExamine is what findings need of a request: its tree, its profile, its causes.
func BenchmarkExamine(b *testing.B) {
	for _, shape := range bigShapes {
		batch := bigTrace(bigSize, shape.parent)
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				NewProfiler().Examine(NewTree(batch), 0)
			}
		})
	}
}
