package shuai

import (
	"encoding/json"
	"slices"
	"time"
)

const (
	// reportEvery is how often statistics are sent, and ratios asked for.
	reportEvery = 10 * time.Second
	// A collector that says for good that it takes no statistics, or knows no ratios, may be another one by then.
	reportRefused = 5 * time.Minute
)

// A reporter decides when statistics are sent and ratios asked for. It has no clock and starts nothing; what could not be sent is
// in the next report, so that nothing is queued.
type reporter struct {
	e        *exporter
	start    int64     // Unix nanoseconds, since when is counted what is sent next
	due      time.Time // the next report
	ask      bool      // for ratios, now that a report was taken
	askAfter time.Time
	final    bool // the last report has been made

	pending metricsReport  // on its way
	sent    []outcomeCount // with delta, what is not to be sent again
}

func newReporter(e *exporter, now time.Time) *reporter {
	return &reporter{e: e, start: now.UnixNano(), due: now.Add(reportEvery)}
}

// next is what to do now, if anything.
func (p *reporter) next(now time.Time) (job, bool) {
	if p.ask && !now.Before(p.askAfter) {
		p.ask = false
		return job{kind: askRatios}, true
	}
	if now.Before(p.due) {
		return job{}, false
	}
	return p.report(now)
}

// last is what has been counted since the last report; it is made once.
func (p *reporter) last(now time.Time) (job, bool) {
	if p.final {
		return job{}, false
	}
	p.final = true
	return p.report(now)
}

func (p *reporter) report(now time.Time) (job, bool) {
	p.due = now.Add(reportEvery)
	p.pending = metricsReport{
		start: p.start, now: now.UnixNano(), temporality: uint64(p.e.settings.statistics),
		series: p.e.statistics.collect(), outcomes: p.outcomes(),
	}
	if !slices.ContainsFunc(p.pending.series, func(s *series) bool { return s.totals[0].count+s.totals[1].count > 0 }) {
		return job{}, false // nothing has happened
	}
	return job{kind: sendReport}, true
}

// outcomes are what has become of recorded spans.
func (p *reporter) outcomes() []outcomeCount {
	s := p.e.stats()
	counts := []outcomeCount{
		{"exported", s.Exported},
		{"buffer_full", s.Dropped.BufferFull},
		{"rejected", s.Dropped.Rejected},
		{"expired", s.Dropped.Expired},
		{"stopped", s.Dropped.Stopped},
	}
	for i := range p.sent {
		counts[i].n -= p.sent[i].n
	}
	return counts
}

// finish books what became of a request.
func (p *reporter) finish(now time.Time, r *runState, j job, o outcome) {
	switch {
	case j.kind == askRatios && o.err == nil:
		if err := p.e.statistics.setRatios(o.answer); err != nil {
			r.log("ratios", "collector's answer about sampling is not understood", "url", p.e.ratiosURL, "error", err)
		}
	case j.kind == askRatios && o.permanent:
		p.askAfter = now.Add(reportRefused) // not Shuai's server: the ratio stays as it is
	case j.kind == askRatios:
		p.askAfter = now.Add(o.retryAfter)
	case o.err == nil:
		p.taken()
		p.ask = p.e.ratiosURL != ""
	case o.permanent:
		p.due = now.Add(reportRefused)
		r.log("statistics", "collector refused statistics", "url", p.e.metricsURL, "error", o.err)
	default:
		p.due = now.Add(max(reportEvery, min(o.retryAfter, maxRetryAfter)))
		r.log("statistics", "statistics cannot be sent; will retry", "url", p.e.metricsURL, "error", o.err)
	}
}

// taken forgets what the collector knows, where the next report is to hold only what is new.
func (p *reporter) taken() {
	if p.e.settings.statistics != statisticsDelta {
		return
	}
	p.start = p.pending.now
	for _, s := range p.pending.series {
		s.totals[0].reset()
		s.totals[1].reset()
		s.roots = 0
	}
	if p.sent == nil {
		p.sent = make([]outcomeCount, len(p.pending.outcomes))
	}
	for i, o := range p.pending.outcomes {
		p.sent[i].n += o.n
	}
}

// setRatios takes the answer of GET /v1/shuai/sampling: which share of the traces that begin with a span of the given kind and
// name is to be recorded. Of an endpoint that is not in it nothing changes. An endpoint that the process does not know is none of
// its business.
func (st *statistics) setRatios(answer []byte) error {
	var a struct {
		Endpoints []struct {
			Kind, Name string
			Ratio      float64
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return err
	}
	for _, e := range a.Endpoints {
		kind := slices.Index(kindNames[:], e.Kind)
		if kind < 0 || !(e.Ratio > 0 && e.Ratio <= 1) {
			continue
		}
		if s := st.lookup(st.hash(Kind(kind), e.Name, ""), Kind(kind), e.Name, ""); s != nil {
			s.threshold.Store(threshold(e.Ratio))
		}
	}
	return nil
}
