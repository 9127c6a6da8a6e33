/** A directed graph's drawing: nodes in columns from left to right, so that most edges point right. */
export interface Placed {
  name: string
  column: number
  /** The place in its column, from the top; columns are centred on each other by fractions. */
  row: number
}

export interface Edge {
  caller: string
  callee: string
}

/**
 * Places the ends of the edges, and the focus if there is one. A node's column is one more than the last of those that call
 * it, so calls point right; where they go in a circle, the circle is cut at the node reached first. Within a column nodes
 * stand near those that they are joined to.
 */
export function layers(edges: readonly Edge[], focus?: string): Placed[] {
  const names = [...new Set([...edges.flatMap(({ caller, callee }) => [caller, callee]), ...(focus === undefined ? [] : [focus])])]
  const callees = new Map<string, string[]>(names.map((name) => [name, []]))
  const callers = new Map<string, string[]>(names.map((name) => [name, []]))
  for (const { caller, callee } of edges) {
    if (caller === callee) continue
    callees.get(caller)?.push(callee)
    callers.get(callee)?.push(caller)
  }
  const column = new Map<string, number>(names.map((name) => [name, 0]))
  const missing = new Map<string, number>(names.map((name) => [name, callers.get(name)?.length ?? 0])) // callers not placed yet
  while (missing.size > 0) {
    // The next is one whose callers all stand; in a circle there is none, and the nearest begins.
    let next = ''
    let least: [number, number] = [Infinity, Infinity]
    for (const [name, count] of missing) {
      const rank: [number, number] = count === 0 ? [0, 0] : [1, -(column.get(name) ?? 0)]
      if (rank[0] < least[0] || (rank[0] === least[0] && rank[1] < least[1])) [next, least] = [name, rank]
    }
    missing.delete(next)
    for (const callee of callees.get(next) ?? []) {
      const left = missing.get(callee)
      if (left === undefined) continue
      missing.set(callee, left - 1)
      column.set(callee, Math.max(column.get(callee) ?? 0, (column.get(next) ?? 0) + 1))
    }
  }
  return arrange(names, column, callees, callers)
}

const sweeps = 4

function arrange(
  names: readonly string[],
  column: ReadonlyMap<string, number>,
  callees: ReadonlyMap<string, string[]>,
  callers: ReadonlyMap<string, string[]>,
): Placed[] {
  const columns: string[][] = []
  for (const name of names.toSorted()) (columns[column.get(name) ?? 0] ??= []).push(name)
  const row = new Map<string, number>()
  const number = (nodes: string[]) => {
    for (const [i, name] of nodes.entries()) row.set(name, i - (nodes.length - 1) / 2)
  }
  for (const nodes of columns) number(nodes ?? [])
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const nodes of sweep % 2 === 0 ? columns : columns.toReversed()) {
      const pull = new Map(
        (nodes ?? []).map((name) => {
          const joined = [...(callers.get(name) ?? []), ...(callees.get(name) ?? [])].map((other) => row.get(other) ?? 0)
          return [name, joined.length === 0 ? 0 : joined.reduce((sum, at) => sum + at, 0) / joined.length]
        }),
      )
      nodes?.sort((a, b) => (pull.get(a) ?? 0) - (pull.get(b) ?? 0))
      number(nodes ?? [])
    }
  }
  return names.map((name) => ({ name, column: column.get(name) ?? 0, row: row.get(name) ?? 0 }))
}
