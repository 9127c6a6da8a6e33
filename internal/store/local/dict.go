package local

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// dict holds the distinct texts of a column; a code is a text's index. Entry i is
// text[offsets[i]:offsets[i+1]].
type dict struct {
	text    []byte
	offsets []uint32
	finder  *finder // of pieces of segments
}

// finder finds the codes of a piece of a dictionary by hash; it is made when somebody looks for a text.
type finder struct {
	once  sync.Once
	slots []uint16 // code + 1, open addressing, at most half of them in use
}

// maxFinder is the most texts that a finder has room for: more than a piece of short texts has.
const maxFinder = 1 << 14

func (d *dict) len() int { return max(len(d.offsets)-1, 0) }

func (d *dict) at(code uint32) []byte { return d.text[d.offsets[code]:d.offsets[code+1]] }

// size is what the dict takes in memory, finder and all.
func (d *dict) size() int {
	n := len(d.text) + 4*len(d.offsets)
	if d.finder != nil {
		n += 2 * finderSlots(d.len())
	}
	return n
}

func finderSlots(texts int) int { return 2 << bits.Len(uint(texts)) }

// texts is a dictionary in pieces, as one query sees it: a piece is loaded when a text of it is asked for. It
// is not safe for concurrent use.
type texts struct {
	firsts []uint32 // code of the first text of each piece, and the number of all
	pieces []*dict
	load   func(piece int) (*dict, error)
	last   int // piece that was asked for last
}

func newTexts(firsts []uint32, load func(int) (*dict, error)) *texts {
	return &texts{firsts: firsts, pieces: make([]*dict, len(firsts)-1), load: load}
}

// whole are texts in one piece.
func (d *dict) whole() *texts {
	return &texts{firsts: []uint32{0, uint32(d.len())}, pieces: []*dict{d}}
}

func (t *texts) len() int { return int(t.firsts[len(t.firsts)-1]) }

// piece is piece i.
func (t *texts) piece(i int) (*dict, error) {
	if t.pieces[i] == nil {
		d, err := t.load(i)
		if err != nil {
			return nil, err
		}
		t.pieces[i] = d
	}
	return t.pieces[i], nil
}

// at is the text of a code, which is not to be written to.
func (t *texts) at(code uint32) ([]byte, error) {
	if code < t.firsts[t.last] || code >= t.firsts[t.last+1] {
		t.last, _ = slices.BinarySearch(t.firsts, code+1)
		t.last--
	}
	d, err := t.piece(t.last)
	if err != nil {
		return nil, err
	}
	return d.at(code - t.firsts[t.last]), nil
}

