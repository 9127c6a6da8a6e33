// The interface against the real thing: SHUAI_URL is a server with the demo's movie site running. With SHOTS,
// pictures of the pages are written to that directory.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { violations } from './accessibility.mjs'
import { launch, openPage } from './browser.mjs'

const origin = process.env.SHUAI_URL?.replace(/\/$/, '')
const shots = process.env.SHOTS
const skip = origin === undefined ? 'SHUAI_URL names no running demo' : false
const firstSpanTimeout = 30_000 // ms until the demo's load has produced what is looked for

let browser
before(async () => {
  if (skip) return
  browser = await launch()
  if (shots !== undefined) await mkdir(shots, { recursive: true })
})
after(() => browser?.close())

async function shoot(page, name) {
  if (shots === undefined) return
  await page.mouse.move(0, 0) // nothing is pointed at
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

const rowsOf = (page, table) =>
  page.locator(`[data-table=${table}] tbody tr`).evaluateAll((rows) =>
    rows.map((row) =>
      [...row.cells]
        .slice(0, 2)
        .map((cell) => cell.textContent)
        .join(' '),
    ),
  )
const lineWith = (page, text) => page.getByRole('treegrid').getByRole('row').filter({ hasText: text })

/** From the endpoints to the slowest request of the page with n×k calls, as a user goes. */
async function openSlowestPhotos(page) {
  await page.goto(`${origin}/`)
  await page
    .getByRole('row')
    .filter({ has: page.getByRole('cell', { name: 'movie-web', exact: true }) })
    .getByRole('link', { name: 'GET /subject/{id}/photos', exact: true })
    .click({ timeout: firstSpanTimeout })
  await page.waitForURL(/\/e\/movie-web\//)
  await page.locator('.examples-list a[href^="/trace/"]').first().click()
  await page.waitForURL(/\/trace\/[0-9a-f]{32}/)
  await page.getByRole('treegrid').waitFor()
}

test('two clicks lead from the endpoints to why its slowest request is slow', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await openSlowestPhotos(page)

  assert.equal(await page.locator('[data-direct-count]').textContent(), '295')
  assert.deepEqual(await rowsOf(page, 'direct'), ['movie.service.movie_pic1svc 180', 'mc 89', 'beansdb 26'])
  const counts = await rowsOf(page, 'count')
  assert.ok(
    counts.some((row) => row.startsWith('movie.service.movie_pic1svc 180')),
    `Count Stats has no 180 calls of movie_pic1svc: ${counts}`,
  )

  const grid = page.getByRole('treegrid')
  const folded = Number(await grid.getAttribute('aria-rowcount'))
  const group = lineWith(page, '×180')
  assert.equal(await group.getAttribute('aria-expanded'), 'false')
  assert.match(await group.textContent(), /movie\.service\.movie_pic1svc.*×180.*p50.*p95.*serial.*Σ/)
  await group.click()
  await page.waitForFunction(() => document.querySelector('[role=treegrid] [aria-expanded=true].of-group') !== null)
  const unfolded = Number(await grid.getAttribute('aria-rowcount'))
  assert.ok(unfolded >= folded + 180, `unfolding 180 calls went from ${folded} to ${unfolded} lines`)
  await group.click()
  await page.waitForFunction((want) => document.querySelector('[role=treegrid]').getAttribute('aria-rowcount') === String(want), folded)

  assert.deepEqual(faults, [])
  await context.close()
})

test('a link to a selected span shows the same in a fresh browser', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await openSlowestPhotos(page)
  await lineWith(page, '×180').click()
  const member = page.getByRole('treegrid').getByRole('row').nth(5)
  await member.click()
  await page.waitForURL(/span=[0-9a-f]{16}/)
  const seen = await screen(page)
  assert.ok(seen.selected.length > 0 && seen.facts.length > 0)

  const fresh = await openPage(browser, origin)
  await fresh.page.goto(page.url())
  assert.deepEqual(await screen(fresh.page), seen)
  assert.deepEqual([...faults, ...fresh.faults], [])
  await shoot(fresh.page, 'request-span-light')
  await fresh.context.close()
  await context.close()
})

/** What a user sees of a request with a selected span. */
async function screen(page) {
  await page.locator('.span-facts').waitFor()
  await page.locator('.tables[aria-busy=false]').waitFor()
  await page.locator('[role=row][aria-selected=true]').waitFor()
  return page.evaluate(() => ({
    lines: document.querySelector('[role=treegrid]').getAttribute('aria-rowcount'),
    selected: [...document.querySelectorAll('[role=row][aria-selected=true]')].map(
      (row) => `${row.getAttribute('aria-rowindex')} ${row.getAttribute('aria-level')} ${row.textContent}`,
    ),
    // The span's percentile is among spans that still come in.
    facts: document.querySelector('.span-facts').textContent.replace(/slower than .* of its kind/, ''),
    tables: document.querySelector('.tables').textContent,
    title: document.title,
  }))
}

