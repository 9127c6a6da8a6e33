import { useMessages } from '../app/preferences.ts'
import { formatTimes } from '../text/format.ts'

/** Between these, now is about as before. */
const same = { low: 0.95, high: 1.05 }

interface ChangeProps {
  now: number
  before: number | undefined
  /** The figure before, written. */
  was: string
  /** More of it is neither good nor bad. */
  neutral?: boolean
}

/** How a figure has changed: an arrow and the ratio, in words for whoever does not see the arrow. */
export function Change({ now, before, was, neutral = false }: ChangeProps) {
  const t = useMessages()
  if (before === undefined || !(before > 0) || !(now >= 0)) return null
  const ratio = now / before
  const isMore = ratio > same.high
  const isLess = ratio < same.low
  const words = isMore ? t.change.more : isLess ? t.change.less : t.change.same
  return (
    <span className={isMore && !neutral ? 'change bad' : 'change'} title={words(formatTimes(ratio), was)}>
      <span aria-hidden>
        {isMore ? '▲' : isLess ? '▼' : '='}
        {(isMore || isLess) && ` ${formatTimes(ratio)}`}
      </span>
      <span className="unheard">{words(formatTimes(ratio), was)}</span>
    </span>
  )
}
