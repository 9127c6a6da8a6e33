// Answers of docs/api.md about Redeye: the query in place of a finding's calls, dynamic interfaces and their plans.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'

import { get, post } from './client.ts'
import type { TimeWindow } from './queries.ts'

/** Calls of one label, and the method that does what they do. */
export interface Part {
  label: string
  calls: number
  by: string
}

export type AssumptionKind = 'filter' | 'source' | 'path' | 'fields'

/** A Redeye query in place of a page's calls. */
export interface Suggestion {
  /** Whose schema it is made of; empty of a sketch. */
  service: string
  sketch: boolean
  query: string
  go: string
  params: { name: string; type: string }[]
  replaced: Part[]
  kept: Part[]
  batches: number
  /** Of a request of the endpoint on average, by estimate, ns; 0: not known. */
  saving: number
  assumed: { kind: AssumptionKind; of: string }[]
  /** The service's own checker takes it. */
  checked: boolean
  refused?: string
  traceId: string
  /** How many Redeye services the server knows, and those of them that do not answer. */
  services: number
  silent: { name: string; error: string }[]
}

export interface RedeyeService {
  name: string
  url: string
  version: string
  entities: number
  methods: number
  /** Why its schema, and why its call sites, are not known. */
  error: string
  sites: string
}

export type Breaker = 'closed' | 'open' | 'half-open' | ''

/** A program at a call site. Times in ns. */
export interface Interface {
  service: string
  tenant: string
  site: string
  callSite: string
  hash: string
  program: string
  calls: number
  errors: number
  refused: number
  total: number
  p50: number
  p99: number
  planned: number
  sent: number
  saved: number
  breaker: Breaker
  live?: { calls: number; errors: number; refused: number; running: number; off: boolean; limit: number }
}

export interface Method {
  service: string
  method: string
  calls: number
  errors: number
  refused: number
  total: number
  p50: number
  p99: number
  breaker: Breaker
}

export interface Interfaces {
  from: string
  to: string
  services: RedeyeService[]
  total: number
  interfaces: Interface[]
  methods: Method[]
}

export interface PlanLine {
  depth: number
  text: string
  type: string
  method?: string
}

/** Of the calls of one method, per execution on average. */
export interface PlanBatch {
  method: string
  calls: number
  items: number
  start: number
  end: number
  duration: number
  most: number
  errors: number
  breaker: Breaker
}

export interface Plan extends Interface {
  looked: number
  mean: number
  own: number
  plan: PlanLine[]
  rules: string[]
  batches: PlanBatch[]
  slowest: { traceId: string; spanId: string; duration: number }
}

export const interfacesQuery = (time: TimeWindow, service: string) =>
  queryOptions({
    queryKey: ['redeye', time, service],
    queryFn: ({ signal }) => get<Interfaces>('/redeye', { ...time, service }, signal),
    placeholderData: keepPreviousData,
  })

/** Which interface; site and tenant may be left out where there is only one. */
export interface InterfaceKey {
  service: string
  hash: string
  site?: string
  tenant?: string
}

export const planQuery = (time: TimeWindow, key: InterfaceKey) =>
  queryOptions({
    queryKey: ['redeye', 'plan', time, key],
    queryFn: ({ signal }) => get<Plan>('/redeye/plan', { ...time, ...key }, signal),
    placeholderData: keepPreviousData,
  })

/** Turns an interface off or on, on its service. */
export const switchInterface = (row: Interface, off: boolean) =>
  post<object>('/redeye/switch', { service: row.service, tenant: row.tenant, site: row.site, hash: row.hash, off, limit: row.live?.limit ?? 0 })
