// The interface against generated traces that no demo produces: 50,000 spans, hostile text, nothing at all.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { violations } from './accessibility.mjs'
import { launch, openPage } from './browser.mjs'
import { ids, serve } from './mock/server.mjs'

let browser
let mock
before(async () => {
  mock = await serve()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await mock?.close()
})

async function open(path, options) {
  const opened = await openPage(browser, mock.url, options)
  await opened.page.goto(mock.url + path)
  return opened
}

const grid = (page) => page.getByRole('treegrid')
const lineCount = async (page) => Number(await grid(page).getAttribute('aria-rowcount'))
const activeText = (page) =>
  page.evaluate(() => document.getElementById(document.querySelector('[role=treegrid]').getAttribute('aria-activedescendant'))?.textContent)

// Their names are hostile, too.
const aboutMany = [
  '/e/web/GET%20%2F',
  '/findings',
  '/findings/f1',
  '/findings/f1?code=go',
  '/map',
  `/compare?a=${'1'.repeat(32)}`,
  '/redeye',
  `/redeye/${encodeURIComponent('<img src=x onerror=1>')}/314e`,
]

test('hostile names stay text on pages about many requests', async () => {
  for (const path of [...aboutMany, `/trace/${ids.hostile}?view=flame`, `/trace/${ids.hostile}?view=paths`]) {
    const { page, context, faults } = await open(path, { width: 390 })
    await page.waitForLoadState('networkidle')
    assert.equal(await page.evaluate(() => window.hacked), undefined, path)
    assert.equal(await page.locator('main img').count(), 0, path)
    assert.ok(await page.locator('main').getByText('onerror=').count(), `${path} does not show the name`)
    assert.equal(await page.evaluate(() => /[\u202a-\u202e]/.test(document.body.innerText + document.title)), false, path)
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${path} scrolls sideways`)
    assert.deepEqual(faults, [])
    await context.close()
  }
})

test('the critical path alone is shown by a key, and a flame graph is worked by keys', async () => {
  const { page, context, faults } = await open(`/trace/${ids.large}?fold=off`)
  await grid(page).waitFor()
  const all = await lineCount(page)
  assert.ok((await page.locator('.critical-bar').count()) > 0, 'nothing is marked')
  await page.keyboard.press('c')
  await page.waitForURL(/critical=only/)
  const only = await lineCount(page)
  assert.ok(only > 1 && only < all, `${only} of ${all} lines`)
  await page.keyboard.press('c')
  await page.waitForURL((url) => !url.searchParams.has('critical'))

  await page.goto(`${mock.url}/trace/${ids.photos}`)
  await page.getByRole('button', { name: 'Flame' }).click()
  await page.waitForURL(/view=flame/)
  await page.locator('.flame canvas').press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await page.waitForURL(/span=/)
  await page.locator('.span-facts').waitFor()
  await page.locator('.flame canvas').press('z')
  await page.waitForURL(/zoom=/)
  const painted = await page.locator('.flame canvas').evaluate((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, 20).data.some((value) => value !== 0))
  assert.ok(painted, 'the flame graph is empty')
  assert.deepEqual(faults, [])
  await context.close()
})

test('every page is accessible in both themes and both languages', async () => {
  for (const theme of ['light', 'dark']) {
    for (const language of ['en-GB', 'zh-CN']) {
      for (const path of ['/', '/traces?q=x', '/traces', `/trace/${ids.photos}?span=1000000000000000&type=mc`, `/trace/${ids.hostile}`, ...aboutMany]) {
        const { page, context, faults } = await open(path, { theme, language })
        await page.waitForLoadState('networkidle')
        assert.deepEqual(await violations(page), [], `${path} ${theme} ${language}`)
        assert.deepEqual(faults, [])
        await context.close()
      }
    }
  }
})

test('a trace of 50,000 spans keeps few lines in the document and answers any jump', async () => {
  const { page, context, faults } = await open(`/trace/${ids.large}?fold=off`)
  await grid(page).waitFor()
  assert.ok((await lineCount(page)) >= 50_000)
  const jumps = await page.evaluate(async () => {
    const scroller = document.querySelector('[role=treegrid]')
    const frame = () => new Promise(requestAnimationFrame)
    let empty = 0
    let most = 0
    for (let i = 0; i < 40; i++) {
      scroller.scrollTop = ((i * 7919) % 50_000) * 24
      await frame()
      await frame()
      const box = scroller.getBoundingClientRect()
      const rows = [...scroller.querySelectorAll('[role=row]')]
      most = Math.max(most, rows.length)
      if (!rows.some((row) => row.getBoundingClientRect().top < box.bottom && row.getBoundingClientRect().bottom > box.top)) empty++
    }
    return { empty, most }
  })
  assert.equal(jumps.empty, 0, 'a jump showed no line')
  assert.ok(jumps.most < 80, `${jumps.most} lines in the document`)
  await page.keyboard.press('End')
  await page.waitForFunction(() =>
    [...document.querySelectorAll('[role=row]')].some(
      (row) => row.getAttribute('aria-rowindex') === document.querySelector('[role=treegrid]').getAttribute('aria-rowcount'),
    ),
  )
  assert.deepEqual(faults, [])
  await context.close()
})

test('a huge trace opens collapsed, and says so', async () => {
  const { page, context, faults } = await open(`/trace/${ids.huge}`)
  await page.waitForURL(/collapse=all/, { timeout: 60_000 })
  await page.getByText('300,000 spans: opened collapsed').waitFor()
  const lines = await lineCount(page)
  assert.ok(lines > 1 && lines < 2000, `${lines} lines`)
  await page.getByRole('button', { name: 'Expand all' }).click()
  await page.waitForFunction((few) => Number(document.querySelector('[role=treegrid]').getAttribute('aria-rowcount')) > 10 * few, lines)
  assert.deepEqual(faults, [])
  await context.close()
})

test('hostile text is shown as text, whatever is in it', async () => {
  const { page, context, faults } = await open(`/trace/${ids.hostile}?span=1000000000000000`)
  await page.locator('.span-facts').waitFor()
  assert.equal(await page.evaluate(() => window.hacked), undefined)
  assert.equal(await page.locator('main img').count(), 0)
  assert.ok(await page.getByText('<script>window.hacked=1</script>').first().isVisible())
  assert.equal(
    await page.evaluate(() => /[\u202a-\u202e\u2066-\u2069\u0007\u001b]/.test(document.body.innerText + document.title)),
    false,
    'a control character reached the screen',
  )
  const all = page.getByRole('button', { name: 'Show all 1.05 MB' })
  await all.click()
  assert.ok(await page.evaluate(() => document.querySelector('.long-text.whole').textContent.length >= 1 << 20))
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'the page scrolls sideways')
  assert.deepEqual(faults, [])
  await context.close()
})

test('the timeline is worked by keyboard alone', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}`)
  await grid(page).waitFor()
  assert.equal(await lineCount(page), 4)
  await page.keyboard.press('ArrowDown')
  assert.match(await activeText(page), /×180/)
  await page.keyboard.press('x')
  await page.waitForFunction(() => Number(document.querySelector('[role=treegrid]').getAttribute('aria-rowcount')) > 180)
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await page.waitForURL(/span=[0-9a-f]{16}/)
  await page.getByRole('complementary', { name: 'Span' }).waitFor()
  const first = page.url()
  await page.keyboard.press('ArrowDown')
  await page.waitForURL((url) => url.href !== first && url.searchParams.has('span'))
  await page.keyboard.press('Escape')
  await page.waitForURL((url) => !url.searchParams.has('span'))
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('x')
  await page.waitForFunction(() => document.querySelector('[role=treegrid]').getAttribute('aria-rowcount') === '4')
  assert.match(await activeText(page), /×180/)
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowLeft')
  assert.equal(await lineCount(page), 1)
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('/')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'find')
  await page.keyboard.press('Tab')
  await page.evaluate(() => document.activeElement.blur())
  await page.keyboard.press('g')
  await page.keyboard.press('e')
  await page.waitForURL(`${mock.url}/`)
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await page.waitForURL(`${mock.url}/traces`)
  assert.deepEqual(faults, [])
  await context.close()
})

