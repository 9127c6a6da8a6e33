import { Link } from '@tanstack/react-router'

import type { Mending } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { Bar } from '../../components/bar.tsx'
import { formatCount, formatDuration, formatTime } from '../../text/format.ts'

/** What was estimated to be saved, beside what was. */
export function Mended({ mending }: { mending: Mending }) {
  const t = useMessages()
  const m = t.findings.mending
  const { before, after } = mending
  return (
    <section className="panel mended" aria-labelledby="mended-title">
      <h2 id="mended-title">
        {m.title} <span className="part">{m.since(formatTime(mending.at).replace(/\.\d+$/, ''))}</span>
      </h2>
      <dl className="figures">
        <div className="figure" data-figure="estimated">
          <dt>{mending.byQuery ? m.estimatedByQuery : m.estimated}</dt>
          <dd>−{formatDuration(Math.max(mending.estimated, 0))}</dd>
        </div>
        <div className="figure" data-figure="measured">
          <dt>{m.measured}</dt>
          <dd>
            {mending.measured < 0 ? '+' : '−'}
            {formatDuration(Math.abs(mending.measured))} <span className="part">± {formatDuration(mending.error)}</span>
          </dd>
        </div>
      </dl>
      <table className="before-after">
        <tbody>
          {[
            [m.before, before, 1] as const,
            [m.after, after, before.mean > 0 ? after.mean / before.mean : 0] as const,
          ].map(([name, sample, share]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className="number strong">{formatDuration(sample.mean)}</td>
              <td className="column-bar">
                <Bar share={share} />
              </td>
              <td className="muted">{m.requests(formatCount(sample.requests))}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {mending.together.length > 0 && (
        <p className="muted">
          {m.together}{' '}
          {mending.together.map((id, i) => (
            <span key={id}>
              {i > 0 && ', '}
              <Link to="/findings/$id" params={{ id }} className="mono">
                {id}
              </Link>
            </span>
          ))}
        </p>
      )}
    </section>
  )
}
