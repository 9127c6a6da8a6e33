import { useQueries } from '@tanstack/react-query'
import { useState } from 'react'

import { mostSpans, spansFromQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import type { Trace } from '../../trace/model.ts'

interface EventsProps {
  trace: Trace
  onSelect: (row: number) => void
}

const atFirst = 5 // answers of mostSpans spans each
const mostAttributes = 4
const mostLines = 1000

/** The events of all spans in order of time; a click selects the span. */
export function Events({ trace, onSelect }: EventsProps) {
  const t = useMessages()
  const e = t.request.events
  const [answers, setAnswers] = useState(atFirst)
  const [filter, setFilter] = useState('')
  const wanted = Math.min(answers, Math.ceil(trace.size / mostSpans))
  const results = useQueries({ queries: Array.from({ length: wanted }, (_, i) => spansFromQuery(trace, trace.size, i * mostSpans)) })
  const failed = results.find(({ error }) => error !== null)
  const read = Math.min(results.filter(({ data }) => data !== undefined).length * mostSpans, trace.size)
  const text = filter.trim().toLowerCase()
  const events = results
    .flatMap(({ data }) => data ?? [])
    .flatMap((span) => (span.events ?? []).map((event) => ({ span, event, since: Number(BigInt(event.time) - BigInt(trace.start)) })))
    .filter(
      ({ event }) =>
        text === '' || [event.name, ...(event.attributes ?? []).flatMap(({ key, value }) => [key, value])].some((part) => part.toLowerCase().includes(text)),
    )
    .toSorted((a, b) => a.since - b.since)
  return (
    <div className="merged" tabIndex={0} role="region" aria-label={e.title}>
      <p className="events-head">
        <input type="search" aria-label={e.filter} placeholder={e.filter} value={filter} onChange={(event) => setFilter(event.target.value)} />{' '}
        <span className="muted" role="status">
          {e.counted(formatCount(Math.min(events.length, mostLines)), formatCount(events.length), formatCount(read), formatCount(trace.size))}
        </span>{' '}
        {wanted * mostSpans < trace.size && (
          <button type="button" className="link" onClick={() => setAnswers(answers * 2)}>
            {e.more}
          </button>
        )}
      </p>
      {failed?.error !== undefined && failed.error !== null && <Failure error={failed.error} retry={() => void failed.refetch()} />}
      {events.length > 0 && (
        <table className="merged-table events-table">
          <thead>
            <tr>
              <th scope="col" className="number">
                {e.time}
              </th>
              <th scope="col">{e.event}</th>
              <th scope="col">{e.span}</th>
              <th scope="col">{t.span.attributes}</th>
            </tr>
          </thead>
          <tbody>
            {events.slice(0, mostLines).map(({ span, event, since }, i) => (
              <tr key={i}>
                <td className="number">+{formatDuration(since)}</td>
                <th scope="row">
                  <button type="button" className="row-link" onClick={() => onSelect(span.row)}>
                    <Text value={cut(event.name, 120)} />
                  </button>
                </th>
                <td>
                  <span className="service">
                    <Text value={cut(span.service, 60)} />
                  </span>{' '}
                  <Text value={cut(span.name, 80)} />
                </td>
                <td className="event-attributes mono">
                  {(event.attributes ?? []).slice(0, mostAttributes).map((attribute, k) => (
                    <span key={k}>
                      <Text value={`${cut(attribute.key, 60)}=${cut(attribute.value, 160)}`} />{' '}
                    </span>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  )
}
