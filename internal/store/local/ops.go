package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"

	"github.com/fuwu-project/fuwu/internal/store"
)

// operation is what the spans of a segment that have service, name, kind and status in common, and whether they
// have a parent, come to. Most questions ask for just these, so that a segment need not be read to know
// that it has nothing to say, or what it says; others are told which of its pages to look at.
//
// In the file, in varints: number of operations, and of each: service, name, kind, status (codes), root | count | sum
// (zigzag) | least duration | most above it | earliest start above the segment's | latest above it | number of pages, and of
// each: distance from the one before, and the bound of its durations | bytes of the sketch | sketch: zeros, number of buckets
// that are not empty, and of each: distance from the one before (zigzag), and count. The codes are those of the columns'
// dictionaries. If spans stand for others that were not recorded, all operations are followed by how many spans each stands for: float64 × n.
type operation struct {
	service, name, kind, status uint32
	root                        bool
	count                       uint64
	stands                      float64 // spans, recorded or not
	sum                         int64
	minDuration, maxDuration    int64
	minStart, maxStart          int64
	pages                       []operationPage
	sketch                      []byte // as in the file
}

// operationPage is a page that has spans of an operation.
type operationPage struct {
	page  uint32
	bound uint32 // of their durations: durationOf(bound) is at least the longest
}

// maxOperations bounds the table; a segment with more operations has none, which would help nobody.
const maxOperations = 1 << 14

// boundOf is a duration in 16 bits, rounded up: floating point with a mantissa of 8 bits.
func boundOf(ns int64) uint32 {
	shift := max(bits.Len64(uint64(ns))-9, 0)
	m := uint64(ns) >> shift
	if m<<shift != uint64(ns) {
		m++ // at most 512, which is 256 of the next shift
	}
	return uint32(shift)<<8 + uint32(m)
}

// durationOf is the duration of a bound: at least the ns of boundOf(ns), at most 1/256 more.
func durationOf(bound uint32) int64 {
	if bound < 512 {
		return int64(bound)
	}
	shift := bound>>8 - 1
	m := uint64(bound&255 | 256)
	if bits.Len64(m)+int(shift) > 63 {
		return math.MaxInt64
	}
	return int64(m << shift)
}

// operationKey is what makes an operation, as codes of the head.
type operationKey struct {
	service, name, kind, status uint32
	root                        bool
}

// operationSum is an operation in the making.
type operationSum struct {
	operationKey
	operation
	durations store.Sketch
}

// operations is the table of the segment that w has written; it is empty if there are too many.
func (w *segmentWriter) operations() []byte {
	col := func(c int) []uint32 { return w.s.cols[c].codes }
	services, names, kinds, statuses := col(colService), col(colName), col(colKind), col(colStatus)
	num := func(c int) []uint64 { return w.s.cols[c].nums }
	parents, starts, durations := num(colParent), num(colStart), num(colDuration)

	weights := weightsOf(w.s)

	find := map[operationKey]int{}
	ops := w.ops[:0]
	before := -1
	for at, row := range w.order {
		key := operationKey{services[row], names[row], kinds[row], statuses[row], parents[row] == 0}
		i := before
		if i < 0 || ops[i].operationKey != key {
			var known bool
			if i, known = find[key]; !known {
				if len(ops) == maxOperations {
					return nil
				}
				i = len(ops)
				find[key] = i
				ops = slices.Grow(ops, 1)[:i+1] // with the memory of the segment before
				o := &ops[i]
				pages, counts := o.pages[:0], o.durations.Counts[:0]
				*o = *newOperationSum(key)
				o.pages, o.durations.Counts = pages, counts
			}
			before = i
		}
		weight := 1.0
		if weights != nil {
			weight = weights[row]
		}
		ops[i].add(uint32(at/pageRows), int64(starts[row]), int64(durations[row]), weight)
	}
	w.ops = ops

	first := int64(math.MaxInt64)
	for i := range ops {
		first = min(first, ops[i].minStart)
	}
	p := binary.AppendUvarint(nil, uint64(len(ops)))
	sampled := false
	for i := range ops {
		p = ops[i].append(p, w.renumbered, first)
		sampled = sampled || ops[i].stands != float64(ops[i].count)
	}
	if !sampled {
		return p
	}
	for i := range ops {
		p = binary.LittleEndian.AppendUint64(p, math.Float64bits(ops[i].stands))
	}
	return p
}

func newOperationSum(key operationKey) *operationSum {
	return &operationSum{operationKey: key, operation: operation{minDuration: math.MaxInt64, minStart: math.MaxInt64}}
}

// equal says whether an operation of the index is this sum.
func (o *operationSum) equal(x *operation) bool {
	return o.count == x.count && o.stands == x.stands && o.sum == x.sum && o.minDuration == x.minDuration && o.maxDuration == x.maxDuration &&
		o.minStart == x.minStart && o.maxStart == x.maxStart && slices.Equal(o.pages, x.pages) &&
		bytes.Equal(appendSketch(nil, &o.durations), x.sketch)
}

