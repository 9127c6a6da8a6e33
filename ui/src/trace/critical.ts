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

/** The segments as a skeleton has them: each begins where the one before it ends, and 0 is the duration of the whole row. */
interface Segments {
  rowStep: readonly number[]
  duration: readonly number[]
}

/**
 * Sorts segments by row. The first begins at start, the offset of row 0; whole are the durations of the rows.
 * Throws an Error for one of a row that is not there.
 */
export function criticalPathOf(segments: Segments, start: number, whole: Float64Array): CriticalPath {
  const size = whole.length
  const rows = new Uint32Array(segments.rowStep.length)
  const first = new Uint32Array(size + 1)
  let row = 0
  for (const [i, step] of segments.rowStep.entries()) {
    row += step
    if (!(row >= 0 && row < size)) throw new Error(`skeleton: the critical path has row ${row} of ${size}`)
    rows[i] = row
    first[row + 1]++
  }
  for (let at = 0; at < size; at++) first[at + 1] += first[at]
  const next = first.slice(0, size)
  const offset = new Float64Array(rows.length)
  const duration = new Float64Array(rows.length)
  const on = new Uint8Array(size)
  let from = start
  for (const [i, of] of rows.entries()) {
    const at = next[of]++
    offset[at] = from
    duration[at] = segments.duration[i] === 0 ? whole[of] : segments.duration[i]
    from += duration[at]
    on[of] = 1
  }
  return { first, offset, duration, on }
}

/** Nanoseconds of a row on the critical path. */
export function criticalTime(path: CriticalPath, row: number): number {
  let sum = 0
  for (let i = path.first[row]; i < path.first[row + 1]; i++) sum += path.duration[i]
  return sum
}