for (const theme of ['light', 'dark']) {
  test(`the pages are accessible in the ${theme} theme`, { skip }, async () => {
    const { page, context, faults } = await openPage(browser, origin, { theme, width: 1440, height: 900 })
    await page.goto(`${origin}/`)
    await page.locator('.endpoints tbody tr').first().waitFor({ timeout: firstSpanTimeout })
    assert.deepEqual(await violations(page), [])
    await shoot(page, `endpoints-${theme}`)

    await page.goto(`${origin}/traces?sort=slowest`)
    await page.locator('.found tbody tr').first().waitFor()
    assert.deepEqual(await violations(page), [])
    await shoot(page, `search-${theme}`)

    await openSlowestPhotos(page)
    assert.deepEqual(await violations(page), [])
    await shoot(page, `request-${theme}`)
    await lineWith(page, '×180').click()
    await page.getByRole('treegrid').getByRole('row').nth(3).click()
    await page.locator('.span-facts').waitFor()
    assert.deepEqual(await violations(page), [])

    assert.deepEqual(faults, [])
    await context.close()
  })
}

test('a trace goes out as a file and comes back without being stored', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin)
  await openSlowestPhotos(page)
  const id = /\/trace\/([0-9a-f]{32})/.exec(page.url())[1]
  const lines = await page.getByRole('treegrid').getAttribute('aria-rowcount')
  for (const format of ['OTLP', 'Jaeger', 'Zipkin']) {
    const download = page.waitForEvent('download')
    await page.goto(`${origin}/trace/${id}`)
    await page.getByRole('link', { name: format, exact: true }).click()
    const file = await (await download).path()
    await page.locator('input[type=file]').setInputFiles(file)
    await page.waitForURL(/\/trace\/file-/)
    await page.getByText('from a file, not stored').waitFor()
    await page.getByRole('treegrid').waitFor()
    assert.equal(await page.locator('[data-direct-count]').textContent(), '295', format)
    assert.equal(await page.getByRole('treegrid').getAttribute('aria-rowcount'), lines, format)
    await page.getByRole('button', { name: 'Paths' }).click()
    await page.locator('.merged-table tbody tr').nth(1).waitFor()

    // The same, dropped on another page.
    await page.goto(`${origin}/map`)
    const dropped = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([text], 'trace.json', { type: 'application/json' }))
      return transfer
    }, await readFile(file, 'utf8'))
    await page.locator('main').dispatchEvent('dragover', { dataTransfer: dropped })
    await page.locator('.drop-here').waitFor()
    await page.locator('main').dispatchEvent('drop', { dataTransfer: dropped })
    await page.waitForURL(/\/trace\/file-/)
    await page.getByRole('treegrid').waitFor()
    assert.equal(await page.locator('.drop-here').count(), 0)
    assert.equal(await page.locator('[data-direct-count]').textContent(), '295', `${format}, dropped`)
  }
  assert.deepEqual(faults, [])
  await context.close()
})

for (const theme of ['light', 'dark']) {
  test(`every view of a request is accessible and a link, in the ${theme} theme`, { skip }, async () => {
    const { page, context, faults } = await openPage(browser, origin, { theme, width: 1440, height: 900 })
    await openSlowestPhotos(page)
    const url = new URL(page.url())
    assert.ok((await page.locator('.causes li').count()) > 0, 'the request has n×k calls, and no cause is named')
    for (const [view, ready] of [
      ['flame', '.flame canvas'],
      ['paths', '.merged-table tbody tr'],
      ['events', '.events-head'],
    ]) {
      url.search = `?view=${view}`
      await page.goto(url.href)
      await page.locator(ready).first().waitFor()
      await page.waitForLoadState('networkidle')
      assert.equal(await page.locator('.toolbar .segments [aria-pressed=true]').count(), 1)
      assert.deepEqual(await violations(page), [], view)
      await shoot(page, `request-${view}-${theme}`)
    }
    assert.deepEqual(faults, [])
    await context.close()
  })
}

test('a wrong filter is answered with the place where it is wrong', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin, { expected: [/status of 400/] })
  await page.goto(`${origin}/traces`)
  await page.getByRole('combobox', { name: 'Filter' }).fill('{ duration > 100 }')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  assert.equal(await page.locator('.caret .before').evaluate((head) => head.firstChild.textContent), '{ duration > ')
  assert.deepEqual(faults, [])
  await context.close()
})

test('an id opens its trace, an unknown one says so', { skip }, async () => {
  const { page, context, faults } = await openPage(browser, origin, { expected: [/status of 404/] })
  await openSlowestPhotos(page)
  const id = /\/trace\/([0-9a-f]{32})/.exec(page.url())[1]
  await page.goto(`${origin}/`)
  await page.getByRole('searchbox').fill(`00-${id}-00f067aa0ba902b7-01`)
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/trace/${id}\\?span=00f067aa0ba902b7`))
  await page.getByText('This span is not stored.').waitFor()
  await page.goto(`${origin}/trace/${'1'.repeat(32)}`)
  await page.getByRole('alert').waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})
