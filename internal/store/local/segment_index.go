package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"sync/atomic"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file is the index of a segment: what our own reader must know, in a form that it need not parse whole
// to open the file, and of a size that allows thousands of open files. It lies between Parquet's pages and
// Parquet's footer, where other readers do not look. Integers are little-endian; "varint" is Protobuf's.
//
//	index | tail | Parquet's footer
//
//	index:      head | traces | CRC-32C of both uint32 | directory | CRC-32C uint32 | operations | CRC-32C uint32
//	head:       rows uint32 | bounds of all rows | size of traces, directory, operations: uint32 × 3
//	bounds:     earliest and latest start, least and most duration: int64 × 4 | lowest and highest trace id: 16 bytes × 2
//	traces:     a split block Bloom filter of the low halves of the trace ids
//	directory:  bounds of each page | columns varint | column × columns
//	operations: see ops.go
//	tail:       offset of the index uint64 | its size uint32 | offset of the end of the pages uint64
//	            | CRC-32C of what lies between pages and index, and of Parquet's footer: uint32
//	            | version of the segment uint32 | CRC-32C of the tail before uint32 | "SHIX"
//
// A column, in varints unless said: type (attributes only) uint8 | length of key, key (attributes only) | flags
// uint8 | encoding of its pages | offset | dictionary: header, entries, CRC uint32, chunks, and of each its
// bytes in the file, bytes, entries | Bloom filter: offset, size, CRC-32C uint32 | and of each page: header, levels,
// body: bytes | values | CRC uint32 | if compressed, the bytes of each frame of 1,024 values. The fixed columns come first, in the order of their constants.

// A column's flags.
const (
	flagOptional = 1 << iota
	flagZstd     // of the data pages
	flagPacked   // of the dictionary
)

const (
	indexMagic = "SHIX"
	tailSize   = 8 + 4 + 8 + 4 + 4 + 4 + len(indexMagic)
	boundsSize = 8*4 + 16*2
	headSize   = 4 + boundsSize + 4*3
)

// maxPiece bounds the pieces of dictionaries that a reader unpacks: longer than any text that a request can hold.
const maxPiece = 1 << 30

// indexHead is what a store keeps in memory of every segment.
type indexHead struct {
	rows   int
	bounds pageStats
	traces bloom.SplitBlockFilter

	directory, operations []byte // still to be checked
}

// directory says where a segment has what, and how each page is bounded.
type directory struct {
	stats   []pageStats
	list    []attrColumn
	columns []columnPlace
	starts  [][]uint64 // offset of each page, by column
	sums    []uint32   // CRC-32C of the Bloom filter, by column

	// sound has a bit for each page that was found to be what was written; so have
	// dictionaries that are not packed, and Bloom filters.
	sound []atomic.Uint64
}

func appendBounds(p []byte, b *pageStats) []byte {
	for _, n := range [...]int64{b.minStart, b.maxStart, b.minDuration, b.maxDuration} {
		p = binary.LittleEndian.AppendUint64(p, uint64(n))
	}
	for _, id := range [...]span.TraceID{b.firstTrace, b.lastTrace} {
		bytes := id.Bytes()
		p = append(p, bytes[:]...)
	}
	return p
}

func appendSum(p []byte, from int) []byte {
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[from:], castagnoli))
}

// index is the index of the segment that w has written.
func (w *segmentWriter) index(pages []pageStats) []byte {
	bounds := pages[0]
	for _, p := range pages[1:] {
		bounds.join(p)
	}
	filter := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(len(w.traces)), bloomBits))
	for _, id := range w.traces {
		filter.Insert(hashTrace(id))
	}
	var directory []byte
	for i := range pages {
		directory = appendBounds(directory, &pages[i])
	}
	directory = binary.AppendUvarint(directory, uint64(len(w.byColumn)))
	for col, at := range w.byColumn {
		if col >= numFixed {
			a := w.chosen[col-numFixed]
			directory = append(directory, byte(a.typ))
			directory = append(binary.AppendUvarint(directory, uint64(len(a.key))), a.key...)
		}
		directory = appendColumn(directory, &w.laid[at], w.filters[at])
	}
	operations := w.operations()

	p := binary.LittleEndian.AppendUint32(nil, uint32(w.s.n))
	p = appendBounds(p, &bounds)
	for _, part := range [...][]byte{filter.Bytes(), directory, operations} {
		p = binary.LittleEndian.AppendUint32(p, uint32(len(part)))
	}
	p = appendSum(append(p, filter.Bytes()...), 0)
	for _, part := range [...][]byte{directory, operations} {
		from := len(p)
		p = appendSum(append(p, part...), from)
	}
	return p
}

