import type { Why } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { Bar } from '../../components/bar.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatShare, formatTimes } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'

interface WhoProps {
  why: Why
  /** Takes only requests that match a condition. */
  onNarrow: (condition: string) => void
}

/** The attributes that slow requests have more often. */
export function Who({ why, onNarrow }: WhoProps) {
  const t = useMessages()
  const w = t.endpoint.who
  const traits = why.traits ?? []
  return (
    <section className="panel who" aria-labelledby="who-title">
      <h2 id="who-title">{w.title}</h2>
      {traits.length === 0 ? (
        <p className="muted">{w.none}</p>
      ) : (
        <div className="table-scroll" tabIndex={0} role="region" aria-label={w.title}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w.attribute}</th>
                <th scope="col" className="number">
                  {t.endpoint.populations.slow}
                </th>
                <th scope="col" className="number">
                  {t.endpoint.populations.normal}
                </th>
                <th scope="col" className="column-lift">
                  <Term definition={w.timesDefined}>{w.times}</Term>
                </th>
                <th scope="col">
                  <span className="unheard">{w.filter}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {traits.map((trait) => (
                <tr key={`${trait.service}\u0000${trait.key}\u0000${trait.value}`}>
                  <th scope="row">
                    {trait.service !== '' && (
                      <span className="service">
                        <Text value={cut(trait.service, 80)} />{' '}
                      </span>
                    )}
                    <span className="mono">
                      <Text value={cut(trait.key, 120)} /> = <Text value={cut(trait.value, 120)} />
                    </span>
                  </th>
                  <td className="number">{formatShare(trait.a)}</td>
                  <td className="number">{formatShare(trait.b)}</td>
                  <td className="column-lift">
                    <span className="share">
                      <Bar share={trait.a} />
                      <span className="share-text">{formatTimes(trait.times)}</span>
                    </span>
                  </td>
                  <td className="own-actions">
                    {trait.filter !== '' && trait.filter !== undefined && (
                      <>
                        <button type="button" className="link" onClick={() => onNarrow(trait.filter)}>
                          {w.filter}
                        </button>{' '}
                        <button type="button" className="link" onClick={() => onNarrow(`!(${trait.filter})`)}>
                          {w.exclude}
                        </button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}
