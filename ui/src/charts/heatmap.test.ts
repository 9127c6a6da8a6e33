import { expect, test } from 'vitest'

import { brushOf, decodeHeatmap, durationTicks, heightOf, rowsOf, strength } from './heatmap.ts'

const map = decodeHeatmap({
  start: '1000000000000',
  step: 60e9,
  edges: [1e6, 1e7, 1e8, 1e9],
  counts: [
    [0, 3, 1],
    [9, 0, 0],
  ],
  errors: [0, 2],
})

test('cells are read by column', () => {
  expect(rowsOf(map)).toBe(3)
  expect([...map.count]).toEqual([0, 3, 1, 9, 0, 0])
  expect(map.most).toBe(9)
  expect([...map.errors]).toEqual([0, 2])
})

test('an answer without requests is an empty map', () => {
  const empty = decodeHeatmap({ start: '0', step: 60e9, edges: null, counts: null, errors: null })
  expect([rowsOf(empty), empty.columns, empty.most]).toEqual([0, 0, 0])
  expect(durationTicks(empty)).toEqual([])
})

test('a brush ends at edges of cells, whatever way it was drawn', () => {
  const want = { from: 1_000_000, to: 1_060_000, over: 1e7, upTo: 1e9 }
  expect(brushOf(map, { x: 0.1, y: 0.4 }, { x: 0.4, y: 0.9 })).toEqual(want)
  expect(brushOf(map, { x: 0.4, y: 0.9 }, { x: 0.1, y: 0.4 })).toEqual(want)
  expect(brushOf(map, { x: -1, y: -1 }, { x: 2, y: 2 })).toEqual({ from: 1_000_000, to: 1_120_000, over: 1e6, upTo: 1e9 })
})

test('heights and ticks are logarithmic', () => {
  expect(heightOf(map, 1e6)).toBeCloseTo(0)
  expect(heightOf(map, 1e8)).toBeCloseTo(2 / 3)
  expect(durationTicks(map)).toEqual([1e6, 1e7, 1e8, 1e9])
  const narrow = { ...map, edges: [1e6, 2e6, 4e6, 8e6] }
  expect(durationTicks(narrow)).toEqual([1e6, 2e6, 5e6])
})

test('one request is visible beside thousands', () => {
  expect(strength(0, 5000)).toBe(0)
  expect(strength(1, 5000)).toBeGreaterThan(0.2)
  expect(strength(5000, 5000)).toBeCloseTo(1)
  expect(strength(1, 1)).toBeGreaterThan(0.2)
})
