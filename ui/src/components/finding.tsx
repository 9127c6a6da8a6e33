import type { Finding } from '../api/analysis.ts'
import { useMessages } from '../app/preferences.ts'
import type { Messages } from '../i18n/en.ts'
import { formatCount, formatDuration, formatMean, formatShare } from '../text/format.ts'
import { cut } from '../text/hostile.ts'
import { Text } from './text.tsx'

const nameLimit = 200 // characters

/** What a finding says, in the language on screen. What the names in it are stays as it was sent. */
export function FindingTitle({ finding }: { finding: Finding }) {
  const t = useMessages()
  const counted = callsOf(t, finding)
  return (
    <>
      <Text value={cut(finding.caller === '' ? finding.service : finding.caller, nameLimit)} />{' '}
      {finding.kind === 'slow-call' ? t.findings.waitsFor : t.findings.calls}{' '}
      <strong>
        <Text value={cut(finding.label, nameLimit)} />
      </strong>{' '}
      {counted}
    </>
  )
}

/** Who makes the calls: the service, what it was doing, and where in its code. */
export function Caller({ finding }: { finding: Finding }) {
  const { by } = useMessages().findings
  const steps = finding.steps ?? []
  const doing = finding.kind === 'serial-fan-out' && finding.caller === '' ? finding.name : (steps.at(-2) ?? finding.name)
  const { site } = finding
  const place = [lastOf(site?.file ?? '', 2), String(site?.line ?? '')].filter((part) => part !== '').join(':')
  return (
    <span className="caller">
      {by.service} <strong>{<Text value={cut(finding.caller === '' ? finding.service : finding.caller, nameLimit)} />}</strong> {by.during}{' '}
      <strong>
        <Text value={cut(doing, nameLimit)} />
      </strong>
      {site !== undefined && (
        <>
          {' '}
          {by.at} <code>{<Text value={cut(site.function === undefined ? place : lastOf(site.function, 1), nameLimit)} />}</code>
          {site.function !== undefined && place !== '' && (
            <>
              {' '}
              (<Text value={cut(place, nameLimit)} />)
            </>
          )}
        </>
      )}
    </span>
  )
}

/** The last parts of a path. */
const lastOf = (path: string, parts: number): string => path.split('/').slice(-parts).join('/')

function callsOf(t: Messages, { kind, calls, leastCalls, mostCalls, serial }: Finding): string {
  switch (kind) {
    case 'slow-call':
      return ''
    case 'retry-storm':
      return t.findings.again(formatMean(calls))
    default:
      return leastCalls === mostCalls
        ? t.findings.always(formatMean(calls), formatShare(serial))
        : t.findings.varying(formatCount(leastCalls), formatCount(mostCalls), formatMean(calls), formatShare(serial))
  }
}

/** What to do about it, and what that would save. */
export function adviceOf(t: Messages, finding: Finding): string {
  return `${t.findings.advice[finding.kind] ?? finding.advice} ${t.findings.saves(
    formatDuration(finding.saving),
    formatDuration(finding.savingPerDay),
    formatCount(Math.round(finding.perDay)),
  )}`
}
