import { useQuery } from '@tanstack/react-query'
import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'

import { namesQuery, type NamesQuestion } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { Text } from '../../components/text.tsx'
import { complete, fixedValues, intrinsicKeys, operatorsFor, placeAt, quote, type Place } from '../../filter/scan.ts'
import { cut, plain } from '../../text/hostile.ts'

interface FilterBoxProps {
  value: string
  invalid: boolean
  onChange: (text: string) => void
  onRun: (text: string) => void
  /** Opens what was pasted if it is a trace id, and says whether it was. */
  onPasteReference: (text: string) => boolean
}

const mostSuggestions = 12

/** The filter's text box: a combobox that completes keys, operators and values at the caret. */
export function FilterBox({ value, invalid, onChange, onRun, onPasteReference }: FilterBoxProps) {
  const t = useMessages()
  const listId = useId()
  const input = useRef<HTMLInputElement>(null)
  const nextCaret = useRef<number | null>(null)
  const [caret, setCaret] = useState(value.length)
  const [isOpen, setIsOpen] = useState(false)
  const [chosen, setChosen] = useState(-1)
  const place = placeAt(value, Math.min(caret, value.length))
  const suggestions = useSuggestions(place, isOpen)
  const isShown = isOpen && suggestions.length > 0

  useLayoutEffect(() => {
    if (nextCaret.current === null) return
    input.current?.setSelectionRange(nextCaret.current, nextCaret.current)
    nextCaret.current = null
  })
  const accept = (suggestion: string) => {
    const done = complete(value, place, suggestion)
    onChange(done.text)
    setCaret(done.caret)
    nextCaret.current = done.caret
    setChosen(-1)
    setIsOpen(true)
    input.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        if (!isShown) {
          setIsOpen(true)
          break
        }
        const step = event.key === 'ArrowDown' ? 1 : -1
        setChosen((chosen + step + suggestions.length + (chosen < 0 && step < 0 ? 1 : 0)) % suggestions.length)
        break
      }
      case 'Enter':
        if (isShown && chosen >= 0) accept(suggestions[chosen])
        else {
          setIsOpen(false)
          onRun(value)
        }
        break
      case 'Tab':
        if (!isShown || event.shiftKey || (chosen < 0 && place.prefix === '')) return
        accept(suggestions[Math.max(chosen, 0)])
        break
      case 'Escape':
        if (!isShown) return
        setIsOpen(false)
        break
      default:
        return
    }
    event.preventDefault()
  }
  const optionId = (i: number) => `${listId}-${i}`
  return (
    <form
      className="filter-box"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        setIsOpen(false)
        onRun(value)
      }}
    >
      <div className="filter-field">
        <input
          ref={input}
          data-search
          type="text"
          role="combobox"
          aria-label={t.search.filter}
          aria-autocomplete="list"
          aria-expanded={isShown}
          aria-controls={listId}
          aria-activedescendant={isShown && chosen >= 0 ? optionId(chosen) : undefined}
          aria-invalid={invalid}
          className="mono"
          placeholder={t.search.placeholder}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          value={value}
          onChange={(event) => {
            onChange(event.target.value)
            setCaret(event.target.selectionStart ?? event.target.value.length)
            setChosen(-1)
            setIsOpen(true)
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onKeyDown={onKeyDown}
          onBlur={() => setIsOpen(false)}
          onPaste={(event) => {
            const pasted = event.clipboardData.getData('text')
            const isAll = value === '' || (event.currentTarget.selectionStart === 0 && event.currentTarget.selectionEnd === value.length)
            if (isAll && onPasteReference(pasted)) event.preventDefault()
          }}
        />
        <ul id={listId} role="listbox" aria-label={t.search.suggestions} className="panel suggestions" hidden={!isShown}>
          {suggestions.map((suggestion, i) => (
            <li
              key={suggestion}
              id={optionId(i)}
              role="option"
              aria-selected={i === chosen}
              onPointerDown={(event) => {
                event.preventDefault() // the box keeps the focus
                accept(suggestion)
              }}
            >
              <Text value={cut(suggestion, 120)} />
            </li>
          ))}
        </ul>
      </div>
      <button type="submit" className="primary">
        {t.search.run}
      </button>
    </form>
  )
}

/** What may stand at the place and starts with what is typed, ready to be inserted. */
function useSuggestions(place: Place, isOpen: boolean): string[] {
  const question = questionFor(place)
  const { data } = useQuery({
    ...namesQuery(question ?? { of: 'keys' }, place.expect === 'key' ? 1000 : 50),
    enabled: isOpen && question !== null,
  })
  if (!isOpen) return []
  const typed = place.prefix.toLowerCase()
  const starts = (text: string) => text.toLowerCase().startsWith(typed) && text !== place.prefix
  const stored = question === null ? [] : (data?.names ?? [])
  switch (place.expect) {
    case 'key':
      return [
        ...new Set([...intrinsicKeys.filter(starts), ...stored.filter((key) => key.toLowerCase().includes(typed) && key !== place.prefix)]),
      ].slice(0, mostSuggestions)
    case 'operator':
      return place.prefix === '' ? [...operatorsFor(place.key)] : []
    case 'value':
      return (
        fixedValues(place.key)?.filter(starts) ??
        stored.filter((text) => text.length < 500 && text.toLowerCase().startsWith(typed)).map(quote)
      ).slice(0, mostSuggestions)
    case 'join':
      return place.prefix === '' ? ['&&', '||'] : []
  }
}

function questionFor(place: Place): NamesQuestion | null {
  const prefix = plain(place.prefix, 100)
  // Keys are listed with their scope, span.http.route, and are typed without: all are asked for, and narrowed here.
  if (place.expect === 'key') return { of: 'keys' }
  if (place.expect !== 'value' || fixedValues(place.key) !== undefined) return null
  switch (place.key) {
    case 'service.name':
    case 'resource.service.name':
    case 'rootServiceName':
      return { of: 'services', prefix }
    case 'name':
    case 'rootName':
      return { of: 'operations', prefix }
    case 'statusMessage':
      return null
    default:
      return { of: 'values', key: place.key, prefix }
  }
}