func (o *operationSum) add(page uint32, start, duration int64, weight float64) {
	o.count++
	o.stands += weight
	o.sum += duration
	o.minDuration, o.maxDuration = min(o.minDuration, duration), max(o.maxDuration, duration)
	o.minStart, o.maxStart = min(o.minStart, start), max(o.maxStart, start)
	o.durations.Add(duration)
	bound := boundOf(duration)
	if n := len(o.pages); n > 0 && o.pages[n-1].page == page {
		o.pages[n-1].bound = max(o.pages[n-1].bound, bound)
	} else {
		o.pages = append(o.pages, operationPage{page, bound})
	}
}

// append appends the operation; codes has the file's codes + 1 by column and code of the head.
func (o *operationSum) append(p []byte, codes map[int][]uint32, first int64) []byte {
	k := &o.operationKey
	root := uint64(0)
	if k.root {
		root = 1
	}
	for _, n := range [...]uint64{
		uint64(codes[colService][k.service] - 1), uint64(codes[colName][k.name] - 1),
		uint64(codes[colKind][k.kind] - 1), uint64(codes[colStatus][k.status] - 1), root, o.count,
	} {
		p = binary.AppendUvarint(p, n)
	}
	p = binary.AppendVarint(p, o.sum)
	for _, n := range [...]int64{o.minDuration, o.maxDuration - o.minDuration, o.minStart - first, o.maxStart - o.minStart} {
		p = binary.AppendUvarint(p, uint64(n))
	}
	p = binary.AppendUvarint(p, uint64(len(o.pages)))
	page := uint32(0)
	for _, q := range o.pages {
		p = binary.AppendUvarint(p, uint64(q.page-page))
		p = binary.AppendUvarint(p, uint64(q.bound))
		page = q.page
	}
	sketch := appendSketch(nil, &o.durations)
	return append(binary.AppendUvarint(p, uint64(len(sketch))), sketch...)
}

func appendSketch(p []byte, s *store.Sketch) []byte {
	p = binary.AppendUvarint(p, s.Zeros)
	some := 0
	for _, n := range s.Counts {
		if n > 0 {
			some++
		}
	}
	p = binary.AppendUvarint(p, uint64(some))
	before := 0
	for i, n := range s.Counts {
		if n > 0 {
			p = binary.AppendVarint(p, int64(s.First+i-before))
			p = binary.AppendUvarint(p, n)
			before = s.First + i
		}
	}
	return p
}

// readSketch calls add with each bucket of a sketch that is not empty, and returns the zeros.
func (v *varints) readSketch(add func(bucket int, n uint64)) (zeros uint64) {
	zeros = v.next()
	bucket := 0
	for range min(v.int(), maxBuckets) {
		bucket += int(v.zigzag())
		if bucket < -1 || bucket >= maxBuckets { // 1 ns is in bucket −1
			v.p, v.broken = nil, true
			return 0
		}
		add(bucket, v.next())
	}
	return zeros
}

// maxBuckets is more than the buckets of any sketch of durations.
const maxBuckets = 64 << 5

func (v *varints) zigzag() int64 {
	u := v.next()
	return int64(u>>1) ^ -int64(u&1)
}

// parseOperations reads the third part of the index of a segment; nil: it has no table. What it returns shows p.
func parseOperations(p []byte, bounds *pageStats, pages int) ([]operation, error) {
	p, _, err := sumOf(p, len(p)-4, "operations")
	if err != nil || len(p) == 0 {
		return nil, err
	}
	v := varints{p: p}
	n := int(v.int())
	if n > maxOperations {
		return nil, errors.New("more operations than a segment can have")
	}
	ops := make([]operation, n)
	places := make([]operationPage, 0, 4*n)
	for i := range ops {
		o := &ops[i]
		o.service, o.name, o.kind, o.status, o.root = v.int(), v.int(), v.int(), v.int(), v.int() == 1
		o.count, o.sum = v.next(), v.zigzag()
		o.stands = float64(o.count)
		o.minDuration = int64(v.next())
		o.maxDuration = o.minDuration + int64(v.next())
		o.minStart = bounds.minStart + int64(v.next())
		o.maxStart = o.minStart + int64(v.next())
		page, from := uint32(0), len(places)
		for range min(int(v.int()), pages) {
			page += v.int()
			places = append(places, operationPage{min(page, uint32(pages-1)), v.int()})
		}
		o.pages = places[from:len(places):len(places)]
		o.sketch = v.bytes(int(v.int()))
	}
	if len(v.p) == 8*n && !v.broken {
		for i := range ops {
			ops[i].stands = math.Float64frombits(binary.LittleEndian.Uint64(v.p[8*i:]))
			v.broken = v.broken || !(ops[i].stands >= float64(ops[i].count)) || math.IsInf(ops[i].stands, 1)
		}
		v.p = nil
	}
	if v.broken || len(v.p) > 0 {
		return nil, errors.New("the operations end at the wrong place")
	}
	return ops, nil
}

// addDurations adds the operation's durations to a sketch. A broken sketch has the checksum of a whole one, so that
// another program wrote it: what can be read of it counts.
func (o *operation) addDurations(s *store.Sketch) {
	v := varints{p: o.sketch}
	s.Zeros += v.readSketch(s.AddCount)
}
