import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useState } from 'react'

import { ApiError } from '../../api/client.ts'
import { heatmapQuery } from '../../api/analysis_queries.ts'
import { searchQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import type { Brush } from '../../charts/heatmap.ts'
import { Failure } from '../../components/failure.tsx'
import { HeatmapPanel } from '../../components/heatmap_panel.tsx'
import { Text } from '../../components/text.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import { narrowed } from '../../filter/scan.ts'
import { timeWindow, type TimeSearch } from '../../filter/time.ts'
import { parseTraceReference } from '../../filter/traceid.ts'
import { formatCount } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import { FilterBox } from './filter_box.tsx'
import { FilterError } from './filter_error.tsx'
import { FoundTable } from './found_table.tsx'
import { mostTraces, pageSize, type SearchSearch } from './search.ts'

const route = getRouteApi('/traces')

const heatmapColumns = 120

/** What is asked when no filter is typed: the requests themselves, not any span of them. */
const withoutFilter = '{ root }'

const examples = [
  '{ duration > 500ms }',
  '{ status = error }',
  '{ root && rootServiceName = "movie-web" }',
  '{ db.system.name = "mysql" && duration > 20ms }',
  '{ name =~ "GET .*" && traceDuration > 1s }',
]

/** The spans that match a filter, newest or slowest first, one row a trace. */
export function SearchPage() {
  const t = useMessages()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const [text, setText] = useState(search.q ?? '')
  const [asked, setAsked] = useState(search.q)
  if (asked !== search.q) {
    // The address changed under the box: back, forward, or a link.
    setAsked(search.q)
    setText(search.q ?? '')
  }
  const limit = search.limit ?? pageSize
  const sort = search.sort ?? 'newest'
  const query = useQuery(searchQuery(timeWindow(search), search.q ?? withoutFilter, sort, limit))
  const heatmap = useQuery(heatmapQuery(timeWindow(search), search.q ?? withoutFilter, heatmapColumns))
  useEffect(() => {
    document.title = `${t.search.title} · Shuai`
  }, [t])

  const change = (changes: Partial<SearchSearch>) => void navigate({ search: { ...search, ...changes }, resetScroll: false })
  const brush = ({ from, to, over, upTo }: Brush) =>
    change({
      q: narrowed(search.q ?? withoutFilter, `duration > ${Math.floor(over / 1e3)}us && duration <= ${Math.ceil(upTo / 1e3)}us`),
      range: undefined,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    })
  const open = (pasted: string): boolean => {
    const found = parseTraceReference(pasted)
    if (found === null) return false
    void navigate({ to: '/trace/$id', params: { id: found.traceId }, search: found.spanId === undefined ? {} : { span: found.spanId } })
    return true
  }
  const run = (filter: string) => {
    if (open(filter)) return
    setText(filter)
    if (filter.trim() === (search.q ?? '').trim()) void query.refetch()
    else change({ q: filter.trim() === '' ? undefined : filter, limit: undefined })
  }
  const { data, error } = query
  const isWrongFilter = error instanceof ApiError && error.status === 400
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t.search.title}</h1>
        <div className="controls">
          <div className="segments" role="group" aria-label={t.search.sort}>
            {(['newest', 'slowest'] as const).map((order) => (
              <button
                key={order}
                type="button"
                aria-pressed={sort === order}
                onClick={() => change({ sort: order === 'slowest' ? 'slowest' : undefined })}
              >
                {t.search.sorts[order]}
              </button>
            ))}
          </div>
          <TimeRange value={search} onChange={({ range, from, to }: TimeSearch) => change({ range, from, to })} />
        </div>
      </div>
      <FilterBox value={text} invalid={isWrongFilter} onChange={setText} onRun={run} onPasteReference={open} />
      {isWrongFilter && <FilterError filter={search.q ?? ''} error={error} />}
      {search.q === undefined && (
        <p className="examples muted">
          {t.search.hint}{' '}
          {examples.map((example) => (
            <button key={example} type="button" className="example" onClick={() => run(example)}>
              {example}
            </button>
          ))}
        </p>
      )}
      {error !== null && !isWrongFilter && <Failure error={error} retry={() => void query.refetch()} />}
      {error === null && data === undefined && <p className="lead muted">{t.app.loading}</p>}
      {error === null && data !== undefined && data.traces.length === 0 && (
        <div className="lead">
          <p>{t.search.none}</p>
          {(data.unknown ?? []).map(({ key, like }) => (
            <Unknown key={key} name={key} like={like ?? []} onChoose={(meant) => run((search.q ?? '').replaceAll(key, meant))} />
          ))}
        </div>
      )}
      {error === null && data !== undefined && data.traces.length > 0 && (
        <>
          <p className="footnote" role="status">
            {t.search.counted(
              formatCount(data.traces.length),
              data.more === true ? t.search.atLeast(formatCount(data.matched)) : formatCount(data.matched),
            )}
          </p>
          {heatmap.data !== undefined && (
            <HeatmapPanel
              answer={heatmap.data.heatmap}
              title={t.search.heatmap.title(formatCount(heatmap.data.all.requests))}
              hint={t.search.heatmap.hint}
              label={t.search.heatmap.label(formatCount(heatmap.data.all.requests))}
              asTable={search.heatmap === 'table'}
              onToggleTable={() => change({ heatmap: search.heatmap === 'table' ? undefined : 'table' })}
              onBrush={brush}
            />
          )}
          <FoundTable traces={data.traces} now={new Date(query.dataUpdatedAt)} dimmed={query.isPlaceholderData} />
          {data.traces.length >= limit && limit < mostTraces && (
            <p className="more">
              <button type="button" onClick={() => change({ limit: Math.min(limit * 5, mostTraces) })}>
                {t.search.more}
              </button>
            </p>
          )}
        </>
      )}
    </div>
  )
}

/** An attribute in the filter that no span has, and those that may have been meant. */
function Unknown({ name, like, onChoose }: { name: string; like: string[]; onChoose: (meant: string) => void }) {
  const t = useMessages()
  return (
    <p>
      <Text value={t.search.unknown(cut(name, 100))} />
      {like.length > 0 && ` ${t.search.meant}`}
      {like.map((meant) => (
        <button key={meant} type="button" className="example" onClick={() => onChoose(meant)}>
          <Text value={cut(meant, 100)} />
        </button>
      ))}
    </p>
  )
}
