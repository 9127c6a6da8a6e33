import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useRef, useState, type ReactNode } from 'react'

import type { Finding } from '../../api/analysis.ts'
import { actOnFinding, findingQuery, type FindingAction } from '../../api/analysis_queries.ts'
import { ApiError } from '../../api/client.ts'
import { useMessages } from '../../app/preferences.ts'
import { Failure } from '../../components/failure.tsx'
import { Caller, FindingTitle, adviceOf } from '../../components/finding.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration, formatMean, formatShare, formatTime } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { Mended } from './mended.tsx'
import { SuggestedQuery } from './suggestion.tsx'

const route = getRouteApi('/findings/$id')

/** One finding: the numbers that the rule went by, requests that prove it, and what has been decided about it. */
export function FindingPage() {
  const t = useMessages()
  const { id } = route.useParams()
  const query = useQuery(findingQuery(id))
  const finding = query.data
  useEffect(() => {
    document.title = `${finding === undefined ? t.findings.title : plain(finding.label, 80)} · Shuai`
  }, [t, finding])
  return (
    <div className="page finding-page">
      <p>
        <Link to="/findings">‹ {t.findings.all}</Link>
      </p>
      {query.error !== null && (
        <Failure error={query.error} retry={() => void query.refetch()}>
          {query.error instanceof ApiError && query.error.status === 404 && <p>{t.findings.gone}</p>}
        </Failure>
      )}
      {finding === undefined && query.error === null && <p className="lead muted">{t.app.loading}</p>}
      {finding !== undefined && <Details finding={finding} />}
    </div>
  )
}

