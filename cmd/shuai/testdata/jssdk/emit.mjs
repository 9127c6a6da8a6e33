// Sends one trace with the official SDK, default settings, and prints what the SDK recorded of it, in the
// form in which sdk_test.go compares it with what the server stored.
//
//   node emit.mjs proto|json|grpc ENDPOINT

import { context, diag, DiagLogLevel, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const [protocol, url] = process.argv.slice(2);
const Exporter = { proto: ProtoExporter, json: JsonExporter, grpc: GrpcExporter }[protocol];

diag.setLogger({ ...console, debug() {}, verbose() {}, info() {} }, DiagLogLevel.WARN); // to stderr, but for:
console.warn = console.error;

const recorded = [];
const recorder = {
  onStart() {},
  onEnd: (span) => recorded.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
};
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'movie-js', 'process.pid': process.pid }),
  spanProcessors: [new BatchSpanProcessor(new Exporter({ url })), recorder],
});
provider.register();

const tracer = trace.getTracer('jssdk', '1.2.3');
const elsewhere = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED };

const root = tracer.startSpan('GET /subject/{id}', { kind: SpanKind.SERVER, links: [{ context: elsewhere, attributes: { why: 'batch' } }] });
root.setAttributes({
  text: 'naïve "quoted" 電影\n',
  empty: '',
  yes: true,
  no: false,
  int: 42,
  negative: -7,
  large: Number.MAX_SAFE_INTEGER,
  double: 0.1,
  tiny: 5e-324,
  texts: ['a', 'é', ''],
  ints: [1, 2, -3],
  doubles: [0.5, -1.25],
  bools: [true, false],
});
context.with(trace.setSpan(context.active(), root), () => {
  for (const [name, kind] of [['render', SpanKind.INTERNAL], ['SELECT subject', SpanKind.CLIENT], ['send', SpanKind.PRODUCER], ['process', SpanKind.CONSUMER]]) {
    const child = tracer.startSpan(name, { kind });
    child.addEvent('cache.miss', { key: 'subject:1292052', tries: 2 });
    if (kind === SpanKind.CLIENT) {
      child.recordException(new Error('gone away'));
      child.setStatus({ code: SpanStatusCode.ERROR, message: 'gone away' });
    }
    child.end();
  }
});
root.setStatus({ code: SpanStatusCode.OK });
root.end();
await provider.shutdown();

const nanos = ([seconds, ns]) => String(BigInt(seconds) * 1000000000n + BigInt(ns));
const value = (v) => {
  switch (typeof v) {
    case 'string':
      return `string:${v}`;
    case 'boolean':
      return `bool:${v}`;
    case 'number':
      return Number.isInteger(v) ? `int:${v}` : `double:${v}`;
    default:
      return `list:${JSON.stringify(v)}`;
  }
};
const attributes = (all) => Object.fromEntries(Object.entries(all ?? {}).map(([k, v]) => [k, value(v)]));

const spans = recorded.map((s) => ({
  traceId: s.spanContext().traceId,
  spanId: s.spanContext().spanId,
  parentId: s.parentSpanContext?.spanId ?? '',
  name: s.name,
  kind: ['internal', 'server', 'client', 'producer', 'consumer'][s.kind],
  start: nanos(s.startTime),
  end: nanos(s.endTime),
  status: ['unset', 'ok', 'error'][s.status.code],
  statusMessage: s.status.message ?? '',
  attributes: attributes(s.attributes),
  events: s.events.map((e) => ({ time: nanos(e.time), name: e.name, attributes: attributes(e.attributes) })),
  links: s.links.map((l) => ({ traceId: l.context.traceId, spanId: l.context.spanId, attributes: attributes(l.attributes) })),
  resource: attributes(s.resource.attributes),
  scope: `${s.instrumentationScope.name}@${s.instrumentationScope.version}`,
}));
process.stdout.write(JSON.stringify(spans));
