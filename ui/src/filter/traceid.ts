export interface TraceReference {
  traceId: string
  spanId?: string
}

/**
 * Reads what people paste: a trace id of 16 or 32 hex digits, a W3C traceparent, a B3 header, a UUID, an id in
 * base64 (OTLP's JSON and some loggers), or the address of a trace page. Null for anything else.
 */
export function parseTraceReference(pasted: string): TraceReference | null {
  const text = pasted.trim().replace(/^["'<([]+|["'>)\],;]+$/g, '')
  const address = /\/trace\/([0-9a-f]{1,32})(?:\?[^#]*?\bspan=([0-9a-f]{1,16}))?/i.exec(text)
  if (address !== null) return reference(address[1], address[2])
  const parent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$/i.exec(text)
  if (parent !== null) return reference(parent[1], parent[2])
  const b3 = /^([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-[01d])?(?:-[0-9a-f]{16})?$/i.exec(text)
  if (b3 !== null) return reference(b3[1], b3[2])
  if (/^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i.test(text)) return reference(text)
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) return reference(text.replaceAll('-', ''))
  // 8 bytes only with their padding: eleven letters may be a word.
  if (/^[A-Za-z0-9+/_-]{22}(?:==)?$/.test(text) || /^[A-Za-z0-9+/_-]{11}=$/.test(text)) return reference(hexOfBase64(text))
  return null
}

function reference(traceId: string, spanId?: string): TraceReference | null {
  if (/^0*$/.test(traceId)) return null
  const found: TraceReference = { traceId: traceId.toLowerCase() }
  if (spanId !== undefined && !/^0*$/.test(spanId)) found.spanId = spanId.toLowerCase()
  return found
}

function hexOfBase64(text: string): string {
  const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}
