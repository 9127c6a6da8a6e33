import { expect, test } from 'vitest'

import { decodeTrace } from '../../trace/model.ts'
import { toggled } from '../../trace/rows.ts'
import { sampleSkeleton } from '../../trace/sample.ts'
import { collapsedSearch, extentOf, foldedSearch, requestSearch, viewToggles, zoomSearch } from './search.ts'

test('an address keeps what makes sense', () => {
  const all = {
    span: '0123456789012345',
    type: 'mc',
    find: 'x',
    fold: 'off',
    groups: '1,5',
    collapse: 'all',
    rows: '0',
    by: 'self',
    zoom: '10-20',
    tables: 'off',
  }
  expect(requestSearch(all)).toEqual(all)
  expect(
    requestSearch({
      span: 'xyz',
      type: '',
      find: ' ',
      fold: 'on',
      groups: '1,',
      collapse: 'some',
      rows: '-1',
      by: 'total',
      zoom: '20-10',
      tables: '',
    }),
  ).toEqual({})
})

test('what is folded and collapsed survives the way through the address', () => {
  const none = { all: false, except: new Set<number>() }
  const toggles = [none, toggled(none, 7), toggled(toggled({ all: true, except: new Set<number>() }, 12), 3)]
  for (const collapsed of toggles) {
    for (const folded of toggles) {
      expect(viewToggles(requestSearch({ ...collapsedSearch(collapsed), ...foldedSearch(folded) }))).toEqual({ collapsed, folded })
    }
  }
  expect(viewToggles({})).toEqual({ collapsed: { all: false, except: new Set() }, folded: { all: true, except: new Set() } })
})

test('a zoom is clipped to the trace', () => {
  const trace = decodeTrace(sampleSkeleton('0 web 0 1000'))
  expect(extentOf(trace, undefined)).toEqual({ from: 0, to: 1000 })
  expect(extentOf(trace, '100-200')).toEqual({ from: 100, to: 200 })
  expect(extentOf(trace, '900-2000')).toEqual({ from: 900, to: 1000 })
  expect(extentOf(trace, '1000-2000')).toEqual({ from: 0, to: 1000 })
  expect(zoomSearch(trace, { from: 99.5, to: 200.1 })).toBe('99-201')
  expect(zoomSearch(trace, { from: -5, to: 5000 })).toBeUndefined()
})
