import type { ReactNode } from 'react'

import type { EndpointOverview, Figures as Numbers } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { Change } from '../../components/change.tsx'
import { ErrorIcon } from '../../components/icons.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount, formatDuration, formatRate, formatShare, rateUnit } from '../../text/format.ts'

/** An endpoint's figures, each beside what it was before. */
export function Figures({ overview }: { overview: EndpointOverview }) {
  const t = useMessages()
  const { now } = overview
  const before = overview.before !== null && overview.before.requests > 0 ? overview.before : undefined
  const e = t.endpoint.figures
  const unit = rateUnit([now.rate, before?.rate ?? 0])
  const duration = (key: 'p50' | 'p95' | 'p99') => (
    <Figure key={key} name={key} label={key} definition={e.defined[key]} large={key === 'p95'}>
      {formatDuration(now[key])} <Change now={now[key]} before={before?.[key]} was={was(before, (b) => formatDuration(b[key]))} />
    </Figure>
  )
  return (
    <dl className="figures">
      <Figure name="requests" label={e.requests} definition={e.defined.requests}>
        {formatCount(now.requests)}
      </Figure>
      <Figure name="rate" label={e.rate} definition={e.defined.rate}>
        {formatRate(now.rate, unit)} <Change now={now.rate} before={before?.rate} was={was(before, (b) => formatRate(b.rate, unit))} neutral />
      </Figure>
      <Figure name="errors" label={e.errors} definition={e.defined.errors}>
        <span className={now.errors > 0 ? 'bad' : ''}>
          {now.errors > 0 && <ErrorIcon />} {formatShare(now.errorRatio)}
        </span>{' '}
        <Change now={now.errorRatio} before={before?.errorRatio} was={was(before, (b) => formatShare(b.errorRatio))} />
      </Figure>
      {(['p50', 'p95', 'p99'] as const).map(duration)}
      <Figure name="share" label={e.share} definition={e.defined.share}>
        {formatShare(now.share ?? Number.NaN)}
      </Figure>
    </dl>
  )
}

const was = (before: Numbers | undefined, write: (before: Numbers) => string): string => (before === undefined ? '' : write(before))

function Figure(props: { name: string; label: string; definition: string; large?: boolean; children: ReactNode }) {
  return (
    <div className={props.large === true ? 'figure large' : 'figure'} data-figure={props.name}>
      <dt>
        <Term definition={props.definition}>{props.label}</Term>
      </dt>
      <dd>{props.children}</dd>
    </div>
  )
}