test('folding away the selected span ends its selection, and finding nothing breaks nothing', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}?span=1000009e3779b97f`)
  await page.locator('.span-facts').waitFor()
  await page.waitForURL(/groups=1/) // the link opened the group that the span is in
  await grid(page).getByRole('row').filter({ hasText: '×180' }).click()
  await page.waitForURL((url) => url.search === '')
  assert.equal(await page.locator('.span-panel').count(), 0)
  assert.equal(await lineCount(page), 4)
  await page.getByRole('searchbox', { name: 'Find in trace' }).fill('no such span')
  await page.getByText('0 of 656 spans match').waitFor()
  await grid(page).focus()
  for (const key of ['ArrowDown', 'ArrowRight', 'Enter', 'x', 'n', 'z', 'End', 'Escape']) await page.keyboard.press(key)
  assert.equal(await lineCount(page), 0)
  assert.deepEqual(faults, [])
  await context.close()
})

test('a trace that has grown is loaded again', async () => {
  const { page, context, faults } = await openPage(browser, mock.url, { expected: [/status of 409/] })
  let loaded = 0
  await page.route('**/skeleton', async (route) => {
    const response = await route.fetch()
    await route.fulfill({ json: { ...(await response.json()), revision: String(++loaded) } })
  })
  await page.route('**/spans?*', (route) =>
    route.request().url().includes('revision=1')
      ? route.fulfill({ status: 409, json: { error: { message: 'the trace has changed' } } })
      : route.continue(),
  )
  await page.goto(`${mock.url}/trace/${ids.photos}`)
  await grid(page).waitFor()
  const again = page.waitForResponse(/skeleton/)
  await grid(page).getByRole('row').first().click()
  await again
  assert.equal(loaded, 2)
  await grid(page).getByRole('row').first().click()
  await page.locator('.span-facts').waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})

test('a click on a type shows only its spans, and n walks through them', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}?fold=off`)
  await page.locator('[data-table=direct]').getByRole('button', { name: 'mc' }).click()
  await page.waitForURL(/type=mc/)
  await page.getByText('89 of 656 spans match').waitFor()
  assert.equal(await lineCount(page), 91) // the root, the group's head, its members
  await page.keyboard.press('n')
  await page.keyboard.press('n')
  assert.match(await activeText(page), /get/)
  await page.getByRole('button', { name: /type mc/ }).click()
  await page.getByRole('searchbox', { name: 'Find in trace' }).fill('duration>9ms')
  await page.waitForURL(/find=/)
  assert.ok((await lineCount(page)) < 40)
  assert.deepEqual(faults, [])
  await context.close()
})