function Details({ finding }: { finding: Finding }) {
  const t = useMessages()
  const f = t.findings.facts
  const path = [finding.service, ...(finding.steps ?? [])].map((step) => cut(step, 120)).join(' ▸ ')
  return (
    <>
      <h1>
        <span className="tag">
          <ErrorIcon /> {t.findings.kinds[finding.kind] ?? finding.kind}
        </span>{' '}
        <FindingTitle finding={finding} />
      </h1>
      <p className="muted">
        <Caller finding={finding} />
      </p>
      <p className="advice">{adviceOf(t, finding)}</p>
      <Decision finding={finding} />
      {finding.mending !== undefined && <Mended mending={finding.mending} />}
      {finding.suggestion !== undefined && <SuggestedQuery suggestion={finding.suggestion} />}
      <div className="finding-columns">
        <dl className="span-facts panel">
          <Fact label={f.endpoint}>
            <Link to="/e/$service/$name" params={{ service: finding.service, name: finding.name }}>
              <Text value={cut(`${finding.service} ${finding.name}`, 200)} />
            </Link>
          </Fact>
          <Fact label={f.path}>
            <Text value={path} />
          </Fact>
          <Fact label={f.requests}>
            {t.findings.of(formatCount(finding.requests), formatCount(finding.of))} ({formatShare(finding.requests / Math.max(finding.of, 1))})
          </Fact>
          <Fact label={f.calls}>
            {t.findings.facts.callsText(formatCount(finding.leastCalls), formatMean(finding.calls), formatCount(finding.mostCalls))}
          </Fact>
          <Fact label={f.variation}>{formatMean(finding.variation)}</Fact>
          <Fact label={f.correlation}>{formatMean(finding.correlation)}</Fact>
          <Fact label={f.serial}>{formatShare(finding.serial)}</Fact>
          <Fact label={f.distinct}>{formatShare(finding.distinct)}</Fact>
          <Fact label={f.saving}>{formatDuration(finding.saving)}</Fact>
          <Fact label={f.savingPerDay}>{formatDuration(finding.savingPerDay)}</Fact>
          <Fact label={f.confidence}>{formatShare(finding.confidence)}</Fact>
          <Fact label={f.firstSeen}>{formatTime(finding.firstSeen)}</Fact>
          <Fact label={f.lastSeen}>{formatTime(finding.lastSeen)}</Fact>
        </dl>
        <Proof finding={finding} />
      </div>
    </>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Proof({ finding }: { finding: Finding }) {
  const t = useMessages()
  const c = t.findings.evidenceColumns
  return (
    <section aria-labelledby="evidence-title">
      <h2 id="evidence-title">
        {t.findings.evidence} <span className="part">{t.findings.evidenceNote}</span>
      </h2>
      <div className="table-box" tabIndex={0} role="region" aria-label={t.findings.evidence}>
        <table>
          <thead>
            <tr>
              <th scope="col">{c.trace}</th>
              <th scope="col" className="number">
                {c.duration}
              </th>
              <th scope="col" className="number">
                {c.calls}
              </th>
              <th scope="col" className="number">
                {c.saving}
              </th>
              <th scope="col">{c.start}</th>
            </tr>
          </thead>
          <tbody>
            {(finding.evidence ?? []).map((each) => (
              <tr key={`${each.traceId} ${each.spanId}`}>
                <th scope="row">
                  <Link to="/trace/$id" params={{ id: each.traceId }} search={{ span: each.spanId }} className="row-link mono">
                    {each.traceId}
                  </Link>
                </th>
                <td className="number">{formatDuration(each.duration)}</td>
                <td className="number strong">{formatCount(each.calls)}</td>
                <td className="number">−{formatDuration(each.saving)}</td>
                <td>{formatTime(each.start)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** The finding's state, and the buttons that change it. */
function Decision({ finding }: { finding: Finding }) {
  const t = useMessages()
  const f = t.findings
  const client = useQueryClient()
  const dialog = useRef<HTMLDialogElement>(null)
  const [reason, setReason] = useState('')
  const [muteFor, setMuteFor] = useState('')
  const act = useMutation({
    mutationFn: ({ action, detail }: { action: FindingAction; detail?: { reason?: string; for?: string } }) => actOnFinding(finding.id, action, detail),
    onSuccess: (after) => {
      client.setQueryData(findingQuery(finding.id).queryKey, after)
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === 'findings' || queryKey[0] === 'endpoint' })
    },
  })
  const isClosed = finding.state === 'muted' || finding.state === 'resolved'
  return (
    <div className="decision">
      <span className="tag state" role="status">
        {f.states[finding.state]}
      </span>
      {finding.reason !== undefined && finding.reason !== '' && (
        <span className="muted">
          <Text value={f.because(cut(finding.reason, 300))} />
        </span>
      )}
      {finding.mutedUntil !== undefined && finding.mutedUntil !== '' && <span className="muted">{f.until(formatTime(finding.mutedUntil))}</span>}
      {isClosed ? (
        <button type="button" onClick={() => act.mutate({ action: 'reopen' })}>
          {f.reopen}
        </button>
      ) : (
        <>
          <button type="button" onClick={() => act.mutate({ action: 'resolve' })}>
            {f.resolve}
          </button>
          <button type="button" onClick={() => dialog.current?.showModal()}>
            {f.mute}…
          </button>
        </>
      )}
      {act.error !== null && <Failure error={act.error} />}
      <dialog ref={dialog} className="panel mute" aria-labelledby="mute-title">
        <form
          method="dialog"
          onSubmit={() =>
            act.mutate({
              action: 'mute',
              detail: { ...(reason.trim() === '' ? {} : { reason: reason.trim() }), ...(muteFor === '' ? {} : { for: muteFor }) },
            })
          }
        >
          <label>
            <h2 id="mute-title">{f.muteTitle}</h2>
            <input type="text" value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
          </label>
          <label>
            {f.muteFor}{' '}
            <select value={muteFor} onChange={(event) => setMuteFor(event.target.value)}>
              {Object.entries(f.muteNames).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <div className="controls">
            <button type="button" onClick={() => dialog.current?.close()}>
              {t.app.close}
            </button>
            <button type="submit" className="primary">
              {f.mute}
            </button>
          </div>
        </form>
      </dialog>
    </div>
  )
}
