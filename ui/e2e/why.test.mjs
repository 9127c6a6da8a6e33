// Why an endpoint is slow, on the real server: SHUAI_URL is a server that bench/plant has sent 20,000 requests of
// web GET /subject/{id} to, in which a slow loop and a slow query are hidden. With SHOTS, pictures are written there.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { violations } from './accessibility.mjs'
import { launch, openPage } from './browser.mjs'

const origin = process.env.SHUAI_URL?.replace(/\/$/, '')
const shots = process.env.SHOTS
const skip = origin === undefined ? 'SHUAI_URL names no running server with planted requests' : false
const endpoint = '/e/web/GET%20%2Fsubject%2F%7Bid%7D'
const ofEndpoint = 'root && service.name = "web" && name = "GET /subject/{id}"'

let browser
before(async () => {
  if (skip) return
  browser = await launch()
  if (shots !== undefined) await mkdir(shots, { recursive: true })
})
after(() => browser?.close())

async function shoot(page, name) {
  if (shots === undefined) return
  await page.mouse.move(0, 0)
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

async function ask(path, parameters) {
  const response = await fetch(`${origin}/api/shuai/v1${path}?${new URLSearchParams(parameters)}`)
  assert.equal(response.status, 200, path)
  return response.json()
}

const whyRow = (page, text) => page.locator('.paths tbody tr').filter({ hasText: text })

/** The two numbers of a cell like "11.8 → 198 serial 100 %". */
async function change(cell) {
  const [, from, to] = /([\d.,]+) → ([\d.,]+)/.exec(await cell.textContent())
  return { from: Number(from.replaceAll(',', '')), to: Number(to.replaceAll(',', '')) }
}

/** How often requests of a filter call user.Get, on average, counted trace by trace: all their other spans are the same for each. */
async function countedCalls(filter) {
  const { traces, matched } = await ask('/traces', { q: `{ ${ofEndpoint} && ${filter} }`, limit: 1000 })
  assert.equal(traces.length, matched, `${filter} has more requests than one answer`)
  const { types, spans } = await ask(`/traces/${traces[0].traceId}/stats`, { row: 0 })
  const others = spans - types.find(({ type }) => type === 'user.Get').count
  return { requests: traces.length, mean: traces.reduce((sum, trace) => sum + trace.spans - others, 0) / traces.length }
}

test('an endpoint says why it is slow without a click', { skip }, async (t) => {
  const { page, context, faults } = await openPage(browser, origin, { width: 1280, height: 800 })
  await page.goto(origin + endpoint)
  await page.locator('[data-verdict]').waitFor()
  const took = await page.evaluate(() => performance.now())
  t.diagnostic(`the answer stood ${Math.round(took)} ms after navigation`)

  assert.match(await page.locator('[data-verdict]').textContent(), /Slow requests take .* longer\. \d\d\s% of that is user\.Get: [\d.]+ → \d+ calls per request\./)
  const first = page.locator('.paths tbody tr').first()
  assert.match(await first.textContent(), /web ▸ user\.Get.*N\+1/)
  assert.match(await page.locator('.paths tbody tr').nth(1).textContent(), /catalog.*SELECT \* FROM item/)
  assert.match(await page.locator('.who tbody tr').first().textContent(), /span\.subject\.type = series/)
  assert.match(await page.locator('.do li').first().textContent(), /user\.Get.*Batch/)
  const inSight = await page.evaluate(() => {
    const bottom = (selector) => document.querySelector(selector).getBoundingClientRect().bottom
    return ['[data-verdict]', '.paths tbody tr', '.do li', '.who tbody tr'].filter((selector) => bottom(selector) > innerHeight)
  })
  assert.deepEqual(inSight, [], 'these have to be scrolled to')
  assert.deepEqual(faults, [])
  await context.close()
})

test('calls per request are what counting trace by trace gives', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  // So few that all of them are read.
  const slow = await countedCalls('duration >= 1660ms')
  const normal = await countedCalls('duration >= 120ms && duration <= 121ms')
  assert.ok(slow.requests > 10 && slow.requests < 300, `${slow.requests} slow requests`)
  await page.goto(`${origin}${endpoint}?slow=1660ms..&normal=120ms..121ms`)
  const calls = await change(whyRow(page, 'user.Get').locator('td').first())
  assert.ok(Math.abs(calls.to - slow.mean) <= 1, `${calls.to} calls of slow requests, counted ${slow.mean}`)
  assert.ok(Math.abs(calls.from - normal.mean) <= 1, `${calls.from} calls of normal requests, counted ${normal.mean}`)
  assert.deepEqual(faults, [])
  await context.close()
})

