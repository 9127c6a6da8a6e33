// Package quantity writes quantities as people read them, the same in the terminal and in the sentences of the API: three
// significant digits, a space, the unit.
package quantity

import (
	"strconv"
	"time"
)

// Duration shows ns with three digits and a unit; from a minute on to the second, as time.Duration does.
func Duration(ns int64) string {
	f := float64(ns)
	switch {
	case ns == 0:
		return "0"
	case ns < 1000:
		return strconv.FormatInt(ns, 10) + " ns"
	case ns < 999_500:
		return Digits(f/1e3) + " µs"
	case ns < 999_500_000:
		return Digits(f/1e6) + " ms"
	case ns < 60e9:
		return Digits(f/1e9) + " s"
	}
	return time.Duration(ns).Round(time.Second).String()
}

// Digits shows three significant digits of a number from 0 to below 1,000.
func Digits(f float64) string {
	switch {
	case f >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}
