package analyze

import (
	"cmp"
	"math"
	"slices"
)

// Population is many requests as one: their profiles added up. The profiles must come of one Profiler. The
// zero Population is empty and ready to use.
type Population struct {
	Requests int
	Errors   int
	Spans    int
	Duration int64 // sum, ns
	paths    map[*Path]*PathTotal
	traits   map[*Trait]int
}

// PathTotal are the figures of one path in a population.
type PathTotal struct {
	PathStats
	Requests int // that have the path
}

// Add counts one request.
func (pop *Population) Add(r *Profile) {
	if pop.paths == nil {
		pop.paths, pop.traits = map[*Path]*PathTotal{}, map[*Trait]int{}
	}
	pop.Requests++
	pop.Spans += r.Spans
	pop.Duration = addSat(pop.Duration, r.Duration)
	if r.Failed {
		pop.Errors++
	}
	for i := range r.Paths {
		s := &r.Paths[i]
		total := pop.paths[s.Path]
		if total == nil {
			total = &PathTotal{PathStats: PathStats{Path: s.Path}}
			pop.paths[s.Path] = total
		}
		total.Requests++
		total.add(s)
	}
	for _, tr := range r.Traits {
		pop.traits[tr]++
	}
}

// Mean is the mean duration of a request, ns.
func (pop *Population) Mean() float64 { return perRequest(pop.Duration, pop) }

func perRequest(sum int64, pop *Population) float64 {
	if pop.Requests == 0 {
		return 0
	}
	return float64(sum) / float64(pop.Requests)
}

// Paths are the paths of the population as a tree: a parent before its children, siblings by the time on the
// critical path of all below them, most first.
func (pop *Population) Paths() []PathTotal {
	list := make([]PathTotal, 0, len(pop.paths))
	for _, t := range pop.paths {
		list = append(list, *t)
	}
	return asTree(list, func(t *PathTotal) *Path { return t.Path }, func(t *PathTotal) float64 { return float64(t.Critical) })
}

// Means are the figures of a path per request of a population; times are ns.
type Means struct {
	Requests float64 // part of the requests that have the path
	Calls    float64
	Errors   float64
	Total    float64
	Self     float64
	Critical float64
	Serial   float64 // as PathStats has it; 0 where there are no calls
	Most     int     // the most calls that one caller made
}

func (pop *Population) means(p *Path) (m Means) {
	t := pop.paths[p]
	if t == nil || pop.Requests == 0 {
		return m
	}
	n := float64(pop.Requests)
	return Means{
		Requests: float64(t.Requests) / n, Calls: float64(t.Count) / n, Errors: float64(t.Errors) / n,
		Total: float64(t.Total) / n, Self: float64(t.Self) / n, Critical: float64(t.Critical) / n,
		Serial: t.Serial(), Most: t.Most,
	}
}

// Difference is what two populations have at one path. Extra is how much longer requests of A take because
// of it: the difference of Critical, ns a request. All Extras sum to the difference of the mean durations.
type Difference struct {
	*Path
	A, B  Means
	Extra float64
	Share float64 // of the difference of the mean durations; 0 when there is none
}

// Compare sets a beside b, path by path, those with the largest difference first.
func Compare(a, b *Population) []Difference {
	var list []Difference
	whole := a.Mean() - b.Mean()
	put := func(p *Path) {
		d := Difference{Path: p, A: a.means(p), B: b.means(p)}
		d.Extra = d.A.Critical - d.B.Critical
		if whole != 0 {
			d.Share = d.Extra / whole
		}
		list = append(list, d)
	}
	for p := range a.paths {
		put(p)
	}
	for p := range b.paths {
		if a.paths[p] == nil {
			put(p)
		}
	}
	slices.SortFunc(list, func(x, y Difference) int {
		if c := cmp.Compare(math.Abs(y.Extra), math.Abs(x.Extra)); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(math.Abs(y.A.Calls-y.B.Calls), math.Abs(x.A.Calls-x.B.Calls)), comparePaths(x.Path, y.Path))
	})
	return list
}

// DifferenceTree is the same list in the order of the merged tree: a parent before its children, siblings by
// the difference at and below them, the largest first.
func DifferenceTree(list []Difference) []Difference {
	return asTree(list, func(d *Difference) *Path { return d.Path }, func(d *Difference) float64 { return d.Extra })
}

// comparePaths orders by depth, then by name from the root on.
func comparePaths(x, y *Path) int {
	if c := cmp.Compare(x.Depth, y.Depth); c != 0 || x == y {
		return c
	}
	if x.Parent != nil && y.Parent != nil {
		if c := comparePaths(x.Parent, y.Parent); c != 0 { // as deep as maxPathDepth
			return c
		}
	}
	return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Label, y.Label))
}

