import type { ApiError } from '../../api/client.ts'
import { ErrorIcon } from '../../components/icons.tsx'
import { Text } from '../../components/text.tsx'
import { positionOfByte } from '../../filter/scan.ts'

const around = 60 // characters of a long filter shown on either side of the place

/** What is wrong with a filter, with a caret under the place. */
export function FilterError({ filter, error }: { filter: string; error: ApiError }) {
  return (
    <div className="filter-error" role="alert">
      <ErrorIcon />
      <div>
        <p>
          <Text value={error.message} lines />
        </p>
        {error.at !== undefined && <Caret filter={filter} position={positionOfByte(filter, error.at)} />}
      </div>
    </div>
  )
}

function Caret({ filter, position }: { filter: string; position: number }) {
  const from = Math.max(0, position - around)
  const shown = filter.replaceAll(/\s/g, ' ')
  // The caret stands in a copy of the text before it, so that it is under the place in any font.
  return (
    <pre className="caret">
      {from > 0 && '…'}
      <span className="before">
        {shown.slice(from, position)}
        <span className="mark" aria-hidden>
          ^
        </span>
      </span>
      {shown.slice(position, position + around)}
      {position + around < shown.length && '…'}
    </pre>
  )
}
