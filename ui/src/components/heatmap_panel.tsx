import { useCallback, useMemo, useState, type PointerEvent } from 'react'

import type { HeatmapCounts, Population } from '../api/analysis.ts'
import { useMessages } from '../app/preferences.ts'
import { useCanvas, type Surface } from '../charts/canvas.ts'
import { brushOf, decodeHeatmap, durationTicks, heightOf, rowsOf, strength, type Brush, type Heatmap } from '../charts/heatmap.ts'
import { formatCount, formatDuration, formatMinute, formatTick } from '../text/format.ts'

interface HeatmapPanelProps {
  answer: HeatmapCounts
  title: string
  /** What a drag does, and what the marks mean. */
  hint: string
  /** For who does not see the canvas. */
  label: string
  /** The populations on it, when they are known. */
  slow?: Population | undefined
  normal?: Population | undefined
  asTable: boolean
  onToggleTable: () => void
  onBrush: (brush: Brush) => void
}

interface Corner {
  x: number
  y: number
}

const leastDrag = 4 // px

/** Requests or spans by start and duration. A drag chooses a part; the page has fields that do the same by keyboard. */
export function HeatmapPanel({ answer, title, hint, label, slow, normal, asTable, onToggleTable, onBrush }: HeatmapPanelProps) {
  const t = useMessages()
  const h = t.endpoint.heatmap
  const map = useMemo(() => decodeHeatmap(answer), [answer])
  const [drag, setDrag] = useState<{ from: Corner; to: Corner } | null>(null)
  const [pointed, setPointed] = useState<Corner | null>(null)
  const draw = useCallback((surface: Surface) => drawHeatmap(surface, map, slow, normal), [map, slow, normal])
  const canvas = useCanvas(draw)
  const isEmpty = map.columns === 0 || rowsOf(map) === 0
  const finish = (event: PointerEvent) => {
    if (drag === null) return
    setDrag(null)
    const box = event.currentTarget.getBoundingClientRect()
    if (Math.abs(drag.from.x - drag.to.x) * box.width >= leastDrag || Math.abs(drag.from.y - drag.to.y) * box.height >= leastDrag)
      onBrush(brushOf(map, drag.from, drag.to))
  }
  return (
    <section className="panel heatmap" aria-labelledby="heatmap-title">
      <header>
        <h2 id="heatmap-title">{title}</h2>
        <button type="button" className="link" aria-pressed={asTable} onClick={onToggleTable}>
          {asTable ? h.asChart : h.asTable}
        </button>
      </header>
      {isEmpty ? (
        <p className="lead muted">{h.none}</p>
      ) : asTable ? (
        <HeatmapTable map={map} />
      ) : (
        <div className="heatmap-body">
          <div className="heatmap-scale" aria-hidden>
            {durationTicks(map).map((tick) => (
              <span key={tick} style={{ bottom: `${100 * heightOf(map, tick)}%` }}>
                {formatTick(tick)}
              </span>
            ))}
          </div>
          <div
            className="heatmap-plot"
            onPointerDown={(event) => {
              if (event.button !== 0) return
              event.currentTarget.setPointerCapture(event.pointerId)
              const at = corner(event)
              setDrag({ from: at, to: at })
            }}
            onPointerMove={(event) => {
              const at = corner(event)
              setPointed(at)
              if (drag !== null) setDrag({ from: drag.from, to: at })
            }}
            onPointerLeave={() => setPointed(null)}
            onPointerUp={finish}
            onPointerCancel={() => setDrag(null)}
          >
            <canvas ref={canvas} role="img" aria-label={label} />
            {drag !== null && <span className="brush" style={boxOf(drag)} />}
          </div>
          <div className="heatmap-time" aria-hidden>
            {timeTicks(map).map((at) => (
              <span key={at} style={{ left: `${(100 * (at - map.start)) / (map.columns * map.step)}%` }}>
                {formatMinute(at)}
              </span>
            ))}
          </div>
          <p className="heatmap-hint muted">{pointed === null ? hint : cellText(map, pointed, h.cell)}</p>
        </div>
      )}
    </section>
  )
}

