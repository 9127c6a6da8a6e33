import { findingKinds, findingStates, type FindingKind, type FindingState } from '../../api/analysis.ts'

export const findingSorts = ['saving', 'new', 'confidence', 'requests'] as const
export type FindingSort = (typeof findingSorts)[number]

/** The state of the findings page, as in its address. */
export interface FindingsSearch {
  /** Given when it is not those to look at: new, open and back. */
  state?: FindingState | 'all'
  kind?: FindingKind
  service?: string
  name?: string
  sort?: FindingSort
}

export function findingsSearch(raw: Record<string, unknown>): FindingsSearch {
  const search: FindingsSearch = {}
  const state = [...findingStates, 'all' as const].find((known) => known === raw.state)
  if (state !== undefined) search.state = state
  const kind = findingKinds.find((known) => known === raw.kind)
  if (kind !== undefined) search.kind = kind
  if (typeof raw.service === 'string' && raw.service !== '') search.service = raw.service
  if (typeof raw.name === 'string' && raw.name !== '') search.name = raw.name
  const sort = findingSorts.find((known) => known === raw.sort)
  if (sort !== undefined && sort !== 'saving') search.sort = sort
  return search
}

/** The state of the page of one finding. */
export interface FindingSearch {
  /** In which form the suggested query is shown; given when it is not text. */
  code?: 'go'
}

export function findingSearch(raw: Record<string, unknown>): FindingSearch {
  return raw.code === 'go' ? { code: 'go' } : {}
}
