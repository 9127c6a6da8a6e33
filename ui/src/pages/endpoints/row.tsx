import { Link } from '@tanstack/react-router'

import type { Endpoint } from '../../api/types.ts'
import { useMessages } from '../../app/preferences.ts'
import { Change } from '../../components/change.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import type { TimeSearch } from '../../filter/time.ts'
import { formatCount, formatDuration, formatRate, formatShare, type RateUnit } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'

const nameLimit = 200 // characters

/** An endpoint's line; it leads to why the endpoint is slow. */
export function EndpointRow({ endpoint, unit, time }: { endpoint: Endpoint; unit: RateUnit; time: TimeSearch }) {
  const t = useMessages()
  const slowest = formatDuration(endpoint.max)
  return (
    <tr>
      <th scope="row" className="column-name">
        <Link to="/e/$service/$name" params={{ service: endpoint.service, name: endpoint.name }} search={time} className="row-link">
          <Text value={cut(endpoint.name, nameLimit)} />
        </Link>{' '}
        {endpoint.findings > 0 && (
          <Link to="/findings" search={{ service: endpoint.service, name: endpoint.name }} className="tag own-link">
            <ErrorIcon /> {t.endpoints.findings(endpoint.findings)}
          </Link>
        )}
      </th>
      <td className="column-service">
        <Text value={cut(endpoint.service, nameLimit)} />
      </td>
      <td className="number">{formatCount(endpoint.count)}</td>
      <td className="number column-rate">{formatRate(endpoint.rate, unit)}</td>
      <td className={endpoint.errors > 0 ? 'number bad' : 'number zero'}>
        {endpoint.errors > 0 ? (
          <>
            <ErrorIcon /> {formatCount(endpoint.errors)} <span className="part">{formatShare(endpoint.errors / endpoint.count)}</span>
          </>
        ) : (
          '0'
        )}
      </td>
      <td className="number column-mean">{formatDuration(endpoint.mean)}</td>
      <td className="number column-p50">{formatDuration(endpoint.p50)}</td>
      <td className="number strong">
        <Change
          now={endpoint.p95}
          before={(endpoint.before?.count ?? 0) > 0 ? endpoint.before?.p95 : undefined}
          was={formatDuration(endpoint.before?.p95 ?? 0)}
        />{' '}
        {formatDuration(endpoint.p95)}
      </td>
      <td className="number column-p99">{formatDuration(endpoint.p99)}</td>
      <td className="number">
        <Link
          to="/trace/$id"
          params={{ id: endpoint.slowestTrace }}
          className="own-link"
          title={t.endpoints.openSlowest(slowest)}
          aria-label={t.endpoints.openSlowest(slowest)}
        >
          {slowest}
        </Link>
      </td>
      <td className="column-share">
        <span className="share">
          <svg className="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden>
            <rect className="share-track" width="100" height="1" />
            <rect className="share-part" width={Math.max(100 * endpoint.share, 0.5)} height="1" />
          </svg>
          <span className="share-text">{formatShare(endpoint.share)}</span>
        </span>
      </td>
    </tr>
  )
}
