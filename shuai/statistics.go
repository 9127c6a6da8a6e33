package shuai

import (
	"hash/maphash"
	"math"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// statistics counts every span that ends, recorded or not, by (kind, name, span type, error): how many, and how long they took.
// So rates, shares of errors and quantiles are exact while a thousandth of the traces is kept.
//
//	find, add ── any goroutine, no locks ──► series → shard → counters ── collect, the exporter ──► totals → OTLP
//
// A series is found in a hash table that only grows, to a limit; what comes later goes to the series overflow of its kind. Its
// counters are split into shards, so that cores do not fight for a word, and made when they are first needed: most series know a
// few octaves of durations and no errors. A span is one addition to one word, which counts it and sums the durations.
type statistics struct {
	tracer    *Tracer
	threshold uint64 // of roots of a new series
	limit     int    // of series, but for overflow
	seed      maphash.Seed
	slots     []atomic.Pointer[series]    // open addressing, linear probing, at most half full
	recent    [256]atomic.Pointer[series] // found before, by where in memory the name is: most names are constants
	overflow  [numKinds]*series
	full      atomic.Bool
	mu        sync.Mutex // makes series one at a time
	all       []*series  // in the order in which they were made, overflow first; guarded by mu
}

const numKinds = int(KindConsumer) + 1

// A series is what spans have in common. All of it but counters and threshold is fixed.
type series struct {
	tracer   *Tracer
	hash     uint64
	kind     Kind
	overflow bool
	name     string
	typ      string // span type; "" is the name

	threshold atomic.Uint64              // of a root, as in [sampled]
	counters  []atomic.Pointer[counters] // by shard, four times: of spans that did not and that did fail, and the same of roots
	totals    [2]histogram               // of spans that did not and that did fail; the exporter's
	roots     uint64                     // of these, the spans that began a trace; the exporter's
}

// counters are those of one shard since they were last collected.
type counters struct {
	blocks [numBuckets / blockSize]atomic.Pointer[block]

	mu    sync.Mutex
	spill map[int]tally // of buckets whose word was full
}

// block is two octaves of buckets.
type block [blockSize]atomic.Uint64

// The word of a bucket: in its high bits the number of spans, in its low ones the sum of their offsets. It is full when there are
// 2^23 spans, which takes a second, and has room for as many again.
const (
	countShift = 40
	offsetSum  = 1<<countShift - 1
	wordFull   = 1 << 63
)

// tally is what a bucket holds. The offset of a duration is what it has more than the least of its bucket, in units of 2^-18 of the
// least of its octave; a sum of offsets is off by half a unit a span at most: less than two millionths.
type tally struct{ count, offsets uint64 }

func (t *tally) add(word uint64) {
	t.count += word >> countShift
	t.offsets += word & offsetSum
}

// seconds is the sum of the durations in bucket i.
func (t tally) seconds(i int) float64 {
	least := float64(bounds[i%perOctave])/(1<<52) + 1
	return math.Ldexp(float64(t.count)*least+(float64(t.offsets)+float64(t.count)/2)/(1<<18), i/perOctave+firstOctave)
}

// The buckets are those of an OTLP exponential histogram of scale 3, in seconds: bucket i holds durations of 2^(i/8) s and more,
// and less than 2^((i+1)/8) s, so that a quantile read from its middle is off by at most 2^(1/16), 4.5 %. They begin at 2^-30 s,
// which is less than a nanosecond, and end at 2^18 s, three days; what lies outside is counted in the first or last, with the least duration of it.
const (
	scale       = 3
	perOctave   = 1 << scale
	firstOctave = -30
	octaves     = 48
	firstBucket = firstOctave * perOctave
	numBuckets  = octaves * perOctave
	blockSize   = 16
)

// bounds are the mantissas of 2^(k/8); guess is the bucket within an octave of the least mantissa that has the given first four
// bits, than which no other is more than one bucket higher.
var bounds, guess = func() (bounds [perOctave + 1]uint64, guess [16]uint8) {
	for k := range perOctave {
		bounds[k] = math.Float64bits(math.Exp2(float64(k)/perOctave)) & mantissa
	}
	bounds[perOctave] = math.MaxUint64
	for i := range guess {
		for bounds[guess[i]+1] <= uint64(i)<<48 {
			guess[i]++
		}
	}
	return bounds, guess
}()

const mantissa = 1<<52 - 1

// bucketOf is the number of a duration's bucket, from 0, and its offset, less than 2^16.
func bucketOf(nanos int64) (bucket int, offset uint64) {
	b := math.Float64bits(float64(nanos) * 1e-9)
	octave := int(b>>52) - 1023 - firstOctave
	if octave < 0 {
		return 0, 0
	}
	if octave >= octaves {
		return numBuckets - 1, 0
	}
	m := b & mantissa
	k := int(guess[m>>48])
	if m >= bounds[k+1] {
		k++
	}
	return octave*perOctave + k, (m - bounds[k]) >> (52 - 18)
}

func newStatistics(t *Tracer, limit int, threshold uint64) *statistics {
	st := &statistics{tracer: t, threshold: threshold, limit: limit, seed: maphash.MakeSeed()}
	st.slots = make([]atomic.Pointer[series], 1<<bits.Len(uint(2*limit)))
	for kind := range st.overflow {
		s := newSeries(t, threshold, t.number())
		s.kind, s.overflow = Kind(kind), true
		st.overflow[kind] = s
	}
	st.all = append(st.all, st.overflow[:]...)
	return st
}

func newSeries(t *Tracer, threshold uint64, shards int) *series {
	s := &series{tracer: t, counters: make([]atomic.Pointer[counters], 4*shards)}
	s.threshold.Store(threshold)
	return s
}

// find returns the series of a span, and makes it if there is room.
func (st *statistics) find(kind Kind, name, typ string) *series {
	recent := &st.recent[placeOf(kind, name, typ)]
	if s := recent.Load(); s != nil && s.is(kind, name, typ) {
		return s
	}
	h := st.hash(kind, name, typ)
	if s := st.lookup(h, kind, name, typ); s != nil {
		recent.CompareAndSwap(nil, s) // never in another's place, so that two names do not fight for it
		return s
	}
	if st.full.Load() || len(name)+len(typ) > maxSeriesText {
		return st.overflowOf(kind)
	}
	return st.insert(h, kind, name, typ)
}

// placeOf spares a constant the hash of its text: a multiplication of its address, by 2^64 divided by the golden ratio.
func placeOf(kind Kind, name, typ string) uint8 {
	at := uint64(uintptr(unsafe.Pointer(unsafe.StringData(name)))) + bits.RotateLeft64(uint64(uintptr(unsafe.Pointer(unsafe.StringData(typ)))), 32)
	return uint8((at + uint64(kind)) * 0x9e3779b97f4a7c15 >> 56)
}

func (s *series) is(kind Kind, name, typ string) bool {
	return s.kind == kind && s.name == name && (s.typ == "" && typ == "" || s.typ == typ) // mostly there is none, and nothing to call
}

// counts reports whether spans of a name, and of the type of the series, are counted under it. Beyond the limit of series one name
// cannot be told from another.
func (s *series) counts(name string) bool {
	return s.name == name || s.overflow && s.tracer.statistics.find(s.kind, name, s.typ) == s
}

func (st *statistics) hash(kind Kind, name, typ string) uint64 {
	h := maphash.String(st.seed, name) + uint64(kind)
	if typ != "" {
		h += bits.RotateLeft64(maphash.String(st.seed, typ), 32)
	}
	return h
}

func (st *statistics) lookup(h uint64, kind Kind, name, typ string) *series {
	for i := h; ; i++ {
		s := st.slots[i&uint64(len(st.slots)-1)].Load()
		if s == nil || s.hash == h && s.is(kind, name, typ) {
			return s
		}
	}
}

// maxSeriesText bounds the memory of names. A name that is longer is made of data, and its series of one span.
const maxSeriesText = 512

func (st *statistics) insert(h uint64, kind Kind, name, typ string) *series {
	st.mu.Lock()
	defer st.mu.Unlock()
	if s := st.lookup(h, kind, name, typ); s != nil {
		return s // another goroutine was faster
	}
	if len(st.all) >= st.limit+numKinds {
		st.full.Store(true)
		return st.overflowOf(kind)
	}
	s := newSeries(st.tracer, st.threshold, st.tracer.number())
	// Copies: the originals may be small parts of something large.
	s.hash, s.kind, s.name, s.typ = h, kind, strings.Clone(name), strings.Clone(typ)
	mask := uint64(len(st.slots) - 1)
	i := h & mask
	for st.slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	st.slots[i].Store(s)
	st.all = append(st.all, s)
	return s
}

func (st *statistics) overflowOf(kind Kind) *series {
	if int(kind) >= numKinds {
		kind = 0
	}
	return st.overflow[kind]
}

// add counts a span that took some time. It says whether another processor was counting in the same place.
func (s *series) add(shard int, nanos int64, failed, root bool) (contended bool) {
	if failed {
		shard += len(s.counters) / 4
	}
	if root {
		shard += len(s.counters) / 2
	}
	c := s.counters[shard].Load()
	if c == nil {
		c = s.makeCounters(shard)
	}
	i, offset := bucketOf(nanos)
	b := c.blocks[i/blockSize].Load()
	if b == nil {
		b = c.makeBlock(i / blockSize)
	}
	word := &b[i%blockSize]
	before := word.Load()
	after := before + (1<<countShift | offset)
	if contended = !word.CompareAndSwap(before, after); contended {
		after = word.Add(1<<countShift | offset)
	}
	if after >= wordFull {
		c.empty(i, word)
	}
	return contended
}

// empty puts what a full word holds where there is more room.
func (c *counters) empty(i int, word *atomic.Uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spill == nil {
		c.spill = map[int]tally{}
	}
	t := c.spill[i]
	t.add(word.Swap(0))
	c.spill[i] = t
}

func (s *series) makeCounters(shard int) *counters {
	s.counters[shard].CompareAndSwap(nil, new(counters))
	return s.counters[shard].Load()
}

func (c *counters) makeBlock(i int) *block {
	c.blocks[i].CompareAndSwap(nil, new(block))
	return c.blocks[i].Load()
}

// A histogram is one series' durations over a longer time. Only the exporter uses it.
type histogram struct {
	count   uint64
	seconds float64 // sum of durations
	blocks  [numBuckets / blockSize]*[blockSize]uint64
}

// collect moves what has been counted into the totals, and returns all series. A span that is counted meanwhile is in these totals or in
// the next.
func (st *statistics) collect() []*series {
	for i := range st.recent {
		st.recent[i].Store(nil) // names that were put together have filled it
	}
	st.mu.Lock()
	all := st.all
	st.mu.Unlock()
	for _, s := range all {
		for i := range s.counters {
			if c := s.counters[i].Load(); c != nil {
				set := i / (len(s.counters) / 4)
				n := s.totals[set&1].take(c)
				if set >= 2 {
					s.roots += n
				}
			}
		}
	}
	return all
}

func (h *histogram) take(c *counters) (spans uint64) {
	move := func(i int, t tally) {
		if h.blocks[i/blockSize] == nil {
			h.blocks[i/blockSize] = new([blockSize]uint64)
		}
		h.blocks[i/blockSize][i%blockSize] += t.count
		h.seconds += t.seconds(i)
		spans += t.count
	}
	for i := range c.blocks {
		b := c.blocks[i].Load()
		if b == nil {
			continue
		}
		for k := range b {
			if b[k].Load() != 0 {
				var t tally
				t.add(b[k].Swap(0))
				move(i*blockSize+k, t)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.spill {
		move(i, t)
	}
	clear(c.spill)
	h.count += spans
	return spans
}

// reset forgets what has been sent, where the next export is to hold only what is new.
func (h *histogram) reset() {
	h.count, h.seconds = 0, 0
	for _, b := range h.blocks {
		if b != nil {
			clear(b[:])
		}
	}
}

// buckets are the counts from the first to the last bucket that has any, and the number of the first, in OTLP's numbering.
func (h *histogram) buckets(into []uint64) (first int, counts []uint64) {
	counts = into[:0]
	gap := 0
	for i, b := range h.blocks {
		for k := range blockSize {
			switch {
			case b == nil || b[k] == 0:
				gap++
			case len(counts) == 0:
				first, gap = i*blockSize+k, 0
				counts = append(counts, b[k])
			default:
				for ; gap > 0; gap-- {
					counts = append(counts, 0)
				}
				counts = append(counts, b[k])
			}
		}
	}
	return first + firstBucket, counts
}
