import { expect, test } from 'vitest'

import { criticalPathOf, criticalTime } from './critical.ts'

const whole = Float64Array.of(23, 2, 8, 4)
const path = criticalPathOf({ rowStep: [0, 2, -2, 2, -1], duration: [5, 4, 3, 0, 1] }, 100, whole)

test('segments follow each other, are found by row in order of time, and nothing is lost', () => {
  expect([...path.first]).toEqual([0, 2, 3, 5, 5])
  expect([...path.offset]).toEqual([100, 109, 120, 105, 112])
  expect([...path.duration]).toEqual([5, 3, 1, 4, 8])
  expect([...path.on]).toEqual([1, 1, 1, 0])
  expect([0, 1, 2, 3].map((row) => criticalTime(path, row))).toEqual([8, 1, 12, 0])
})

test.each([[[4]], [[1, -2]], [[Number.NaN]]])('a row that is not there is refused: %j', (rowStep) => {
  expect(() => criticalPathOf({ rowStep, duration: rowStep.map(() => 1) }, 0, whole)).toThrow('of 4')
})
