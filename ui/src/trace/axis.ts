import type { CriticalPath } from './critical.ts'

/** A part of a trace's time, in nanoseconds from its start. */
export interface Extent {
  from: number
  to: number
}

/** Round distances for ticks: 1, 2 or 5 times a power of ten. */
export function ticks(extent: Extent, most: number): number[] {
  const span = extent.to - extent.from
  if (!(span > 0)) return [extent.from]
  const least = span / most
  const power = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least * (1 - 1e-9)) ?? 10 * power
  const all: number[] = []
  for (let n = Math.ceil(extent.from / step); n * step <= extent.to; n++) all.push(n * step)
  return all
}

/** A bar's left edge and width as percentages of the extent, clipped to it; null if it lies outside. */
export function place(extent: Extent, offset: number, duration: number): { left: number; width: number } | null {
  const span = Math.max(extent.to - extent.from, 1)
  const from = Math.max(offset, extent.from)
  const to = Math.min(offset + duration, extent.to)
  if (to < from) return null
  return { left: (100 * (from - extent.from)) / span, width: (100 * (to - from)) / span }
}

/**
 * An SVG path over a 1000 × 1 box that covers the union of the intervals, merged to a thousandth of the
 * extent: however many members a group has, its drawing stays small.
 */
export function coverPath(extent: Extent, rows: Iterable<number>, offsets: Float64Array, durations: Float64Array): string {
  const scale = 1000 / Math.max(extent.to - extent.from, 1)
  let path = ''
  let from = -1
  let to = -1
  const flush = () => {
    if (from >= 0) path += `M${from} 0h${Math.max(to - from, 1)}v1H${from}z`
  }
  for (const row of rows) {
    const end = Math.round((offsets[row] + durations[row] - extent.from) * scale)
    const start = Math.round((offsets[row] - extent.from) * scale)
    if (end < 0 || start > 1000) continue
    const left = Math.max(start, 0)
    const right = Math.min(end, 1000)
    if (from >= 0 && left >= from && left <= to + 1) {
      // Two that touch at this scale keep a hairline between them only if the first is wide enough to spare it.
      if (left > to || to - from < 3) to = Math.max(to, right)
      else if (right > to) {
        flush()
        from = left + 1
        to = Math.max(right, from)
      }
      continue
    }
    flush()
    from = left
    to = right
  }
  flush()
  return path
}

/** The same for the segments of rows on the critical path. */
export function criticalCover(extent: Extent, path: CriticalPath, rows: Iterable<number>): string {
  const segments: number[] = []
  for (const row of rows) for (let i = path.first[row]; i < path.first[row + 1]; i++) segments.push(i)
  return coverPath(extent, segments, path.offset, path.duration)
}
