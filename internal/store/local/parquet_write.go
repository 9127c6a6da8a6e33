package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// This file writes Parquet: pages, the page index and the footer. What goes into them is
// segment_write.go's. See https://parquet.apache.org/docs/file-format/ and the encodings in
// https://github.com/apache/parquet-format/blob/master/Encodings.md.

// parquetMagic begins and ends a file.
const parquetMagic = "PAR1"

// parquetLeaf is a column as the schema has it.
type parquetLeaf struct {
	group     string // "": none
	name      string
	typ       format.Type
	length    int32 // of a FixedLenByteArray
	optional  bool
	logical   format.LogicalTypeValue               // nil: none
	converted thrift.Null[deprecated.ConvertedType] // what older readers know instead
	zstd      bool                                  // the dictionary, and the pages that ask for it, are compressed
}

// pagePlace is where a page lies: behind the page before it. What it says of a data page is in its header
// too, but in Thrift.
type pagePlace struct {
	header, levels, body uint32   // bytes of its parts
	values               uint32   // that are not null; in a dictionary all
	crc                  uint32   // Parquet's checksum: CRC-32 (IEEE) of levels and body
	frames               []uint32 // of a compressed body: bytes of its frames, of frameValues values each
}

// size is what the page takes.
func (p *pagePlace) size() uint64 { return uint64(p.header) + uint64(p.levels) + uint64(p.body) }

// frameValues is how many values of 8 bytes are compressed at a time: a row of a page of them is found by unpacking one
// frame.
const frameValues = 1024

// chunkPlace is a piece of a dictionary's body that can be read alone.
type chunkPlace struct {
	body    uint32 // bytes in the file
	plain   uint32 // bytes of its values
	entries uint32
}

// columnPlace is where the pages of a column lie: the dictionary, if entries says that there is one, and then
// the data pages.
type columnPlace struct {
	off      uint64 // of the first page
	encoding format.Encoding
	optional bool // pages have definition levels
	zstd     bool // data pages are compressed
	dict     pagePlace
	chunks   []chunkPlace // of the dictionary's body
	packed   bool         // the chunks are zstd frames
	pages    []pagePlace
	bloom    uint64 // offset of the bits of the Bloom filter
	blooms   uint32 // its size; 0: none
}

// pageBounds are the bounds of a page's values as the column index has them; without values they are nil.
type pageBounds struct{ low, high []byte }

// parquetWriter writes a file of one row group, column by column. It may be used for one file after
// another, for which it keeps its buffers.
type parquetWriter struct {
	out  io.Writer
	off  int64
	rows int

	chunks  []format.ColumnChunk
	columns []format.ColumnIndex
	offsets []format.OffsetIndex
	laid    []columnPlace
	filters [][]byte // Bloom filters by column

	leaf parquetLeaf
	err  error // the first error of out

	summing bool
	sum     uint32 // CRC-32C of what was written while summing

	compressor *zstd.Encoder // the file's: it has channels, which belong to the goroutines that made them
	protocol   thrift.CompactProtocol
	header     bytes.Buffer
	encoder    *thrift.Encoder
	packed     []byte // a compressed page
}

// reset begins a file.
func (w *parquetWriter) reset(out io.Writer, rows int) error {
	// Ids and numbers in hex have no matches, but only half of the alphabet: without the entropy coding
	// of all literals they would stay as they are.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	w.compressor, w.encoder = z, thrift.NewEncoder(w.protocol.NewWriter(&w.header))
	w.out, w.off, w.rows, w.err = out, 0, rows, nil
	w.chunks, w.columns, w.offsets = w.chunks[:0], w.columns[:0], w.offsets[:0]
	w.laid, w.filters, w.summing = w.laid[:0], w.filters[:0], false
	w.write([]byte(parquetMagic))
	return w.err
}

func (w *parquetWriter) write(p []byte) {
	if w.err == nil {
		var n int
		n, w.err = w.out.Write(p)
		w.off += int64(n)
		if w.summing {
			w.sum = crc32.Update(w.sum, castagnoli, p)
		}
	}
}

