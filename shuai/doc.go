// Package shuai is the tracer: it records what a request does inside a service, passes the trace on
// to the services that it calls, and sends a sample to a collector over OTLP/HTTP. It uses the
// standard library alone.
//
//	stop, err := shuai.Start(shuai.Config{Service: "movie-web"})
//	…
//	defer stop(ctx)
//
//	ctx, span := shuai.StartSpan(ctx, "render", shuai.KindInternal)
//	defer span.End()
//	span.SetInt("movie.id", id)
//
// # The idea
//
// A [Span] is a [context.Context]: starting one is a single allocation, and the context that comes
// back is the span. Whether a trace is recorded is decided once, where it starts, from its id, so
// that every process comes to the same answer; a child follows its parent. A span that is not
// recorded still has ids and carries them to the services it calls, and costs tens of nanoseconds.
//
// Every span, recorded or not, is counted with its duration under its name, kind, type and outcome, and the counts are sent as
// OpenTelemetry metrics: rates, shares of errors and quantiles are exact while a thousandth of the traces is kept. What is kept of
// each endpoint the collector may say, where it is Shuai's server, so that a rare one is always seen; see [Config.Ratio]. A span that
// is kept says for how many it stands: its tracestate, and that of the calls made, has the threshold of OpenTelemetry's consistent
// probability sampling, ot=th:….
//
// Ended spans go to bounded buffers. One goroutine turns them into OTLP protobuf, another sends one
// request at a time. Nothing that the collector does (hang, refuse, reset, talk nonsense) makes the
// application wait or lets memory grow: what does not fit into [Config.BufferBytes] is dropped and
// counted in [Stats]. Nothing panics into the application, and a nil *Span, a second End, a
// set after End and concurrent use are all harmless.
//
// # Across processes
//
// [Extract] and [Inject] carry the trace in the headers of a call: W3C Trace Context and Baggage, B3 in one header or in several;
// see [Config.Accept]. Packages shuaihttp and shuaisql do so for net/http and trace database/sql; contrib/otel is for all that is
// instrumented for OpenTelemetry. Any other RPC system needs a [Carrier]. Work that outlives its request starts with [Go];
// work on messages from many traces links to them: [Span.AddLink].
//
// # Identity
//
// Ids are those of W3C Trace Context and say where and when they were born; see [TraceID], [SpanID]
// and [DescribeID]. They go with every call, out of the company too, and tell outsiders internal addresses, process ids and
// times, unless the fleet has a key, SHUAI_ID_KEY: then they are noise to all but [IDKey.Describe] with that key, and "shuai id --key".
// It is no authentication: anybody can send any id. SHUAI_IDS=random has ids that say nothing to anybody.
//
// # Environment
//
// Fields of [Config] that are zero are taken from SHUAI_SERVICE, SHUAI_ENDPOINT, SHUAI_RATIO, SHUAI_MAX_TRACES,
// SHUAI_STATISTICS, SHUAI_IDS and SHUAI_ID_KEY, then from OpenTelemetry's OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _COMPRESSION (and their OTEL_EXPORTER_OTLP_TRACES_ forms),
// OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_PROPAGATORS and OTEL_SDK_DISABLED.
package shuai
