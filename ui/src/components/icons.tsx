// Icons are drawn in the text's colour and are decoration: what they mean is always said in words too.

interface IconProps {
  className?: string
}

const box = { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': true, focusable: false } as const

export const ErrorIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon icon-error ${className}`}>
    <path d="M8 1.2 15.4 14.4H.6z" fill="currentColor" />
    <path d="M8 5.6v4.2M8 11.2v1.6" stroke="var(--surface)" strokeWidth="1.7" />
  </svg>
)

export const ChevronIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="m6 3.5 4.5 4.5L6 12.5" fill="none" stroke="currentColor" strokeWidth="1.7" />
  </svg>
)

export const RepeatIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="M2 4.5h12M2 8h12M2 11.5h12" fill="none" stroke="currentColor" strokeWidth="1.6" />
  </svg>
)

export const CloseIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="m4 4 8 8M12 4l-8 8" fill="none" stroke="currentColor" strokeWidth="1.6" />
  </svg>
)

export const CopyIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="M5.5 5.5h7v8h-7zM3.5 10.5v-8h7" fill="none" stroke="currentColor" strokeWidth="1.4" />
  </svg>
)

export const CheckIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="m3 8.5 3.5 3.5L13 4.5" fill="none" stroke="currentColor" strokeWidth="1.8" />
  </svg>
)

export const FilterIcon = ({ className = '' }: IconProps) => (
  <svg {...box} className={`icon ${className}`}>
    <path d="M2 3h12L9.5 8.5V13l-3-1.5v-3z" fill="none" stroke="currentColor" strokeWidth="1.4" />
  </svg>
)
