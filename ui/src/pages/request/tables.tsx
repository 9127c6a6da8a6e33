import { useQuery } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'

import { statsQuery } from '../../api/queries.ts'
import type { Stats, TypeStats } from '../../api/types.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { SortHeader } from '../../components/sort_header.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount, formatDuration, formatShare } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import type { Trace } from '../../trace/model.ts'
import { defaultDurationColumn, durationColumns, type DurationColumn, type RequestSearch } from './search.ts'

interface TablesProps {
  trace: Trace
  /** The span that the tables are of; null is the root. */
  row: number | null
  search: RequestSearch
  onChange: (changes: Partial<RequestSearch>) => void
  onBackToRoot: () => void
}

/** Count Stats, Duration Stats and Direct Child Count of one span. */
export function Tables({ trace, row, search, onChange, onBackToRoot }: TablesProps) {
  const t = useMessages()
  const ofRoot = row === null || row === trace.stats.row
  const query = useQuery({ ...statsQuery(trace, row ?? 0), enabled: !ofRoot })
  const stats = ofRoot ? trace.stats : query.data
  // A click on a type shows only its spans; what was collapsed may hide them, so it is opened.
  const chooseType = (type: string) => onChange({ type: search.type === type ? undefined : type, collapse: undefined, rows: undefined })
  const choice = { chosen: search.type, onChoose: chooseType }
  return (
    <section className={search.tables === 'off' ? 'tables closed' : 'tables'} aria-busy={stats === undefined}>
      <h2 className="tables-title">
        <button
          type="button"
          className="disclose"
          aria-expanded={search.tables !== 'off'}
          onClick={() => onChange({ tables: search.tables === 'off' ? undefined : 'off' })}
        >
          {t.request.tables}
        </button>{' '}
        <span className="muted">{t.request.of}</span>{' '}
        <span className="tables-subject">
          {ofRoot ? (
            t.request.ofRoot
          ) : (
            <>
              <span className="service">
                <Text value={cut(trace.services[trace.service[row]], 60)} />
              </span>{' '}
              <Text value={cut(trace.names[trace.name[row]], 100)} />
            </>
          )}
        </span>
        {!ofRoot && (
          <button type="button" className="link" onClick={onBackToRoot}>
            {t.request.backToRoot}
          </button>
        )}
      </h2>
      {query.error !== null && !ofRoot && <Failure error={query.error} retry={() => void query.refetch()} />}
      {search.tables !== 'off' && stats !== undefined && (
        <div className="tables-grid">
          <CountStats stats={stats} choice={choice} />
          <DurationStats stats={stats} choice={choice} by={search.by ?? defaultDurationColumn} onSort={(by) => onChange({ by })} />
          <DirectChildren stats={stats} choice={choice} />
        </div>
      )}
    </section>
  )
}

interface Choice {
  chosen: string | undefined
  onChoose: (type: string) => void
}

function CountStats({ stats, choice }: { stats: Stats; choice: Choice }) {
  const t = useMessages()
  const total = stats.types.reduce((sum, { count }) => sum + count, 0)
  const hasErrors = stats.types.some(({ errors }) => errors > 0)
  return (
    <section className="stat panel" data-table="count">
      <h3>
        <Term definition={t.request.count.defined}>{t.request.count.title}</Term>
        <span className="stat-total">{formatCount(total)}</span>
      </h3>
      <StatTable
        label={t.request.count.title}
        rows={stats.types.length}
        head={
          <>
            <th scope="col">{t.request.count.type}</th>
            <th scope="col" className="number">
              {t.request.count.count}
            </th>
            {hasErrors && (
              <th scope="col" className="number">
                {t.request.count.errors}
              </th>
            )}
          </>
        }
      >
        {(limit) =>
          stats.types.slice(0, limit).map(({ type, count, errors }) => (
            <TypeRow key={type} type={type} choice={choice}>
              <td className="number">{formatCount(count)}</td>
              {hasErrors && (
                <td className={errors > 0 ? 'number bad' : 'number zero'}>
                  {errors > 0 && <ErrorIcon />} {formatCount(errors)}
                </td>
              )}
            </TypeRow>
          ))
        }
      </StatTable>
    </section>
  )
}

