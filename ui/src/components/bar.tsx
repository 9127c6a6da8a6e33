/** A share of 0 to 1 as a bar. It stands beside the number that it draws. */
export function Bar({ share, rest = false }: { share: number; rest?: boolean }) {
  return (
    <svg className="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden>
      <rect className="share-track" width="100" height="1" />
      <rect className={rest ? 'share-whole' : 'share-part'} width={share > 0 ? Math.max(100 * Math.min(share, 1), 0.5) : 0} height="1" />
    </svg>
  )
}
