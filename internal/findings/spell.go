package findings

import (
	"math"
	"slices"
	"time"
)

// The rule by which a finding resolves itself: a request of the endpoint used to have it with probability p; when none
// of the latest N has, they have it no more, or that is chance, which has the probability (1-p)^N.
const (
	leastWithout = 20    // requests, whatever the probability
	mostChance   = 1e-6  // that it is still there
	longWindow   = 2_000 // requests; beyond, older ones count less and less
)

// spell says how regularly the requests of an endpoint have a finding, and keeps how long those took up to the latest that
// had it, and how long those since.
type spell struct {
	Had    float64 `json:"had"` // of Before
	Before window  `json:"before"`
	After  window  `json:"after"`
	Since  int64   `json:"since,omitempty"` // start of the earliest request of After, Unix ns
}

// window is the mean and the variance of the durations of requests, and of what would be saved of them. A request counts in
// the means as often as sampling says (West 1979). Times are ns.
type window struct {
	N      float64 `json:"n"` // requests
	Weight float64 `json:"weight"`
	Second float64 `json:"second"` // sum of the squares of the weights
	Mean   float64 `json:"mean"`
	Square float64 `json:"square"` // sum of the weighted squares of what differs from the mean
	Saving float64 `json:"saving"` // mean; a request without the finding saves nothing
}

func (w *window) add(duration, saving, weight float64) {
	w.merge(window{N: 1, Weight: weight, Second: weight * weight, Mean: duration, Saving: saving})
}

// merge adds the requests of another window (Chan, Golub and LeVeque 1979).
func (w *window) merge(o window) {
	sum := w.Weight + o.Weight
	if sum <= 0 {
		return
	}
	part, d := o.Weight/sum, o.Mean-w.Mean
	w.Square += o.Square + d*d*w.Weight*part
	w.Mean += d * part
	w.Saving += (o.Saving - w.Saving) * part
	w.N, w.Weight, w.Second = w.N+o.N, sum, w.Second+o.Second
}

// errorOfMean is the variance of the mean. Requests that stand for different numbers tell as much of it as fewer that stand for the same (Kish 1965):
// with one for a thousand among a hundred for themselves, not much more than that one.
func (w *window) errorOfMean() float64 {
	n := w.N
	if w.Second > 0 {
		n = w.Weight * w.Weight / w.Second
	}
	if w.N < 2 || w.Weight <= 0 {
		return 0
	}
	return w.Square / w.Weight / max(n-1, 1)
}

// add counts a request that starts at a time, Unix ns; saving is 0 of one that does not have the finding. Traces are
// examined out of order: one that has it and started before all of After does not end After.
func (s *spell) add(has bool, start int64, duration, saving, weight float64) {
	if !has {
		if s.Before.N > 0 && s.After.N < longWindow { // what comes much later is another story
			if s.After.N == 0 || start < s.Since {
				s.Since = start
			}
			s.After.add(duration, 0, weight)
		}
		return
	}
	if start >= s.Since {
		s.Before.merge(s.After)
		s.After, s.Since = window{}, 0
	}
	s.Before.add(duration, saving, weight)
	s.Had++
	if s.Before.N > longWindow {
		b := &s.Before
		s.Had, b.N, b.Weight, b.Second, b.Square = s.Had/2, b.N/2, b.Weight/2, b.Second/2, b.Square/2
	}
}

// over says that it is no chance that the requests since have not had it. The probability is not the share that had it but the
// least that this share makes likely (Wilson's bound at two standard deviations), so few requests prove little.
func (s *spell) over() bool {
	if s.After.N < leastWithout || s.Before.N <= 0 {
		return false
	}
	const z2 = 4
	n, p := s.Before.N, s.Had/s.Before.N
	least := (p + z2/(2*n) - math.Sqrt(z2*(p*(1-p)/n+z2/(4*n*n)))) / (1 + z2/n)
	return s.After.N*math.Log1p(-least) < math.Log(mostChance)
}

// Mending compares the requests of an endpoint before and after they lost a finding. Times are ns, of one request of the
// endpoint on average, whether it had the finding or not.
type Mending struct {
	At        int64    // when it was resolved, Unix ns
	Together  []uint64 // other findings of the endpoint that went at the same time, as far as can be told; what they save cannot be told apart
	Estimated float64  // by which a request should be shorter, without any of them, and without what a query replaces beside them
	ByQuery   bool     // Estimated is of a query that was suggested, and of those findings that it would have left
	Measured  float64  // by which it is
	Error     float64  // of Measured, one standard error
	Before    Sample
	After     Sample
}

// Sample is some requests.
type Sample struct {
	Requests int64
	Mean     float64 // duration
}

// goneWith says whether requests lost both findings at the same time. One that few requests have was last seen some requests before that; so
// many must not be unlikely.
func (f *Finding) goneWith(o *Finding) bool {
	const (
		unlikely = 1e-3
		surely   = 1e-2 // that it is gone is not proven yet, but likely
		sameTime = int64(30 * time.Second)
	)
	early, late := &f.Spell, &o.Spell
	if early.After.N < late.After.N {
		early, late = late, early
	}
	switch {
	case o.Kind != f.Kind || o.Calls.N < leastRequests || late.After.N <= 0:
		return false
	case o.Spell.After.N*math.Log1p(-o.Spell.Had/o.Spell.Before.N) > math.Log(surely):
		return false
	case early.After.N >= longWindow: // there, counting ends
		return max(o.Last, f.Last)-min(o.Last, f.Last) <= sameTime
	}
	more := early.After.N - late.After.N
	return more == 0 || more*math.Log1p(-early.Had/early.Before.N) >= math.Log(unlikely)
}

// MendingAt compares before and after, or returns nil if the finding is not resolved, or too few requests came since. Others are
// the findings of the same endpoint.
func (f *Finding) MendingAt(now time.Time, others []*Finding) *Mending {
	if f.StateAt(now) != Resolved || f.Spell.After.N < leastWithout || f.Spell.Before.N < leastRequests {
		return nil
	}
	before, after := &f.Spell.Before, &f.Spell.After
	m := &Mending{
		At: max(f.ResolvedAt, f.GoneAt), Together: []uint64{}, Measured: before.Mean - after.Mean,
		Error:  math.Sqrt(before.errorOfMean() + after.errorOfMean()),
		Before: Sample{int64(math.Round(before.N)), before.Mean}, After: Sample{int64(math.Round(after.N)), after.Mean},
	}
	gone := []*Finding{f}
	for _, o := range others {
		if o.ID != f.ID && f.goneWith(o) {
			gone = append(gone, o)
			m.Together = append(m.Together, o.ID)
		}
	}
	slices.Sort(m.Together)
	q := new(Query)
	for _, o := range gone { // its own first
		if o.Query != nil && (o == f || slices.Contains(o.Query.Replaces, f.Label)) {
			q, m.ByQuery = o.Query, true
			break
		}
	}
	m.Estimated = q.Saving
	for _, o := range gone {
		if !slices.Contains(q.Replaces, o.Label) && (o != f || !m.ByQuery) {
			m.Estimated += o.Spell.Before.Saving
		}
	}
	return m
}
