// Package findings remembers what requests waste. Traces are watched as they are stored; when one has been quiet for
// a few seconds it is read whole and examined ([analyze.Profiler.Examine]), and what it wastes is entered in a
// [Book]: one [Finding] for each endpoint, path and kind, with its evidence and a life of its own (new, open,
// muted, resolved, back). [Watcher] is the shell around the pure parts: a store that tells of what is appended, a
// goroutine, and a file.
//
// # The file
//
// findings.json in the data directory is one JSON object, {"version": 1, "until": …, "left": […], "findings": […]}: [Finding]s, the time
// up to which they know the traces, and the traces of before that were still to be examined. It is
// written whole beside itself and renamed, so that a crash leaves the old one or the new one. One that cannot be
// read is set aside as findings.json.bad.
package findings

import (
	"cmp"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/store"
)

// Bounds of a Book.
const (
	maxFindings   = 5000
	maxOfEndpoint = 100
)

// endpoint names where findings belong.
type endpoint struct{ service, name string }

// Book holds the findings. It is not safe for concurrent use, knows no clock, and does no I/O.
type Book struct {
	byID map[uint64]*Finding
	of   map[endpoint][]*Finding
}

// NewBook makes a book of findings that were kept.
func NewBook(kept []*Finding) *Book {
	b := &Book{byID: map[uint64]*Finding{}, of: map[endpoint][]*Finding{}}
	for _, f := range kept {
		if f.sound() && b.byID[f.ID] == nil && len(b.byID) < maxFindings && len(b.of[endpoint{f.Service, f.Name}]) < maxOfEndpoint {
			f.Calls.settle()
			f.Saving.settle()
			b.put(f)
		}
	}
	return b
}

// sound says that the finding can be worked with, wherever it came from.
func (f *Finding) sound() bool {
	const buckets = 64 * 32 // of all durations there are
	sketch := func(s *store.Sketch) bool { return s.First >= -1 && s.First <= buckets && len(s.Counts) <= buckets }
	return int(f.Kind) < len(analyze.CauseKinds()) && sketch(&f.Calls.Spread) && sketch(&f.Saving.Spread)
}

func (b *Book) put(f *Finding) {
	at := endpoint{f.Service, f.Name}
	b.byID[f.ID], b.of[at] = f, append(b.of[at], f)
}

// All are the findings, in no order.
func (b *Book) All() []*Finding {
	list := make([]*Finding, 0, len(b.byID))
	for _, f := range b.byID {
		list = append(list, f)
	}
	return list
}

// Request is a request that was examined.
type Request struct {
	Service, Name string // its endpoint
	*analyze.Profile
	Causes []analyze.Cause
	Weight float64 // how many requests it stands for, itself included: 1 when all are recorded and examined
}

// Add enters what a request wastes, examined at now.
func (b *Book) Add(now time.Time, r Request) {
	at := endpoint{r.Service, r.Name}
	touched := map[uint64]int64{} // what is saved
	for i := range r.Causes {
		c := &r.Causes[i]
		id := idOf(at, c)
		f := b.byID[id]
		if f == nil {
			if f = b.make(now, r.Start, id, at, c); f == nil {
				continue
			}
		} else if f.Last > 0 && (f.ResolvedAt > 0 && r.Start > f.ResolvedAt+int64(grace) || f.gone(now) && r.Start >= f.Spell.Since) {
			f.BackAt, f.ResolvedAt, f.GoneAt = now.UnixNano(), 0, 0
		}
		touched[id] = c.Saving
		f.touch(now, r, c)
	}
	if len(b.of[at]) == 0 {
		return
	}
	counts := make(map[uint64]int, len(r.Paths))
	for i := range r.Paths {
		counts[r.Paths[i].ID] = r.Paths[i].Most
	}
	for _, f := range b.of[at] {
		f.Counts.add(float64(counts[f.Path]), float64(r.Duration))
		h := f.Days.at(now)
		h.Requests++
		h.Examined += r.Weight
		saving, has := touched[f.ID]
		if has {
			h.Touched += r.Weight
		}
		f.Spell.add(has, r.Start, float64(r.Duration), float64(saving), r.Weight)
		if !has && f.GoneAt == 0 && f.Spell.over() {
			f.GoneAt = now.UnixNano()
		}
	}
}

