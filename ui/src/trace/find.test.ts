import { expect, test } from 'vitest'

import { askedOf, findRows } from './find.ts'
import { decodeTrace } from './model.ts'
import { sampleSkeleton } from './sample.ts'

const trace = decodeTrace(
  sampleSkeleton(`
    0 web 0 9000000
    1 Movie.Get 0 5000000
    2 mysql 0 4000000 !
    1 redis 0 300000`),
)

test.each([
  ['movie', '', [1]],
  ['MOVIE get', '', [1]],
  ['movie redis', '', []],
  ['duration>4ms', '', [0, 1]],
  ['duration>=4ms mo', '', [1]],
  ['duration<1ms', '', [3]],
  ['duration<=300us', '', [3]],
  ['duration=5ms', '', [1]],
  ['self>4ms', '', []],
  ['self>=3.7ms', '', [0, 2]],
  ['error', '', [2]],
  ['status=error', '', [2]],
  ['', 'redis', [3]],
  ['', 'red', []],
  ['service=redis', '', [3]],
  ['service!=redis', '', [0, 1, 2]],
  ['name~=^m', '', [1, 2]],
  ['type!~^m', '', [0, 3]],
  ['name~=(', '', []],
  ['children>0', '', [0, 1]],
  ['children=2', '', [0]],
  ['duration>banana', '', []],
])('%j of type %j finds %j', (text, type, rows) => {
  expect([...(findRows(trace, { text, type })?.rows ?? [])]).toEqual(rows)
})

test.each([
  ['movie duration>5ms error', ''],
  ['http.route=/x movie', '{ ."http.route" = "/x" }'],
  ['db.query.text~="select 1" tenant!=7', '{ ."db.query.text" =~ "(?i).*(?:select 1).*" && ."tenant" != "7" }'],
  ['http.response.status_code>=500 wait<1.5ms', '{ ."http.response.status_code" >= 500 && ."wait" < 1.5ms }'],
  ['size>large', ''],
  [String.raw`path="C:\\a\"b"`, String.raw`{ ."path" = "C:\\a\"b" }`],
  [' { span.db.system = "mysql" } ', '{ span.db.system = "mysql" }'],
])('of %j the server is asked %j', (text, filter) => {
  expect(askedOf(text)).toBe(filter)
})

test('what the server is asked is not looked for here', () => {
  expect(findRows(trace, { text: 'http.route=/x', type: '' })).toBeNull()
  expect([...(findRows(trace, { text: 'http.route=/x redis', type: '' })?.rows ?? [])]).toEqual([3])
  expect(findRows(trace, { text: '{ name = "x" }', type: '' })).toBeNull()
})

test('of some rows only these are found', () => {
  const within = Uint8Array.of(1, 0, 1, 0)
  expect([...(findRows(trace, { text: 'm', type: '', within })?.rows ?? [])]).toEqual([2])
  expect([...(findRows(trace, { text: '', type: '', within })?.rows ?? [])]).toEqual([0, 2])
})

test('nothing to look for is no filter', () => {
  expect(findRows(trace, { text: ' ', type: '' })).toBeNull()
})

test('what is found is kept with all above it', () => {
  expect([...(findRows(trace, { text: 'mysql', type: '' })?.keep ?? [])]).toEqual([1, 1, 1, 0])
})
