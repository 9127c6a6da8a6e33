// Numbers as people read them. A number and its unit are joined by a no-break space.

const space = '\u00a0'

/** Nanoseconds with three significant digits, which a column keeps: 850 µs, 4.40 ms, 1.31 s, 2 min 3 s, 3 h 20 min. */
export function formatDuration(nanoseconds: number): string {
  if (!Number.isFinite(nanoseconds)) return '–'
  if (nanoseconds < 0) return `-${formatDuration(-nanoseconds)}`
  if (nanoseconds < 999.5) return `${Math.round(nanoseconds)}${space}ns`
  for (const [unit, size] of smallUnits) {
    const digits = (nanoseconds / size).toPrecision(3)
    if (Number(digits) < (unit === 's' ? 60 : 1000)) return `${digits}${space}${unit}`
  }
  const seconds = Math.round(nanoseconds / 1e9)
  if (seconds < 3600) return two(seconds, 60, 'min', 's')
  if (seconds < 86_400) return two(Math.round(seconds / 60), 60, 'h', 'min')
  return two(Math.round(seconds / 3600), 24, 'd', 'h')
}

/** The same without zeros at the end, for the round numbers of an axis: 4.4 ms, 200 ms, 0. */
export const formatTick = (nanoseconds: number): string =>
  nanoseconds === 0 ? '0' : formatDuration(nanoseconds).replace(/\.(\d*?)0+(?=\D|$)/, (_, kept: string) => (kept === '' ? '' : `.${kept}`))

const smallUnits: readonly [string, number][] = [
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
]

function two(amount: number, base: number, large: string, small: string): string {
  const rest = amount % base
  const head = `${Math.floor(amount / base)}${space}${large}`
  return rest === 0 ? head : `${head} ${rest}${space}${small}`
}

const unitSizes: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 6e10, min: 6e10, h: 3.6e12 }

/** Reads 5ms, 1.5s, 1m30s into nanoseconds; null for anything else. */
export function parseDuration(text: string): number | null {
  const pattern = /(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|min|s|m|h)/gy
  let total = 0
  let read = 0
  for (const [part, amount, unit] of text.matchAll(pattern)) {
    total += Number(amount) * unitSizes[unit]
    read += part.length
  }
  return read === text.length && read > 0 ? total : null
}

/** Groups digits: 18,432 in every language that we speak. */
export const formatCount = (n: number): string => countFormat.format(n)
const countFormat = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A share from 0 to 1 as a percentage: 41 %, 0.3 %, <0.1 %, 0 %. */
export function formatShare(share: number): string {
  const percent = share * 100
  if (!Number.isFinite(percent)) return '–'
  if (percent === 0) return `0${space}%`
  if (percent < 0.1) return `<0.1${space}%`
  if (percent >= 10 || percent === Math.round(percent))
    return `${percent > 99.5 && percent < 100 ? percent.toFixed(1) : Math.round(percent)}${space}%`
  return `${percent.toFixed(1)}${space}%`
}

/** The unit in which a column of rates (events per second) is readable: the same for all of them. */
export const rateUnit = (perSecond: readonly number[]): RateUnit => (Math.max(0, ...perSecond) >= 10 ? 's' : 'min')
export type RateUnit = 's' | 'min'

/** Events per second in a unit: 12.3/s, 0.82/min. */
export function formatRate(perSecond: number, unit: RateUnit): string {
  const rate = unit === 's' ? perSecond : perSecond * 60
  if (rate === 0) return `0/${unit}`
  if (rate < 0.01) return `<0.01/${unit}`
  return `${rate >= 1000 ? formatCount(rate) : rate.toFixed(rate >= 100 ? 0 : rate >= 10 ? 1 : 2)}/${unit}`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes}${space}B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let amount = bytes / 1000
  let unit = 0
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${Number(amount.toPrecision(3))}${space}${units[unit]}`
}

const pad = (n: number, digits = 2): string => String(n).padStart(digits, '0')

export const toDate = (nanoseconds: string): Date => new Date(Number(BigInt(nanoseconds) / 1_000_000n))

/** Local time with milliseconds: 2026-11-24 18:52:37.104. */
export function formatTime(nanoseconds: string): string {
  const d = toDate(nanoseconds)
  return `${formatDay(d)} ${formatClock(d)}`
}

/** Local time of day with milliseconds, preceded by the day unless it is today. */
export function formatShortTime(nanoseconds: string, now = new Date()): string {
  const d = toDate(nanoseconds)
  return formatDay(d) === formatDay(now) ? formatClock(d) : `${formatDay(d)} ${formatClock(d)}`
}

const formatDay = (d: Date): string => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`
const formatClock = (d: Date): string => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`

/** A mean of counts: 198, 11.8, 1, 0.04. */
export function formatMean(n: number): string {
  if (!Number.isFinite(n)) return '–'
  if (n === 0) return '0'
  if (Math.abs(n) < 0.01) return '<0.01'
  if (Math.abs(n) >= 99.95) return formatCount(n)
  return String(Number(n.toPrecision(3)))
}

/** How often one is contained in the other: 2.1×, 17×, 0.83×. */
export function formatTimes(ratio: number): string {
  if (!Number.isFinite(ratio)) return '–'
  return `${ratio >= 10 ? formatCount(ratio) : Number(ratio.toPrecision(2))}×`
}

/** A difference of durations with its sign: +640 ms, −3.20 ms, 0 ns. */
export const formatSigned = (nanoseconds: number): string =>
  Math.abs(nanoseconds) < 0.5 ? '0' : `${nanoseconds > 0 ? '+' : '−'}${formatDuration(Math.abs(nanoseconds))}`

/** Local time of day to the minute, preceded by the day unless it is today; Unix ms. */
export function formatMinute(ms: number, now = new Date()): string {
  const d = new Date(ms)
  const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}`
  return formatDay(d) === formatDay(now) ? clock : `${formatDay(d)} ${clock}`
}
