import { expect, test } from 'vitest'

import { beforeOf, endpointSearch, isPopulation, windowBefore } from './search.ts'

test('populations are two quantiles or durations, either left out', () => {
  for (const good of ['p95..', 'p99.9..', '300ms..2s', '..50ms', '..', 'p25..p75', '1.5s..']) expect(isPopulation(good), good).toBe(true)
  for (const bad of ['', 'p95', '95..', 'p101..', '1..2', '..p50..', '-1s..']) expect(isPopulation(bad), bad).toBe(false)
})

test('an address keeps what makes sense', () => {
  const all = {
    range: '6h',
    before: '1w',
    slow: '300ms..2s',
    normal: '..p50',
    slowFrom: '2026-11-24T10:00:00.000Z',
    slowTo: '2026-11-24T10:05:00.000Z',
    beforeFrom: '2026-11-24T08:00:00.000Z',
    beforeTo: '2026-11-24T09:00:00.000Z',
    q: '{ status = error }',
    order: 'tree',
    paths: 'all',
    heatmap: 'table',
  }
  expect(endpointSearch(all)).toEqual(all)
  expect(
    endpointSearch({ before: '2y', slow: 'p95..', normal: 'x', slowFrom: all.slowTo, slowTo: all.slowFrom, q: ' ', order: 'up', paths: '1' }),
  ).toEqual({})
})

test('the time to compare with is so much earlier, or a window', () => {
  const window = { beforeFrom: '2026-11-24T08:00:00.000Z', beforeTo: '2026-11-24T09:00:00.000Z' }
  expect(beforeOf({ before: '1d' })).toEqual({ before: '1d' })
  expect(beforeOf({ before: '1d', ...window })).toEqual(window)
  expect(windowBefore({ from: '2026-11-24T09:00:00.000Z', to: '2026-11-24T10:00:00.000Z' }, 0)).toEqual(window)
  expect(windowBefore({}, Date.parse('2026-11-24T10:00:00Z'))).toEqual(window)
})