test('attributes are found, too, together with what else is asked', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}?fold=off`, { expected: [/status of 400/] })
  const find = page.getByRole('searchbox', { name: 'Find in trace' })
  await find.fill('db.system.name=beansdb')
  await page.getByText('206 of 656 spans match').waitFor()
  await page.waitForURL(/find=/)
  await find.fill('db.system.name=beansdb duration>4ms')
  await page.waitForFunction(() => /^\d+ of 656/.test(document.querySelector('.matches').textContent) && !document.querySelector('.matches').textContent.startsWith('206'))
  await find.fill('{ wrong')
  await page.getByRole('alert').filter({ hasText: 'filter:' }).waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})

test('an endpoint is compared with a time of its own, and a pattern that is new since then is told of', async () => {
  const { page, context, faults } = await open('/e/web/GET%20%2F')
  const asked = page.waitForRequest((request) => request.url().includes('/patterns?') && request.url().includes('beforeFrom='))
  await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ label: 'vs another time…' })
  await page.waitForURL(/beforeFrom=.*beforeTo=/)
  const parameters = new URL((await asked).url()).searchParams
  assert.equal(Date.parse(parameters.get('beforeTo')) - Date.parse(parameters.get('beforeFrom')), 3_600_000)
  assert.equal(parameters.has('before'), false)
  await page.locator('[data-new-pattern]').filter({ hasText: 'Pattern 2 is new' }).waitFor()

  await page.locator('.time-range button.select').nth(1).click()
  const chosen = page.locator('[popover]:popover-open')
  await chosen.getByLabel('From').fill('2026-11-20T10:00:00')
  await chosen.getByLabel('To', { exact: true }).fill('2026-11-20T11:30:00')
  await chosen.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL((url) => Date.parse(url.searchParams.get('beforeTo')) - Date.parse(url.searchParams.get('beforeFrom')) === 5_400_000)
  const fresh = await open(new URL(page.url()).pathname + new URL(page.url()).search)
  await fresh.page.locator('[data-new-pattern]').waitFor()
  assert.equal(await fresh.page.locator('.time-range button.select').nth(1).textContent(), await page.locator('.time-range button.select').nth(1).textContent())
  await page.getByRole('combobox', { name: 'Compare with' }).selectOption({ label: 'vs yesterday' })
  await page.waitForURL((url) => url.searchParams.get('before') === '1d' && !url.searchParams.has('beforeFrom'))
  assert.deepEqual([...faults, ...fresh.faults], [])
  await fresh.context.close()
  await context.close()
})

test('the home page says where p95 went', async () => {
  const { page, context, faults } = await openPage(browser, mock.url)
  await page.route('**/endpoints?*', async (route) => {
    const answer = await (await route.fetch()).json()
    const [first, second, third] = answer.endpoints
    first.before = { ...first, p95: first.p95 / 3 }
    second.before = { ...second, p95: second.p95 * 2 }
    third.before = { ...third, count: 0, p95: 0 }
    await route.fulfill({ json: answer })
  })
  await page.goto(mock.url)
  const changes = page.locator('.endpoints tbody tr')
  await changes.first().locator('.change').waitFor()
  assert.match(await changes.nth(0).locator('.change').first().textContent(), /▲ 3/)
  assert.match(await changes.nth(0).locator('.change').first().getAttribute('class'), /bad/)
  assert.match(await changes.nth(1).locator('.change').first().textContent(), /▼ 0\.5/)
  assert.equal(await changes.nth(2).locator('.change').count(), 0, 'nothing came before, and yet there is a change')
  assert.deepEqual(faults, [])
  await context.close()
})

test('? lists the keys of the flame graph, too', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}?view=flame`)
  await page.locator('.flame canvas').waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).getByRole('heading', { name: 'Flame graph' }).waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})

