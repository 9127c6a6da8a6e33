package jaeger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// params reads query parameters. The first thing wrong stays in err; an empty parameter counts as absent.
type params struct {
	values url.Values
	err    error
}

func parse(rawQuery string) (*params, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badRequest("the query string cannot be read: " + err.Error())
	}
	for name, list := range values {
		for _, v := range list {
			if len(v) > maxParameter {
				return nil, badRequest(fmt.Sprintf("unable to parse param '%.80s': it has %d bytes; at most %d are taken", name, len(v), maxParameter))
			}
		}
	}
	return &params{values: values}, nil
}

// fail keeps an error about a parameter, in Jaeger's words.
func (p *params) fail(name string, err error) {
	if p.err != nil {
		return
	}
	if e, ok := errors.AsType[*strconv.NumError](err); ok && len(e.Num) > 80 {
		e.Num = e.Num[:80] + "…"
	}
	p.err = badRequest("unable to parse param '" + name + "': " + err.Error())
}

func (p *params) text(name string) string { return p.values.Get(name) }

func (p *params) pretty() bool {
	v := p.text("prettyPrint")
	return v != "" && v != "false"
}

func (p *params) integer(name string, otherwise int64) int64 {
	v := p.text(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		p.fail(name, err)
		return otherwise
	}
	return n
}

func (p *params) boolean(name string) bool {
	v := p.text(name)
	if v == "" {
		return false
	}
	is, err := strconv.ParseBool(v)
	if err != nil {
		p.fail(name, err)
	}
	return is
}

func (p *params) duration(name string) time.Duration {
	v := p.text(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		p.fail(name, fmt.Errorf("%.80q is no duration; one is 1.2s, 100ms, 500us, 2h", v))
	}
	return d
}

// leastMicros is where numbers of microseconds begin: those below (as microseconds they would lie before
// 1973) are milliseconds, which Grafana sends in their place.
const leastMicros = 1e14

// micros is a time in µs, as ns from 0 to what fits.
func (p *params) micros(name string, otherwise int64) int64 {
	if p.text(name) == "" {
		return otherwise
	}
	v := max(p.integer(name, 0), 0)
	if v < leastMicros {
		v *= 1000
	}
	return min(v, maxMicros) * 1000
}

// maxMicros is the last µs whose end fits an int64 of ns.
const maxMicros = math.MaxInt64/1000 - 1