// begin begins the chunk of the next column; columns come in the order of the schema.
func (w *parquetWriter) begin(leaf parquetLeaf) {
	w.leaf = leaf
	path := thrift.Slice[string]{leaf.name}
	if leaf.group != "" {
		path = thrift.Slice[string]{leaf.group, leaf.name}
	}
	meta := format.ColumnMetaData{Type: leaf.typ, PathInSchema: path, NumValues: int64(w.rows)}
	if leaf.zstd {
		meta.Codec = format.Zstd
	}
	w.chunks = append(w.chunks, format.ColumnChunk{MetaData: meta})
	w.columns = append(w.columns, format.ColumnIndex{})
	w.offsets = append(w.offsets, format.OffsetIndex{})
	w.laid = append(w.laid, columnPlace{off: uint64(w.off), optional: leaf.optional})
	w.filters = append(w.filters, nil)
}

// place is where the column that is being written lies.
func (w *parquetWriter) place() *columnPlace { return &w.laid[len(w.laid)-1] }

// meta is the metadata of the column that is being written.
func (w *parquetWriter) meta() *format.ColumnMetaData { return &w.chunks[len(w.chunks)-1].MetaData }

// dictionary begins the dictionary page, to which pieces are added, each compressed by itself: to a reader that knows nothing of
// them they are one, since Zstandard's frames may be concatenated (RFC 8878, section 3.1).
func (w *parquetWriter) dictionary() {
	w.meta().DictionaryPageOffset = w.off
	at := w.place()
	at.packed, at.chunks = w.leaf.zstd, nil
	w.packed = w.packed[:0]
}

// piece adds entries to the dictionary, of which plain has the values.
func (w *parquetWriter) piece(plain []byte, entries uint32) {
	at, before := w.place(), len(w.packed)
	if at.packed {
		w.packed = w.compressor.EncodeAll(plain, w.packed)
	} else {
		w.packed = append(w.packed, plain...)
	}
	at.chunks = append(at.chunks, chunkPlace{body: uint32(len(w.packed) - before), plain: uint32(len(plain)), entries: entries})
}

// endDictionary writes the page.
func (w *parquetWriter) endDictionary() {
	at, plain, n := w.place(), 0, uint32(0)
	for _, c := range at.chunks {
		plain, n = plain+int(c.plain), n+c.entries
	}
	header := format.PageHeader{Type: format.DictionaryPage}
	header.DictionaryPageHeader.Set(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain})
	at.dict = w.page(&header, nil, w.packed, plain)
	at.dict.values = n
	w.count(format.DictionaryPage, format.Plain)
}

// data writes a data page of rows of which nulls have no value; levels are empty in a required column.
func (w *parquetWriter) data(rows, nulls int, encoding format.Encoding, levels, values []byte, compress bool, b pageBounds) {
	meta, index := w.meta(), &w.columns[len(w.columns)-1]
	if meta.DataPageOffset == 0 {
		meta.DataPageOffset = w.off
	}
	header := format.PageHeader{Type: format.DataPageV2}
	header.DataPageHeaderV2.Set(format.DataPageHeaderV2{
		NumValues: int32(rows), NumNulls: int32(nulls), NumRows: int32(rows),
		Encoding: encoding, DefinitionLevelsByteLength: int32(len(levels)),
		IsCompressed: thrift.New(compress), Statistics: format.Statistics{NullCount: int64(nulls)},
	})
	offsets := &w.offsets[len(w.offsets)-1]
	from, first := w.off, int64(len(offsets.PageLocations))*pageRows
	body, frames := values, []uint32(nil)
	if compress {
		w.packed = w.packed[:0]
		for frame := range slices.Chunk(values, 8*frameValues) {
			before := len(w.packed)
			w.packed = w.compressor.EncodeAll(frame, w.packed)
			frames = append(frames, uint32(len(w.packed)-before))
		}
		body = w.packed
	}
	at := w.place()
	page := w.page(&header, levels, body, len(values))
	page.values, page.frames = uint32(rows-nulls), frames
	at.pages = append(at.pages, page)
	if page.values > 0 {
		at.encoding, at.zstd = encoding, compress
	}
	offsets.PageLocations = append(offsets.PageLocations, format.PageLocation{
		Offset: from, CompressedPageSize: int32(w.off - from), FirstRowIndex: first,
	})
	index.NullPages = append(index.NullPages, nulls == rows)
	index.NullCounts = append(index.NullCounts, int64(nulls))
	index.MinValues = append(index.MinValues, b.low)
	index.MaxValues = append(index.MaxValues, b.high)
	meta.Statistics.NullCount += int64(nulls)
	w.count(format.DataPageV2, encoding)
}

