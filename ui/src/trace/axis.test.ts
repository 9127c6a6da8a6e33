import { expect, test } from 'vitest'

import { coverPath, place, ticks } from './axis.ts'

test.each([
  [0, 1000, 5, [0, 200, 400, 600, 800, 1000]],
  [0, 1310, 6, [0, 500, 1000]],
  [130, 180, 5, [130, 140, 150, 160, 170, 180]],
  [0, 0, 5, [0]],
])('ticks from %d to %d, at most about %d', (from, to, most, want) => {
  expect(ticks({ from, to }, most)).toEqual(want)
})

test('ticks are few at any size', () => {
  for (let to = 1; to < 1e17; to *= 3.7) {
    const marks = ticks({ from: 0, to }, 6)
    expect(marks.length).toBeGreaterThan(1)
    expect(marks.length).toBeLessThanOrEqual(8)
  }
})

test('a bar is clipped to the extent, and outside it there is none', () => {
  const extent = { from: 100, to: 200 }
  expect(place(extent, 150, 25)).toEqual({ left: 50, width: 25 })
  expect(place(extent, 50, 100)).toEqual({ left: 0, width: 50 })
  expect(place(extent, 0, 1000)).toEqual({ left: 0, width: 100 })
  expect(place(extent, 150, 0)).toEqual({ left: 50, width: 0 })
  expect(place(extent, 0, 99)).toBeNull()
  expect(place(extent, 201, 9)).toBeNull()
})

test('the drawing of a group covers its members and nothing else', () => {
  const offsets = Float64Array.from([0, 250, 900])
  const durations = Float64Array.from([100, 50, 200])
  expect(coverPath({ from: 0, to: 1000 }, Uint32Array.of(0, 1, 2), offsets, durations)).toBe(
    'M0 0h100v1H0zM250 0h50v1H250zM900 0h100v1H900z',
  )
})

test('the drawing of a group is small however many members it has', () => {
  const count = 50_000
  const rows = Uint32Array.from({ length: count }, (_, i) => i)
  const offsets = Float64Array.from(rows, (i) => i * 20)
  const durations = new Float64Array(count).fill(15)
  expect(coverPath({ from: 0, to: count * 20 }, rows, offsets, durations).length).toBeLessThan(20_000)
})
