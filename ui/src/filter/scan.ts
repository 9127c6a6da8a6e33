// Just enough of the filter language to complete what is being typed; the server is the one that parses it.

type TokenKind = 'open' | 'close' | 'operator' | 'join' | 'string' | 'word' | 'not'

interface Token {
  kind: TokenKind
  text: string
  from: number
  to: number
}

const tokenPattern =
  /\s+|(?<open>[{(])|(?<close>[})])|(?<join>&&|\|\|)|(?<operator>=~|!~|!=|<=|>=|=|<|>)|(?<not>!)|(?<string>"(?:[^"\\]|\\.)*"?|`[^`]*`?)|(?<word>[^\s{}()&|=~!<>"`]+)|[^]/gy

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(tokenPattern)) {
    for (const [kind, part] of Object.entries(match.groups ?? {})) {
      if (part !== undefined) tokens.push({ kind: kind as TokenKind, text: part, from: match.index, to: match.index + part.length })
    }
  }
  return tokens
}

/** What may stand at the caret. prefix is what is typed of it; a completion replaces [from, to). */
export interface Place {
  expect: 'key' | 'operator' | 'value' | 'join'
  /** The key of the comparison, for an operator or a value. */
  key: string
  prefix: string
  from: number
  to: number
}

export function placeAt(text: string, caret: number): Place {
  const before = tokenize(text.slice(0, caret))
  const last = before.at(-1)
  const here = { from: caret, to: caret, prefix: '' }
  if (last === undefined) return { expect: 'key', key: '', ...here }
  // A token that reaches the caret is still being typed, and goes on to its end behind it.
  const typing = last.to === caret && (last.kind === 'word' || (last.kind === 'string' && !isClosed(last.text)))
  const at = typing ? { from: last.from, to: endOfToken(text, last.from), prefix: unquote(last.text) } : here
  const done = typing ? before.slice(0, -1) : before
  const previous = done.at(-1)
  switch (previous?.kind) {
    case undefined:
    case 'open':
    case 'join':
    case 'not':
      return { expect: 'key', key: '', ...at }
    case 'operator':
      return { expect: 'value', key: done.at(-2)?.text ?? '', ...at }
    case 'word':
      // After an operator the word was a value: what follows joins.
      return done.at(-2)?.kind === 'operator' ? { expect: 'join', key: '', ...at } : { expect: 'operator', key: previous.text, ...at }
    case 'string':
    case 'close':
      return { expect: 'join', key: '', ...at }
  }
}

function endOfToken(text: string, from: number): number {
  return from + (tokenize(text.slice(from)).at(0)?.to ?? 0)
}

const isClosed = (token: string): boolean =>
  token.length > 1 && token.endsWith(token[0]) && !(token[0] === '"' && /[^\\](?:\\\\)*\\"$/.test(token))

const unquote = (token: string): string => (token.startsWith('"') || token.startsWith('`') ? token.slice(1) : token)

/** A string literal of the filter language. */
export const quote = (text: string): string => JSON.stringify(text)

/** Puts a completion into the text and says where the caret is then. */
export function complete(text: string, place: Place, insert: string): { text: string; caret: number } {
  const head = text.slice(0, place.from)
  const spaced = head === '' || /[\s(!]$/.test(head) ? head : `${head} `
  const tail = text.slice(place.to)
  return { text: `${spaced}${insert} ${tail.replace(/^ /, '')}`, caret: spaced.length + insert.length + 1 }
}

/** The UTF-16 position of a byte of the text's UTF-8. */
export function positionOfByte(text: string, byte: number): number {
  let bytes = 0
  let position = 0
  for (const character of text) {
    if (bytes >= byte) break
    const point = character.codePointAt(0) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    position += character.length
  }
  return position
}

export const intrinsicKeys = [
  'service.name',
  'name',
  'duration',
  'status',
  'statusMessage',
  'kind',
  'root',
  'traceDuration',
  'rootName',
  'rootServiceName',
] as const

/** Values of the keys whose values are fixed words; undefined for all others. */
export function fixedValues(key: string): readonly string[] | undefined {
  switch (key) {
    case 'status':
      return ['error', 'ok', 'unset']
    case 'kind':
      return ['server', 'client', 'internal', 'producer', 'consumer']
    case 'root':
      return ['true', 'false']
    case 'duration':
    case 'traceDuration':
      return ['10ms', '100ms', '500ms', '1s', '5s']
    default:
      return undefined
  }
}

export function operatorsFor(key: string): readonly string[] {
  if (key === 'duration' || key === 'traceDuration') return ['>', '>=', '<', '<=']
  if (key === 'root' || key === 'status' || key === 'kind') return ['=', '!=']
  return ['=', '!=', '=~', '!~', '>', '<']
}

/** The filter for the root spans of an endpoint. */
export const endpointFilter = (service: string, name: string): string =>
  `{ root && service.name = ${quote(service)} && name = ${quote(name)} }`

/** The filter for spans with an attribute's value; null for a value that the language cannot write, or one too long to be an address. */
export function attributeFilter(scope: 'span' | 'resource', attribute: { key: string; type: string; value: string }): string | null {
  if (attribute.key === '' || attribute.value.length > 500) return null
  const key = /^[^\s{}()=~!<>&|^,"`]+$/.test(attribute.key) ? attribute.key : quote(attribute.key)
  switch (attribute.type) {
    case 'string':
      return `{ ${scope}.${key} = ${quote(attribute.value)} }`
    case 'int':
    case 'double':
      return /^[-+]?[\d.]+(?:[eE][-+]?\d+)?$/.test(attribute.value) ? `{ ${scope}.${key} = ${attribute.value} }` : null
    case 'bool':
      return `{ ${scope}.${key} = ${attribute.value} }`
    default:
      return null
  }
}

/** A filter that takes only what matches q and the condition as well. */
export function narrowed(q: string | undefined, condition: string): string {
  const inner = (q ?? '').trim().replace(/^\{([^]*)\}$/, '$1').trim()
  return inner === '' ? `{ ${condition} }` : `{ (${inner}) && ${condition} }`
}
