import { Fragment, useState } from 'react'

import { useMessages } from '../app/preferences.ts'
import { formatBytes } from '../text/format.ts'
import { cut, pieces } from '../text/hostile.ts'

interface TextProps {
  value: string
  /** Keep line feeds and tabs. */
  lines?: boolean
}

/** Text that came from outside, isolated from the direction of what stands around it. */
export function Text({ value, lines = false }: TextProps) {
  return (
    <bdi>
      {pieces(value, lines).map((piece, i) =>
        piece.code === undefined ? (
          <Fragment key={i}>{piece.text}</Fragment>
        ) : (
          <span key={i} className="unseen" title={piece.code}>
            {piece.text}
          </span>
        ),
      )}
    </bdi>
  )
}

/** Text of any length: the first limit characters, and the rest when asked for. */
export function LongText({ value, limit = 1000 }: { value: string; limit?: number }) {
  const t = useMessages()
  const [whole, setWhole] = useState(false)
  if (value.length <= limit) return <Text value={value} lines />
  return (
    <>
      <span className={whole ? 'long-text whole' : 'long-text'}>
        <Text value={whole ? value : cut(value, limit)} lines />
        {whole ? '' : '…'}
      </span>
      <button type="button" className="link" onClick={() => setWhole(!whole)}>
        {whole ? t.app.showLess : t.app.showAll(formatBytes(new TextEncoder().encode(value).length))}
      </button>
    </>
  )
}
