import type { Cause, Skeleton, Stats } from '../api/types.ts'
import { criticalPathOf, type CriticalPath } from './critical.ts'

/** Bits of a row's flags. */
export const flagError = 1
export const flagParentMissing = 2
export const flagSkewAdjusted = 4

/** Repeated siblings: children of one parent with the same span type. */
export interface Group {
  parent: number
  type: number
  /** The members, in order of start. */
  rows: Uint32Array
  /** Nanoseconds: sum of the members' durations, and quantiles of them. */
  sum: number
  p50: number
  p95: number
  /** Share of the time covered by the members in which exactly one was running, 0 to 1. */
  serial: number
  errors: number
}

/**
 * A trace as columns: element r of every array is row r, and rows are in preorder (a parent before its
 * children, siblings by start). Times are nanoseconds; offset is from the start of the trace.
 */
export interface Trace {
  id: string
  /** Where it was asked for: its id, or an opened file. */
  source: string
  /** Unix nanoseconds, as a decimal string. */
  start: string
  duration: number
  errors: number
  revision: string
  size: number
  services: readonly string[]
  names: readonly string[]
  types: readonly string[]
  depth: Uint32Array
  service: Uint32Array
  name: Uint32Array
  type: Uint32Array
  kind: Uint8Array
  offset: Float64Array
  spanDuration: Float64Array
  self: Float64Array
  children: Uint32Array
  flags: Uint8Array
  /** The row of the parent; -1 for a root. */
  parent: Int32Array
  /** The row behind the last descendant; the row itself + 1 for a leaf. */
  end: Uint32Array
  groups: readonly Group[]
  /** The group that a row is a member of; -1 for none. */
  groupOf: Int32Array
  notes: readonly string[]
  critical: CriticalPath
  causes: readonly Cause[]
  stats: Stats
}

/** Reads a skeleton. Throws an Error that says what is wrong with one that contradicts itself. */
export function decodeTrace(skeleton: Skeleton, source = skeleton.traceId): Trace {
  const { rows } = skeleton
  const size = rows.depth.length
  for (const [column, values] of Object.entries(rows)) {
    if (values.length !== size) throw new Error(`skeleton: column ${column} has ${values.length} rows, depth has ${size}`)
  }
  const depth = Uint32Array.from(rows.depth)
  const { parent, end } = relate(depth)
  const flags = Uint8Array.from(rows.flags)
  const offset = summed(rows.offsetStep)
  const spanDuration = Float64Array.from(rows.duration)
  const children = new Uint32Array(size)
  for (const above of parent) if (above >= 0) children[above]++
  const groupOf = new Int32Array(size).fill(-1)
  const groups = (skeleton.groups ?? []).map((group, index): Group => {
    const members = Uint32Array.from(summed(group.rowStep, group.parent))
    let errors = 0
    for (const row of members) {
      if (row >= size) throw new Error(`skeleton: group ${index} names row ${row} of ${size}`)
      if (groupOf[row] >= 0) throw new Error(`skeleton: row ${row} is in groups ${groupOf[row]} and ${index}`)
      if (parent[row] !== group.parent) throw new Error(`skeleton: row ${row} of group ${index} is not a child of row ${group.parent}`)
      groupOf[row] = index
      errors += flags[row] & flagError
    }
    if (members.length === 0) throw new Error(`skeleton: group ${index} has no rows`)
    return {
      parent: group.parent,
      type: group.type,
      rows: members,
      sum: group.sum,
      p50: group.p50,
      p95: group.p95,
      serial: group.serial,
      errors,
    }
  })
  return {
    id: skeleton.traceId,
    source,
    start: skeleton.start,
    duration: skeleton.duration,
    errors: skeleton.errors,
    revision: skeleton.revision,
    size,
    services: skeleton.services,
    names: skeleton.names,
    types: skeleton.types,
    depth,
    ...shaped(skeleton),
    offset,
    spanDuration,
    self: selfTimes(parent, offset, spanDuration),
    children,
    flags,
    parent,
    end,
    groups,
    groupOf,
    notes: skeleton.notes ?? [],
    critical: criticalPathOf(skeleton.criticalPath ?? { rowStep: [], duration: [] }, offset[0], spanDuration),
    causes: skeleton.causes ?? [],
    stats: skeleton.stats,
  }
}

/** Running sums: the values of which these are the steps, the first from start. */
function summed(steps: readonly number[], start = 0): Float64Array {
  const values = new Float64Array(steps.length)
  let at = start
  for (const [i, step] of steps.entries()) values[i] = at += step
  return values
}

/** The columns that a row has by its shape. */
function shaped({ rows, shapes, services, names, types }: Skeleton): Pick<Trace, 'service' | 'name' | 'type' | 'kind'> {
  const count = shapes.service.length
  const check = (values: readonly number[], dictionary: number, column: string) => {
    if (values.length !== count) throw new Error(`skeleton: shapes have ${values.length} of ${column}, ${count} of service`)
    for (const code of values) {
      if (!(code >= 0 && code < dictionary))
        throw new Error(`skeleton: column ${column} has code ${code}, its dictionary ${dictionary} entries`)
    }
  }
  check(shapes.service, services.length, 'service')
  check(shapes.name, names.length, 'name')
  check(shapes.type, types.length, 'type')
  check(shapes.kind, 256, 'kind')
  const of = Uint32Array.from(rows.shape)
  for (const code of rows.shape) {
    if (!(code >= 0 && code < count)) throw new Error(`skeleton: a row has shape ${code} of ${count}`)
  }
  return {
    service: of.map((code) => shapes.service[code]),
    name: of.map((code) => shapes.name[code]),
    type: of.map((code) => shapes.type[code]),
    kind: Uint8Array.from(of, (code) => shapes.kind[code]),
  }
}

/** Self times: the parts of spans in which no child ran. One sweep, as siblings come in order of start. */
function selfTimes(parent: Int32Array, offset: Float64Array, duration: Float64Array): Float64Array {
  const self = duration.slice()
  const until = offset.slice() // the latest end so far among the children
  for (let row = 0; row < parent.length; row++) {
    const above = parent[row]
    if (above < 0) continue
    const from = Math.max(offset[row], until[above])
    const to = Math.min(offset[row] + duration[row], offset[above] + duration[above])
    if (to <= from) continue
    self[above] -= to - from
    until[above] = to
  }
  return self
}

/** Parents and ends of subtrees from depths in preorder; one pass, no recursion. */
function relate(depth: Uint32Array): { parent: Int32Array; end: Uint32Array } {
  const size = depth.length
  const parent = new Int32Array(size)
  const end = new Uint32Array(size).fill(size)
  const path: number[] = [] // the open rows: path[d] has depth d
  for (let row = 0; row < size; row++) {
    const d = depth[row]
    if (d > path.length) throw new Error(`skeleton: row ${row} has depth ${d}, the row before it ${path.length - 1}`)
    for (let open = d; open < path.length; open++) end[path[open]] = row
    path.length = d
    parent[row] = d === 0 ? -1 : path[d - 1]
    path.push(row)
  }
  return { parent, end }
}

/** Rows on the way from a root to row, the row itself left out, root first. */
export function ancestors(trace: Trace, row: number): number[] {
  const way: number[] = []
  for (let above = trace.parent[row]; above >= 0; above = trace.parent[above]) way.push(above)
  return way.toReversed()
}
