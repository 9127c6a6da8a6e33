import { expect, test } from 'vitest'

import { formatBytes, formatCount, formatDuration, formatRate, formatShare, formatTick, parseDuration, rateUnit } from './format.ts'

const plain = (text: string) => text.replaceAll('\u00a0', ' ')

test.each([
  [0, '0 ns'],
  [1, '1 ns'],
  [999, '999 ns'],
  [1_000, '1.00 µs'],
  [850_400, '850 µs'],
  [999_600, '1.00 ms'],
  [4_400_000, '4.40 ms'],
  [812_000_000, '812 ms'],
  [1_310_000_000, '1.31 s'],
  [59_940_000_000, '59.9 s'],
  [59_990_000_000, '1 min'],
  [123_000_000_000, '2 min 3 s'],
  [3_600_000_000_000, '1 h'],
  [12_000_000_000_000, '3 h 20 min'],
  [9e15, '104 d 4 h'],
  [-4_400_000, '-4.40 ms'],
  [NaN, '–'],
  [Infinity, '–'],
])('%d ns is %s', (nanoseconds, want) => {
  expect(plain(formatDuration(nanoseconds))).toBe(want)
})

test.each([
  [0, '0'],
  [200_000_000, '200 ms'],
  [4_400_000, '4.4 ms'],
  [1_000_000_000, '1 s'],
  [20_000_000_000, '20 s'],
  [1_250_000, '1.25 ms'],
])('on an axis %d ns is %s', (nanoseconds, want) => {
  expect(plain(formatTick(nanoseconds))).toBe(want)
})

test.each([
  ['5ms', 5e6],
  ['1.5s', 1.5e9],
  ['1m30s', 9e10],
  ['20us', 2e4],
  ['20µs', 2e4],
  ['2h', 7.2e12],
  ['5', null],
  ['ms', null],
  ['5ms!', null],
  ['', null],
])('%j is read as %j', (text, want) => {
  expect(parseDuration(text)).toBe(want)
})

test.each([
  [0, '0 %'],
  [0.0004, '<0.1 %'],
  [0.003, '0.3 %'],
  [0.096, '9.6 %'],
  [0.41, '41 %'],
  [0.998, '99.8 %'],
  [1, '100 %'],
  [NaN, '–'],
])('a share of %d is %s', (share, want) => {
  expect(plain(formatShare(share))).toBe(want)
})

test('rates of a column have one unit', () => {
  expect(rateUnit([0.1, 12])).toBe('s')
  expect(rateUnit([0.1, 3])).toBe('min')
  expect(rateUnit([])).toBe('min')
  expect([0, 0.0001, 0.114, 1.5, 40].map((rate) => formatRate(rate, 'min'))).toEqual([
    '0/min',
    '<0.01/min',
    '6.84/min',
    '90.0/min',
    '2,400/min',
  ])
  expect(formatRate(123.4, 's')).toBe('123/s')
})

test('counts and bytes', () => {
  expect(formatCount(18432)).toBe('18,432')
  expect([999, 1000, 999_600, 1_048_576].map((bytes) => plain(formatBytes(bytes)))).toEqual(['999 B', '1 kB', '1 MB', '1.05 MB'])
})
