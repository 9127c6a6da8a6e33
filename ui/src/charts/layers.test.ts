import { expect, test } from 'vitest'

import { layers } from './layers.ts'

const edge = (text: string) => {
  const [caller, callee] = text.split('>')
  return { caller, callee }
}
const columns = (edges: string[], focus?: string) =>
  Object.fromEntries(layers(edges.map(edge), focus).map(({ name, column }) => [name, column]))

test('a column is one more than that of the last caller', () => {
  expect(columns(['web>user', 'web>catalog', 'catalog>mysql', 'user>mysql'])).toEqual({ web: 0, user: 1, catalog: 1, mysql: 2 })
})

test('what is called by two stands right of both', () => {
  expect(columns(['web>movie', 'web>user', 'movie>user'])).toEqual({ web: 0, movie: 1, user: 2 })
})

test('a focus without calls is placed', () => {
  expect(columns([], 'alone')).toEqual({ alone: 0 })
})

test('circles and calls to itself come to an end', () => {
  expect(columns(['a>b', 'b>c', 'c>a', 'c>c'])).toEqual({ a: 0, b: 1, c: 2 })
})

test('no two nodes stand at one place, and columns are centred', () => {
  const placed = layers(Array.from({ length: 40 }, (_, i) => ({ caller: `s${i % 7}`, callee: `s${(i * 3) % 11}` })))
  expect(new Set(placed.map(({ column, row }) => `${column} ${row}`)).size).toBe(placed.length)
  for (const column of new Set(placed.map((node) => node.column))) {
    expect(placed.filter((node) => node.column === column).reduce((sum, node) => sum + node.row, 0)).toBeCloseTo(0)
  }
})
