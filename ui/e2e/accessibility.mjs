// What axe-core finds wrong with a page.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Serious and critical violations, one line each. */
export async function violations(page) {
  await page.evaluate(source)
  const { violations: all } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return all
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}: ${nodes
          .map((node) => `${node.target.join(' ')} (${node.failureSummary?.split('\n').slice(1).join(';')})`)
          .slice(0, 4)
          .join(' | ')}`,
    )
}
