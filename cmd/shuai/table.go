package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	textwidth "golang.org/x/text/width"
)

// paint colours text, if it goes to a terminal.
type paint bool

// colours says whether what is written to w may be coloured: w is a terminal, and NO_COLOR (no-color.org)
// is not set.
func colours(w io.Writer) paint {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return paint(err == nil && info.Mode()&os.ModeCharDevice != 0)
}

func (p paint) sgr(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string { return p.sgr("1", s) }
func (p paint) dim(s string) string  { return p.sgr("2", s) }
func (p paint) red(s string) string  { return p.sgr("31", s) }
func (p paint) blue(s string) string { return p.sgr("34", s) }

// columns is the width to print for: $COLUMNS, or 120.
func columns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 60 {
		return min(n, 1000)
	}
	return 120
}

// plain makes text from spans safe to print: whoever sends spans must not get to write control sequences
// to the terminal of whoever reads them.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}

// width is the number of terminal cells that s takes: two for a Chinese character.
func width(s string) (n int) {
	for _, r := range s {
		switch k := textwidth.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case k == textwidth.EastAsianWide || k == textwidth.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// fit cuts s to n cells and says so with an ellipsis.
func fit(s string, n int) string {
	if width(s) <= n {
		return s
	}
	at := 0
	for i, r := range s {
		if at += width(string(r)); at > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// table aligns cells: a column whose title starts with < to the left, others to the right. The last
// column is not padded.
type table struct {
	head []string
	rows [][]string
	mark func(row int) func(string) string // how to paint a whole row; nil: as it is
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w *strings.Builder, p paint) {
	left := make([]bool, len(t.head))
	head := make([]string, len(t.head))
	for i, h := range t.head {
		head[i], left[i] = strings.CutPrefix(h, "<")
	}
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-width(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if !left[i] {
				b.WriteString(pad)
			}
			b.WriteString(cell)
			if left[i] && i < len(row)-1 {
				b.WriteString(pad)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	w.WriteString(p.dim(line(head)) + "\n")
	for i, row := range t.rows {
		s := line(row)
		if t.mark != nil {
			if f := t.mark(i); f != nil {
				s = f(s)
			}
		}
		w.WriteString(s + "\n")
	}
}

func percent(f float64) string {
	if f > 0 && f < 0.0995 {
		return strconv.FormatFloat(100*f, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*f, 'f', 0, 64) + " %"
}

// count shows n with its thing: "1 span", "2 spans".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// moment shows a time of the API.
func moment(ns string) string {
	n, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		return plain(ns)
	}
	return time.Unix(0, n).UTC().Format("2006-01-02 15:04:05.000 UTC")
}
