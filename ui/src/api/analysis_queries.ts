import { keepPreviousData, queryOptions } from '@tanstack/react-query'

import type { Comparison, EndpointOverview, Finding, Findings, Patterns, ServiceMap, SpansHeatmap, Why } from './analysis.ts'
import { get, post } from './client.ts'
import type { TimeWindow } from './queries.ts'

/** An endpoint's requests: those of its root spans that match q as well. */
export interface EndpointQuestion extends TimeWindow {
  service: string
  name: string
  q?: string
}

/** Two populations, as the API takes them: durations or quantiles, and times where these differ from the question's. */
export interface PopulationQuestion {
  slow?: string
  normal?: string
  slowFrom?: string
  slowTo?: string
  normalFrom?: string
  normalTo?: string
}

/** The time that an endpoint is compared with: so much earlier, or between two instants; by default just before. */
export interface BeforeQuestion {
  before?: string
  beforeFrom?: string
  beforeTo?: string
}

const staleTime = 60_000 // asking costs the server thousands of spans: not again at every focus

export const endpointQuery = (question: EndpointQuestion, before: BeforeQuestion, columns: number) =>
  queryOptions({
    queryKey: ['endpoint', question, before, columns],
    queryFn: ({ signal }) => get<EndpointOverview>('/endpoint', { ...question, ...before, columns }, signal),
    placeholderData: keepPreviousData,
    staleTime,
  })

export const whyQuery = (question: EndpointQuestion, populations: PopulationQuestion, order: 'tree' | undefined, limit: number) =>
  queryOptions({
    queryKey: ['why', question, populations, order, limit],
    queryFn: ({ signal }) => get<Why>('/why', { ...question, ...populations, order, limit }, signal),
    placeholderData: keepPreviousData,
    staleTime,
  })

export const heatmapQuery = (time: TimeWindow, q: string, columns: number) =>
  queryOptions({
    queryKey: ['heatmap', time, q, columns],
    queryFn: ({ signal }) => get<SpansHeatmap>('/heatmap', { ...time, q, columns }, signal),
    placeholderData: keepPreviousData,
    staleTime,
    retry: false,
  })

export const patternsQuery = (question: EndpointQuestion, before: BeforeQuestion) =>
  queryOptions({
    queryKey: ['patterns', question, before],
    queryFn: ({ signal }) => get<Patterns>('/patterns', { ...question, ...before }, signal),
    placeholderData: keepPreviousData,
    staleTime,
  })

export const compareQuery = (a: string, b: string, order: 'tree' | undefined, limit: number) =>
  queryOptions({
    queryKey: ['compare', a, b, order, limit],
    queryFn: ({ signal }) => get<Comparison>('/compare', { a, b, order, limit }, signal),
    placeholderData: keepPreviousData,
    staleTime,
  })

export interface FindingsQuestion {
  state?: string
  service?: string
  kind?: string
  sort?: string
  limit?: number
}

export const findingsQuery = (question: FindingsQuestion) =>
  queryOptions({
    queryKey: ['findings', question],
    queryFn: ({ signal }) => get<Findings>('/findings', { ...question }, signal),
    placeholderData: keepPreviousData,
  })

export const findingQuery = (id: string) =>
  queryOptions({
    queryKey: ['finding', id],
    queryFn: ({ signal }) => get<Finding>(`/findings/${encodeURIComponent(id)}`, {}, signal),
    refetchInterval: 10_000, // it may resolve itself while somebody looks
  })

export type FindingAction = 'mute' | 'resolve' | 'reopen'

/** Changes a finding's state; the answer is the finding as it is then. */
export const actOnFinding = (id: string, action: FindingAction, detail: { reason?: string; for?: string } = {}) =>
  post<Finding>(`/findings/${encodeURIComponent(id)}/${action}`, detail)

export const mapQuery = (time: TimeWindow, service: string, hops: number) =>
  queryOptions({
    queryKey: ['map', time, service, hops],
    queryFn: ({ signal }) => get<ServiceMap>('/map', { ...time, service, hops: service === '' ? undefined : hops }, signal),
    placeholderData: keepPreviousData,
    staleTime,
  })
