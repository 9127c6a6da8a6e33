import { expect, test } from 'vitest'

import { decodeTrace, type Trace } from './model.ts'
import { groupIndex, has, isGroup, lineFor, parentLine, reveal, toggled, visibleLines, type Lines, type View } from './rows.ts'
import { sampleGroup, sampleSkeleton } from './sample.ts'

// Two kinds of repeats, interleaved, below one span; each mc has a child.
const trace = decodeTrace(
  sampleSkeleton(
    `0 web
     1 mc
     2 disk
     1 rpc
     1 mc
     2 disk
     1 sql
     1 mc
     2 disk`,
    [sampleGroup(0, 1, [1, 4, 7])],
  ),
)

const none = { all: false, except: new Set<number>() }
const all = { all: true, except: new Set<number>() }
const view = (changes: Partial<View> = {}): View => ({ collapsed: none, folded: all, keep: null, ...changes })

/** Lines as text: level, and the row or the group. */
const drawn = (of: Trace, lines: Lines) =>
  [...lines.codes].map(
    (code, line) =>
      `${'. '.repeat(lines.levels[line])}${isGroup(code) ? `[${of.types[of.groups[groupIndex(code)].type]}]` : `${code} ${of.types[of.type[code]]}`}`,
  )

test('a folded group is one line where its first member would be', () => {
  expect(drawn(trace, visibleLines(trace, view()))).toEqual(['0 web', '. [mc]', '. 3 rpc', '. 6 sql'])
})

test('an unfolded group holds its members, with what is below them', () => {
  const folded = toggled(all, 1)
  expect(drawn(trace, visibleLines(trace, view({ folded })))).toEqual([
    '0 web',
    '. [mc]',
    '. . 1 mc',
    '. . . 2 disk',
    '. . 4 mc',
    '. . . 5 disk',
    '. . 7 mc',
    '. . . 8 disk',
    '. 3 rpc',
    '. 6 sql',
  ])
})

test('a collapsed row hides what is below it, groups too', () => {
  expect(drawn(trace, visibleLines(trace, view({ collapsed: toggled(none, 0) })))).toEqual(['0 web'])
  expect(drawn(trace, visibleLines(trace, view({ collapsed: all, folded: none })))).toEqual(['0 web'])
  expect(drawn(trace, visibleLines(trace, view({ collapsed: toggled(all, 0), folded: none })))).toEqual([
    '0 web',
    '. [mc]',
    '. . 1 mc',
    '. . 4 mc',
    '. . 7 mc',
    '. 3 rpc',
    '. 6 sql',
  ])
})

test('what is not kept is left out, and so is a group without a kept member', () => {
  const keep = Uint8Array.from([1, 0, 0, 1, 0, 0, 0, 0, 0])
  expect(drawn(trace, visibleLines(trace, view({ keep })))).toEqual(['0 web', '. 3 rpc'])
  keep[4] = 1
  expect(drawn(trace, visibleLines(trace, view({ keep, folded: none })))).toEqual(['0 web', '. [mc]', '. . 4 mc', '. 3 rpc'])
})

test('a hidden row is found on the line that stands for it, and revealing it shows it', () => {
  const folded = visibleLines(trace, view())
  expect(lineFor(trace, folded, 5)).toBe(1)
  expect(folded.lineOfRow[5]).toBe(-1)
  const shown = reveal(trace, view({ collapsed: toggled(none, 4) }), 5)
  expect(has(shown.collapsed, 4)).toBe(false)
  expect(has(shown.folded, 1)).toBe(false)
  expect(visibleLines(trace, shown).lineOfRow[5]).toBeGreaterThan(0)
})

test('revealing what is in sight changes nothing', () => {
  const before = view()
  expect(reveal(trace, before, 3)).toEqual(before)
})

test('the parent of a line is the nearest above with a lower level', () => {
  const lines = visibleLines(trace, view({ folded: none }))
  expect(drawn(trace, lines)[7]).toBe('. . . 8 disk')
  expect(parentLine(lines, 7)).toBe(6)
  expect(parentLine(lines, 6)).toBe(1)
  expect(parentLine(lines, 0)).toBe(-1)
})

test('toggling twice is nothing', () => {
  expect(toggled(toggled(none, 3), 3)).toEqual(none)
})

/** The obvious version: the tree by recursion. */
function slowLines(of: Trace, shown: View): number[] {
  const out: number[] = []
  const span = (row: number) => {
    if (shown.keep !== null && shown.keep[row] === 0) return
    out.push(row)
    if (!has(shown.collapsed, row)) siblings(children(of, row))
  }
  const siblings = (rows: number[]) => {
    const done = new Set<number>()
    for (const row of rows) {
      const group = of.groupOf[row]
      if (group < 0) span(row)
      else if (!done.has(group)) {
        done.add(group)
        const members = [...of.groups[group].rows]
        if (shown.keep !== null && members.every((member) => shown.keep?.[member] === 0)) continue
        out.push(-1 - group)
        if (!has(shown.folded, members[0])) for (const member of members) span(member)
      }
    }
  }
  siblings(children(of, -1))
  return out
}

const children = (of: Trace, parent: number) => Array.from({ length: of.size }, (_, row) => row).filter((row) => of.parent[row] === parent)

test('any trace in any view comes out as by the obvious recursion', () => {
  let seed = 1
  const next = (n: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % n
  }
  for (let round = 0; round < 300; round++) {
    let depth = 0
    const spans = Array.from({ length: 1 + next(40) }, (_, row) => {
      depth = row === 0 ? 0 : next(depth + 2)
      return `${depth} t${next(3)}`
    })
    const plain = decodeTrace(sampleSkeleton(spans.join('\n')))
    const groups = []
    for (let parent = -1; parent < plain.size; parent++) {
      const below = children(plain, parent)
      for (const type of new Set(below.map((row) => plain.type[row]))) {
        const rows = below.filter((row) => plain.type[row] === type)
        if (rows.length >= 2 && parent >= 0) groups.push(sampleGroup(parent, type, rows))
      }
    }
    const random = decodeTrace(sampleSkeleton(spans.join('\n'), groups))
    const toggles = () => ({ all: next(2) === 0, except: new Set(Array.from({ length: next(8) }, () => next(random.size))) })
    let keep: Uint8Array | null = null
    if (next(2) === 0) {
      // As finding leaves it: whatever is kept has its ancestors kept.
      keep = new Uint8Array(random.size)
      for (let n = next(6); n > 0; n--) for (let row = next(random.size); row >= 0; row = random.parent[row]) keep[row] = 1
    }
    const shown = { collapsed: toggles(), folded: toggles(), keep }
    const lines = visibleLines(random, shown)
    expect([...lines.codes]).toEqual(slowLines(random, shown))
    lines.codes.forEach((code, line) => expect(isGroup(code) ? lines.lineOfGroup[groupIndex(code)] : lines.lineOfRow[code]).toBe(line))
    const row = next(random.size)
    if (keep === null || keep[row] === 1) expect(visibleLines(random, reveal(random, shown, row)).lineOfRow[row]).toBeGreaterThanOrEqual(0)
  }
})
