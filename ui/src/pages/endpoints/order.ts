import type { Endpoint } from '../../api/types.ts'
import { type Column } from './search.ts'

const isText = (column: Column): column is 'name' | 'service' => column === 'name' || column === 'service'

/** Text goes from A, numbers from the largest. */
export const firstDirection = (column: Column): 'ascending' | 'descending' => (isText(column) ? 'ascending' : 'descending')

/** Sorts by a column in its first direction, or the other; equal ones by service and name. */
export function sortEndpoints(endpoints: readonly Endpoint[], column: Column, reversed: boolean): Endpoint[] {
  const direction = (isText(column) ? 1 : -1) * (reversed ? -1 : 1)
  return endpoints.toSorted((a, b) => direction * compare(a, b, column) || byText(a.service, b.service) || byText(a.name, b.name))
}

function compare(a: Endpoint, b: Endpoint, column: Column): number {
  return isText(column) ? byText(a[column], b[column]) : a[column] - b[column]
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
