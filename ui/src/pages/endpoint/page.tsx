import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useMemo } from 'react'

import { endpointQuery, whyQuery } from '../../api/analysis_queries.ts'
import type { Finding } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import type { Brush } from '../../charts/heatmap.ts'
import { Failure } from '../../components/failure.tsx'
import { HeatmapPanel } from '../../components/heatmap_panel.tsx'
import { CloseIcon } from '../../components/icons.tsx'
import { PathTable } from '../../components/path_table.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import { endpointFilter, narrowed } from '../../filter/scan.ts'
import { timeWindow, type TimeSearch } from '../../filter/time.ts'
import { formatCount, formatSigned } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { Do } from './todo.tsx'
import { Examples } from './examples.tsx'
import { Figures } from './figures.tsx'
import { Patterns } from './patterns.tsx'
import { Populations } from './populations.tsx'
import { beforeOf, befores, populations, windowBefore, type EndpointSearch } from './search.ts'
import { Who } from './who.tsx'

const route = getRouteApi('/e/$service/$name')

const heatmapColumns = 120
const firstPaths = 8
const mostPaths = 1000
const ownTime = 'own'

/** Why an endpoint is slow: where slow requests spend more time than normal ones, who sends them, what to do. */
export function EndpointPage() {
  const t = useMessages()
  const { service, name } = route.useParams()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const question = useMemo(() => ({ ...timeWindow(search), service, name, q: search.q }), [search, service, name])
  const overview = useQuery(endpointQuery(question, beforeOf(search), heatmapColumns))
  const why = useQuery(whyQuery(question, populations(search), search.order, search.paths === 'all' ? mostPaths : firstPaths))
  useEffect(() => {
    document.title = `${plain(name, 80)} · Shuai`
  }, [name])

  const change = (changes: Partial<EndpointSearch>) => void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const brush = ({ from, to, over, upTo }: Brush) =>
    change({
      slow: `${Math.floor(over / 1e3)}us..${Math.ceil(upTo / 1e3)}us`,
      slowFrom: new Date(from).toISOString(),
      slowTo: new Date(to).toISOString(),
    })
  const findings = overview.data?.findings ?? []
  const isEmpty = overview.data !== undefined && overview.data.now.requests === 0
  return (
    <div className="page endpoint">
      <div className="page-head">
        <h1>
          <span className="service">
            <Text value={cut(service, 120)} />
          </span>{' '}
          <Text value={cut(name, 300)} />
        </h1>
        <Link to="/traces" search={{ ...timePart(search), q: endpointFilter(service, name), sort: 'slowest' }}>
          {t.endpoint.requests} ▸
        </Link>
        <Link to="/map" search={{ service }}>
          {t.app.map} ▸
        </Link>
        <div className="controls">
          {search.q !== undefined && (
            <button type="button" className="chip" title={t.request.clear} aria-label={`${t.request.clear}: ${plain(search.q)}`} onClick={() => change({ q: undefined })}>
              <Text value={cut(search.q, 80)} /> <CloseIcon />
            </button>
          )}
          <TimeRange value={search} onChange={({ range, from, to }: TimeSearch) => change({ range, from, to, slowFrom: undefined, slowTo: undefined, normalFrom: undefined, normalTo: undefined })} />
          <select
            aria-label={t.endpoint.before.label}
            title={t.endpoint.before.label}
            value={search.beforeFrom === undefined ? (search.before ?? '') : ownTime}
            onChange={(event) => {
              const { value } = event.target
              change({
                before: befores.find((known) => known === value),
                ...(value === ownTime ? windowBefore(search, Date.now()) : { beforeFrom: undefined, beforeTo: undefined }),
              })
            }}
          >
            <option value="">{t.endpoint.before.previous}</option>
            {befores.map((before) => (
              <option key={before} value={before}>
                {t.endpoint.before.names[before]}
              </option>
            ))}
            <option value={ownTime}>{t.endpoint.before.own}</option>
          </select>
          {search.beforeFrom !== undefined && (
            <TimeRange
              value={{ from: search.beforeFrom, ...(search.beforeTo === undefined ? {} : { to: search.beforeTo }) }}
              onChange={({ from, to }) =>
                change({ beforeFrom: from, beforeTo: from === undefined ? undefined : (to ?? new Date().toISOString()), before: undefined })
              }
            />
          )}
        </div>
      </div>
      {overview.error !== null && <Failure error={overview.error} retry={() => void overview.refetch()} />}
      {overview.data === undefined && overview.error === null && <p className="lead muted">{t.app.loading}</p>}
      {overview.data !== undefined && <Figures overview={overview.data} />}
      {isEmpty && <p className="lead">{t.endpoint.none}</p>}
      {overview.data !== undefined && !isEmpty && (
        <>
          <div className="endpoint-top">
            <HeatmapPanel
              answer={overview.data.heatmap}
              title={t.endpoint.heatmap.title(formatCount(overview.data.now.requests))}
              hint={t.endpoint.heatmap.hint}
              label={t.endpoint.heatmap.label(formatCount(overview.data.now.requests), formatCount(overview.data.now.errors))}
              slow={why.data?.a}
              normal={why.data?.b}
              asTable={search.heatmap === 'table'}
              onToggleTable={() => change({ heatmap: search.heatmap === 'table' ? undefined : 'table' })}
              onBrush={brush}
            />
            <Populations search={search} why={why.data} before={overview.data.before} onChange={change} />
          </div>
          {why.error !== null && <Failure error={why.error} retry={() => void why.refetch()} />}
          {why.data !== undefined && (why.data.paths ?? []).length > 0 && (
            <div className={why.isPlaceholderData ? 'dimmed' : ''}>
              <section className="section" aria-labelledby="why-title">
                <h2 id="why-title">
                  <Term definition={t.paths.defined.share}>{t.endpoint.why.title}</Term>{' '}
                  <span className="part">{t.endpoint.why.extra(formatSigned(why.data.extra))}</span>
                  <label className="check part">
                    <input
                      type="checkbox"
                      checked={search.order === 'tree'}
                      onChange={(event) => change({ order: event.target.checked ? 'tree' : undefined, paths: event.target.checked ? 'all' : undefined })}
                    />
                    {t.paths.asTree}
                  </label>
                </h2>
                <PathTable
                  label={t.endpoint.why.title}
                  paths={why.data.paths ?? []}
                  rest={why.data.rest}
                  sides={[t.endpoint.populations.normal, t.endpoint.populations.slow]}
                  tree={search.order === 'tree'}
                  tags={tagsOf(findings, t.findings.kinds)}
                  onShowAll={() => change({ paths: 'all' })}
                />
              </section>
              <div className="endpoint-answers">
                <Do findings={findings} />
                <Who why={why.data} onNarrow={(condition) => change({ q: narrowed(search.q, condition) })} />
              </div>
            </div>
          )}
          <Patterns question={question} before={beforeOf(search)} />
          <Examples why={why.data} slowest={overview.data.slowest ?? []} />
        </>
      )}
    </div>
  )
}

const timePart = ({ range, from, to }: EndpointSearch): TimeSearch => ({ range, from, to })

const tagsOf = (findings: readonly Finding[], kinds: Record<string, string>): ReadonlyMap<string, string> =>
  new Map(findings.map(({ pathId, kind }) => [pathId, kinds[kind] ?? kind]))
