import { expect, test } from 'vitest'

import { boxes, lanesOf, rowAt } from './flame.ts'
import { decodeTrace } from './model.ts'
import { sampleSkeleton } from './sample.ts'

const trace = decodeTrace(
  sampleSkeleton(`
    0 web 0 100
    1 a 0 50
    2 b 10 30
    1 c 20 60
    1 d 90 5`),
)

test('what runs at the same time stands in lanes of its own, below its parent', () => {
  expect([...lanesOf(trace).lane]).toEqual([0, 1, 2, 3, 1])
  expect(lanesOf(trace).count).toBe(4)
})

test('boxes are clipped to the extent and merged by pixel', () => {
  const { lane } = lanesOf(trace)
  expect(boxes(trace, lane, { from: 0, to: 100 }, 100).map((box) => box.row)).toEqual([0, 1, 2, 3, 4])
  expect(boxes(trace, lane, { from: 85, to: 100 }, 150).map(({ row, left, width }) => [row, left, width])).toEqual([
    [0, 0, 150],
    [4, 50, 50],
  ])
  const many = decodeTrace(sampleSkeleton(['0 web 0 100000', ...Array.from({ length: 5000 }, (_, i) => `1 a ${i * 20} 19`)].join('\n')))
  expect(boxes(many, lanesOf(many).lane, { from: 0, to: 100_000 }, 300).length).toBeLessThanOrEqual(602)
})

test('a point finds its row', () => {
  const { lane } = lanesOf(trace)
  expect(rowAt(trace, lane, 25, 2, 0)).toBe(2)
  expect(rowAt(trace, lane, 92, 1, 0)).toBe(4)
  expect(rowAt(trace, lane, 60, 2, 0)).toBe(-1)
})
