package jaeger

import (
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

var now = time.Unix(1_800_000_000, 123_456_789).UTC()

func TestParseTraceID(t *testing.T) {
	whole := span.TraceID{Hi: 0xfbf0_0102_0304_0506, Lo: 0x0708_090a_0b0c_ffff}
	p := whole.Bytes()
	half := span.TraceID{Lo: whole.Lo}
	for text, want := range map[string]span.TraceID{
		whole.String(): whole, strings.ToUpper(whole.String()): whole, "1": {Lo: 1}, "0001": {Lo: 1}, "0708090a0b0cffff": half,
		base64.StdEncoding.EncodeToString(p[:]): whole, base64.URLEncoding.EncodeToString(p[:]): whole,
		base64.RawStdEncoding.EncodeToString(p[:]): whole, base64.RawURLEncoding.EncodeToString(p[:]): whole,
		base64.StdEncoding.EncodeToString(p[8:]): half, base64.RawURLEncoding.EncodeToString(p[8:]): half,
		"deadbeefdeadbeefdeadbeef": {Hi: 0xdeadbeef, Lo: 0xdeadbeefdeadbeef}, // base64 too, but hex comes first
	} {
		if got, err := parseTraceID(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "xyz", strings.Repeat("0", 32), strings.Repeat("1", 33), "AAAAAAAAAAAAAAAAAAAAAA==", "====", "1 ", "AQIDBAUGBwgJ",
		base64.StdEncoding.EncodeToString(p[:]) + "=", "\xff",
	} {
		if id, err := parseTraceID(text); err == nil {
			t.Errorf("%q is %v", text, id)
		}
	}
}

// TestTimes: microseconds, and the milliseconds that Grafana sends in their place.
func TestTimes(t *testing.T) {
	const at = int64(1_800_000_000)
	for query, want := range map[string]store.TimeRange{
		"":                              {From: now.UnixNano() - 48*3600e9, To: at*1e9 + 123_457_000},
		"start=1800000000000000":        {From: at * 1e9, To: at*1e9 + 123_457_000},
		"start=1800000000000":           {From: at * 1e9, To: at*1e9 + 123_457_000},
		"end=1800000000000001":          {From: now.UnixNano() - 48*3600e9, To: at*1e9 + 2000},
		"start=-5&end=0":                {From: 0, To: 1000},
		"start=0&end=99999999999999":    {From: 0, To: (math.MaxInt64/1000-1)*1000 + 1000}, // ms of the year 5138
		"end=9223372036854775807":       {From: now.UnixNano() - 48*3600e9, To: math.MaxInt64 / 1000 * 1000},
		"end=100000000000000&lookback=": {From: now.UnixNano() - 48*3600e9, To: 100_000_000_000_001_000},
	} {
		p, err := parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := p.query(now); err != nil || q.within != want {
			t.Errorf("%s: %+v, %v; want %+v", query, q.within, err, want)
		}
	}
}

// TestFilters checks the translation against spans that it should find, and those that it should not.
func TestFilters(t *testing.T) {
	text := span.StringValue
	attrs := func(kv ...any) []span.Attribute {
		var list []span.Attribute
		for i := 0; i < len(kv); i += 2 {
			key, _ := kv[i].(string)
			value, _ := kv[i+1].(span.Value)
			list = append(list, span.Attribute{Key: key, Value: value})
		}
		return list
	}
	b := new(span.Batch)
	for _, s := range []span.Span{
		{ // 0
			Name: "GET /", Kind: span.KindServer, Duration: int64(100 * time.Millisecond), Status: span.StatusError, StatusMessage: "boom",
			Attrs:    attrs("http.status_code", span.IntValue(500), "cached", span.BoolValue(true), "a:b", text("c:d")),
			Resource: span.Resource{Attrs: attrs("service.name", text("web"), "region", text("eu"))},
			Scope:    span.Scope{Name: "lib", Version: "1.0"},
		},
		{ // 1
			Name: "get", Kind: span.KindClient, Duration: int64(2 * time.Millisecond), Status: span.StatusOK,
			Attrs:    attrs("error", text("true"), "region", text("us"), "load", span.DoubleValue(0.5)),
			Resource: span.Resource{Attrs: attrs("service.name", text("web"), "region", text("eu"))},
		},
		{ // 2
			Name: "get", Duration: 0,
			Attrs: attrs("error", text("timeout")), Resource: span.Resource{},
		},
	} {
		s.TraceID, s.SpanID = span.TraceID{Lo: 1}, span.ID(b.Len()+1)
		b.Append(&s)
	}
	for query, want := range map[string][]int{
		"":                                            {0, 1, 2},
		"service=web":                                 {0, 1},
		"service=unknown_service":                     {2},
		"operation=get":                               {1, 2},
		"service=web&operation=get":                   {1},
		"minDuration=2ms":                             {0, 1},
		"maxDuration=2ms":                             {1, 2},
		"minDuration=2ms&maxDuration=2000us":          {1},
		"minDuration=1.2s":                            nil,
		"tag=http.status_code:500":                    {0},
		"tag=cached:true&tag=region:eu":               {0},
		"tag=cached:true&tag=region:us":               nil, // of two spans
		"tag=region:us":                               {1},
		"tag=region:eu":                               {0, 1}, // of the resource, whatever the span says
		"tag=resource.region:us":                      nil,
		"tag=resource.region:eu":                      {0, 1},
		"tag=resource.service.name:web":               {0, 1},
		"tag=service.name:web":                        {0, 1},
		"tag=load:0.5":                                {1},
		"tag=a:b":                                     nil,
		`tags={"a:b":"c:d"}`:                          {0},
		"tag=a:b:c:d":                                 nil, // the first colon counts
		"tag=error:true":                              {0, 1},
		"tag=error:false":                             {2},
		"tag=error:timeout":                           {2},
		"tag=span.status:ERROR":                       {0},
		"tag=span.status:unset":                       {2},
		"tag=otel.status_code:OK":                     {1},
		"tag=otel.status_description:boom":            {0},
		"tag=span.kind:server":                        {0},
		"tag=span.kind:SERVER":                        {0},
		"tag=span.kind:cat":                           nil,
		"tag=scope.name:lib":                          {0},
		"tag=otel.scope.name:lib&tag=scope.version:2": nil,
		"tag=otel.scope.version:":                     {1, 2},
		`tag=region:us&tags={"region":"eu"}`:          {0, 1}, // tags win
		`tags={"region":"us"}&tags={"load":"0.5"}`:    {1},
		`tags={}`:                                     {0, 1, 2},
		`tags=null`:                                   {0, 1, 2},
	} {
		p := &params{values: url.Values{}}
		for part := range strings.SplitSeq(query, "&") {
			key, value, _ := strings.Cut(part, "=")
			p.values.Add(key, value)
		}
		q, err := p.query(now)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []int
		for i := range b.Len() {
			if store.Matches(q.filter, b, i, nil) && q.scope.matches(b, i) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v; filter %v", query, got, want, q.filter)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"service=web&operation=GET+%2F&start=1800000000000000&end=1800000001000000&limit=20&minDuration=1.2s&maxDuration=2h",
		"tag=error:true&tag=a:b:c&tags=%7B%22span.kind%22%3A%22server%22%7D&raw=t", "traceID=1&traceID=AQIDBAUGBwg", "limit=0", "limit=99999999999",
		"tags=%7B%22a%22%3A1%7D", "tag=x", "start=-1&end=9223372036854775807", "minDuration=-5s", "%zz", "tag=scope.name:%00",
	} {
		f.Add(s)
	}
	b := new(span.Batch)
	b.Append(&span.Span{Name: "x", Duration: 5, Attrs: []span.Attribute{{Key: "a", Value: span.StringValue("b")}}})
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := parse(raw)
		if err != nil {
			return
		}
		q, err := p.query(now)
		p.pretty()
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 400 || e.Msg == "" || len(e.Msg) > 1000+maxParameter {
				t.Fatalf("%q: %#v", raw, err)
			}
			return
		}
		if q.ids != nil {
			for _, id := range q.ids {
				if id.IsZero() {
					t.Fatalf("%q: a zero id", raw)
				}
			}
			return
		}
		if q.limit < 1 || q.within.From < 0 || q.within.To < 1000 {
			t.Fatalf("%q: %+v", raw, q)
		}
		_ = store.Matches(q.filter, b, 0, nil)
		_ = q.scope.matches(b, 0)
		if q.filter == nil {
			return
		}
		again, err := store.ParseFilter(q.filter.String())
		if err == nil && store.Matches(again, b, 0, nil) != store.Matches(q.filter, b, 0, nil) {
			t.Fatalf("%q: the filter %s means something else when read again", raw, q.filter)
		}
	})
}
