// The loop: Shuai finds the page that calls again and again, says what it costs and shows the query instead; the page is switched to Redeye; the
// finding resolves itself, with what was measured beside what was estimated; Redeye's page shows what runs now. SHUAI_URL is a server with
// the demo's movie site, which is at SITE_URL and whose movie service is at REDEYE_URL. With SHOTS, pictures are written there.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { violations } from './accessibility.mjs'
import { launch, openPage } from './browser.mjs'

const origin = process.env.SHUAI_URL?.replace(/\/$/, '')
const site = process.env.SITE_URL?.replace(/\/$/, '')
const redeye = process.env.REDEYE_URL?.replace(/\/$/, '')
const shots = process.env.SHOTS
const skip = origin === undefined || site === undefined || redeye === undefined ? 'SHUAI_URL, SITE_URL and REDEYE_URL name no running demo' : false
const bigFilm = '/subject/1/photos' // 180 pictures, 89 authors' cards, 26 texts
const patience = 60_000 // ms until requests are stored, quiet for 5 s, and examined; and until the page asks again

let browser
before(async () => {
  if (skip) return
  browser = await launch()
  if (shots !== undefined) await mkdir(shots, { recursive: true })
})
after(async () => {
  await browser?.close()
  if (skip) return
  await change('/mode?impl=nk')
  await change('/fault?on=false')
})

async function shoot(page, name) {
  if (shots === undefined) return
  await page.mouse.move(0, 0)
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

async function change(path) {
  const response = await fetch(site + path, { method: 'POST' })
  assert.equal(response.status, 200, path)
}

async function json(address, request) {
  const response = await fetch(address, request)
  assert.equal(response.status, 200, address)
  return response.json()
}

const ask = (path) => json(`${origin}/api/shuai/v1${path}`)

/** Waits until something is so; it is what the page would say, but the page asks seldom. */
async function until(isSo, otherwise) {
  for (const end = Date.now() + patience; !(await isSo()); ) {
    assert.ok(Date.now() < end, otherwise)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** n visits of the film's photos, a few at a time. */
async function visit(n) {
  let left = n
  const visitor = async () => {
    while (left-- > 0) {
      const response = await fetch(site + bigFilm)
      assert.equal(response.status, 200)
      await response.arrayBuffer()
    }
  }
  await Promise.all([visitor(), visitor(), visitor()])
}

/** Whatever the page is at, in both themes and on a phone in Chinese: accessible, and no wider than the screen. */
async function look(address, ready, name) {
  for (const [theme, width, language] of [
    ['light', 1280, 'en-GB'],
    ['dark', 1280, 'en-GB'],
    ['light', 390, 'zh-CN'],
    ['dark', 1920, 'zh-CN'],
  ]) {
    const { page, context, faults } = await openPage(browser, origin, { theme, width, height: 900, language })
    await page.goto(address)
    await page.locator(ready).first().waitFor()
    await page.waitForLoadState('networkidle')
    assert.deepEqual(await violations(page), [], `${address} ${theme} ${width}`)
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${address} scrolls sideways at ${width} px`)
    if (width === 1280) await shoot(page, `${name}-${theme}`)
    assert.deepEqual(faults, [])
    await context.close()
  }
}

test('from the overview to the mended page', { skip }, async (t) => {
  await change('/mode?impl=nk')
  await visit(25)
  await until(async () => {
    const { findings } = await ask('/findings?service=movie-web')
    return findings.some(({ label }) => label === 'movie.service.movie_pic1svc')
  }, 'no finding')
  const { page, context, faults } = await openPage(browser, origin)

  // Overview → endpoint → finding.
  await page.goto(`${origin}/?service=movie-web`)
  await page.getByRole('link', { name: 'GET /subject/{id}/photos', exact: true }).click({ timeout: patience })
  await page.waitForURL(/\/e\/movie-web\//)
  const todo = page.locator('.do li').filter({ hasText: 'movie.service.movie_pic1svc' })
  await todo.waitFor({ timeout: patience })
  await todo.getByRole('link', { name: 'Evidence, and the query instead' }).press('Enter')
  await page.waitForURL(/\/findings\/[0-9a-f]{16}$/)
  const id = page.url().split('/').at(-1)
  const text = (selector) => page.locator(selector).first().textContent()

  // Who calls what how often, and what that costs.
  assert.match(await text('h1'), /movie-web calls movie\.service\.movie_pic1svc \d+ to 180 times/)
  assert.match(await text('.caller'), /Called by movie-web during GET \/subject\/\{id\}\/photos at demo\.\(\*Site\)\.photosNK \(demo\/page_photos\.go:\d+\)/)
  const found = await ask(`/findings/${id}`)
  assert.ok(found.variation > 0 && found.serial > 0.9 && found.saving > 0, JSON.stringify(found))

  // The query instead: the service takes it, and its answer is what the page shows.
  await page.locator('[data-checked]').waitFor()
  const query = await text('[data-query]')
  assert.match(query, /\.pictures\(\)\.map/)
  assert.deepEqual(await page.locator('.replaced tbody tr').evaluateAll((rows) => rows.map((row) => [row.cells[1].textContent, row.cells[2].textContent])), [
    ['180', 'Movie.pictures'],
    ['89', 'Person.card'],
    ['26', 'Picture.text'],
  ])
  const { value } = await json(`${redeye}/redeye.v1.Redeye/Query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: query, params: { ids: [1] } }),
  })
  const { photos } = await json(`${site}${bigFilm}?format=json`)
  assert.equal(photos.length, 180)
  assert.deepEqual(
    value[0].pictures.map(({ width, height, author, text: caption }) => ({ width, height, author: author.card, text: caption })),
    photos,
  )
  await page.getByRole('button', { name: 'Go', exact: true }).click()
  await page.waitForURL(/code=go/)
  assert.match(await text('[data-query]'), /movies\.GetMovies\(ids\).*x\.Pictures\(\)/s)
  await look(`${origin}/findings/${id}`, '[data-query]', 'finding-query')

  // The page is switched, as whoever reads it does, and visited.
  const visitor = await browser.newPage()
  await visitor.goto(site + bigFilm)
  await visitor.getByRole('button', { name: 'redeye', exact: true }).click()
  await visitor.waitForURL(site + bigFilm)
  await visitor.close()
  assert.deepEqual((await json(`${site}${bigFilm}?format=json`)).photos, photos)
  await visit(40)

  // It resolves itself while somebody looks.
  await page.locator('.tag.state').filter({ hasText: 'resolved' }).waitFor({ timeout: patience })
  await page.locator('[data-figure=estimated]').waitFor()
  await page.locator('[data-figure=measured]').waitFor()
  const { mending } = await ask(`/findings/${id}`)
  t.diagnostic(`estimated ${Math.round(mending.estimated / 1e6)} ms, measured ${Math.round(mending.measured / 1e6)} ms ± ${Math.round(mending.error / 1e6)}`)
  assert.ok(mending.before.requests >= 25 && mending.after.requests >= 20, JSON.stringify(mending))
  assert.equal(mending.byQuery, true)
  assert.ok(
    Math.abs(mending.estimated - mending.measured) <= 0.25 * mending.measured + 2 * mending.error,
    `the estimate is more than a quarter off: ${JSON.stringify(mending)}`,
  )
  await look(`${origin}/findings/${id}`, '.mended', 'finding-mended')

  // What runs instead.
  await page.getByRole('link', { name: 'Redeye', exact: true }).click()
  const row = page.locator('.interfaces tbody tr').filter({ hasText: 'movie-web.photos' })
  await row.waitFor({ timeout: patience })
  const { interfaces } = await ask('/redeye')
  const run = interfaces.find((one) => one.site === 'movie-web.photos')
  assert.ok(run.calls >= 40 && run.sent === 4 * run.calls && run.saved > 100 * run.calls, JSON.stringify(run))
  assert.equal(await row.locator('[data-breaker]').getAttribute('data-breaker'), 'closed')
  await row.getByRole('link').press('Enter')
  await page.locator('.plan tbody tr').first().waitFor()
  for (const method of ['get_movies', 'Movie.pictures', 'Person.card', 'Picture.text']) {
    assert.match(await text(`[data-method="${method}"] td.strong`), /\d\s(µs|ms|s)$/, method)
  }
  await look(page.url(), '.plan tbody tr', 'redeye-plan')
  assert.deepEqual(faults, [])
  await context.close()
})