func appendColumn(p []byte, c *columnPlace, filter []byte) []byte {
	flags := byte(0)
	for flag, is := range map[byte]bool{flagOptional: c.optional, flagZstd: c.zstd, flagPacked: c.packed} {
		if is {
			flags |= flag
		}
	}
	p = append(p, flags)
	for _, n := range [...]uint64{uint64(c.encoding), c.off, uint64(c.dict.header), uint64(c.dict.values)} {
		p = binary.AppendUvarint(p, n)
	}
	p = binary.LittleEndian.AppendUint32(p, c.dict.crc)
	p = binary.AppendUvarint(p, uint64(len(c.chunks)))
	for _, k := range c.chunks {
		for _, n := range [...]uint32{k.body, k.plain, k.entries} {
			p = binary.AppendUvarint(p, uint64(n))
		}
	}
	p = binary.AppendUvarint(p, c.bloom)
	p = binary.AppendUvarint(p, uint64(c.blooms))
	p = binary.LittleEndian.AppendUint32(p, crc32.Checksum(filter, castagnoli))
	for _, page := range c.pages {
		for _, n := range [...]uint32{page.header, page.levels, page.body, page.values} {
			p = binary.AppendUvarint(p, uint64(n))
		}
		p = binary.LittleEndian.AppendUint32(p, page.crc)
		for _, n := range page.frames {
			p = binary.AppendUvarint(p, uint64(n))
		}
	}
	return p
}

// appendTail appends the tail to an index that will lie at an offset.
func appendTail(index []byte, pagesEnd, at int64, parquet uint32) []byte {
	from := len(index)
	p := binary.LittleEndian.AppendUint64(index, uint64(at))
	p = binary.LittleEndian.AppendUint32(p, uint32(from))
	p = binary.LittleEndian.AppendUint64(p, uint64(pagesEnd))
	p = binary.LittleEndian.AppendUint32(p, parquet)
	p = binary.LittleEndian.AppendUint32(p, segmentVersion)
	return append(appendSum(p, from), indexMagic...)
}

// tail is what a file says of its index.
type tail struct {
	index    []byte
	pagesEnd uint64 // where Parquet's Bloom filters and page index begin
	indexAt  uint64 // and end
	parquet  uint32 // checksum of these and of the footer
	footer   []byte
}

// readTail finds the index of a file.
func readTail(file []byte) (t tail, err error) {
	end := len(file) - len(parquetMagic) - 4
	if end < len(parquetMagic) || string(file[:4]) != parquetMagic || string(file[end+4:]) != parquetMagic {
		return t, errors.New("not a Parquet file, or not all of one")
	}
	size := int(binary.LittleEndian.Uint32(file[end:]))
	at := end - size - tailSize
	if size > end || at < 0 || string(file[at+tailSize-len(indexMagic):at+tailSize]) != indexMagic {
		return t, errors.New("a Parquet file without the index of a segment")
	}
	p := file[at:]
	if crc32.Checksum(p[:28], castagnoli) != binary.LittleEndian.Uint32(p[28:]) {
		return t, errors.New("the checksum of the index' place does not match")
	}
	if v := binary.LittleEndian.Uint32(p[24:]); v != segmentVersion {
		return t, fmt.Errorf("version %d, want %d", v, segmentVersion)
	}
	t.footer = file[at+tailSize : end]
	t.indexAt, t.pagesEnd, t.parquet = binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[12:]), binary.LittleEndian.Uint32(p[20:])
	n := uint64(binary.LittleEndian.Uint32(p[8:]))
	if t.pagesEnd > t.indexAt || t.indexAt > uint64(at) || n > uint64(at)-t.indexAt {
		return t, errors.New("the index lies outside the file")
	}
	t.index = file[t.indexAt : t.indexAt+n]
	return t, nil
}

// sumOf checks the checksum that follows the first n bytes of p, and cuts both off.
func sumOf(p []byte, n int, what string) (part, rest []byte, err error) {
	if n < 0 || len(p) < n+4 {
		return nil, nil, fmt.Errorf("the %s of the index is cut short", what)
	}
	if crc32.Checksum(p[:n], castagnoli) != binary.LittleEndian.Uint32(p[n:]) {
		return nil, nil, fmt.Errorf("the checksum of the %s of the index does not match", what)
	}
	return p[:n], p[n+4:], nil
}

