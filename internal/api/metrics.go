package api

import (
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// This file is /metrics: what the server knows of itself, in Prometheus' text format 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). Families stand in the order in which they are
// written here, samples in that of their labels, so that two answers differ in nothing but figures.

const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// outcome says how a question ended.
type outcome uint8

const (
	answered outcome = iota
	refused          // it was wrong, or asked for what is not there
	timedOut
	stopping  // the store is closed
	abandoned // the client went away
	broken
	outcomes
)

// outcomeNames are the values of the label reason.
var outcomeNames = [outcomes]string{"", "client", "timeout", "stopping", "gone", "internal"}

// durationBounds are the upper bounds of the histogram of durations, in seconds.
var durationBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// figure counts the questions of one kind.
type figure struct {
	ended   [outcomes]atomic.Int64
	buckets [len(durationBounds) + 1]atomic.Int64
	sum     atomic.Int64 // ns
}

// figures holds the figure of every kind. The map is not written to after it is made.
type figures map[string]*figure

func newFigures(kinds []string) figures {
	f := make(figures, len(kinds))
	for _, k := range kinds {
		f[k] = new(figure)
	}
	return f
}

func (f figures) add(kind string, took time.Duration, o outcome) {
	fig := f[kind]
	i, _ := slices.BinarySearch(durationBounds[:], took.Seconds()) // a bound belongs to the bucket below it
	fig.buckets[i].Add(1)
	fig.sum.Add(int64(took))
	fig.ended[o].Add(1)
}

// exposition writes families of samples.
type exposition struct {
	dst  []byte
	name string // of the family
}

// family begins a family of samples; typ is counter, gauge or histogram.
func (e *exposition) family(name, typ, help string) {
	e.name = name
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	e.dst = append(e.dst, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+typ+"\n"...)
}

// sample writes a sample of the family; labels are names and values by turns.
func (e *exposition) sample(value float64, labels ...string) { e.part("", value, labels...) }

// part writes a sample whose name is the family's and a suffix, as histograms have them.
func (e *exposition) part(suffix string, value float64, labels ...string) {
	e.dst = append(append(e.dst, e.name...), suffix...)
	for i := 0; i < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		e.dst = append(append(append(e.dst, sep), labels[i]...), '=', '"')
		e.dst = append(append(e.dst, labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "\ufffd"))...), '"')
	}
	if len(labels) > 0 {
		e.dst = append(e.dst, '}')
	}
	e.dst = append(strconv.AppendFloat(append(e.dst, ' '), value, 'f', -1, 64), '\n')
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (e *exposition) counter(name string, value int64, help string) {
	e.family(name, "counter", help)
	e.sample(float64(value))
}

func (e *exposition) gauge(name string, value int64, help string) {
	e.family(name, "gauge", help)
	e.sample(float64(value))
}

func (s *server) metrics() []byte {
	e := &exposition{dst: make([]byte, 0, 16<<10)}
	e.family("shuai_build_info", "gauge", "Always 1; the labels say which program this is.")
	e.sample(1, "version", s.Version, "go", runtime.Version())
	e.family("shuai_start_time_seconds", "gauge", "When the server started, in Unix time.")
	e.sample(float64(s.started.UnixMilli()) / 1000)
	if s.Ingest != nil {
		e.ingest(s.Ingest())
	}
	s.storeMetrics(e)
	s.findingMetrics(e)
	s.queryMetrics(e)
	e.process()
	return e.dst
}

func (e *exposition) ingest(in Ingest) {
	e.counter("shuai_ingest_requests_total", in.Requests, "Requests that were stored, partly accepted ones included.")
	e.counter("shuai_ingest_spans_total", in.Received, "Spans stored.")
	e.counter("shuai_ingest_bytes_total", in.Bytes, "Bytes of stored requests, as they came off the wire.")
	e.counter("shuai_ingest_rejected_spans_total", in.Rejected, "Spans left out of requests that were stored, because they were invalid or over a limit.")
	e.counter("shuai_ingest_cut_total", in.Cut, "Attributes, events and links left out, and texts shortened, because they were over a limit.")
	e.counter("shuai_ingest_clamped_spans_total", in.Clamped, "Spans that ended before they started and were stored with a duration of 0.")
	e.counter("shuai_ingest_replaced_texts_total", in.Replaced, "Texts that were not UTF-8 and had bytes replaced.")
	e.gauge("shuai_ingest_in_flight_bytes", in.InFlight, "Bytes of requests that are in memory now.")
	e.gauge("shuai_ingest_open_connections", in.Connections, "Connections that are open now.")
	e.counter("shuai_ingest_metrics_requests_total", in.MetricsRequests, "Requests of metrics that were taken.")
	e.family("shuai_ingest_refused_requests_total", "counter", "Requests refused whole, and connections refused, by reason.")
	counts := map[string]int64{}
	for _, reason := range in.Reasons {
		counts[reason] = 0
	}
	maps.Copy(counts, in.Refused)
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		e.sample(float64(counts[reason]), "reason", reason)
	}
}

