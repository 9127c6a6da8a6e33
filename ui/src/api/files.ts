// Files that are looked at without being stored. The server keeps nothing of them: the browser sends the file along with
// every question about it, and forgets it with the page.
import { get, upload } from './client.ts'
import type { Look } from './types.ts'

interface Opened {
  file: Blob
  trace: string
}

const opened = new Map<string, Opened>()
const prefix = 'file-'

/** Asks what is in a file, and remembers it; the answer's sources can be asked for like ids. Throws ApiError. */
export async function openFile(file: Blob): Promise<{ look: Look; sources: string[] }> {
  const look = await upload<Look>('/look', {}, file)
  const sources = (look.traces ?? []).map(({ traceId }) => {
    const source = `${prefix}${opened.size + 1}-${traceId}`
    opened.set(source, { file, trace: traceId })
    return source
  })
  return { look, sources }
}

export const isOpened = (source: string): boolean => source.startsWith(prefix)

/** Whether a source is a file that this page has not got, because it was loaded anew. */
export const isForgotten = (source: string): boolean => isOpened(source) && !opened.has(source)

type Parameters = Record<string, string | number | undefined>

/** Asks something about a trace: one that is stored, or one of an opened file. Throws ApiError. */
export function askTrace<T>(source: string, what: string, parameters: Parameters, signal: AbortSignal): Promise<T> {
  const known = opened.get(source)
  if (known === undefined) return get<T>(`/traces/${encodeURIComponent(source)}/${what}`, parameters, signal)
  return upload<T>(`/look/${what}`, { ...parameters, trace: known.trace }, known.file, signal)
}
