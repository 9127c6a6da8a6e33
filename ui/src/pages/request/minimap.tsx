import { useCallback, useState, type PointerEvent } from 'react'

import { useMessages } from '../../app/preferences.ts'
import { serviceColours, useCanvas, type Surface } from '../../charts/canvas.ts'
import type { Extent } from '../../trace/axis.ts'
import type { Trace } from '../../trace/model.ts'
import { assignColours } from '../../trace/palette.ts'

interface MinimapProps {
  trace: Trace
  extent: Extent
  onZoom: (extent: Extent | null) => void
}

const leastDrag = 4 // px

/** The whole trace in a strip; a drag zooms. What it shows, the timeline says in words. */
export function Minimap({ trace, extent, onZoom }: MinimapProps) {
  const t = useMessages()
  const draw = useCallback((surface: Surface) => drawTrace(surface, trace), [trace])
  const canvas = useCanvas(draw)
  const [drag, setDrag] = useState<Extent | null>(null) // shares of the width

  const whole = Math.max(trace.duration, 1)
  const finish = (event: PointerEvent) => {
    if (drag === null) return
    setDrag(null)
    const [from, to] = [drag.from, drag.to].toSorted((a, b) => a - b)
    if ((to - from) * event.currentTarget.clientWidth >= leastDrag) onZoom({ from: from * whole, to: to * whole })
  }
  const shown = drag ?? { from: extent.from / whole, to: extent.to / whole }
  const left = Math.min(shown.from, shown.to)
  const right = Math.max(shown.from, shown.to)
  return (
    <div
      className="minimap"
      title={t.request.minimap}
      aria-hidden
      onPointerDown={(event) => {
        if (event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        const at = share(event)
        setDrag({ from: at, to: at })
      }}
      onPointerMove={(event) => {
        if (drag !== null) setDrag({ from: drag.from, to: share(event) })
      }}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(null)}
      onDoubleClick={() => onZoom(null)}
    >
      <canvas ref={canvas} />
      <div className="minimap-shade" style={{ left: 0, width: `${100 * left}%` }} />
      <div className="minimap-shade" style={{ left: `${100 * right}%`, right: 0 }} />
    </div>
  )
}

/** Where the pointer is, as a share of the width. */
function share(event: PointerEvent): number {
  const box = event.currentTarget.getBoundingClientRect()
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1)
}

function drawTrace(surface: Surface, trace: Trace) {
  const { context, width, height } = surface
  const palette = serviceColours(surface)
  const colours = assignColours(trace.services)
  const scale = width / Math.max(trace.duration, 1)
  const step = height / Math.max(trace.size, 1)
  const thickness = Math.max(1, Math.min(step, 4))
  // Of the bars that fall on the same pixels only the first is drawn.
  let lastY = -1
  let lastX = -1
  let lastWidth = -1
  for (let row = 0; row < trace.size; row++) {
    const y = Math.floor(row * step)
    const x = Math.floor(trace.offset[row] * scale)
    const w = Math.max(1, Math.round(trace.spanDuration[row] * scale))
    if (y === lastY && x >= lastX && x + w <= lastX + lastWidth) continue
    lastY = y
    lastX = x
    lastWidth = w
    context.fillStyle = palette[colours[trace.service[row]]]
    context.fillRect(x, y, w, thickness)
  }
}