// parseHead reads the first part of an index.
func parseHead(p []byte) (h indexHead, err error) {
	if len(p) < headSize {
		return h, errors.New("the index is cut short")
	}
	var sizes [3]int
	for i := range sizes {
		sizes[i] = int(binary.LittleEndian.Uint32(p[headSize-4*(3-i):]))
	}
	head, rest, err := sumOf(p, headSize+sizes[0], "head")
	if err != nil {
		return h, err
	}
	h.rows = int(binary.LittleEndian.Uint32(head))
	h.bounds = parseBounds(head[4:])
	// A copy, since it is asked for every trace: it is to stay in memory when the file's pages go.
	h.traces = bloom.MakeSplitBlockFilter(append([]byte(nil), head[headSize:]...))
	if h.rows == 0 || len(h.traces) == 0 || len(rest) != sizes[1]+4+sizes[2]+4 {
		return h, errors.New("the index is not of the size that it says")
	}
	h.directory, h.operations = rest[:sizes[1]+4], rest[sizes[1]+4:]
	return h, nil
}

func parseBounds(p []byte) pageStats {
	n := func(i int) int64 { return int64(binary.LittleEndian.Uint64(p[8*i:])) }
	return pageStats{n(0), n(1), n(2), n(3), traceID(p[32:]), traceID(p[48:])}
}

// varints reads a sequence of varints and bytes; a broken one is zeros from where it breaks.
type varints struct {
	p      []byte
	broken bool
}

func (v *varints) next() uint64 {
	if len(v.p) > 0 && v.p[0] < 0x80 { // most are
		n := v.p[0]
		v.p = v.p[1:]
		return uint64(n)
	}
	return v.long()
}

func (v *varints) long() uint64 {
	n, size := binary.Uvarint(v.p)
	if size <= 0 {
		v.p, v.broken = nil, true
		return 0
	}
	v.p = v.p[size:]
	return n
}

// int is a number that fits 31 bits, as sizes within a file and codes do.
func (v *varints) int() uint32 {
	n := v.next()
	if n > math.MaxInt32 {
		v.p, v.broken = nil, true
		return 0
	}
	return uint32(n)
}

func (v *varints) bytes(n int) []byte {
	if n < 0 || len(v.p) < n {
		v.p, v.broken = nil, true
		return nil
	}
	p := v.p[:n]
	v.p = v.p[n:]
	return p
}

