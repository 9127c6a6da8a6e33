import { expect, test } from 'vitest'

import { parseTraceReference } from './traceid.ts'

const id = '6741e9f07f0000010b63ce930d03a1f5'
const span = '00f067aa0ba902b7'

test.each([
  [id, { traceId: id }],
  [id.toUpperCase(), { traceId: id }],
  [`  "${id}",\n`, { traceId: id }],
  [span, { traceId: span }],
  [`00-${id}-${span}-01`, { traceId: id, spanId: span }],
  [`00-${id}-0000000000000000-01`, { traceId: id }],
  [`cc-${id}-${span}-01-what-will-be`, { traceId: id, spanId: span }],
  [`${id}-${span}-1`, { traceId: id, spanId: span }],
  [`${span}-${span}`, { traceId: span, spanId: span }],
  ['6741e9f0-7f00-0001-0b63-ce930d03a1f5', { traceId: id }],
  ['Z0Hp8H8AAAELY86TDQOh9Q==', { traceId: id }],
  ['Z0Hp8H8AAAELY86TDQOh9Q', { traceId: id }],
  ['APBnqgupArc=', { traceId: span }],
  [`http://127.0.0.1:7700/trace/${id}?type=mc&span=${span}`, { traceId: id, spanId: span }],
  [`/trace/${id}`, { traceId: id }],
])('%s names a trace', (text, want) => {
  expect(parseTraceReference(text)).toEqual(want)
})

test.each(['', 'web', 'hello-world', 'deadbeef', '{ service.name = "web" }', '0'.repeat(32), `${id}0`, 'duration > 100ms', 'abcdefghijk'])(
  '%j does not',
  (text) => {
    expect(parseTraceReference(text)).toBeNull()
  },
)
