// How long a trace of 50,000 spans takes to be seen, and what scrolling through it costs: node e2e/measure.mjs [runs].
// HUGE=1000000 takes a trace of so many spans, as it opens by itself: collapsed.
// The server is the mock, so nothing of a real server's time is in the figures. docs/design has the figures to hold.
import { launch, openPage } from './browser.mjs'
import { ids, serve } from './mock/server.mjs'

const runs = Number(process.argv[2] ?? 5)
const huge = process.env.HUGE !== undefined
const id = huge ? ids.huge : ids.large
const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]
const round = (n) => Math.round(n * 10) / 10

const mock = await serve()
const browser = await launch()
await fetch(`${mock.url}/api/shuai/v1/traces/${id}/skeleton`) // computed once, before the clock runs
const results = []
for (let run = 0; run < runs; run++) {
  const { page, context } = await openPage(browser, mock.url, { width: 1420, height: 920 })
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
  })
  await page.goto(`${mock.url}/trace/${id}${huge ? '' : '?fold=off'}`)
  await page.waitForFunction(() => globalThis.rowsAt !== undefined, undefined, { timeout: 120_000 })
  const rows = await page.evaluate(() => globalThis.rowsAt)
  await page.waitForLoadState('networkidle')
  const metric = async (name) => (await client.send('Performance.getMetrics')).metrics.find((m) => m.name === name).value
  const scroll = async (count, distance) => {
    const before = await metric('TaskDuration')
    const times = await page.evaluate(
      async ([n, by]) => {
        const scroller = document.querySelector('[role=treegrid]')
        const frame = () => new Promise(requestAnimationFrame)
        const all = []
        for (let i = 0; i < n; i++) {
          const start = performance.now()
          scroller.scrollTop = (scroller.scrollTop + by) % (scroller.scrollHeight - scroller.clientHeight)
          await frame()
          await frame()
          all.push(performance.now() - start)
        }
        return all
      },
      [count, distance],
    )
    return { times, task: (1000 * ((await metric('TaskDuration')) - before)) / count }
  }
  const steps = await scroll(60, 137)
  const jumps = await scroll(60, 42_170)
  await client.send('HeapProfiler.collectGarbage')
  results.push({
    rows,
    bytes,
    skeletonBytes,
    steps,
    jumps,
    heap: (await metric('JSHeapUsedSize')) / 1e6,
    nodes: await page.evaluate(() => document.querySelectorAll('*').length),
    lines: await page.evaluate(() => document.querySelectorAll('[role=row]').length),
  })
  await context.close()
}
const all = (pick) => results.map(pick)
console.log(huge ? `${runs} runs, ${process.env.HUGE} spans, collapsed` : `${runs} runs, 50,000 spans, nothing folded`)
console.log(
  `rows painted after navigation: median ${round(
    quantile(
      all((r) => r.rows),
      0.5,
    ),
  )} ms, worst ${round(Math.max(...all((r) => r.rows)))} ms`,
)
console.log(`transferred: ${round(results[0].bytes / 1e3)} kB, of which skeleton ${round(results[0].skeletonBytes / 1e3)} kB`)
for (const kind of ['steps', 'jumps']) {
  const times = results.flatMap((r) => r[kind].times)
  console.log(
    `${kind}: two frames p50 ${round(quantile(times, 0.5))} ms, p95 ${round(quantile(times, 0.95))} ms, max ${round(Math.max(...times))} ms; main thread ${round(
      quantile(
        all((r) => r[kind].task),
        0.5,
      ),
    )} ms each`,
  )
}
console.log(
  `heap after collection: ${round(
    quantile(
      all((r) => r.heap),
      0.5,
    ),
  )} MB; ${results[0].lines} lines, ${results[0].nodes} elements in the document`,
)
await browser.close()
await mock.close()