// page writes a page: its header, its levels, which are never compressed, and its body, of values that
// took so many bytes before they were compressed.
func (w *parquetWriter) page(header *format.PageHeader, levels, body []byte, plain int) pagePlace {
	if plain > math.MaxInt32-1<<20 {
		w.fail(errors.New("a page would be larger than 2 GiB"))
		return pagePlace{}
	}
	header.UncompressedPageSize = int32(len(levels) + plain)
	header.CompressedPageSize = int32(len(levels) + len(body))
	sum := crc32.Update(crc32.ChecksumIEEE(levels), crc32.IEEETable, body)
	header.CRC = int32(sum)
	from := w.off
	n := w.thrift(header)
	w.write(levels)
	w.write(body)
	size, meta := w.off-from, w.meta()
	meta.TotalCompressedSize += size
	meta.TotalUncompressedSize += size + int64(plain-len(body))
	return pagePlace{header: uint32(n), levels: uint32(len(levels)), body: uint32(len(body)), crc: sum}
}

// count enters a page into the statistics of the chunk's encodings.
func (w *parquetWriter) count(typ format.PageType, encoding format.Encoding) {
	meta := w.meta()
	for i := range meta.EncodingStats {
		if s := &meta.EncodingStats[i]; s.PageType == typ && s.Encoding == encoding {
			s.Count++
			return
		}
	}
	meta.EncodingStats = append(meta.EncodingStats, format.PageEncodingStats{PageType: typ, Encoding: encoding, Count: 1})
}

func (w *parquetWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// thrift writes v in the compact protocol and returns its size.
func (w *parquetWriter) thrift(v any) int {
	p := w.encode(v)
	w.write(p)
	return len(p)
}

// encode is v in the compact protocol, until the next call.
func (w *parquetWriter) encode(v any) []byte {
	w.header.Reset()
	if err := w.encoder.Encode(v); err != nil {
		w.fail(err)
	}
	return w.header.Bytes()
}

// ended finishes a column; chunk bounds are given where they are exact.
func (w *parquetWriter) ended(order format.BoundaryOrder, b pageBounds) {
	meta := w.meta()
	w.columns[len(w.columns)-1].BoundaryOrder = order
	meta.Statistics.MinValue, meta.Statistics.MaxValue = b.low, b.high
	seen := map[format.Encoding]bool{}
	if w.leaf.optional {
		meta.Encoding, seen[format.RLE] = append(meta.Encoding, format.RLE), true
	}
	for _, s := range meta.EncodingStats {
		if !seen[s.Encoding] {
			meta.Encoding, seen[s.Encoding] = append(meta.Encoding, s.Encoding), true
		}
	}
}

// bloomBits is how many bits a Bloom filter has for each value: 1 % of the absent values are found.
const bloomBits = 10

// filter gives the column a Bloom filter of values with these hashes, as Parquet has it:
// https://github.com/apache/parquet-format/blob/master/BloomFilter.md.
func (w *parquetWriter) filter(hashes []uint64) {
	f := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(len(hashes)), bloomBits))
	f.InsertBulk(hashes)
	w.filters[len(w.filters)-1] = f.Bytes()
}

