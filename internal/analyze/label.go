package analyze

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// maxLabel bounds a label, in bytes.
const maxLabel = 160

// label says what the span in a row of b does, so that calls which do the same to different things read the
// same: its span type, and for a store the statement with its literals masked, or else the operation. Ids
// within names are masked, too, and so are addresses, which instances of one service have.
func label(b *span.Batch, row int, typ string) string {
	r := b.Attrs[row]
	if !hasText(b, r, "db.system.name") && !hasText(b, r, "db.system") {
		if host, rest, ok := strings.Cut(typ, " "); ok && (hasText(b, r, "http.request.method") || hasText(b, r, "http.method")) {
			return cut(maskHost(host) + " " + maskName(rest))
		}
		return cut(maskName(typ))
	}
	for _, key := range [...]string{"db.query.summary", "db.query.text", "db.statement"} {
		if a, ok := b.Lookup(r, key); ok && a.Type == span.String && a.Text().Len > 0 {
			return cut(typ + " " + maskStatement(b.String(a.Text())))
		}
	}
	op := typ
	for _, key := range [...]string{"db.operation.name", "db.operation", "db.collection.name", "db.sql.table"} {
		if a, ok := b.Lookup(r, key); ok && a.Type == span.String && a.Text().Len > 0 {
			op += " " + maskName(b.String(a.Text()))
		}
	}
	if op == typ {
		if name := maskName(b.String(b.Name[row])); name != typ {
			op += " " + name
		}
	}
	return cut(op)
}

func hasText(b *span.Batch, r span.Range, key string) bool {
	a, ok := b.Lookup(r, key)
	return ok && a.Type == span.String && a.Text().Len > 0
}

func cut(s string) string {
	if len(s) <= maxLabel {
		return s
	}
	end := maxLabel
	for end > maxLabel-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// maskHost is maskName of a host that may have a port, which says what is called there. On the machine itself that is all there is.
func maskHost(host string) string {
	name, port := host, ""
	if _, err := netip.ParseAddr(host); err != nil {
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			name, port = host[:i], host[i:]
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && ip.IsLoopback() {
		return host
	}
	return maskName(name) + port
}

// maskName replaces what in a name is an id, not a word, with "?": words of digits alone, and words of
// eight or more hex digits among which there is a digit. The groups of a UUID are one id.
func maskName(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return s
	}
	var w strings.Builder
	for i := 0; i < len(s); {
		if !isWord(s[i]) {
			w.WriteByte(s[i])
			i++
			continue
		}
		end := i
		for end < len(s) && isWord(s[end]) {
			end++
		}
		if isUUID(s[i:]) {
			end = i + uuidLen
		}
		if word := s[i:end]; isID(word) || len(word) == uuidLen && isUUID(word) {
			w.WriteByte('?')
		} else {
			w.WriteString(word)
		}
		i = end
	}
	return w.String()
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

func isID(word string) bool {
	digits, hex := 0, 0
	for i := range len(word) {
		switch c := word[i] | 0x20; {
		case '0' <= word[i] && word[i] <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			hex++
		default:
			return false
		}
	}
	return hex == 0 || digits > 0 && len(word) >= 8
}

const uuidLen = 36

// isUUID says whether s begins with a UUID that ends there or before something that is no word.
func isUUID(s string) bool {
	if len(s) < uuidLen || len(s) > uuidLen && isWord(s[uuidLen]) {
		return false
	}
	for i := range uuidLen {
		switch c := s[i] | 0x20; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if s[i] != '-' {
				return false
			}
		case '0' <= s[i] && s[i] <= '9' || 'a' <= c && c <= 'f':
		default:
			return false
		}
	}
	return true
}

// maskStatement is a statement of SQL or of something like it without what differs from call to call:
// literals become "?", lists of them "(?)", blanks one blank, and comments nothing. It reads no more of a
// long statement than a label shows.
func maskStatement(s string) string {
	w := make([]byte, 0, min(len(s), 2*maxLabel))
	for i := 0; i < len(s) && len(w) <= 2*maxLabel; {
		switch c := s[i]; {
		case c == '\'' || c == '"' && !identifierQuotes(w):
			i = skipQuoted(s, i)
			w = putMask(w)
		case strings.HasPrefix(s[i:], "--") || c == '#':
			end := strings.IndexByte(s[i:], '\n')
			if end < 0 {
				end = len(s) - i
			}
			i += end
			w = putBlank(w)
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				end = len(s) - i - 4
			}
			i += end + 4
			w = putBlank(w)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			w = putBlank(w)
		case isWord(c):
			end := i
			for end < len(s) && (isWord(s[end]) || s[end] == '.' && '0' <= c && c <= '9') {
				end++
			}
			if '0' <= c && c <= '9' || isID(s[i:end]) {
				w = putMask(w)
			} else {
				w = append(w, s[i:end]...)
			}
			i = end
		case c == '?', c == '$' && i+1 < len(s) && '0' <= s[i+1] && s[i+1] <= '9':
			i++
			for c == '$' && i < len(s) && '0' <= s[i] && s[i] <= '9' {
				i++
			}
			w = putMask(w)
		default:
			w = append(w, c)
			i++
		}
	}
	return strings.TrimSpace(string(w))
}

// identifierQuotes says whether a double quote after w opens a name, as standard SQL has it, and not a
// text, as MySQL has it: a name follows a word or a point, a text a comparison.
func identifierQuotes(w []byte) bool {
	for _, c := range slices.Backward(w) {
		if c != ' ' {
			return isWord(c) || c == '.' || c == '`'
		}
	}
	return true
}

// skipQuoted returns the place after the text that is quoted from i on; a doubled quote and one after a
// backslash belong to it.
func skipQuoted(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// putMask appends a mask; "?, ?" is one.
func putMask(w []byte) []byte {
	end := len(w)
	for end > 0 && w[end-1] == ' ' {
		end--
	}
	if end > 0 && w[end-1] == ',' {
		for end--; end > 0 && w[end-1] == ' '; end-- {
		}
		if end > 0 && w[end-1] == '?' {
			return w[:end]
		}
	}
	if n := len(w); n > 0 && w[n-1] == '-' && (n == 1 || strings.IndexByte("=<>(,+ ", w[n-2]) >= 0) {
		w = w[:n-1] // a sign
	}
	return append(w, '?')
}

func putBlank(w []byte) []byte {
	if len(w) > 0 && w[len(w)-1] != ' ' {
		w = append(w, ' ')
	}
	return w
}
