import { ancestors, type Trace } from './model.ts'

/** A set given by what it is mostly: all with exceptions, or none with exceptions. */
export interface Toggles {
  all: boolean
  except: ReadonlySet<number>
}

export const has = (toggles: Toggles, member: number): boolean => toggles.all !== toggles.except.has(member)

export function toggled(toggles: Toggles, member: number): Toggles {
  const except = new Set(toggles.except)
  if (!except.delete(member)) except.add(member)
  return { all: toggles.all, except }
}

/** What of a trace is shown. */
export interface View {
  /** Rows whose children are hidden. */
  collapsed: Toggles
  /** Groups, by their first row, that are drawn as one line. */
  folded: Toggles
  /** 1 for the rows that are shown; null shows all. */
  keep: Uint8Array | null
}

/**
 * The lines of the timeline from top to bottom. A line is a span (its row, ≥ 0) or the head of a group
 * (-1 - index of the group). Members of an unfolded group stand below its head, one level deeper.
 */
export interface Lines {
  codes: Int32Array
  levels: Uint32Array
  /** The line of a row, -1 if it is not shown. */
  lineOfRow: Int32Array
  lineOfGroup: Int32Array
}

export const groupCode = (group: number): number => -1 - group
export const isGroup = (code: number): boolean => code < 0
export const groupIndex = (code: number): number => -1 - code

/** Computes the lines in one walk without recursion, linear in the rows. */
export function visibleLines(trace: Trace, view: View): Lines {
  const { size, end, groups, groupOf } = trace
  const codes = new Int32Array(size + groups.length)
  const levels = new Uint32Array(size + groups.length)
  const lineOfRow = new Int32Array(size).fill(-1)
  const lineOfGroup = new Int32Array(groups.length).fill(-1)
  let length = 0

  // A frame is a run of siblings still to be drawn: those in [next, stop), or the members of a group.
  interface Frame {
    members: Uint32Array | null
    next: number
    stop: number
    level: number
  }
  const stack: Frame[] = [{ members: null, next: 0, stop: size, level: 0 }]
  while (stack.length > 0) {
    const frame = stack[stack.length - 1]
    if (frame.next >= frame.stop) {
      stack.pop()
      continue
    }
    let row: number
    if (frame.members === null) {
      row = frame.next
      frame.next = end[row]
      const group = groupOf[row]
      if (group >= 0) {
        if (lineOfGroup[group] < 0 && isKept(groups[group].rows, view.keep)) {
          lineOfGroup[group] = length
          codes[length] = groupCode(group)
          levels[length++] = frame.level
          const members = groups[group].rows
          if (!has(view.folded, members[0])) stack.push({ members, next: 0, stop: members.length, level: frame.level + 1 })
        }
        continue
      }
    } else {
      row = frame.members[frame.next++]
    }
    if (view.keep !== null && view.keep[row] === 0) continue
    lineOfRow[row] = length
    codes[length] = row
    levels[length++] = frame.level
    if (end[row] > row + 1 && !has(view.collapsed, row)) {
      stack.push({ members: null, next: row + 1, stop: end[row], level: frame.level + 1 })
    }
  }
  return { codes: codes.subarray(0, length), levels: levels.subarray(0, length), lineOfRow, lineOfGroup }
}

function isKept(rows: Uint32Array, keep: Uint8Array | null): boolean {
  return keep === null || rows.some((row) => keep[row] !== 0)
}

/** The view, changed as little as needed to show row. */
export function reveal(trace: Trace, view: View, row: number): View {
  let { collapsed, folded } = view
  for (const above of [...ancestors(trace, row), row]) {
    if (above !== row && has(collapsed, above)) collapsed = toggled(collapsed, above)
    const group = trace.groupOf[above]
    if (group >= 0 && has(folded, trace.groups[group].rows[0])) folded = toggled(folded, trace.groups[group].rows[0])
  }
  return { ...view, collapsed, folded }
}

/** The line that stands for row: its own, or that of the group or ancestor which hides it; -1 if a filter does. */
export function lineFor(trace: Trace, lines: Lines, row: number): number {
  for (let at = row; at >= 0; at = trace.parent[at]) {
    if (lines.lineOfRow[at] >= 0) return lines.lineOfRow[at]
    const group = trace.groupOf[at]
    if (group >= 0 && lines.lineOfGroup[group] >= 0) return lines.lineOfGroup[group]
  }
  return -1
}

/** The line of the parent of a line, -1 for one at the top. */
export function parentLine(lines: Lines, line: number): number {
  const level = lines.levels[line]
  for (let above = line - 1; above >= 0; above--) {
    if (lines.levels[above] < level) return above
  }
  return -1
}
