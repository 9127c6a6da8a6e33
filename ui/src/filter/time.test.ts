import { expect, test } from 'vitest'

import { isMoving, timeSearch, timeWindow } from './time.ts'

test.each([
  [{}, {}],
  [{ range: '1h' }, {}],
  [{ range: '24h' }, { range: '24h' }],
  [{ range: 'for ever' }, {}],
  [{ from: '2026-11-24T10:00:00Z' }, { from: '2026-11-24T10:00:00.000Z' }],
  [
    { from: '2026-11-24T10:00:00Z', to: '2026-11-24T12:00:00+01:00', range: '6h' },
    { from: '2026-11-24T10:00:00.000Z', to: '2026-11-24T11:00:00.000Z' },
  ],
  [{ from: '2026-11-24T10:00:00Z', to: '2026-11-24T09:00:00Z', range: '6h' }, { range: '6h' }],
  [{ from: 'yesterday' }, {}],
  [{ to: '2026-11-24T10:00:00Z' }, {}],
])('%j in an address is %j', (raw, want) => {
  expect(timeSearch(raw)).toEqual(want)
})

test('windows as the API takes them', () => {
  expect(timeWindow({})).toEqual({ from: 'now-1h', to: 'now' })
  expect(timeWindow({ range: '15m' })).toEqual({ from: 'now-15m', to: 'now' })
  expect(timeWindow({ from: 'a' })).toEqual({ from: 'a', to: 'now' })
  expect(isMoving({ from: 'a' })).toBe(true)
  expect(isMoving({ from: 'a', to: 'b' })).toBe(false)
})
