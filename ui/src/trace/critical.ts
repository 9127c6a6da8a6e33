/**
 * What a request waited for, by row: the segments of row r are those from first[r] to first[r + 1]. Times are nanoseconds,
 * offsets from the start of the trace.
 */
export interface CriticalPath {
  first: Uint32Array
  offset: Float64Array
  duration: Float64Array
  /** 1 for the rows that have a segment. */
  on: Uint8Array
}

interface Segments {
  row: readonly number[]
  offset: readonly number[]
  duration: readonly number[]
}

/** Sorts segments by row. Throws an Error for one of a row that is not there. */
export function criticalPathOf(segments: Segments, size: number): CriticalPath {
  const first = new Uint32Array(size + 1)
  for (const row of segments.row) {
    if (!(row >= 0 && row < size)) throw new Error(`skeleton: the critical path has row ${row} of ${size}`)
    first[row + 1]++
  }
  for (let row = 0; row < size; row++) first[row + 1] += first[row]
  const next = first.slice(0, size)
  const offset = new Float64Array(segments.row.length)
  const duration = new Float64Array(segments.row.length)
  const on = new Uint8Array(size)
  for (const [i, row] of segments.row.entries()) {
    const at = next[row]++
    offset[at] = segments.offset[i]
    duration[at] = segments.duration[i]
    on[row] = 1
  }
  return { first, offset, duration, on }
}

/** Nanoseconds of a row on the critical path. */
export function criticalTime(path: CriticalPath, row: number): number {
  let sum = 0
  for (let i = path.first[row]; i < path.first[row + 1]; i++) sum += path.duration[i]
  return sum
}
