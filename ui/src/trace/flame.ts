import type { Extent } from './axis.ts'
import type { Trace } from './model.ts'

/** More lanes than these are drawn on top of each other in the last. */
export const mostLanes = 400

/**
 * The lane of every row in a flame graph: below its parent's, and in no lane is anything drawn over anything else, so that
 * calls at the same time stand below each other.
 */
export function lanesOf(trace: Trace): { lane: Uint16Array; count: number } {
  const lane = new Uint16Array(trace.size)
  const busyUntil: number[] = []
  for (let row = 0; row < trace.size; row++) {
    let at = trace.parent[row] < 0 ? 0 : lane[trace.parent[row]] + 1
    while (at < mostLanes - 1 && (busyUntil[at] ?? -Infinity) > trace.offset[row]) at++
    at = Math.min(at, mostLanes - 1)
    lane[row] = at
    busyUntil[at] = Math.max(busyUntil[at] ?? -Infinity, trace.offset[row] + trace.spanDuration[row])
  }
  return { lane, count: busyUntil.length }
}

/** A row's place in the drawing, in pixels. */
export interface Box {
  row: number
  left: number
  width: number
  lane: number
}

/** The boxes to draw in a width; of those that fall on the same half pixel of a lane only the first. Linear in the rows. */
export function boxes(trace: Trace, lane: Uint16Array, extent: Extent, width: number): Box[] {
  const scale = width / Math.max(extent.to - extent.from, 1)
  const drawnUntil: number[] = []
  const all: Box[] = []
  for (let row = 0; row < trace.size; row++) {
    const from = Math.max((trace.offset[row] - extent.from) * scale, 0)
    const to = Math.min((trace.offset[row] + trace.spanDuration[row] - extent.from) * scale, width)
    if (to < 0 || from > width || to < from) continue
    const right = Math.max(to, from + 1)
    if (right <= (drawnUntil[lane[row]] ?? -1) + 0.5) continue
    drawnUntil[lane[row]] = Math.max(drawnUntil[lane[row]] ?? -1, right)
    all.push({ row, left: from, width: right - from, lane: lane[row] })
  }
  return all
}

/** The row whose bar is at a time, in a lane; the shortest if several are, -1 for none. slack is a time that counts as nothing. */
export function rowAt(trace: Trace, lane: Uint16Array, time: number, wanted: number, slack: number): number {
  let best = -1
  for (let row = 0; row < trace.size; row++) {
    if (lane[row] !== wanted || trace.offset[row] > time + slack || trace.offset[row] + trace.spanDuration[row] < time - slack) continue
    if (best < 0 || trace.spanDuration[row] < trace.spanDuration[best]) best = row
  }
  return best
}
