import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect } from 'react'

import { namesQuery } from '../../api/queries.ts'
import { interfacesQuery, switchInterface, type Interface, type Method, type RedeyeService } from '../../api/redeye.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { TimeRange } from '../../components/time_range.tsx'
import { Term } from '../../components/tip.tsx'
import { timeWindow, type TimeSearch } from '../../filter/time.ts'
import { formatCount, formatDuration, formatShare } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { BreakerState } from './breaker.tsx'
import type { RedeyeSearch } from './search.ts'

const route = getRouteApi('/redeye')
const programLimit = 160 // characters

/** Programs at call sites: what they asked for, what that saved, and which of them are stopped. */
export function RedeyePage() {
  const t = useMessages()
  const r = t.redeye
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const query = useQuery({ ...interfacesQuery(timeWindow(search), search.service ?? ''), refetchInterval: 10_000 })
  const { data: known } = useQuery(namesQuery({ of: 'services' }, 1000))
  useEffect(() => {
    document.title = `${r.title} · Shuai`
  }, [r])
  const change = (changes: Partial<RedeyeSearch>) => void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
  const { data } = query
  const names = known?.names ?? []
  const services = search.service === undefined || names.includes(search.service) ? names : [search.service, ...names]
  return (
    <div className="page redeye">
      <div className="page-head">
        <h1>{r.title}</h1>
        <p className="muted">{r.subtitle}</p>
        <div className="controls">
          <select
            aria-label={r.service}
            value={search.service ?? ''}
            onChange={(event) => change({ service: event.target.value === '' ? undefined : event.target.value })}
          >
            <option value="">{r.allServices}</option>
            {services.map((name) => (
              <option key={name} value={name}>
                {plain(name, 80)}
              </option>
            ))}
          </select>
          <TimeRange value={search} onChange={({ range, from, to }: TimeSearch) => change({ range, from, to })} />
        </div>
      </div>
      {query.error !== null && <Failure error={query.error} retry={() => void query.refetch()} />}
      {data === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {data !== undefined && data.interfaces.length === 0 && <p className="lead">{r.none}</p>}
      {data !== undefined && data.interfaces.length > 0 && (
        <div className={query.isPlaceholderData ? 'dimmed' : ''}>
          <Sums rows={data.interfaces} />
          <InterfaceTable rows={data.interfaces} search={search} />
          {data.total > data.interfaces.length && (
            <p className="footnote">{t.findings.showing(formatCount(data.interfaces.length), formatCount(data.total))}</p>
          )}
          {data.methods.length > 0 && <MethodTable rows={data.methods} />}
        </div>
      )}
      {data !== undefined && <Services services={data.services} />}
    </div>
  )
}

function Sums({ rows }: { rows: readonly Interface[] }) {
  const { figures: f } = useMessages().redeye
  const sum = (of: (row: Interface) => number) => rows.reduce((total, row) => total + of(row), 0)
  return (
    <dl className="figures">
      {[
        [f.calls, sum((row) => row.calls)] as const,
        [f.planned, sum((row) => row.planned)] as const,
        [f.sent, sum((row) => row.sent)] as const,
        [f.saved, sum((row) => row.saved)] as const,
      ].map(([name, value]) => (
        <div className="figure" key={name}>
          <dt>{name}</dt>
          <dd>{formatCount(value)}</dd>
        </div>
      ))}
    </dl>
  )
}

function InterfaceTable({ rows, search }: { rows: readonly Interface[]; search: RedeyeSearch }) {
  const { columns: c, defined: d, title } = useMessages().redeye
  const { range, from, to } = search
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={title}>
      <table className="interfaces">
        <thead>
          <tr>
            <th scope="col">
              <Term definition={d.interface}>{c.interface}</Term>
            </th>
            <th scope="col" className="column-service">
              {c.service}
            </th>
            <th scope="col" className="number column-calls">
              {c.calls}
            </th>
            <th scope="col" className="number column-errors">
              {c.errors}
            </th>
            <th scope="col" className="number column-p50">
              p50
            </th>
            <th scope="col" className="number column-p99">
              p99
            </th>
            <th scope="col" className="number column-planned">
              <Term definition={d.planned}>{c.planned}</Term>
            </th>
            <th scope="col" className="number column-sent">
              <Term definition={d.sent}>{c.sent}</Term>
            </th>
            <th scope="col" className="number">
              <Term definition={d.saved}>{c.saved}</Term>
            </th>
            <th scope="col">
              <Term definition={d.breaker}>{c.breaker}</Term>
            </th>
            <th scope="col" className="column-switch">
              <span className="unheard">{c.switch}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.service}\u0000${row.tenant}\u0000${row.site}\u0000${row.hash}`}>
              <th scope="row" className="interface-name">
                <Link
                  to="/redeye/$service/$hash"
                  params={{ service: row.service, hash: row.hash }}
                  search={{
                    range,
                    from,
                    to,
                    ...(row.site === '' ? {} : { site: row.site }),
                    ...(row.tenant === '' ? {} : { tenant: row.tenant }),
                  }}
                  className="row-link"
                >
                  <Text value={cut(nameOf(row), 120)} />
                </Link>
                <code className="program-line">
                  <Text value={cut(row.program.replace(/\s+/g, ' ').trim(), programLimit)} />
                </code>
              </th>
              <td className="column-service">
                <Text value={cut(row.service, 60)} />
              </td>
              <td className="number column-calls">{formatCount(row.calls)}</td>
              <Errors errors={row.errors} of={row.calls} />
              <td className="number column-p50">{formatDuration(row.p50)}</td>
              <td className="number strong column-p99">{formatDuration(row.p99)}</td>
              <td className="number column-planned">{formatCount(row.planned)}</td>
              <td className="number column-sent">{formatCount(row.sent)}</td>
              <td className="number strong">
                {formatCount(row.saved)}{' '}
                {row.planned > 0 && <span className="part">{formatShare(row.saved / row.planned)}</span>}
              </td>
              <td>
                <BreakerState breaker={row.breaker} off={row.live?.off === true} />
              </td>
              <td className="column-switch">{row.live !== undefined && <Switch row={row} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** What people call an interface: the name it was given, and where it is. */
export function nameOf({ site, callSite, hash }: Pick<Interface, 'site' | 'callSite' | 'hash'>): string {
  const isGiven = site !== '' && !site.includes('/') && !site.includes(':')
  if (isGiven && callSite !== '') return `${site} (${callSite})`
  if (callSite !== '') return callSite
  return site === '' ? hash.slice(0, 12) : site
}

function Errors({ errors, of }: { errors: number; of: number }) {
  return (
    <td className={`number column-errors ${errors > 0 ? 'bad' : 'zero'}`}>
      {errors > 0 && <ErrorIcon />} {formatCount(errors)} {errors > 0 && of > 0 && <span className="part">{formatShare(errors / of)}</span>}
    </td>
  )
}

/** Turns an interface off or on, where its service says that the server may. */
function Switch({ row }: { row: Interface }) {
  const { turnOff, turnOn } = useMessages().redeye
  const client = useQueryClient()
  const act = useMutation({
    mutationFn: () => switchInterface(row, row.live?.off !== true),
    onSuccess: () => client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === 'redeye' }),
  })
  const name = row.live?.off === true ? turnOn : turnOff
  return (
    <>
      <button type="button" className="own-link" disabled={act.isPending} aria-label={`${name}: ${plain(nameOf(row), 80)}`} onClick={() => act.mutate()}>
        {name}
      </button>
      {act.error !== null && <Failure error={act.error} />}
    </>
  )
}

function MethodTable({ rows }: { rows: readonly Method[] }) {
  const { columns: c, methods, methodsNote, defined: d } = useMessages().redeye
  return (
    <section className="section" aria-labelledby="methods-title">
      <h2 id="methods-title">
        {methods} <span className="part">{methodsNote}</span>
      </h2>
      <div className="table-box" tabIndex={0} role="region" aria-label={methods}>
        <table className="methods">
          <thead>
            <tr>
              <th scope="col">{c.method}</th>
              <th scope="col" className="column-service">
                {c.service}
              </th>
              <th scope="col" className="number">
                {c.batches}
              </th>
              <th scope="col" className="number column-errors">
                {c.errors}
              </th>
              <th scope="col" className="number column-time">
                {c.time}
              </th>
              <th scope="col" className="number column-p50">
                p50
              </th>
              <th scope="col" className="number column-p99">
                p99
              </th>
              <th scope="col">
                <Term definition={d.methodBreaker}>{c.breaker}</Term>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.service}\u0000${row.method}`}>
                <th scope="row">
                  <Text value={cut(row.method, 100)} />
                </th>
                <td className="column-service">
                  <Text value={cut(row.service, 60)} />
                </td>
                <td className="number">{formatCount(row.calls)}</td>
                <Errors errors={row.errors} of={row.calls} />
                <td className="number column-time">{formatDuration(row.total)}</td>
                <td className="number column-p50">{formatDuration(row.p50)}</td>
                <td className="number strong column-p99">{formatDuration(row.p99)}</td>
                <td>
                  <BreakerState breaker={row.breaker} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** Which services the server knows, and how to tell it of more. */
function Services({ services }: { services: readonly RedeyeService[] }) {
  const { known, knownNote, noneKnown, offers } = useMessages().redeye
  return (
    <section className="section" aria-labelledby="known-title">
      <h2 id="known-title">
        {known} <span className="part">{knownNote}</span>
      </h2>
      {services.length === 0 && <p className="muted">{noneKnown}</p>}
      <ul className="known">
        {services.map((service) => (
          <li key={service.name}>
            <strong>
              <Text value={cut(service.name, 80)} />
            </strong>{' '}
            <span className="muted">
              <Text value={cut(service.url, 120)} />
            </span>{' '}
            {service.error === '' ? (
              offers(formatCount(service.entities), formatCount(service.methods))
            ) : (
              <span className="bad">
                <ErrorIcon /> <Text value={cut(service.error, 200)} />
              </span>
            )}{' '}
            {service.sites !== '' && service.error === '' && (
              <span className="muted">
                <Text value={cut(service.sites, 200)} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}
