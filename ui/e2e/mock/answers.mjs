// The answers of docs/api.md, computed the simple way from generated traces.

export const spanId = (row) => (0x1000000000000000n + BigInt(row) * 0x9e3779b97fn).toString(16).padStart(16, '0')

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]

/** Nanoseconds covered by intervals, and those covered by exactly one. */
function cover(intervals) {
  const edges = intervals
    .flatMap(([from, to]) => [
      [from, 1],
      [to, -1],
    ])
    .toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
  let open = 0
  let last = 0
  let any = 0
  let one = 0
  for (const [at, step] of edges) {
    if (open > 0) any += at - last
    if (open === 1) one += at - last
    open += step
    last = at
  }
  return { any, one }
}

export function index(trace) {
  const { spans } = trace
  const path = []
  spans.forEach((span, row) => {
    span.row = row
    span.parent = span.depth === 0 ? -1 : path[span.depth - 1]
    path[span.depth] = row
    path.length = span.depth + 1
    span.children = []
    span.offset = Math.round(span.offset)
    span.duration = Math.round(span.duration)
    if (span.parent >= 0) spans[span.parent].children.push(row)
  })
  for (const span of spans) {
    const inside = span.children
      .map((row) => [
        Math.max(spans[row].offset, span.offset),
        Math.min(spans[row].offset + spans[row].duration, span.offset + span.duration),
      ])
      .filter(([from, to]) => to > from)
    span.self = span.duration - cover(inside).any
  }
  trace.duration = Math.max(...spans.slice(0, 1).map((span) => span.duration))
  trace.start ??= String(BigInt(Date.now() - 60_000) * 1_000_000n)
  return trace
}

const subtree = (spans, row) => {
  let end = row + 1
  while (end < spans.length && spans[end].depth > spans[row].depth) end++
  return spans.slice(row + 1, end)
}

const byCount = (a, b) => b.count - a.count || (a.type < b.type ? -1 : 1)

export function stats(trace, row) {
  const top = trace.spans[row]
  const below = subtree(trace.spans, row)
  const types = new Map()
  for (const span of below) {
    if (!types.has(span.type)) types.set(span.type, [])
    types.get(span.type).push(span)
  }
  const counted = [...types].map(([type, all]) => {
    const calls = all.filter((span) => !span.serverHalf)
    const durations = calls.map((span) => span.duration).toSorted((a, b) => a - b)
    const total = durations.reduce((sum, d) => sum + d, 0)
    const self = all.reduce((sum, span) => sum + span.self, 0)
    return {
      type,
      critical: self,
      criticalShare: Math.min(1, self / top.duration),
      serial: 1,
      count: calls.length,
      errors: calls.filter((span) => span.error).length,
      total,
      self,
      mean: total / calls.length,
      p50: quantile(durations, 0.5),
      p95: quantile(durations, 0.95),
      max: durations.at(-1),
      share: Math.min(1, cover(calls.map((span) => [span.offset, span.offset + span.duration])).any / top.duration),
    }
  })
  const direct = new Map()
  for (const child of top.children) direct.set(trace.spans[child].type, (direct.get(trace.spans[child].type) ?? 0) + 1)
  return {
    row,
    spans: below.length + 1,
    duration: top.duration,
    types: counted.filter((t) => t.count > 0).toSorted(byCount),
    direct: { count: top.children.length, types: [...direct].map(([type, count]) => ({ type, count })).toSorted(byCount) },
  }
}

const steps = (start, values) => values.map((value, i) => value - (i === 0 ? start : values[i - 1]))

/** What the duration of the root was spent on: from the end backwards, the child that ended last, else the span itself. */
function criticalPath(spans) {
  const segments = []
  const stack = [[0, spans[0].offset + spans[0].duration, spans[0].offset]]
  while (stack.length > 0) {
    const [row, to, from] = stack.pop()
    let cursor = to
    const end = (child) => spans[child].offset + spans[child].duration
    for (const child of spans[row].children.toSorted((a, b) => end(b) - end(a))) {
      if (end(child) > cursor || spans[child].offset < from) continue
      if (cursor > end(child)) segments.push([row, end(child), cursor - end(child)])
      stack.push([child, end(child), spans[child].offset])
      cursor = spans[child].offset
    }
    if (cursor > from) segments.push([row, from, cursor - from])
  }
  segments.sort((a, b) => a[1] - b[1])
  return {
    rowStep: steps(
      0,
      segments.map(([row]) => row),
    ),
    duration: segments.map(([row, , duration]) => (duration === spans[row].duration ? 0 : duration)),
  }
}

