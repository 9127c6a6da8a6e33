import { expect, test } from 'vitest'

import type { Endpoint } from '../../api/types.ts'
import { sortEndpoints } from './order.ts'
import { endpointsSearch } from './search.ts'

const endpoint = (name: string, share: number): Endpoint => ({
  service: 's',
  name,
  count: 1,
  rate: 1,
  errors: 0,
  mean: 1,
  p50: 1,
  p95: 1,
  p99: 1,
  max: 1,
  share,
  slowestTrace: '1',
  findings: 0,
})
const all = [endpoint('b', 0.2), endpoint('a', 0.2), endpoint('c', 0.6)]
const names = (sorted: Endpoint[]) => sorted.map(({ name }) => name).join('')

test('numbers from the largest, text from A, ties by name', () => {
  expect(names(sortEndpoints(all, 'share', false))).toBe('cab')
  expect(names(sortEndpoints(all, 'share', true))).toBe('abc')
  expect(names(sortEndpoints(all, 'name', false))).toBe('abc')
  expect(names(sortEndpoints(all, 'name', true))).toBe('cba')
  expect(names(sortEndpoints(all, 'p95', false))).toBe('abc')
})

test('an address keeps what makes sense', () => {
  expect(endpointsSearch({ sort: 'p95', order: 'reversed', live: 'off', service: 'web', range: '6h' })).toEqual({
    sort: 'p95',
    order: 'reversed',
    live: 'off',
    service: 'web',
    range: '6h',
  })
  expect(endpointsSearch({ sort: 'share', order: 'up', live: 'yes', service: '', other: '1' })).toEqual({})
})
