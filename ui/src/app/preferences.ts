import { createContext, useContext } from 'react'

import { en, type Messages } from '../i18n/en.ts'
import { zh } from '../i18n/zh.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const languages = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof languages

export interface Preferences {
  theme: Theme
  language: Language
}

const tables: Record<Language, Messages> = { en, zh }

/** What was chosen before in this browser; else the system's theme and the browser's language. */
export function storedPreferences(): Preferences {
  const theme = read('theme')
  const language = read('language') ?? navigator.language.slice(0, 2)
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    language: language === 'zh' ? 'zh' : 'en',
  }
}

/** Remembers the preferences and applies them to the document. public/preferences.js does the theme's part before the first paint. */
export function applyPreferences({ theme, language }: Preferences): void {
  write('theme', theme)
  write('language', language)
  const root = document.documentElement
  root.lang = language === 'zh' ? 'zh-Hans' : 'en'
  if (theme === 'system') delete root.dataset.theme
  else root.dataset.theme = theme
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(`shuai.${name}`)
  } catch {
    return null // storage is blocked: nothing is remembered
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(`shuai.${name}`, value)
  } catch {
    // Storage is blocked or full; the choice holds until the page is closed.
  }
}

export const LanguageContext = createContext<Language>('en')

/** The words of the language on screen. */
export const useMessages = (): Messages => tables[useContext(LanguageContext)]
