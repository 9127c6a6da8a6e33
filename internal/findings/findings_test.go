package findings

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/workload"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const ms = int64(time.Millisecond)

// page is a request that starts at a time and makes n calls of 5 ms, one after the other.
func page(at time.Time, id uint64, n int) *span.Batch {
	b := new(span.Batch)
	put := func(s span.Span) {
		s.TraceID = span.TraceID{Hi: 7, Lo: id}
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue("web")}}
		b.Append(&s)
	}
	start := at.UnixNano()
	put(span.Span{SpanID: 1, Name: "GET /posts", Kind: span.KindServer, Start: start, Duration: int64(20+6*n) * ms})
	for i := range n {
		put(span.Span{
			SpanID: span.ID(2 + i), Parent: 1, Name: "Get", Kind: span.KindClient, Start: start + int64(10+6*i)*ms, Duration: 5 * ms,
			Attrs: []span.Attribute{{Key: "id", Value: span.IntValue(int64(i))}, {Key: "rpc.method", Value: span.StringValue("user/Get")}},
		})
	}
	return b
}

// book with a clock.
type book struct {
	*Book
	now      time.Time
	profiler *analyze.Profiler
	n        uint64
}

func newBook() *book { return &book{NewBook(nil), noon, analyze.NewProfiler(), 0} }

func (b *book) pages(n ...int) {
	for _, calls := range n {
		b.n++
		b.now = b.now.Add(time.Second)
		t := analyze.NewTree(page(b.now, b.n, calls))
		p, causes := b.profiler.Examine(t, 0)
		b.Add(b.now, Request{Service: "web", Name: "GET /posts", Profile: p, Causes: causes, Weight: 1})
	}
}

func (b *book) only(t *testing.T) *Finding {
	t.Helper()
	list := b.All()
	if len(list) != 1 {
		t.Fatalf("%d findings", len(list))
	}
	return list[0]
}

func (b *book) want(t *testing.T, s State) {
	t.Helper()
	if got := b.only(t).StateAt(b.now); got != s {
		t.Errorf("%v: %v, want %v", b.now, got, s)
	}
}

func TestLife(t *testing.T) {
	b := newBook()
	b.pages(2, 3)
	if n := len(b.All()); n != 0 {
		t.Fatalf("%d findings of nothing", n)
	}
	b.pages(40)
	b.want(t, Suspected)
	b.pages(30, 20)
	b.want(t, New)
	f := b.only(t)
	if f.Kind != analyze.Chatty || f.Label != "user.Get" || f.Caller != "web" || strings.Join(f.Steps, ">") != "user.Get" || len(f.Evidence) != 3 {
		t.Errorf("%+v", f)
	}
	b.now = b.now.Add(newFor)
	b.pages(30)
	b.want(t, Open)

	if err := b.Resolve(f.ID, b.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	b.want(t, Resolved)
	b.pages(40) // under way when it was resolved
	b.want(t, Resolved)
	b.now = b.now.Add(time.Minute)
	b.pages(3)
	b.want(t, Resolved)
	b.pages(40)
	b.want(t, Back)
	b.now = b.now.Add(newFor)
	b.pages(40)
	b.want(t, Open)

	if err := b.Mute(f.ID, b.now, b.now.Add(48*time.Hour), "known"); err != nil {
		t.Fatal(err)
	}
	b.pages(40)
	b.want(t, Muted)
	b.now = b.now.Add(47 * time.Hour)
	b.want(t, Muted)
	b.now = b.now.Add(time.Hour)
	b.pages(40)
	b.want(t, Open)
	if err := b.Mute(f.ID, b.now, time.Time{}, ""); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(1000 * time.Hour)
	b.want(t, Muted)
	if err := b.Reopen(f.ID); err != nil {
		t.Fatal(err)
	}
	b.pages(40)
	b.want(t, Open)

	// Mended, and nobody says so: enough requests without it do.
	for range leastWithout - 1 {
		b.pages(3)
	}
	b.want(t, Open)
	for range 20 {
		b.pages(3)
	}
	b.want(t, Resolved)
	b.pages(40)
	b.want(t, Back)

	for _, err := range []error{b.Mute(1, b.now, b.now, ""), b.Resolve(1, b.now), b.Reopen(1)} {
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown finding: %v", err)
		}
	}
}

