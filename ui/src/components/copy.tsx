import { useEffect, useState } from 'react'

import { useMessages } from '../app/preferences.ts'
import { CheckIcon, CopyIcon } from './icons.tsx'

/** Puts text on the clipboard and says so. */
export function CopyButton({ value, label }: { value: string; label?: string }) {
  const t = useMessages()
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return undefined
    const timer = setTimeout(() => setCopied(false), 1500)
    return () => clearTimeout(timer)
  }, [copied])
  const name = copied ? t.app.copied : (label ?? t.app.copy)
  return (
    <button
      type="button"
      className="icon-button copy"
      title={name}
      aria-label={name}
      onClick={() => {
        void copy(value).then(setCopied)
      }}
    >
      {copied ? <CheckIcon /> : <CopyIcon />}
    </button>
  )
}

/** Reports whether it worked. The clipboard API exists only in secure contexts; a plain-HTTP address of a colleague's machine is none. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}
