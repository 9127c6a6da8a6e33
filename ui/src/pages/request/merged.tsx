import { useQuery } from '@tanstack/react-query'

import { pathsQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Bar } from '../../components/bar.tsx'
import { Failure } from '../../components/failure.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount, formatDuration, formatShare } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import type { Trace } from '../../trace/model.ts'

const mostPaths = 2000

/** The trace's calls, or those below a span, merged by what called them. */
export function Merged({ trace, row }: { trace: Trace; row: number }) {
  const t = useMessages()
  const m = t.request.merged
  const query = useQuery(pathsQuery(trace, row))
  const { data } = query
  if (query.error !== null) return <Failure error={query.error} retry={() => void query.refetch()} />
  if (data === undefined) return <p className="lead muted">{t.app.loading}</p>
  const paths = data.paths ?? []
  return (
    <div className="merged" tabIndex={0} role="region" aria-label={m.title}>
      <table className="merged-table">
        <thead>
          <tr>
            <th scope="col">
              <Term definition={t.paths.defined.path}>{t.paths.columns.path}</Term>
            </th>
            <th scope="col" className="number">
              {m.calls}
            </th>
            <th scope="col" className="number column-most">
              <Term definition={m.mostDefined}>{m.most}</Term>
            </th>
            <th scope="col" className="number column-total">
              <Term definition={t.request.durations.defined.total}>Σ</Term>
            </th>
            <th scope="col" className="number">
              <Term definition={t.request.durations.defined.self}>{t.request.durations.self}</Term>
            </th>
            <th scope="col" className="number column-serial">
              <Term definition={t.request.group.defined}>{m.serial}</Term>
            </th>
            <th scope="col" className="column-share">
              <Term definition={t.request.critical.defined}>{t.request.critical.title}</Term>
            </th>
          </tr>
        </thead>
        <tbody>
          {paths.slice(0, mostPaths).map((path) => (
            <tr key={path.id}>
              <th scope="row" style={{ paddingInlineStart: 20 + 16 * Math.min(path.depth, 30) }}>
                <span className="service">
                  <Text value={cut(path.service, 80)} />
                </span>{' '}
                <Text value={cut(path.label, 200)} />
                {path.errors > 0 && (
                  <span className="tag">
                    <ErrorIcon /> {formatCount(path.errors)}
                  </span>
                )}
              </th>
              <td className={path.calls > 4 ? 'number strong' : 'number'}>{formatCount(path.calls)}</td>
              <td className="number column-most">{formatCount(path.most)}</td>
              <td className="number column-total">{formatDuration(path.total)}</td>
              <td className="number">{formatDuration(path.self)}</td>
              <td className="number column-serial">{path.calls > 1 ? formatShare(path.serial) : '–'}</td>
              <td className="column-share">
                <span className="share">
                  <Bar share={path.critical / Math.max(data.duration, 1)} />
                  <span className="share-text">{formatDuration(path.critical)}</span>
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {paths.length > mostPaths && <p className="footnote">{t.endpoints.showing(formatCount(mostPaths), formatCount(paths.length))}</p>}
    </div>
  )
}