func idOf(at endpoint, c *analyze.Cause) uint64 {
	h := fnv.New64a()
	for _, s := range []string{at.service, at.name, strconv.FormatUint(c.Path.ID, 16), c.Kind.String()} {
		_, _ = h.Write([]byte(s)) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// make makes a finding, or nil when the endpoint has too many; when there are too many in all, the suspect that was
// not seen for the longest goes.
func (b *Book) make(now time.Time, first int64, id uint64, at endpoint, c *analyze.Cause) *Finding {
	if len(b.of[at]) >= maxOfEndpoint && !b.drop(now, b.of[at]) {
		return nil
	}
	if len(b.byID) >= maxFindings && !b.drop(now, b.All()) {
		return nil
	}
	f := &Finding{
		ID: id, Kind: c.Kind, Service: at.service, Name: at.name, Path: c.Path.ID, Caller: c.Path.Service, Label: c.Path.Label,
		First: first, Steps: []string{},
	}
	for p := c.Path; p.Parent != nil; p = p.Parent {
		f.Steps = append(f.Steps, p.Label)
	}
	slices.Reverse(f.Steps)
	b.put(f)
	return f
}

// drop removes the finding among list that matters least: a suspect, or else one that is resolved.
func (b *Book) drop(now time.Time, list []*Finding) bool {
	var least *Finding
	for _, s := range [...]State{Suspected, Resolved} {
		for _, f := range list {
			if f.StateAt(now) == s && (least == nil || f.Last < least.Last) {
				least = f
			}
		}
		if least != nil {
			break
		}
	}
	if least == nil {
		return false
	}
	delete(b.byID, least.ID)
	at := endpoint{least.Service, least.Name}
	b.of[at] = slices.DeleteFunc(b.of[at], func(f *Finding) bool { return f == least })
	if len(b.of[at]) == 0 {
		delete(b.of, at)
	}
	return true
}

func (f *Finding) touch(now time.Time, r Request, c *analyze.Cause) {
	f.First, f.Last = min(f.First, r.Start), max(f.Last, r.Start)
	f.Calls.add(int64(c.Calls), r.Weight)
	f.Saving.add(c.Saving, r.Weight)
	f.Covered += float64(c.Covered) * r.Weight
	f.Alone += float64(c.Alone) * r.Weight
	f.Distinct += float64(c.Distinct) * r.Weight
	f.Site = c.Site
	f.Days.at(now).Saving += float64(c.Saving) * r.Weight

	// The requests that would gain most, and the latest one.
	isIt := func(e Evidence) bool { return e.TraceID == r.TraceID.String() && e.SpanID == r.SpanID.String() }
	if slices.ContainsFunc(f.Evidence, isIt) {
		return // after a crash a request may be examined again
	}
	f.Evidence = append(f.Evidence, Evidence{
		TraceID: r.TraceID.String(), SpanID: r.SpanID.String(), Start: r.Start, Duration: r.Duration, Calls: c.Calls, Saving: c.Saving,
	})
	if len(f.Evidence) > maxEvidence {
		latest := slices.MaxFunc(f.Evidence, func(x, y Evidence) int { return cmp.Compare(x.Start, y.Start) })
		slices.SortStableFunc(f.Evidence, func(x, y Evidence) int {
			isLatest := func(e Evidence) int {
				if e == latest {
					return 0
				}
				return 1
			}
			return cmp.Or(cmp.Compare(isLatest(x), isLatest(y)), cmp.Compare(y.Saving, x.Saving))
		})
		f.Evidence = f.Evidence[:maxEvidence]
	}
}

// ErrUnknown says that there is no such finding.
var ErrUnknown = errors.New("there is no such finding")

// Mute says that a finding is no problem, until a time or for good (zero), and why.
func (b *Book) Mute(id uint64, now, until time.Time, reason string) error {
	f := b.byID[id]
	if f == nil {
		return ErrUnknown
	}
	f.MutedAt, f.MutedUntil, f.Reason = now.UnixNano(), 0, reason
	if !until.IsZero() {
		f.MutedUntil = until.UnixNano()
	}
	return nil
}

// Resolve says that a finding has been mended: requests that start later and have it bring it back.
func (b *Book) Resolve(id uint64, now time.Time) error {
	f := b.byID[id]
	if f == nil {
		return ErrUnknown
	}
	f.ResolvedAt, f.BackAt, f.MutedAt, f.MutedUntil, f.Reason = now.UnixNano(), 0, 0, 0, ""
	return nil
}

// Reopen takes back Mute and Resolve, and what requests have proven since.
func (b *Book) Reopen(id uint64) error {
	f := b.byID[id]
	if f == nil {
		return ErrUnknown
	}
	f.MutedAt, f.MutedUntil, f.Reason, f.ResolvedAt, f.GoneAt, f.Spell.After, f.Spell.Since = 0, 0, "", 0, 0, window{}, 0
	return nil
}
