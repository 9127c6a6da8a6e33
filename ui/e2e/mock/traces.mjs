// Generated traces for developing the interface and for tests of its layout. A trace is a list of spans in
// preorder: { depth, service, name, type, kind, offset, duration, error, attributes }, times in nanoseconds.

/** A pseudo-random number generator (mulberry32), so that every run draws the same traces. */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const ms = 1e6

/** The page with n×k calls: 295 direct children, 180 + 89 + 26. */
export function photosTrace(id, seed, factor = 1) {
  const next = random(seed)
  const spans = [
    {
      depth: 0,
      service: 'movie-web',
      name: 'GET /subject/{id}/photos',
      type: 'movie-web /subject/{id}/photos',
      kind: 2,
      offset: 0,
      duration: 0,
      attributes: [
        ['http.request.method', 'string', 'GET'],
        ['http.route', 'string', '/subject/{id}/photos'],
        ['url.path', 'string', '/subject/1292052/photos'],
        ['http.response.status_code', 'int', '200'],
      ],
    },
  ]
  const calls = [...Array(180).fill('rpc'), ...Array(89).fill('mc'), ...Array(26).fill('beansdb')]
  for (let i = calls.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    ;[calls[i], calls[j]] = [calls[j], calls[i]]
  }
  let at = 2 * ms
  for (const call of calls) {
    if (call === 'rpc') {
      const duration = (3 + next() * next() * 9) * ms * factor
      const error = next() < 0.008
      spans.push({
        depth: 1,
        service: 'movie-web',
        name: 'movie_pic1svc',
        type: 'movie.service.movie_pic1svc',
        kind: 3,
        offset: at,
        duration,
        error,
        attributes: [
          ['rpc.service', 'string', 'movie.service'],
          ['rpc.method', 'string', 'movie_pic1svc'],
          ['pic.id', 'int', String(Math.floor(next() * 1e9))],
        ],
      })
      spans.push({
        depth: 2,
        service: 'pic',
        name: 'movie_pic1svc',
        type: 'movie.service.movie_pic1svc',
        kind: 2,
        offset: at + 0.2 * ms,
        duration: duration - 0.4 * ms,
        error,
        serverHalf: true,
        attributes: [
          ['rpc.service', 'string', 'movie.service'],
          ['rpc.method', 'string', 'movie_pic1svc'],
        ],
      })
      spans.push({
        depth: 3,
        service: 'pic',
        name: 'GET',
        type: 'beansdb',
        kind: 3,
        offset: at + 0.5 * ms,
        duration: duration * 0.6,
        attributes: [['db.system.name', 'string', 'beansdb']],
      })
      at += duration + 0.15 * ms
    } else {
      const duration = (call === 'mc' ? 0.3 + next() * 0.4 : 1 + next() * 2) * ms
      spans.push({
        depth: 1,
        service: 'movie-web',
        name: 'get',
        type: call,
        kind: 3,
        offset: at,
        duration,
        attributes: [
          ['db.system.name', 'string', call],
          ['db.key', 'string', `photo:${Math.floor(next() * 1e6)}`],
        ],
      })
      at += duration + 0.1 * ms
    }
  }
  spans[0].duration = at + 6 * ms
  return { id, spans }
}

/** Many services, names and levels; repeats now and then. */
export function largeTrace(id, size) {
  const next = random(7)
  const services = Array.from({ length: 24 }, (_, i) => `service-${String.fromCharCode(97 + i)}`)
  const spans = []
  const total = 20_000 * ms
  const add = (depth, offset, duration, service, op) => {
    spans.push({
      depth,
      service: services[service],
      name: `Operation${op}`,
      type: `${services[service]}.Operation${op}`,
      kind: depth % 2 === 0 ? 2 : 3,
      offset,
      duration,
      error: next() < 0.002,
      attributes: [['n', 'int', String(spans.length)]],
    })
  }
  add(0, 0, total, 0, 0)
  // The root calls one service after another; each call has a small tree below it.
  const calls = 600
  for (let call = 0; spans.length < size; call++) {
    const slice = total / calls
    const stack = [{ depth: 1, offset: (call % calls) * slice, duration: slice * (0.3 + 0.6 * next()) }]
    while (stack.length > 0 && spans.length < size) {
      const { depth, offset, duration } = stack.pop()
      const service = Math.floor(next() * 24)
      const op = Math.floor(next() * 160)
      add(depth, offset, duration, service, op)
      if (depth > 14 || next() < 0.35) continue
      const isRepeat = next() < 0.05
      const children = isRepeat ? 5 + Math.floor(next() * 60) : 1 + Math.floor(next() * 3)
      const part = (duration * 0.9) / children
      if (isRepeat)
        for (let i = 0; i < children && spans.length < size; i++)
          add(depth + 1, offset + part * i, part * (0.4 + 0.7 * next()), (service + 1) % 24, op)
      else
        for (let i = children - 1; i >= 0; i--)
          stack.push({ depth: depth + 1, offset: offset + part * i, duration: part * (0.5 + 0.4 * next()) })
    }
  }
  return { id, spans }
}

/** What a broken or hostile client may send. */
export function hostileTrace(id) {
  const bad = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
  const bidi = 'user\u202Etxt.exe\u202C admin\u2066\u200B\u0007\u001b[31m'
  const spans = [
    {
      depth: 0,
      service: bad,
      name: `${bidi} ${bad}`,
      type: bad,
      kind: 2,
      offset: 0,
      duration: 9e15,
      error: true,
      statusMessage: `${bidi}\n${'trace line\n'.repeat(400)}`,
      attributes: [
        ['html', 'string', bad],
        ['bidi', 'string', bidi],
        ['big', 'string', 'x'.repeat(1 << 20)],
        ['huge', 'int', '9223372036854775807'],
        ['nan', 'double', 'NaN'],
        ['', 'string', 'empty key'],
        ['list', 'list', '[1,"two",null]'],
        ['k'.repeat(3000), 'string', 'long key'],
        ['bytes', 'bytes', 'AAECAw=='],
      ],
    },
  ]
  for (let depth = 1; depth <= 300; depth++)
    spans.push({
      depth,
      service: `s${depth % 11}`,
      name: depth % 50 === 0 ? 'n'.repeat(5000) : `level ${depth}`,
      type: `level ${depth}`,
      kind: 1,
      offset: depth * 1e9,
      duration: 9e15 - depth * 2e9,
      attributes: [],
    })
  return { id, spans }
}
