import { expect, test } from 'vitest'

import { attributeFilter, complete, endpointFilter, placeAt, positionOfByte, narrowed } from './scan.ts'

// | is the caret.
test.each([
  ['|', 'key', '', ''],
  ['{ |', 'key', '', ''],
  ['{ serv|', 'key', '', 'serv'],
  ['{ ser|vice.name', 'key', '', 'ser'],
  ['{ service.name |', 'operator', 'service.name', ''],
  ['{ service.name = |', 'value', 'service.name', ''],
  ['{ service.name = "mo|', 'value', 'service.name', 'mo'],
  ['{ service.name = "mo\\"v|', 'value', 'service.name', 'mo\\"v'],
  ['{ service.name =~ `GET .|', 'value', 'service.name', 'GET .'],
  ['{ status = er|', 'value', 'status', 'er'],
  ['{ service.name = "movie" |', 'join', '', ''],
  ['{ status = error |', 'join', '', ''],
  ['{ status = error && |', 'key', '', ''],
  ['{ status = error && dur| && root }', 'key', '', 'dur'],
  ['{ !(roo|', 'key', '', 'roo'],
  ['{ (root) |', 'join', '', ''],
])('at %s comes %s', (text, expect_, key, prefix) => {
  const caret = text.indexOf('|')
  const place = placeAt(text.replace('|', ''), caret)
  expect({ expect: place.expect, key: place.key, prefix: place.prefix }).toEqual({ expect: expect_, key, prefix })
})

test.each([
  ['{ serv|', 'service.name', '{ service.name |'],
  ['{ ser|vice.name = "web" }', 'service.version', '{ service.version |= "web" }'],
  ['{ service.name =|', '"web"', '{ service.name = "web" |'],
  ['{ service.name = "w|eb" }', '"movie"', '{ service.name = "movie" |}'],
  ['|', 'duration', 'duration |'],
])('completing %s with %s gives %s', (text, insert, want) => {
  const caret = text.indexOf('|')
  const whole = text.replace('|', '')
  const done = complete(whole, placeAt(whole, caret), insert)
  expect(`${done.text.slice(0, done.caret)}|${done.text.slice(done.caret)}`).toBe(want)
})

test('bytes of UTF-8 become positions of UTF-16', () => {
  const text = 'aé电👍b'
  expect([0, 1, 3, 6, 10, 11, 99].map((byte) => positionOfByte(text, byte))).toEqual([0, 1, 2, 3, 5, 6, 6])
})

test('filters quote what they name', () => {
  expect(endpointFilter('movie-web', 'GET "x" \\')).toBe(String.raw`{ root && service.name = "movie-web" && name = "GET \"x\" \\" }`)
  expect(attributeFilter('span', { key: 'http.route', type: 'string', value: '/a' })).toBe('{ span.http.route = "/a" }')
  expect(attributeFilter('resource', { key: 'my key', type: 'int', value: '-7' })).toBe('{ resource."my key" = -7 }')
  expect(attributeFilter('span', { key: 'on', type: 'bool', value: 'true' })).toBe('{ span.on = true }')
})

test.each([
  { key: '', type: 'string', value: 'x' },
  { key: 'big', type: 'string', value: 'x'.repeat(501) },
  { key: 'nan', type: 'double', value: 'NaN' },
  { key: 'list', type: 'list', value: '[]' },
])('no filter for $key of type $type', (attribute) => {
  expect(attributeFilter('span', attribute)).toBeNull()
})

test('conditions add up', () => {
  expect(narrowed(undefined, 'a = 1')).toBe('{ a = 1 }')
  expect(narrowed('{ a = 1 || b = 2 }', '!(c = 3)')).toBe('{ (a = 1 || b = 2) && !(c = 3) }')
})
