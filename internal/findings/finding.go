package findings

import (
	"math"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/store"
)

// State is where a finding is in its life.
type State uint8

// The states. A Suspected finding is not shown: too few requests have it.
const (
	Suspected State = iota
	New             // for a day from when it was first seen
	Open
	Back     // seen again after it was resolved
	Muted    // somebody said that it is no problem
	Resolved // by somebody, or because requests no longer have it
)

var stateNames = [...]string{"suspected", "new", "open", "back", "muted", "resolved"}

// String is the state's name as the API has it.
func (s State) String() string { return stateNames[s] }

// States are the names of the states that are shown, in the order of a finding's life.
func States() []string { return append([]string(nil), stateNames[New:]...) }

// The rules of a finding's life.
const (
	leastRequests = 3                // that have it
	leastPart     = 0.01             // of the endpoint's requests of the last day that were examined
	newFor        = 24 * time.Hour   // then it is open
	goneAfter     = 24 * time.Hour   // without a request that has it …
	goneRequests  = 100              // … of at least so many: it is resolved, if it has not been before (see spell)
	grace         = 10 * time.Second // of requests that were under way when it was resolved
	maxEvidence   = 5
)

// Finding is one cause of slowness, proven by requests: one for each endpoint, path and kind. Its figures are of
// the requests of the endpoint that were examined since it was first seen; times are ns, moments are Unix ns.
type Finding struct {
	ID      uint64            `json:"id"`
	Kind    analyze.CauseKind `json:"kind"`
	Service string            `json:"service"` // of the endpoint
	Name    string            `json:"name"`    // of the endpoint
	Path    uint64            `json:"path"`
	Caller  string            `json:"caller"` // the service that calls
	Label   string            `json:"label"`  // what it calls; of a serial fan-out, the caller
	Steps   []string          `json:"steps"`  // from the root to it, the root's left out
	Site    analyze.CodeSite  `json:"site,omitzero"`

	First    int64      `json:"first"` // start of the earliest request that had it
	Last     int64      `json:"last"`  // start of the latest request that had it
	Days     days       `json:"days"`
	Counts   moments    `json:"counts"` // calls of one caller against the request's duration, of every request of the endpoint
	Calls    series     `json:"calls"`  // of one caller, of the requests that have it
	Saving   series     `json:"saving"`
	Covered  float64    `json:"covered"`
	Alone    float64    `json:"alone"`
	Distinct float64    `json:"distinct"`
	Evidence []Evidence `json:"evidence"`
	Spell    spell      `json:"spell"`
	Query    *Query     `json:"query,omitempty"` // suggested when somebody last looked at the finding; never changed, but replaced

	MutedAt    int64  `json:"mutedAt,omitempty"`
	MutedUntil int64  `json:"mutedUntil,omitempty"` // 0: for good
	Reason     string `json:"reason,omitempty"`     // why it is muted, in somebody's words
	ResolvedAt int64  `json:"resolvedAt,omitempty"` // by somebody
	GoneAt     int64  `json:"goneAt,omitempty"`     // when requests had proven that they have it no more
	BackAt     int64  `json:"backAt,omitempty"`
}

// Query is what a query in place of the finding's calls would save. It may replace other calls of the request too.
type Query struct {
	Replaces []string `json:"replaces"` // labels of calls
	Requests int      `json:"requests"` // that the estimate is of
	Saving   float64  `json:"saving"`   // ns of a request of the endpoint, on average, whether it has the finding or not
}

// Evidence is a request that has the finding.
type Evidence struct {
	TraceID  string `json:"traceId"`
	SpanID   string `json:"spanId"` // the root's
	Start    int64  `json:"start"`
	Duration int64  `json:"duration"`
	Calls    int    `json:"calls"`
	Saving   int64  `json:"saving"`
}

// series are observations: how many, for how many they stand and the sum of these, the ends, and how they spread.
type series struct {
	N      int64        `json:"n"`
	Weight float64      `json:"weight"`
	Sum    float64      `json:"sum"`
	Least  int64        `json:"least"`
	Most   int64        `json:"most"`
	Spread store.Sketch `json:"spread"` // of the observations themselves
}

