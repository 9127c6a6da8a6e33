import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useCallback, useEffect } from 'react'

import { ApiError } from '../../api/client.ts'
import { isForgotten } from '../../api/files.ts'
import { traceQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { plain } from '../../text/hostile.ts'
import { formatDuration } from '../../text/format.ts'
import type { Trace } from '../../trace/model.ts'
import { Causes } from './causes.tsx'
import { Facts } from './facts.tsx'
import type { RequestSearch } from './search.ts'
import { useSelection } from './selection.ts'
import { SpanPanel } from './span_panel.tsx'
import { Tables } from './tables.tsx'
import { Workspace } from './workspace.tsx'

const route = getRouteApi('/trace/$id')

/** One request: its facts, the three tables, the timeline. */
export function RequestPage() {
  const t = useMessages()
  const { id } = route.useParams()
  const query = useQuery({ ...traceQuery(id), enabled: !isForgotten(id) })
  const trace = query.data

  useEffect(() => {
    const title =
      trace === undefined || trace.size === 0 ? id : `${plain(trace.names[trace.name[0]], 80)} ${formatDuration(trace.duration)}`
    document.title = `${title} · Shuai`
  }, [id, trace])

  if (isForgotten(id)) {
    return (
      <div className="page">
        <p className="lead">{t.request.forgotten}</p>
      </div>
    )
  }
  if (query.error !== null) {
    return (
      <div className="page">
        <Failure error={query.error} retry={() => void query.refetch()}>
          {query.error instanceof ApiError && query.error.status === 404 && <p>{t.request.notFound}</p>}
        </Failure>
      </div>
    )
  }
  if (trace === undefined) return <p className="lead muted">{t.app.loading}</p>
  return <Request key={trace.revision} trace={trace} />
}

function Request({ trace }: { trace: Trace }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const change = useCallback(
    (changes: Partial<RequestSearch>) => {
      void navigate({ search: (now) => ({ ...now, ...changes }), replace: true, resetScroll: false })
    },
    [navigate],
  )
  const setSpanId = useCallback((span: string | undefined) => change({ span }), [change])
  const selection = useSelection(trace, search.span, setSpanId)
  const isPanelOpen = selection.row !== null || (search.span !== undefined && selection.span === null)
  return (
    <div className={isPanelOpen ? 'request with-panel' : 'request'}>
      <div className="request-main">
        <Facts trace={trace} />
        <Causes trace={trace} onSelect={selection.select} />
        <Tables trace={trace} row={selection.row} search={search} onChange={change} onBackToRoot={() => selection.select(null)} />
        <Workspace trace={trace} search={search} onChange={change} selected={selection.row} onSelect={selection.select} />
      </div>
      {isPanelOpen && (
        <SpanPanel trace={trace} row={selection.row} span={selection.span} error={selection.error} onClose={() => selection.select(null)} />
      )}
    </div>
  )
}
