// The browser that the tests drive: the system's Chromium, without a screen.
import { chromium } from 'playwright-core'

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/**
 * A page in a context of its own, that records what must not happen: console errors, exceptions, failed requests, requests to another origin.
 * expected are patterns of console errors that a test provokes.
 */
export async function openPage(browser, origin, { theme = 'light', width = 1280, height = 800, language = 'en-GB', expected = [] } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height }, locale: language })
  const page = await context.newPage()
  const faults = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected.some((pattern) => pattern.test(message.text()))) faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack ?? error.message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(origin).origin) faults.push(`request to another origin: ${request.url()}`)
  })
  page.on('requestfailed', (request) => {
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') faults.push(`failed request: ${request.url()} ${request.failure()?.errorText}`)
  })
  return { page, context, faults }
}
