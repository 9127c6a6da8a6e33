import type { Skeleton, SkeletonGroup } from '../api/types.ts'

const codesOf = (list: readonly string[]) => [...list.keys()]
const steps = (start: number, values: readonly number[]) => values.map((value, i) => value - (i === 0 ? start : values[i - 1]))

/** For tests: a skeleton from one line a span, "depth type offset duration", indented or not; type is service and name too. */
export function sampleSkeleton(lines: string, groups: SkeletonGroup[] = []): Skeleton {
  const spans = lines
    .trim()
    .split('\n')
    .map((line) => {
      const [depth, type, offset = '0', duration = '10', flag = ''] = line.trim().split(/\s+/)
      return { depth: Number(depth), type, offset: Number(offset), duration: Number(duration), flags: flag === '!' ? 1 : 0 }
    })
  const types = [...new Set(spans.map((span) => span.type))]
  return {
    traceId: '1',
    start: '0',
    duration: Math.max(...spans.map((span) => span.offset + span.duration)),
    errors: 0,
    revision: '1',
    services: types,
    names: types,
    types,
    shapes: { service: codesOf(types), name: codesOf(types), type: codesOf(types), kind: types.map(() => 1) },
    rows: {
      depth: spans.map((s) => s.depth),
      shape: spans.map((s) => types.indexOf(s.type)),
      offsetStep: steps(
        0,
        spans.map((s) => s.offset),
      ),
      duration: spans.map((s) => s.duration),
      flags: spans.map((s) => s.flags),
    },
    groups,
    notes: null,
    stats: { row: 0, spans: spans.length, duration: 0, types: [], direct: { count: 0, types: [] } },
  }
}

/** The group of these rows. */
export const sampleGroup = (parent: number, type: number, rows: number[]): SkeletonGroup => ({
  parent,
  type,
  rowStep: steps(parent, rows),
  sum: 0,
  p50: 0,
  p95: 0,
  serial: 1,
})