// settle makes a series of a file that had no weights one in which all are 1.
func (s *series) settle() {
	if s.Weight == 0 {
		s.Weight = float64(s.N)
	}
}

func (s *series) add(v int64, weight float64) {
	if s.N == 0 {
		s.Least, s.Most = v, v
	}
	s.Least, s.Most = min(s.Least, v), max(s.Most, v)
	s.N++
	s.Weight += weight
	s.Sum += float64(v) * weight
	s.Spread.Add(v)
}

func (s *series) mean() float64 {
	if s.N == 0 {
		return 0
	}
	return s.Sum / s.Weight
}

// median is a sketch's, which is near to it, but not beyond the ends.
func (s *series) median() float64 { return float64(min(max(s.Spread.Quantile(0.5), s.Least), s.Most)) }

// moments are the sums of which the variance of x and its correlation with y are made, kept around their means as
// they come (Welford 1962), so that large numbers do not cancel.
type moments struct {
	N     float64 `json:"n"`
	MeanX float64 `json:"meanX"`
	MeanY float64 `json:"meanY"`
	XX    float64 `json:"xx"`
	YY    float64 `json:"yy"`
	XY    float64 `json:"xy"`
}

func (m *moments) add(x, y float64) {
	m.N++
	dx, dy := x-m.MeanX, y-m.MeanY
	m.MeanX += dx / m.N
	m.MeanY += dy / m.N
	m.XX += dx * (x - m.MeanX)
	m.YY += dy * (y - m.MeanY)
	m.XY += dx * (y - m.MeanY)
}

// variation is the standard deviation of x, in means of it.
func (m *moments) variation() float64 {
	if m.N < 2 || m.MeanX <= 0 {
		return 0
	}
	return math.Sqrt(max(m.XX, 0)/m.N) / m.MeanX
}

// correlation of x and y (Pearson's), 0 when one of them does not vary.
func (m *moments) correlation() float64 {
	if m.XX <= 0 || m.YY <= 0 {
		return 0
	}
	return min(max(m.XY/math.Sqrt(m.XX*m.YY), -1), 1)
}

// days counts requests of the last day, by hour. A request counts as often as sampling says, the tracer's and ours, where the figures are for people; as
// one where they are to prove something.
type days struct {
	Hours [hours]hour `json:"hours"`
}

const hours = 24

type hour struct {
	At       int64   `json:"at"`       // hours since 1970
	Requests int64   `json:"requests"` // of the endpoint that were examined
	Examined float64 `json:"examined"` // requests of the endpoint that these stand for
	Touched  float64 `json:"touched"`  // of these, that have the finding
	Saving   float64 `json:"saving"`   // ns
}

func (d *days) at(now time.Time) *hour {
	at := now.Unix() / 3600
	h := &d.Hours[at%hours]
	if h.At != at {
		*h = hour{At: at}
	}
	return h
}

// lastDay sums the hours of the day before now, and says how much of a day that is.
func (d *days) lastDay(now, first time.Time) (sum hour, part float64) {
	at := now.Unix() / 3600
	for i := range d.Hours {
		if h := &d.Hours[i]; h.At > at-hours && h.At <= at {
			sum.Examined += h.Examined
			sum.Touched += h.Touched
			sum.Saving += h.Saving
		}
	}
	// Not less than an hour: a minute says little of a day.
	return sum, min(max(now.Sub(first), time.Hour), 24*time.Hour).Hours() / 24
}

// sinceLast counts requests examined in hours after that of the latest touch.
func (d *days) sinceLast(now time.Time, last int64) (requests int64) {
	at := now.Unix() / 3600
	for i := range d.Hours {
		if h := &d.Hours[i]; h.At > at-hours && h.At <= at && h.At > last/int64(time.Hour) {
			requests += h.Requests
		}
	}
	return requests
}