test('a program that asks for too much is stopped, and the others go on', { skip }, async () => {
  await change('/fault?on=true')
  const { page, context, faults } = await openPage(browser, origin)
  await page.goto(`${origin}/redeye`)
  const row = page.locator('.interfaces tbody tr').filter({ hasText: 'movie-web.everybody' })
  await row.locator('[data-breaker=open], [data-breaker=half-open]').waitFor({ timeout: patience })
  await look(`${origin}/redeye`, '.interfaces tbody tr', 'redeye')
  const { interfaces, services } = await ask('/redeye')
  assert.ok(interfaces.filter(({ site: key }) => key !== 'movie-web.everybody').every(({ breaker }) => breaker === 'closed'), JSON.stringify(interfaces))
  assert.deepEqual(services.map(({ name, error, sites }) => [name, error, sites]), [['movie', '', '']])
  for (const path of ['/', '/subject/2', bigFilm]) assert.equal((await fetch(site + path)).status, 200, path)
  await change('/fault?on=false')

  // The operator's switch stops one program and lets it go on.
  await change('/mode?page=photos&impl=redeye')
  await visit(1)
  const photos = page.locator('.interfaces tbody tr').filter({ hasText: 'movie-web.photos' })
  await photos.getByRole('button', { name: /^Switch off/ }).click({ timeout: patience })
  await photos.locator('[data-breaker=off]').waitFor()
  assert.equal((await fetch(site + bigFilm)).status, 503)
  assert.equal((await fetch(`${site}/subject/2`)).status, 200)
  await photos.getByRole('button', { name: /^Switch on/ }).press('Enter')
  await photos.locator('[data-breaker=closed]').waitFor()
  await visit(1)
  assert.deepEqual(faults, [])
  await context.close()
})
