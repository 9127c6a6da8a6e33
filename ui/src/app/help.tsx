import type { RefObject } from 'react'

import { CloseIcon } from '../components/icons.tsx'
import { useMessages } from './preferences.ts'

/** The list of key bindings. */
export function Help({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const t = useMessages()
  const everywhere: [string[], string][] = [
    [['/'], t.keys.search],
    [['g', 'e'], t.keys.endpoints],
    [['g', 's'], t.keys.traces],
    [['g', 'f'], t.keys.findings],
    [['g', 'm'], t.keys.map],
    [['?'], t.keys.help],
  ]
  const timeline: [string[], string][] = [
    [['↑', '↓'], t.keys.move],
    [['→'], t.keys.expand],
    [['←'], t.keys.collapse],
    [['Enter'], t.keys.details],
    [['x'], t.keys.fold],
    [['c'], t.keys.critical],
    [['n', 'N'], t.keys.next],
    [['z', 'Z'], t.keys.zoom],
    [['Home', 'End'], t.keys.ends],
    [['Esc'], t.keys.escape],
  ]
  const flame: [string[], string][] = [
    [['↑', '↓'], t.keys.flameDepth],
    [['←', '→'], t.keys.flameSiblings],
    [['z', 'Z'], t.keys.zoom],
    [['Esc'], t.keys.escape],
  ]
  return (
    <dialog ref={dialog} className="panel help" aria-labelledby="help-title">
      <header>
        <h2 id="help-title">{t.keys.title}</h2>
        <button type="button" className="icon-button" aria-label={t.app.close} onClick={() => dialog.current?.close()}>
          <CloseIcon />
        </button>
      </header>
      <div className="help-columns">
        {(
          [
            [t.keys.everywhere, everywhere],
            [t.keys.timeline, timeline],
            [t.keys.flame, flame],
          ] as const
        ).map(([title, bindings]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {bindings.map(([keys, meaning]) => (
                <div key={meaning}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  )
}
