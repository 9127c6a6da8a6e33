// Package store says what a span store does: the [Store] interface that engines implement, the
// filter language ([ParseFilter]) and the aggregates that are answered where the data is. The
// interface is small enough that an engine can be written in a day and large enough that no question
// has to fetch spans in order to count them. Package storetest is the interface's conformance suite:
// what it does not show is not promised.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Store keeps spans. All methods may be called concurrently; each first looks at its context and
// returns its error if it is over. Batches that a Store returns belong to the caller. Times are Unix
// nanoseconds, UTC, and not negative; trace and span ids are not zero, durations not negative, and no
// span ends beyond the largest int64: whoever fills a batch sees to that.
//
// A span is identified by (trace id, span id, kind, resource), resources being equal when they are so
// in all their parts: equal ids from two processes, or from the two sides of one call, are two spans.
// A span that was appended twice, as a retry does, appears once in Trace and Select; Aggregate and
// Result.Matched may count it again, as Stats does. Two different spans of one identity do not happen;
// if they do, one of them is kept.
//
// Everything that a batch can say of a span comes back as it was, to the bits of a NaN, but attributes
// (of spans, events, links, resources and scopes) are sets: they come back sorted by key, bytewise, and
// of equal keys the last one given wins. The empty key and the empty text are as good as any.
//
// What a filter means is [Matches]; what a field's value is, for By and Values, is [FieldValue].
type Store interface {
	// Append stores the batch whole or not at all, and returns once that is durable as the engine
	// was configured; from then on every query sees the spans, and no query ever sees a part of them.
	// It keeps no reference to the batch. An empty batch is stored at once.
	// ErrFull asks the client to come again later; after any error nothing of the batch is stored.
	Append(ctx context.Context, b *span.Batch) error

	// Trace returns all spans of a trace in order of start, then span id, then kind, or ErrNotFound.
	// An id whose high half is zero finds all traces whose low half equals it, in one batch: peers that
	// speak 64-bit ids know no more.
	Trace(ctx context.Context, id span.TraceID) (*span.Batch, error)

	// BriefTraces calls do with what Trace returns of each of some ids, in spans that are brief, as with Query.Brief: one
	// after the other, i being the place of the id, and those that are not there passed over. The batch is for do to read until
	// it returns. One that do gets again, by its address, has the resources that it had, and perhaps more: what was made
	// of these need not be made anew. An error of do ends it, and is returned.
	BriefTraces(ctx context.Context, ids []span.TraceID, do func(i int, b *span.Batch) error) error

	// Select returns the spans that match, best first. It is exact: "slowest 20" are the slowest 20 of
	// all that match.
	Select(ctx context.Context, q Query) (Result, error)

	// Aggregate counts and sums the spans that match, by group and time bucket, in no order. An engine bounds the groups of
	// one answer, and answers ErrTooMany beyond.
	Aggregate(ctx context.Context, q AggregateQuery) ([]Group, error)

	// Names lists what there is to ask for, sorted bytewise, the first Limit of them, each once. Every
	// name of a span in Range is there; one that is stored only outside Range may be there too.
	Names(ctx context.Context, q NamesQuery) ([]string, error)

	// Stats describes the store's present state.
	Stats() Stats

	// Close makes everything durable and releases the store. Later calls answer ErrClosed; a second
	// Close answers nil or ErrClosed.
	Close() error
}

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("trace not found")
	ErrFull     = errors.New("the store cannot take more now")
	ErrClosed   = errors.New("the store is closed")
	ErrTooMany  = errors.New("too many groups")
)

// Order is the order in which Select ranks spans.
type Order uint8

// The orders of Select; ties are broken by trace id, then span id, then kind, ascending.
const (
	Newest  Order = iota // latest start first
	Slowest              // longest duration first
	Sampled              // by SampleRank, lowest first: a fair sample of the traces, the same for the same question
)

// SampleRank is a fixed mix of a trace's id (MurmurHash3's finalizer, twice); it is as good as random.
func SampleRank(id span.TraceID) uint64 {
	mix := func(x uint64) uint64 {
		x = (x ^ x>>33) * 0xff51afd7ed558ccd
		x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
		return x ^ x>>33
	}
	return mix(id.Hi ^ mix(id.Lo))
}

// TimeRange is the half-open range [From, To) of span starts; a zero To is "no end".
type TimeRange struct{ From, To int64 }

// Contains says whether t lies in the range.
func (r TimeRange) Contains(t int64) bool { return t >= r.From && (r.To == 0 || t < r.To) }

// Query asks for spans. A nil Filter matches every span. Limit ≤ 0 means 100.
//
// Count asks how many match in all, which may take much longer than to find the best. Brief asks for spans without
// attributes, events, links, status message, flags, trace state, scope and what was dropped: all that is left of them is
// what tells who called whom, when, and how it ended. OnePerTrace asks for the best span of each trace, and so for Limit
// traces; Matched counts all that match.
type Query struct {
	Filter      Expr
	Range       TimeRange
	Order       Order
	Limit       int
	Count       bool
	Brief       bool
	OnePerTrace bool
}

// Result is the answer of Select: the best Limit spans, best first, and how many matched. More says that
// Matched counts only what the engine looked at, and that there may be more; with Query.Count it is false.
type Result struct {
	Spans   *span.Batch
	Matched int
	More    bool
}

// AggregateQuery asks for figures of the spans that match. By names what to group by; the key of a
// span that lacks a field is "". Step cuts time into buckets of that width, aligned to the Unix
// epoch; zero is one bucket for all.
type AggregateQuery struct {
	Filter Expr
	Range  TimeRange
	By     []Field
	Step   time.Duration
}

// Group is one line of an aggregate, of at least one span. Key has one element for each field of By, as
// the value's String, so that values of different types that read the same are one group. Sum wraps
// beyond 292 years.
type Group struct {
	Key       []string
	Time      int64 // start of the bucket; 0 without Step
	Count     uint64
	Stands    float64 // spans that these stand for, recorded or not: the sum of their [span.Weight]s
	Errors    uint64  // spans whose status is error
	Sum       int64   // ns
	Durations Sketch
}

// NamesOf says which names are asked for.
type NamesOf uint8

// What Names can list.
const (
	Services   NamesOf = iota
	Operations         // span names
	Keys               // attribute keys in filter syntax: resource.service.name, span.http.route
	Values             // values of Field, as their String; nulls and fields of the whole trace have none
)

// NamesQuery asks for names that start with Prefix, seen in Range, on spans of Service unless that is
// empty. Limit ≤ 0 means 1,000.
type NamesQuery struct {
	Of      NamesOf
	Service string
	Field   Field
	Prefix  string
	Range   TimeRange
	Limit   int
}

// Stats is a store's state. Engines leave at zero what they do not have.
type Stats struct {
	Spans       int64 // stored and not yet dropped by retention; copies may count
	Bytes       int64 // on disk
	HeadSpans   int64 // in memory, in the log only
	LogBytes    int64
	Segments    int
	Clamped     int64    // spans whose end was before their start
	SetAside    []string // files that are corrupt or of an unknown version, with the reason
	OldestStart int64    // Unix ns; 0 when empty

	DroppedSegments int   // by retention, since the store was opened
	DroppedSpans    int64 // in them
	MergedSegments  int   // small ones that became part of larger ones, since the store was opened
}
