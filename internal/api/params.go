package api

import (
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// params reads query parameters. The first thing wrong stays in err; after that every method returns
// its default.
type params struct {
	values url.Values
	now    time.Time
	err    error
}

// maxText bounds a parameter that is a name.
const maxText = 4096

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = badRequest(format, args...)
	}
}

// text is a parameter that may be anything, "" when absent.
func (p *params) text(name string) string {
	v := p.values.Get(name)
	if len(v) > maxText {
		p.fail("%s has %d bytes; at most %d are taken", name, len(v), maxText)
		return ""
	}
	return v
}

// oneOf is a parameter that must be one of the choices; the first is the default.
func (p *params) oneOf(name string, choices ...string) string {
	v := p.values.Get(name)
	if v == "" {
		return choices[0]
	}
	if !slices.Contains(choices, v) {
		p.fail("%s=%s: there are %s", name, clip(v), strings.Join(choices, ", "))
		return choices[0]
	}
	return v
}

// number is an integer from least to most.
func (p *params) number(name string, otherwise, least, most int) int {
	v := p.values.Get(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		p.fail("%s=%s: it is a number from %d to %d", name, clip(v), least, most)
		return otherwise
	}
	return n
}

// timeRange is from and to; by default the hour before now, or everything if all is set.
func (p *params) timeRange(all bool) store.TimeRange {
	now := max(p.now.UnixNano(), 0)
	r := store.TimeRange{From: now - min(now, int64(time.Hour)), To: now}
	if all {
		r = store.TimeRange{}
	}
	for _, at := range []struct {
		name string
		ns   *int64
	}{{"from", &r.From}, {"to", &r.To}} {
		v := p.values.Get(at.name)
		if v == "" {
			continue
		}
		ns, err := parseTime(v, now)
		if err != nil {
			p.fail("%s=%s: %v", at.name, clip(v), err)
			return r
		}
		*at.ns = ns
	}
	if r.From >= r.To && (!all || r.To != 0 || p.values.Get("to") != "") {
		p.fail("from is not before to")
	}
	return r
}

// filter is the parameter q.
func (p *params) filter() store.Expr {
	e, err := store.ParseFilter(p.values.Get("q"))
	if f, ok := errors.AsType[*store.FilterError](err); ok && p.err == nil {
		p.err = &requestError{status: 400, msg: "filter: " + f.Msg, at: &f.At}
	} else if err != nil {
		p.fail("%v", err)
	}
	return e
}

var (
	errTime     = errors.New("a time is RFC 3339 (2026-11-22T20:00:00Z), Unix nanoseconds, now, or now-1h30m")
	errTimeSpan = errors.New("the time is not between 1970 and 2262")
)

// parseTime reads a time as Unix ns, ≥ 0. A blank in an RFC 3339 time is the + of its zone, which an URL
// that was written by hand turns into one. now-… takes the units of Go (h, m, s, ms, us, ns), d and w.
func parseTime(s string, now int64) (int64, error) {
	if rest, ok := strings.CutPrefix(s, "now"); ok {
		if rest == "" {
			return now, nil
		}
		rest, ok = strings.CutPrefix(rest, "-")
		back, err := parseDuration(rest)
		if !ok || err != nil {
			return 0, errTime
		}
		return max(now-int64(back), 0), nil
	}
	if strings.Trim(s, "0123456789") == "" {
		ns, err := strconv.ParseInt(s, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return 0, errTimeSpan
		}
		if err != nil {
			return 0, errTime
		}
		return ns, nil
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(s, " ", "+"))
	if err != nil {
		return 0, errTime
	}
	if sec := t.Unix(); sec < 0 || sec >= math.MaxInt64/int64(time.Second) {
		return 0, errTimeSpan
	}
	return t.UnixNano(), nil
}

// parseDuration is time.ParseDuration without signs and with d (24 h) and w (7 d).
func parseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errTime
	}
	var sum time.Duration
	for s != "" {
		i := 0
		for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
			i++
		}
		j := i
		for j < len(s) && s[j] != '.' && (s[j] < '0' || s[j] > '9') {
			j++
		}
		amount, unit := s[:i], s[i:j]
		s = s[j:]
		times := int64(1)
		switch unit {
		case "d":
			unit, times = "h", 24
		case "w":
			unit, times = "h", 7*24
		}
		d, err := time.ParseDuration(amount + unit)
		if i == 0 || err != nil || d > (math.MaxInt64-sum)/time.Duration(times) {
			return 0, errTime
		}
		sum += time.Duration(times * int64(d))
	}
	return sum, nil
}

// parseTraceID reads a trace id as people find it in logs and headers: 1 to 32 hex digits, a W3C traceparent, a
// UUID, or the 8 or 16 bytes in base64, of either alphabet, with or without padding.
func parseTraceID(s string) (span.TraceID, error) {
	id, err := span.ParseTraceID(s)
	if err == nil {
		return id, nil
	}
	if parts := strings.Split(s, "-"); len(parts) >= 4 && len(parts[0]) == 2 && len(parts[1]) == 32 && len(parts[2]) == 16 {
		return span.ParseTraceID(parts[1])
	}
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		return span.ParseTraceID(strings.ReplaceAll(s, "-", ""))
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if raw, bad := base64.RawStdEncoding.DecodeString(plain); bad == nil && (len(raw) == 8 || len(raw) == 16) {
		if id, ok := span.TraceIDFromBytes(raw); ok {
			return id, nil
		}
	}
	return span.TraceID{}, err
}
