// Package local is the embedded span store: one directory, one process, no server. A batch is written to
// a log, then to a head in memory, where every query sees it at once; a full head is sealed into an
// immutable Parquet file, a segment, and its log is deleted. All questions are answered on columns, the
// same way for heads and segments.
//
// # The directory
//
//	LOCK            held (flock) by the process that has the store open
//	000041.parquet  segment 41
//	000017-000024.parquet  what segments 17 to 24 were merged into
//	000042.log      of a full head, which becomes 000042.parquet
//	000043.log      of the head that takes spans
//	*.tmp           being written; deleted by Open
//	*.bad           could not be read and was set aside; named in Stats, never touched again
//
// Log n holds what segment n will hold. There is no manifest: a segment appears by rename, after which its
// log is superfluous, so whatever a crash interrupts, the names say what to do. Open deletes logs whose
// segment is there, replays the others, goes on writing the newest and seals the rest.
//
// # The log
//
// Integers are little-endian. A frame is one batch, as it came off the wire (or as Options.Encode makes
// it); Options.Decode reads it again.
//
//	"SHUAILOG" | version uint32 = 1 | frame × n
//
//	frame:  "SHFR" | length uint32 | CRC-32C uint32 | format uint8 | body
//
// Length counts format and body, the checksum is theirs. What a crash leaves half written at the end of the
// newest log was never acknowledged and is cut off. Damage anywhere else is skipped up to the next whole frame,
// and a copy of the log is kept as *.bad.
//
// # The segment
//
// One row group; rows ascend by trace id, then start; in every column page p holds the rows from 8,192 × p.
//
//	trace_id            FIXED(16), dictionary, rows of a trace are neighbours
//	span_id             FIXED(8)
//	parent_span_id      FIXED(8) optional, zstd
//	start_time          TIMESTAMP(ns, UTC), delta
//	duration_ns         INT64, delta
//	service, name       STRING, dictionary, as are all strings
//	kind, status        STRING: "server", "error", …
//	status_message      STRING optional
//	trace_state         STRING optional
//	flags               INT64
//	resource, scope     JSON
//	events, links       JSON optional
//	dropped_attributes, dropped_events, dropped_links   INT64 optional
//	attr.<key>          optional STRING, INT64, DOUBLE, BOOLEAN or BYTE_ARRAY: one column per key and type
//	more_attributes     JSON optional: lists, maps, nulls, and keys that have none of the 256 columns (see head.expect)
//
// Data pages are of version 2. The codes of a dictionary are one run in each page, bit-packed unless all are
// equal, as are the definition levels, and not compressed: so a row is found without decoding the page. Those of
// trace_id have a run per trace. Dictionaries ascend by first use, so that the texts of a trace lie together, and are
// compressed in pieces of 32 KiB, each a zstd frame, so that they can be read without the rest. Numbers have a
// dictionary if few are distinct; else integers are deltas and doubles PLAIN with zstd. Attributes with more than 256
// texts have Parquet's Bloom filters.
//
// Behind the pages, before Parquet's footer, lies an index of our own, which is all that this package reads to know what is
// where: the directory of the pages and their bounds, a Bloom filter of the traces, and the sums of the rows by
// operation. It is drawn in segment_index.go and ops.go. Segments are mapped into memory; pages are checked when they are
// read for the first time, by their checksums.
//
// A column of attributes is named by its key; the second most frequent type of a key is key:int and so on,
// and ':', '%' and unprintable bytes of keys are written %3A (see columnName). Keys that differ only by
// case from a more frequent one are in more_attributes, since many tools fold names. The JSON is drawn in
// text.go.
//
// Spans that are appended twice are dropped on arrival in the same head, and on reading if their copies lie
// in different segments.
//
// # Merging
//
// Small segments, of servers that get few spans, are merged, eight at a time (merge.go). The name of a merged segment says
// which ones it has; any of them that is there still, as after a crash, is superfluous, and so is its log.
//
// # Retention
//
// Options.Retention and Options.MaxBytes drop whole segments, the oldest first, by the start of their youngest
// span. A segment disappears by unlink; queries that read it keep it open. Its log, should it still be there,
// goes first, or the next Open would bring the spans back.
//
// # Goroutines
//
// The committer alone writes the log and appends to the head: it takes all Appends that wait as one group,
// with one write and, if so configured, one fsync. The sealer alone writes segments and drops them. Queries run on their
// callers' goroutines, on a view that they take at their start: snapshots of the heads, which are
// append-only arrays, and references to the segments. Two heads may be in memory; while both are full
// Append waits.
package local
