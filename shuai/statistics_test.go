package shuai

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// Every duration lies in the bucket that the definition, computed in floating point, gives it, the middle of a bucket is
// within 4.5 % of all that lie in it, and the duration is known again from its offset.
func TestBuckets(t *testing.T) {
	check := func(nanos int64) {
		i, offset := bucketOf(nanos)
		want := int(math.Floor(math.Log2(float64(nanos)*1e-9)*perOctave)) - firstBucket
		if want = max(0, min(want, numBuckets-1)); i != want && !onBound(nanos) {
			t.Fatalf("%d ns are in bucket %d, want %d", nanos, i, want)
		}
		if i == 0 || i == numBuckets-1 {
			return
		}
		middle := math.Exp2((float64(i+firstBucket) + 0.5) / perOctave)
		if off := math.Abs(middle/(float64(nanos)*1e-9) - 1); off > 0.0443 {
			t.Fatalf("%d ns: the middle of bucket %d is off by %.2f %%", nanos, i, 100*off)
		}
		if off := math.Abs(tally{1, offset}.seconds(i)/(float64(nanos)*1e-9) - 1); off > 2e-6 || offset >= 1<<16 {
			t.Fatalf("%d ns: offset %d in bucket %d is off by %.6f %%", nanos, offset, i, 100*off)
		}
	}
	for nanos := range int64(100_000) {
		check(max(1, nanos))
	}
	for range 100_000 {
		check(1 + rand.Int64N(1<<(1+rand.IntN(62))))
	}
	shortest, _ := bucketOf(0)
	longest, _ := bucketOf(math.MaxInt64)
	if shortest != 0 || longest != numBuckets-1 {
		t.Errorf("0 is in %d, the longest in %d", shortest, longest)
	}
}

// onBound: floating point cannot say on which side.
func onBound(nanos int64) bool {
	x := math.Log2(float64(nanos)*1e-9) * perOctave
	return math.Abs(x-math.Round(x)) < 1e-9
}

// point is a data point of the durations' histogram.
type point struct {
	count     uint64
	seconds   float64
	first     int
	buckets   []uint64
	start, at uint64
}

// decoded is an ExportMetricsServiceRequest. Histogram points are by name|kind|type|status, sums by metric|name|kind or outcome.
type decoded struct {
	temporality uint64
	points      map[string]point
	sums        map[string]uint64
}

