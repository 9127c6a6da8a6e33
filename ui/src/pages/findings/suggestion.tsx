import { getRouteApi, Link } from '@tanstack/react-router'

import type { Part, Suggestion } from '../../api/redeye.ts'
import { useMessages } from '../../app/preferences.ts'
import { CopyButton } from '../../components/copy.tsx'
import { CheckIcon, ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'

const route = getRouteApi('/findings/$id')

/** The Redeye query that the page should be, what it replaces, and what is taken for granted. */
export function SuggestedQuery({ suggestion }: { suggestion: Suggestion }) {
  const t = useMessages()
  const s = t.findings.suggestion
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const shown = search.code === 'go' && suggestion.go !== '' ? suggestion.go : suggestion.query
  const calls = suggestion.replaced.reduce((sum, part) => sum + part.calls, 0)
  return (
    <section className="panel suggestion" aria-labelledby="suggestion-title">
      <h2 id="suggestion-title">
        {suggestion.sketch ? s.sketchTitle : s.title}{' '}
        <span className="part">
          {suggestion.sketch ? s.sketchNote : s.note(formatCount(calls), formatCount(suggestion.batches))}
          {suggestion.saving > 0 && ` · ${s.saving(formatDuration(suggestion.saving))}`}
        </span>
      </h2>
      <div className="suggestion-columns">
        <div>
          <div className="code-head">
            {suggestion.go !== '' && (
              <div className="segments" role="group" aria-label={s.form}>
                <button type="button" aria-pressed={search.code !== 'go'} onClick={() => void navigate({ search: {}, replace: true, resetScroll: false })}>
                  {s.text}
                </button>
                <button
                  type="button"
                  aria-pressed={search.code === 'go'}
                  onClick={() => void navigate({ search: { code: 'go' }, replace: true, resetScroll: false })}
                >
                  Go
                </button>
              </div>
            )}
            {suggestion.checked && (
              <span className="checked" data-checked>
                <CheckIcon /> {s.checked(plain(suggestion.service, 60))}
              </span>
            )}
            <CopyButton value={shown} label={s.copy} />
          </div>
          <pre className="code" tabIndex={0} data-query>
            <Text value={shown} lines />
          </pre>
          {suggestion.params.length > 0 && (
            <p className="muted">
              {s.params}{' '}
              {suggestion.params.map(({ name, type }, i) => (
                <span key={name}>
                  {i > 0 && ', '}
                  <code>
                    <Text value={`${name}: ${type}`} />
                  </code>
                </span>
              ))}
            </p>
          )}
          {suggestion.refused !== undefined && (
            <p className="bad">
              <ErrorIcon /> {s.refused} <Text value={cut(suggestion.refused, 600)} />
            </p>
          )}
        </div>
        <div>
          <Replaced parts={suggestion.replaced} sketch={suggestion.sketch} />
          {suggestion.kept.length > 0 && (
            <>
              <h3>{s.kept}</h3>
              <ul>
                {suggestion.kept.map(({ label, calls: n }) => (
                  <li key={label}>
                    <Text value={cut(label, 120)} /> <span className="part">×{formatCount(n)}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          {suggestion.assumed.length > 0 && (
            <>
              <h3>{s.assumed}</h3>
              <ul>
                {suggestion.assumed.map(({ kind, of }) => (
                  <li key={`${kind} ${of}`}>
                    <code>
                      <Text value={of} />
                    </code>{' '}
                    {s.assumptions[kind]}
                  </li>
                ))}
              </ul>
            </>
          )}
          {suggestion.sketch && <p className="muted">{suggestion.services === 0 ? s.unknown : s.lacking(formatCount(suggestion.services))}</p>}
          {suggestion.silent.map(({ name, error }) => (
            <p key={name} className="bad">
              <ErrorIcon /> <Text value={cut(`${name}: ${error}`, 300)} />
            </p>
          ))}
          <p className="muted">
            <Link to="/trace/$id" params={{ id: suggestion.traceId }}>
              {s.madeOf}
            </Link>
          </p>
        </div>
      </div>
    </section>
  )
}

function Replaced({ parts, sketch }: { parts: readonly Part[]; sketch: boolean }) {
  const s = useMessages().findings.suggestion
  return (
    <table className="replaced">
      <thead>
        <tr>
          <th scope="col">{s.inPlaceOf}</th>
          <th scope="col" className="number">
            {s.calls}
          </th>
          <th scope="col">{sketch ? s.register : s.by}</th>
        </tr>
      </thead>
      <tbody>
        {parts.map(({ label, calls, by }) => (
          <tr key={label}>
            <th scope="row">
              <Text value={cut(label, 120)} />
            </th>
            <td className="number strong">{formatCount(calls)}</td>
            <td>
              <code>
                <Text value={by} />
              </code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
