import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { eventsQuery } from '../../api/queries.ts'
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

const mostAttributes = 4
const typingPause = 200 // ms

/** The events of all spans in order of time; a click selects the span. */
export function Events({ trace, onSelect }: EventsProps) {
  const t = useMessages()
  const e = t.request.events
  const [typed, setTyped] = useState('')
  const [text, setText] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setText(typed.trim()), typingPause)
    return () => clearTimeout(timer)
  }, [typed])
  const { data, error, refetch } = useQuery(eventsQuery(trace, text))
  return (
    <div className="merged" tabIndex={0} role="region" aria-label={e.title}>
      <p className="events-head">
        <input type="search" aria-label={e.filter} placeholder={e.filter} value={typed} onChange={(event) => setTyped(event.target.value)} />{' '}
        <span className="muted" role="status">
          {data === undefined ? t.app.loading : e.counted(formatCount(data.events.length), formatCount(data.matched), formatCount(data.total))}
        </span>
      </p>
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {data !== undefined && data.events.length > 0 && (
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
            {data.events.map((event, i) => (
              <tr key={i}>
                <td className="number">+{formatDuration(event.offset)}</td>
                <th scope="row">
                  <button type="button" className="row-link" onClick={() => onSelect(event.row)}>
                    <Text value={cut(event.name, 120)} />
                  </button>
                </th>
                <td>
                  <span className="service">
                    <Text value={cut(trace.services[trace.service[event.row]], 60)} />
                  </span>{' '}
                  <Text value={cut(trace.names[trace.name[event.row]], 80)} />
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
