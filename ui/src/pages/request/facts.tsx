import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'

import { fileAddress } from '../../api/client.ts'
import { isOpened } from '../../api/files.ts'
import { percentileQuery } from '../../api/queries.ts'

import { useMessages } from '../../app/preferences.ts'
import { CopyButton } from '../../components/copy.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration, formatShare, formatTime, toDate } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import type { Trace } from '../../trace/model.ts'
import { assignColours } from '../../trace/palette.ts'

const mostServices = 8
const formatNames = { otlp: 'OTLP', jaeger: 'Jaeger', zipkin: 'Zipkin' } as const

/** What the request was, and its figures. */
export function Facts({ trace }: { trace: Trace }) {
  const t = useMessages()
  const percentile = useQuery(percentileQuery(trace, 0))
  const colours = useMemo(() => assignColours(trace.services), [trace])
  const service = trace.size > 0 ? trace.services[trace.service[0]] : ''
  const name = trace.size > 0 ? trace.names[trace.name[0]] : trace.id
  return (
    <header className="facts">
      <h1>
        <span className="service">
          <Text value={cut(service, 120)} />
        </span>{' '}
        <Text value={cut(name, 300)} />
      </h1>
      <dl>
        <div className="fact-duration">
          <dt>{t.request.duration}</dt>
          <dd>{formatDuration(trace.duration)}</dd>
        </div>
        <div>
          <dt>{t.request.start}</dt>
          <dd>
            <time dateTime={toDate(trace.start).toISOString()}>{formatTime(trace.start)}</time>
          </dd>
        </div>
        <div>
          <dt>{t.request.spans}</dt>
          <dd>{formatCount(trace.size)}</dd>
        </div>
        <div>
          <dt>{t.request.errors}</dt>
          <dd className={trace.errors > 0 ? 'bad' : ''}>
            {trace.errors > 0 && <ErrorIcon />} {formatCount(trace.errors)}
          </dd>
        </div>
        <div>
          <dt>{t.request.traceId}</dt>
          <dd className="mono">
            {trace.id} <CopyButton value={trace.id} label={t.request.copyId} />
          </dd>
        </div>
        <div className="fact-services">
          <dt>
            {t.request.services} {formatCount(trace.services.length)}
          </dt>
          <dd>
            {trace.services.slice(0, mostServices).map((each, i) => (
              <span key={each} className={`legend service-${colours[i]}`}>
                <Text value={cut(each, 40)} />
              </span>
            ))}
            {trace.services.length > mostServices && (
              <span className="muted" title={plain(trace.services.slice(mostServices).join(', '), 1000)}>
                +{formatCount(trace.services.length - mostServices)}
              </span>
            )}
          </dd>
        </div>
      </dl>
      <p className="ways">
        {isOpened(trace.source) ? (
          <span className="tag state">{t.request.fromFile}</span>
        ) : (
          <>
            <Link to="/e/$service/$name" params={{ service, name }}>
              {t.request.why} ▸
            </Link>
            <Link to="/compare" search={{ a: trace.id }}>
              {t.request.compareTypical} ▸
            </Link>
            {percentile.data?.percentile !== undefined && percentile.data.percentile !== null && (
              <span className="muted">{t.request.slowerThan(formatShare(percentile.data.percentile), formatCount(percentile.data.count))}</span>
            )}
            <span className="downloads">
              {t.request.download}{' '}
              {(['otlp', 'jaeger', 'zipkin'] as const).map((format) => (
                <a key={format} href={fileAddress(trace.id, format)} download>
                  {formatNames[format]}
                </a>
              ))}
            </span>
          </>
        )}
      </p>
      {trace.notes.length > 0 && (
        <ul className="notes" aria-label={t.request.notes}>
          {trace.notes.map((note) => (
            <li key={note}>
              <Text value={cut(note, 500)} />
            </li>
          ))}
        </ul>
      )}
    </header>
  )
}
