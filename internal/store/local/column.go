package local

import (
	"cmp"
	"math"
	"slices"

	"github.com/fuwu-project/fuwu/internal/span"
)

// pageRows is the number of rows of a page, the unit in which columns are read, pruned and evaluated.
// Page p of every column of a source holds the rows from p*pageRows on.
const pageRows = 8192

// The columns that every source has. Columns of attributes follow, from numFixed on.
const (
	colTrace = iota
	colSpan
	colParent // 0: none
	colStart
	colDuration
	colService
	colName
	colKind   // the kind's name
	colStatus // the status' name
	colResource
	colScope
	colFlags
	colStatusMessage
	colTraceState
	colEvents
	colLinks
	colMore // attributes without a column of their own, as a JSON map
	colDroppedAttrs
	colDroppedEvents
	colDroppedLinks
	numFixed
)

// layout says which of a column's arrays are in use.
type layout uint8

const (
	idLayout   layout = iota // ids
	numLayout                // nums
	textLayout               // codes, into a dict
)

// fixedColumn describes a fixed column. A sparse one lists the rows that have a value; the others have
// "" or 0.
type fixedColumn struct {
	name   string // in the segment's schema
	layout layout
	sparse bool
}

var fixed = [numFixed]fixedColumn{
	colTrace:         {"trace_id", idLayout, false},
	colSpan:          {"span_id", numLayout, false},
	colParent:        {"parent_span_id", numLayout, false},
	colStart:         {"start_time", numLayout, false},
	colDuration:      {"duration_ns", numLayout, false},
	colService:       {"service", textLayout, false},
	colName:          {"name", textLayout, false},
	colKind:          {"kind", textLayout, false},
	colStatus:        {"status", textLayout, false},
	colResource:      {"resource", textLayout, false},
	colScope:         {"scope", textLayout, false},
	colFlags:         {"flags", numLayout, false},
	colStatusMessage: {"status_message", textLayout, true},
	colTraceState:    {"trace_state", textLayout, true},
	colEvents:        {"events", textLayout, true},
	colLinks:         {"links", textLayout, true},
	colMore:          {"more_attributes", textLayout, true},
	colDroppedAttrs:  {"dropped_attributes", numLayout, true},
	colDroppedEvents: {"dropped_events", numLayout, true},
	colDroppedLinks:  {"dropped_links", numLayout, true},
}

// attrColumn names a column of attributes: one key with one type. Only the scalar types have columns;
// nulls, lists and maps are in colMore.
type attrColumn struct {
	key string
	typ span.ValueType
}

func (a attrColumn) compare(b attrColumn) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.typ, b.typ))
}

func hasColumn(t span.ValueType) bool {
	switch t {
	case span.String, span.Bool, span.Int, span.Double, span.Bytes:
		return true
	case span.Null, span.List, span.Map:
	}
	return false
}

func layoutOf(t span.ValueType) layout {
	if t.IsText() {
		return textLayout
	}
	return numLayout
}

// vector is a part of a column, within a page.
type vector struct {
	from   uint32 // row of the source with which it begins
	to     uint32 // row before which it ends
	sparse bool
	rows   []uint32 // of a sparse column: the rows of the source that have a value, ascending
	codes  []uint32
	nums   []uint64
	ids    []span.TraceID
}

// find is the place in the arrays of the value of a row, a row of the source; < 0: it has none.
func (v *vector) find(row uint32) int {
	if !v.sparse {
		return int(row - v.from)
	}
	if at, ok := slices.BinarySearch(v.rows, row); ok {
		return at
	}
	return -1
}

// place is the row within the vector of the i-th value.
func (v *vector) place(i int) int {
	if v.sparse {
		return int(v.rows[i] - v.from)
	}
	return i
}

// pageStats bounds the values of a page.
type pageStats struct {
	minStart, maxStart       int64
	minDuration, maxDuration int64
	firstTrace, lastTrace    span.TraceID // inclusive
}

func newPageStats(trace span.TraceID) pageStats {
	return pageStats{math.MaxInt64, math.MinInt64, math.MaxInt64, 0, trace, trace}
}

func (p *pageStats) add(trace span.TraceID, start, duration int64) {
	p.minStart, p.maxStart = min(p.minStart, start), max(p.maxStart, start)
	p.minDuration, p.maxDuration = min(p.minDuration, duration), max(p.maxDuration, duration)
	if trace.Compare(p.firstTrace) < 0 {
		p.firstTrace = trace
	}
	if trace.Compare(p.lastTrace) > 0 {
		p.lastTrace = trace
	}
}

// join widens p to bound what q bounds as well.
func (p *pageStats) join(q pageStats) {
	p.minStart, p.maxStart = min(p.minStart, q.minStart), max(p.maxStart, q.maxStart)
	p.minDuration, p.maxDuration = min(p.minDuration, q.minDuration), max(p.maxDuration, q.maxDuration)
	if q.firstTrace.Compare(p.firstTrace) < 0 {
		p.firstTrace = q.firstTrace
	}
	if q.lastTrace.Compare(p.lastTrace) > 0 {
		p.lastTrace = q.lastTrace
	}
}

// source is a set of rows whose columns share dictionaries: a snapshot of a head, or a segment. It is
// immutable and may be read concurrently.
type source interface {
	rows() int
	// bounds bounds all rows.
	bounds() pageStats
	// sorted says that the rows ascend by trace id.
	sorted() bool
	// mayHave says whether there may be rows of a trace, or of one of the same low half.
	mayHave(trace span.TraceID) bool
	// columns gives access to the rows, for which something may have to be read first.
	columns() (columns, error)
}

// columns are the columns of a source.
type columns interface {
	// stats bounds page p.
	stats(p int) pageStats
	// attrs lists the columns of attributes, ascending by key and type; attrs[i] is column numFixed+i.
	attrs() []attrColumn
	// operations sums up the rows; nil: nobody has done so.
	operations() ([]operation, error)
	// find lists the rows of a trace, or, if the high half of id is zero, of all traces with the same low half.
	find(id span.TraceID) ([]uint32, error)
	// traceAt is the trace of a row.
	traceAt(row uint32) (span.TraceID, error)
	// willNeed says that rows from to to will be asked for all that is in some columns, or, if these are nil, in any.
	willNeed(from, to uint32, some []int)
	// parsed is what parse makes of a text of colResource or colScope, which may be known already.
	parsed(col int, code uint32, parse func() (*parsed, error)) (*parsed, error)
	// texts is the dictionary of a text column.
	texts(col int) *texts
	// mayHold says whether a text may be in the dictionary of a column; if not it is in no row.
	mayHold(col int, text []byte) (bool, error)
	// read sets v to rows from to to of a column, which are of one page. What v had is overwritten if it is the source's own.
	read(col int, from, to uint32, v *vector) error
	// present sets out, which is empty, to the rows of a page that have a value, which in dense columns of numbers is one
	// that is not 0.
	present(col, p int, out *bitmap) error
	// having adds to out the rows of a page of a text column that have a code; memory is for its use.
	having(col, p int, code uint32, out *bitmap, memory *vectors) error
	// at is the number or code of a row of a column, and whether it has one. Not direct: only read can tell.
	at(col int, row uint32) (x uint64, has, direct bool, err error)
}

func pagesOf(rows int) int { return (rows + pageRows - 1) / pageRows }

// pageLen is the number of rows of page p.
func pageLen(rows, p int) int { return min(pageRows, rows-p*pageRows) }
