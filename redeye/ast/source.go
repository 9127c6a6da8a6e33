package ast

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Source is the text of a program and where in it each node stands, so that whatever is said about a node can point at it.
// The reader of text makes one from what was written, [Print] from a tree that came in another form.
type Source struct {
	Text  string
	Spans map[Node]Span
}

// Span is a part of a text: offsets in bytes, End excluded.
type Span struct{ Start, End int }

// Point says msg about n, or about the whole program if n is nil or not in it:
//
//	1:36: Movie has no method can_vew
//	    get_movies(ids).filter(lambda x: x.can_vew(user))
//	                                     ^^^^^^^^^^^^^^^
func (s *Source) Point(n Node, msg string) string {
	span, ok := s.Spans[n]
	if !ok {
		return msg
	}
	return PointAt(s.Text, span, msg)
}

// PointAt is [Source.Point] for a part of a text that is no node.
func PointAt(text string, span Span, msg string) string {
	start := min(max(span.Start, 0), len(text))
	end := min(max(span.End, start), len(text))
	lineStart := strings.LastIndexByte(text[:start], '\n') + 1
	lineEnd := len(text)
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		lineEnd = start + i
	}
	before, marked, after := text[lineStart:start], text[start:min(end, lineEnd)], text[min(end, lineEnd):lineEnd]
	line, column := strings.Count(text[:lineStart], "\n")+1, utf8.RuneCountInString(before)+1

	before = clipLeft(before, 60)
	if n := utf8.RuneCountInString(marked); n > 60 {
		marked, after = clipRight(marked, 60), ""
	}
	after = clipRight(after, 40)
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	marks := strings.Repeat("^", max(1, utf8.RuneCountInString(marked)))
	return fmt.Sprintf("%d:%d: %s\n    %s%s%s\n    %s%s", line, column, msg, before, marked, after, pad, marks)
}

func clipLeft(s string, runes int) string {
	drop := utf8.RuneCountInString(s) - runes
	if drop <= 0 {
		return s
	}
	for i := range s {
		if drop == 0 {
			return "…" + s[i:]
		}
		drop--
	}
	return s
}

func clipRight(s string, runes int) string {
	for i := range s {
		if runes == 0 {
			return s[:i] + "…"
		}
		runes--
	}
	return s
}
