import { Link } from '@tanstack/react-router'

import type { MapEdge } from '../../api/analysis.ts'
import { useMessages } from '../../app/preferences.ts'
import { labelHeights } from '../../charts/labels.ts'
import { layers, type Placed } from '../../charts/layers.ts'
import { formatCount, formatDuration, formatRate, formatShare, rateUnit } from '../../text/format.ts'
import { plain } from '../../text/hostile.ts'
import type { MapSearch } from './search.ts'

const nodeWidth = 150
const nodeHeight = 34
const columnWidth = 370
const rowHeight = 56
const margin = 16
const labelHeight = 16
const labelRoom = columnWidth - nodeWidth
const nameLength = 20 // characters that fit into a node

const x = ({ column }: Placed) => column * columnWidth
const y = ({ row }: Placed) => row * rowHeight

/** The calls as a drawing from left to right; a service leads to its neighbourhood. */
export function Drawing({ edges, search }: { edges: readonly MapEdge[]; search: MapSearch }) {
  const t = useMessages()
  const placed = layers(edges, search.service)
  const stores = new Set(edges.filter(({ store }) => store).map(({ callee }) => callee))
  const at = new Map(placed.map((node) => [node.name, node]))
  const heights = labelHeights(edges, new Map(placed.map((node) => [node.name, { column: node.column, y: y(node) + nodeHeight / 2 }])), labelHeight)
  const left = edges.some(({ callee }) => at.get(callee)?.column === 0) ? -labelRoom : 0
  const top = Math.min(...placed.map(y), ...heights.map((height) => height - labelHeight))
  const width = Math.max(...placed.map(x)) + nodeWidth - left + 2 * margin
  const height = Math.max(...placed.map((node) => y(node) + nodeHeight), ...heights) - top + 2 * margin
  const unit = rateUnit(edges.map(({ rate }) => rate))
  const busiest = Math.max(...edges.map(({ rate }) => rate), 0)
  return (
    <div className="panel map-drawing" tabIndex={0} role="region" aria-label={t.map.title}>
      <svg width={width} height={height} viewBox={`${left - margin} ${top - margin} ${width} ${height}`} role="group" aria-label={t.map.label(formatCount(placed.length), formatCount(edges.length))}>
        {edges.map((edge) => {
          const from = at.get(edge.caller)
          const to = at.get(edge.callee)
          if (from === undefined || to === undefined) return null
          const failed = edge.errors > 0
          const line = curve(x(from), y(from), x(to), y(to))
          return (
            <g key={`${edge.caller}\u0000${edge.callee}`} className={failed ? 'edge failed' : 'edge'} aria-hidden>
              <path d={line.path} strokeWidth={1 + 4 * Math.sqrt(edge.rate / Math.max(busiest, 1e-9))} />
              <path className="head" d={`M${line.endX - 7} ${line.endY - 4}l7 4-7 4z`} />
            </g>
          )
        })}
        {edges.map((edge, i) => {
          const to = at.get(edge.callee)
          if (to === undefined) return null
          return (
            <text key={`${edge.caller}\u0000${edge.callee}`} className="edge-label" x={x(to) - 14} y={heights[i] - 6} textAnchor="end" aria-hidden>
              {formatRate(edge.rate, unit)} · p95 {formatDuration(edge.p95)}
              {edge.errors > 0 && <tspan className="bad"> · ▲ {formatShare(edge.errors / edge.calls)}</tspan>}
            </text>
          )
        })}
        {placed.map((node) => (
          <Link
            key={node.name}
            to="/map"
            search={{ ...search, service: node.name }}
            aria-label={t.map.focusOn(plain(node.name))}
            className={node.name === search.service ? 'node focused' : 'node'}
          >
            <rect x={x(node)} y={y(node)} width={nodeWidth} height={nodeHeight} rx={stores.has(node.name) ? 17 : 5} />
            <text x={x(node) + nodeWidth / 2} y={y(node) + nodeHeight / 2 + 4} textAnchor="middle">
              {plain(node.name, nameLength)}
            </text>
          </Link>
        ))}
      </svg>
    </div>
  )
}

/** From the right side of a node to the left side of another; a call back to the left or to itself goes around below. */
function curve(fromX: number, fromY: number, toX: number, toY: number) {
  const startX = fromX + nodeWidth
  const startY = fromY + nodeHeight / 2
  const endX = toX
  const endY = toY + nodeHeight / 2
  if (endX > startX) {
    const bend = (endX - startX) / 2
    return {
      path: `M${startX} ${startY}C${startX + bend} ${startY} ${endX - bend} ${endY} ${endX - 4} ${endY}`,
      endX,
      endY,
    }
  }
  const low = Math.max(startY, endY) + nodeHeight
  return {
    path: `M${startX} ${startY}C${startX + 60} ${low} ${endX - 60} ${low} ${endX - 4} ${endY}`,
    endX,
    endY,
  }
}
