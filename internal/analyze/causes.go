package analyze

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
)

// CauseKind says in which way a request wastes time.
type CauseKind uint8

// The kinds of causes.
const (
	// Chatty is one caller that makes the same call again and again, mostly one after the other: n×k calls
	// that one call for many could replace.
	Chatty CauseKind = iota
	// SerialFanOut is one caller that makes different calls one after the other, which might run at once.
	SerialFanOut
	// SlowCall is a single call, or a step of the program's own work that has a span, for which the request
	// waits much of its time.
	SlowCall
	// RetryStorm is a call that failed and was made again, more than once.
	RetryStorm
)

var causeNames = [...]string{"chatty", "serial-fan-out", "slow-call", "retry-storm"}

// String is the kind's name as the API has it.
func (k CauseKind) String() string { return causeNames[k] }

// CauseKinds are the names of all kinds, by number.
func CauseKinds() []string { return slices.Clone(causeNames[:]) }

// Cause is what one request wastes at one path. Times are ns.
type Cause struct {
	Kind CauseKind
	// Path is what was called too often, too slowly or in vain; of a SerialFanOut, who called.
	Path     *Path
	Calls    int   // by one caller
	Distinct int   // of these, how many differ in name or attributes; 1 may also mean that nothing recorded tells them apart
	Covered  int64 // time in which at least one of the calls ran
	Alone    int64 // time in which exactly one did
	Longest  int64 // of the calls
	Saving   int64 // by which the request might be shorter, by estimate

	Site CodeSite // where the calls are made, if their spans say
	Rows []int32  // positions of the calls, in order of start
}

// The rules. A repeated call is chatty as Sentry and Datadog define an N+1, without asking that the repeats
// follow each other; what is a multiple of cores or shards stays below leastRepeats.
const (
	leastRepeats  = 5
	leastSerial   = 0.5
	leastPart     = 0.10 // of the caller's time
	leastTime     = int64(50 * time.Millisecond)
	leastPartTime = int64(2 * time.Millisecond) // below, not even a large part matters

	fanOutPaths  = 3
	fanOutSerial = 0.8
	fanOutPart   = 0.5  // of the caller's time
	fanOutLeast  = 0.05 // of all, by each of the paths
	fanOutMost   = 0.6  // of all, by the longest call: else that is the cause

	slowPart = 0.3 // of the request's time
	slowTime = int64(100 * time.Millisecond)

	leastRetries = 2 // failures that were followed by another attempt
)

// Examine makes the profile of a request, and names what it wastes: at most one cause of a kind for each path,
// the one that costs most. The profile is without traits, of which whoever examines everything would soon know
// too many.
func (f *Profiler) Examine(t *Tree, p int) (*Profile, []Cause) {
	r, place := f.profile(t, p)
	e := examiner{tree: t, root: p, place: place, profile: r, groups: map[callGroup][]int32{}}
	e.collect()
	worst := map[causeAt]Cause{}
	put := func(c Cause, ok bool) {
		if at := (causeAt{c.Kind, c.Path}); ok && (worst[at].Path == nil || worst[at].Saving < c.Saving) {
			worst[at] = c
		}
	}
	callers := map[int32][]int32{} // calls by caller
	for _, g := range e.order {
		rows := e.groups[g]
		callers[g.caller] = append(callers[g.caller], rows...)
		retry, isRetry := e.retries(g, rows)
		put(retry, isRetry)
		if !isRetry {
			c, ok := e.chatty(g, rows)
			put(c, ok)
		}
	}
	done := map[int32]bool{}
	for _, g := range e.order {
		if !done[g.caller] {
			done[g.caller] = true
			c, ok := e.fanOut(g.caller, callers[g.caller])
			put(c, ok)
		}
	}
	for i := range r.Paths {
		c, ok := e.slow(&r.Paths[i])
		put(c, ok)
	}
	causes := make([]Cause, 0, len(worst))
	for _, c := range worst {
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(x, y Cause) int {
		return cmp.Or(cmp.Compare(y.Saving, x.Saving), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Path.ID, y.Path.ID))
	})
	return r, causes
}

type causeAt struct {
	kind CauseKind
	path *Path
}

// callGroup are the calls of one path that one caller made. A caller is a position; its server half is part of it.
type callGroup struct{ caller, at int32 }

type examiner struct {
	tree    *Tree
	root    int
	place   []int32 // of each position from root on: its path in the profile
	profile *Profile
	groups  map[callGroup][]int32 // positions in order of start
	order   []callGroup           // of the first call
}

