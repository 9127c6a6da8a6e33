import { keepPreviousData, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'

import { decodeTrace } from '../trace/model.ts'
import { ApiError, get } from './client.ts'
import type { EndpointOrder, Endpoints, Found, Names, Skeleton, SpanDetail, Stats, Status } from './types.ts'

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

export const endpointsQuery = (time: TimeWindow, service: string, sort: EndpointOrder, limit: number) =>
  queryOptions({
    queryKey: ['endpoints', time, service, sort, limit],
    queryFn: ({ signal }) => get<Endpoints>('/endpoints', { ...time, service, sort, limit }, signal),
    placeholderData: keepPreviousData,
  })

export const searchQuery = (time: TimeWindow, q: string, sort: 'newest' | 'slowest', limit: number) =>
  queryOptions({
    queryKey: ['traces', time, q, sort, limit],
    queryFn: ({ signal }) => get<Found>('/traces', { ...time, q, sort, limit }, signal),
    placeholderData: keepPreviousData,
  })

export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ['trace', id, 'skeleton'],
    queryFn: async ({ signal }) => decodeTrace(await get<Skeleton>(`/traces/${encodeURIComponent(id)}/skeleton`, {}, signal)),
    staleTime: Infinity, // a reload asks again; the columns of a large trace are not worth asking for at every focus
    structuralSharing: false,
  })

/** A trace in the state that its rows are numbered in. */
export interface TraceState {
  id: string
  revision: string
}

export const statsQuery = ({ id, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', id, 'stats', revision, row],
    queryFn: ({ signal }) => get<Stats>(`/traces/${encodeURIComponent(id)}/stats`, { row, revision }, signal),
    staleTime: Infinity,
  })

export const spanQuery = ({ id, revision }: TraceState, row: number) =>
  queryOptions({
    queryKey: ['trace', id, 'span', revision, row],
    queryFn: async ({ signal }) => firstSpan(await get<Spans>(`/traces/${encodeURIComponent(id)}/spans`, { rows: row, revision }, signal)),
    staleTime: Infinity,
  })

/** The span with an id; of several that share it, the first. */
export const spanByIdQuery = (state: TraceState, spanId: string) =>
  queryOptions({
    queryKey: ['trace', state.id, 'span-by-id', state.revision, spanId],
    queryFn: async ({ signal, client }) => {
      const path = `/traces/${encodeURIComponent(state.id)}/spans`
      const span = firstSpan(await get<Spans>(path, { ids: spanId, revision: state.revision }, signal))
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
