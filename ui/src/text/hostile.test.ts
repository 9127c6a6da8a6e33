import { expect, test } from 'vitest'

import { cut, pieces, plain } from './hostile.ts'

test('ordinary text in any script is left alone', () => {
  for (const text of ['GET /subject/{id}', '电影 评分', 'שלום', 'می‌خواهم', '👩‍💻', '<b>not bold</b>', '']) {
    expect(pieces(text).every((piece) => piece.code === undefined)).toBe(true)
    expect(plain(text)).toBe(text)
  }
})

test.each([
  ['an override', 'a\u202Eb', 'U+202E'],
  ['an isolate', 'a\u2066b', 'U+2066'],
  ['a zero-width space', 'a\u200Bb', 'U+200B'],
  ['a bell', 'a\u0007b', 'U+0007'],
  ['a line feed', 'a\nb', 'U+000A'],
  ['a C1 control', 'a\u009bb', 'U+009B'],
  ['half a surrogate pair', 'a\ud800b', 'U+D800'],
  ['a tag character', 'a\u{e0041}b', 'U+E0041'],
])('%s is named instead of shown', (_, text, code) => {
  expect(pieces(text).map((piece) => piece.code)).toEqual([undefined, code, undefined])
})

test('lines stay lines where they are wanted', () => {
  expect(pieces('a\n\tb\u0000', true)).toEqual([{ text: 'a\n\tb' }, { text: 'NUL', code: 'U+0000' }])
})

test('cutting does not split a character', () => {
  expect(cut('ab👍c', 3)).toBe('ab')
  expect(cut('ab👍c', 4)).toBe('ab👍')
  expect(cut('abc', 3)).toBe('abc')
  expect(plain('abcdef', 3)).toBe('abc…')
})