test('a drag over the strip zooms, and the address says where', async () => {
  const { page, context, faults } = await open(`/trace/${ids.photos}`)
  const box = await page.locator('.minimap').boundingBox()
  await page.mouse.move(box.x + box.width * 0.25, box.y + 10)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 10, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/zoom=\d+-\d+/)
  await page.getByRole('button', { name: 'Whole trace' }).click()
  await page.waitForURL((url) => !url.searchParams.has('zoom'))
  assert.deepEqual(faults, [])
  await context.close()
})

test('the filter is completed, and a mistake is pointed at', async () => {
  const { page, context, faults } = await open('/traces', { expected: [/status of 400/] })
  const box = page.getByRole('combobox', { name: 'Filter' })
  await box.click()
  await page.keyboard.type('{ serv')
  await page.getByRole('option', { name: 'service.name', exact: true }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.keyboard.type('"mov')
  await page.getByRole('option', { name: '"movie-web"' }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.keyboard.type('}')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.searchParams.get('q') === '{ service.name = "movie-web" }')
  await box.fill('{ 电影 == 1 }')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  const { caret, place } = await page.evaluate(() => {
    const head = document.querySelector('.caret .before')
    const range = document.createRange()
    range.selectNodeContents(head.nextSibling)
    return { caret: document.querySelector('.caret .mark').getBoundingClientRect().left, place: range.getBoundingClientRect().left }
  })
  assert.ok(Math.abs(caret - place) < 2, `the caret is at ${caret}, the mistake at ${place}`)
  assert.deepEqual(faults, [])
  await context.close()
})

test('whatever names a trace opens it when pasted', async () => {
  const { page, context, faults } = await open('/traces')
  const base64 = Buffer.from(ids.photos, 'hex').toString('base64')
  for (const pasted of [
    ids.photos,
    `00-${ids.photos}-1000000000000000-01`,
    base64,
    ids.photos.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  ]) {
    await page.goto(`${mock.url}/traces`)
    await page.getByRole('combobox', { name: 'Filter' }).fill(pasted)
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(`/trace/${ids.photos}`))
  }
  assert.deepEqual(faults, [])
  await context.close()
})