// finish writes what follows the pages: Bloom filters, the page index, what index makes of the places of the
// columns, and the footer. Rows ascend by column sorting.
func (w *parquetWriter) finish(root string, leaves []parquetLeaf, sorting int, keyValues []format.KeyValue, createdBy string, index func() []byte) error {
	pagesEnd := w.off
	w.summing, w.sum = true, 0
	for i, f := range w.filters {
		if f == nil {
			continue
		}
		at, meta := &w.laid[i], &w.chunks[i].MetaData
		meta.BloomFilterOffset = w.off
		w.thrift(&format.BloomFilterHeader{
			NumBytes:    int32(len(f)),
			Algorithm:   format.BloomFilterAlgorithm{Value: &format.SplitBlockAlgorithm{}},
			Hash:        format.BloomFilterHash{Value: &format.XxHash{}},
			Compression: format.BloomFilterCompression{Value: &format.BloomFilterUncompressed{}},
		})
		at.bloom, at.blooms = uint64(w.off), uint32(len(f))
		w.write(f)
		meta.BloomFilterLength = int32(w.off - meta.BloomFilterOffset)
	}
	for i := range w.columns {
		w.chunks[i].ColumnIndexOffset = w.off
		w.chunks[i].ColumnIndexLength = int32(w.thrift(&w.columns[i]))
	}
	for i := range w.offsets {
		w.chunks[i].OffsetIndexOffset = w.off
		w.chunks[i].OffsetIndexLength = int32(w.thrift(&w.offsets[i]))
	}
	group := format.RowGroup{
		Columns: w.chunks, NumRows: int64(w.rows), FileOffset: int64(len(parquetMagic)),
		SortingColumns: []format.SortingColumn{{ColumnIdx: int32(sorting)}},
	}
	orders := make([]format.ColumnOrder, len(leaves))
	for i := range w.chunks {
		group.TotalByteSize += w.chunks[i].MetaData.TotalUncompressedSize
		group.TotalCompressedSize += w.chunks[i].MetaData.TotalCompressedSize
		orders[i].Value = &format.TypeDefinedOrder{}
	}
	footer := w.encode(&format.FileMetaData{
		Version: 2, Schema: parquetSchema(root, leaves), NumRows: int64(w.rows), RowGroups: []format.RowGroup{group},
		KeyValueMetadata: keyValues, CreatedBy: createdBy, ColumnOrders: orders,
	})
	w.write(appendTail(index(), pagesEnd, w.off, crc32.Update(w.sum, castagnoli, footer)))
	w.write(footer)
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	w.write([]byte(parquetMagic))
	w.out = nil
	return w.err
}

// parquetSchema is the tree of a schema whose leaves are in order, those of a group together.
func parquetSchema(root string, leaves []parquetLeaf) []format.SchemaElement {
	elements := []format.SchemaElement{{Name: root}}
	top, group := int32(0), -1
	for _, leaf := range leaves {
		switch {
		case leaf.group == "":
			group = -1
			top++
		case group < 0 || elements[group].Name != leaf.group:
			group = len(elements)
			elements = append(elements, format.SchemaElement{
				Name: leaf.group, RepetitionType: thrift.New(format.Required), NumChildren: thrift.New[int32](0),
			})
			top++
		}
		if group >= 0 {
			elements[group].NumChildren.V++
		}
		e := format.SchemaElement{
			Name: leaf.name, Type: thrift.New(leaf.typ), RepetitionType: thrift.New(format.Required),
			ConvertedType: leaf.converted, LogicalType: format.LogicalType{Value: leaf.logical},
		}
		if leaf.optional {
			e.RepetitionType = thrift.New(format.Optional)
		}
		if leaf.length > 0 {
			e.TypeLength = thrift.New(leaf.length)
		}
		elements = append(elements, e)
	}
	elements[0].NumChildren = thrift.New(top)
	return elements
}

// appendLevels appends the definition levels of rows: bit i of present says that row i has a value; n of
// them are set. They are one run, bit-packed unless all are equal.
func appendLevels(dst []byte, present []uint64, rows, n int) []byte {
	if n == 0 || n == rows {
		return append(binary.AppendUvarint(dst, uint64(rows)<<1), byte(min(n, 1)))
	}
	groups := (rows + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups
	for _, word := range present {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst[:end]
}

// codeWidth is the number of bits of codes up to the highest; some readers do not take 0.
func codeWidth(highest uint32) int { return max(1, bits.Len32(highest)) }

// appendCodes appends a page of codes: their width, and one run, bit-packed unless all are equal.
func appendCodes(dst []byte, codes []uint32) []byte {
	if len(codes) == 0 {
		return append(dst, 1)
	}
	lowest, highest := codes[0], codes[0]
	for _, c := range codes {
		lowest, highest = min(lowest, c), max(highest, c)
	}
	width := codeWidth(highest)
	dst = append(dst, byte(width))
	if lowest == highest {
		return appendRun(dst, highest, len(codes), width)
	}
	groups := (len(codes) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups*width
	acc, n := uint64(0), 0
	for _, c := range codes {
		acc |= uint64(c) << n
		if n += width; n >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
			acc >>= 32
			n -= 32
		}
	}
	for len(dst) < end {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
		acc >>= 32
	}
	return dst[:end]
}

// appendRun appends a run of n equal codes.
func appendRun(dst []byte, code uint32, n, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for ; width > 0; width -= 8 {
		dst = append(dst, byte(code))
		code >>= 8
	}
	return dst
}
