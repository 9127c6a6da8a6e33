import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'

import { parseTraceReference } from '../filter/traceid.ts'
import { Help } from './help.tsx'
import { OpenFile } from './open_file.tsx'
import {
  applyPreferences,
  LanguageContext,
  languages,
  storedPreferences,
  themes,
  useMessages,
  type Language,
  type Preferences,
  type Theme,
} from './preferences.ts'
import { useShortcuts } from './shortcuts.ts'

/** What stands around every page. */
export function Shell() {
  const [preferences, setPreferences] = useState(storedPreferences)
  useEffect(() => applyPreferences(preferences), [preferences])
  return (
    <LanguageContext value={preferences.language}>
      <Frame preferences={preferences} onChange={setPreferences} />
    </LanguageContext>
  )
}

function Frame({ preferences, onChange }: { preferences: Preferences; onChange: (preferences: Preferences) => void }) {
  const t = useMessages()
  const help = useRef<HTMLDialogElement>(null)
  const showHelp = useCallback(() => help.current?.showModal(), [])
  const path = useRouterState({ select: (state) => state.location.pathname })
  useShortcuts(showHelp)
  return (
    <>
      <a className="skip" href="#content">
        {t.app.skip}
      </a>
      <header className="bar">
        <Link to="/" className="brand">
          Shuai
        </Link>
        <nav>
          <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
            {t.app.endpoints}
          </Link>
          <Link to="/traces" activeOptions={{ includeSearch: false }}>
            {t.app.search}
          </Link>
          <Link to="/findings" activeOptions={{ includeSearch: false }}>
            {t.app.findings}
          </Link>
          <Link to="/redeye" activeOptions={{ includeSearch: false }}>
            Redeye
          </Link>
          <Link to="/map" activeOptions={{ includeSearch: false }}>
            {t.app.map}
          </Link>
        </nav>
        {path === '/traces' ? <div className="jump" /> : <Jump />}
        <OpenFile />
        <div className="preferences">
          <select
            aria-label={t.app.theme}
            title={t.app.theme}
            value={preferences.theme}
            onChange={(event) => onChange({ ...preferences, theme: event.target.value as Theme })}
          >
            {themes.map((theme) => (
              <option key={theme} value={theme}>
                {t.app.themes[theme]}
              </option>
            ))}
          </select>
          <select
            aria-label={t.app.language}
            title={t.app.language}
            value={preferences.language}
            onChange={(event) => onChange({ ...preferences, language: event.target.value as Language })}
          >
            {Object.entries(languages).map(([code, name]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
          <button
            type="button"
            className="icon-button help-button"
            aria-label={t.app.shortcuts}
            title={`${t.app.shortcuts} (?)`}
            onClick={showHelp}
          >
            ?
          </button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <Help dialog={help} />
    </>
  )
}

/** Takes a trace id to its page, and anything else to the search. */
function Jump() {
  const t = useMessages()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const go = (pasted: string): boolean => {
    const found = parseTraceReference(pasted)
    if (found === null) return false
    setText('')
    void navigate({ to: '/trace/$id', params: { id: found.traceId }, search: found.spanId === undefined ? {} : { span: found.spanId } })
    return true
  }
  return (
    <form
      className="jump"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        if (text.trim() === '' || go(text)) return
        setText('')
        void navigate({ to: '/traces', search: { q: text.trim() } })
      }}
    >
      <input
        data-search
        type="search"
        aria-label={t.app.jumpLabel}
        placeholder={t.app.jump}
        spellCheck={false}
        autoComplete="off"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onPaste={(event) => {
          if (text === '' && go(event.clipboardData.getData('text'))) event.preventDefault()
        }}
      />
      <kbd aria-hidden>/</kbd>
    </form>
  )
}