// callerOf is who made the call at position q: the client half, where the parent is a server half.
func callerOf(t *Tree, q, root int) int32 {
	up := t.Parent[q]
	if int(up) > root && t.Flags[up]&ServerHalf != 0 {
		up = t.Parent[up]
	}
	return up
}

// collect gathers the calls to others, by caller and path.
func (e *examiner) collect() {
	t := e.tree
	remote := e.remote()
	for q := e.root + 1; q < int(t.End[e.root]); q++ {
		if t.Flags[q]&ServerHalf != 0 || !remote[q-e.root] {
			continue
		}
		g := callGroup{callerOf(t, q, e.root), e.place[q-e.root]}
		if e.groups[g] == nil {
			e.order = append(e.order, g)
		}
		e.groups[g] = append(e.groups[g], int32(q))
	}
	for _, rows := range e.groups {
		slices.SortStableFunc(rows, func(x, y int32) int { return cmp.Compare(t.Offset[x], t.Offset[y]) })
	}
}

// remote says of each position whether something outside the process was asked there or below: the body of a
// loop is a call when it makes calls. Receiving a message is none.
func (e *examiner) remote() []bool {
	t := e.tree
	is := make([]bool, len(e.place))
	for q := int(t.End[e.root]) - 1; q > e.root; q-- {
		switch t.Batch.Kind[t.Row[q]] {
		case span.KindClient, span.KindServer, span.KindProducer:
			is[q-e.root] = true
		case span.KindConsumer:
			continue
		case span.KindUnspecified, span.KindInternal:
		}
		if is[q-e.root] {
			is[int(t.Parent[q])-e.root] = true
		}
	}
	return is
}

// times sums rows, which are in order of start.
func (e *examiner) times(c *Cause, rows []int32) {
	t := e.tree
	ends := make([]int64, len(rows))
	for i, q := range rows {
		ends[i] = t.Offset[q] + t.Length[q]
		c.Longest = max(c.Longest, t.Length[q])
	}
	slices.Sort(ends)
	c.Calls, c.Rows = len(rows), rows
	c.Alone, c.Covered = t.sweep(rows, ends)
	c.Saving = max(c.Covered-c.Longest, 0)
}

func (e *examiner) chatty(g callGroup, rows []int32) (c Cause, ok bool) {
	if len(rows) < leastRepeats || e.fetches(rows[0]) {
		return c, false
	}
	c = Cause{Kind: Chatty, Path: e.profile.Paths[g.at].Path, Site: e.callSite(rows, g.caller)}
	e.times(&c, rows)
	whole := e.tree.Length[g.caller]
	if float64(c.Alone) < leastSerial*float64(c.Covered) ||
		c.Covered < leastTime && (float64(c.Covered) < leastPart*float64(whole) || c.Covered < leastPartTime) {
		return c, false
	}
	seen := map[uint64]bool{}
	for _, q := range rows {
		seen[e.identity(q)] = true
	}
	c.Distinct = len(seen)
	// Of n calls one is left, of the usual length: what it takes more for n things, nobody knows yet. (Not of the longest: of many
	// calls that is an outlier.)
	var sum int64
	for _, q := range rows {
		sum = addSat(sum, e.tree.Length[q])
	}
	c.Saving = max(c.Covered-sum/int64(len(rows)), 0)
	return c, true
}

// fetches says that the call reads on from where the one before stopped: rows of one result, which cannot be
// asked for at once.
func (e *examiner) fetches(q int32) bool {
	b, row := e.tree.Batch, e.tree.Row[q]
	if r := b.Attrs[row]; !hasText(b, r, "db.system.name") && !hasText(b, r, "db.system") {
		return false
	}
	texts := []string{b.String(b.Name[row])}
	for _, key := range [...]string{"db.operation.name", "db.operation", "db.query.text", "db.statement"} {
		if a, ok := b.Lookup(b.Attrs[row], key); ok && a.Type == span.String {
			texts = append(texts, b.String(a.Text()))
		}
	}
	for _, s := range texts {
		s = strings.ToLower(s[:min(len(s), 64)])
		word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
		if word == "fetch" || strings.HasPrefix(word, "fetchmany") || strings.HasPrefix(word, "getmore") || strings.Contains(word, "cursor") {
			return true
		}
	}
	return false
}

var identitySeed = maphash.MakeSeed()

