import { Link } from '@tanstack/react-router'

import { useMessages } from '../../app/preferences.ts'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration, formatShare } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import type { Trace } from '../../trace/model.ts'

const mostCauses = 3

/** What the request wastes, the dearest first, and the ways on from it. */
export function Causes({ trace, onSelect }: { trace: Trace; onSelect: (row: number) => void }) {
  const t = useMessages()
  const c = t.request.causes
  if (trace.causes.length === 0) return null
  return (
    <ul className="causes" aria-label={c.title}>
      {trace.causes.slice(0, mostCauses).map((cause) => (
        <li key={`${cause.kind} ${cause.pathId}`}>
          <span className="tag">
            <ErrorIcon /> {t.findings.kinds[cause.kind] ?? cause.kind}
          </span>{' '}
          <button type="button" className="link" onClick={() => onSelect(cause.rows[0])}>
            <Text value={cut(cause.label, 120)} />
          </button>{' '}
          {c.text(formatCount(cause.calls), formatDuration(cause.covered), formatShare(cause.serial), formatDuration(cause.saving))}{' '}
          {cause.finding !== '' && (
            <Link to="/findings/$id" params={{ id: cause.finding }}>
              {c.finding} ▸
            </Link>
          )}
        </li>
      ))}
      {trace.causes.length > mostCauses && <li className="muted">{t.endpoints.showing(formatCount(mostCauses), formatCount(trace.causes.length))}</li>}
    </ul>
  )
}
