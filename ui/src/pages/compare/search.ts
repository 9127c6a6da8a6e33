/** The state of the comparison, as in its address. */
export interface CompareSearch {
  /** Trace ids. */
  a?: string
  /** Left out: the typical requests of a's endpoint. */
  b?: string
  order?: 'tree'
  paths?: 'all'
}

export function compareSearch(raw: Record<string, unknown>): CompareSearch {
  const search: CompareSearch = {}
  if (typeof raw.a === 'string' && raw.a.trim() !== '') search.a = raw.a.trim()
  if (typeof raw.b === 'string' && raw.b.trim() !== '' && raw.b !== 'typical') search.b = raw.b.trim()
  if (raw.order === 'tree') search.order = 'tree'
  if (raw.paths === 'all') search.paths = 'all'
  return search
}
