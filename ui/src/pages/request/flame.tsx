import { useCallback, useMemo, useState, type KeyboardEvent, type MouseEvent } from 'react'

import { useMessages } from '../../app/preferences.ts'
import { serviceColours, useCanvas, type Surface } from '../../charts/canvas.ts'
import { formatCount, formatDuration } from '../../text/format.ts'
import { plain } from '../../text/hostile.ts'
import type { Extent } from '../../trace/axis.ts'
import { boxes, lanesOf, rowAt } from '../../trace/flame.ts'
import { flagError, type Trace } from '../../trace/model.ts'
import { assignColours } from '../../trace/palette.ts'

interface FlameProps {
  trace: Trace
  extent: Extent
  hit: Uint8Array | null
  selected: number | null
  onSelect: (row: number | null) => void
  onZoom: (extent: Extent | null) => void
}

const laneHeight = 18 // px
const leastNamed = 30 // px: narrower boxes have no name

/** All spans by time, children below parents. The timeline has the same as a table. */
export function Flame({ trace, extent, hit, selected, onSelect, onZoom }: FlameProps) {
  const t = useMessages()
  const lanes = useMemo(() => lanesOf(trace), [trace])
  const colours = useMemo(() => assignColours(trace.services), [trace])
  const [pointed, setPointed] = useState(-1)
  const draw = useCallback(
    (surface: Surface) => drawFlame(surface, trace, lanes.lane, colours, extent, hit, selected),
    [trace, lanes, colours, extent, hit, selected],
  )
  const canvas = useCanvas(draw)
  const at = (event: MouseEvent): number => {
    const box = event.currentTarget.getBoundingClientRect()
    const scale = (extent.to - extent.from) / box.width
    const time = extent.from + (event.clientX - box.left) * scale
    return rowAt(trace, lanes.lane, time, Math.floor((event.clientY - box.top) / laneHeight), scale)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const from = selected ?? -1
    const to = neighbour(trace, from, event.key)
    if (to !== null) onSelect(to)
    else if (event.key === 'z' && from >= 0) onZoom({ from: trace.offset[from], to: trace.offset[from] + Math.max(trace.spanDuration[from], 1) })
    else if (event.key === 'Z') onZoom(null)
    else if (event.key === 'Escape' && selected !== null) onSelect(null)
    else return
    event.preventDefault()
  }
  const shown = pointed >= 0 ? pointed : selected
  return (
    <div className="flame">
      <p className="flame-hint muted" role="status">
        {shown === null
          ? t.request.flame.hint
          : `${plain(trace.services[trace.service[shown]], 60)} ${plain(trace.names[trace.name[shown]], 120)} · ${formatDuration(trace.spanDuration[shown])} · ${t.request.durations.self} ${formatDuration(trace.self[shown])}`}
      </p>
      <div className="flame-scroller">
        <canvas
          ref={canvas}
          // oxlint-disable-next-line jsx-a11y/no-interactive-element-to-noninteractive-role -- arrows move in it, z zooms: it is an application
          role="application"
          aria-roledescription={t.request.flame.title}
          aria-label={t.request.flame.label(formatCount(trace.size))}
          tabIndex={0}
          style={{ height: lanes.count * laneHeight + 2 }}
          onPointerMove={(event) => setPointed(at(event))}
          onPointerLeave={() => setPointed(-1)}
          onClick={(event) => {
            const row = at(event)
            onSelect(row < 0 ? null : row)
          }}
          onDoubleClick={(event) => {
            const row = at(event)
            onZoom(row <= 0 ? null : { from: trace.offset[row], to: trace.offset[row] + Math.max(trace.spanDuration[row], 1) })
          }}
          onKeyDown={onKeyDown}
        />
      </div>
    </div>
  )
}

/** Where an arrow leads from a row: its parent, first child, or a sibling; null for other keys and where there is nothing. */
function neighbour(trace: Trace, row: number, key: string): number | null {
  if (row < 0) return key.startsWith('Arrow') && trace.size > 0 ? 0 : null
  switch (key) {
    case 'ArrowUp':
      return trace.parent[row] >= 0 ? trace.parent[row] : null
    case 'ArrowDown':
      return trace.end[row] > row + 1 ? row + 1 : null
    case 'ArrowRight': {
      const next = trace.end[row]
      return next < trace.size && trace.parent[next] === trace.parent[row] ? next : null
    }
    case 'ArrowLeft': {
      let before = row - 1
      while (before >= 0 && trace.parent[before] !== trace.parent[row] && before !== trace.parent[row]) before = trace.parent[before]
      return before >= 0 && before !== trace.parent[row] ? before : null
    }
    default:
      return null
  }
}

function drawFlame(
  surface: Surface,
  trace: Trace,
  lane: Uint16Array,
  colours: readonly number[],
  extent: Extent,
  hit: Uint8Array | null,
  selected: number | null,
) {
  const { context, width, colour } = surface
  const palette = serviceColours(surface)
  const ink = colour('--surface')
  context.font = '11px system-ui, sans-serif'
  context.textBaseline = 'middle'
  for (const box of boxes(trace, lane, extent, width)) {
    const top = box.lane * laneHeight + 1
    context.globalAlpha = hit === null || hit[box.row] !== 0 ? 1 : 0.25
    context.fillStyle = palette[colours[trace.service[box.row]]]
    context.fillRect(box.left, top, Math.max(box.width - 0.5, 0.5), laneHeight - 2)
    if (trace.critical.on[box.row] !== 0) {
      context.fillStyle = colour('--text')
      context.fillRect(box.left, top + laneHeight - 4, Math.max(box.width - 0.5, 0.5), 2)
    }
    if (box.width < leastNamed) continue
    context.fillStyle = ink
    context.save()
    context.beginPath()
    context.rect(box.left, top, box.width - 3, laneHeight)
    context.clip()
    const failed = (trace.flags[box.row] & flagError) !== 0 ? '⚠ ' : ''
    context.fillText(`${failed}${plain(trace.names[trace.name[box.row]], 80)}`, box.left + 4, top + laneHeight / 2 - 1)
    context.restore()
  }
  context.globalAlpha = 1
  if (selected === null) return
  const scale = width / Math.max(extent.to - extent.from, 1)
  context.strokeStyle = colour('--accent')
  context.lineWidth = 2
  context.strokeRect(
    (trace.offset[selected] - extent.from) * scale,
    lane[selected] * laneHeight + 1,
    Math.max(trace.spanDuration[selected] * scale, 2),
    laneHeight - 2,
  )
}