// StateAt is the finding's state at a time.
func (f *Finding) StateAt(now time.Time) State {
	ns := now.UnixNano()
	switch {
	case f.MutedAt > 0 && (f.MutedUntil == 0 || ns < f.MutedUntil):
		return Muted
	case f.ResolvedAt > 0 && f.Last <= f.ResolvedAt+int64(grace):
		return Resolved
	case f.Calls.N < leastRequests:
		return Suspected
	case f.gone(now):
		return Resolved
	case f.BackAt > 0 && ns-f.BackAt < int64(newFor):
		return Back // what was proven once is news with its first request
	}
	day, _ := f.Days.lastDay(now, time.Unix(0, f.First))
	switch {
	case day.Touched < leastPart*day.Examined:
		return Suspected
	case ns-f.First < int64(newFor):
		return New
	}
	return Open
}

// gone says that enough requests have come since without it.
func (f *Finding) gone(now time.Time) bool {
	return f.GoneAt > 0 || now.UnixNano()-f.Last >= int64(goneAfter) && f.Days.sinceLast(now, f.Last) >= goneRequests
}

// Shown is the kind as it is shown. Calls whose number never varies do not grow with the data: what could be done
// is to make them at once.
func (f *Finding) Shown() analyze.CauseKind {
	if f.Kind == analyze.Chatty && f.Counts.N >= enough && f.Counts.XX == 0 {
		return analyze.SerialFanOut
	}
	return f.Kind
}

// enough requests to believe a variance.
const enough = 20

// Confidence is from 0 to 1: how sure it is that mending this makes requests faster. Repeats are suspect because they
// grow with something: when their number varies from request to request, and slow requests have more. What is
// always the same number may be meant so. A retry is a retry.
func (f *Finding) Confidence() float64 {
	seen := min(f.Counts.N/enough, 1)
	switch f.Kind {
	case analyze.Chatty:
		if f.Counts.N >= enough && f.Counts.XX == 0 {
			return 0.2
		}
		c := 0.4 + 0.3*seen*min(f.Counts.variation(), 1) + 0.3*seen*max(f.Counts.correlation(), 0)
		return min(c, 0.99)
	case analyze.SerialFanOut:
		return 0.3 // whether one needs another's answer cannot be seen
	case analyze.SlowCall:
		if f.sometimes() {
			return 0.5 + 0.3*seen
		}
		return 0.5
	case analyze.RetryStorm:
		return 0.9
	}
	return 0
}

// sometimes says that the call is much slower than usual when it is the cause, and not always.
func (f *Finding) sometimes() bool {
	return f.Counts.N >= enough && f.Counts.MeanX > 0 && float64(f.Calls.N) < 0.5*f.Counts.N
}

// Figures are what a finding comes to.
type Figures struct {
	State        State
	Requests     int64   // examined, that have it
	Of           int64   // examined, of the endpoint
	Part         float64 // of the last day's
	PerDay       float64 // requests a day that have it, by estimate
	Calls        float64 // median of one caller's
	MostCalls    int64
	LeastCalls   int64
	Variation    float64 // of the number of calls, in means of it
	Correlation  float64 // of the number of calls with the duration of the request
	Serial       float64 // share of the calls' time in which one ran alone
	Distinct     float64 // part of the calls that differ in name or attributes
	Saving       float64 // mean of the requests that have it, ns
	SavingPerDay float64 // ns a day, by estimate
	Confidence   float64
}

// FiguresAt sums the finding up.
func (f *Finding) FiguresAt(now time.Time) Figures {
	day, part := f.Days.lastDay(now, time.Unix(0, f.First))
	x := Figures{
		State: f.StateAt(now), Requests: f.Calls.N, Of: int64(f.Counts.N),
		PerDay: day.Touched / part, SavingPerDay: day.Saving / part,
		Calls: f.Calls.median(), MostCalls: f.Calls.Most, LeastCalls: f.Calls.Least,
		Variation: f.Counts.variation(), Correlation: f.Counts.correlation(), Serial: 1, Saving: f.Saving.mean(), Confidence: f.Confidence(),
	}
	if day.Examined > 0 {
		x.Part = day.Touched / day.Examined
	}
	if f.Covered > 0 {
		x.Serial = f.Alone / f.Covered
	}
	if f.Calls.Sum > 0 {
		x.Distinct = f.Distinct / f.Calls.Sum
	}
	return x
}
