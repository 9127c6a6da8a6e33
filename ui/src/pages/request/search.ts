import type { TypeStats } from '../../api/types.ts'
import type { Extent } from '../../trace/axis.ts'
import type { Trace } from '../../trace/model.ts'
import type { Toggles, View } from '../../trace/rows.ts'

export const durationColumns = ['total', 'self', 'mean', 'p50', 'p95', 'max', 'criticalShare', 'share'] as const satisfies readonly (keyof TypeStats)[]
export type DurationColumn = (typeof durationColumns)[number]
export const defaultDurationColumn: DurationColumn = 'total'

export const requestViews = ['timeline', 'flame', 'paths', 'events'] as const
export type RequestView = (typeof requestViews)[number]

/** The state of the request page, as in its address. Rows and groups are row numbers of the skeleton; a group is named by its first. */
export interface RequestSearch {
  /** The selected span's id. */
  span?: string
  /** Only spans of this type. */
  type?: string
  /** Only spans that match; trace/find.ts has the syntax. */
  find?: string
  /** off draws every member of a group; groups lists the exceptions, folded or not. */
  fold?: 'off'
  groups?: string
  /** all hides the children of every row; rows lists the exceptions, collapsed or not. */
  collapse?: 'all'
  rows?: string
  /** The column that Duration Stats is sorted by. */
  by?: DurationColumn
  /** The part of the time shown, from-to in nanoseconds after the start. */
  zoom?: string
  tables?: 'off'
  /** How the critical path shows; marked if left out. */
  critical?: 'off' | 'only'
  /** Given when it is not the timeline. */
  view?: RequestView
}

export function requestSearch(raw: Record<string, unknown>): RequestSearch {
  const search: RequestSearch = {}
  if (typeof raw.span === 'string' && /^[0-9a-f]{1,16}$/i.test(raw.span)) search.span = raw.span.toLowerCase()
  if (typeof raw.type === 'string' && raw.type !== '') search.type = raw.type
  if (typeof raw.find === 'string' && raw.find.trim() !== '') search.find = raw.find
  if (raw.fold === 'off') search.fold = 'off'
  if (isList(raw.groups)) search.groups = raw.groups
  if (raw.collapse === 'all') search.collapse = 'all'
  if (isList(raw.rows)) search.rows = raw.rows
  const by = durationColumns.find((known) => known === raw.by)
  if (by !== undefined && by !== defaultDurationColumn) search.by = by
  if (typeof raw.zoom === 'string' && parseZoom(raw.zoom) !== null) search.zoom = raw.zoom
  if (raw.tables === 'off') search.tables = 'off'
  if (raw.critical === 'off' || raw.critical === 'only') search.critical = raw.critical
  const view = requestViews.find((known) => known === raw.view)
  if (view !== undefined && view !== 'timeline') search.view = view
  return search
}

const isList = (raw: unknown): raw is string => typeof raw === 'string' && /^\d+(,\d+)*$/.test(raw)

const parseList = (list: string | undefined): ReadonlySet<number> => new Set(list === undefined ? [] : list.split(',').map(Number))

const formatList = (members: ReadonlySet<number>): string | undefined =>
  members.size === 0 ? undefined : [...members].toSorted((a, b) => a - b).join(',')

/** The part of the view that an address holds. */
export function viewToggles(search: RequestSearch): Pick<View, 'collapsed' | 'folded'> {
  return {
    collapsed: { all: search.collapse === 'all', except: parseList(search.rows) },
    folded: { all: search.fold !== 'off', except: parseList(search.groups) },
  }
}

export const collapsedSearch = ({ all, except }: Toggles): Pick<RequestSearch, 'collapse' | 'rows'> => ({
  collapse: all ? 'all' : undefined,
  rows: formatList(except),
})

export const foldedSearch = ({ all, except }: Toggles): Pick<RequestSearch, 'fold' | 'groups'> => ({
  fold: all ? undefined : 'off',
  groups: formatList(except),
})

function parseZoom(zoom: string): Extent | null {
  const parts = /^(\d{1,15})-(\d{1,15})$/.exec(zoom)
  if (parts === null) return null
  const extent = { from: Number(parts[1]), to: Number(parts[2]) }
  return extent.from < extent.to ? extent : null
}

/** The part of the trace's time to show: the zoom, or all of it. */
export function extentOf(trace: Trace, zoom: string | undefined): Extent {
  const extent = zoom === undefined ? null : parseZoom(zoom)
  if (extent === null || extent.from >= trace.duration) return { from: 0, to: Math.max(trace.duration, 1) }
  return { from: extent.from, to: Math.min(extent.to, Math.max(trace.duration, 1)) }
}

/** The zoom of an extent; undefined for the whole trace. */
export function zoomSearch(trace: Trace, { from, to }: Extent): string | undefined {
  const low = Math.max(0, Math.floor(from))
  const high = Math.min(Math.max(trace.duration, 1), Math.ceil(to))
  return (low === 0 && high >= trace.duration) || high <= low ? undefined : `${low}-${high}`
}
