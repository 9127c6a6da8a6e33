// A server of generated traces for developing the interface without the real one: node e2e/mock/server.mjs [port].
// It serves dist and answers docs/api.md well enough for layout; filters are not evaluated.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { analysis } from './analysis.mjs'
import { detail, index, paths, skeleton, spanId, stats } from './answers.mjs'
import { hostileTrace, largeTrace, photosTrace, random } from './traces.mjs'

const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
const contentTypes = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

export const ids = {
  photos: '6741e9f07f0000010b63ce930d03a1f5',
  large: '6741e9f07f0000010b63ce930d03a1f6',
  hostile: '6741e9f07f0000010b63ce930d03a1f7',
  huge: '6741e9f07f0000010b63ce930d03a1f8', // made when asked for
}

const traces = new Map(
  [photosTrace(ids.photos, 1), largeTrace(ids.large, 50_000), hostileTrace(ids.hostile)].map((trace) => [trace.id, index(trace)]),
)
const skeletons = new Map() // gzipped, like a server that streams would send them: no time to compute when asked

const names = [
  'GET /subject/{id}/photos',
  'GET /subject/{id}',
  'GET /',
  'GET /chart',
  'GET /subject/{id}/comments',
  'GET /people/{id}',
  'GET /search',
  'POST /subject/{id}/rating',
  'GET /celebrity/{id}/works',
  'GET /tag/{name}',
  'GET /mine',
  'GET /health',
]

function endpoints() {
  const next = random(3)
  const list = names.map((name, i) => {
    const p50 = (4 + 400 * next() ** 3) * 1e6 * (i === 0 ? 6 : 1)
    const count = Math.round(40 + 6000 * next() ** 2)
    return {
      service: i === 7 ? 'mobile-api' : 'movie-web',
      name,
      count,
      rate: count / 3600,
      errors: next() < 0.3 ? Math.ceil(count * 0.01 * next()) : 0,
      mean: p50 * 1.3,
      p50,
      p95: p50 * (2 + 3 * next()),
      p99: p50 * (5 + 4 * next()),
      max: p50 * (10 + 10 * next()),
      findings: i % 3,
      slowestTrace: i === 1 ? ids.large : i === 2 ? ids.hostile : ids.photos,
    }
  })
  const all = list.reduce((sum, e) => sum + e.mean * e.count, 0)
  for (const e of list) e.share = (e.mean * e.count) / all
  return list.toSorted((a, b) => b.share - a.share)
}

function found(limit) {
  const next = random(5)
  const services = ['movie-web', 'movie', 'pic', 'rating', 'user']
  const special = [ids.photos]
  const now = Date.now()
  return Array.from({ length: limit }, (_, i) => {
    const trace = traces.get(special[i])
    const duration = trace?.duration ?? Math.round((1400 - i * 30) * 1e6 * (0.7 + next() * 0.3))
    const root = trace?.spans[0] ?? { service: 'movie-web', name: names[Math.floor(next() * names.length)] }
    const inner = i % 4 === 3
    const start = String(BigInt(now - i * 7_003) * 1_000_000n)
    return {
      traceId: special[i] ?? spanId(i) + spanId(i * 31 + 1),
      start,
      duration,
      spans: trace?.spans.length ?? Math.round(12 + next() * 600),
      errors: next() < 0.25 ? Math.ceil(next() * 9) : 0,
      services: services.slice(0, 2 + Math.floor(next() * 4)),
      root: i === 6 ? null : { service: root.service, name: root.name, duration },
      match: inner
        ? { spanId: spanId(3), service: 'movie', name: 'movie.service.get_movie', start, duration: duration * 0.6, error: i % 8 === 7 }
        : { spanId: spanId(0), service: root.service, name: root.name, start, duration, error: false },
    }
  })
}

