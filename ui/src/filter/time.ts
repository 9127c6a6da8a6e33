import type { TimeWindow } from '../api/queries.ts'

export const ranges = ['15m', '1h', '6h', '24h'] as const
export type Range = (typeof ranges)[number]
export const defaultRange: Range = '1h'

/** The part of a page's address that says which time it shows: a range up to now, or two fixed ends. */
export interface TimeSearch {
  range?: Range
  /** RFC 3339. */
  from?: string
  to?: string
}

const isRange = (text: unknown): text is Range => ranges.some((range) => range === text)

/** Validates the time in an address; what makes no sense is dropped, and the default range applies. */
export function timeSearch(raw: Record<string, unknown>): TimeSearch {
  const from = instant(raw.from)
  const to = instant(raw.to)
  if (from !== undefined && (to === undefined || from < to)) return to === undefined ? { from } : { from, to }
  return isRange(raw.range) && raw.range !== defaultRange ? { range: raw.range } : {}
}

/** An instant in an address, as RFC 3339; undefined for anything else. */
export function instant(raw: unknown): string | undefined {
  if (typeof raw !== 'string') return undefined
  const time = Date.parse(raw)
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}

/** The ends as the API takes them. */
export function timeWindow(search: TimeSearch): TimeWindow {
  if (search.from !== undefined) return { from: search.from, to: search.to ?? 'now' }
  return { from: `now-${search.range ?? defaultRange}`, to: 'now' }
}

/** Whether the window moves with the clock, so that asking again can bring something new. */
export const isMoving = (search: TimeSearch): boolean => search.from === undefined || search.to === undefined

/** The value of a datetime-local input, in local time, for an instant. */
export function toLocalInput(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19)
}
