package analyze

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Path is a place in a tree of calls: what was called, by what was called before it, from the root on.
// Calls of one path do the same thing for the same reason. Two requests that go the same way have the same
// paths, and the same pointers when one Profiler made both.
type Path struct {
	Parent  *Path // nil at the root
	Service string
	Label   string // what is called (see label); of the root, its name
	ID      uint64 // a hash of the steps, the same in every process
	Depth   int    // 0 at the root
}

// PathStats is what happened at one path. Times are ns, summed over the calls. A call is a span, its server
// half included where both halves are stored.
type PathStats struct {
	*Path
	Count    int
	Errors   int   // calls of which either half failed
	Most     int   // the most calls that one caller made
	Total    int64 // durations
	Self     int64 // without what children took
	Critical int64 // on the critical path of the request, in the calls themselves
	Covered  int64 // time in which at least one call ran
	Alone    int64 // time in which exactly one did
}

// Serial is the share of the time covered by the calls in which exactly one ran.
func (s *PathStats) Serial() float64 {
	if s.Covered == 0 {
		return 1
	}
	return float64(s.Alone) / float64(s.Covered)
}

func (s *PathStats) add(o *PathStats) {
	s.Count += o.Count
	s.Errors += o.Errors
	s.Most = max(s.Most, o.Most)
	s.Total = addSat(s.Total, o.Total)
	s.Self = addSat(s.Self, o.Self)
	s.Critical = addSat(s.Critical, o.Critical)
	s.Covered = addSat(s.Covered, o.Covered)
	s.Alone = addSat(s.Alone, o.Alone)
}

// Profile is one request, merged by path: small enough to keep for thousands of requests.
type Profile struct {
	TraceID  span.TraceID
	SpanID   span.ID // the root's
	Start    int64   // Unix ns
	Duration int64
	Failed   bool // the root's status is error
	Spans    int

	// Paths has the request's paths, parents before children, siblings in order of their first call;
	// the root is the first. Their Critical sums to Duration.
	Paths []PathStats

	// Traits are the distinct attributes of the request; Examine leaves them out.
	Traits []*Trait

	// Pattern names the shape of the tree: it is equal in requests that have the same paths, however often
	// they go each.
	Pattern uint64
}

// Trait is an attribute that a request has somewhere: on its root span (Service is ""), or on the resource
// of a service that took part. Keys are as filters name them.
type Trait struct{ Service, Key, Value string }

// maxPathDepth bounds the steps of a path; what lies deeper is one path, called "…".
const maxPathDepth = 100

// maxPaths bounds the paths and the traits that a Profiler tells apart; what comes later is called "…" or
// left out.
const (
	maxPaths  = 50_000
	maxTraits = 200_000
)

// Profiler makes profiles that share their paths and traits. It may be used concurrently.
type Profiler struct {
	mu     sync.Mutex
	paths  map[step]*Path
	traits map[Trait]*Trait
}

type step struct {
	parent         *Path
	service, label string
}

// NewProfiler returns a Profiler that knows no path yet.
func NewProfiler() *Profiler {
	return &Profiler{paths: map[step]*Path{}, traits: map[Trait]*Trait{}}
}

// Full says that the Profiler has met more paths or traits than it tells apart.
func (f *Profiler) Full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.paths) >= maxPaths || len(f.traits) >= maxTraits
}

const elsewhere = "…"

