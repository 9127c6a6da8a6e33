import { expect, test } from 'vitest'

import { labelHeights, spread } from './labels.ts'

const distance = 16
const ends = new Map([
  ['a', { column: 0, y: 0 }],
  ['b', { column: 0, y: 56 }],
  ['c', { column: 0, y: 112 }],
  ['d', { column: 0, y: 168 }],
  ['e', { column: 0, y: 224 }],
  ['high', { column: 1, y: 84 }],
  ['low', { column: 1, y: 140 }],
  ['last', { column: 2, y: 84 }],
])
const edges = (texts: string[]) =>
  texts.map((text) => {
    const [caller, callee] = text.split('>')
    return { caller, callee }
  })
const heights = (...texts: string[]) => labelHeights(edges(texts), ends, distance)

const sum = (list: readonly number[]) => list.reduce((total, n) => total + n, 0)

test('a label stands at the end of its edge', () => {
  expect(heights('a>low', 'b>high', 'high>last')).toEqual([140, 84, 84])
})

test('labels at one end stand around it, in the order of the callers', () => {
  expect(heights('b>high', 'a>high')).toEqual([100, 84])
  expect(heights('c>high', 'a>high', 'b>high')).toEqual([100, 68, 84])
})

test('labels at two ends do not overlap', () => {
  const all = heights(...['a', 'b', 'c', 'd', 'e'].flatMap((caller) => [`${caller}>high`, `${caller}>low`]))
  const sorted = all.toSorted((x, y) => x - y)
  for (const [i, height] of sorted.entries()) if (i > 0) expect(height - sorted[i - 1]).toBeGreaterThanOrEqual(distance - 1e-9)
  expect(all.filter((_, i) => i % 2 === 0)).toEqual(sorted.slice(0, 5)) // those of the higher end
})

test('a call to itself or back to the left has a label, one of an unknown service has none', () => {
  expect(heights('a>a', 'high>a', 'a>?')).toEqual([0, 16])
})

test('what is spread is in order, apart, and where it was wanted on average', () => {
  let seed = 1
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  for (let round = 0; round < 200; round++) {
    const wanted = Array.from({ length: Math.floor(random() * 30) }, () => random() * 300).toSorted((x, y) => x - y)
    const got = spread(wanted, distance)
    expect(sum(got)).toBeCloseTo(sum(wanted), 6)
    for (const [i, height] of got.entries()) if (i > 0) expect(height - got[i - 1]).toBeGreaterThanOrEqual(distance - 1e-9)
    expect(spread(got, distance).every((height, i) => Math.abs(height - got[i]) < 1e-6)).toBe(true)
  }
  expect(spread([10, 26, 90], distance)).toEqual([10, 26, 90])
})
