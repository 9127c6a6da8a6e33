import { timeSearch, type TimeSearch } from '../../filter/time.ts'

export const mostHops = 4

/** The state of the service map, as in its address. */
export interface MapSearch extends TimeSearch {
  /** Only what is near this service. */
  service?: string
  /** How near, in calls; given when it is not 1. */
  hops?: number
}

export function mapSearch(raw: Record<string, unknown>): MapSearch {
  const search: MapSearch = timeSearch(raw)
  if (typeof raw.service === 'string' && raw.service !== '') search.service = raw.service
  const hops = Number(raw.hops)
  if (Number.isInteger(hops) && hops > 1) search.hops = Math.min(hops, mostHops)
  return search
}
