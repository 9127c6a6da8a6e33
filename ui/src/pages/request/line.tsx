import { memo } from 'react'

import { useMessages } from '../../app/preferences.ts'
import { ChevronIcon, ErrorIcon, RepeatIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { formatCount, formatDuration, formatShare } from '../../text/format.ts'
import { cut, plain } from '../../text/hostile.ts'
import { coverPath, criticalCover, place, type Extent } from '../../trace/axis.ts'
import { flagError, flagParentMissing, flagSkewAdjusted, type Trace } from '../../trace/model.ts'
import { groupIndex, isGroup } from '../../trace/rows.ts'

export const lineHeight = 24 // px
const indent = 14 // px a level
const deepest = 24 // levels; deeper ones are numbered instead of moved
const nameLimit = 160 // characters

interface LineProps {
  trace: Trace
  colours: readonly number[]
  /** A row, or a group; see trace/rows.ts. */
  code: number
  line: number
  level: number
  extent: Extent
  id: string
  isOpen: boolean
  isActive: boolean
  isSelected: boolean
  /** Whether it matches what is looked for; undefined when nothing is. */
  isHit: boolean | undefined
  /** Mark what is on the critical path. */
  marksCritical: boolean
}

/** One line of the timeline: a span, or a group of repeats. */
export const Line = memo(function Line(props: LineProps) {
  const { trace, code, line, level, id, isOpen, isActive, isSelected, isHit } = props
  const isExpandable = isGroup(code) || trace.end[code] > code + 1
  const classes = [
    'line',
    isGroup(code) ? 'of-group' : '',
    isActive ? 'active' : '',
    isSelected ? 'selected' : '',
    isHit === false ? 'context' : '',
  ]
    .filter((name) => name !== '')
    .join(' ')
  return (
    <div
      role="row"
      id={id}
      data-line={line}
      className={classes}
      style={{ transform: `translateY(${line * lineHeight}px)` }}
      aria-level={level + 1}
      aria-rowindex={line + 1}
      aria-expanded={isExpandable ? isOpen : undefined}
      aria-selected={isSelected}
    >
      <div role="gridcell" className="line-name" style={{ paddingInlineStart: Math.min(level, deepest) * indent }}>
        {level > deepest && <span className="depth">{formatCount(level)}</span>}
        <span className={isExpandable ? 'toggle' : 'toggle none'} data-toggle={isExpandable ? '' : undefined}>
          {isExpandable && <ChevronIcon className={isOpen ? 'open' : ''} />}
        </span>
        {isGroup(code) ? <GroupName {...props} /> : <SpanName {...props} />}
      </div>
      <div role="gridcell" className="line-duration">
        {isGroup(code) ? `Σ ${formatDuration(trace.groups[groupIndex(code)].sum)}` : formatDuration(trace.spanDuration[code])}
      </div>
      <div role="gridcell" className="line-time">
        {isGroup(code) ? <GroupBar {...props} /> : <SpanBar {...props} />}
      </div>
    </div>
  )
})

function SpanName({ trace, colours, code: row }: LineProps) {
  const t = useMessages()
  const service = trace.services[trace.service[row]]
  const name = trace.names[trace.name[row]]
  const flags = trace.flags[row]
  const children = trace.children[row]
  return (
    <>
      <span className={`swatch service-${colours[trace.service[row]]}`} />
      {(flags & flagError) !== 0 && (
        <span className="bad" title={t.request.error}>
          <ErrorIcon />
          <span className="unheard">{t.request.error}</span>
        </span>
      )}
      <span className="line-text" title={`${plain(service)} ${plain(name)}`}>
        <span className="service">
          <Text value={cut(service, nameLimit)} />
        </span>{' '}
        <Text value={cut(name, nameLimit)} />
      </span>
      {(flags & flagParentMissing) !== 0 && (
        <span className="mark" title={t.request.missingParent}>
          ⚬
        </span>
      )}
      {(flags & flagSkewAdjusted) !== 0 && (
        <span className="mark" title={t.request.skewed}>
          ⇄
        </span>
      )}
      {children > 0 && (
        <span className="badge" title={t.request.children(formatCount(children))}>
          {formatCount(children)}
        </span>
      )}
    </>
  )
}

function GroupName({ trace, colours, code, isOpen }: LineProps) {
  const t = useMessages()
  const group = trace.groups[groupIndex(code)]
  const type = trace.types[group.type]
  const count = formatCount(group.rows.length)
  const serial = t.request.group.serial(formatShare(group.serial))
  const facts = `Σ ${formatDuration(group.sum)} · p50 ${formatDuration(group.p50)} · p95 ${formatDuration(group.p95)} · ${serial}`
  return (
    <>
      <span className={`swatch repeat service-${colours[trace.service[group.rows[0]]]}`}>
        <RepeatIcon />
      </span>
      {group.errors > 0 && (
        <span className="bad" title={`${formatCount(group.errors)} ${t.request.errors}`}>
          <ErrorIcon />
          <span className="unheard">{t.request.error}</span>
        </span>
      )}
      <span
        className="line-text group-type"
        title={`${plain(type)} ×${count}\n${facts}\n${isOpen ? t.request.group.collapse(count) : t.request.group.expand(count)}`}
      >
        <Text value={cut(type, nameLimit)} />
      </span>{' '}
      <span className="times">×{count}</span>
      <span className="group-facts">
        <span className="p50">p50 {formatDuration(group.p50)}</span>
        <span className="p95">p95 {formatDuration(group.p95)}</span>
        <span>{serial}</span>
      </span>
    </>
  )
}

function SpanBar({ trace, colours, code: row, extent, marksCritical }: LineProps) {
  const at = place(extent, trace.offset[row], trace.spanDuration[row])
  if (at === null)
    return (
      <span className={trace.offset[row] < extent.from ? 'outside' : 'outside end'}>{trace.offset[row] < extent.from ? '←' : '→'}</span>
    )
  const isError = (trace.flags[row] & flagError) !== 0
  return (
    <>
      <span
        className={`span-bar service-${colours[trace.service[row]]}${isError ? ' failed' : ''}`}
        style={{ left: `${at.left}%`, width: `${at.width}%` }}
      />
      {marksCritical && trace.critical.on[row] !== 0 && <CriticalBar trace={trace} rows={[row]} extent={extent} />}
    </>
  )
}

/** What the request waited for of these rows, under their bars. */
function CriticalBar({ trace, rows, extent }: { trace: Trace; rows: Iterable<number>; extent: Extent }) {
  const t = useMessages()
  return (
    <svg className="critical-bar" viewBox="0 0 1000 1" preserveAspectRatio="none" role="img" aria-label={t.request.critical.title}>
      <path d={criticalCover(extent, trace.critical, rows)} />
    </svg>
  )
}

function GroupBar({ trace, colours, code, extent, marksCritical }: LineProps) {
  const group = trace.groups[groupIndex(code)]
  return (
    <>
    <svg
      className={`group-bar service-${colours[trace.service[group.rows[0]]]}`}
      viewBox="0 0 1000 1"
      preserveAspectRatio="none"
      aria-hidden
    >
      <path d={coverPath(extent, group.rows, trace.offset, trace.spanDuration)} />
    </svg>
    {marksCritical && group.rows.some((row) => trace.critical.on[row] !== 0) && <CriticalBar trace={trace} rows={group.rows} extent={extent} />}
    </>
  )
}