// TestConfidence: what varies with the duration is surer than what varies, and that surer than what does not.
func TestConfidence(t *testing.T) {
	grows, same := newBook(), newBook()
	for i := range 40 {
		grows.pages(10 + i*3)
		same.pages(12)
	}
	g, s := grows.only(t), same.only(t)
	if g.Shown() != analyze.Chatty || g.Confidence() < 0.8 {
		t.Errorf("growing: %v, %v", g.Shown(), g.Confidence())
	}
	if s.Shown() != analyze.SerialFanOut || s.Confidence() != 0.2 {
		t.Errorf("fixed: %v, %v", s.Shown(), s.Confidence())
	}
	x := g.FiguresAt(grows.now)
	// 10, 13 … 127 calls: the median is 67, the mean saving 5 ms less one call of each.
	if x.Requests != 40 || x.Of != 40 || math.Abs(x.Calls-67) > 1.5 || x.MostCalls != 127 || x.LeastCalls != 10 || x.Correlation < 0.999 || x.Serial != 1 || x.Distinct != 1 ||
		x.Part != 1 || math.Abs(x.Saving/float64(ms)-(68.5*5-5)) > 0.01 || x.PerDay != 40*24 {
		t.Errorf("%+v", x)
	}
	if e := g.Evidence; len(e) != maxEvidence || e[0].Calls != 127 {
		t.Errorf("evidence %+v", e)
	}
}

// TestMoments compares with the textbook's two passes.
func TestMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 2, 50).Draw(t, "x")
		var m moments
		meanX, meanY := 0.0, 0.0
		y := func(i int) float64 { return 1e12 + xs[i]*float64(i%3) }
		for i, x := range xs {
			m.add(x, y(i))
			meanX += x / float64(len(xs))
			meanY += y(i) / float64(len(xs))
		}
		xx, yy, xy := 0.0, 0.0, 0.0
		for i, x := range xs {
			xx += (x - meanX) * (x - meanX)
			yy += (y(i) - meanY) * (y(i) - meanY)
			xy += (x - meanX) * (y(i) - meanY)
		}
		if meanX > 0 && math.Abs(m.variation()-math.Sqrt(xx/float64(len(xs)))/meanX) > 1e-6 {
			t.Fatalf("variation %v", m.variation())
		}
		if xx > 1 && yy > 1e3 && math.Abs(m.correlation()-xy/math.Sqrt(xx*yy)) > 1e-4 {
			t.Fatalf("correlation %v, want %v", m.correlation(), xy/math.Sqrt(xx*yy))
		}
	})
}

// TestBookIsBounded: an endpoint of ever new paths keeps the findings that matter.
func TestBookIsBounded(t *testing.T) {
	b := newBook()
	b.pages(40, 40, 40)
	for i := range 3 * maxOfEndpoint {
		bt := page(b.now, uint64(1000+i), 10)
		for r := range bt.Len() {
			if bt.Parent[r] != 0 {
				bt.Attrs[r] = span.Range{}
				bt.Name[r] = bt.PutText("call_" + strings.Repeat("x", i))
			}
		}
		p, causes := b.profiler.Examine(analyze.NewTree(bt), 0)
		b.Add(b.now, Request{Service: "web", Name: "GET /posts", Profile: p, Causes: causes, Weight: 1})
	}
	if n := len(b.All()); n != maxOfEndpoint {
		t.Errorf("%d findings", n)
	}
	found := false
	for _, f := range b.All() {
		found = found || f.Label == "user.Get"
	}
	if !found {
		t.Error("the one that three requests have is gone")
	}
}

func TestWatch(t *testing.T) {
	w := NewWatch()
	id := func(n uint64) span.TraceID { return span.TraceID{Hi: 1, Lo: n} }
	at := noon
	step := func(d time.Duration) { at = at.Add(d) }
	ripe := func(want ...uint64) {
		t.Helper()
		got := w.Ripe(at, 100)
		if len(got) != len(want) {
			t.Fatalf("at %v: ripe %v, want %v", at.Sub(noon), got, want)
		}
		for i := range got {
			if got[i].ID != id(want[i]) {
				t.Fatalf("at %v: ripe %v, want %v", at.Sub(noon), got, want)
			}
		}
	}
	w.Add(at, id(1))
	step(time.Second)
	w.Add(at, id(2))
	step(3 * time.Second)
	w.Add(at, id(1)) // it goes on
	ripe()
	step(2 * time.Second)
	ripe(2)
	step(3 * time.Second)
	ripe(1)
	w.Add(at, id(1)) // late
	step(time.Hour)
	ripe()

	// One that never ends is looked at all the same.
	began := at
	for at.Sub(began) < LongestWait {
		w.Add(at, id(3))
		step(time.Second)
	}
	ripe(3)
}

