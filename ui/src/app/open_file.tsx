import { useNavigate } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'

import { openFile } from '../api/files.ts'
import { Failure } from '../components/failure.tsx'
import { useMessages } from './preferences.ts'

/** Opens a file with a trace that is chosen, or dropped on any page. It is looked at and not stored. */
export function OpenFile() {
  const t = useMessages()
  const navigate = useNavigate()
  const input = useRef<HTMLInputElement>(null)
  const [error, setError] = useState<Error | null>(null)
  const [isOver, setIsOver] = useState(false)
  const nothing = t.app.emptyFile
  const open = useCallback(
    async (file: Blob) => {
      try {
        const { sources, look } = await openFile(file)
        if (sources.length === 0) throw new Error(look.reason ?? nothing)
        setError(null)
        // The first with the most spans: what a file is mostly about.
        const spans = (look.traces ?? []).map((trace) => trace.spans)
        await navigate({ to: '/trace/$id', params: { id: sources[spans.indexOf(Math.max(...spans))] } })
      } catch (cause) {
        setError(cause instanceof Error ? cause : new Error(String(cause)))
      }
    },
    [navigate, nothing],
  )
  useEffect(() => {
    const carriesFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
    const over = (event: DragEvent) => {
      if (!carriesFile(event)) return
      event.preventDefault()
      setIsOver(true)
    }
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setIsOver(false)
    }
    const drop = (event: DragEvent) => {
      if (!carriesFile(event)) return
      event.preventDefault()
      setIsOver(false)
      const file = event.dataTransfer?.files.item(0)
      if (file !== null && file !== undefined) void open(file)
    }
    window.addEventListener('dragover', over)
    window.addEventListener('dragleave', leave)
    window.addEventListener('drop', drop)
    return () => {
      window.removeEventListener('dragover', over)
      window.removeEventListener('dragleave', leave)
      window.removeEventListener('drop', drop)
    }
  }, [open])
  return (
    <>
      <button type="button" className="open-file" title={t.app.openFileHint} onClick={() => input.current?.click()}>
        {t.app.openFile}
      </button>
      <input
        ref={input}
        type="file"
        accept=".json,application/json"
        className="unheard"
        tabIndex={-1}
        aria-hidden
        onChange={(event) => {
          const file = event.target.files?.item(0)
          event.target.value = ''
          if (file !== null && file !== undefined) void open(file)
        }}
      />
      {isOver && <div className="drop-here">{t.app.dropHere}</div>}
      {error !== null && (
        <div className="open-failed">
          <Failure error={error}>
            <button type="button" onClick={() => setError(null)}>
              {t.app.close}
            </button>
          </Failure>
        </div>
      )}
    </>
  )
}
