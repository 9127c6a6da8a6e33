import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type MouseEvent } from 'react'

import { isTyping } from '../../app/shortcuts.ts'
import { useMessages } from '../../app/preferences.ts'
import { formatCount, formatTick } from '../../text/format.ts'
import { place, ticks, type Extent } from '../../trace/axis.ts'
import type { Matches } from '../../trace/find.ts'
import type { Trace } from '../../trace/model.ts'
import { assignColours } from '../../trace/palette.ts'
import { groupCode, groupIndex, has, isGroup, type Lines, type View } from '../../trace/rows.ts'
import { Line, lineHeight } from './line.tsx'
import { codeExtent, enclosingGroup, lineOfCode, nextMatch, step } from './movement.ts'

interface TimelineProps {
  trace: Trace
  lines: Lines
  view: View
  matches: Matches | null
  extent: Extent
  marksCritical: boolean
  onToggleCritical: () => void
  selected: number | null
  onSelect: (row: number | null) => void
  onToggleRow: (row: number) => void
  onToggleGroup: (group: number) => void
  onZoom: (extent: Extent | null) => void
}

const overscan = 8 // lines drawn above and below what is in sight
const tickDistance = 110 // px, at least
const tickRoom = 64 // px that a tick's text takes

/**
 * The waterfall: an ARIA treegrid of which only the lines in sight are in the document. The focus stays on the
 * grid; the active line is its active descendant.
 */
