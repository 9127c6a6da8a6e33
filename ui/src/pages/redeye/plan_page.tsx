import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect } from 'react'

import { ApiError } from '../../api/client.ts'
import { planQuery, type Plan, type PlanBatch, type PlanLine } from '../../api/redeye.ts'
import { useMessages } from '../../app/preferences.ts'
import { CopyButton } from '../../components/copy.tsx'
import { Failure } from '../../components/failure.tsx'
import { Text } from '../../components/text.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import { timeWindow, type TimeSearch } from '../../filter/time.ts'
import { formatCount, formatDuration, formatMean, formatShare } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { BreakerState } from './breaker.tsx'
import { nameOf } from './page.tsx'

const route = getRouteApi('/redeye/$service/$hash')

/** One dynamic interface: its program, how it is run, and what each batch takes. */
export function PlanPage() {
  const t = useMessages()
  const r = t.redeye
  const { service, hash } = route.useParams()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { site, tenant } = search
  const query = useQuery(
    planQuery(timeWindow(search), { service, hash, ...(site === undefined ? {} : { site }), ...(tenant === undefined ? {} : { tenant }) }),
  )
  const plan = query.data
  useEffect(() => {
    document.title = `${plan === undefined ? r.title : plain(nameOf(plan), 80)} · Shuai`
  }, [r, plan])
  return (
    <div className="page plan-page">
      <div className="page-head">
        <p>
          <Link to="/redeye" search={{ range: search.range, from: search.from, to: search.to }}>
            ‹ {r.all}
          </Link>
        </p>
        <div className="controls">
          <TimeRange
            value={search}
            onChange={({ range, from, to }: TimeSearch) => void navigate({ search: { ...search, range, from, to }, replace: true, resetScroll: false })}
          />
        </div>
      </div>
      {query.error !== null && (
        <Failure error={query.error} retry={() => void query.refetch()}>
          {query.error instanceof ApiError && query.error.status === 404 && <p>{r.gone}</p>}
        </Failure>
      )}
      {plan === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {plan !== undefined && <Details plan={plan} />}
    </div>
  )
}

function Details({ plan }: { plan: Plan }) {
  const t = useMessages()
  const r = t.redeye
  const f = r.figures
  return (
    <>
      <h1>
        <Text value={cut(nameOf(plan), 160)} />{' '}
        <span className="part">
          <Text value={cut(plan.service, 80)} />
        </span>
      </h1>
      <dl className="figures">
        {[
          [f.calls, formatCount(plan.calls)] as const,
          [r.columns.errors, formatCount(plan.errors)] as const,
          [f.planned, formatCount(plan.planned)] as const,
          [f.sent, formatCount(plan.sent)] as const,
          [f.saved, plan.planned > 0 ? `${formatCount(plan.saved)} (${formatShare(plan.saved / plan.planned)})` : formatCount(plan.saved)] as const,
          ['p50', formatDuration(plan.p50)] as const,
          ['p99', formatDuration(plan.p99)] as const,
        ].map(([name, value]) => (
          <div className="figure" key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div className="figure">
          <dt>{r.columns.breaker}</dt>
          <dd>
            <BreakerState breaker={plan.breaker} />
          </dd>
        </div>
      </dl>
      <div className="code-head">
        <h2>{r.program}</h2>
        <CopyButton value={plan.program} label={t.findings.suggestion.copy} />
      </div>
      <pre className="code" tabIndex={0}>
        <Text value={plan.program} lines />
      </pre>
      <section className="section" aria-labelledby="plan-title">
        <h2 id="plan-title">
          {r.plan} <span className="part">{r.planNote(formatCount(plan.looked), formatDuration(plan.mean), formatDuration(plan.own))}</span>
        </h2>
        <PlanTree plan={plan} />
        <p className="footnote">
          {plan.rules.length > 0 && <Text value={`${r.rules} ${cut(plan.rules.join(', '), 300)}. `} />}
          {plan.slowest.traceId !== '' && (
            <Link to="/trace/$id" params={{ id: plan.slowest.traceId }} search={{ span: plan.slowest.spanId }}>
              {r.slowest(formatDuration(plan.slowest.duration))}
            </Link>
          )}
        </p>
      </section>
    </>
  )
}

interface Line extends PlanLine {
  batch?: PlanBatch | undefined
}

/** The lines of a plan with what the calls in them take; what a clipped plan has no line for stands below. */
function linesOf({ plan, batches }: Plan): Line[] {
  const left = new Map(batches.map((batch) => [batch.method, batch]))
  const lines: Line[] = []
  for (const line of plan) {
    if (/^row of level \d+$/.test(line.text)) continue // only the name of what a lambda is called with
    const batch = line.method === undefined ? undefined : left.get(line.method)
    if (batch !== undefined) left.delete(batch.method)
    lines.push({ ...line, batch })
  }
  for (const batch of left.values()) lines.push({ depth: 0, text: `call ${batch.method}`, type: '', method: batch.method, batch })
  return lines
}

function PlanTree({ plan }: { plan: Plan }) {
  const t = useMessages()
  const c = t.redeye.planColumns
  const whole = Math.max(plan.mean, ...plan.batches.map(({ end }) => end), 1)
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={t.redeye.plan}>
      <table className="plan">
        <thead>
          <tr>
            <th scope="col">{c.node}</th>
            <th scope="col" className="number">
              {c.calls}
            </th>
            <th scope="col" className="number">
              {c.items}
            </th>
            <th scope="col" className="number">
              {c.time}
            </th>
            <th scope="col" className="column-when">
              {c.when(formatDuration(whole))}
            </th>
            <th scope="col" className="column-type">
              {c.type}
            </th>
          </tr>
        </thead>
        <tbody>
          {linesOf(plan).map((line, i) => (
            // Lines of a plan have no name of their own; their order never changes.
            <tr key={i} className={line.batch === undefined ? 'quiet' : ''} data-method={line.method}>
              <th scope="row" style={{ paddingInlineStart: `${10 + 16 * line.depth}px` }}>
                <Text value={cut(line.text, 120)} />
              </th>
              {line.batch === undefined ? (
                <>
                  <td className="number" />
                  <td className="number" />
                  <td className="number" />
                  <td className="column-when" />
                </>
              ) : (
                <>
                  <td className="number">{formatMean(line.batch.calls)}</td>
                  <td className="number">{formatMean(line.batch.items)}</td>
                  <td className="number strong">{formatDuration(line.batch.duration)}</td>
                  <td className="column-when">
                    <svg className="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden>
                      <rect className="share-track" width="100" height="1" />
                      <rect
                        className={line.batch.errors > 0 ? 'share-bad' : 'share-part'}
                        x={(100 * line.batch.start) / whole}
                        width={Math.max((100 * (line.batch.end - line.batch.start)) / whole, 0.5)}
                        height="1"
                      />
                    </svg>
                    <span className="unheard">{c.from(formatDuration(line.batch.start), formatDuration(line.batch.end))}</span>
                  </td>
                </>
              )}
              <td className="column-type">
                <code>
                  <Text value={cut(line.type, 80)} />
                </code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
