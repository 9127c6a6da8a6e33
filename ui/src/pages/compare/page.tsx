import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'

import type { ComparedRequest } from '../../api/analysis.ts'
import { compareQuery } from '../../api/analysis_queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { PathTable } from '../../components/path_table.tsx'
import { Text } from '../../components/text.tsx'
import { parseTraceReference } from '../../filter/traceid.ts'
import { formatCount, formatDuration, formatMean, formatTime } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import type { CompareSearch } from './search.ts'

const route = getRouteApi('/compare')
const firstPaths = 20
const mostPaths = 1000

/** Two requests, or one and the typical ones of its endpoint, by path. */
export function ComparePage() {
  const t = useMessages()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { a, b } = search
  const query = useQuery({
    ...compareQuery(a ?? '', b ?? 'typical', search.order, search.paths === 'all' ? mostPaths : firstPaths),
    enabled: a !== undefined,
  })
  useEffect(() => {
    document.title = `${t.compare.title} · Shuai`
  }, [t])
  const change = (changes: Partial<CompareSearch>) => void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const data = a === undefined ? undefined : query.data
  return (
    <div className="page compare">
      <div className="page-head">
        <h1>{t.compare.title}</h1>
        <Choose key={`${a} ${b}`} a={a ?? ''} b={b ?? ''} onChange={change} />
      </div>
      {a === undefined && <p className="lead">{t.compare.missing}</p>}
      {a !== undefined && query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {a !== undefined && data === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {data !== undefined && (
        <>
          <p className="verdict" data-verdict>
            {data.extra < 0 ? t.compare.shorter(formatDuration(-data.extra)) : t.compare.longer(formatDuration(data.extra))}
          </p>
          <div className="compare-sides">
            <Side name={t.compare.a} request={data.a} />
            <Side name={t.compare.b} request={data.b} />
          </div>
          <section className="section" aria-labelledby="compare-title">
            <h2 id="compare-title">
              {t.compare.paths}
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
              label={t.compare.paths}
              paths={data.paths ?? []}
              rest={data.rest}
              sides={[t.compare.b, t.compare.a]}
              tree={search.order === 'tree'}
              onShowAll={() => change({ paths: 'all' })}
            />
          </section>
        </>
      )}
    </div>
  )
}

const idOf = (text: string): string | undefined => parseTraceReference(text)?.traceId ?? (text.trim() === '' ? undefined : text.trim())

/** Two boxes for trace ids, in any form. */
function Choose({ a, b, onChange }: { a: string; b: string; onChange: (changes: Partial<CompareSearch>) => void }) {
  const t = useMessages()
  const [first, setFirst] = useState(a)
  const [second, setSecond] = useState(b)
  return (
    <form
      className="controls compare-form"
      onSubmit={(event) => {
        event.preventDefault()
        onChange({ a: idOf(first), b: idOf(second) })
      }}
    >
      <label>
        {t.compare.a} <input type="text" className="mono" aria-label={`${t.compare.a}: ${t.request.traceId}`} value={first} onChange={(event) => setFirst(event.target.value)} />
      </label>
      <label>
        {t.compare.b}{' '}
        <input
          type="text"
          className="mono"
          aria-label={`${t.compare.b}: ${t.request.traceId}`}
          placeholder={t.compare.typicalPlaceholder}
          value={second}
          onChange={(event) => setSecond(event.target.value)}
        />
      </label>
      <button type="submit" className="primary">
        {t.compare.open}
      </button>
      {a !== '' && b !== '' && (
        <button type="button" onClick={() => onChange({ a: b, b: a })}>
          {t.compare.swap}
        </button>
      )}
    </form>
  )
}

function Side({ name, request }: { name: string; request: ComparedRequest }) {
  const t = useMessages()
  return (
    <section className="panel compare-side" aria-label={name}>
      <h2>
        <span className="tag state">{name}</span>{' '}
        {request.traceId === undefined ? (
          <Link to="/e/$service/$name" params={{ service: request.service, name: request.name }}>
            <Text value={cut(`${request.service} ${request.name}`, 200)} />
          </Link>
        ) : (
          <Link to="/trace/$id" params={{ id: request.traceId }}>
            <Text value={cut(`${request.service} ${request.name}`, 200)} />
          </Link>
        )}
      </h2>
      {request.typical !== undefined && <p className="muted">{t.compare.typical(formatCount(request.typical.requests), formatCount(request.typical.looked))}</p>}
      <dl className="inline-facts">
        <div>
          <dt>{t.compare.duration}</dt>
          <dd className="strong">{formatDuration(request.duration)}</dd>
        </div>
        <div>
          <dt>{t.compare.spans}</dt>
          <dd>{formatMean(request.spans)}</dd>
        </div>
        {request.start !== undefined && (
          <div>
            <dt>{t.compare.start}</dt>
            <dd>{formatTime(request.start)}</dd>
          </div>
        )}
      </dl>
    </section>
  )
}
