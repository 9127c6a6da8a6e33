import { timeSearch, type TimeSearch } from '../../filter/time.ts'

export const pageSize = 20
export const mostTraces = 1000 // the API's bound

/** The state of the search page, as in its address. */
export interface SearchSearch extends TimeSearch {
  q?: string
  /** Given when it is not newest first. */
  sort?: 'slowest'
  limit?: number
  /** The heatmap as a table. */
  heatmap?: 'table'
}

export function searchSearch(raw: Record<string, unknown>): SearchSearch {
  const search: SearchSearch = timeSearch(raw)
  if (typeof raw.q === 'string' && raw.q.trim() !== '') search.q = raw.q
  if (raw.sort === 'slowest') search.sort = 'slowest'
  if (raw.heatmap === 'table') search.heatmap = 'table'
  const limit = Number(raw.limit)
  if (Number.isInteger(limit) && limit > 0 && limit !== pageSize) search.limit = Math.min(limit, mostTraces)
  return search
}