test('endpoints sort by any column, in the address, and stay where they are when refreshed', async () => {
  const { page, context, faults } = await open('/', { height: 400 })
  await page.getByRole('button', { name: 'p95' }).click()
  await page.waitForURL(/sort=p95/)
  assert.equal(await page.getByRole('columnheader', { name: 'p95' }).getAttribute('aria-sort'), 'descending')
  await page.getByRole('button', { name: 'p95' }).click()
  await page.waitForURL(/order=reversed/)
  const values = await page.locator('.endpoints tbody tr').evaluateAll((rows) => rows.map((row) => row.cells[7].textContent))
  const ns = values.map((text) => Number.parseFloat(text) * (text.endsWith('ms') ? 1e6 : 1e9))
  assert.deepEqual(
    ns,
    ns.toSorted((a, b) => a - b),
  )
  await page.mouse.wheel(0, 200)
  await page.waitForFunction(() => scrollY > 0 || document.querySelector('main').scrollTop > 0)
  const scrolled = await page.evaluate(() => scrollY + document.querySelector('main').scrollTop)
  await page.waitForResponse(/\/endpoints/, { timeout: 8_000 })
  assert.equal(await page.evaluate(() => scrollY + document.querySelector('main').scrollTop), scrolled)
  assert.deepEqual(faults, [])
  await context.close()
})

test('theme and language are remembered, and the theme does not flash', async () => {
  const { page, context, faults } = await open('/', { theme: 'light' })
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await background()
  await page.getByRole('combobox', { name: 'Theme' }).selectOption('dark')
  const dark = await background()
  assert.notEqual(dark, light)
  await page.getByRole('combobox', { name: 'Language' }).selectOption('zh')
  await page.getByRole('heading', { name: '接口' }).waitFor()
  // Without the application's script only the style sheet and the theme's script have run.
  await page.route('**/assets/*.js', (route) => route.fulfill({ body: '', contentType: 'text/javascript' }))
  await page.reload()
  assert.equal(await background(), dark)
  await page.unroute('**/assets/*.js')
  await page.reload()
  await page.getByRole('heading', { name: '接口' }).waitFor()
  assert.deepEqual(faults, [])
  await context.close()
})

test('nothing is wider than a phone', async () => {
  for (const path of ['/', '/traces?q=x', `/trace/${ids.photos}`, `/trace/${ids.hostile}`]) {
    const { page, context, faults } = await open(path, { width: 390, height: 844 })
    await page.waitForLoadState('networkidle')
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, path)
    assert.deepEqual(faults, [])
    await context.close()
  }
})