// TestWatchSamples: what cannot be examined in time is sampled, also of what waits already, and each trace stands for as many as it should.
func TestWatchSamples(t *testing.T) {
	w := NewWatch()
	rng := rand.New(rand.NewPCG(1, 2))
	came := 0
	come := func(at time.Time, n int) {
		for range n {
			came++
			if id := (span.TraceID{Hi: rng.Uint64(), Lo: rng.Uint64()}); w.Wants(id) {
				w.Add(at, id)
			}
		}
	}
	stood, looked := 0.0, 0
	take := func(at time.Time, most int) int {
		list := w.Ripe(at, most)
		for _, r := range list {
			stood += r.Weight
		}
		looked += len(list)
		return len(list)
	}
	const perSecond = 750 // at usualCost
	at := noon
	// A burst that can be worked off is, in time.
	come(at, 20_000)
	w.Adapt(time.Second)
	if w.Rate() != 1 {
		t.Fatalf("the rate is %v", w.Rate())
	}
	at = at.Add(Quiet)
	for range 40 {
		at = at.Add(time.Second)
		n := take(at, perSecond)
		w.Spent(time.Duration(n)*usualCost, n)
		w.Adapt(time.Second)
	}
	if w.Rate() != 1 || looked != came || w.Waiting() != 0 || w.Skipped() != 0 {
		t.Fatalf("rate %v, looked at %d of %d, %d wait, skipped %v", w.Rate(), looked, came, w.Waiting(), w.Skipped())
	}
	// Five times as many as can be, for two minutes.
	came, looked, stood = 0, 0, 0
	for range 120 {
		come(at, 5*perSecond)
		at = at.Add(time.Second)
		take(at, perSecond)
		w.Adapt(time.Second)
	}
	if w.Rate() < 0.1 || w.Rate() > 0.5 {
		t.Errorf("the rate is %v", w.Rate())
	}
	for w.Waiting() > 0 || len(w.pending) > 0 {
		at = at.Add(time.Second)
		take(at, perSecond)
		w.Adapt(time.Second)
	}
	if math.Abs(stood-float64(came)) > 0.05*float64(came) || looked > came/3 || math.Abs(w.Skipped()-(stood-float64(looked))) > 1 {
		t.Errorf("%d traces stand for %v of %d; %v skipped", looked, stood, came, w.Skipped())
	}
	// More than there is room for.
	came, looked, stood = 0, 0, 0
	come(at, 5*maxPending)
	if n := len(w.pending); n > maxPending {
		t.Errorf("%d pending", n)
	}
	left := 0.0
	for _, r := range w.Left(1000) {
		left += r.Weight
	}
	for range 100 {
		at = at.Add(time.Minute)
		take(at, maxPending)
		w.Adapt(time.Minute)
	}
	if math.Abs(stood-float64(came)) > 0.05*float64(came) || math.Abs(left-float64(came)) > 0.05*float64(came) {
		t.Errorf("%d traces stand for %v of %d; those that would be kept for %v", looked, stood, came, left)
	}
	if w.rate != 1 || !w.Wants(span.TraceID{Hi: math.MaxUint64, Lo: 3}) {
		t.Errorf("at rest the rate is %v", w.rate)
	}
}