// parseTraceID reads 1 to 32 hex digits, else the base64 of 16 or 8 bytes in either alphabet, padded or not.
func parseTraceID(s string) (span.TraceID, error) {
	id, err := span.ParseTraceID(s)
	if err == nil || len(s) > 24 {
		return id, err
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if p, decodeErr := base64.RawStdEncoding.DecodeString(plain); decodeErr == nil {
		if id, ok := span.TraceIDFromBytes(p); ok {
			return id, nil
		}
	}
	return id, err
}

// query is a search, or with ids the wish for certain traces.
type query struct {
	ids    []span.TraceID
	filter store.Expr
	scope  scopeIs
	within store.TimeRange
	limit  int
	raw    bool
}

// scopeIs is what must hold of the instrumentation scope, which filters cannot ask for; nil is anything.
type scopeIs struct{ name, version *string }

func (s scopeIs) matches(b *span.Batch, row int) bool {
	sc := b.Scopes[b.Scope[row]]
	return (s.name == nil || *s.name == string(b.Bytes(sc.Name))) &&
		(s.version == nil || *s.version == string(b.Bytes(sc.Version)))
}

// query reads the parameters of /api/traces.
func (p *params) query(now time.Time) (query, error) {
	var q query
	q.raw = p.boolean("raw")
	if ids := p.values["traceID"]; len(ids) > 0 {
		if len(ids) > maxTraces {
			p.fail("traceID", fmt.Errorf("%d traces are asked for; at most %d can be at once", len(ids), maxTraces))
			return q, p.err
		}
		for _, text := range ids {
			id, err := parseTraceID(text)
			if err != nil {
				p.fail("traceID", err)
				return q, p.err
			}
			if !slices.Contains(q.ids, id) {
				q.ids = append(q.ids, id)
			}
		}
		return q, p.err
	}

	to := max(now.UnixNano(), 0)
	q.within.From = p.micros("start", to-min(to, int64(searchWindow)))
	q.within.To = p.micros("end", to/1000*1000) + 1000 // the last µs is in the range
	limit := p.integer("limit", 0)
	if limit < 0 {
		p.fail("limit", errors.New("it is a number of traces, so not negative"))
	}
	if q.limit = int(min(limit, math.MaxInt32)); limit == 0 {
		q.limit = 100
	}

	var all []store.Expr
	if v := p.text("service"); v != "" {
		all = append(all, store.Is(store.ServiceName, v))
	}
	if v := p.text("operation"); v != "" {
		all = append(all, store.Is(store.Name, v))
	}
	least, most := p.duration("minDuration"), p.duration("maxDuration")
	if most != 0 && most < least && p.err == nil {
		p.err = badRequest("'maxDuration' should be greater than 'minDuration'")
	}
	if least > 0 {
		all = append(all, store.AtLeast(least))
	}
	if most != 0 {
		all = append(all, store.Compare{Field: store.Duration, Op: store.Le, Value: store.Literal{Type: store.DurationLiteral, Int: int64(most)}})
	}
	tags := p.tags()
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		switch key {
		case "scope.name", "otel.scope.name":
			q.scope.name = &value
		case "scope.version", "otel.scope.version":
			q.scope.version = &value
		default:
			all = append(all, tagIs(key, value))
		}
	}
	q.filter = store.AllOf(all...)
	return q, p.err
}

// tags joins tag=key:value and tags={"key":"value"}, of which the latter win.
func (p *params) tags() map[string]string {
	tags := map[string]string{}
	for _, v := range p.values["tag"] {
		key, value, ok := strings.Cut(v, ":")
		if !ok {
			if p.err == nil {
				p.err = badRequest(fmt.Sprintf("malformed 'tag' parameter, expecting key:value, received: %.80s", v))
			}
			return nil
		}
		tags[key] = value
	}
	for _, v := range p.values["tags"] {
		if v == "" {
			continue
		}
		var more map[string]string
		if err := json.Unmarshal([]byte(v), &more); err != nil {
			if p.err == nil {
				p.err = badRequest("malformed 'tags' parameter, cannot unmarshal JSON: " + err.Error())
			}
			return nil
		}
		maps.Copy(tags, more)
	}
	if len(tags) > maxTags && p.err == nil {
		p.err = badRequest(fmt.Sprintf("%d tags are asked for; at most %d can be at once", len(tags), maxTags))
	}
	return tags
}

// tagIs is one tag as a filter. Tags that a span shows without having them as attributes are found under
// the names that they are shown under.
func tagIs(key, value string) store.Expr {
	on := func(scope store.Scope, name string) store.Expr {
		return store.Is(store.Field{Scope: scope, Name: name}, value)
	}
	attribute := store.Expr(store.Or{X: on(store.OnSpan, key), Y: on(store.OnResource, key)})
	failed := store.HasStatus(span.StatusError)
	switch key {
	case "error":
		switch value {
		case "true": // the status, or what senders without one have
			return store.Or{X: failed, Y: attribute}
		case "false":
			says := store.Is(store.Field{Scope: store.OnSpan, Name: key}, "true")
			return store.And{X: store.Not{X: failed}, Y: store.Not{X: says}}
		}
		return attribute // a message, as Zipkin's senders write it
	case "span.status", "otel.status_code":
		return store.Is(store.StatusCode, strings.ToLower(value))
	case "otel.status_description":
		return store.Is(store.StatusMessage, value)
	case "span.kind":
		return store.Is(store.KindOf, strings.ToLower(value))
	}
	if name, ok := strings.CutPrefix(key, "resource."); ok {
		return on(store.OnResource, name)
	}
	return attribute
}
