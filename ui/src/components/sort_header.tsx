import { useTip } from './tip.tsx'

interface SortHeaderProps {
  label: string
  definition: string
  /** How the table is sorted by this column now. */
  sorted: 'ascending' | 'descending' | 'none'
  numeric?: boolean
  className?: string
  onSort: () => void
}

/** A column's head: a button that sorts, with the column's definition. */
export function SortHeader({ label, definition, sorted, numeric = false, className = '', onSort }: SortHeaderProps) {
  const { anchor, tip } = useTip(definition)
  return (
    <th scope="col" aria-sort={sorted} className={`${numeric ? 'number' : ''} ${className}`}>
      <button type="button" className="sort" onClick={onSort} {...anchor}>
        {label}
        <span className="sort-mark" aria-hidden>
          {sorted === 'descending' ? '↓' : sorted === 'ascending' ? '↑' : ''}
        </span>
      </button>
      {tip}
    </th>
  )
}
