import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect } from 'react'

import { endpointsQuery, namesQuery } from '../../api/queries.ts'
import type { Endpoint } from '../../api/types.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { SortHeader } from '../../components/sort_header.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import { isMoving, timeWindow, type TimeSearch } from '../../filter/time.ts'
import { formatCount, rateUnit } from '../../text/format.ts'
import { plain } from '../../text/hostile.ts'
import { Empty } from './empty.tsx'
import { firstDirection, sortEndpoints } from './order.ts'
import { EndpointRow } from './row.tsx'
import { columns, defaultColumn, mostEndpoints, pageSize, serverOrder, type Column, type EndpointsSearch } from './search.ts'

const route = getRouteApi('/')
const refreshInterval = 5_000 // ms

/** The worst endpoints by time spent. */
export function EndpointsPage() {
  const t = useMessages()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const column = search.sort ?? defaultColumn
  const limit = search.limit ?? pageSize
  const before = search.from === undefined && (search.range === undefined || search.range === '15m') ? '1h' : '1d'
  const isLive = search.live !== 'off' && isMoving(search)
  const query = useQuery({
    ...endpointsQuery(timeWindow(search), search.service ?? '', serverOrder(column) ?? 'time', limit, before),
    refetchInterval: isLive ? refreshInterval : false,
  })
  useEffect(() => {
    document.title = `${t.endpoints.title} · Shuai`
  }, [t])

  const change = (changes: Partial<EndpointsSearch>) =>
    void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const setTime = ({ range, from, to }: TimeSearch) => change({ range, from, to })
  const sortBy = (chosen: Column) => {
    const again = chosen === column
    change({ sort: chosen, order: again && search.order === undefined ? 'reversed' : undefined })
  }
  const data = query.data
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t.endpoints.title}</h1>
        <p className="muted">{t.endpoints.subtitle}</p>
        <div className="controls">
          <ServiceFilter value={search.service ?? ''} onChange={(service) => change({ service })} />
          <TimeRange value={search} onChange={setTime} />
          <label className="check">
            <input
              type="checkbox"
              checked={isLive}
              disabled={!isMoving(search)}
              onChange={(event) => change({ live: event.target.checked ? undefined : 'off' })}
            />
            {t.endpoints.live}
          </label>
        </div>
      </div>
      {query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {data === undefined ? (
        query.error === null && <p className="lead muted">{t.app.loading}</p>
      ) : data.total === 0 ? (
        <Empty isWidest={search.range === '24h'} onWiden={() => setTime({ range: '24h' })} />
      ) : (
        <>
          <EndpointTable
            endpoints={data.endpoints}
            column={column}
            reversed={search.order === 'reversed'}
            time={{ range: search.range, from: search.from, to: search.to }}
            onSort={sortBy}
          />
          <p className="footnote">
            {t.endpoints.showing(formatCount(data.endpoints.length), formatCount(data.total))}
            {data.endpoints.length < data.total &&
              (serverOrder(column) === undefined || search.order === 'reversed') &&
              ` · ${t.endpoints.partial}`}
            {data.endpoints.length < data.total && limit < mostEndpoints && (
              <>
                {' · '}
                <button type="button" className="link" onClick={() => change({ limit: mostEndpoints })}>
                  {t.search.more}
                </button>
              </>
            )}
          </p>
        </>
      )}
    </div>
  )
}

function ServiceFilter({ value, onChange }: { value: string; onChange: (service: string | undefined) => void }) {
  const t = useMessages()
  const { data } = useQuery(namesQuery({ of: 'services' }, 1000))
  const known = data?.names ?? []
  const services = value === '' || known.includes(value) ? known : [value, ...known]
  return (
    <select
      aria-label={t.endpoints.service}
      value={value}
      onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
    >
      <option value="">{t.endpoints.allServices}</option>
      {services.map((service) => (
        <option key={service} value={service}>
          {plain(service)}
        </option>
      ))}
    </select>
  )
}

interface EndpointTableProps {
  endpoints: Endpoint[]
  column: Column
  reversed: boolean
  time: TimeSearch
  onSort: (column: Column) => void
}

function EndpointTable({ endpoints, column, reversed, time, onSort }: EndpointTableProps) {
  const t = useMessages()
  const direction = (head: Column) => {
    if (head !== column) return 'none'
    const first = firstDirection(head)
    if (!reversed) return first
    return first === 'ascending' ? 'descending' : 'ascending'
  }
  const unit = rateUnit(endpoints.map(({ rate }) => rate))
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={t.endpoints.title}>
      <table className="endpoints">
        <thead>
          <tr>
            {columns.map((head) => (
              <SortHeader
                key={head}
                className={`column-${head}`}
                label={t.endpoints.columns[head]}
                definition={t.endpoints.defined[head]}
                sorted={direction(head)}
                numeric={head !== 'name' && head !== 'service' && head !== 'share'}
                onSort={() => onSort(head)}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {sortEndpoints(endpoints, column, reversed).map((endpoint) => (
            <EndpointRow key={`${endpoint.service}\u0000${endpoint.name}`} endpoint={endpoint} unit={unit} time={time} />
          ))}
        </tbody>
      </table>
    </div>
  )
}