/** The same numbers, a row a column of the map. */
function HeatmapTable({ map }: { map: Heatmap }) {
  const t = useMessages()
  const h = t.endpoint.heatmap
  const rows = rowsOf(map)
  const used = Array.from({ length: rows }, (_, row) => row).filter((row) => {
    for (let column = 0; column < map.columns; column++) if (map.count[column * rows + row] > 0) return true
    return false
  })
  return (
    <div className="heatmap-table" tabIndex={0} role="region" aria-label={h.asTable}>
      <table>
        <thead>
          <tr>
            <th scope="col">{h.startedAt}</th>
            <th scope="col" className="number">
              {t.endpoint.figures.errors}
            </th>
            {used.map((row) => (
              <th key={row} scope="col" className="number">
                ≤ {formatTick(Math.round(map.edges[row + 1]))}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: map.columns }, (_, column) => (
            <tr key={column}>
              <th scope="row">{formatMinute(map.start + column * map.step)}</th>
              <td className={map.errors[column] > 0 ? 'number bad' : 'number zero'}>{formatCount(map.errors[column])}</td>
              {used.map((row) => {
                const n = map.count[column * rows + row]
                return (
                  <td key={row} className={n > 0 ? 'number' : 'number zero'}>
                    {formatCount(n)}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Where the pointer is, as shares of the plot's width and height from its lower left. */
function corner(event: PointerEvent): Corner {
  const box = event.currentTarget.getBoundingClientRect()
  return { x: (event.clientX - box.left) / box.width, y: 1 - (event.clientY - box.top) / box.height }
}

const clamp = (share: number): number => Math.min(Math.max(share, 0), 1)

function boxOf({ from, to }: { from: Corner; to: Corner }) {
  const [left, right] = [clamp(Math.min(from.x, to.x)), clamp(Math.max(from.x, to.x))]
  const [bottom, top] = [clamp(Math.min(from.y, to.y)), clamp(Math.max(from.y, to.y))]
  return { left: `${100 * left}%`, width: `${100 * (right - left)}%`, bottom: `${100 * bottom}%`, height: `${100 * (top - bottom)}%` }
}

function cellText(map: Heatmap, at: Corner, write: (count: string, time: string, over: string, upTo: string) => string): string {
  const cell = brushOf(map, at, at)
  const column = Math.round((cell.from - map.start) / map.step)
  const row = map.edges.findIndex((edge) => Math.round(edge) === cell.over)
  return write(
    formatCount(map.count[column * rowsOf(map) + row] ?? 0),
    formatMinute(cell.from),
    formatDuration(cell.over),
    formatDuration(cell.upTo),
  )
}

const mostTimeTicks = 7
const minute = 60_000 // ms
const roundSteps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * minute)

function timeTicks(map: Heatmap): number[] {
  const whole = map.columns * map.step
  const every = roundSteps.find((step) => whole / step <= mostTimeTicks) ?? Math.ceil(whole / mostTimeTicks / (1440 * minute)) * 1440 * minute
  const all: number[] = []
  for (let at = Math.ceil(map.start / every) * every; at < map.start + map.columns * map.step; at += every) all.push(at)
  return all
}

const errorStrip = 6 // px above the cells, for the marks of columns with errors

function drawHeatmap({ context, width, height, colour }: Surface, map: Heatmap, slow: Population | undefined, normal: Population | undefined) {
  const rows = rowsOf(map)
  const column = width / map.columns
  const row = height / rows
  context.fillStyle = colour('--share')
  for (let x = 0; x < map.columns; x++) {
    for (let y = 0; y < rows; y++) {
      const n = map.count[x * rows + y]
      if (n === 0) continue
      context.globalAlpha = strength(n, map.most)
      context.fillRect(x * column, height - (y + 1) * row, Math.max(column - 0.5, 1), Math.max(row - 0.5, 1))
    }
  }
  context.globalAlpha = 1
  // Columns with errors have a triangle at the top.
  context.fillStyle = colour('--bad')
  for (let x = 0; x < map.columns; x++) {
    if (map.errors[x] === 0) continue
    const middle = (x + 0.5) * column
    context.beginPath()
    context.moveTo(middle - 3.5, errorStrip)
    context.lineTo(middle, 0)
    context.lineTo(middle + 3.5, errorStrip)
    context.fill()
  }
  // Where slow begins is a line, and so are the ends of normal, dashed.
  const line = (duration: number, token: string, dash: number[]) => {
    const y = height * (1 - heightOf(map, duration))
    if (duration <= 0 || y < 0 || y > height) return
    context.strokeStyle = colour(token)
    context.lineWidth = 1.5
    context.setLineDash(dash)
    context.beginPath()
    context.moveTo(0, y)
    context.lineTo(width, y)
    context.stroke()
  }
  if (normal !== undefined) for (const end of [normal.over, normal.upTo]) line(end, '--text-muted', [3, 4])
  if (slow !== undefined) for (const end of [slow.over, slow.upTo]) line(end, '--bad', [])
  context.setLineDash([])
}
