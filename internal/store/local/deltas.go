package local

import (
	"errors"
	"fmt"

	"github.com/parquet-go/bitpack"
	"github.com/parquet-go/bitpack/unsafecast"
)

// Numbers in Parquet's DELTA_BINARY_PACKED, in blocks as parquet-go's encoder makes them:
//
//	header: 128 | 4 | count | first value (zigzag): varints
//	block:  least delta (zigzag varint) | widths uint8 × 4 | 32 deltas × 4, each less the least, bit-packed; those
//	        of the last block that nobody needs are left out
//
// So a value is known only when all before it are. A page is therefore walked once, which leaves marks; a trace's few rows
// are then read from the mark before them.

const (
	deltaBlock = 128 // values of a block
	deltaPart  = 32  // values of the same width
	markBlocks = 4   // blocks from mark to mark
)

// mark is a place in a page of deltas from which it can be read: mark i is before value 1 + 512 × i.
type mark struct {
	at     uint32 // where the block begins
	before uint64 // the value before
}

// deltas reads blocks. A broken page is an error, not a panic.
type deltas struct {
	body []byte // with padding behind
	size int    // without
	at   int
	left int // values that are still to come
	last uint64
}

// newDeltas reads the header of a page, which is to have n values, at least one. The first is last.
func newDeltas(body []byte, size, n int) (deltas, error) {
	v := varints{p: body[:size]}
	block, parts, count, first := v.next(), v.next(), v.next(), v.zigzag()
	switch {
	case v.broken:
		return deltas{}, errors.New("deltas that are cut short")
	case block != deltaBlock || parts != deltaBlock/deltaPart:
		return deltas{}, fmt.Errorf("deltas in blocks of %d values in %d parts", block, parts)
	case count != uint64(n):
		return deltas{}, fmt.Errorf("%d numbers, want %d", count, n)
	}
	return deltas{body: body, size: size, at: size - len(v.p), left: n - 1, last: uint64(first)}, nil
}

// next reads the next block into dst, which has room for all of a block, and returns how many values it has.
func (d *deltas) next(dst []uint64) (n int, err error) {
	v := varints{p: d.body[d.at:d.size]}
	least, widths := uint64(v.zigzag()), v.bytes(deltaBlock/deltaPart)
	if v.broken {
		return 0, errors.New("deltas that are cut short")
	}
	n = min(d.left, deltaBlock)
	at := d.size - len(v.p)
	for i, width := range widths {
		from := i * deltaPart
		if from >= n {
			break
		}
		part := dst[from : from+deltaPart]
		bytes := deltaPart / 8 * int(width)
		switch {
		case width == 0:
			clear(part)
		case width > 64 || bytes > d.size-at || at+bytes+padding > len(d.body):
			return 0, errors.New("deltas that are cut short")
		default:
			bitpack.Unpack(unsafecast.Slice[int64](part), d.body[at:at+bytes], uint(width))
		}
		at += bytes
	}
	d.at, d.left = at, d.left-n
	last := d.last
	for i, delta := range dst[:n] {
		last += least + delta
		dst[i] = last
	}
	d.last = last
	return n, nil
}

// decodeDeltas reads all n numbers of a page; dst is memory for them. What marks is not nil gets the marks.
func decodeDeltas(dst []uint64, body []byte, size, n int, marks *[]mark) ([]uint64, error) {
	d, err := newDeltas(body, size, n)
	if err != nil {
		return nil, err
	}
	dst = sized(dst, n+deltaBlock)
	dst[0] = d.last
	for at := 1; at < n; {
		if marks != nil && (at-1)%(deltaBlock*markBlocks) == 0 {
			*marks = append(*marks, mark{uint32(d.at), d.last})
		}
		some, err := d.next(dst[at:])
		if err != nil {
			return nil, err
		}
		at += some
	}
	return dst[:n], nil
}

// decodeSomeDeltas appends to dst the values from to to of a page of n that has marks.
func decodeSomeDeltas(dst []uint64, body []byte, size, n int, marks []mark, from, to int) ([]uint64, error) {
	if from == 0 && to > 0 {
		d, err := newDeltas(body, size, n)
		if err != nil {
			return nil, err
		}
		dst, from = append(dst, d.last), 1
	}
	if from >= to {
		return dst, nil
	}
	i := (from - 1) / (deltaBlock * markBlocks)
	if i >= len(marks) {
		return nil, errors.New("fewer deltas than values")
	}
	at := 1 + i*deltaBlock*markBlocks
	d := deltas{body: body, size: size, at: int(marks[i].at), left: n - at, last: marks[i].before}
	var block [deltaBlock]uint64
	for at < to {
		some, err := d.next(block[:])
		if err != nil {
			return nil, err
		}
		if at+some > from {
			dst = append(dst, block[max(from-at, 0):min(to-at, some)]...)
		}
		at += some
	}
	return dst, nil
}
