import { useEffect, useRef, type RefObject } from 'react'

import { paletteSize } from '../trace/palette.ts'

/** What a drawing needs of the page that it is on. Lengths are CSS pixels. */
export interface Surface {
  context: CanvasRenderingContext2D
  width: number
  height: number
  /** A custom property of styles/tokens.css, resolved in the theme that holds. */
  colour: (token: string) => string
}

export const serviceColours = ({ colour }: Surface): string[] => Array.from({ length: paletteSize }, (_, i) => colour(`--service-${i}`))

/** A canvas that is drawn again when the drawing, its size or the theme changes; at most once a frame. */
export function useCanvas(draw: (surface: Surface) => void): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const element = canvas.current
    if (element === null) return undefined
    let frame = 0
    let timer = 0
    const cancel = () => {
      cancelAnimationFrame(frame)
      clearTimeout(timer)
    }
    const schedule = () => {
      cancel()
      frame = requestAnimationFrame(() => {
        timer = window.setTimeout(() => paint(element, draw)) // after the frame is painted: text comes first
      })
    }
    const resize = new ResizeObserver(schedule)
    resize.observe(element)
    const theme = new MutationObserver(schedule)
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', schedule)
    return () => {
      cancel()
      resize.disconnect()
      theme.disconnect()
      system.removeEventListener('change', schedule)
    }
  }, [draw])
  return canvas
}

function paint(element: HTMLCanvasElement, draw: (surface: Surface) => void) {
  const context = element.getContext('2d')
  if (context === null) return
  const ratio = devicePixelRatio
  element.width = Math.round(element.clientWidth * ratio)
  element.height = Math.round(element.clientHeight * ratio)
  context.scale(ratio, ratio)
  const style = getComputedStyle(element)
  draw({ context, width: element.clientWidth, height: element.clientHeight, colour: (token) => style.getPropertyValue(token) })
}
