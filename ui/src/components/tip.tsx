import { useId, useRef, type ReactNode } from 'react'

interface Tip {
  /** For the focusable element that the tip explains. */
  anchor: {
    'aria-describedby': string
    onPointerEnter: (event: { currentTarget: Element }) => void
    onPointerLeave: () => void
    onFocus: (event: { currentTarget: Element }) => void
    onBlur: () => void
    onKeyDown: (event: { key: string }) => void
  }
  /** Stands beside the anchor. */
  tip: ReactNode
}

const hoverDelay = 350 // ms

/** A tooltip that shows on hover and on focus, in the top layer, and goes away with Escape. */
export function useTip(text: string): Tip {
  const id = useId()
  const element = useRef<HTMLSpanElement>(null)
  const timer = useRef(0)

  const show = (anchor: Element) => {
    const tip = element.current
    if (tip === null) return
    tip.showPopover()
    const at = anchor.getBoundingClientRect()
    const size = tip.getBoundingClientRect()
    const below = at.bottom + 6 + size.height < innerHeight
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`
    tip.style.top = `${below ? at.bottom + 6 : at.top - size.height - 6}px`
  }
  const hide = () => {
    clearTimeout(timer.current)
    if (element.current?.matches(':popover-open') === true) element.current.hidePopover()
  }
  return {
    anchor: {
      'aria-describedby': id,
      onPointerEnter: ({ currentTarget }) => {
        clearTimeout(timer.current)
        timer.current = window.setTimeout(() => show(currentTarget), hoverDelay)
      },
      onPointerLeave: hide,
      onFocus: ({ currentTarget }) => {
        if (currentTarget.matches(':focus-visible')) show(currentTarget)
      },
      onBlur: hide,
      onKeyDown: ({ key }) => {
        if (key === 'Escape') hide()
      },
    },
    tip: (
      <span ref={element} id={id} role="tooltip" popover="manual" className="tip">
        {text}
      </span>
    ),
  }
}

/** A word with its definition. */
export function Term({ children, definition }: { children: ReactNode; definition: string }) {
  const { anchor, tip } = useTip(definition)
  return (
    <>
      <button type="button" className="term" {...anchor}>
        {children}
      </button>
      {tip}
    </>
  )
}
