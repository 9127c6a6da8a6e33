import { expect, test } from 'vitest'

import { ancestors, decodeTrace } from './model.ts'
import { sampleGroup, sampleSkeleton } from './sample.ts'

const lines = `
  0 web
  1 a
  2 b
  2 c
  1 a
  0 lost
  1 a`

test('parents and ends of subtrees follow from the depths', () => {
  const trace = decodeTrace(sampleSkeleton(lines))
  expect([...trace.parent]).toEqual([-1, 0, 1, 1, 0, -1, 5])
  expect([...trace.end]).toEqual([5, 4, 3, 4, 5, 7, 7])
  expect(ancestors(trace, 3)).toEqual([0, 1])
  expect(ancestors(trace, 0)).toEqual([])
})

test('what the skeleton leaves out follows: children, offsets, self times', () => {
  const trace = decodeTrace(
    sampleSkeleton(`
      0 web 0 100
      1 a 10 30
      2 b 15 10
      1 c 20 40
      1 d 90 50`),
  )
  expect([...trace.children]).toEqual([3, 1, 0, 0, 0])
  expect([...trace.offset]).toEqual([0, 10, 15, 20, 90])
  expect([...trace.self]).toEqual([40, 20, 10, 40, 50]) // a and c overlap; d is cut to its parent
})

test('an empty trace is a trace', () => {
  const skeleton = sampleSkeleton('0 web')
  for (const column of Object.values(skeleton.rows)) column.length = 0
  expect(decodeTrace(skeleton).size).toBe(0)
})

test('depth is not bounded by the stack', () => {
  const deep = Array.from({ length: 100_000 }, (_, depth) => `${depth} x`).join('\n')
  const trace = decodeTrace(sampleSkeleton(deep))
  expect(trace.parent[99_999]).toBe(99_998)
  expect(trace.end[0]).toBe(100_000)
})

test('a group counts its errors', () => {
  const trace = decodeTrace(sampleSkeleton('0 web\n1 a 0 1 !\n1 a 1 1\n1 a 2 1 !', [sampleGroup(0, 1, [1, 2, 3])]))
  expect(trace.groups[0].errors).toBe(2)
  expect([...trace.groupOf]).toEqual([-1, 0, 0, 0])
})

test.each([
  ['a jump in depth', () => sampleSkeleton('0 web\n2 a'), /row 1 has depth 2/],
  ['a first row below nothing', () => sampleSkeleton('1 web'), /row 0 has depth 1/],
  [
    'columns of different length',
    () => ({ ...sampleSkeleton('0 web'), rows: { ...sampleSkeleton('0 web').rows, flags: [] } }),
    /flags has 0 rows/,
  ],
  ['a code beyond its dictionary', () => ({ ...sampleSkeleton('0 web'), names: [] }), /name has code 0/],
  ['a shape that is not there', () => ({ ...sampleSkeleton('0 web'), shapes: { service: [], name: [], type: [], kind: [] } }), /shape 0 of 0/],
  ['a group of a row that is not there', () => sampleSkeleton('0 web', [sampleGroup(0, 0, [7])]), /row 7 of 1/],
  [
    'a group of rows that are no siblings',
    () => sampleSkeleton('0 web\n1 a\n2 a', [sampleGroup(0, 1, [1, 2])]),
    /row 2 of group 0 is not a child/,
  ],
  ['a row in two groups', () => sampleSkeleton('0 web\n1 a', [sampleGroup(0, 1, [1]), sampleGroup(0, 1, [1])]), /in groups 0 and 1/],
  ['a group of nothing', () => sampleSkeleton('0 web', [sampleGroup(0, 0, [])]), /group 0 has no rows/],
])('%s is refused', (_, skeleton, message) => {
  expect(() => decodeTrace(skeleton())).toThrow(message)
})