/** The calls of the trace merged by type alone: enough for layout. */
export function paths(trace, row) {
  const { types, spans, duration } = stats(trace, row)
  const top = trace.spans[row]
  const path = (id, depth, label, calls, self) => ({ id, depth, service: top.service, label, calls, errors: 0, most: calls, total: self, self, critical: self, serial: 1 })
  return {
    row,
    spans,
    duration,
    paths: [path('root', 0, top.name, 1, top.self), ...types.map((type, i) => path(String(i), 1, type.type, type.count, type.self))],
  }
}

export function skeleton(trace) {
  const { spans } = trace
  const dictionary = (key) => {
    const codes = new Map()
    const column = spans.map((span) => {
      if (!codes.has(key(span))) codes.set(key(span), codes.size)
      return codes.get(key(span))
    })
    return [[...codes.keys()], column]
  }
  const [services, service] = dictionary((span) => span.service)
  const [names, name] = dictionary((span) => span.name)
  const [types, type] = dictionary((span) => span.type)
  const [shapes, shape] = dictionary((span) => `${service[span.row]} ${name[span.row]} ${type[span.row]} ${span.kind}`)
  const part = (i) => shapes.map((codes) => Number(codes.split(' ')[i]))
  const groups = []
  for (const span of spans) {
    const repeated = new Map()
    for (const child of span.children) repeated.set(spans[child].type, [...(repeated.get(spans[child].type) ?? []), child])
    for (const [of, rows] of repeated) {
      if (rows.length < 5) continue
      const durations = rows.map((row) => spans[row].duration).toSorted((a, b) => a - b)
      const { any, one } = cover(rows.map((row) => [spans[row].offset, spans[row].offset + spans[row].duration]))
      groups.push({
        parent: span.row,
        type: types.indexOf(of),
        rowStep: steps(span.row, rows),
        sum: durations.reduce((sum, d) => sum + d, 0),
        p50: quantile(durations, 0.5),
        p95: quantile(durations, 0.95),
        serial: any === 0 ? 1 : one / any,
      })
    }
  }
  return {
    traceId: trace.id,
    start: trace.start,
    duration: trace.duration,
    errors: spans.filter((span) => span.error).length,
    revision: '1',
    criticalPath: criticalPath(spans),
    services,
    names,
    types,
    shapes: { service: part(0), name: part(1), type: part(2), kind: part(3) },
    rows: {
      depth: spans.map((s) => s.depth),
      shape,
      offsetStep: steps(
        0,
        spans.map((s) => s.offset),
      ),
      duration: spans.map((s) => s.duration),
      flags: spans.map((s) => (s.error ? 1 : 0) | (s.flags ?? 0)),
    },
    groups,
    notes: trace.notes ?? [],
    stats: stats(trace, 0),
  }
}

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']

const attributes = (list) => list.map(([key, type, value]) => ({ key, type, value }))

export function detail(trace, row) {
  const span = trace.spans[row]
  return {
    row,
    spanId: spanId(row),
    parentId: span.parent < 0 ? '' : spanId(span.parent),
    traceId: trace.id,
    service: span.service,
    name: span.name,
    type: span.type,
    kind: kinds[span.kind],
    start: String(BigInt(trace.start) + BigInt(span.offset)),
    duration: span.duration,
    self: span.self,
    status: span.error ? 'error' : 'unset',
    statusMessage: span.statusMessage ?? (span.error ? 'deadline exceeded' : ''),
    traceState: '',
    flags: 257,
    attributes: attributes(span.attributes),
    events: span.error
      ? [
          {
            time: String(BigInt(trace.start) + BigInt(span.offset + span.duration)),
            name: 'exception',
            attributes: attributes([
              ['exception.type', 'string', 'DeadlineExceeded'],
              ['exception.message', 'string', 'deadline exceeded'],
            ]),
          },
        ]
      : [],
    links: [],
    resource: attributes([
      ['service.name', 'string', span.service],
      ['host.name', 'string', 'web-03'],
      ['process.pid', 'int', '4711'],
    ]),
    scope: { name: 'shuai', version: '0.1.0', attributes: [] },
    dropped: { attributes: 0, events: 0, links: 0 },
    directChildren: span.children.length,
  }
}
