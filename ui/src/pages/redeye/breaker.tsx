import type { Breaker } from '../../api/redeye.ts'
import { useMessages } from '../../app/preferences.ts'
import { ErrorIcon } from '../../components/icons.tsx'

/** The state of a breaker; of an interface also that somebody has switched it off. */
export function BreakerState({ breaker, off = false }: { breaker: Breaker; off?: boolean }) {
  const { states } = useMessages().redeye
  if (off) {
    return (
      <span className="tag" data-breaker="off">
        <ErrorIcon /> {states.off}
      </span>
    )
  }
  if (breaker === '') return <span className="muted">–</span>
  if (breaker === 'closed') return <span data-breaker="closed">{states.closed}</span>
  return (
    <span className="tag" data-breaker={breaker}>
      <ErrorIcon /> {states[breaker]}
    </span>
  )
}