// asTree puts list into preorder: a parent before its children, siblings by the sum of weight at and below
// them, the heaviest first.
func asTree[T any](list []T, path func(*T) *Path, weight func(*T) float64) []T {
	slices.SortFunc(list, func(x, y T) int { return comparePaths(path(&x), path(&y)) })
	at := make(map[*Path]int, len(list))
	for i := range list {
		at[path(&list[i])] = i
	}
	sums := make([]float64, len(list))
	kids := make([][]int, len(list))
	var tops []int
	for i := len(list) - 1; i >= 0; i-- { // the deepest first
		sums[i] += weight(&list[i])
		if up, ok := at[path(&list[i]).Parent]; ok {
			sums[up] += sums[i]
			kids[up] = append(kids[up], i)
		} else {
			tops = append(tops, i)
		}
	}
	heaviest := func(rows []int) { // last, as a stack wants it
		slices.SortFunc(rows, func(x, y int) int { return cmp.Or(cmp.Compare(sums[x], sums[y]), cmp.Compare(y, x)) })
	}
	heaviest(tops)
	out := make([]T, 0, len(list))
	for stack := tops; len(stack) > 0; {
		i := stack[len(stack)-1]
		out = append(out, list[i])
		heaviest(kids[i])
		stack = append(stack[:len(stack)-1], kids[i]...)
	}
	return out
}

// Lift says how much more often requests of A have a trait than those of B. InA and InB are parts of the
// requests, 0 to 1; Times is their ratio, as careful as the number of requests demands.
type Lift struct {
	*Trait
	InA, InB float64
	Times    float64
}

// minLift is the part of A that must have a trait for it to be told of.
const minLift = 0.02

// sureness is how many standard deviations apart the parts of two populations have to be, each on its far side, to
// be told of: among hundreds of traits, chance makes a few that are two apart.
const sureness = 3

// wilson is the interval in which the part of all requests lies that have what n of these have (Wilson 1927): unlike
// others it is right for small numbers, too.
func wilson(n, of float64) (low, high float64) {
	if of == 0 {
		return 0, 1
	}
	const z2 = sureness * sureness
	p := n / of
	middle := (p + z2/(2*of)) / (1 + z2/of)
	width := sureness * math.Sqrt(p*(1-p)/of+z2/(4*of*of)) / (1 + z2/of)
	return middle - width, middle + width
}

// Lifts are the traits that requests of a have more often than those of b, beyond what chance makes. First come those that tell most: a
// difference that concerns many requests, then one that is large for its kind.
func Lifts(a, b *Population) []Lift {
	var list []Lift
	na, nb := float64(a.Requests), float64(b.Requests)
	for tr, n := range a.traits {
		l := Lift{Trait: tr, InA: float64(n) / na}
		if nb > 0 {
			l.InB = float64(b.traits[tr]) / nb
		}
		// Half a request is added on both sides: what was never seen in 20 requests may yet be in 2 %.
		l.Times = ((float64(n) + 0.5) / (na + 1)) / ((float64(b.traits[tr]) + 0.5) / (nb + 1))
		low, _ := wilson(float64(n), na)
		if _, high := wilson(float64(b.traits[tr]), nb); low > high && l.InA >= minLift && l.Times > 1 {
			list = append(list, l)
		}
	}
	score := func(l *Lift) float64 { return (l.InA - l.InB) * math.Log(l.Times) }
	slices.SortFunc(list, func(x, y Lift) int {
		if c := cmp.Compare(score(&y), score(&x)); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Key, y.Key), cmp.Compare(x.Value, y.Value))
	})
	return list
}

// Pattern is an execution pattern (Dapper, section 4 of its report): the requests whose trees have one shape,
// repeats folded. Durations are ns, quantiles by nearest rank.
type Pattern struct {
	ID            uint64
	Requests      int
	Errors        int
	Duration      int64 // sum
	P50, P95, Max int64
	Slowest       *Profile
	Typical       *Profile // the one of median duration
}

// Patterns groups profiles by pattern, those that took the most time first.
func Patterns(profiles []*Profile) []Pattern {
	by := map[uint64][]*Profile{}
	for _, r := range profiles {
		by[r.Pattern] = append(by[r.Pattern], r)
	}
	list := make([]Pattern, 0, len(by))
	for id, rs := range by {
		slices.SortFunc(rs, func(x, y *Profile) int {
			return cmp.Or(cmp.Compare(x.Duration, y.Duration), x.TraceID.Compare(y.TraceID))
		})
		rank := func(q float64) *Profile {
			return rs[min(max(int(math.Ceil(q*float64(len(rs)))), 1), len(rs))-1]
		}
		p := Pattern{ID: id, Requests: len(rs), Slowest: rs[len(rs)-1], Typical: rank(0.5)}
		p.P50, p.P95, p.Max = p.Typical.Duration, rank(0.95).Duration, p.Slowest.Duration
		for _, r := range rs {
			p.Duration = addSat(p.Duration, r.Duration)
			if r.Failed {
				p.Errors++
			}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(x, y Pattern) int {
		return cmp.Or(cmp.Compare(y.Duration, x.Duration), cmp.Compare(x.ID, y.ID))
	})
	return list
}

// Only are the paths of r that o does not have, but for those below another one of them.
func (r *Profile) Only(o *Profile) []*Path {
	has := map[*Path]bool{}
	for i := range o.Paths {
		has[o.Paths[i].Path] = true
	}
	var only []*Path
	for i := range r.Paths {
		if p := r.Paths[i].Path; !has[p] && (p.Parent == nil || has[p.Parent]) {
			only = append(only, p)
		}
	}
	return only
}
