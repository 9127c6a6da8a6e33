import type { Skeleton, SkeletonGroup } from '../api/types.ts'

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
  const codes = spans.map((span) => types.indexOf(span.type))
  const column = (value: number) => spans.map(() => value)
  return {
    traceId: '1',
    start: '0',
    duration: Math.max(...spans.map((span) => span.offset + span.duration)),
    errors: 0,
    revision: '1',
    services: types,
    names: types,
    types,
    rows: {
      depth: spans.map((s) => s.depth),
      service: codes,
      name: codes,
      type: codes,
      kind: column(1),
      offset: spans.map((s) => s.offset),
      duration: spans.map((s) => s.duration),
      self: column(0),
      children: column(0),
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
  rows,
  sum: 0,
  p50: 0,
  p95: 0,
  serial: 1,
})