function answer(url) {
  const { pathname, searchParams: query } = url
  if (pathname === '/endpoints') {
    const list = process.env.MOCK_EMPTY ? [] : endpoints().filter((e) => (query.get('service') ?? e.service) === e.service)
    return { from: '0', to: '0', total: list.length, endpoints: list }
  }
  if (pathname === '/traces') {
    const q = query.get('q') ?? ''
    if (q.includes('=='))
      return {
        status: 400,
        error: {
          message: 'expected a value, such as "text", 200, 1.5, 100ms, true or nil',
          at: Buffer.byteLength(q.slice(0, q.indexOf('==') + 1)),
        },
      }
    return { from: '0', to: '0', matched: 18432, traces: q.includes('nothing') ? [] : found(Number(query.get('limit') ?? 20)) }
  }
  if (pathname === '/names') {
    const lists = {
      services: ['mobile-api', 'movie', 'movie-web', 'pic', 'rating', 'user'],
      operations: names,
      keys: [
        'resource.host.name',
        'resource.service.name',
        'span.db.system.name',
        'span.http.route',
        'span.http.response.status_code',
        'span.rpc.method',
      ],
      values: ['mysql', 'redis', 'mc', 'beansdb'],
    }
    const list = (lists[query.get('of')] ?? []).filter((name) => name.startsWith(query.get('prefix') ?? ''))
    return { names: list, total: list.length }
  }
  if (pathname === '/status')
    return {
      version: 'mock',
      spans: process.env.MOCK_EMPTY ? 0 : 1204,
      bytes: 80123,
      segments: 3,
      oldest: '0',
      setAside: [],
      received: 1204,
      refused: {},
    }
  const about = analysis(pathname, query)
  if (about !== undefined) return about
  const [, id, what] = /^\/traces\/([0-9a-f]+)\/(skeleton|stats|spans|paths|find|events|percentile)$/.exec(pathname) ?? []
  if (id === ids.huge && !traces.has(id)) traces.set(id, index(largeTrace(id, Number(process.env.HUGE ?? 300_000))))
  const trace = traces.get(id)
  if (trace === undefined) return { status: 404, error: { message: `no trace ${id}` } }
  if (what === 'skeleton') {
    if (!skeletons.has(id)) skeletons.set(id, gzipSync(JSON.stringify(skeleton(trace))))
    return skeletons.get(id)
  }
  if (what === 'find') {
    const [, key, value] = /^\{ \."(.*)" = "(.*)" \}$/.exec(query.get('q')) ?? []
    if (key === undefined) return { status: 400, error: { message: 'filter: the mock knows one comparison' } }
    const rows = trace.spans.filter((span) => span.attributes.some(([k, , v]) => k === key && v === value)).map((span) => span.row)
    return { revision: '1', matched: rows.length, rowStep: rows.map((row, i) => row - (i === 0 ? 0 : rows[i - 1])) }
  }
  if (what === 'events') {
    const all = trace.spans.flatMap((span) => detail(trace, span.row).events.map((event) => Object.assign(event, { row: span.row, offset: span.offset + span.duration })))
    return { revision: '1', total: all.length, matched: all.length, events: all.toSorted((a, b) => a.offset - b.offset).slice(0, 1000) }
  }
  if (what === 'paths') return paths(trace, Number(query.get('row')))
  if (what === 'percentile') return { row: 0, count: 412, percentile: 0.97, p50: 1e6, p95: 2e6 }
  if (what === 'stats') return stats(trace, Number(query.get('row')))
  const rows = query.has('ids')
    ? query
        .get('ids')
        .split(',')
        .map((wanted) => trace.spans.findIndex((_, row) => spanId(row) === wanted))
    : query.get('rows').split(',').map(Number)
  return { spans: rows.filter((row) => row >= 0 && row < trace.spans.length).map((row) => detail(trace, row)) }
}

async function file(path) {
  try {
    return { body: await readFile(join(dist, normalize(path))), type: contentTypes[extname(path)] ?? 'application/octet-stream' }
  } catch {
    return { body: await readFile(join(dist, 'index.html')), type: contentTypes['.html'] }
  }
}

/** Starts the mock; port 0 takes a free one. */
export async function serve(port = 0) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock')
    response.setHeader('Content-Security-Policy', "default-src 'self'")
    if (url.pathname.startsWith('/api/shuai/v1/')) {
      url.pathname = url.pathname.slice('/api/shuai/v1'.length)
      const given = answer(url)
      const { status = 200, ...body } = Buffer.isBuffer(given) ? {} : given
      response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
      response.end(Buffer.isBuffer(given) ? given : gzipSync(JSON.stringify(body)))
      return
    }
    const { body, type } = await file(url.pathname === '/' ? 'index.html' : url.pathname)
    const packed = gzipSync(body)
    response.writeHead(200, {
      'Content-Type': type,
      'Content-Encoding': 'gzip',
      'Cache-Control': url.pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    })
    response.end(packed)
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => server.close(resolve)) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve(Number(process.argv[2] ?? 7799))
  console.log(
    `${url}\n${Object.entries(ids)
      .map(([name, id]) => `${url}/trace/${id}  ${name}`)
      .join('\n')}`,
  )
}
