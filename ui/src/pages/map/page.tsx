import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect } from 'react'

import type { MapEdge, ServiceMap } from '../../api/analysis.ts'
import { mapQuery } from '../../api/analysis_queries.ts'
import { namesQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import type { Messages } from '../../i18n/en.ts'
import { timeWindow, type TimeSearch } from '../../filter/time.ts'
import { formatCount, formatDuration, formatRate, formatShare, formatTime, rateUnit } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { Drawing } from './drawing.tsx'
import { mostHops, type MapSearch } from './search.ts'

const route = getRouteApi('/map')
const mostDrawn = 40 // kinds of calls; more of them are a hairball

/** What the figures are of. */
function counted(t: Messages, { since, spans, matched, skipped }: ServiceMap): string {
  const time = formatTime(since).replace(/\.\d+$/, '')
  const of = matched > spans ? t.map.sample(formatCount(spans), formatCount(matched), time) : t.map.all(formatCount(spans), time)
  return skipped === undefined ? of : `${of} · ${t.map.skipped(formatCount(skipped))}`
}

/** Who calls whom. */
export function MapPage() {
  const t = useMessages()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const query = useQuery(mapQuery(timeWindow(search), search.service ?? '', search.hops ?? 1))
  const { data: services } = useQuery(namesQuery({ of: 'services' }, 1000))
  useEffect(() => {
    document.title = `${t.map.title} · Shuai`
  }, [t])
  const change = (changes: Partial<MapSearch>) => void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const { data } = query
  const edges = (data?.edges ?? []).toSorted((a, b) => b.calls - a.calls)
  const known = services?.names ?? []
  const names = search.service === undefined || known.includes(search.service) ? known : [search.service, ...known]
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t.map.title}</h1>
        <p className="muted">{t.map.subtitle}</p>
        <div className="controls">
          <select
            aria-label={t.map.focus}
            value={search.service ?? ''}
            onChange={(event) => change({ service: event.target.value === '' ? undefined : event.target.value })}
          >
            <option value="">{t.map.everything}</option>
            {names.map((name) => (
              <option key={name} value={name}>
                {plain(name, 80)}
              </option>
            ))}
          </select>
          {search.service !== undefined && (
            <label>
              {t.map.hops}{' '}
              <select value={search.hops ?? 1} onChange={(event) => change({ hops: event.target.value === '1' ? undefined : Number(event.target.value) })}>
                {Array.from({ length: mostHops }, (_, i) => (
                  <option key={i} value={i + 1}>
                    {i + 1}
                  </option>
                ))}
              </select>
            </label>
          )}
          <TimeRange value={search} onChange={({ range, from, to }: TimeSearch) => change({ range, from, to })} />
        </div>
      </div>
      {query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {data === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {data !== undefined && edges.length === 0 && <p className="lead">{t.map.none}</p>}
      {data !== undefined && edges.length > 0 && (
        <div className={query.isPlaceholderData ? 'dimmed' : ''}>
          <Drawing edges={edges.slice(0, mostDrawn)} search={search} />
          <p className="footnote">
            {edges.length > mostDrawn && `${t.map.drawn(formatCount(mostDrawn), formatCount(edges.length))} · `}
            {counted(t, data)}
          </p>
          <EdgeTable edges={edges} search={search} />
        </div>
      )}
    </div>
  )
}

/** The map's table twin. */
function EdgeTable({ edges, search }: { edges: readonly MapEdge[]; search: MapSearch }) {
  const t = useMessages()
  const c = t.map.columns
  const unit = rateUnit(edges.map(({ rate }) => rate))
  const service = (name: string) => (
    <Link to="/map" search={{ ...search, service: name }}>
      <Text value={cut(name, 80)} />
    </Link>
  )
  return (
    <section className="section" aria-labelledby="edges-title">
      <h2 id="edges-title">{t.map.list}</h2>
      <div className="table-box" tabIndex={0} role="region" aria-label={t.map.list}>
        <table className="edges">
          <thead>
            <tr>
              <th scope="col">{c.caller}</th>
              <th scope="col">{c.callee}</th>
              {[c.calls, c.rate, c.errors, c.p50, c.p95].map((column) => (
                <th key={column} scope="col" className="number">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {edges.map((edge) => (
              <tr key={`${edge.caller}\u0000${edge.callee}`}>
                <th scope="row">{service(edge.caller)}</th>
                <td>
                  {service(edge.callee)} {edge.store && <span className="part">{t.map.store}</span>}
                </td>
                <td className="number">{formatCount(edge.calls)}</td>
                <td className="number">{formatRate(edge.rate, unit)}</td>
                <td className={edge.errors > 0 ? 'number bad' : 'number zero'}>
                  {edge.errors > 0 && <ErrorIcon />} {formatCount(edge.errors)}{' '}
                  {edge.errors > 0 && <span className="part">{formatShare(edge.errors / edge.calls)}</span>}
                </td>
                <td className="number">{formatDuration(edge.p50)}</td>
                <td className="number strong">{formatDuration(edge.p95)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
