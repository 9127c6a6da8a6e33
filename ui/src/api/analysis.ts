// Answers of docs/api.md about many requests: why an endpoint is slow, its patterns, findings, comparisons, the map.
// Lists that are empty may be null or left out.
import type { Suggestion } from './redeye.ts'

export interface Figures {
  from: string
  to: string
  requests: number
  /** Requests per second. */
  rate: number
  errors: number
  errorRatio: number
  mean: number
  p50: number
  p95: number
  p99: number
  /** Of all time spent in root spans; only of now. */
  share?: number
}

/** Column i holds the requests that started from start + i × step on, row j those of edges[j] to edges[j+1] ns. */
export interface HeatmapCounts {
  start: string
  step: number
  edges: number[] | null
  counts: number[][] | null
  errors: number[] | null
}

/** Of all spans that match a filter. */
export interface SpansHeatmap {
  all: { requests: number; errors: number }
  heatmap: HeatmapCounts
}

export interface RequestRef {
  traceId: string
  spanId: string
  start: string
  duration: number
  error: boolean
}

export interface EndpointOverview {
  service: string
  name: string
  now: Figures
  before: Figures | null
  heatmap: HeatmapCounts
  slowest: RequestRef[] | null
  findings: Finding[] | null
}

/** Requests that an answer is about; looked is how many of them were read. */
export interface Population {
  from: string
  to: string
  /** Bounds of their durations in ns, 0 for none. */
  over: number
  upTo: number
  requests: number
  looked: number
  errors: number
  mean: number
}

/** Of one path, per request; times in ns. */
export interface PathSide {
  /** The part of the requests that have the path. */
  requests: number
  calls: number
  errors: number
  total: number
  self: number
  critical: number
  serial: number
  most: number
}

export interface PathDifference {
  id: string
  depth: number
  service: string
  label: string
  /** The way from the root, without it. */
  steps: string[] | null
  a: PathSide
  b: PathSide
  /** What a has more than b on the critical path, and its share of the whole difference. */
  extra: number
  share: number
}

export interface Trait {
  /** Of the resource of this service; empty for attributes of the root span. */
  service: string
  key: string
  value: string
  a: number
  b: number
  times: number
  filter: string
}

interface PathDifferences {
  extra: number
  paths?: PathDifference[] | null
  rest: { paths: number; extra: number; share: number }
}

export interface Why extends PathDifferences {
  a: Population
  b: Population
  traits?: Trait[] | null
  examples?: { slowest: RequestRef[] | null; a: RequestRef[] | null; b: RequestRef[] | null }
}

export interface PatternSide {
  requests: number
  part: number
  timeShare: number
  errors: number
  mean: number
  p50: number
  p95: number
  max: number
}

export interface Pattern {
  id: string
  now: PatternSide
  before: PatternSide
  new: boolean
  spans: number
  typical?: RequestRef
  slowest?: RequestRef
  has: string[] | null
  lacks: string[] | null
}

export interface Patterns {
  now: Population
  before: Population
  total: number
  patterns: Pattern[] | null
}

export interface ComparedRequest {
  traceId?: string
  service: string
  name: string
  start?: string
  duration: number
  spans: number
  /** In place of one request, the middle half of its endpoint's. */
  typical?: Population
}

export interface Comparison extends PathDifferences {
  a: ComparedRequest
  b: ComparedRequest
}

export const findingKinds = ['chatty', 'serial-fan-out', 'slow-call', 'retry-storm'] as const
export type FindingKind = (typeof findingKinds)[number]
export const findingStates = ['new', 'open', 'muted', 'resolved', 'back'] as const
export type FindingState = (typeof findingStates)[number]

export interface Evidence {
  traceId: string
  spanId: string
  start: string
  duration: number
  calls: number
  saving: number
}

export interface Finding {
  id: string
  kind: FindingKind
  state: FindingState
  service: string
  name: string
  pathId: string
  caller: string
  label: string
  steps: string[] | null
  firstSeen: string
  lastSeen: string
  requests: number
  of: number
  part: number
  perDay: number
  calls: number
  leastCalls: number
  mostCalls: number
  variation: number
  correlation: number
  serial: number
  distinct: number
  saving: number
  savingPerDay: number
  confidence: number
  title: string
  advice: string
  evidence: Evidence[] | null
  reason?: string
  mutedUntil?: string
  /** Where in the code the calls are made. */
  site?: { function?: string; file?: string; line?: number }
  mending?: Mending
  /** Of a single finding only. */
  suggestion?: Suggestion
}

/** Of a resolved finding: what was estimated beside what was measured, ns of a request of the endpoint. */
export interface Mending {
  at: string
  together: string[]
  estimated: number
  /** The estimate is that for the suggested query, which may replace other calls too. */
  byQuery: boolean
  measured: number
  /** One standard error of measured. */
  error: number
  before: { requests: number; mean: number }
  after: { requests: number; mean: number }
}

export interface Findings {
  examined: number
  rate: number
  skipped: number
  /** Traces that are complete and not examined yet. */
  waiting: number
  total: number
  findings: Finding[] | null
}

export interface MapEdge {
  caller: string
  callee: string
  store: boolean
  calls: number
  rate: number
  errors: number
  p50: number
  p95: number
}

export interface ServiceMap {
  from: string
  to: string
  since: string
  /** Spans that were joined, of so many in the range; where there are more, the edges are estimates. */
  spans: number
  matched: number
  /** Quiet services that there was no time to ask for. */
  skipped?: number
  edges: MapEdge[] | null
}
