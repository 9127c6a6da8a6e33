package shuai

import (
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// randomBits are the bits of a trace id by which traces are sampled: the 56 that are random in every
// trace whose W3C random flag is set.
const randomBits = 1<<56 - 1

// threshold is what the random bits of a trace id must reach for the trace to be recorded, as
// OpenTelemetry's consistent probability sampling has it: a trace that one process records at
// a ratio is recorded by every process with that ratio or a larger one. The ratio is rounded to four or five hexadecimal digits, as
// the specification advises, so that there are no more to carry, and is at least 2^-48.
func threshold(ratio float64) uint64 {
	switch {
	case ratio >= 1:
		return 0
	case !(ratio > 0): // NaN too
		return randomBits + 1
	}
	kept := max(minKept, uint64(math.Round(ratio*(randomBits+1))))
	unit := uint64(1) << max(8, (bits.Len64(kept)-16)&^3)
	return randomBits + 1 - (kept+unit/2)&^(unit-1)
}

const minKept = 1 << 8

func sampled(trace TraceID, threshold uint64) bool { return trace.Lo&randomBits >= threshold }

// odds are the threshold by which a trace was sampled, where it is known, so that whoever reads a span knows for how many it stands: for
// 2^56 / (2^56 - threshold). They travel with the trace as OpenTelemetry's member of the tracestate, ot=th:{threshold}, hexadecimal digits
// without the zeros at the end. They are not known, 0, of a trace that somebody asked for and of one whose caller does not say.
//
// MaxTraces is not in them: it is there for bursts that nobody expected, and what it takes away is counted in [Stats].
type odds uint64

func oddsOf(threshold uint64) odds { return odds(threshold>>8<<1 | 1) }

const oddsPrefix = "ot=th:"

func (o odds) appendTo(b []byte) []byte {
	b = append(b, oddsPrefix...)
	threshold := uint64(o) >> 1 << 16
	for first := true; first || threshold != 0; first = false {
		b = append(b, "0123456789abcdef"[threshold>>60])
		threshold <<= 4
	}
	return b
}

// lastOdds are those that were last asked for as text: most traces have the same.
var lastOdds atomic.Pointer[oddsText]

type oddsText struct {
	odds odds
	text string
}

func (o odds) String() string {
	last := lastOdds.Load()
	if last == nil || last.odds != o {
		last = &oddsText{o, string(o.appendTo(nil))}
		lastOdds.Store(last)
	}
	return last.text
}

// parseOdds reads what appendTo writes, and nothing else.
func parseOdds(state string) (odds, bool) {
	digits, ok := strings.CutPrefix(state, oddsPrefix)
	if !ok || digits == "" || len(digits) > 12 || digits[len(digits)-1] == '0' && digits != "0" {
		return 0, false
	}
	v, ok := parseHex(digits)
	return odds(v<<(4*(12-len(digits)))<<1 | 1), ok
}

// withoutOdds takes the threshold out of a tracestate: that of a trace that was not sampled, or not by it.
func withoutOdds(state string) string {
	if !strings.Contains(state, "ot=") { // mostly
		return state
	}
	members := strings.Split(state, ",")
	for i, m := range members {
		fields, ok := strings.CutPrefix(m, "ot=")
		if !ok {
			continue
		}
		rest := slices.DeleteFunc(strings.Split(fields, ";"), func(f string) bool { return strings.HasPrefix(f, "th:") })
		value := strings.TrimRight(strings.Join(rest, ";"), " ;") // no member is empty, or ends in a space
		if members[i] = "ot=" + value; value == "" {
			members = slices.Delete(members, i, i+1)
		}
		return strings.Join(members, ",")
	}
	return state
}

// limiter bounds the traces that begin and are recorded: so many a second, and after a pause as many at once. It is the generic cell
// rate algorithm (ITU-T I.371): all there is to know is when the next one is due.
type limiter struct {
	perSecond float64 // 0: no bound
	due       atomic.Int64
	refused   atomic.Uint64
}

func (l *limiter) init(perSecond float64) {
	l.perSecond = perSecond
	l.due.Store(math.MinInt64)
}

func (l *limiter) allow() bool {
	return l.perSecond == 0 || l.allowNow()
}

func (l *limiter) allowNow() bool { return l.allowAt(monotonic()) }

func (l *limiter) allowAt(now int64) bool {
	step := int64(float64(time.Second) / l.perSecond)
	for {
		due := l.due.Load()
		next := max(due, now-int64(time.Second)) + step
		if next > now {
			l.refused.Add(1)
			return false
		}
		if l.due.CompareAndSwap(due, next) {
			return true
		}
	}
}
