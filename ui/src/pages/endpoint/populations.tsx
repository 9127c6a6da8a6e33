import { useState } from 'react'

import type { Figures, PathDifference, Population, Why } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { CloseIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration, formatMean, formatMinute, formatShare, toDate } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import { defaultNormal, defaultSlow, isPopulation, normalChoices, slowChoices, type EndpointSearch } from './search.ts'

interface PopulationsProps {
  search: EndpointSearch
  why: Why | undefined
  before: Figures | null
  onChange: (changes: Partial<EndpointSearch>) => void
}

/** Which requests are compared, and in one sentence what the slow ones do. */
export function Populations({ search, why, before, onChange }: PopulationsProps) {
  const t = useMessages()
  const p = t.endpoint.populations
  const top = why?.paths?.reduce<PathDifference | undefined>((best, path) => (path.extra > (best?.extra ?? 0) ? path : best), undefined)
  return (
    <section className="panel populations" aria-labelledby="verdict-title">
      <h2 id="verdict-title">{p.title}</h2>
      {why === undefined ? (
        <p className="muted">{t.app.loading}</p>
      ) : why.a.looked === 0 || why.b.looked === 0 ? (
        <p>{why.a.looked === 0 ? p.noSlow : p.noNormal}</p>
      ) : (
        <p className="verdict" data-verdict>
          {why.extra < 0 ? p.shorter(formatDuration(-why.extra)) : p.longer(formatDuration(why.extra))}{' '}
          {top !== undefined && why.extra > 0 && (
            <>
              {p.because(formatShare(top.share))}{' '}
              <strong>
                <Text value={cut(top.label, 120)} />
              </strong>
              {reason(t.endpoint.populations, top)}
            </>
          )}
        </p>
      )}
      <Side
        label={p.slow}
        className="slow"
        choices={slowChoices}
        names={p.slowNames}
        value={search.slow ?? defaultSlow}
        population={why?.a}
        onChange={(slow) => onChange({ slow: slow === defaultSlow ? undefined : slow })}
      />
      <TimePart from={search.slowFrom} to={search.slowTo} onClear={() => onChange({ slowFrom: undefined, slowTo: undefined })} />
      <Side
        label={p.normal}
        className="normal"
        choices={normalChoices}
        names={p.normalNames}
        value={search.normal ?? defaultNormal}
        population={why?.b}
        onChange={(normal) => onChange({ normal: normal === defaultNormal ? undefined : normal })}
      />
      <TimePart from={search.normalFrom} to={search.normalTo} onClear={() => onChange({ normalFrom: undefined, normalTo: undefined })} />
      {before !== null && before.requests > 0 && search.normalFrom === undefined && (
        <button
          type="button"
          className="link"
          onClick={() =>
            onChange({ slow: '..', normal: '..', slowFrom: undefined, slowTo: undefined, normalFrom: iso(before.from), normalTo: iso(before.to) })
          }
        >
          {p.againstBefore}
        </button>
      )}
    </section>
  )
}

const iso = (nanoseconds: string): string => toDate(nanoseconds).toISOString()

/** The part of the time that a population is of, where that is not the whole range. */
function TimePart({ from, to, onClear }: { from: string | undefined; to: string | undefined; onClear: () => void }) {
  const t = useMessages()
  if (from === undefined || to === undefined) return null
  const text = `${formatMinute(Date.parse(from))} – ${formatMinute(Date.parse(to))}`
  return (
    <button type="button" className="chip" aria-label={`${text}: ${t.endpoint.populations.wholeRange}`} onClick={onClear}>
      {text} <CloseIcon />
    </button>
  )
}

function reason(
  p: { more: (from: string, to: string) => string; longerEach: (from: string, to: string) => string },
  { a, b }: PathDifference,
): string {
  return Math.abs(a.calls - b.calls) > 0.2 * Math.max(a.calls, b.calls)
    ? p.more(formatMean(b.calls), formatMean(a.calls))
    : p.longerEach(formatDuration(b.self), formatDuration(a.self))
}

interface SideProps {
  label: string
  className: string
  choices: readonly string[]
  names: Record<string, string>
  value: string
  population: Population | undefined
  onChange: (value: string) => void
}

/** One population: chosen from a list, or typed as 300ms..2s. */
function Side({ label, className, choices, names, value, population, onChange }: SideProps) {
  const t = useMessages()
  const p = t.endpoint.populations
  const isOwn = !choices.includes(value)
  return (
    <div className={`side ${className}`}>
      <label>
        <span className="side-name">{label}</span>
        <select value={isOwn ? 'own' : value} onChange={(event) => onChange(event.target.value === 'own' ? ownOf(population) : event.target.value)}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {names[choice]}
            </option>
          ))}
          <option value="own">{p.own}</option>
        </select>
      </label>
      {isOwn && <OwnBounds key={value} value={value} label={label} onChange={onChange} />}
      {population !== undefined && (
        <p className="muted" title={`${t.time.from} ${toDate(population.from).toLocaleString()} – ${toDate(population.to).toLocaleString()}`}>
          {boundsText(population)}
          {p.counted(formatCount(population.requests), formatCount(population.looked), formatDuration(population.mean))}
        </p>
      )}
    </div>
  )
}

function OwnBounds({ value, label, onChange }: { value: string; label: string; onChange: (value: string) => void }) {
  const t = useMessages()
  const [text, setText] = useState(value)
  const isWrong = !isPopulation(text.trim())
  return (
    <form
      className="own-bounds"
      onSubmit={(event) => {
        event.preventDefault()
        if (!isWrong) onChange(text.trim())
      }}
    >
      <input
        type="text"
        className="mono"
        aria-label={`${label}: ${t.endpoint.populations.bounds}`}
        aria-invalid={isWrong}
        title={t.endpoint.populations.bounds}
        value={text}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" disabled={isWrong}>
        {t.time.apply}
      </button>
    </form>
  )
}

const boundsText = ({ over, upTo }: Population): string =>
  over > 0 && upTo > 0 ? `${formatDuration(over)} – ${formatDuration(upTo)} · ` : over > 0 ? `> ${formatDuration(over)} · ` : upTo > 0 ? `≤ ${formatDuration(upTo)} · ` : ''

const microseconds = (ns: number): string => (ns > 0 ? `${Math.max(1, Math.round(ns / 1e3))}us` : '')

/** The bounds that a population has now, as a beginning for own ones. */
function ownOf(population: Population | undefined): string {
  return `${microseconds(population?.over ?? 0)}..${microseconds(population?.upTo ?? 0)}`
}