// decodeMetrics reads what appendMetrics wrote; bench/tracer reads it with the official types.
func decodeMetrics(t *testing.T, b []byte) decoded {
	t.Helper()
	d := decoded{points: map[string]point{}, sums: map[string]uint64{}}
	each := func(b []byte, f func(field, number uint64, b []byte)) {
		if err := eachField(b, func(field, number uint64, b []byte) error { f(field, number, b); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	attr := func(b []byte, into map[string]string) {
		key := ""
		each(b, func(field, _ uint64, b []byte) {
			if field == 1 {
				key = string(b)
				return
			}
			each(b, func(field, n uint64, b []byte) {
				if into[key] = string(b); field == 2 {
					into[key] = fmt.Sprint(n == 1)
				}
			})
		})
	}
	each(b, func(_, _ uint64, b []byte) {
		each(b, func(field, _ uint64, b []byte) {
			if field != 2 {
				return
			}
			each(b, func(field, _ uint64, b []byte) { // ScopeMetrics
				if field != 2 {
					return
				}
				name := ""
				each(b, func(field, _ uint64, b []byte) { // Metric
					if field == 1 {
						name = string(b)
					}
					if field != 7 && field != 10 {
						return
					}
					each(b, func(inner, number uint64, b []byte) { // Sum, ExponentialHistogram
						if inner == 2 {
							d.temporality = number
						}
						if inner != 1 {
							return
						}
						var p point
						attrs, value := map[string]string{}, uint64(0)
						for rest := b; len(rest) > 0; { // eachField keeps no fixed numbers
							tag, n := binary.Uvarint(rest)
							fixed := func() uint64 { return binary.LittleEndian.Uint64(rest[n:]) }
							size := n + 8
							switch tag & 7 {
							case wireVarint:
								_, m := binary.Uvarint(rest[n:])
								size = n + m
							case wireBytes:
								length, m := binary.Uvarint(rest[n:])
								size = n + m + int(length)
								content := rest[n+m : size]
								switch tag >> 3 {
								case 8:
									each(content, func(field, number uint64, b []byte) {
										if field == 1 {
											p.first = int(int64(number>>1) ^ -int64(number&1))
										}
										for field == 2 && len(b) > 0 {
											v, n := binary.Uvarint(b)
											p.buckets, b = append(p.buckets, v), b[n:]
										}
									})
								default:
									attr(content, attrs)
								}
							case wireFixed64:
								switch tag >> 3 {
								case 2:
									p.start = fixed()
								case 3:
									p.at = fixed()
								case 4:
									p.count = fixed()
								case 5:
									p.seconds = math.Float64frombits(fixed())
								case 6:
									value = fixed()
								}
							}
							rest = rest[size:]
						}
						who := attrs["span.name"] + "|" + strings.TrimPrefix(attrs["span.kind"], "SPAN_KIND_")
						if attrs["otel.metric.overflow"] == "true" {
							who = "overflow" + who
						}
						if field == 10 {
							d.points[who+"|"+attrs["shuai.span.type"]+"|"+strings.TrimPrefix(attrs["status.code"], "STATUS_CODE_")] = p
						} else if o := attrs["outcome"]; o != "" {
							d.sums[name+"|"+o] = value
						} else {
							d.sums[name+"|"+who] += value
						}
					})
				})
			})
		})
	})
	return d
}

// reports are the statistics received, in order.
func (c *collector) reports(t *testing.T) (reports []decoded) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.others {
		if strings.HasSuffix(o.url, metricsPath) {
			reports = append(reports, decodeMetrics(t, o.body))
		}
	}
	return reports
}

func accept(*http.Request) (*http.Response, error) { return reply(200, ""), nil }

// Many goroutines end spans of several names, types and outcomes, recorded and not, while the exporter collects, and all of them
// are counted, once, with the durations that they were given.
func TestStatisticsAgainstBruteForce(t *testing.T) {
	for _, temporality := range []string{"cumulative", "delta"} {
		for _, ratio := range []float64{-1, 0.5, 1} {
			t.Run(fmt.Sprint(temporality, ratio), func(t *testing.T) {
				c := &collector{answerOther: accept}
				tr, _ := testTracer(t, Config{Transport: c, Ratio: ratio, Statistics: temporality, Compression: "none"})
				type key struct{ who string }
				var mu sync.Mutex
				want := map[key][]time.Duration{}
				roots := map[string]uint64{}
				var wg sync.WaitGroup
				for w := range 4 {
					wg.Go(func() {
						rng := rand.New(rand.NewPCG(uint64(w), 1))
						for range 2000 {
							kind := Kind(1 + rng.IntN(5))
							name := fmt.Sprint("name ", rng.IntN(20))
							typ := []string{"", "mysql", "host /route"}[rng.IntN(3)]
							d := time.Duration(math.Exp(rng.Float64() * 20))
							ctx := t.Context()
							root := rng.IntN(2) == 0
							if !root {
								ctx, _ = tr.StartSpan(ctx, "never ends", KindInternal)
							}
							_, s := tr.StartSpan(ctx, "first name", kind)
							s.SetType(typ)
							s.SetName(name)
							status := "UNSET"
							switch rng.IntN(4) {
							case 0:
								status = "ERROR"
								s.Error(errors.New("x"))
							case 1: // OK is final
								s.SetStatus(StatusOK, "")
								s.SetStatus(StatusError, "late")
							}
							begin := time.Now()
							s.SetStart(begin)
							s.EndAt(begin.Add(d))
							s.EndAt(begin.Add(time.Hour)) // it has ended
							who := name + "|" + strings.TrimPrefix(kindNames[kind], "SPAN_KIND_")
							mu.Lock()
							k := key{who + "|" + typ + "|" + status}
							want[k] = append(want[k], d)
							if root {
								roots[who+"|"+typ]++
							}
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				if err := tr.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				reports := c.reports(t)
				if len(reports) != 1 {
					t.Fatalf("%d reports", len(reports))
				}
				got := reports[0]
				if len(got.points) != len(want) {
					t.Errorf("%d series, want %d", len(got.points), len(want))
				}
				for k, durations := range want {
					p := got.points[k.who]
					if p.count != uint64(len(durations)) {
						t.Fatalf("%s: %d spans, want %d", k.who, p.count, len(durations))
					}
					sum := time.Duration(0)
					for _, d := range durations {
						sum += d
					}
					if math.Abs(p.seconds-sum.Seconds()) > 1e-6*float64(len(durations)) {
						t.Errorf("%s: %v s, want %v", k.who, p.seconds, sum)
					}
					slices.Sort(durations)
					for _, q := range []float64{0.5, 0.9, 0.99} {
						exact := durations[int(q*float64(len(durations)-1))]
						if est := p.quantile(int(q * float64(len(durations)-1))); exact > 10 && math.Abs(est/exact.Seconds()-1) > 0.05 {
							t.Errorf("%s: the %v-quantile is %v s, want %v", k.who, q, est, exact)
						}
					}
				}
				total := uint64(0)
				for _, n := range got.sums {
					total += n
				}
				wantTotal := tr.Stats().Exported
				for _, n := range roots {
					wantTotal += n
				}
				if total != wantTotal {
					t.Errorf("roots and outcomes are %d, want %d", total, wantTotal)
				}
			})
		}
	}
}

// quantile is the middle of the bucket in which the span of the given rank lies.
func (p point) quantile(rank int) float64 {
	for i, n := range p.buckets {
		if rank -= int(n); rank < 0 {
			return math.Exp2((float64(p.first+i) + 0.5) / perOctave)
		}
	}
	return math.NaN()
}

// Counting goes on while totals are collected, and nothing is lost or counted twice.
func TestCollectWhileCounting(t *testing.T) {
	tr, _ := testTracer(t, Config{Ratio: -1})
	tr.Stop(t.Context()) // the test collects
	st := tr.statistics
	s := st.find(KindServer, "x", "")
	var wg sync.WaitGroup
	var done atomic.Int32
	const n = 50_000
	for w := range 4 {
		wg.Go(func() {
			for i := range n {
				s.add((w+i)%tr.number(), int64(i), i%3 == 0, i%2 == 0)
			}
			done.Add(1)
		})
	}
	for done.Load() < 4 {
		st.collect()
	}
	wg.Wait()
	st.collect()
	st.collect()
	if got := s.totals[0].count + s.totals[1].count; got != 4*n {
		t.Errorf("%d spans, want %d", got, 4*n)
	}
	if got, want := s.totals[0].seconds+s.totals[1].seconds, 4e-9*n/2*(n-1); math.Abs(got/want-1) > 2e-6 {
		t.Errorf("%v s, want %v", got, want)
	}
	if s.roots != 2*n || s.totals[1].count != 4*((n+2)/3) {
		t.Errorf("%d roots, %d failed", s.roots, s.totals[1].count)
	}
}

// A word has room for a second of a busy processor; what comes then is not lost.
func TestFullWords(t *testing.T) {
	tr, _ := testTracer(t, Config{Ratio: -1})
	tr.Stop(t.Context()) // the test collects
	s := tr.statistics.find(KindServer, "x", "")
	i, _ := bucketOf(1)
	s.add(0, 1, false, false)
	word := &s.counters[0].Load().blocks[i/blockSize].Load()[i%blockSize]
	word.Store(1<<63 - 1<<countShift) // one less than full
	for range 3 {
		s.add(0, 1, false, false)
	}
	if n := word.Load() >> countShift; n != 2 {
		t.Errorf("%d spans are left in the word", n)
	}
	tr.statistics.collect()
	tr.statistics.collect()
	if got := s.totals[0].count; got != 1<<23+2 || s.totals[0].blocks[i/blockSize][i%blockSize] != got {
		t.Errorf("%d spans", got)
	}
}

// A program that makes up names gets no more than its series; the others are counted together, by kind.
func TestOverflow(t *testing.T) {
	c := &collector{answerOther: accept}
	tr, _ := testTracer(t, Config{Transport: c, Ratio: -1, MaxSeries: 10, Compression: "none"})
	for i := range 100 {
		_, s := tr.StartSpan(t.Context(), fmt.Sprint(i), KindServer)
		s.End()
	}
	_, s := tr.StartSpan(t.Context(), "made up", KindServer)
	s.SetName("3") // a name that is known
	s.End()
	_, s = tr.StartSpan(t.Context(), strings.Repeat("x", maxSeriesText+1), KindClient)
	s.End()
	_, s = tr.StartSpan(t.Context(), "x", 77)
	s.End()
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.reports(t)[0].points
	if len(got) != 13 || got["overflow|SERVER||UNSET"].count != 90 || got["overflow|CLIENT||UNSET"].count != 1 ||
		got["overflow|UNSPECIFIED||UNSET"].count != 1 || got["3|SERVER||UNSET"].count != 2 {
		t.Errorf("%d series: %v", len(got), got)
	}
}

// A name that is learned late does not replace one that the application has given, whether the span is recorded or only counted, and a span beyond the
// limit of series finds the one that it belongs to.
func TestRename(t *testing.T) {
	for _, ratio := range []float64{1, -1} {
		c := &collector{answerOther: accept}
		tr, _ := testTracer(t, Config{Transport: c, Ratio: ratio, MaxSeries: 2, Compression: "none"})
		for _, name := range []string{"known", "mine", "too many"} {
			_, s := tr.StartSpan(t.Context(), name, KindServer)
			s.End()
		}
		for _, given := range []string{"", "mine"} {
			_, s := tr.StartSpan(t.Context(), "beyond the limit", KindServer)
			if given != "" {
				s.SetName(given)
			}
			s.Rename("beyond the limit", "known")
			s.End()
			s.Rename("known", "has ended")
		}
		(*Span)(nil).Rename("", "x")
		if err := tr.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]uint64{"known": 2, "mine": 2, "overflow": 1} {
			if got := c.reports(t)[0].points[name+"|SERVER||UNSET"].count; got != n {
				t.Errorf("ratio %v: %d spans are counted as %s, want %d", ratio, got, name, n)
			}
		}
		if names, _ := c.spans(t); ratio == 1 && !slices.Equal(names, []string{"known", "mine", "too many", "known", "mine"}) {
			t.Errorf("recorded are %q", names)
		}
	}
}

// A name that the application gives stays beyond the limit of series, too, and one that is too long to be kept is known by its beginning.
func TestRenameBeyondLimits(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for _, ratio := range []float64{1, -1} {
		tr, _ := testTracer(t, Config{Ratio: ratio, MaxSeries: 2})
		for _, tt := range []struct{ begun, given, want string }{
			{"known", "", "late"}, // and this fills what room there is
			{"known", "made up", ""},
			{"made up", "", "late"},
			{long, "", "late"},
		} {
			_, s := tr.StartSpan(t.Context(), tt.begun, KindServer)
			if tt.given != "" {
				s.SetName(tt.given)
			}
			s.Rename(tt.begun, "late")
			if c := s.counted(); c.name != tt.want {
				t.Errorf("ratio %v, %.10s, %s: counted as %q, want %q", ratio, tt.begun, tt.given, c.name, tt.want)
			}
			if name := cmp.Or(tt.given, "late"); ratio == 1 && s.rec.name != name {
				t.Errorf("%.10s, %s: recorded as %.10s", tt.begun, tt.given, s.rec.name)
			}
			s.End()
		}
	}
}

// None of what several goroutines say at the same time is lost.
func TestNamedConcurrently(t *testing.T) {
	for _, ratio := range []float64{1, -1} {
		tr, _ := testTracer(t, Config{Ratio: ratio})
		for range 1000 {
			_, s := tr.StartSpan(t.Context(), "begun", KindServer)
			var wg sync.WaitGroup
			wg.Go(func() { s.Rename("begun", "late") })
			wg.Go(func() { s.SetType("type") })
			wg.Go(func() { s.SetName("given") })
			wg.Wait()
			if c := s.counted(); c.name != "given" || c.typ != "type" {
				t.Fatalf("ratio %v: counted as %q of type %q", ratio, c.name, c.typ)
			}
			s.End()
		}
	}
}

// Reports come every ten seconds. Delta ones hold what is new since the last that was taken, cumulative ones all.
func TestReports(t *testing.T) {
	for _, tt := range []struct {
		temporality string
		counts      []uint64
	}{
		{"cumulative", []uint64{3, 6, 9, 12, 15}},
		{"delta", []uint64{3, 3, 6, 9, 3}}, // the second and third are refused, the second and third time
	} {
		t.Run(tt.temporality, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := &collector{answerOther: func(*http.Request) (*http.Response, error) {
					if n++; n == 2 || n == 3 {
						return reply(503, ""), nil
					}
					return reply(200, ""), nil
				}}
				tr, _ := testTracer(t, Config{Transport: c, Statistics: tt.temporality})
				begin := time.Now()
				for range tt.counts {
					endSpans(tr, 3)
					time.Sleep(reportEvery)
					synctest.Wait()
				}
				reports := c.reports(t)
				if len(reports) != len(tt.counts) {
					t.Fatalf("%d reports", len(reports))
				}
				for i, r := range reports {
					p := r.points["x|SERVER||UNSET"]
					if p.count != tt.counts[i] || r.temporality != uint64(tr.exporter.settings.statistics) {
						t.Errorf("report %d: %+v", i, p)
					}
					if got := c.others[i].at.Sub(begin); got != time.Duration(i+1)*reportEvery {
						t.Errorf("report %d came after %v", i, got)
					}
					since := map[string]time.Duration{"delta": []time.Duration{0, reportEvery, reportEvery, reportEvery, 4 * reportEvery}[i]}[tt.temporality]
					if p.start != uint64(begin.Add(since).UnixNano()) || p.at != uint64(c.others[i].at.UnixNano()) {
						t.Errorf("report %d is from %d to %d", i, p.start, p.at)
					}
					if r.sums["shuai.trace.roots|x|SERVER"] != tt.counts[i] {
						t.Errorf("report %d: %v", i, r.sums)
					}
				}
			})
		})
	}
}

// Where in memory a name is says nothing: memory is used again, and texts share it.
func TestNamesInMemory(t *testing.T) {
	tr, _ := testTracer(t, Config{})
	st := tr.statistics
	memory := []byte("GET /0")
	for i := range 50 {
		memory[5] = byte('0' + i%10)
		for n := 1; n <= len(memory); n++ {
			name := unsafe.String(&memory[0], n)
			for _, typ := range []string{"", "mysql", name} {
				for kind := range Kind(2) {
					if s := st.find(kind, name, typ); s.kind != kind || s.name != name || s.typ != typ {
						t.Fatalf("%d %q %q is counted as %d %q %q", kind, name, typ, s.kind, s.name, s.typ)
					}
				}
			}
		}
		if i == 25 {
			st.collect()
		}
	}
}
