import { useQuery } from '@tanstack/react-query'

import { statusQuery } from '../../api/queries.ts'
import { useMessages } from '../../app/preferences.ts'
import { CopyButton } from '../../components/copy.tsx'

/** What a newcomer sees: how to get the first request in here. */
export function Empty({ isWidest, onWiden }: { isWidest: boolean; onWiden: () => void }) {
  const t = useMessages()
  const { data: status } = useQuery(statusQuery())
  const hasSpans = status !== undefined && status.spans > 0
  // The page's own host is where the collector listens too, when it listens beyond the loopback address.
  const exporter = `OTEL_EXPORTER_OTLP_ENDPOINT=http://${location.hostname}:4318`
  return (
    <section className="empty panel">
      <h2>{hasSpans ? t.empty.inRange : t.empty.title}</h2>
      {hasSpans && !isWidest && (
        <p>
          <button type="button" className="primary" onClick={onWiden}>
            {t.empty.widen}
          </button>
        </p>
      )}
      <p>{t.empty.intro}</p>
      <Command text={exporter} />
      <p className="muted">{t.empty.ports}</p>
      <p>{t.empty.demo}</p>
      <Command text="make demo" />
    </section>
  )
}

function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <code>{text}</code>
      <CopyButton value={text} />
    </div>
  )
}