// path is the path one step below parent.
func (f *Profiler) path(parent *Path, service, label string) *Path {
	depth := 0
	if parent != nil {
		depth = parent.Depth + 1
		if parent.Label == elsewhere && parent.Depth >= maxPathDepth {
			return parent
		}
		if depth >= maxPathDepth {
			service, label = parent.Service, elsewhere
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := step{parent, service, label}
	if p := f.paths[key]; p != nil {
		return p
	}
	if len(f.paths) >= maxPaths {
		key.label = elsewhere
		if p := f.paths[key]; p != nil {
			return p
		}
	}
	p := &Path{Parent: parent, Service: service, Label: key.label, Depth: depth}
	p.ID = hashStep(parent, service, key.label)
	f.paths[key] = p
	return p
}

func hashStep(parent *Path, service, label string) uint64 {
	h := fnv.New64a()
	var up [8]byte
	if parent != nil {
		binary.LittleEndian.PutUint64(up[:], parent.ID)
	}
	_, _ = h.Write(up[:]) // a hash takes everything
	_, _ = h.Write([]byte(service))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(label))
	return mix(h.Sum64())
}

// mix spreads the bits of x (the finaliser of splitmix64), so that sums of hashes are hashes.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// maxTrait bounds a value that is worth comparing, in bytes.
const maxTrait = 200

func (f *Profiler) trait(t Trait) *Trait {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.traits[t]; known != nil {
		return known
	}
	if len(f.traits) >= maxTraits {
		return nil
	}
	known := &t
	f.traits[t] = known
	return known
}

// Profile merges what lies at and below position p, the root of the request.
func (f *Profiler) Profile(t *Tree, p int) *Profile {
	r, _ := f.profile(t, p)
	f.traitsOf(t, p, r)
	return r
}

// profile also says for each position, from p on, which of the paths it belongs to.
func (f *Profiler) profile(t *Tree, p int) (_ *Profile, place []int32) {
	row := int(t.Row[p])
	r := &Profile{
		TraceID: t.Batch.TraceID[row], SpanID: t.Batch.SpanID[row], Start: t.Start + t.Offset[p], Duration: t.Length[p],
		Failed: t.Flags[p]&Failed != 0, Spans: int(t.End[p]) - p,
	}
	place = f.merge(t, p, r)
	r.measure(t, p, place)
	for i := range r.Paths {
		r.Pattern += mix(r.Paths[i].ID)
	}
	return r, place
}

// merge makes the paths and says for each position, from p on, which of r.Paths it belongs to. A server half
// belongs to its client half's.
func (f *Profiler) merge(t *Tree, p int, r *Profile) (place []int32) {
	type child struct {
		up             int32
		service, label string
	}
	n := int(t.End[p]) - p
	place = make([]int32, n)
	made := map[child]int32{}
	known := map[*Path]int32{}
	calls := map[callGroup]int{}
	for i := range n {
		q := p + i
		up := int32(-1)
		if i > 0 {
			up = place[int(t.Parent[q])-p]
			if t.Flags[q]&ServerHalf != 0 {
				place[i] = up
				continue
			}
		}
		key := child{up, t.Services[t.Service[q]], ""}
		if i > 0 {
			key.label = label(t.Batch, int(t.Row[q]), t.Types[t.Type[q]])
		} else {
			key.label = cut(maskName(t.Names[t.Name[q]])) // its type may have the host of whoever asked
		}
		at, ok := made[key]
		if !ok {
			var parent *Path
			if up >= 0 {
				parent = r.Paths[up].Path
			}
			path := f.path(parent, key.service, key.label)
			if at, ok = known[path]; !ok {
				at = int32(len(r.Paths))
				r.Paths = append(r.Paths, PathStats{Path: path})
				known[path] = at
			}
			made[key] = at
		}
		place[i] = at
		r.Paths[at].Count++
		caller := int32(-1)
		if i > 0 {
			caller = callerOf(t, q, p)
		}
		calls[callGroup{caller, at}]++
		r.Paths[at].Most = max(r.Paths[at].Most, calls[callGroup{caller, at}])
	}
	return place
}

// measure sums the times of the paths.
func (r *Profile) measure(t *Tree, p int, place []int32) {
	n := len(place)
	rows := make([]int32, 0, n)
	failed := make([]bool, n) // of calls: either half did
	for i := range n {
		q := p + i
		s := &r.Paths[place[i]]
		s.Self = addSat(s.Self, t.Self[q])
		call := i
		if t.Flags[q]&ServerHalf != 0 && i > 0 {
			call = int(t.Parent[q]) - p
		} else {
			s.Total = addSat(s.Total, t.Length[q])
			rows = append(rows, int32(q))
		}
		if t.Flags[q]&Failed != 0 && !failed[call] {
			failed[call] = true
			s.Errors++
		}
	}
	for _, s := range t.CriticalPath(p) {
		r.Paths[place[int(s.Row)-p]].Critical += s.To - s.From
	}

	// By path, then by start: each path's calls are then a run, of which sweep finds what they cover.
	slices.SortFunc(rows, func(x, y int32) int {
		if c := cmp.Compare(place[int(x)-p], place[int(y)-p]); c != 0 {
			return c
		}
		return cmp.Compare(t.Offset[x], t.Offset[y])
	})
	var ends []int64
	for from := 0; from < len(rows); {
		at := place[int(rows[from])-p]
		to := from
		ends = ends[:0]
		for ; to < len(rows) && place[int(rows[to])-p] == at; to++ {
			ends = append(ends, t.Offset[rows[to]]+t.Length[rows[to]])
		}
		slices.Sort(ends)
		r.Paths[at].Alone, r.Paths[at].Covered = t.sweep(rows[from:to], ends)
		from = to
	}
}

func (f *Profiler) traitsOf(t *Tree, p int, r *Profile) {
	b := t.Batch
	put := func(service, prefix string, attrs span.Range) {
		for _, a := range b.Values[attrs.From:attrs.To] {
			if a.Type.IsText() && a.Text().Len > maxTrait || a.Type == span.List || a.Type == span.Map || a.Type == span.Null {
				continue
			}
			key := b.String(a.Key)
			if prefix == "resource." && key == "service.name" {
				continue
			}
			if tr := f.trait(Trait{service, prefix + key, b.Value(a).String()}); tr != nil {
				r.Traits = append(r.Traits, tr)
			}
		}
	}
	row := t.Row[p]
	put("", "span.", b.Attrs[row])
	done := make([]bool, len(b.Resources))
	for q := p; q < int(t.End[p]); q++ {
		if i := b.Resource[t.Row[q]]; !done[i] {
			done[i] = true
			put(t.Services[t.Service[q]], "resource.", b.Resources[i].Attrs)
		}
	}
	slices.SortFunc(r.Traits, func(x, y *Trait) int {
		return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Key, y.Key), cmp.Compare(x.Value, y.Value))
	})
	r.Traits = slices.Compact(r.Traits)
}
