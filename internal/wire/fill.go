package wire

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// filler puts what a decoder reads into a batch: it applies limits, repairs text and keeps the last of
// equal keys. Decoders embed it.
type filler struct {
	b        *span.Batch
	lim      Limits
	rep      Report
	elements int // attributes, events and links kept so far

	// The attributes of the owner at work, from row attrsFrom of Values on. seen is a Bloom filter of
	// their keys; beyond manyKeys of them index takes its place, so that no owner costs n² comparisons.
	attrsFrom int
	dropped   uint32
	seen      [4]uint64
	indexed   bool
	index     map[uint64]uint32 // hash of a key to its row of Values

	scratch []byte
}

const manyKeys = 32

var seed = maphash.MakeSeed()

// reset makes the filler ready for a request. It keeps its memory.
func (f *filler) reset(lim Limits, b *span.Batch) {
	f.b, f.lim, f.rep, f.elements = b, lim, Report{}, 0
}

// beginAttrs starts the attributes of an owner.
func (f *filler) beginAttrs() {
	f.attrsFrom, f.dropped = len(f.b.Values), 0
	f.seen, f.indexed = [4]uint64{}, false
}

// attrs is the run of attributes since beginAttrs.
func (f *filler) attrs() span.Range {
	return span.Range{From: uint32(f.attrsFrom), To: uint32(len(f.b.Values))}
}

// cut counts one thing that a limit kept out of the owner at work.
func (f *filler) cut() {
	f.dropped++
	f.beyond()
}

// beyond counts one thing that a limit kept out.
func (f *filler) beyond() {
	f.rep.Cut++
	f.rep.Limited = true
}

// add gives the owner an attribute; key is the text of a.Key.
func (f *filler) add(key []byte, a span.Attr) {
	h := keyHash(key)
	bit := uint64(1) << (h & 63)
	word := &f.seen[h>>6&3]
	if *word&bit != 0 {
		if i := f.find(key); i >= 0 {
			f.b.Values[i] = a
			return
		}
	}
	n := len(f.b.Values) - f.attrsFrom
	if n >= f.lim.Attributes || f.elements >= f.lim.Elements {
		f.cut()
		return
	}
	*word |= bit
	f.elements++
	f.b.Values = append(f.b.Values, a)
	if n >= manyKeys {
		if !f.indexed {
			f.buildIndex()
		} else {
			f.index[maphash.Bytes(seed, key)] = uint32(len(f.b.Values) - 1)
		}
	}
}

// keyHash is quick rather than good: keys differ in their ends.
func keyHash(key []byte) uint32 {
	n := len(key)
	if n >= 8 {
		v := binary.LittleEndian.Uint64(key[n-8:]) ^ uint64(n)
		return uint32(v * 0x9e3779b97f4a7c15 >> 56)
	}
	h := uint32(n)
	for _, c := range key {
		h = h*31 + uint32(c)
	}
	return h * 0x9e3779b1 >> 24
}

// find is the row of Values that holds the owner's attribute of that key, or -1.
func (f *filler) find(key []byte) int {
	if f.indexed {
		i, ok := f.index[maphash.Bytes(seed, key)]
		if !ok {
			return -1
		}
		if string(f.b.Bytes(f.b.Values[i].Key)) == string(key) {
			return int(i)
		}
	}
	for i := f.attrsFrom; i < len(f.b.Values); i++ {
		if k := f.b.Values[i].Key; int(k.Len) == len(key) && string(f.b.Bytes(k)) == string(key) {
			return i
		}
	}
	return -1
}

// has says that the owner has an attribute of that key.
func (f *filler) has(key []byte) bool {
	h := keyHash(key)
	return f.seen[h>>6&3]&(1<<(h&63)) != 0 && f.find(key) >= 0
}

func (f *filler) buildIndex() {
	if f.index == nil {
		f.index = map[uint64]uint32{}
	}
	clear(f.index)
	f.indexed = true
	for i := f.attrsFrom; i < len(f.b.Values); i++ {
		f.index[maphash.Bytes(seed, f.b.Bytes(f.b.Values[i].Key))] = uint32(i)
	}
}

// text checks a text that lies at off in the arena and returns where to read it: there, or repaired
// behind the body.
func (f *filler) text(p []byte, off int) span.Text {
	if len(p) <= f.lim.ValueBytes && isUTF8(p) {
		return span.Text{Off: uint32(off), Len: uint32(len(p))}
	}
	return f.repaired(p, off)
}

func (f *filler) repaired(p []byte, off int) span.Text {
	if !utf8.Valid(p) {
		f.rep.Replaced++
		f.scratch = appendRepaired(f.scratch[:0], p)
		p = f.shortened(f.scratch)
		return f.b.PutBytes(p)
	}
	p = f.shortened(p)
	return span.Text{Off: uint32(off), Len: uint32(len(p))}
}

