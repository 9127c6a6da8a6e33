import { parseDuration } from '../text/format.ts'
import { flagError, type Trace } from './model.ts'

/** What to look for inside one trace. */
export interface Finding {
  /** Words, comparisons of duration and self time, and status=error; all must hold. What askedOf says is left out. */
  text: string
  /** A span type, exactly. */
  type: string
  /** 1 for the rows that may match; left out, all may. */
  within?: Uint8Array
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

const isFilter = (text: string) => text.trimStart().startsWith('{')

/** The words of a text; a quoted part may have blanks. A whole filter has none. */
const wordsOf = (text: string): string[] => (isFilter(text) ? [] : (text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g) ?? []))

const attributePattern = /^([^\s"=!<>~]+)(<=|>=|!=|~=|!~|=|<|>)(.+)$/
const ownKeys = new Set(['duration', 'self', 'children', 'service', 'name', 'type', 'status'])

/** A comparison of an attribute, which a skeleton has not: key, operator and value; null for other words. */
function attributeOf(word: string): { key: string; operator: string; value: string } | null {
  const [, key, operator, value] = attributePattern.exec(word) ?? []
  if (key === undefined || ownKeys.has(key)) return null
  const isOrder = operator.startsWith('<') || operator.startsWith('>')
  if (isOrder && !/^-?[\d.]+([a-zµ]+|e\d+)?$/i.test(value)) return null
  return { key, operator, value }
}

/**
 * The part of a text that only the server can answer, as a filter; empty if there is none. That is a whole filter in braces, or comparisons of
 * attributes: http.route=/x, db.query.text~=select, http.response.status_code>=500.
 */
export function askedOf(text: string): string {
  if (isFilter(text)) return text.trim()
  const conditions = wordsOf(text)
    .map(attributeOf)
    .filter((attribute) => attribute !== null)
    .map(({ key, operator, value }) => {
      const bare = /^"(.*)"$/s.exec(value)?.[1].replaceAll(/\\(.)/g, '$1') ?? value
      const field = `."${escaped(key)}"`
      if (operator.includes('~')) return `${field} ${operator === '~=' ? '=~' : '!~'} "${escaped(`(?i).*(?:${bare}).*`)}"`
      return operator.startsWith('<') || operator.startsWith('>') ? `${field} ${operator} ${bare}` : `${field} ${operator} "${escaped(bare)}"`
    })
  return conditions.length === 0 ? '' : `{ ${conditions.join(' && ')} }`
}

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)

/**
 * Finds the rows that match; null when there is nothing to look for. What askedOf says of the text is left to the server, whose
 * answer belongs into within. A word matches a span whose service,
 * name or type contains it in any case; duration>5ms, self>=1s and children>9 compare; service=, name= and type= are exact, != is
 * the opposite, ~= and !~ take a regular expression; status=error or error is a failed span.
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

const comparison = /^(duration|self|children)(<=|>=|<|>|=)(.+)$/
const textual = /^(service|name|type)(=|!=|~=|!~)(.+)$/

function parse(trace: Trace, { text, type, within }: Finding): Test[] {
  const tests: Test[] = []
  if (within !== undefined) tests.push((row) => within[row] !== 0)
  if (type !== '') {
    const code = trace.types.indexOf(type)
    tests.push((row) => trace.type[row] === code)
  }
  for (const word of wordsOf(text)) {
    if (attributeOf(word) !== null) continue
    const compare = comparison.exec(word)
    const limit = compare === null ? null : compare[1] === 'children' ? parseCount(compare[3]) : parseDuration(compare[3])
    const named = textual.exec(word)
    if (compare !== null && limit !== null) {
      const column = compare[1] === 'self' ? trace.self : compare[1] === 'children' ? trace.children : trace.spanDuration
      tests.push(comparing(column, compare[2], limit))
    } else if (named !== null) {
      tests.push(comparingText(trace, named[1], named[2], named[3]))
    } else if (word === 'status=error' || word === 'error') {
      tests.push((row) => (trace.flags[row] & flagError) !== 0)
    } else {
      tests.push(containing(trace, word))
    }
  }
  return tests
}

const parseCount = (text: string): number | null => (/^\d+$/.test(text) ? Number(text) : null)

function comparing(column: Float64Array | Uint32Array, operator: string, limit: number): Test {
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

/** Compares a text of the row: as a whole, or with ~ for a part that a regular expression matches; one that is none matches as plain text. */
function comparingText(trace: Trace, key: string, operator: string, wanted: string): Test {
  const [dictionary, codes] =
    key === 'service' ? [trace.services, trace.service] : key === 'name' ? [trace.names, trace.name] : [trace.types, trace.type]
  const pattern = operator.includes('~') ? expression(wanted) : null
  const isNegated = operator.startsWith('!')
  const verdicts = dictionary.map((entry) => (pattern === null ? entry === wanted : pattern.test(entry)) !== isNegated)
  return (row) => verdicts[codes[row]]
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text, 'i')
  } catch {
    return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`), 'i')
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
