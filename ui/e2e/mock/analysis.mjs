// Answers about many requests, for layout: figures that are not computed from anything, and names as hostile as clients send.
const hostile = '<img src=x onerror="window.hacked=1">\u202Etxt.exe\u202C '
const ms = 1e6
const base = 1_795_570_000_000n * 1_000_000n

const request = (i) => ({ traceId: String(i + 1).padStart(32, '0'), spanId: String(i + 1).padStart(16, '0'), start: String(base), duration: 900 * ms, error: i === 0 })
const figures = { from: String(base), to: String(base + 3_600_000_000_000n), requests: 1000, rate: 0.3, errors: 3, errorRatio: 0.003, mean: 1e8, p50: 9e7, p95: 4e8, p99: 9e8, share: 0.4 }
const population = { from: figures.from, to: figures.to, over: 4e8, upTo: 0, requests: 50, looked: 50, errors: 1, mean: 6e8 }
const side = (calls, self) => ({ requests: 1, calls, errors: 0.1, total: self, self, critical: self, serial: 0.9, most: calls })
const differences = {
  extra: 5e8,
  paths: [
    { id: 'a', depth: 1, service: hostile, label: `${hostile}${'long '.repeat(60)}`, steps: [hostile, hostile], a: side(143, 7e8), b: side(11, 5e7), extra: 6.5e8, share: 1.3 },
    { id: 'b', depth: 0, service: 'web', label: hostile, steps: [], a: side(1, 2e7), b: side(1, 1.7e8), extra: -1.5e8, share: -0.3 },
  ],
  rest: { paths: 19, extra: 0, share: 0 },
}
const finding = {
  id: 'f1', kind: 'chatty', state: 'muted', service: 'web', name: hostile, pathId: 'a', caller: hostile, label: hostile, steps: [hostile], firstSeen: String(base),
  lastSeen: String(base), requests: 64, of: 640, part: 0.1, perDay: 153_600, calls: 143, leastCalls: 90, mostCalls: 330, variation: 1.9, correlation: 0.97, serial: 0.96,
  distinct: 1, saving: 6.4e8, savingPerDay: 9.8e13, confidence: 0.97, title: hostile, advice: hostile, reason: hostile, mutedUntil: String(base),
  evidence: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16), start: String(base), duration: 1e9, calls: 143, saving: 6e8 }],
}
const suggestion = {
  service: hostile, sketch: false, query: `get_movies(ids).map(lambda x: {"${hostile}": ${'x'.repeat(300)}})`, go: `// ${hostile}${'y'.repeat(300)}`,
  params: [{ name: hostile, type: `list<${'z'.repeat(120)}>` }], replaced: [{ label: hostile, calls: 180, by: `${hostile}.${'m'.repeat(120)}` }],
  kept: [{ label: hostile, calls: 1, by: '' }], batches: 4, saving: 189 * ms, assumed: [{ kind: 'filter', of: hostile }, { kind: 'source', of: hostile }],
  checked: true, refused: hostile, traceId: '1'.repeat(32), services: 1, silent: [{ name: hostile, error: hostile }],
}
const counts = { calls: 412, errors: 3, refused: 2, total: 2.1e9, p50: 4.9 * ms, p99: 9.1 * ms }
const dynamic = {
  ...counts, service: hostile, tenant: hostile, site: hostile, callSite: `${hostile}:42`, hash: '314e', program: `get_movies(${hostile})${'p'.repeat(500)}`,
  planned: 124_012, sent: 1648, saved: 122_364, breaker: 'half-open', live: { calls: 520, errors: 3, refused: 2, running: 1, off: true, limit: 3 },
}
const batch = { calls: 1, items: 100, start: 0, end: 3 * ms, duration: 3 * ms, most: 5 * ms, errors: 0.1, breaker: 'open' }
const part = { requests: 210, part: 0.42, timeShare: 0.71, errors: 0, mean: 1e8, p50: 9e7, p95: 4e8, max: 9e8 }
const none = { ...part, requests: 0, part: 0, timeShare: 0 }
const edges = [
  { caller: 'web', callee: hostile, store: false, calls: 4100, rate: 12, errors: 3, p50: 1e6, p95: 9e6 },
  { caller: hostile, callee: 'mysql', store: true, calls: 900, rate: 3, errors: 0, p50: 1e6, p95: 9e6 },
  { caller: hostile, callee: 'web', store: false, calls: 1, rate: 0.001, errors: 1, p50: 1e6, p95: 9e6 },
]

/** The answer at an address; undefined for one that is not about many requests. */
export function analysis(pathname, query) {
  switch (pathname) {
    case '/endpoint':
      return {
        service: query.get('service'),
        name: query.get('name'),
        now: figures,
        before: { ...figures, p95: 2e8 },
        heatmap: { start: String(base), step: 60e9, edges: [1e7, 1e8, 1e9], counts: [[900, 40], [50, 10]], errors: [0, 3] },
        slowest: [request(0)],
        findings: [{ ...finding, state: 'open' }],
      }
    case '/heatmap':
      return { all: figures, heatmap: { start: String(base), step: 60e9, edges: [1e7, 1e8, 1e9], counts: [[900, 40], [50, 10]], errors: [0, 3] } }
    case '/why':
      return {
        a: population,
        b: { ...population, over: 6e7, upTo: 1.2e8 },
        ...differences,
        traits: [{ service: hostile, key: hostile, value: hostile, a: 0.8, b: 0.06, times: 13, filter: 'span.x = "y"' }],
        examples: { slowest: [request(0)], a: [request(0)], b: [request(1)] },
      }
    case '/patterns':
      return {
        now: population,
        before: population,
        total: 2,
        patterns: [
          { id: 'p1', now: part, before: part, new: false, spans: 24, typical: request(0), slowest: request(1), has: [], lacks: [] },
          { id: 'p2', now: part, before: none, new: true, spans: 240, typical: request(0), slowest: request(1), has: [hostile, 'b', 'c', 'd'], lacks: [hostile] },
        ],
      }
    case '/findings':
      return { examined: 24_731, rate: 0.6, skipped: 16_487, waiting: 12, total: 1, findings: [finding] }
    case '/findings/f1':
      return { ...finding, site: { function: hostile, file: hostile, line: 42 }, suggestion }
    case '/redeye':
      return {
        from: figures.from, to: figures.to, total: 2, interfaces: [dynamic, { ...dynamic, site: 'b', breaker: 'closed', live: undefined }],
        services: [{ name: hostile, url: 'http://movies', version: hostile, entities: 2, methods: 6, error: hostile, sites: hostile }],
        methods: [{ ...counts, service: hostile, method: hostile, breaker: 'open' }],
      }
    case '/redeye/plan':
      return {
        ...dynamic, looked: 20, mean: 5 * ms, own: ms, rules: [hostile], slowest: { ...request(0) },
        plan: [{ depth: 0, text: `${hostile}${'n'.repeat(400)}`, type: `list<${hostile}>` }, { depth: 1, text: hostile, type: hostile, method: hostile }],
        batches: [{ ...batch, method: hostile }, { ...batch, method: `Movie.${'m'.repeat(200)}`, start: ms, end: 5 * ms }],
      }
    case '/map':
      return { from: '0', to: '0', since: String(base), spans: 65_536, matched: 812_000, edges }
    case '/compare':
      return {
        a: { traceId: '1'.repeat(32), service: 'web', name: hostile, start: String(base), duration: 1e9, spans: 300 },
        b: { service: 'web', name: hostile, duration: 5e8, spans: 19.7, typical: population },
        ...differences,
      }
    default:
      return undefined
  }
}
