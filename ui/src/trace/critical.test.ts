import { expect, test } from 'vitest'

import { criticalPathOf, criticalTime } from './critical.ts'

const path = criticalPathOf({ row: [0, 2, 0, 2, 1], offset: [0, 5, 9, 12, 20], duration: [5, 4, 3, 8, 1] }, 4)

test('segments are found by row, in order of time, and nothing is lost', () => {
  expect([...path.first]).toEqual([0, 2, 3, 5, 5])
  expect([...path.offset]).toEqual([0, 9, 20, 5, 12])
  expect([...path.on]).toEqual([1, 1, 1, 0])
  expect([0, 1, 2, 3].map((row) => criticalTime(path, row))).toEqual([8, 1, 12, 0])
})

test('a row that is not there is refused', () => {
  expect(() => criticalPathOf({ row: [4], offset: [0], duration: [1] }, 4)).toThrow('row 4 of 4')
})
