import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'

/** Whether a key pressed here is text being typed, or a command to the browser. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return true
  const target = event.target
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
}

const prefixTimeout = 1200 // ms between g and the key after it

/** Puts the cursor into the page's own search box, or the one in the header. */
function focusSearch() {
  const input = document.querySelector<HTMLInputElement>('main [data-search]') ?? document.querySelector<HTMLInputElement>('[data-search]')
  input?.focus()
  input?.select()
}

/** The bindings that work on every page. */
export function useShortcuts(showHelp: () => void): void {
  const navigate = useNavigate()
  useEffect(() => {
    let lastG = 0
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event) || document.querySelector('dialog[open]') !== null) return
      const isAfterG = event.timeStamp - lastG < prefixTimeout
      lastG = 0
      if (event.key === 'g') lastG = event.timeStamp
      else if (isAfterG && event.key === 'e') void navigate({ to: '/' })
      else if (isAfterG && event.key === 's') void navigate({ to: '/traces' })
      else if (isAfterG && event.key === 'f') void navigate({ to: '/findings' })
      else if (isAfterG && event.key === 'm') void navigate({ to: '/map' })
      else if (event.key === '/') focusSearch()
      else if (event.key === '?') showHelp()
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [navigate, showHelp])
}
