import { Link } from '@tanstack/react-router'

import type { FoundTrace } from '../../api/types.ts'
import { useMessages } from '../../app/preferences.ts'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import type { Messages } from '../../i18n/en.ts'
import { formatCount, formatDuration, formatShortTime, formatTime, toDate } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'

const nameLimit = 160 // characters

export function FoundTable({ traces, now, dimmed }: { traces: FoundTrace[]; now: Date; dimmed: boolean }) {
  const t = useMessages()
  const longest = Math.max(...traces.map((trace) => trace.duration), 1)
  const c = t.search.columns
  const d = t.search.defined
  return (
    <div className={dimmed ? 'table-box dimmed' : 'table-box'} tabIndex={0} role="region" aria-label={t.search.title}>
      <table className="found">
        <thead>
          <tr>
            <Head label={c.request} definition={d.request} />
            <Head label={c.span} definition={d.span} className="number" />
            <Head label={c.trace} definition={d.trace} className="column-bar" />
            <Head label={c.spans} definition={d.spans} className="number column-spans" />
            <Head label={c.errors} definition={d.errors} className="number column-errors" />
            <Head label={c.services} definition={d.services} className="column-services" />
            <Head label={c.start} definition={d.start} className="column-start" />
          </tr>
        </thead>
        <tbody>
          {traces.map((trace) => (
            <FoundRow key={trace.traceId} trace={trace} longest={longest} now={now} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Head({ label, definition, className = '' }: { label: string; definition: string; className?: string }) {
  return (
    <th scope="col" className={className}>
      <Term definition={definition}>{label}</Term>
    </th>
  )
}

function FoundRow({ trace, longest, now }: { trace: FoundTrace; longest: number; now: Date }) {
  const t = useMessages()
  const { root, match } = trace
  const isRoot = root !== null && root.service === match.service && root.name === match.name && root.duration === match.duration
  const bar = Math.max((100 * trace.duration) / longest, 0.4)
  const part = Math.min(Math.max((100 * match.duration) / longest, 0.4), bar)
  return (
    <tr>
      <th scope="row" className="column-request">
        <Link to="/trace/$id" params={{ id: trace.traceId }} search={isRoot ? {} : { span: match.spanId }} className="row-link">
          {root === null ? (
            <span className="muted">{t.search.rootMissing}</span>
          ) : (
            <>
              <span className="service">
                <Text value={cut(root.service, nameLimit)} />
              </span>{' '}
              <Text value={cut(root.name, nameLimit)} />
            </>
          )}
        </Link>
        {!isRoot && (
          <span className="matched">
            {match.error && <ErrorIcon />} <Text value={cut(match.service, nameLimit)} /> <Text value={cut(match.name, nameLimit)} />
          </span>
        )}
      </th>
      <td className="number strong">{formatDuration(match.duration)}</td>
      <td className="column-bar">
        <span className="share">
          <svg className="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden>
            <rect className="share-whole" width={bar} height="1" />
            <rect className="share-part" width={part} height="1" />
          </svg>
          <span className="share-text">{formatDuration(trace.duration)}</span>
        </span>
      </td>
      <td className="number column-spans">{formatCount(trace.spans)}</td>
      <td className={trace.errors > 0 ? 'number column-errors bad' : 'number column-errors zero'}>
        {trace.errors > 0 && <ErrorIcon />} {formatCount(trace.errors)}
      </td>
      <td className="column-services">
        <span title={plain(trace.services.join(', '), 1000)}>
          {trace.services.length <= 3 ? (
            <Text value={cut(trace.services.join(', '), 60)} />
          ) : (
            t.search.services(formatCount(trace.services.length))
          )}
        </span>
      </td>
      <td className="column-start">
        <time dateTime={toDate(trace.start).toISOString()} title={formatTime(trace.start)}>
          {formatShortTime(trace.start, now)} <span className="part">{ago(t, toDate(trace.start), now)}</span>
        </time>
      </td>
    </tr>
  )
}

function ago(t: Messages, then: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - then.getTime()) / 1000))
  if (seconds < 60) return t.time.ago.seconds(seconds)
  if (seconds < 3600) return t.time.ago.minutes(Math.round(seconds / 60))
  if (seconds < 86_400) return t.time.ago.hours(Math.round(seconds / 3600))
  return t.time.ago.days(Math.round(seconds / 86_400))
}
