/** The server's refusal, or that there was no answer (status 0). */
export class ApiError extends Error {
  readonly status: number
  /** The byte of the filter at which it went wrong. */
  readonly at: number | undefined

  constructor(message: string, status: number, at?: number) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.at = at
  }
}

type Parameters = Record<string, string | number | undefined>

const base = '/api/shuai/v1'

/** Asks the API; undefined and empty parameters are left out. Throws ApiError. */
export async function get<T>(path: string, parameters: Parameters, signal?: AbortSignal): Promise<T> {
  return ask<T>(path + queryOf(parameters), { signal: signal ?? null, headers: { accept: 'application/json' } })
}

function queryOf(parameters: Parameters): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** Changes something by the API. Throws ApiError. */
export const post = <T>(path: string, body: object): Promise<T> =>
  ask<T>(path, { method: 'POST', body: JSON.stringify(body), headers: { accept: 'application/json', 'content-type': 'application/json' } })

/** Sends a file along with a question. Throws ApiError. */
export const upload = <T>(path: string, parameters: Parameters, file: Blob, signal?: AbortSignal): Promise<T> =>
  ask<T>(path + queryOf(parameters), { method: 'POST', body: file, signal: signal ?? null, headers: { accept: 'application/json' } })

/** Where a stored trace can be loaded as a file. */
export const fileAddress = (id: string, format: 'otlp' | 'jaeger' | 'zipkin'): string =>
  `${base}/traces/${encodeURIComponent(id)}/file?format=${format}`

async function ask<T>(address: string, request: RequestInit): Promise<T> {
  let response: Response
  try {
    response = await fetch(base + address, request)
  } catch (cause) {
    if (request.signal?.aborted === true) throw cause
    throw new ApiError('', 0)
  }
  if (!response.ok) throw await refusal(response)
  return (await response.json()) as T
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; at?: number } }
    if (typeof error?.message === 'string') return new ApiError(error.message, response.status, error.at)
  } catch {
    // Not our server's own answer: a proxy's page, say. Its first line must do.
  }
  return new ApiError(text.split('\n', 1)[0].slice(0, 200), response.status)
}
