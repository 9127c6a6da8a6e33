import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { spanByIdQuery, spanQuery, type TraceState } from '../../api/queries.ts'
import type { SpanDetail } from '../../api/types.ts'

interface Selection {
  /** The selected row, null if there is none or it is not known yet. */
  row: number | null
  /** What is stored of it: undefined while loading, null if nothing. */
  span: SpanDetail | null | undefined
  error: Error | null
  select: (row: number | null) => void
}

/**
 * The selected span. The address names it by its id, because ids stay when more spans arrive; the skeleton
 * knows rows only. So a click selects a row at once, and its id enters the address when the details are here.
 */
export function useSelection(trace: TraceState, spanId: string | undefined, setSpanId: (id: string | undefined) => void): Selection {
  const client = useQueryClient()
  const [pending, setPending] = useState<number | null>(null)
  const fromAddress = useQuery({ ...spanByIdQuery(trace, spanId ?? ''), enabled: spanId !== undefined })
  const row = pending ?? (spanId === undefined ? null : (fromAddress.data?.row ?? null))
  const detail = useQuery({ ...spanQuery(trace, row ?? 0), enabled: row !== null })

  // Once the address names the pending row, it is not pending any more.
  if (pending !== null && fromAddress.data?.row === pending && fromAddress.data.spanId === spanId) setPending(null)
  useEffect(() => {
    const span = detail.data
    if (pending === null || span === null || span?.row !== pending) return
    client.setQueryData(spanByIdQuery(trace, span.spanId).queryKey, span)
    if (spanId !== span.spanId) setSpanId(span.spanId)
  }, [client, trace, pending, detail.data, spanId, setSpanId])

  const isUnknown = spanId !== undefined && fromAddress.data === null && pending === null
  return {
    row,
    span: isUnknown ? null : row === null ? undefined : detail.data,
    error: detail.error ?? fromAddress.error,
    select: (next) => {
      setPending(next)
      if (next === null) setSpanId(undefined)
    },
  }
}
