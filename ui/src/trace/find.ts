import { parseDuration } from '../text/format.ts'
import { flagError, type Trace } from './model.ts'

/** What to look for inside one trace. */
export interface Finding {
  /** Words, comparisons of duration and self time, and status=error; all must hold. */
  text: string
  /** A span type, exactly. */
  type: string
}

export interface Matches {
  /** 1 for every row that matches. */
  hit: Uint8Array
  /** 1 for the rows that match and all above them. */
  keep: Uint8Array
  /** The rows that match, in order. */
  rows: Uint32Array
}

type Test = (row: number) => boolean

/**
 * Finds the rows that match; null when there is nothing to look for. A word matches a span whose service,
 * name or type contains it in any case; duration>5ms and self>=1s compare; status=error or error is a failed span.
 */
export function findRows(trace: Trace, finding: Finding): Matches | null {
  const tests = parse(trace, finding)
  if (tests.length === 0) return null
  const hit = new Uint8Array(trace.size)
  const keep = new Uint8Array(trace.size)
  const rows: number[] = []
  for (let row = 0; row < trace.size; row++) {
    if (!tests.every((test) => test(row))) continue
    hit[row] = 1
    rows.push(row)
    for (let at = row; at >= 0 && keep[at] === 0; at = trace.parent[at]) keep[at] = 1
  }
  return { hit, keep, rows: Uint32Array.from(rows) }
}

const comparison = /^(duration|self)(<=|>=|<|>|=)(.+)$/

function parse(trace: Trace, { text, type }: Finding): Test[] {
  const tests: Test[] = []
  if (type !== '') {
    const code = trace.types.indexOf(type)
    tests.push((row) => trace.type[row] === code)
  }
  for (const word of text.trim().split(/\s+/)) {
    if (word === '') continue
    const compare = comparison.exec(word)
    const limit = compare === null ? null : parseDuration(compare[3])
    if (compare !== null && limit !== null) {
      const column = compare[1] === 'self' ? trace.self : trace.spanDuration
      tests.push(comparing(column, compare[2], limit))
    } else if (word === 'status=error' || word === 'error') {
      tests.push((row) => (trace.flags[row] & flagError) !== 0)
    } else {
      tests.push(containing(trace, word))
    }
  }
  return tests
}

function comparing(column: Float64Array, operator: string, limit: number): Test {
  switch (operator) {
    case '<':
      return (row) => column[row] < limit
    case '<=':
      return (row) => column[row] <= limit
    case '>':
      return (row) => column[row] > limit
    case '>=':
      return (row) => column[row] >= limit
    default:
      return (row) => column[row] === limit
  }
}

function containing(trace: Trace, word: string): Test {
  const wanted = word.toLowerCase()
  const matching = (dictionary: readonly string[]) => dictionary.map((entry) => entry.toLowerCase().includes(wanted))
  const services = matching(trace.services)
  const names = matching(trace.names)
  const types = matching(trace.types)
  return (row) => services[trace.service[row]] || names[trace.name[row]] || types[trace.type[row]]
}
