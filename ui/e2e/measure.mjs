// What a large trace costs in the browser: node e2e/measure.mjs [spans [runs]]. Up to 200,000 spans nothing is folded or collapsed; a larger
// trace is opened as it opens by itself. SHUAI_URL and OTLP_URL name a server that the trace is sent to first and asked of then; without them
// the mock answers, and no server's time is in the figures. ../docs/benchmarks.md has the figures to hold.
import { launch, openPage } from './browser.mjs'
import { spanId } from './mock/answers.mjs'
import { ids, serve } from './mock/server.mjs'
import { largeTrace } from './mock/traces.mjs'

const spans = Number(process.argv[2] ?? 50_000)
const runs = Number(process.argv[3] ?? 5)
const hugeFrom = 200_000 // as in pages/request/workspace.tsx
const isWhole = spans <= hugeFrom
process.env.HUGE = String(spans)

const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]
const round = (n) => Math.round(n * 10) / 10

/** Sends a trace as OTLP/JSON, a few thousand spans at a time. */
async function send(otlp, trace) {
  const start = BigInt(Date.now() - 60_000) * 1_000_000n
  const path = []
  const all = trace.spans.map((span, row) => {
    path[span.depth] = spanId(row)
    const from = start + BigInt(Math.round(span.offset))
    return {
      service: span.service,
      span: {
        traceId: trace.id,
        spanId: spanId(row),
        ...(span.depth > 0 ? { parentSpanId: path[span.depth - 1] } : {}),
        name: span.name,
        kind: span.kind,
        startTimeUnixNano: String(from),
        endTimeUnixNano: String(from + BigInt(Math.round(span.duration))),
        attributes: span.attributes.map(([key, , value]) => ({ key, value: { intValue: value } })),
        status: span.error ? { code: 2 } : {},
      },
    }
  })
  for (let from = 0; from < all.length; from += 5000) {
    const byService = new Map()
    for (const one of all.slice(from, from + 5000)) {
      if (!byService.has(one.service)) byService.set(one.service, [])
      byService.get(one.service).push(one)
    }
    const resourceSpans = [...byService].map(([service, list]) => ({
      resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
      scopeSpans: [{ spans: list.map(({ span }) => span) }],
    }))
    const answer = await fetch(`${otlp}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ resourceSpans }) })
    if (!answer.ok) throw new Error(`${otlp} answered ${answer.status}: ${await answer.text()}`)
  }
}

let mock
let url = process.env.SHUAI_URL
let id = ids.huge
if (url === undefined) {
  mock = await serve()
  url = mock.url
} else {
  id = Date.now().toString(16).padStart(32, '0')
  await send(process.env.OTLP_URL, largeTrace(id, spans))
}
const asked = performance.now()
const skeleton = await fetch(`${url}/api/shuai/v1/traces/${id}/skeleton`)
const text = await skeleton.text()
if (!skeleton.ok) throw new Error(`the skeleton: ${skeleton.status} ${text}`)
const took = performance.now() - asked

const browser = await launch()
const results = []
for (let run = 0; run < runs; run++) {
  const { page, context } = await openPage(browser, url, { width: 1420, height: 920 })
  const client = await context.newCDPSession(page)
  await client.send('Network.enable')
  await client.send('Performance.enable')
  let bytes = 0
  let skeletonBytes = 0
  const skeletons = new Set()
  client.on('Network.responseReceived', ({ requestId, response }) => response.url.endsWith('/skeleton') && skeletons.add(requestId))
  client.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    bytes += encodedDataLength
    if (skeletons.has(requestId)) skeletonBytes += encodedDataLength
  })
  await page.addInitScript(() => {
    const look = () => {
      if (document.querySelector('[role=treegrid] [role=row]') === null) requestAnimationFrame(look)
      else requestAnimationFrame(() => (globalThis.rowsAt = performance.now()))
    }
    requestAnimationFrame(look)
    // A drawing begins by setting the width of its canvas, and ends with the task that it is.
    globalThis.drawings = []
    const width = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, 'width')
    Object.defineProperty(HTMLCanvasElement.prototype, 'width', {
      ...width,
      set(pixels) {
        width.set.call(this, pixels)
        const began = performance.now()
        if (this.closest('.flame') !== null) queueMicrotask(() => globalThis.drawings.push(performance.now() - began))
      },
    })
  })
  await page.goto(`${url}/trace/${id}${isWhole ? '?fold=off' : ''}`)
  await page.waitForFunction(() => globalThis.rowsAt !== undefined, undefined, { timeout: 120_000 })
  const rows = await page.evaluate(() => globalThis.rowsAt)
  await page.waitForLoadState('networkidle')
  const transferred = { bytes, skeletonBytes }
  const metric = async (name) => (await client.send('Performance.getMetrics')).metrics.find((m) => m.name === name).value
  const isGrouped = isWhole || (await page.locator('.huge').count()) === 1

  /** Scrolls once a frame: the time from frame to frame. */
  const scroll = async (count, distance) => {
    const before = await metric('TaskDuration')
    const times = await page.evaluate(
      async ([n, by]) => {
        const scroller = document.querySelector('[role=treegrid]')
        const frame = () => new Promise(requestAnimationFrame)
        const all = []
        await frame()
        let last = performance.now()
        for (let i = 0; i < n; i++) {
          scroller.scrollTop = (scroller.scrollTop + by) % Math.max(scroller.scrollHeight - scroller.clientHeight, 1)
          await frame()
          const now = performance.now()
          all.push(now - last)
          last = now
        }
        return all
      },
      [count, distance],
    )
    return { times, task: (1000 * ((await metric('TaskDuration')) - before)) / count }
  }
  const steps = await scroll(120, 137)
  const jumps = await scroll(120, 42_170)
  await client.send('HeapProfiler.collectGarbage')
  const { usedSize, backingStorageSize } = await client.send('Runtime.getHeapUsage') // the columns are in backing stores
  const heap = (usedSize + backingStorageSize) / 1e6
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length)
  const lines = await page.locator('[role=row]').count()

  // Zoomed in and out by key: each is a drawing.
  await page.getByRole('button', { name: 'Flame' }).click()
  const flame = page.locator('.flame canvas')
  await flame.press('ArrowDown')
  await flame.press('ArrowDown')
  for (let i = 0; i < 20; i++) {
    await flame.press(i % 2 === 0 ? 'z' : 'Z')
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }
  const drawings = await page.evaluate(() => globalThis.drawings)
  results.push({ rows, ...transferred, isGrouped, steps, jumps, heap, nodes, lines, drawings })
  await context.close()
}
const all = (pick) => results.map(pick)
const median = (pick) => round(quantile(all(pick), 0.5))
console.log(`${spans.toLocaleString('en')} spans, ${isWhole ? 'nothing folded' : 'as it opens by itself'}; ${runs} runs, ${mock === undefined ? 'server' : 'mock'}`)
if (mock === undefined) console.log(`skeleton from the server, first time: ${round(took)} ms, ${round(text.length / 1e3)} kB before compression`)
console.log(`rows painted after navigation: median ${median((r) => r.rows)} ms, worst ${round(Math.max(...all((r) => r.rows)))} ms`)
console.log(`transferred: ${round(results[0].bytes / 1e3)} kB, of which skeleton ${round(results[0].skeletonBytes / 1e3)} kB`)
for (const kind of ['steps', 'jumps']) {
  const times = results.flatMap((r) => r[kind].times)
  console.log(
    `${kind}: a frame p50 ${round(quantile(times, 0.5))} ms, p95 ${round(quantile(times, 0.95))} ms, max ${round(Math.max(...times))} ms; main thread ${median((r) => r[kind].task)} ms each`,
  )
}
const drawings = results.flatMap((r) => r.drawings)
console.log(`flame graph: a drawing p50 ${round(quantile(drawings, 0.5))} ms, p95 ${round(quantile(drawings, 0.95))} ms, of ${drawings.length}`)
console.log(`heap after collection: ${median((r) => r.heap)} MB; ${results[0].lines} lines, ${results[0].nodes} elements in the document`)
if (!results.every((r) => r.isGrouped)) console.log('it does not say that it opened grouped')
await browser.close()
await mock?.close()
