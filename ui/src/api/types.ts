import type { FindingKind } from './analysis.ts'

// The answers of the native HTTP API, as docs/api.md has them. A time is a decimal string of Unix
// nanoseconds; durations and offsets are numbers of nanoseconds.

export interface Endpoint {
  service: string
  name: string
  count: number
  /** Requests per second over the range. */
  rate: number
  errors: number
  mean: number
  p50: number
  p95: number
  p99: number
  max: number
  /** The endpoint's part of all time spent in root spans, 0 to 1. */
  share: number
  slowestTrace: string
  /** Of the endpoint, that are new, open or back. */
  findings: number
  /** The same so much earlier as was asked for. */
  before?: { count: number; rate: number; errors: number; mean: number; p50: number; p95: number } | null
}

export interface Endpoints {
  from: string
  to: string
  total: number
  endpoints: Endpoint[]
}

export type EndpointOrder = 'time' | 'p95' | 'rate' | 'errors' | 'slowest'

export interface FoundTrace {
  traceId: string
  start: string
  duration: number
  spans: number
  errors: number
  services: string[]
  root: { service: string; name: string; duration: number } | null
  match: { spanId: string; service: string; name: string; start: string; duration: number; error: boolean }
}

export interface Found {
  from: string
  to: string
  /** Matching spans, not traces. */
  matched: number
  traces: FoundTrace[]
  /** matched is a lower bound. */
  more?: boolean
  /** Attributes in the filter that no span has, and what might have been meant. */
  unknown?: { key: string; like: string[] | null }[] | null
}

export interface TypeStats {
  type: string
  count: number
  errors: number
  total: number
  self: number
  mean: number
  p50: number
  p95: number
  max: number
  share: number
  /** Time on the critical path of the span that the table is of, and its part of that span's duration. */
  critical: number
  criticalShare: number
  serial: number
}

export interface TypeCount {
  type: string
  count: number
}

/** The three tables of one span. */
export interface Stats {
  row: number
  spans: number
  duration: number
  types: TypeStats[]
  direct: { count: number; types: TypeCount[] }
}

export interface SkeletonGroup {
  parent: number
  type: number
  /** The members: the first is so many rows below the parent, each other so many below the one before. */
  rowStep: number[]
  sum: number
  p50: number
  p95: number
  serial: number
}

/** A whole trace by column, in preorder. */
export interface Skeleton {
  traceId: string
  start: string
  duration: number
  errors: number
  /** Names the state of the trace that the rows belong to. */
  revision: string
  services: string[]
  names: string[]
  types: string[]
  /** What many rows have in common: codes of the dictionaries, and the kind. */
  shapes: { service: number[]; name: number[]; type: number[]; kind: number[] }
  rows: {
    depth: number[]
    shape: number[]
    /** Nanoseconds from the start of the row before; of the first row from that of the trace. */
    offsetStep: number[]
    duration: number[]
    flags: number[]
  }
  groups: SkeletonGroup[] | null
  notes: string[] | null
  /** What the duration of row 0 was spent on, in order of time. */
  criticalPath?: { rowStep: number[]; duration: number[] } | null
  causes?: Cause[] | null
  stats: Stats
}

/** What the request wastes, as findings define it. */
export interface Cause {
  kind: FindingKind
  pathId: string
  label: string
  calls: number
  covered: number
  serial: number
  saving: number
  /** The calls meant, at most 200 of them. */
  rows: number[]
  /** The finding that this is a case of, or "". */
  finding: string
}

/** Calls of one trace merged by what called them, in preorder. */
export interface MergedPath {
  id: string
  depth: number
  service: string
  label: string
  calls: number
  errors: number
  most: number
  total: number
  self: number
  critical: number
  serial: number
}

export interface MergedPaths {
  row: number
  spans: number
  duration: number
  paths: MergedPath[] | null
}

/** Where a span stands among those of its service, name and kind. */
export interface Percentile {
  count: number
  percentile: number | null
  p50: number
  p95: number
}

/** What a file holds that is looked at without being stored. */
export interface Look {
  form: string
  rejected: number
  reason?: string
  traces: { traceId: string; start: string; duration: number; spans: number; errors: number }[] | null
}

export interface Attribute {
  key: string
  type: string
  value: string
}

/** Events of the spans of a trace, in order of time. */
export interface TraceEvents {
  total: number
  matched: number
  /** At most 1,000 of those that match. Offsets are nanoseconds from the start of the trace. */
  events: { row: number; offset: number; time: string; name: string; attributes: Attribute[] | null }[]
}

export interface SpanDetail {
  row: number
  spanId: string
  parentId: string
  traceId: string
  service: string
  name: string
  type: string
  kind: string
  start: string
  duration: number
  self: number
  status: string
  statusMessage: string
  traceState: string
  flags: number
  attributes: Attribute[] | null
  events: { time: string; name: string; attributes: Attribute[] | null }[] | null
  links: { traceId: string; spanId: string; attributes: Attribute[] | null }[] | null
  resource: Attribute[] | null
  scope: { name: string; version: string; attributes: Attribute[] | null } | null
  dropped: { attributes: number; events: number; links: number }
  directChildren: number
}

export interface Names {
  names: string[]
  total: number
}

export interface Status {
  version: string
  spans: number
  bytes: number
  segments: number
  oldest: string
  received: number
  refused: Record<string, number>
}
