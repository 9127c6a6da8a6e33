import type { Edge } from './layers.ts'

/** Where edges begin and end. */
export interface End {
  column: number
  y: number
}

/**
 * The height of each edge's label, in the order of the edges. All labels of a column stand left of it, so they are kept a distance
 * apart, each as near to the end of its edge as the others let it; those at one end stand around it, the highest caller's first.
 */
export function labelHeights(edges: readonly Edge[], ends: ReadonlyMap<string, End>, distance: number): number[] {
  const columns: { index: number; caller: number; callee: number }[][] = []
  for (const [index, { caller, callee }] of edges.entries()) {
    const from = ends.get(caller)
    const to = ends.get(callee)
    if (from === undefined || to === undefined) continue
    const column = (columns[to.column] ??= [])
    column.push({ index, caller: from.y, callee: to.y })
  }
  const heights: number[] = []
  for (const column of columns) {
    if (column === undefined) continue // there is none
    column.sort((a, b) => a.callee - b.callee || a.caller - b.caller)
    const wanted = column.map(({ callee }, i) => {
      const first = column.findIndex((label) => label.callee === callee)
      const last = column.findLastIndex((label) => label.callee === callee)
      return callee + (i - first - Math.floor((last - first) / 2)) * distance
    })
    for (const [i, height] of spread(wanted, distance).entries()) heights[column[i].index] = height
  }
  return heights
}

/** The ascending heights nearest to the wanted ones, by the sum of squares, that are a distance apart. */
export function spread(wanted: readonly number[], distance: number): number[] {
  // With the distances taken off, heights need only ascend: those that do not become their mean.
  const runs: { sum: number; count: number }[] = []
  for (const [i, height] of wanted.entries()) {
    let run = { sum: height - i * distance, count: 1 }
    for (let before = runs.at(-1); before !== undefined && before.sum / before.count > run.sum / run.count; before = runs.at(-1)) {
      runs.pop()
      run = { sum: before.sum + run.sum, count: before.count + run.count }
    }
    runs.push(run)
  }
  return runs.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count)).map((height, i) => height + i * distance)
}