// all calls do with every code and text, until it returns an error.
func (t *texts) all(do func(code uint32, text []byte) error) error {
	for i := range t.pieces {
		d, err := t.piece(i)
		if err != nil {
			return err
		}
		for k := range uint32(d.len()) {
			if err := do(t.firsts[i]+k, d.at(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// find is the code of a text.
func (t *texts) find(text []byte) (code uint32, ok bool, err error) {
	for i := range t.pieces {
		d, err := t.piece(i)
		if err != nil {
			return 0, false, err
		}
		if code, ok := d.code(text); ok {
			return t.firsts[i] + code, true, nil
		}
	}
	return 0, false, nil
}

// code is the code of a text.
func (d *dict) code(text []byte) (uint32, bool) {
	if d.finder != nil {
		return d.finder.find(d, text)
	}
	for k := range d.len() {
		if from, to := d.offsets[k], d.offsets[k+1]; to-from == uint32(len(text)) && string(d.text[from:to]) == string(text) {
			return uint32(k), true
		}
	}
	return 0, false
}

// find is code of the dict that has the finder.
func (f *finder) find(d *dict, text []byte) (uint32, bool) {
	f.once.Do(func() {
		f.slots = make([]uint16, finderSlots(d.len()))
		for k := range uint32(d.len()) {
			at := f.first(d.at(k))
			for f.slots[at] != 0 {
				at = f.next(at)
			}
			f.slots[at] = uint16(k + 1)
		}
	})
	for at := f.first(text); f.slots[at] != 0; at = f.next(at) {
		if k := uint32(f.slots[at] - 1); string(d.at(k)) == string(text) {
			return k, true
		}
	}
	return 0, false
}

func (f *finder) first(text []byte) int { return int(hashText(text)) & (len(f.slots) - 1) }
func (f *finder) next(at int) int       { return (at + 1) & (len(f.slots) - 1) }

// dictBuilder is a dict that finds codes by text.
type dictBuilder struct {
	dict
	codes hashTable
}

var hashSeed = maphash.MakeSeed()

// intern returns the code of p, adding it if it is new.
func (d *dictBuilder) intern(p []byte) uint32 {
	hash := hashText(p)
	at, found := d.find(p, hash)
	if found {
		return d.codes.value(at)
	}
	code := d.add(p)
	d.codes.put(at, hash, code)
	return code
}

// add gives p a code of its own, by which intern does not find it.
func (d *dictBuilder) add(p []byte) uint32 {
	if len(d.offsets) == 0 {
		d.offsets = append(d.offsets, 0)
	}
	d.text = append(d.text, p...)
	d.offsets = append(d.offsets, uint32(len(d.text)))
	return uint32(d.len() - 1)
}

// lookup is the code of p, if it has one.
func (d *dictBuilder) lookup(p []byte) (uint32, bool) {
	at, found := d.find(p, hashText(p))
	if !found {
		return 0, false
	}
	return d.codes.value(at), true
}

// find is the slot that has the code of p, or the free one where it would be.
func (d *dictBuilder) find(p []byte, hash uint32) (at int, found bool) {
	for at, found = d.codes.first(hash); found; at, found = d.codes.from(at+1, hash) {
		if string(d.at(d.codes.value(at))) == string(p) {
			break
		}
	}
	return at, found
}

func hashText(p []byte) uint32 { return uint32(maphash.Bytes(hashSeed, p)) }

// hashTable finds 32-bit values by hash; what they stand for the caller compares. It is open-addressing, a power of
// two of slots of which at most half are in use. A slot is the hash and below it the value + 1, or 0. So nothing but
// the table is read of values of other hashes, nor when it grows.
type hashTable struct {
	slots []uint64
	n     int
}

// slotBytes is what the table takes for a value, at most.
const slotBytes = 4 * 8

// first is the first slot that has the hash; found is false if none has, and the slot is then the free one for put.
// No slot moves before reserve is called for more.
func (t *hashTable) first(hash uint32) (at int, found bool) {
	t.reserve(t.n + 1)
	return t.from(int(hash), hash)
}

// from is the same from a slot on: at+1 goes on behind the one that was found.
func (t *hashTable) from(at int, hash uint32) (int, bool) {
	mask := len(t.slots) - 1
	for at &= mask; ; at = (at + 1) & mask {
		if s := t.slots[at]; s == 0 || uint32(s>>32) == hash {
			return at, s != 0
		}
	}
}

func (t *hashTable) value(at int) uint32 { return uint32(t.slots[at]) - 1 }

func (t *hashTable) put(at int, hash, value uint32) {
	t.slots[at] = uint64(hash)<<32 | uint64(value+1)
	t.n++
}

// replace changes the value of a slot that has one.
func (t *hashTable) replace(at int, value uint32) {
	t.slots[at] = t.slots[at]&^math.MaxUint32 | uint64(value+1)
}

// reserve makes room for n values in all.
func (t *hashTable) reserve(n int) {
	if 2*n <= len(t.slots) {
		return
	}
	old := t.slots
	t.slots = make([]uint64, max(16, 2<<bits.Len(uint(n-1))))
	mask := len(t.slots) - 1
	for _, s := range old {
		if s == 0 {
			continue
		}
		at := int(s>>32) & mask
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}