// identity is a hash of what tells a call from others of its path: its name and attributes, but for those that
// say how it ended or who made it.
func (e *examiner) identity(q int32) uint64 {
	b, row := e.tree.Batch, e.tree.Row[q]
	var h maphash.Hash
	h.SetSeed(identitySeed)
	_, _ = h.Write(b.Bytes(b.Name[row])) // a hash takes everything
	for _, a := range b.Values[b.Attrs[row].From:b.Attrs[row].To] {
		key := b.Bytes(a.Key)
		if !tellsApart(string(key)) {
			continue
		}
		_, _ = h.Write(key)
		if a.Type.IsText() {
			_, _ = h.Write(b.Bytes(a.Text()))
		} else {
			maphash.WriteComparable(&h, a.Num)
		}
	}
	return h.Sum64()
}

func tellsApart(key string) bool {
	for _, part := range [...]string{"error", "status", "exception", "resend", "retry", "attempt", "thread", "response", "network.", "duration", "hit"} {
		if strings.Contains(key, part) {
			return false
		}
	}
	return true
}

// retries finds the longest run of calls that failed and were then made again, to the same end.
func (e *examiner) retries(g callGroup, rows []int32) (c Cause, ok bool) {
	t := e.tree
	failed := func(q int32) bool {
		if t.Flags[q]&Failed != 0 {
			return true
		}
		for _, h := range t.Children(int(q)) {
			if t.Flags[h]&(Failed|ServerHalf) == Failed|ServerHalf {
				return true
			}
		}
		return false
	}
	best, bestFrom := 0, 0
	for from := 0; from < len(rows); {
		to := from
		for to+1 < len(rows) && failed(rows[to]) && t.Offset[rows[to+1]] >= t.Offset[rows[to]]+t.Length[rows[to]] &&
			e.identity(rows[to]) == e.identity(rows[to+1]) {
			to++
		}
		if to-from > best {
			best, bestFrom = to-from, from
		}
		from = to + 1
	}
	if best < leastRetries {
		return c, false
	}
	run := rows[bestFrom : bestFrom+best+1]
	c = Cause{Kind: RetryStorm, Path: e.profile.Paths[g.at].Path, Distinct: 1, Site: e.callSite(rows, g.caller)}
	e.times(&c, run)
	c.Saving = t.Offset[run[best]] - t.Offset[run[0]]
	return c, true
}

// fanOut looks at all that a caller calls.
func (e *examiner) fanOut(caller int32, rows []int32) (c Cause, ok bool) {
	t := e.tree
	// A path counts when it matters; one that repeats often is another story.
	var all int64
	took, n := map[int32]int64{}, map[int32]int{}
	for _, q := range rows {
		at := e.place[int(q)-e.root]
		took[at] += t.Length[q]
		all += t.Length[q]
		if n[at]++; n[at] >= leastRepeats {
			return c, false
		}
	}
	paths := 0
	for _, ns := range took {
		if float64(ns) >= fanOutLeast*float64(all) {
			paths++
		}
	}
	if paths < fanOutPaths {
		return c, false
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(x, y int32) int { return cmp.Compare(t.Offset[x], t.Offset[y]) })
	c = Cause{Kind: SerialFanOut, Path: e.profile.Paths[e.place[int(caller)-e.root]].Path, Distinct: paths}
	e.times(&c, rows)
	return c, float64(c.Alone) >= fanOutSerial*float64(c.Covered) && c.Covered >= leastTime &&
		float64(c.Covered) >= fanOutPart*float64(t.Length[caller]) && float64(c.Longest) <= fanOutMost*float64(c.Covered)
}

// slow looks at one path: a call or a step, made once or twice, for which the request waits.
func (e *examiner) slow(s *PathStats) (c Cause, ok bool) {
	if s.Parent == nil || s.Count > 2 || s.Critical < slowTime || float64(s.Critical) < slowPart*float64(e.profile.Duration) {
		return c, false
	}
	c = Cause{Kind: SlowCall, Path: s.Path, Distinct: s.Count}
	var rows []int32
	for q := e.root + 1; q < int(e.tree.End[e.root]); q++ {
		if &e.profile.Paths[e.place[q-e.root]] != s || e.tree.Flags[q]&ServerHalf != 0 {
			continue
		}
		if e.tree.Batch.Kind[e.tree.Row[q]] == span.KindConsumer {
			return c, false // nobody waits for a message
		}
		rows = append(rows, int32(q))
	}
	slices.SortStableFunc(rows, func(x, y int32) int { return cmp.Compare(e.tree.Offset[x], e.tree.Offset[y]) })
	e.times(&c, rows)
	c.Saving = s.Critical
	return c, len(rows) > 0
}
