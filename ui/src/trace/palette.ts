/** Colours for services; styles/tokens.css defines --service-0 and up, told apart by the colour-blind too. */
export const paletteSize = 8

/**
 * A colour for each service: mostly the same in every trace, because it is chosen by the name, and
 * different within a trace as long as the colours last.
 */
export function assignColours(services: readonly string[]): number[] {
  const taken = new Set<number>()
  return services.map((service) => {
    let colour = hash(service) % paletteSize
    if (taken.size < paletteSize) {
      while (taken.has(colour)) colour = (colour + 1) % paletteSize
    }
    taken.add(colour)
    return colour
  })
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0
  return h
}
