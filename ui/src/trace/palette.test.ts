import { expect, test } from 'vitest'

import { assignColours, paletteSize } from './palette.ts'

test('services of a trace differ as long as there are colours', () => {
  const services = Array.from({ length: paletteSize }, (_, i) => `service-${i}`)
  expect(new Set(assignColours(services)).size).toBe(paletteSize)
})

test('more services than colours share them', () => {
  const colours = assignColours(Array.from({ length: 40 }, (_, i) => `s${i}`))
  expect(colours).toHaveLength(40)
  expect(Math.max(...colours)).toBeLessThan(paletteSize)
})

test('a service that comes first has the same colour everywhere', () => {
  expect(assignColours(['movie-web', 'pic'])[0]).toBe(assignColours(['movie-web', 'user', 'rating'])[0])
})