// appendRepaired appends p with U+FFFD in place of each byte that is not UTF-8.
func appendRepaired(dst, p []byte) []byte {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		dst = utf8.AppendRune(dst, r)
		p = p[n:]
	}
	return dst
}

// shortened cuts p to the limit of values, between two characters.
func (f *filler) shortened(p []byte) []byte {
	if len(p) <= f.lim.ValueBytes {
		return p
	}
	f.cut()
	return p[:cutAt(p, f.lim.ValueBytes)]
}

// cutAt is the place at or before n < len(p) where a character of p starts.
func cutAt(p []byte, n int) int {
	for back := range utf8.UTFMax {
		if n-back >= 0 && utf8.RuneStart(p[n-back]) {
			return n - back
		}
	}
	return n // not UTF-8
}

// isUTF8 is utf8.Valid with a quick answer for short ASCII.
func isUTF8(p []byte) bool {
	q := p
	for len(q) >= 8 {
		if binary.LittleEndian.Uint64(q)&0x8080808080808080 != 0 {
			return utf8.Valid(p)
		}
		q = q[8:]
	}
	switch n := len(q); {
	case n == 0:
		return true
	case len(p) >= 8:
		if binary.LittleEndian.Uint64(p[len(p)-8:])&0x8080808080808080 == 0 {
			return true
		}
	case n >= 4:
		if (binary.LittleEndian.Uint32(q)|binary.LittleEndian.Uint32(q[n-4:]))&0x80808080 == 0 {
			return true
		}
	case (q[0] | q[n/2] | q[n-1]) < utf8.RuneSelf:
		return true
	}
	return utf8.Valid(p)
}

// room says that an owner with n events or links may have one more, and counts it either way.
func (f *filler) room(n, limit int) bool {
	if n < limit && f.elements < f.lim.Elements {
		f.elements++
		return true
	}
	f.beyond()
	return false
}

// valid checks the ids of a span, given the bytes that each had on the wire (-1: not hex), and counts a
// span that fails.
func (f *filler) valid(row, traceID, spanID, parent int) bool {
	switch {
	case traceID != 16:
		f.invalidID(row, "trace id", traceID, "16")
	case f.b.TraceID[row].IsZero():
		f.invalidID(row, "trace id", 0, "16")
	case spanID != 8:
		f.invalidID(row, "span id", spanID, "8")
	case f.b.SpanID[row] == 0:
		f.invalidID(row, "span id", 0, "8")
	case parent != 0 && parent != 8:
		f.invalidID(row, "parent span id", parent, "none or 8")
	default:
		return true
	}
	return false
}

func (f *filler) invalidID(row int, what string, got int, want string) {
	if f.rep.Rejected++; f.rep.Reason != "" {
		return
	}
	is := fmt.Sprintf("%d bytes", got)
	switch got {
	case -1:
		is = "no hex"
	case 0:
		is = "nothing but zeros"
	}
	f.rep.Reason = fmt.Sprintf("span %.100q: its %s is %s, want %s bytes", f.b.Bytes(f.b.Name[row]), what, is, want)
}

// validLink checks the lengths of a link's ids, and counts a link that fails.
func (f *filler) validLink(traceID, spanID int) bool {
	if (traceID == 0 || traceID == 16) && (spanID == 0 || spanID == 8) {
		return true
	}
	f.rep.Cut++
	return false
}

// full says that the request has as many spans as it may have, and counts one more.
func (f *filler) full() bool {
	if f.b.Len() < f.lim.Spans {
		return false
	}
	f.rep.Rejected++
	f.rep.Limited = true
	if f.rep.Reason == "" {
		f.rep.Reason = fmt.Sprintf("more than %d spans in a request", f.lim.Spans)
	}
	return true
}

// mark is a place in a batch to go back to, so that nothing is left of what proves unneeded.
type mark struct{ spans, values, events, links, elements int }

func (f *filler) mark() mark {
	return mark{f.b.Len(), len(f.b.Values), len(f.b.Events), len(f.b.Links), f.elements}
}

func (f *filler) undo(m mark) {
	f.b.Truncate(m.spans)
	f.b.Values, f.b.Events, f.b.Links = f.b.Values[:m.values], f.b.Events[:m.events], f.b.Links[:m.links]
	f.elements = m.elements
}

func kindOf(v int32) span.Kind {
	if v < 0 || v > int32(span.KindConsumer) {
		return span.KindUnspecified
	}
	return span.Kind(v)
}

func statusOf(v int32) span.Status {
	if v < 0 || v > int32(span.StatusError) {
		return span.StatusUnset
	}
	return span.Status(v)
}

// nanos is a time on the wire as the model has it; one past the year 2262 is that year's.
func nanos(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

// plus adds without going round.
func plus(a, b uint32) uint32 { return uint32(min(uint64(a)+uint64(b), math.MaxUint32)) }