/** A type's figure in a column; for the share a bar beside it. */
function durationCell(type: TypeStats, column: DurationColumn): ReactNode {
  return column === 'share' ? (
    <span className="share">
      <svg className="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden>
        <rect className="share-track" width="100" height="1" />
        <rect className="share-part" width={100 * Math.min(type.share, 1)} height="1" />
      </svg>
      <span className="share-text">{formatShare(type.share)}</span>
    </span>
  ) : (
    column === 'criticalShare' ? formatShare(type.criticalShare) : formatDuration(type[column])
  )
}

function DurationStats({
  stats,
  choice,
  by,
  onSort,
}: {
  stats: Stats
  choice: Choice
  by: DurationColumn
  onSort: (by: DurationColumn) => void
}) {
  const t = useMessages()
  const d = t.request.durations
  const types = useMemo(() => stats.types.toSorted((a, b) => b[by] - a[by]), [stats, by])
  return (
    <section className="stat panel" data-table="duration">
      <h3>{d.title}</h3>
      <StatTable
        label={d.title}
        rows={types.length}
        head={
          <>
            <th scope="col">
              <Term definition={d.defined.type}>{d.type}</Term>
            </th>
            {durationColumns.map((column) => (
              <SortHeader
                key={column}
                className={`column-${column}`}
                label={d[column]}
                definition={d.defined[column]}
                numeric={column !== 'share'}
                sorted={column === by ? 'descending' : 'none'}
                onSort={() => onSort(column)}
              />
            ))}
          </>
        }
      >
        {(limit) =>
          types.slice(0, limit).map((type) => (
            <TypeRow key={type.type} type={type.type} choice={choice}>
              {durationColumns.map((column) => (
                <td key={column} className={column === 'share' ? 'column-share' : `number column-${column}`}>
                  {durationCell(type, column)}
                </td>
              ))}
            </TypeRow>
          ))
        }
      </StatTable>
    </section>
  )
}

function DirectChildren({ stats, choice }: { stats: Stats; choice: Choice }) {
  const t = useMessages()
  return (
    <section className="stat panel direct" data-table="direct">
      <h3>
        <Term definition={t.request.direct.defined}>{t.request.direct.title}</Term>
        <span className="stat-total big" data-direct-count>
          {formatCount(stats.direct.count)}
        </span>
      </h3>
      <StatTable
        label={t.request.direct.title}
        rows={stats.direct.types.length}
        head={
          <>
            <th scope="col">{t.request.direct.type}</th>
            <th scope="col" className="number">
              {t.request.direct.count}
            </th>
          </>
        }
      >
        {(limit) =>
          stats.direct.types.slice(0, limit).map(({ type, count }) => (
            <TypeRow key={type} type={type} choice={choice}>
              <td className="number">{formatCount(count)}</td>
            </TypeRow>
          ))
        }
      </StatTable>
    </section>
  )
}

const mostRows = 50

/** A table whose body is drawn whole only when asked for: a trace can have thousands of types. */
function StatTable({
  label,
  rows,
  head,
  children,
}: {
  label: string
  rows: number
  head: ReactNode
  children: (limit: number) => ReactNode
}) {
  const t = useMessages()
  const [isWhole, setIsWhole] = useState(false)
  return (
    <div className="stat-table" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children(isWhole ? rows : mostRows)}</tbody>
      </table>
      {rows === 0 && <p className="muted">{t.request.direct.none}</p>}
      {rows > mostRows && (
        <button type="button" className="link" onClick={() => setIsWhole(!isWhole)}>
          {isWhole ? t.app.showLess : t.app.showAll(formatCount(rows))}
        </button>
      )}
    </div>
  )
}

/** A row that shows only its type's spans in the timeline when clicked. */
function TypeRow({ type, choice, children }: { type: string; choice: Choice; children: ReactNode }) {
  const t = useMessages()
  const isChosen = choice.chosen === type
  return (
    <tr className={isChosen ? 'chosen' : ''}>
      <th scope="row">
        <button
          type="button"
          className="row-link"
          aria-pressed={isChosen}
          title={t.request.onlyType(plain(type))}
          onClick={() => choice.onChoose(type)}
        >
          <Text value={cut(type, 200)} />
        </button>
      </th>
      {children}
    </tr>
  )
}
