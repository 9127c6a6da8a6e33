import { useId, useRef, useState } from 'react'

import { useMessages } from '../app/preferences.ts'
import { defaultRange, ranges, type Range, type TimeSearch, toLocalInput } from '../filter/time.ts'
import { formatTime } from '../text/format.ts'

interface TimeRangeProps {
  value: TimeSearch
  onChange: (value: TimeSearch) => void
}

const hours: Record<Range, number> = { '15m': 0.25, '1h': 1, '6h': 6, '24h': 24 }

const shown = (instant: string): string => formatTime(String(BigInt(Date.parse(instant)) * 1_000_000n)).replace(/\.000$/, '')

/** Chooses a range up to now, or two fixed ends. */
export function TimeRange({ value, onChange }: TimeRangeProps) {
  const t = useMessages()
  const id = useId()
  const popover = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const isFixed = value.from !== undefined
  const range = value.range ?? defaultRange
  const isReversed = from !== '' && to !== '' && from >= to

  const prepare = () => {
    const end = value.to === undefined ? new Date() : new Date(value.to)
    const start = value.from === undefined ? new Date(end.getTime() - hours[range] * 3_600_000) : new Date(value.from)
    setFrom(toLocalInput(start))
    setTo(toLocalInput(end))
  }
  const place = () => {
    const at = button.current?.getBoundingClientRect()
    const box = popover.current
    if (at === undefined || box === null) return
    box.style.top = `${at.bottom + 4}px`
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`
  }
  const choose = (next: TimeSearch) => {
    popover.current?.hidePopover()
    onChange(next)
  }
  return (
    <div className="time-range">
      <button
        ref={button}
        type="button"
        className="select"
        popoverTarget={id}
        aria-haspopup="dialog"
        aria-label={`${t.time.label}: ${isFixed ? t.time.absolute : t.time.ranges[range]}`}
        onClick={prepare}
      >
        {value.from === undefined
          ? t.time.ranges[range]
          : `${shown(value.from)} – ${value.to === undefined ? t.time.untilNow : shown(value.to)}`}
      </button>
      <div ref={popover} id={id} popover="auto" role="dialog" aria-label={t.time.label} className="panel popover" onToggle={place}>
        <div className="choices">
          {ranges.map((choice) => (
            <button
              key={choice}
              type="button"
              aria-pressed={!isFixed && choice === range}
              onClick={() => choose(choice === defaultRange ? {} : { range: choice })}
            >
              {t.time.ranges[choice]}
            </button>
          ))}
        </div>
        <form
          className="fixed-range"
          onSubmit={(event) => {
            event.preventDefault()
            if (from !== '' && !isReversed)
              choose({ from: new Date(from).toISOString(), ...(to === '' ? {} : { to: new Date(to).toISOString() }) })
          }}
        >
          <h3>{t.time.absolute}</h3>
          <label>
            <span>{t.time.from}</span>
            <input type="datetime-local" step={1} required value={from} onChange={(event) => setFrom(event.target.value)} />
          </label>
          <label>
            <span>{t.time.to}</span>
            <input type="datetime-local" step={1} value={to} onChange={(event) => setTo(event.target.value)} />
          </label>
          {isReversed && <p className="wrong">{t.time.reversed}</p>}
          <button type="submit" className="primary" disabled={from === '' || isReversed}>
            {t.time.apply}
          </button>
        </form>
      </div>
    </div>
  )
}