func (v *varints) byte() byte {
	if p := v.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (v *varints) uint32() uint32 {
	if p := v.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// parseDirectory reads the second part of an index, of a segment of so many rows in a file of so many bytes.
func parseDirectory(p []byte, rows int, fileSize uint64) (*directory, error) {
	p, _, err := sumOf(p, len(p)-4, "directory")
	if err != nil {
		return nil, err
	}
	if pagesOf(rows) > len(p)/boundsSize { // before there is memory for them
		return nil, fmt.Errorf("%d rows, and bounds of %d pages at most", rows, len(p)/boundsSize)
	}
	d := &directory{stats: make([]pageStats, pagesOf(rows))}
	v := varints{p: p}
	for i := range d.stats {
		if b := v.bytes(boundsSize); b != nil {
			d.stats[i] = parseBounds(b)
		}
	}
	n := int(v.int())
	if n < numFixed || n > len(p) {
		return nil, fmt.Errorf("%d columns, want at least %d", n, numFixed)
	}
	d.columns, d.starts, d.sums = make([]columnPlace, n), make([][]uint64, n), make([]uint32, n)
	for col := range d.columns {
		if col >= numFixed {
			typ := span.ValueType(v.byte())
			d.list = append(d.list, attrColumn{string(v.bytes(int(v.int()))), typ})
			if !hasColumn(typ) {
				return nil, fmt.Errorf("an attribute column of type %d", typ)
			}
		}
		if err := d.parseColumn(&v, col, rows, fileSize); err != nil {
			return nil, err
		}
	}
	if v.broken || len(v.p) > 0 {
		return nil, errors.New("the directory ends at the wrong place")
	}
	d.sound = make([]atomic.Uint64, (len(d.columns)*(len(d.stats)+2)+63)/64)
	return d, nil
}

func (d *directory) parseColumn(v *varints, col, rows int, fileSize uint64) error {
	c := &d.columns[col]
	flags := v.byte()
	c.optional, c.zstd, c.packed = flags&flagOptional != 0, flags&flagZstd != 0, flags&flagPacked != 0
	c.encoding, c.off = format.Encoding(v.int()), v.next()
	c.dict.header, c.dict.values, c.dict.crc = v.int(), v.int(), v.uint32()
	end, entries := c.off+uint64(c.dict.header), uint64(0)
	if n := int(v.int()); n > 0 {
		if n > len(v.p) {
			return errors.New("more chunks of a dictionary than there is room for")
		}
		c.chunks = make([]chunkPlace, n)
	}
	for i := range c.chunks {
		k := &c.chunks[i]
		k.body, k.plain, k.entries = v.int(), v.int(), v.int()
		c.dict.body += k.body
		end += uint64(k.body)
		entries += uint64(k.entries)
		if k.entries == 0 || k.plain > maxPiece {
			return errors.New("a chunk of a dictionary of impossible size")
		}
	}
	if entries != uint64(c.dict.values) {
		return errors.New("the chunks of a dictionary have another number of entries than it")
	}
	c.bloom, c.blooms, d.sums[col] = v.next(), v.int(), v.uint32()
	if c.bloom > fileSize || uint64(c.blooms) > fileSize-c.bloom || c.blooms%bloom.BlockSize != 0 {
		return errors.New("a Bloom filter lies outside the file")
	}
	if len(d.stats) > len(v.p)/minPlace {
		return errors.New("more pages than there is room for")
	}
	c.pages, d.starts[col] = make([]pagePlace, len(d.stats)), make([]uint64, len(d.stats))
	for i := range c.pages {
		page := &c.pages[i]
		page.header, page.levels, page.body, page.values, page.crc = v.int(), v.int(), v.int(), v.int(), v.uint32()
		if in := pageLen(rows, i); int(page.values) > in || !c.optional && int(page.values) != in {
			return fmt.Errorf("a page with %d values in %d rows", page.values, in)
		}
		if c.zstd {
			sum := uint64(0)
			for range (page.values + frameValues - 1) / frameValues {
				page.frames = append(page.frames, v.int())
				sum += uint64(page.frames[len(page.frames)-1])
			}
			if sum != uint64(page.body) {
				return errors.New("the frames of a page are not all of it")
			}
		}
		d.starts[col][i] = end
		end += page.size()
	}
	if end+padding > fileSize || c.off > end {
		return errors.New("a column lies outside the file")
	}
	return d.checkKind(col)
}

// minPlace is the least that the place of a page takes: four varints and a checksum.
const minPlace = 4 + 4

// checkKind says whether a column is written in one of the ways that it can be read in.
func (d *directory) checkKind(col int) error {
	c := &d.columns[col]
	var l layout
	optional := true
	if col < numFixed {
		l, optional = fixed[col].layout, leafOf(col).optional
	} else {
		l = layoutOf(d.list[col-numFixed].typ)
	}
	if c.optional != optional {
		return errors.New("a column that may lack values and must not, or must not and may")
	}
	switch {
	case c.encoding == format.RLEDictionary && !c.zstd,
		l == numLayout && c.encoding == format.Plain,
		l == numLayout && c.encoding == format.DeltaBinaryPacked && !c.zstd:
		return nil
	case l == textLayout && c.encoding == format.Plain && !slices.ContainsFunc(c.pages, func(p pagePlace) bool { return p.values > 0 }):
		return nil // without values
	}
	return fmt.Errorf("a column in the encoding %s, which it cannot have", c.encoding)
}

// The numbers of what has a column besides pages.
const (
	dictionaryPage = -2
	bloomPage      = -1
)

// isSound says whether a page was found to be sound.
func (d *directory) isSound(col, page int) bool {
	i := col*(len(d.stats)+2) + page + 2
	return d.sound[i/64].Load()&(1<<(i%64)) != 0
}

func (d *directory) setSound(col, page int) {
	i := col*(len(d.stats)+2) + page + 2
	d.sound[i/64].Or(1 << (i % 64))
}

// size is what a directory takes in memory, roughly.
func (d *directory) size() int {
	n := 256 + len(d.stats)*64
	for i := range d.columns {
		n += 160 + len(d.columns[i].pages)*28 + len(d.columns[i].chunks)*12
	}
	for _, a := range d.list {
		n += 32 + len(a.key)
	}
	return n
}

// hashTrace is the hash of a trace's id in the filter: of its low half, which is all that some peers know.
func hashTrace(id span.TraceID) uint64 {
	x := id.Lo * 0x9e3779b97f4a7c15
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}
