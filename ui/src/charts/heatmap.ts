import type { HeatmapCounts } from '../api/analysis.ts'

/**
 * Requests by start and duration: columns × rows cells, of which only those with requests are listed. Row 0 holds the
 * shortest; rows are of equal height because their edges grow by a constant factor. Times are ms, durations ns.
 */
export interface Heatmap {
  start: number
  step: number
  columns: number
  edges: readonly number[]
  /** count[column × rows + row]. */
  count: Uint32Array
  most: number
  errors: Uint32Array
}

export const rowsOf = (map: Heatmap): number => Math.max(0, map.edges.length - 1)

export function decodeHeatmap(answer: HeatmapCounts): Heatmap {
  const edges = answer.edges ?? []
  const columns = (answer.counts ?? []).length
  const rows = Math.max(0, edges.length - 1)
  const count = new Uint32Array(columns * rows)
  for (const [column, cells] of (answer.counts ?? []).entries()) {
    for (const [row, n] of cells.entries()) if (row < rows) count[column * rows + row] = n
  }
  return {
    start: Number(BigInt(answer.start) / 1_000_000n),
    step: answer.step / 1e6,
    columns,
    edges,
    count,
    most: count.reduce((most, n) => Math.max(most, n), 0),
    errors: Uint32Array.from({ length: columns }, (_, i) => answer.errors?.[i] ?? 0),
  }
}

/** A part of the map: times in ms and durations in ns. */
export interface Brush {
  from: number
  to: number
  over: number
  upTo: number
}

const cellAt = (share: number, n: number): number => Math.min(Math.max(Math.floor(share * n), 0), n - 1)

/** The part between two corners, which are shares of the map's width and height from its lower left; it ends at edges of cells. */
export function brushOf(map: Heatmap, a: { x: number; y: number }, b: { x: number; y: number }): Brush {
  const rows = rowsOf(map)
  const first = cellAt(Math.min(a.x, b.x), map.columns)
  const last = cellAt(Math.max(a.x, b.x), map.columns)
  const low = cellAt(Math.min(a.y, b.y), rows)
  const high = cellAt(Math.max(a.y, b.y), rows)
  return {
    from: map.start + first * map.step,
    to: map.start + (last + 1) * map.step,
    over: Math.round(map.edges[low]),
    upTo: Math.round(map.edges[high + 1]),
  }
}

/** How high a duration stands, as a share of the map's height; beyond 0 to 1 for one outside. */
export function heightOf(map: Heatmap, duration: number): number {
  const rows = rowsOf(map)
  if (rows === 0 || duration <= 0) return 0
  const low = Math.log(map.edges[0])
  return (Math.log(duration) - low) / (Math.log(map.edges[rows]) - low)
}

/** Durations to write on the axis: powers of ten, with 2 and 5 between them where there is room. */
export function durationTicks(map: Heatmap): number[] {
  const rows = rowsOf(map)
  if (rows === 0) return []
  const within = (factors: number[]) => {
    const all: number[] = []
    for (let power = 1; power <= map.edges[rows]; power *= 10) {
      for (const factor of factors) {
        const at = power * factor
        if (at >= map.edges[0] && at <= map.edges[rows]) all.push(at)
      }
    }
    return all
  }
  const fine = within([1, 2, 5])
  return fine.length <= 7 ? fine : within([1])
}

/** How strongly a cell is drawn, 0 to 1: by the logarithm, so that a single slow request is seen beside thousands. */
export const strength = (n: number, most: number): number => (n === 0 ? 0 : 0.22 + (0.78 * Math.log(n)) / Math.max(Math.log(most), 1))