test('a drag on the heatmap chooses the slow requests, and its link shows the same to others', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(origin + endpoint)
  await page.locator('[data-verdict]').waitFor()
  const plot = await page.locator('.heatmap-plot').boundingBox()
  await page.mouse.move(plot.x + plot.width * 0.2, plot.y + plot.height * 0.05)
  await page.mouse.down()
  await page.mouse.move(plot.x + plot.width * 0.6, plot.y + plot.height * 0.4, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/slow=\d+us\.\.\d+us&slowFrom=/)
  await page.locator('.dimmed').waitFor({ state: 'detached' })
  const seen = await screen(page)

  const fresh = await openPage(browser, origin, { language: 'en-GB' })
  await fresh.page.goto(page.url())
  await fresh.page.locator('[data-verdict]').waitFor()
  assert.deepEqual(await screen(fresh.page), seen)
  // The same by keyboard: own bounds, typed.
  const own = fresh.page.getByRole('textbox', { name: /^slow: / })
  await own.fill('1.5s..')
  await own.press('Enter')
  await fresh.page.waitForURL(/slow=1.5s\.\./)
  assert.deepEqual([...faults, ...fresh.faults], [])
  await fresh.context.close()
  await context.close()
})

/** What of the page does not move with the clock while nothing is sent. */
const screen = (page) =>
  page.evaluate(() => ({
    title: document.title,
    slow: document.querySelector('.side.slow').textContent,
    chips: [...document.querySelectorAll('.chip')].map((chip) => chip.textContent),
    paths: [...document.querySelectorAll('.paths tbody tr')].map((row) => row.cells[0].textContent),
  }))

test('the heatmap has a table twin whose numbers sum to all requests', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}${endpoint}?heatmap=table`)
  await page.locator('.heatmap-table').waitFor()
  const sum = await page.evaluate(() =>
    [...document.querySelectorAll('.heatmap-table tbody tr')].flatMap((row) => [...row.cells].slice(2)).reduce((total, cell) => total + Number(cell.textContent.replaceAll(',', '')), 0),
  )
  const all = Number((await page.locator('[data-figure=requests] dd').textContent()).replaceAll(',', ''))
  assert.ok(all > 10_000, `${all} requests`)
  assert.equal(sum, all)
  await page.getByRole('button', { name: 'As a chart' }).press('Enter')
  await page.getByRole('img', { name: /^Heatmap of/ }).waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})

test('from the endpoints one click leads to why, and one more to a request or what filters it', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}/?service=web`)
  await page.getByRole('link', { name: 'GET /subject/{id}', exact: true }).click()
  await page.locator('[data-verdict]').waitFor()
  await page.locator('.who tbody tr').first().getByRole('button', { name: 'only these' }).click()
  await page.waitForURL(/q=/)
  await page.locator('.chip').waitFor()
  await page.getByRole('link', { name: 'Compare typical slow with typical normal ▸' }).click()
  await page.locator('.compare-side').nth(1).waitFor()
  const sides = await page.locator('.compare-side .strong').allTextContents()
  assert.equal(sides.length, 2)
  assert.match(await page.locator('.paths tbody tr').first().textContent(), /user\.Get/)
  const total = await page.evaluate(() => [...document.querySelectorAll('.paths .column-share .share-text')].map((cell) => cell.textContent))
  assert.ok(total.length > 1, 'no shares')
  assert.deepEqual(faults, [])
  await context.close()
})

