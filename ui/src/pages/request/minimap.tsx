import { useEffect, useRef, useState, type PointerEvent } from 'react'

import { useMessages } from '../../app/preferences.ts'
import type { Extent } from '../../trace/axis.ts'
import type { Trace } from '../../trace/model.ts'
import { assignColours, paletteSize } from '../../trace/palette.ts'

interface MinimapProps {
  trace: Trace
  extent: Extent
  onZoom: (extent: Extent | null) => void
}

const leastDrag = 4 // px

/** The whole trace in a strip; a drag zooms. What it shows, the timeline says in words. */
export function Minimap({ trace, extent, onZoom }: MinimapProps) {
  const t = useMessages()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [drag, setDrag] = useState<Extent | null>(null) // shares of the width
  useEffect(() => {
    const element = canvas.current
    if (element === null) return undefined
    let timer = 0
    const draw = () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => drawTrace(element, trace)) // the rows come first
    }
    const resize = new ResizeObserver(draw)
    resize.observe(element)
    const theme = new MutationObserver(draw)
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', draw)
    return () => {
      clearTimeout(timer)
      resize.disconnect()
      theme.disconnect()
      system.removeEventListener('change', draw)
    }
  }, [trace])

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

function drawTrace(canvas: HTMLCanvasElement, trace: Trace) {
  const context = canvas.getContext('2d')
  if (context === null) return
  const ratio = devicePixelRatio
  const width = (canvas.width = Math.round(canvas.clientWidth * ratio))
  const height = (canvas.height = Math.round(canvas.clientHeight * ratio))
  const style = getComputedStyle(canvas)
  const palette = Array.from({ length: paletteSize }, (_, i) => style.getPropertyValue(`--service-${i}`))
  const colours = assignColours(trace.services)
  const scale = width / Math.max(trace.duration, 1)
  const step = height / Math.max(trace.size, 1)
  const thickness = Math.max(1, Math.min(step, 4 * ratio))
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
