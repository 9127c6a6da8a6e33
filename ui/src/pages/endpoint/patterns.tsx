import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import type { BeforeQuestion, EndpointQuestion } from '../../api/analysis_queries.ts'
import { patternsQuery } from '../../api/analysis_queries.ts'
import type { Pattern } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { Bar } from '../../components/bar.tsx'
import { Change } from '../../components/change.tsx'
import { Failure } from '../../components/failure.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount, formatDuration, formatShare, formatTime } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'

const mostPatterns = 20
const leastShare = 0.1 // of the time: a new pattern that is told of
const shortTime = (time: string): string => formatTime(time).replace(/\.\d+$/, '')
const mostCalls = 3 // that tell a pattern from the most frequent one

/** Requests grouped by the shape of their trees, now and before. */
export function Patterns({ question, before }: { question: EndpointQuestion; before: BeforeQuestion }) {
  const t = useMessages()
  const p = t.endpoint.patterns
  const query = useQuery(patternsQuery(question, before))
  const { data } = query
  const patterns = (data?.patterns ?? []).slice(0, mostPatterns)
  const fresh = patterns.find((pattern) => pattern.new && pattern.now.timeShare >= leastShare)
  return (
    <section className="section" aria-labelledby="patterns-title">
      <h2 id="patterns-title">
        <Term definition={p.defined}>{p.title}</Term>
        {data !== undefined && (
          <span className="part">
            {p.counted(formatCount(patterns.length), formatCount(data.total), formatCount(data.now.looked), formatCount(data.now.requests))}
            {data.before.looked === 0 ? p.noBefore : p.before(formatCount(data.before.looked))}
          </span>
        )}
      </h2>
      {data !== undefined && fresh !== undefined && (
        <p className="verdict" data-new-pattern>
          {p.carries(
            formatCount(patterns.indexOf(fresh) + 1),
            `${shortTime(data.before.from)} – ${shortTime(data.before.to)}`,
            formatShare(fresh.now.part),
            formatShare(fresh.now.timeShare),
          )}
        </p>
      )}
      {query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {patterns.length > 0 && data !== undefined && (
        <div className={query.isPlaceholderData ? 'table-box dimmed' : 'table-box'} tabIndex={0} role="region" aria-label={p.title}>
          <table className="patterns">
            <thead>
              <tr>
                <th scope="col">{p.pattern}</th>
                <th scope="col" className="number column-spans">
                  {p.spans}
                </th>
                <th scope="col" className="number">
                  <Term definition={p.partDefined}>{p.part}</Term>
                </th>
                <th scope="col" className="number column-was">
                  {p.was}
                </th>
                <th scope="col" className="number">
                  p95
                </th>
                <th scope="col" className="column-share">
                  <Term definition={p.timeDefined}>{p.time}</Term>
                </th>
                <th scope="col">{p.examples}</th>
              </tr>
            </thead>
            <tbody>
              {patterns.map((pattern, i) => (
                <PatternRow key={pattern.id} pattern={pattern} ordinal={i + 1} hasBefore={data.before.looked > 0} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

function Calls({ calls }: { calls: string[] }) {
  return (
    <>
      <Text value={calls.slice(0, mostCalls).map((call) => cut(call, 80)).join(', ')} />
      {calls.length > mostCalls && ` +${calls.length - mostCalls}`}
    </>
  )
}

function PatternRow({ pattern, ordinal, hasBefore }: { pattern: Pattern; ordinal: number; hasBefore: boolean }) {
  const t = useMessages()
  const p = t.endpoint.patterns
  const { now, before } = pattern
  const has = pattern.has ?? []
  const lacks = pattern.lacks ?? []
  return (
    <tr>
      <th scope="row" className="pattern-name">
        <span className="muted">{ordinal}.</span>{' '}
        {pattern.new && <span className="tag new">{p.isNew}</span>}{' '}
        {has.length === 0 && lacks.length === 0 ? (
          p.mostFrequent
        ) : (
          <>
            {has.length > 0 && (
              <span>
                {p.has} <Calls calls={has} />
              </span>
            )}
            {has.length > 0 && lacks.length > 0 && ' · '}
            {lacks.length > 0 && (
              <span>
                {p.lacks} <Calls calls={lacks} />
              </span>
            )}
          </>
        )}
      </th>
      <td className="number column-spans">{formatCount(pattern.spans)}</td>
      <td className="number strong">{formatShare(now.part)}</td>
      <td className="number column-was">{hasBefore ? formatShare(before.part) : '–'}</td>
      <td className="number">
        {formatDuration(now.p95)}{' '}
        <Change now={now.p95} before={before.requests > 0 ? before.p95 : undefined} was={formatDuration(before.p95)} />
      </td>
      <td className="column-share">
        <span className="share">
          <Bar share={now.timeShare} />
          <span className="share-text">{formatShare(now.timeShare)}</span>
        </span>
      </td>
      <td>
        {pattern.typical !== undefined && (
          <Link to="/trace/$id" params={{ id: pattern.typical.traceId }} className="own-link">
            {p.typical} {formatDuration(pattern.typical.duration)}
          </Link>
        )}{' '}
        {pattern.slowest !== undefined && (
          <Link to="/trace/$id" params={{ id: pattern.slowest.traceId }} className="own-link">
            {p.slowest} {formatDuration(pattern.slowest.duration)}
          </Link>
        )}
      </td>
    </tr>
  )
}
