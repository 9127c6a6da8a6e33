import type { PathDifference, PathSide } from '../api/analysis.ts'
import { useMessages } from '../app/preferences.ts'
import { formatDuration, formatMean, formatShare, formatSigned } from '../text/format.ts'
import { cut } from '../text/hostile.ts'
import { Bar } from './bar.tsx'
import { ErrorIcon } from './icons.tsx'
import { Text } from './text.tsx'
import { Term } from './tip.tsx'

interface PathTableProps {
  label: string
  paths: readonly PathDifference[]
  rest: { paths: number; extra: number; share: number }
  /** What the sides are called, from the one that is usual to the one in question: normal → slow. */
  sides: readonly [string, string]
  /** As one merged tree, indented. */
  tree: boolean
  /** What is wrong with a path, by its id. */
  tags?: ReadonlyMap<string, string>
  onShowAll?: () => void
}

const nameLimit = 160 // characters

/** Two populations, or two requests, by path: calls, self time, and the part each path has in the difference. */
export function PathTable({ label, paths, rest, sides, tree, tags, onShowAll }: PathTableProps) {
  const t = useMessages()
  const c = t.paths.columns
  const d = t.paths.defined
  const most = Math.max(...paths.map(({ share }) => Math.abs(share)), 0)
  const between = `${sides[0]} → ${sides[1]}`
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={label}>
      <table className="paths">
        <thead>
          <tr>
            <th scope="col">
              <Term definition={d.path}>{c.path}</Term>
            </th>
            <th scope="col" className="number">
              <Term definition={d.calls}>{c.calls}</Term> <span className="part">{between}</span>
            </th>
            <th scope="col" className="number column-self">
              <Term definition={d.self}>{c.self}</Term> <span className="part">{between}</span>
            </th>
            <th scope="col" className="number column-extra">
              <Term definition={d.extra}>{c.extra}</Term>
            </th>
            <th scope="col" className="column-share">
              <Term definition={d.share}>{c.share}</Term>
            </th>
          </tr>
        </thead>
        <tbody>
          {paths.map((path) => (
            <tr key={path.id} className={tree ? 'in-tree' : ''}>
              <th scope="row" style={tree ? { paddingInlineStart: 10 + 16 * Math.min(path.depth, 20) } : undefined}>
                <PathName path={path} short={tree} />
                {tags?.has(path.id) === true && (
                  <span className="tag">
                    <ErrorIcon /> {tags.get(path.id)}
                  </span>
                )}
                {path.a.errors > 0 && (
                  <span className="tag bad">
                    <ErrorIcon /> {t.paths.errors(formatMean(path.a.errors))}
                  </span>
                )}
              </th>
              <td className={differs(path.b.calls, path.a.calls) ? 'number strong' : 'number'}>
                {formatMean(path.b.calls)} → {formatMean(path.a.calls)}
                {isRepeated(path.a) && <span className="part serial"> {t.request.group.serial(formatShare(path.a.serial))}</span>}
              </td>
              <td className={differs(path.b.self, path.a.self) ? 'number strong column-self' : 'number column-self'}>
                {formatDuration(path.b.self)} → {formatDuration(path.a.self)}
              </td>
              <td className="number column-extra">{formatSigned(path.extra)}</td>
              <td className="column-share">
                <span className="share">
                  <Bar share={most === 0 ? 0 : Math.abs(path.share) / Math.max(most, 1)} rest={path.share < 0} />
                  <span className="share-text">
                    {path.share < 0 && '−'}
                    {formatShare(Math.abs(path.share))}
                  </span>
                </span>
              </td>
            </tr>
          ))}
          {rest.paths > 0 && (
            <tr className="rest">
              <th scope="row">
                {t.paths.others(rest.paths)}{' '}
                {onShowAll !== undefined && (
                  <button type="button" className="link" onClick={onShowAll}>
                    {t.search.more}
                  </button>
                )}
              </th>
              <td />
              <td className="column-self" />
              <td className="number column-extra">{formatSigned(rest.extra)}</td>
              <td className="column-share">
                <span className="share">
                  <Bar share={most === 0 ? 0 : Math.abs(rest.share) / Math.max(most, 1)} rest={rest.share < 0} />
                  <span className="share-text">{formatShare(Math.abs(rest.share))}</span>
                </span>
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  )
}

/** The way to a path: service, what was called on the way, and what is called last. */
export function PathName({ path, short = false }: { path: Pick<PathDifference, 'service' | 'label' | 'steps' | 'depth'>; short?: boolean }) {
  const t = useMessages()
  const way = short ? [] : (path.steps ?? []).slice(0, -1)
  return (
    <span className="path-name">
      {!short && (
        <span className="service">
          <Text value={cut(path.service, nameLimit)} />
          {' ▸ '}
          {way.map((step, i) => (
            <span key={i}>
              <Text value={cut(step, nameLimit)} />
              {' ▸ '}
            </span>
          ))}
        </span>
      )}
      <span className="path-label">
        <Text value={cut(path.label, nameLimit)} />
      </span>
      {path.depth === 0 && <span className="muted"> {t.paths.own}</span>}
    </span>
  )
}

const isRepeated = (side: PathSide): boolean => side.calls >= 2

/** Whether a figure differs enough to be set in bold: by a tenth. */
const differs = (from: number, to: number): boolean => Math.abs(to - from) > 0.1 * Math.max(Math.abs(from), Math.abs(to))
