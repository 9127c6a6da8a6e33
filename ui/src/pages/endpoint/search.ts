import type { BeforeQuestion, PopulationQuestion } from '../../api/analysis_queries.ts'
import { defaultRange, instant, timeSearch, type TimeSearch } from '../../filter/time.ts'

export const befores = ['1h', '1d', '1w'] as const
export type Before = (typeof befores)[number]

export const slowChoices = ['p95..', 'p99..', 'p90..', 'p75..'] as const
export const normalChoices = ['p25..p75', '..p50', '..p95', '..'] as const
export const defaultSlow = slowChoices[0]
export const defaultNormal = normalChoices[0]

/** The state of an endpoint's page, as in its address. */
export interface EndpointSearch extends TimeSearch {
  /** How much earlier the requests are that these are compared with; by default the length of the range. */
  before?: Before
  /** RFC 3339: or between which two instants they started. */
  beforeFrom?: string
  beforeTo?: string
  /** Which requests are slow and which are normal, in the API's words. */
  slow?: string
  normal?: string
  /** RFC 3339: when the slow ones started, if that is not the whole range. */
  slowFrom?: string
  slowTo?: string
  /** The same for the normal ones. */
  normalFrom?: string
  normalTo?: string
  /** Only requests whose root span matches. */
  q?: string
  order?: 'tree'
  /** More than the first paths. */
  paths?: 'all'
  /** The heatmap as a table. */
  heatmap?: 'table'
}

const bound = String.raw`(?:p\d{1,2}(?:\.\d+)?|[\d.]+(?:ns|us|ms|s|m|h))?`
const population = new RegExp(String.raw`^${bound}\.\.${bound}$`)

export const isPopulation = (text: string): boolean => population.test(text)

export function endpointSearch(raw: Record<string, unknown>): EndpointSearch {
  const search: EndpointSearch = timeSearch(raw)
  const before = befores.find((known) => known === raw.before)
  if (before !== undefined) search.before = before
  if (typeof raw.slow === 'string' && isPopulation(raw.slow) && raw.slow !== defaultSlow) search.slow = raw.slow
  if (typeof raw.normal === 'string' && isPopulation(raw.normal) && raw.normal !== defaultNormal) search.normal = raw.normal
  for (const side of ['slow', 'normal', 'before'] as const) {
    const from = instant(raw[`${side}From`])
    const to = instant(raw[`${side}To`])
    if (from !== undefined && to !== undefined && from < to) Object.assign(search, { [`${side}From`]: from, [`${side}To`]: to })
  }
  if (typeof raw.q === 'string' && raw.q.trim() !== '') search.q = raw.q
  if (raw.order === 'tree') search.order = 'tree'
  if (raw.paths === 'all') search.paths = 'all'
  if (raw.heatmap === 'table') search.heatmap = 'table'
  return search
}

export const populations = ({ slow, normal, slowFrom, slowTo, normalFrom, normalTo }: EndpointSearch): PopulationQuestion => ({
  slow,
  normal,
  slowFrom,
  slowTo,
  normalFrom,
  normalTo,
})

/** What the endpoint is compared with, as the API takes it. */
export const beforeOf = ({ before, beforeFrom, beforeTo }: EndpointSearch): BeforeQuestion =>
  beforeFrom === undefined ? { before } : { beforeFrom, beforeTo }

/** The window just before that of the page, as long as it; it is where choosing one begins. */
export function windowBefore(search: EndpointSearch, now: number): { beforeFrom: string; beforeTo: string } {
  const hours = { '15m': 0.25, '1h': 1, '6h': 6, '24h': 24 }[search.range ?? defaultRange]
  const to = search.to === undefined ? now : Date.parse(search.to)
  const from = search.from === undefined ? to - hours * 3_600_000 : Date.parse(search.from)
  return { beforeFrom: new Date(2 * from - to).toISOString(), beforeTo: new Date(from).toISOString() }
}