export function Timeline(props: TimelineProps) {
  const { trace, lines, view, matches, extent, marksCritical, onToggleCritical, selected, onSelect, onToggleRow, onToggleGroup, onZoom } = props
  const t = useMessages()
  const gridId = useId()
  const scroller = useRef<HTMLDivElement>(null)
  const axis = useRef<HTMLDivElement>(null)
  const [first, setFirst] = useState(0)
  const [size, setSize] = useState({ height: 600, axis: 600, scrollbar: 0 })
  const [active, setActive] = useState(selected ?? 0) // a code
  const colours = useMemo(() => assignColours(trace.services), [trace])
  const count = lines.codes.length
  const activeLine = lineOfCode(trace, lines, active)

  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return undefined
    const measure = () =>
      setSize({ height: element.clientHeight, axis: axis.current?.clientWidth ?? 0, scrollbar: element.offsetWidth - element.clientWidth })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    if (axis.current !== null) observer.observe(axis.current)
    return () => observer.disconnect()
  }, [])

  // A span selected from elsewhere becomes the active line and is brought into sight, once.
  const [followed, setFollowed] = useState(selected)
  if (followed !== selected) {
    setFollowed(selected)
    if (selected !== null) setActive(selected)
  }
  const shown = useRef<number | null>(null)
  useEffect(() => {
    if (selected === shown.current) return
    if (selected !== null && lines.lineOfRow[selected] < 0) return
    shown.current = selected
    if (selected !== null) bringIntoSight(scroller.current, lines.lineOfRow[selected], true)
  }, [selected, lines])

  const activate = (line: number) => {
    if (line < 0 || line >= count) return
    const code = lines.codes[line]
    setActive(code)
    bringIntoSight(scroller.current, line)
    if (selected !== null && !isGroup(code)) choose(code)
  }
  const choose = (row: number) => {
    shown.current = row
    onSelect(row)
  }
  const toggle = (code: number) => {
    if (isGroup(code)) onToggleGroup(groupIndex(code))
    else if (trace.end[code] > code + 1) onToggleRow(code)
  }
  const isOpen = (code: number) => (isGroup(code) ? !has(view.folded, trace.groups[groupIndex(code)].rows[0]) : !has(view.collapsed, code))

  /** Acts on a key and says whether it was one of ours. */
  const onKey = (key: string): boolean => {
    if (count === 0 && key !== 'Escape' && key !== 'Z') return false
    const code = lines.codes[activeLine]
    const page = Math.max(1, Math.floor(size.height / lineHeight) - 1)
    switch (key) {
      case 'ArrowDown':
      case 'ArrowUp':
        activate(activeLine + (key === 'ArrowDown' ? 1 : -1))
        break
      case 'PageDown':
        activate(Math.min(activeLine + page, count - 1))
        break
      case 'PageUp':
        activate(Math.max(activeLine - page, 0))
        break
      case 'Home':
        activate(0)
        break
      case 'End':
        activate(count - 1)
        break
      case 'ArrowRight':
      case 'ArrowLeft': {
        const move = step(trace, lines, activeLine, key === 'ArrowRight', isOpen(code))
        if (move === 'toggle') toggle(code)
        else activate(move)
        break
      }
      case 'Enter':
        if (isGroup(code)) toggle(code)
        else choose(code)
        break
      case 'x': {
        const group = isGroup(code) ? groupIndex(code) : enclosingGroup(trace, code)
        if (group < 0) break
        setActive(groupCode(group))
        onToggleGroup(group)
        bringIntoSight(scroller.current, lines.lineOfGroup[group])
        break
      }
      case 'n':
      case 'N':
        if (matches === null) return false
        activate(nextMatch(trace, lines, matches.hit, activeLine, key === 'n' ? 1 : -1))
        break
      case 'z':
        onZoom(codeExtent(trace, code))
        break
      case 'Z':
        onZoom(null)
        break
      case 'c':
        onToggleCritical()
        break
      case 'Escape':
        if (selected === null) return false
        onSelect(null)
        break
      default:
        return false
    }
    return true
  }
  const latestOnKey = useRef(onKey)
  useEffect(() => {
    latestOnKey.current = onKey
  })
  useEffect(() => {
    // Keys pressed while nothing else has the focus are the timeline's; Escape and n are wherever the focus is.
    const listen = (event: KeyboardEvent) => {
      const target = event.target
      if (event.defaultPrevented || document.querySelector('dialog[open], :popover-open:not([role=tooltip])') !== null) return
      if (event.key === 'Escape' ? target instanceof HTMLInputElement && target.value !== '' : isTyping(event)) return
      const isOurs = scroller.current?.contains(target as Node) === true
      const isNobodys = target === document.body || (target instanceof HTMLElement && target.id === 'content')
      if (!isOurs && !isNobodys && !['Escape', 'n', 'N'].includes(event.key)) return
      if (!latestOnKey.current(event.key)) return
      event.preventDefault()
      if (isNobodys) scroller.current?.focus({ preventScroll: true })
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])

  const onClick = (event: MouseEvent) => {
    const target = event.target as Element
    const line = Number(target.closest<HTMLElement>('[data-line]')?.dataset.line ?? -1)
    if (line < 0 || line >= count) return
    const code = lines.codes[line]
    setActive(code)
    if (isGroup(code) || target.closest('[data-toggle]') !== null) toggle(code)
    else choose(code)
  }
  const from = Math.max(0, Math.min(first, count - 1) - overscan)
  const to = Math.min(count, first + Math.ceil(size.height / lineHeight) + overscan)
  const isRendered = activeLine >= from && activeLine < to
  const marks = ticks(extent, Math.max(2, size.axis / tickDistance))
  const drawn = []
  for (let line = from; line < to; line++) {
    const code = lines.codes[line]
    drawn.push(
      <Line
        key={code}
        id={`${gridId}${code}`}
        trace={trace}
        colours={colours}
        code={code}
        line={line}
        level={lines.levels[line]}
        extent={extent}
        isOpen={isOpen(code)}
        isActive={line === activeLine}
        isSelected={code === selected}
        marksCritical={marksCritical}
        isHit={
          matches === null
            ? undefined
            : isGroup(code)
              ? trace.groups[groupIndex(code)].rows.some((row) => matches.hit[row] !== 0)
              : matches.hit[code] !== 0
        }
      />,
    )
  }
  return (
    <div className="timeline">
      <div className="axis" aria-hidden style={{ paddingInlineEnd: size.scrollbar }}>
        <div className="axis-name">
          {t.request.span} · {t.request.lines(formatCount(count))}
        </div>
        <div className="axis-duration">{t.request.duration}</div>
        <div className="axis-time" ref={axis}>
          {marks.map((mark) => (
            <span
              key={mark}
              className={((place(extent, mark, 0)?.left ?? 0) / 100) * size.axis > size.axis - tickRoom ? 'tick last' : 'tick'}
              style={{ left: `${place(extent, mark, 0)?.left ?? 0}%` }}
            >
              {formatTick(mark)}
            </span>
          ))}
        </div>
      </div>
      <div className="timeline-body">
        <div className="gridlines" aria-hidden style={{ paddingInlineEnd: size.scrollbar }}>
          <div>
            {marks.map((mark) => (
              <span key={mark} style={{ left: `${place(extent, mark, 0)?.left ?? 0}%` }} />
            ))}
          </div>
        </div>
        {/* oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the keys are listened for on the window */}
        <div
          ref={scroller}
          className="scroller"
          role="treegrid"
          tabIndex={0}
          aria-label={t.request.timeline}
          aria-rowcount={count}
          aria-colcount={3}
          aria-activedescendant={isRendered ? `${gridId}${lines.codes[activeLine]}` : undefined}
          onScroll={(event) => setFirst(Math.floor(event.currentTarget.scrollTop / lineHeight))}
          onClick={onClick}
        >
          <div className="lines" role="rowgroup" style={{ height: count * lineHeight }}>
            {drawn}
          </div>
        </div>
      </div>
    </div>
  )
}

function bringIntoSight(scroller: HTMLElement | null, line: number, isCentred = false) {
  if (scroller === null || line < 0) return
  const top = line * lineHeight
  const bottom = top + lineHeight
  if (top >= scroller.scrollTop && bottom <= scroller.scrollTop + scroller.clientHeight) return
  if (isCentred) scroller.scrollTop = top - scroller.clientHeight / 3
  else scroller.scrollTop = top < scroller.scrollTop ? top : bottom - scroller.clientHeight
}
