import { keepPreviousData, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'

import { decodeTrace } from '../trace/model.ts'
import { ApiError, get } from './client.ts'
import { askTrace, isOpened } from './files.ts'
import type { EndpointOrder, Endpoints, Found, MergedPaths, Names, Percentile, Skeleton, SpanDetail, Stats, Status, TraceEvents } from './types.ts'

/** Ends of a time range as the API takes them: RFC 3339 or now-1h. */
export interface TimeWindow {
  from: string
  to: string
}

export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      // Rows of a trace that has grown since: its skeleton is asked for again, and everything follows from that.
      onError: (error) => {
        if (error instanceof ApiError && error.status === 409) {
          void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === 'trace' && queryKey[2] === 'skeleton' })
        }
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        // A wrong question stays wrong; a server that is restarting comes back.
        retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
        retryDelay: (attempt) => 300 * 2 ** attempt,
      },
    },
  })
  return client
}

export const endpointsQuery = (time: TimeWindow, service: string, sort: EndpointOrder, limit: number, before?: '1h' | '1d') =>
  queryOptions({
    queryKey: ['endpoints', time, service, sort, limit, before],
    queryFn: ({ signal }) => get<Endpoints>('/endpoints', { ...time, service, sort, limit, before }, signal),
    placeholderData: keepPreviousData,
  })

export const searchQuery = (time: TimeWindow, q: string, sort: 'newest' | 'slowest', limit: number) =>
  queryOptions({
    queryKey: ['traces', time, q, sort, limit],
    queryFn: ({ signal }) => get<Found>('/traces', { ...time, q, sort, limit }, signal),
    placeholderData: keepPreviousData,
  })

export const traceQuery = (source: string) =>
  queryOptions({
    queryKey: ['trace', source, 'skeleton'],
    queryFn: async ({ signal }) => decodeTrace(await askTrace<Skeleton>(source, 'skeleton', {}, signal), source),
    staleTime: Infinity, // a reload asks again; the columns of a large trace are not worth asking for at every focus
    structuralSharing: false,
  })

/** A trace in the state that its rows are numbered in. */
export interface TraceState {
  /** Where it is asked for: an id, or an opened file; see files.ts. */
  source: string
  revision: string
}

export const statsQuery = ({ source, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', source, 'stats', revision, row],
    queryFn: ({ signal }) => askTrace<Stats>(source, 'stats', { row, revision }, signal),
    staleTime: Infinity,
  })

export const pathsQuery = ({ source, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', source, 'paths', revision, row],
    queryFn: ({ signal }) => askTrace<MergedPaths>(source, 'paths', { row, revision }, signal),
    staleTime: Infinity,
  })

/** 1 for the rows that match a filter. */
export const findQuery = ({ source, revision }: TraceState, size: number, q: string) =>
  queryOptions({
    queryKey: ['trace', source, 'find', revision, q],
    queryFn: async ({ signal }) => {
      const { rowStep } = await askTrace<{ rowStep: number[] }>(source, 'find', { q, revision }, signal)
      const hit = new Uint8Array(size)
      let row = 0
      for (const step of rowStep) hit[(row += step)] = 1
      return hit
    },
    enabled: q !== '',
    retry: false,
    staleTime: Infinity,
    structuralSharing: false,
  })

/** How a span compares with its kind; a file's spans are compared with nothing. */
export const percentileQuery = ({ source, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', source, 'percentile', revision, row],
    queryFn: ({ signal }) => askTrace<Percentile>(source, 'percentile', { row, revision }, signal),
    enabled: !isOpened(source),
    staleTime: Infinity,
  })

export const spanQuery = ({ source, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', source, 'span', revision, row],
    queryFn: async ({ signal }) => firstSpan(await askTrace<Spans>(source, 'spans', { rows: row, revision }, signal)),
    staleTime: Infinity,
  })

/** The events of all spans in order of time; those with a text in them. */
export const eventsQuery = ({ source, revision }: TraceState, text: string) =>
  queryOptions({
    queryKey: ['trace', source, 'events', revision, text],
    queryFn: ({ signal }) => askTrace<TraceEvents>(source, 'events', { text, revision }, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  })

/** The span with an id; of several that share it, the first. */
export const spanByIdQuery = (state: TraceState, spanId: string) =>
  queryOptions({
    queryKey: ['trace', state.source, 'span-by-id', state.revision, spanId],
    queryFn: async ({ signal, client }) => {
      const span = firstSpan(await askTrace<Spans>(state.source, 'spans', { ids: spanId, revision: state.revision }, signal))
      if (span !== null) client.setQueryData(spanQuery(state, span.row).queryKey, span)
      return span
    },
    staleTime: Infinity,
  })

interface Spans {
  spans: SpanDetail[]
}

const firstSpan = ({ spans }: Spans): SpanDetail | null => spans.at(0) ?? null

export interface NamesQuestion {
  of: 'services' | 'operations' | 'keys' | 'values'
  service?: string
  key?: string
  prefix?: string
}

export const namesQuery = (question: NamesQuestion, limit = 50) =>
  queryOptions({
    queryKey: ['names', question, limit],
    queryFn: ({ signal }) => get<Names>('/names', { ...question, limit }, signal),
    staleTime: 10_000,
    retry: false,
  })

export const statusQuery = () =>
  queryOptions({
    queryKey: ['status'],
    queryFn: ({ signal }) => get<Status>('/status', {}, signal),
  })