// TestBefore: traces that were stored before watching began are examined, once; those that were not examined when it ended, after a restart.
func TestBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		if err := disk.MkdirAll("data"); err != nil {
			t.Fatal(err)
		}
		s := storetest.NewModel()
		for i := range uint64(40) { // while nobody watched; one of them long ago
			at := time.Now().Add(-time.Duration(i+1) * 30 * time.Minute)
			if i == 39 {
				at = time.Now().Add(-48 * time.Hour)
			}
			if err := s.Append(t.Context(), page(at, 1+i, 30)); err != nil {
				t.Fatal(err)
			}
		}
		w := Start(Options{Store: s, Disk: disk, Dir: "data"})
		time.Sleep(5 * time.Second)
		want := func(n int64, when string) {
			t.Helper()
			list := w.Findings()
			if len(list) != 1 || list[0].StateAt(time.Now()) != New || list[0].Calls.N != n {
				t.Errorf("%s: %d findings", when, len(list))
				for _, f := range list {
					t.Errorf("%v of %d requests", f.StateAt(time.Now()), f.Calls.N)
				}
			}
		}
		want(39, "after the start")
		day := w.Findings()[0]
		if x := day.FiguresAt(time.Now()); math.Abs(x.PerDay-39*24/19.0) > 3 { // in as many hours as they were spread over
			t.Errorf("%v a day", x.PerDay)
		}
		if err := w.Append(t.Context(), page(time.Now(), 100, 30)); err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), page(time.Now(), 101, 30)); err != nil {
			t.Fatal(err)
		}
		w.dirty = true
		if err := w.Close(); err != nil { // before they are complete
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.Append(t.Context(), page(time.Now(), 102, 30)); err != nil { // meanwhile
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w = Start(Options{Store: s, Disk: disk, Dir: "data"})
		time.Sleep(5 * time.Second)
		want(42, "after a restart")
		if e := w.Examination(); e != (Examination{Examined: 3, Rate: 1}) {
			t.Errorf("%+v", e)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWatcher: a trace is examined some seconds after its last span came; findings and decisions are there again after a restart.
func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		if err := disk.MkdirAll("data"); err != nil {
			t.Fatal(err)
		}
		open := func() *Watcher { return Start(Options{Store: storetest.NewModel(), Disk: disk, Dir: "data"}) }
		w := open()
		for i := range uint64(5) {
			if err := w.Append(t.Context(), page(time.Now(), 1+i, 30)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(Quiet - time.Second)
		if n := len(w.Findings()); n != 0 {
			t.Errorf("%d findings before the traces are complete", n)
		}
		time.Sleep(2 * time.Second)
		list := w.Findings()
		if len(list) != 1 || list[0].StateAt(time.Now()) != New || list[0].Calls.N != 5 {
			t.Fatalf("%+v", list)
		}
		if e := w.Examination(); e != (Examination{Examined: 5, Rate: 1}) {
			t.Errorf("%+v", e)
		}
		if err := w.Change(func(b *Book) error { return b.Mute(list[0].ID, time.Now(), time.Time{}, "by design") }); err != nil {
			t.Fatal(err)
		}
		if err := w.Change(func(b *Book) error { return b.Resolve(1, time.Now()) }); !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown finding: %v", err)
		}
		w.Keep(1, Query{}) // of none
		w.Keep(list[0].ID, Query{Replaces: []string{"get"}, Requests: 5, Saving: 1e6})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w = open()
		again := w.Findings()
		if len(again) != 1 || again[0].StateAt(time.Now()) != Muted || again[0].Reason != "by design" || again[0].Calls.Spread.Quantile(1) != list[0].Calls.Spread.Quantile(1) ||
			again[0].Query == nil || again[0].Query.Saving != 1e6 || len(again[0].Query.Replaces) != 1 {
			t.Errorf("after a restart: %+v", again)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCrash: power fails at any operation on the disk; the file is the old one or the new one, and never none once
// there was one.
func TestCrash(t *testing.T) {
	for k := 0; ; k++ {
		disk := vfs.NewMem()
		if err := disk.MkdirAll("data"); err != nil {
			t.Fatal(err)
		}
		disk.CrashAt(k)
		saved := 0
		for i := 1; i <= 3; i++ {
			b := newBook()
			b.pages(40, 40, 40)
			b.only(t).Reason = fmt.Sprint(i)
			text, err := encode(b.All(), noon, nil)
			if err != nil {
				t.Fatal(err)
			}
			if save(disk, "data", text) != nil {
				break
			}
			saved = i
		}
		after := disk.AfterCrash()
		kept, err := load(after, "data")
		list := kept.Findings
		if err != nil || len(list) > 1 || len(list) == 0 && saved > 0 {
			t.Fatalf("crash at %d: %v, %v; %d were saved", k, list, err, saved)
		}
		if len(list) == 1 && list[0].Reason != fmt.Sprint(saved) && list[0].Reason != fmt.Sprint(saved+1) {
			t.Fatalf("crash at %d: %s was kept, %d saved", k, list[0].Reason, saved)
		}
		if !disk.Crashed() {
			return
		}
	}
}

func TestBrokenFile(t *testing.T) {
	for _, text := range []string{"", "{", `{"version": 2}`, `{"version": 1, "findings": [null]}`, "\x00\xff"} {
		disk := vfs.NewMem()
		if err := disk.MkdirAll("data"); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(disk, "data/"+fileName, []byte(text)); err != nil {
			t.Fatal(err)
		}
		kept, err := load(disk, "data")
		if err == nil || !strings.Contains(err.Error(), "set aside") || kept.Findings != nil {
			t.Errorf("%q: %v, %v", text, kept, err)
		}
		if ok, err := vfs.Exists(disk, "data/"+fileName+".bad"); !ok || err != nil {
			t.Errorf("%q was not set aside", text)
		}
	}
}

// FuzzFile: whatever the file says, a book of it works.
func FuzzFile(f *testing.F) {
	b := newBook()
	b.pages(40, 30, 20)
	text, err := encode(b.All(), noon, []Ripe{{ID: span.TraceID{Lo: 1}, Weight: 2, At: noon}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		disk := vfs.NewMem()
		if err := errors.Join(disk.MkdirAll("data"), vfs.WriteFile(disk, "data/"+fileName, text)); err != nil {
			t.Fatal(err)
		}
		kept, err := load(disk, "data")
		if err != nil {
			return
		}
		for _, r := range kept.left() {
			if r.Weight < 1 {
				t.Fatalf("a trace stands for %v", r.Weight)
			}
		}
		b := &book{NewBook(kept.Findings), noon, analyze.NewProfiler(), 0}
		b.pages(40)
		for _, f := range b.All() {
			f.FiguresAt(b.now)
		}
	})
}

// TestPlanted: of the planted endpoint exactly what was planted is found.
func TestPlanted(t *testing.T) {
	w := newWatcher(Options{Store: storetest.NewModel(), Now: func() time.Time { return noon }})
	for b := range workload.Subject(3, 400, noon.Add(-time.Hour).UnixNano(), int64(time.Second)) {
		if err := w.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle(t.Context(), noon.Add(LongestWait))
	var got []string
	for _, f := range w.Findings() {
		if s := f.StateAt(noon); s != Suspected {
			got = append(got, fmt.Sprintf("%v %s", f.Shown(), strings.Join(f.Steps, " ▸ ")))
			if x := f.FiguresAt(noon); f.Shown() == analyze.Chatty && (x.Confidence < 0.9 || x.Correlation < 0.8) {
				t.Errorf("%+v", x)
			}
		}
	}
	want := []string{"chatty user.Get", "slow-call catalog.List ▸ mysql SELECT * FROM item WHERE subject = ?"}
	if len(got) != 2 || got[0] != want[0] && got[1] != want[0] || got[0] != want[1] && got[1] != want[1] {
		t.Errorf("found %q, want %q", got, want)
	}
}

// nowhere is a store that takes everything.
type nowhere struct{ store.Store }

func (nowhere) Append(context.Context, *span.Batch) error { return nil }

// BenchmarkAppend is what watching costs each span that is stored: when every trace is wanted, and under load.
func BenchmarkAppend(b *testing.B) {
	batches := workload.Generate(1, 5000)
	spans := 0
	for _, bt := range batches {
		spans += bt.Len()
	}
	for _, rate := range []float64{1, 0.05} {
		b.Run(fmt.Sprintf("rate %v", rate), func(b *testing.B) {
			n := 0
			for b.Loop() {
				w := newWatcher(Options{Store: nowhere{}})
				w.watch.want(rate)
				for _, bt := range batches {
					if err := w.Append(b.Context(), bt); err != nil {
						b.Fatal(err)
					}
				}
				n += spans
			}
			b.ReportMetric(float64(b.Elapsed())/float64(n), "ns/span")
		})
	}
}

// BenchmarkExamine is what a trace of ordinary size costs once it is complete, its reading left out.
func BenchmarkExamine(b *testing.B) {
	byTrace := map[span.TraceID]*span.Batch{}
	for _, bt := range workload.Generate(1, 500) {
		for i := range bt.Len() {
			s := bt.Span(i)
			if byTrace[s.TraceID] == nil {
				byTrace[s.TraceID] = new(span.Batch)
			}
			byTrace[s.TraceID].Append(&s)
		}
	}
	w := newWatcher(Options{Store: nowhere{}})
	n := 0
	for b.Loop() {
		for _, bt := range byTrace {
			w.add(noon, analyze.NewTree(bt), 1)
		}
		n += len(byTrace)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(n), "ns/trace")
}

// odds is a page whose root says how it was sampled.
func odds(at time.Time, id uint64, n int, state string) *analyze.Tree {
	b := page(at, id, n)
	b.TraceState[0] = b.PutText(state)
	return analyze.NewTree(b)
}

// TestOdds: requests that were sampled with different odds come to what all of them come to, and prove no more than they are.
func TestOdds(t *testing.T) {
	const odd = 128 // ot=th:fe
	now := noon
	sampled, all := newWatcher(Options{}), newWatcher(Options{})
	for i := range uint64(60) {
		n, state, stand := 20, "", 1
		switch i % 6 {
		case 0:
			n, state, stand = 40, "vendor=1,ot=th:fe", odd
		case 1, 2, 3:
			n = 2 // without the finding
		}
		sampled.add(now, odds(now, i, n, state), 1)
		for k := range uint64(stand) {
			all.add(now, odds(now, i*odd+k, n, ""), 1)
		}
	}
	at := now.Add(time.Minute)
	got, want := sampled.Findings()[0].FiguresAt(at), all.Findings()[0].FiguresAt(at)
	if got.Requests != 30 || got.Of != 60 || want.Requests != 20+10*odd {
		t.Errorf("%d of %d requests of %d have it", got.Requests, got.Of, want.Requests)
	}
	for name, pair := range map[string][2]float64{
		"part": {got.Part, want.Part}, "a day": {got.PerDay, want.PerDay}, "saving": {got.Saving, want.Saving}, "saving a day": {got.SavingPerDay, want.SavingPerDay},
		"serial": {got.Serial, want.Serial}, "distinct": {got.Distinct, want.Distinct},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9*pair[1] {
			t.Errorf("%s: %v of a sample, %v of all", name, pair[0], pair[1])
		}
	}
	if f := sampled.Findings()[0].Spell.Before; f.N != 60 || f.Weight != 50+10*odd {
		t.Errorf("%+v", f)
	}

	// However many a request stands for, it is one.
	w := newWatcher(Options{})
	for i := range uint64(leastRequests) {
		if i > 0 {
			if s := w.Findings()[0].StateAt(now); s != Suspected {
				t.Errorf("%v after %d requests", s, i)
			}
		}
		w.add(now, odds(now, i, 40, "ot=th:fff"), 2)
	}
	if s := w.Findings()[0].StateAt(now); s != New {
		t.Errorf("%v after %d requests", s, leastRequests)
	}
	now = now.Add(goneAfter)
	for i := range uint64(leastWithout - 1) {
		w.add(now, odds(now, 100+i, 2, "ot=th:fff"), 2)
	}
	if s := w.Findings()[0].StateAt(now); s == Resolved {
		t.Errorf("resolved by %d requests that stand for many", leastWithout-1)
	}
}

// TestOddsFile: what was kept without weights counts as one each.
func TestOddsFile(t *testing.T) {
	b := newBook()
	b.pages(40, 40, 40)
	f := b.only(t).copy()
	want := f.FiguresAt(b.now)
	f.Calls.Weight, f.Saving.Weight = 0, 0
	if got := NewBook([]*Finding{f}).All()[0].FiguresAt(b.now); got.Saving != want.Saving || got.Distinct != want.Distinct {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The number of calls in the middle is never more than the largest, nor less than the smallest, though a sketch rounds it.
func TestMedianWithinItsEnds(t *testing.T) {
	for n := range int64(1000) {
		var f Finding
		f.Calls.add(n, 1)
		if x := f.FiguresAt(time.Unix(0, 0)); x.Calls != float64(n) {
			t.Errorf("of %d calls, %v are in the middle", n, x.Calls)
		}
	}
}
