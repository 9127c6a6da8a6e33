import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'

import { findQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { CloseIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { Term } from '../../components/tip.tsx'
import { formatCount } from '../../text/format.ts'
import { cut } from '../../text/hostile.ts'
import { askedOf, findRows } from '../../trace/find.ts'
import type { Extent } from '../../trace/axis.ts'
import type { Trace } from '../../trace/model.ts'
import { reveal, toggled, visibleLines, type Toggles, type View } from '../../trace/rows.ts'
import { Events } from './events.tsx'
import { Flame } from './flame.tsx'
import { Merged } from './merged.tsx'
import { Minimap } from './minimap.tsx'
import { collapsedSearch, extentOf, foldedSearch, requestViews, viewToggles, zoomSearch, type RequestSearch } from './search.ts'
import { Timeline } from './timeline.tsx'

interface WorkspaceProps {
  trace: Trace
  search: RequestSearch
  onChange: (changes: Partial<RequestSearch>) => void
  selected: number | null
  onSelect: (row: number | null) => void
}

const typingPause = 150 // ms
const hugeTrace = 200_000 // spans

/** Rows that are in both masks; one that is missing has all. */
function both(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  return a === undefined || b === undefined ? (a ?? b) : a.map((hit, row) => hit & b[row])
}

/** Hides everything but the roots and their children. */
function allButRoots(trace: Trace): Toggles {
  const except = new Set<number>()
  for (let row = 0; row < trace.size; row = trace.end[row]) except.add(row)
  return { all: true, except }
}

/** The timeline and what stands above it: finding, folding, zoom. */
export function Workspace({ trace, search, onChange, selected, onSelect }: WorkspaceProps) {
  const t = useMessages()
  const { collapse, rows, fold, groups } = search
  const shown = search.view ?? 'timeline'
  const find = search.find ?? ''
  const type = search.type ?? ''
  const isOnly = search.critical === 'only'
  // A huge trace opens with all but its roots' children collapsed, unless the address says what to show.
  const isUntouched = collapse === undefined && rows === undefined && search.find === undefined && search.type === undefined
  const opensCollapsed = useRef(trace.size > hugeTrace && isUntouched && search.span === undefined)
  useEffect(() => {
    if (!opensCollapsed.current) return
    opensCollapsed.current = false
    onChange(collapsedSearch(allButRoots(trace)))
  }, [trace, onChange])
  const asked = useQuery(findQuery(trace, trace.size, useMemo(() => askedOf(find), [find])))
  const matches = useMemo(
    () => findRows(trace, { text: find, type, within: both(isOnly ? trace.critical.on : undefined, asked.data) }),
    [trace, find, type, isOnly, asked.data],
  )
  const view = useMemo(
    (): View => ({ ...viewToggles({ collapse, rows, fold, groups }), keep: matches?.keep ?? null }),
    [collapse, rows, fold, groups, matches],
  )
  const lines = useMemo(() => visibleLines(trace, view), [trace, view])
  const extent = useMemo(() => extentOf(trace, search.zoom), [trace, search.zoom])
  const zoom = (part: Extent | null) => onChange({ zoom: part === null ? undefined : zoomSearch(trace, part) })

  // A link to a span opens what hides it.
  const revealed = useRef<number | null>(null)
  useEffect(() => {
    if (selected === revealed.current) return
    revealed.current = selected
    if (selected === null || lines.lineOfRow[selected] >= 0 || (view.keep !== null && view.keep[selected] === 0)) return
    const opened = reveal(trace, view, selected)
    onChange({ ...collapsedSearch(opened.collapsed), ...foldedSearch(opened.folded) })
  }, [trace, selected, lines, view, onChange])

  // What hides the selected span ends its selection, so that every address shows what it selects.
  const setView = (next: Partial<Pick<View, 'collapsed' | 'folded'>>) => {
    const after = { ...view, ...next }
    if (selected !== null && lines.lineOfRow[selected] >= 0 && visibleLines(trace, after).lineOfRow[selected] < 0) onSelect(null)
    onChange({ ...collapsedSearch(after.collapsed), ...foldedSearch(after.folded) })
  }
  const toggleRow = (row: number) => setView({ collapsed: toggled(view.collapsed, row) })
  const toggleGroup = (group: number) => setView({ folded: toggled(view.folded, trace.groups[group].rows[0]) })
  return (
    <section className="workspace" aria-label={t.request.timeline}>
      <div className="toolbar">
        <div className="segments" role="group" aria-label={t.request.view}>
          {requestViews.map((each) => (
            <button key={each} type="button" aria-pressed={shown === each} onClick={() => onChange({ view: each === 'timeline' ? undefined : each })}>
              {t.request.views[each]}
            </button>
          ))}
        </div>
        <FindBox value={find} onChange={(text) => onChange({ find: text === '' ? undefined : text })} />
        {type !== '' && (
          <button
            type="button"
            className="chip"
            title={t.request.clear}
            aria-label={`${t.request.type} ${type}: ${t.request.clear}`}
            onClick={() => onChange({ type: undefined })}
          >
            {t.request.type} <Text value={cut(type, 60)} /> <CloseIcon />
          </button>
        )}
        <span className="matches" role="status">
          {asked.isLoading
            ? t.app.loading
            : matches !== null && t.request.matches(formatCount(matches.rows.length), formatCount(trace.size))}
        </span>
        <span className="spacer" />
        {search.zoom !== undefined && (
          <button type="button" onClick={() => onChange({ zoom: undefined })}>
            {t.request.zoomOut}
          </button>
        )}
        {trace.critical.offset.length > 0 && (
          <label>
            <Term definition={t.request.critical.defined}>{t.request.critical.title}</Term>{' '}
            <select
              aria-label={t.request.critical.title}
              value={search.critical ?? ''}
              onChange={(event) => onChange({ critical: event.target.value === '' ? undefined : (event.target.value as 'off' | 'only') })}
            >
              <option value="">{t.request.critical.marked}</option>
              <option value="only">{t.request.critical.only}</option>
              <option value="off">{t.request.critical.off}</option>
            </select>
          </label>
        )}
        {trace.groups.length > 0 && shown === 'timeline' && (
          <label className="check">
            <input
              type="checkbox"
              checked={view.folded.all}
              onChange={(event) => setView({ folded: { all: event.target.checked, except: new Set() } })}
            />
            <Term definition={t.request.group.defined}>{t.request.fold}</Term>
          </label>
        )}
        {shown === 'timeline' && (
          <>
            <button type="button" onClick={() => setView({ collapsed: allButRoots(trace) })}>
              {t.request.collapseAll}
            </button>
            <button
              type="button"
              onClick={() => setView({ collapsed: { all: false, except: new Set() } })}
              disabled={!view.collapsed.all && view.collapsed.except.size === 0}
            >
              {t.request.expandAll}
            </button>
          </>
        )}
      </div>
      {asked.error !== null && (
        <p className="bad" role="alert">
          {asked.error.message === '' ? t.app.unreachable : asked.error.message}
        </p>
      )}
      {trace.size > hugeTrace && view.collapsed.all && <p className="huge muted">{t.request.huge(formatCount(trace.size))}</p>}
      {(shown === 'timeline' || shown === 'flame') && <Minimap trace={trace} extent={extent} onZoom={zoom} />}
      {shown === 'flame' && (
        <Flame trace={trace} extent={extent} hit={matches?.hit ?? null} selected={selected} onSelect={onSelect} onZoom={zoom} />
      )}
      {shown === 'paths' && <Merged trace={trace} row={selected ?? 0} />}
      {shown === 'events' && <Events trace={trace} onSelect={onSelect} />}
      {shown === 'timeline' && <Timeline
        trace={trace}
        lines={lines}
        view={view}
        matches={matches}
        extent={extent}
        selected={selected}
        onSelect={onSelect}
        onToggleRow={toggleRow}
        onToggleGroup={toggleGroup}
        onZoom={zoom}
        marksCritical={search.critical !== 'off'}
        onToggleCritical={() => onChange({ critical: isOnly ? undefined : 'only' })}
      />}
    </section>
  )
}

function FindBox({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const t = useMessages()
  const [text, setText] = useState(value)
  const [known, setKnown] = useState(value)
  if (known !== value) {
    // The address changed: by our own typing, or by back and forward.
    setKnown(value)
    if (value !== text.trim()) setText(value)
  }
  useEffect(() => {
    if (text.trim() === value) return undefined
    const timer = setTimeout(() => onChange(text.trim()), typingPause)
    return () => clearTimeout(timer)
  })
  return (
    <input
      data-search
      type="search"
      className="find"
      aria-label={t.request.find}
      placeholder={t.request.findPlaceholder}
      spellCheck={false}
      autoComplete="off"
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  )
}