func (s *server) storeMetrics(e *exposition) {
	st := s.Store.Stats()
	e.gauge("shuai_store_spans", st.Spans, "Spans stored now.")
	e.gauge("shuai_store_bytes", st.Bytes, "Bytes on disk.")
	e.gauge("shuai_store_head_spans", st.HeadSpans, "Spans in memory that are in the log only.")
	e.gauge("shuai_store_log_bytes", st.LogBytes, "Bytes of the log.")
	e.gauge("shuai_store_segments", int64(st.Segments), "Sealed segments.")
	e.gauge("shuai_store_set_aside_files", int64(len(st.SetAside)), "Files that are corrupt or of an unknown version, and not read.")
	e.counter("shuai_store_dropped_segments_total", int64(st.DroppedSegments), "Segments removed by retention.")
	e.counter("shuai_store_merged_segments_total", int64(st.MergedSegments), "Small segments that became part of larger ones.")
	e.counter("shuai_store_dropped_spans_total", st.DroppedSpans, "Spans removed by retention.")
	e.family("shuai_store_oldest_span_time_seconds", "gauge", "When the oldest stored span started, in Unix time; 0 when nothing is stored.")
	e.sample(float64(st.OldestStart/1e6) / 1000)
}

func (s *server) queryMetrics(e *exposition) {
	e.gauge("shuai_queries_running", int64(len(s.slots)), "Questions that the store is answering now.")
	e.gauge("shuai_queries_running_max", int64(cap(s.slots)), "Questions that the store answers at a time; others wait.")
	kinds := slices.Sorted(maps.Keys(s.asked))
	e.family("shuai_query_errors_total", "counter", "Questions that got no answer: wrong or for what is not there (client), out of time (timeout), too late (stopping), given up by who asked (gone), or failed (internal).")
	for _, kind := range kinds {
		for o := refused; o < outcomes; o++ {
			e.sample(float64(s.asked[kind].ended[o].Load()), "question", kind, "reason", outcomeNames[o])
		}
	}
	e.family("shuai_query_duration_seconds", "histogram", "Time from question to answer, waiting for others included, by kind of question; errors count, too.")
	for _, kind := range kinds {
		fig := s.asked[kind]
		sum := time.Duration(fig.sum.Load())
		n := int64(0)
		for i := range fig.buckets {
			le := "+Inf"
			if i < len(durationBounds) {
				le = strconv.FormatFloat(durationBounds[i], 'f', -1, 64)
			}
			n += fig.buckets[i].Load()
			e.part("_bucket", float64(n), "question", kind, "le", le)
		}
		e.part("_sum", sum.Seconds(), "question", kind)
		e.part("_count", float64(n), "question", kind)
	}
}

// process writes what Go's runtime says for next to nothing: no figure stops the world.
func (e *exposition) process() {
	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	e.gauge("shuai_process_goroutines", int64(samples[0].Value.Uint64()), "Goroutines.")
	e.gauge("shuai_process_heap_bytes", int64(samples[1].Value.Uint64()), "Bytes of the heap in use, and not yet freed.")
	e.gauge("shuai_process_memory_bytes", int64(samples[2].Value.Uint64()), "Bytes of memory that the Go runtime has mapped.")
	e.counter("shuai_process_gc_cycles_total", int64(samples[3].Value.Uint64()), "Garbage collections.")
	if used, ok := cpuTime(); ok {
		e.family("shuai_process_cpu_seconds_total", "counter", "CPU time used, by the process and for it by the system.")
		e.sample(used.Seconds())
	}
}
