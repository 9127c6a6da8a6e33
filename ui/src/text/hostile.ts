// Text from spans is whatever somebody sent. React renders it as text, never as HTML; what is left to do is to show
// characters that would hide, reorder or break the text around them, and to cut what is too long to lay out.

export interface Piece {
  text: string
  /** The code point's name, when the piece stands for a character that cannot be shown as itself. */
  code?: string
}

// C0 and C1 controls (tab and line feed are decided by the caller), zero-width space and joiners that are
// not part of writing, line and paragraph separators, bidirectional marks, embeddings, overrides and
// isolates, the byte order mark, interlinear annotation, tag characters.
const unseen =
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu

/** Splits text at characters that must not be shown as themselves. With lines, tabs and line feeds stay. */
export function pieces(text: string, lines = false): Piece[] {
  const all: Piece[] = []
  let from = 0
  for (const match of text.matchAll(unseen)) {
    const character = match[0]
    if (lines && (character === '\n' || character === '\t')) continue
    if (match.index > from) all.push({ text: text.slice(from, match.index) })
    const point = character.codePointAt(0) ?? 0
    all.push({ text: symbol(point), code: `U+${point.toString(16).toUpperCase().padStart(4, '0')}` })
    from = match.index + character.length
  }
  if (from < text.length) all.push({ text: text.slice(from) })
  return all
}

const controls =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(' ')

function symbol(point: number): string {
  if (point < controls.length) return controls[point]
  if (point === 0x7f) return 'DEL'
  return `U+${point.toString(16).toUpperCase().padStart(4, '0')}`
}

/** The first limit characters, without half of a surrogate pair at the end. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const last = text.charCodeAt(limit - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit)
}

/** Text for a title, an accessible name or the document's title: one line, cut, nothing unseen. */
export function plain(text: string, limit = 200): string {
  const short = cut(text, limit)
  return pieces(short)
    .map((piece) => piece.text)
    .join('')
    .concat(short.length < text.length ? '…' : '')
}
