import type { ReactNode } from 'react'

import { ApiError } from '../api/client.ts'
import { useMessages } from '../app/preferences.ts'
import { ErrorIcon } from './icons.tsx'
import { Text } from './text.tsx'

/** Why something is not there, and the way to ask again. */
export function Failure({ error, retry, children }: { error: Error; retry?: () => void; children?: ReactNode }) {
  const t = useMessages()
  const unreachable = error instanceof ApiError && error.status === 0
  return (
    <div className="failure" role="alert">
      <ErrorIcon />
      <div>
        <p>{unreachable ? t.app.unreachable : <Text value={error.message} lines />}</p>
        {children}
        {retry !== undefined && (
          <button type="button" onClick={retry}>
            {t.app.retry}
          </button>
        )}
      </div>
    </div>
  )
}
