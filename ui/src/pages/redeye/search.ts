import { timeSearch, type TimeSearch } from '../../filter/time.ts'

/** The state of the list of dynamic interfaces, as in its address. */
export interface RedeyeSearch extends TimeSearch {
  service?: string
}

export function redeyeSearch(raw: Record<string, unknown>): RedeyeSearch {
  const search: RedeyeSearch = timeSearch(raw)
  if (typeof raw.service === 'string' && raw.service !== '') search.service = raw.service
  return search
}

/** The state of the page of one of them; service and hash are in its path. */
export interface PlanSearch extends TimeSearch {
  site?: string
  tenant?: string
}

export function planSearch(raw: Record<string, unknown>): PlanSearch {
  const search: PlanSearch = timeSearch(raw)
  if (typeof raw.site === 'string' && raw.site !== '') search.site = raw.site
  if (typeof raw.tenant === 'string' && raw.tenant !== '') search.tenant = raw.tenant
  return search
}