test('a finding is muted with a reason, and reopened', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}/findings?service=web`)
  await page.locator('.finding-list .row-link').filter({ hasText: 'user.Get' }).first().click()
  await page.getByRole('button', { name: 'Mute…' }).click()
  await page.getByRole('textbox', { name: 'Not a problem because' }).fill('by <b>design</b>')
  await page.getByRole('button', { name: 'Mute', exact: true }).click()
  await page.locator('.tag.state').filter({ hasText: 'muted' }).waitFor()
  await page.getByText('because: by <b>design</b>').waitFor()
  await page.reload()
  await page.locator('.tag.state').filter({ hasText: 'muted' }).waitFor()
  await page.getByRole('button', { name: 'Reopen' }).click()
  await page.getByRole('button', { name: 'Mute…' }).waitFor()
  await page.locator('.finding-page tbody .row-link').first().click()
  await page.waitForURL(/\/trace\/[0-9a-f]{32}\?span=/)
  assert.deepEqual(faults, [])
  await context.close()
})

test('the map focuses on a service, by its drawing and by its list', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}/map`)
  const all = await page.locator('.edges tbody tr').count()
  await page.getByRole('link', { name: 'Focus on movie', exact: true }).press('Enter')
  await page.waitForURL(/service=movie/)
  await page.locator('.node.focused').waitFor()
  await page.locator('.dimmed').waitFor({ state: 'detached' })
  const near = await page.locator('.edges tbody tr').allTextContents()
  assert.ok(near.length > 0 && near.every((row) => row.includes('movie')), `one hop from movie: ${near}`)
  assert.ok(near.length <= all || all === 0)
  assert.deepEqual(faults, [])
  await context.close()
})

for (const theme of ['light', 'dark']) {
  test(`pages about many requests are accessible and fit in the ${theme} theme`, { skip }, async () => {
    const { findings } = await ask('/findings', { service: 'web' })
    const { endpoints } = await ask('/endpoints', { service: 'web' })
    const pages = {
      endpoint: [`${endpoint}?range=1h`, '[data-verdict]'],
      'endpoint-table': [`${endpoint}?heatmap=table&order=tree&paths=all`, '.paths tbody tr'],
      findings: ['/findings', '.finding-list tbody tr'],
      finding: [`/findings/${findings[0].id}`, '.finding-page tbody tr'],
      map: ['/map', '.edges tbody tr'],
      compare: [`/compare?a=${endpoints[0].slowestTrace}`, '.paths tbody tr'],
    }
    for (const [name, [path, ready]] of Object.entries(pages)) {
      for (const [width, language] of [
        [1440, 'en-GB'],
        [390, 'zh-CN'],
      ]) {
        const { page, context, faults } = await openPage(browser, origin, { theme, width, height: 900, language })
        await page.goto(origin + path)
        await page.locator(ready).first().waitFor()
        await page.waitForLoadState('networkidle')
        assert.deepEqual(await violations(page), [], `${path} ${width} ${language}`)
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${path} scrolls sideways at ${width} px`)
        if (width > 1000 && name !== 'endpoint-table') await shoot(page, `${name}-${theme}`)
        assert.deepEqual(faults, [])
        await context.close()
      }
    }
  })
}

test('a drag on the heatmap of a search finds the spans of that part', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}/traces?q=${encodeURIComponent(`{ ${ofEndpoint} }`)}`)
  const plot = await page.locator('.heatmap-plot').boundingBox()
  await page.mouse.move(plot.x + plot.width * 0.3, plot.y + plot.height * 0.02)
  await page.mouse.down()
  await page.mouse.move(plot.x + plot.width * 0.5, plot.y + plot.height * 0.3, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=.*&to=/)
  await page.locator('.found tbody tr').first().waitFor()
  const q = new URL(page.url()).searchParams.get('q')
  const [, over, upTo] = /duration > (\d+)us && duration <= (\d+)us/.exec(q)
  const { traces, matched } = await ask('/traces', { q, from: new URL(page.url()).searchParams.get('from'), to: new URL(page.url()).searchParams.get('to') })
  assert.ok(matched > 0 && traces.every(({ match }) => match.duration >= over * 1e3 && match.duration <= upTo * 1e3))
  assert.equal(await page.locator('.found tbody tr').count(), traces.length)
  assert.deepEqual(faults, [])
  await context.close()
})
