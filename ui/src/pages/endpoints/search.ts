import type { EndpointOrder } from '../../api/types.ts'
import { timeSearch, type TimeSearch } from '../../filter/time.ts'

export const columns = ['name', 'service', 'count', 'rate', 'errors', 'mean', 'p50', 'p95', 'p99', 'max', 'share'] as const
/** Each line costs the server a question of its own, so not all are asked for at first. */
export const pageSize = 100
export const mostEndpoints = 1000 // the API's bound

export type Column = (typeof columns)[number]
export const defaultColumn: Column = 'share'

/** The state of the endpoints page, as in its address. */
export interface EndpointsSearch extends TimeSearch {
  service?: string
  sort?: Column
  /** Given when it is not the column's own first order. */
  order?: 'reversed'
  /** Given when more endpoints are asked for than at first. */
  limit?: number
  /** Given when the page does not refresh by itself. */
  live?: 'off'
}

export function endpointsSearch(raw: Record<string, unknown>): EndpointsSearch {
  const search: EndpointsSearch = timeSearch(raw)
  if (typeof raw.service === 'string' && raw.service !== '') search.service = raw.service
  const column = columns.find((known) => known === raw.sort)
  if (column !== undefined && column !== defaultColumn) search.sort = column
  if (raw.order === 'reversed') search.order = 'reversed'
  const limit = Number(raw.limit)
  if (Number.isInteger(limit) && limit > 0 && limit !== pageSize) search.limit = Math.min(limit, mostEndpoints)
  if (raw.live === 'off') search.live = 'off'
  return search
}

/** The server's order that puts the same endpoints first as a column does; undefined if it knows none. */
export function serverOrder(column: Column): EndpointOrder | undefined {
  switch (column) {
    case 'share':
      return 'time'
    case 'p95':
      return 'p95'
    case 'count':
    case 'rate':
      return 'rate'
    case 'errors':
      return 'errors'
    case 'max':
      return 'slowest'
    default:
      return undefined
  }
}
