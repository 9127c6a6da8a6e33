import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'

import { percentileQuery } from '../../api/queries.ts'
import type { Attribute, SpanDetail } from '../../api/types.ts'
import { useMessages } from '../../app/preferences.ts'
import { CopyButton } from '../../components/copy.tsx'
import { Failure } from '../../components/failure.tsx'
import { CloseIcon, ErrorIcon, FilterIcon } from '../../components/icons.tsx'
import { LongText, Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { attributeFilter } from '../../filter/scan.ts'
import { formatCount, formatDuration, formatShare, formatTime } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import { criticalTime } from '../../trace/critical.ts'
import type { Trace } from '../../trace/model.ts'

interface SpanPanelProps {
  trace: Trace
  row: number | null
  /** undefined while loading, null if it is not stored. */
  span: SpanDetail | null | undefined
  error: Error | null
  onClose: () => void
}

/** All that is stored of one span. */
export function SpanPanel({ trace, row, span, error, onClose }: SpanPanelProps) {
  const t = useMessages()
  return (
    <aside className="span-panel" aria-label={t.span.title}>
      <header>
        <h2>
          {row === null ? (
            t.span.title
          ) : (
            <>
              <span className="service">
                <Text value={cut(trace.services[trace.service[row]], 200)} />
              </span>{' '}
              <Text value={cut(span?.name ?? trace.names[trace.name[row]], 2000)} />
            </>
          )}
        </h2>
        <button type="button" className="icon-button" title={t.span.close} aria-label={t.span.close} onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <div className="span-body" tabIndex={0} role="region" aria-label={t.span.title}>
        {error !== null && <Failure error={error} />}
        {span === null && <p className="lead">{t.span.gone}</p>}
        {span === undefined && error === null && <p className="lead muted">{t.app.loading}</p>}
        {span !== null && span !== undefined && <Details trace={trace} span={span} />}
      </div>
    </aside>
  )
}

function Details({ trace, span }: { trace: Trace; span: SpanDetail }) {
  const t = useMessages()
  const offset = span.row < trace.size ? trace.offset[span.row] : 0
  const percentile = useQuery(percentileQuery(trace, span.row))
  const critical = span.row < trace.size ? criticalTime(trace.critical, span.row) : 0
  const events = span.events ?? []
  const links = span.links ?? []
  const hasScope = span.scope !== null && (span.scope.name !== '' || span.scope.version !== '' || (span.scope.attributes ?? []).length > 0)
  return (
    <>
      <dl className="span-facts">
        <Fact label={t.span.duration}>
          <strong>{formatDuration(span.duration)}</strong>
        </Fact>
        <Fact label={<Term definition={t.span.selfDefined}>{t.span.self}</Term>}>{formatDuration(span.self)}</Fact>
        {critical > 0 && (
          <Fact label={<Term definition={t.request.critical.defined}>{t.request.critical.title}</Term>}>{formatDuration(critical)}</Fact>
        )}
        {percentile.data?.percentile !== undefined && percentile.data.percentile !== null && (
          <Fact label={t.span.percentile}>{t.span.slowerThan(formatShare(percentile.data.percentile), formatCount(percentile.data.count))}</Fact>
        )}
        <Fact label={t.span.start}>
          {formatTime(span.start)} <span className="part">{t.span.sinceStart(formatDuration(offset))}</span>
        </Fact>
        <Fact label={t.span.status}>
          {span.status === 'error' ? (
            <span className="bad">
              <ErrorIcon /> {span.status}
            </span>
          ) : (
            span.status
          )}
          {span.statusMessage !== '' && (
            <div className="status-message">
              <LongText value={span.statusMessage} limit={300} />
            </div>
          )}
        </Fact>
        <Fact label={t.span.type}>
          <Text value={cut(span.type, 300)} />
        </Fact>
        <Fact label={t.span.kind}>{span.kind}</Fact>
        <Fact label={t.span.children}>{formatCount(span.directChildren)}</Fact>
        <Fact label={t.span.spanId}>
          <span className="mono">{span.spanId}</span> <CopyButton value={span.spanId} />
        </Fact>
        <Fact label={t.span.parentId}>{/^0*$/.test(span.parentId) ? t.span.noParent : <span className="mono">{span.parentId}</span>}</Fact>
        {span.traceState !== '' && (
          <Fact label={t.span.traceState}>
            <LongText value={span.traceState} limit={200} />
          </Fact>
        )}
      </dl>
      <Section title={t.span.attributes} count={(span.attributes ?? []).length} dropped={span.dropped.attributes}>
        <Attributes attributes={span.attributes ?? []} scope="span" />
      </Section>
      {(events.length > 0 || span.dropped.events > 0) && (
        <Section title={t.span.events} count={events.length} dropped={span.dropped.events}>
          {events.map((event, i) => (
            <div key={i} className="sub">
              <h4>
                <Text value={cut(event.name, 200)} />{' '}
                <span className="part">+{formatDuration(Number(BigInt(event.time) - BigInt(span.start)))}</span>
              </h4>
              <Attributes attributes={event.attributes ?? []} />
            </div>
          ))}
        </Section>
      )}
      {(links.length > 0 || span.dropped.links > 0) && (
        <Section title={t.span.links} count={links.length} dropped={span.dropped.links}>
          {links.map((link, i) => (
            <div key={i} className="sub">
              <h4>
                <Link to="/trace/$id" params={{ id: link.traceId }} search={{ span: link.spanId }} className="mono">
                  {link.traceId}
                </Link>
              </h4>
              <Attributes attributes={link.attributes ?? []} />
            </div>
          ))}
        </Section>
      )}
      <Section title={t.span.resource} count={(span.resource ?? []).length}>
        <Attributes attributes={span.resource ?? []} scope="resource" />
      </Section>
      {hasScope && span.scope !== null && (
        <Section title={t.span.scope}>
          <p className="scope">
            <Text value={cut(span.scope.name, 300)} /> <span className="part">{cut(span.scope.version, 100)}</span>
          </p>
          <Attributes attributes={span.scope.attributes ?? []} />
        </Section>
      )}
    </>
  )
}

function Fact({ label, children }: { label: ReactNode; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Section({ title, count, dropped = 0, children }: { title: string; count?: number; dropped?: number; children: ReactNode }) {
  const t = useMessages()
  return (
    <section className="span-section">
      <h3>
        {title} {count !== undefined && <span className="part">{formatCount(count)}</span>}
      </h3>
      {count === 0 && <p className="muted">{t.span.none}</p>}
      {children}
      {dropped > 0 && <p className="muted">{t.span.dropped(formatCount(dropped))}</p>}
    </section>
  )
}

const mostAttributes = 100

function Attributes({ attributes, scope }: { attributes: Attribute[]; scope?: 'span' | 'resource' }) {
  const t = useMessages()
  const [isWhole, setIsWhole] = useState(false)
  if (attributes.length === 0) return null
  const shown = isWhole ? attributes : attributes.slice(0, mostAttributes)
  return (
    <>
      <dl className="attributes">
        {shown.map((attribute, i) => {
          const filter = scope === undefined ? null : attributeFilter(scope, attribute)
          return (
            <div key={i}>
              <dt>
                <Text value={cut(attribute.key, 200)} />
                {attribute.type !== 'string' && <span className="type">{attribute.type}</span>}
              </dt>
              <dd>
                <span className="value">
                  <LongText value={attribute.value} limit={600} />
                </span>
                <span className="actions">
                  {filter !== null && (
                    <Link
                      to="/traces"
                      search={{ q: filter }}
                      className="icon-button"
                      title={t.span.filterBy}
                      aria-label={`${t.span.filterBy}: ${cut(attribute.key, 80)}`}
                    >
                      <FilterIcon />
                    </Link>
                  )}
                  <CopyButton value={attribute.value} label={`${t.app.copy} ${cut(attribute.key, 80)}`} />
                </span>
              </dd>
            </div>
          )
        })}
      </dl>
      {attributes.length > mostAttributes && (
        <button type="button" className="link" onClick={() => setIsWhole(!isWhole)}>
          {isWhole ? t.app.showLess : t.app.showAll(formatCount(attributes.length))}
        </button>
      )}
    </>
  )
}
