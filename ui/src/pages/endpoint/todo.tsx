import { Link } from '@tanstack/react-router'

import type { Finding } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { FindingTitle, adviceOf } from '../../components/finding.tsx'
import { ErrorIcon } from '../../components/icons.tsx'

/** What the endpoint's requests waste, and what to do about it. */
export function Do({ findings }: { findings: readonly Finding[] }) {
  const t = useMessages()
  const d = t.endpoint.todo
  return (
    <section className="panel do" aria-labelledby="do-title">
      <h2 id="do-title">{d.title}</h2>
      {findings.length === 0 && <p className="muted">{d.none}</p>}
      <ul>
        {findings.map((finding) => (
          <li key={finding.id}>
            <p>
              <span className="tag">
                <ErrorIcon /> {t.findings.kinds[finding.kind]}
              </span>{' '}
              <FindingTitle finding={finding} />
            </p>
            <p className="muted">
              {adviceOf(t, finding)}{' '}
              <Link to="/findings/$id" params={{ id: finding.id }}>
                {finding.kind === 'chatty' ? d.query : d.evidence}
              </Link>
            </p>
          </li>
        ))}
      </ul>
    </section>
  )
}
