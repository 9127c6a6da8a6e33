import { Link } from '@tanstack/react-router'

import type { RequestRef, Why } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { ErrorIcon } from '../../components/icons.tsx'
import { formatDuration, formatShortTime } from '../../text/format.ts'

/** Requests to look at: the slowest of all, and what is typical of either population. */
export function Examples({ why, slowest }: { why: Why | undefined; slowest: readonly RequestRef[] }) {
  const t = useMessages()
  const e = t.endpoint.examples
  const a = why?.examples?.a ?? []
  const b = why?.examples?.b ?? []
  const pair = [a.at(0), b.at(0)] as const
  return (
    <section className="section examples-list" aria-labelledby="examples-title">
      <h2 id="examples-title">
        {e.title}
        {pair[0] !== undefined && pair[1] !== undefined && (
          <Link to="/compare" search={{ a: pair[0].traceId, b: pair[1].traceId }} className="part">
            {e.compare} ▸
          </Link>
        )}
      </h2>
      <div className="examples-columns">
        <List title={e.slowest} requests={slowest.slice(0, 5)} />
        <List title={e.typicalSlow} requests={a.slice(0, 5)} />
        <List title={e.typicalNormal} requests={b.slice(0, 5)} />
      </div>
    </section>
  )
}

function List({ title, requests }: { title: string; requests: readonly RequestRef[] }) {
  const t = useMessages()
  return (
    <div>
      <h3>{title}</h3>
      {requests.length === 0 && <p className="muted">–</p>}
      <ul>
        {requests.map((request) => (
          <li key={`${request.traceId} ${request.spanId}`}>
            <Link to="/trace/$id" params={{ id: request.traceId }}>
              {formatDuration(request.duration)}
            </Link>{' '}
            <span className="part">{formatShortTime(request.start)}</span>{' '}
            {request.error && (
              <span className="bad">
                <ErrorIcon /> {t.request.error}
              </span>
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}
