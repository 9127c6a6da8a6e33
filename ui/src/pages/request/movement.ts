import type { Extent } from '../../trace/axis.ts'
import type { Trace } from '../../trace/model.ts'
import { groupIndex, isGroup, lineFor, parentLine, type Lines } from '../../trace/rows.ts'

/** The line that shows a code, or that of what hides it; the first if nothing does. */
export function lineOfCode(trace: Trace, lines: Lines, code: number): number {
  if (!isGroup(code)) return Math.max(0, lineFor(trace, lines, code))
  const line = lines.lineOfGroup[groupIndex(code)]
  return line >= 0 ? line : Math.max(0, lineFor(trace, lines, trace.groups[groupIndex(code)].parent))
}

/** What → and ← do on a line, as in the ARIA treegrid pattern: open or close it, else the line to go to. */
export function step(trace: Trace, lines: Lines, line: number, isRight: boolean, isOpen: boolean): number | 'toggle' {
  const code = lines.codes[line]
  const hasChildren = isGroup(code) || trace.end[code] > code + 1
  if (hasChildren && isOpen !== isRight) return 'toggle'
  if (!isRight) return parentLine(lines, line)
  return hasChildren ? line + 1 : line
}

/** The next line, in a direction and around the end, that is a hit or a group with one; the line itself if there is no other. */
export function nextMatch(trace: Trace, lines: Lines, hit: Uint8Array, from: number, direction: 1 | -1): number {
  const count = lines.codes.length
  for (let n = 1; n <= count; n++) {
    const line = (from + direction * n + n * count) % count
    const code = lines.codes[line]
    if (isGroup(code) ? trace.groups[groupIndex(code)].rows.some((row) => hit[row] !== 0) : hit[code] !== 0) return line
  }
  return from
}

/** The time that a line covers. */
export function codeExtent(trace: Trace, code: number): Extent {
  const rows = isGroup(code) ? trace.groups[groupIndex(code)].rows : [code]
  let from = Infinity
  let to = 0
  for (const row of rows) {
    from = Math.min(from, trace.offset[row])
    to = Math.max(to, trace.offset[row] + trace.spanDuration[row])
  }
  return { from, to }
}

/** The innermost group that a row, or what it is below of, is a member of; -1 for none. */
export function enclosingGroup(trace: Trace, row: number): number {
  for (let at = row; at >= 0; at = trace.parent[at]) {
    if (trace.groupOf[at] >= 0) return trace.groupOf[at]
  }
  return -1
}
