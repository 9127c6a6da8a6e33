import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect } from 'react'

import { findingKinds, findingStates, type Finding } from '../../api/analysis.ts'
import { findingsQuery } from '../../api/analysis_queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { FindingTitle } from '../../components/finding.tsx'
import { CloseIcon, ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount, formatDuration, formatShare, formatShortTime } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { findingSorts, type FindingsSearch } from './search.ts'

const route = getRouteApi('/findings')
const mostFindings = 200

/** What requests waste, those that would save most first. */
export function FindingsPage() {
  const t = useMessages()
  const f = t.findings
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const query = useQuery(findingsQuery({ ...search, limit: mostFindings }))
  useEffect(() => {
    document.title = `${t.findings.title} · Shuai`
  }, [t])
  const change = (changes: Partial<FindingsSearch>) => void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const { data } = query
  const findings = data?.findings ?? []
  return (
    <div className="page">
      <div className="page-head">
        <h1>{f.title}</h1>
        <p className="muted">{f.subtitle}</p>
        <div className="controls">
          {search.service !== undefined && (
            <button
              type="button"
              className="chip"
              aria-label={`${t.request.clear}: ${plain(`${search.service} ${search.name ?? ''}`)}`}
              onClick={() => change({ service: undefined, name: undefined })}
            >
              <Text value={cut(`${search.service} ${search.name ?? ''}`, 80)} /> <CloseIcon />
            </button>
          )}
          <select
            aria-label={f.filters.state}
            value={search.state ?? ''}
            onChange={(event) => change({ state: event.target.value === '' ? undefined : (event.target.value as FindingsSearch['state']) })}
          >
            <option value="">{f.filters.insight}</option>
            {findingStates.map((state) => (
              <option key={state} value={state}>
                {f.states[state]}
              </option>
            ))}
            <option value="all">{f.filters.all}</option>
          </select>
          <select
            aria-label={f.filters.kind}
            value={search.kind ?? ''}
            onChange={(event) => change({ kind: event.target.value === '' ? undefined : (event.target.value as FindingsSearch['kind']) })}
          >
            <option value="">{f.filters.allKinds}</option>
            {findingKinds.map((kind) => (
              <option key={kind} value={kind}>
                {f.kindsLong[kind]}
              </option>
            ))}
          </select>
          <select
            aria-label={f.filters.sort}
            value={search.sort ?? 'saving'}
            onChange={(event) => change({ sort: event.target.value as FindingsSearch['sort'] })}
          >
            {findingSorts.map((sort) => (
              <option key={sort} value={sort}>
                {f.sorts[sort]}
              </option>
            ))}
          </select>
        </div>
      </div>
      {query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {data === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {data !== undefined && findings.length === 0 && <p className="lead">{search.state === undefined ? f.none : f.noneOf}</p>}
      {findings.length > 0 && <FindingTable findings={findings} dimmed={query.isPlaceholderData} />}
      {data !== undefined && (
        <p className="footnote" role="status">
          {[
            f.showing(formatCount(findings.length), formatCount(data.total)),
            f.examined(formatCount(data.examined)),
            ...(data.skipped > 0 ? [f.sampled(formatShare(data.rate), formatCount(data.skipped))] : []),
            ...(data.waiting > 0 ? [f.waiting(formatCount(data.waiting))] : []),
          ].join(' · ')}
        </p>
      )}
    </div>
  )
}

function FindingTable({ findings, dimmed }: { findings: readonly Finding[]; dimmed: boolean }) {
  const t = useMessages()
  const { columns: c, defined: d } = t.findings
  return (
    <div className={dimmed ? 'table-box dimmed' : 'table-box'} tabIndex={0} role="region" aria-label={t.findings.title}>
      <table className="finding-list">
        <thead>
          <tr>
            <th scope="col">{c.finding}</th>
            <th scope="col" className="column-endpoint">
              {c.endpoint}
            </th>
            <th scope="col" className="number">
              <Term definition={d.saving}>{c.saving}</Term>
            </th>
            <th scope="col" className="number column-day">
              <Term definition={d.savingPerDay}>{c.savingPerDay}</Term>
            </th>
            <th scope="col" className="number column-requests">
              <Term definition={d.requests}>{c.requests}</Term>
            </th>
            <th scope="col" className="number column-confidence">
              <Term definition={d.confidence}>{c.confidence}</Term>
            </th>
            <th scope="col" className="column-seen">
              {c.lastSeen}
            </th>
            <th scope="col">{c.state}</th>
          </tr>
        </thead>
        <tbody>
          {findings.map((finding) => (
            <tr key={finding.id}>
              <th scope="row" className="finding-name">
                <span className="tag">
                  <ErrorIcon /> {t.findings.kinds[finding.kind] ?? finding.kind}
                </span>{' '}
                <Link to="/findings/$id" params={{ id: finding.id }} className="row-link">
                  <FindingTitle finding={finding} />
                </Link>
              </th>
              <td className="column-endpoint">
                <Link to="/e/$service/$name" params={{ service: finding.service, name: finding.name }} className="own-link">
                  <Text value={cut(`${finding.service} ${finding.name}`, 120)} />
                </Link>
              </td>
              <td className="number strong">−{formatDuration(finding.saving)}</td>
              <td className="number column-day">−{formatDuration(finding.savingPerDay)}</td>
              <td className="number column-requests">
                {formatCount(finding.requests)} <span className="part">{formatShare(finding.requests / Math.max(finding.of, 1))}</span>
              </td>
              <td className="number column-confidence">{formatShare(finding.confidence)}</td>
              <td className="column-seen">{formatShortTime(finding.lastSeen).replace(/\.\d+$/, '')}</td>
              <td>{t.findings.states[finding.state]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
