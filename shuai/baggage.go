package shuai

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/shuai/internal/bridge"
)

const headerBaggage = "baggage"

// What the specification (W3C Baggage) asks everyone to pass on; what is beyond is not.
const (
	maxBaggageMembers = 64
	maxBaggageBytes   = 8192
)

// baggage is what a request carries along, as it is in the header. It does not change.
type baggage []baggageMember

type baggageMember struct {
	key  string
	rest string // "=value;properties", valid and encoded
}

type baggageKey struct{}

// baggageOf is what was put into ctx by this package, and then what another API did.
func baggageOf(ctx context.Context) baggage {
	if ctx == nil {
		return nil
	}
	b, _ := ctx.Value(baggageKey{}).(baggage)
	other := bridge.Installed.Load()
	if other == nil {
		return b
	}
	for _, m := range parseBaggage(other.Baggage(ctx)) {
		full := len(b) == maxBaggageMembers || b.size()+1+len(m.key)+len(m.rest) > maxBaggageBytes
		if !full && !slices.ContainsFunc(b, func(o baggageMember) bool { return o.key == m.key }) {
			b = append(slices.Clip(b), m)
		}
	}
	return b
}

// WithBaggage returns a context whose calls carry value under key to the services that are called, and on from there (W3C
// Baggage). An empty value removes the key. The error says that the key is not a token (RFC 9110), or that the baggage
// would have more than 64 members or 8,192 bytes. Third parties that are called see it too.
func WithBaggage(ctx context.Context, key, value string) (context.Context, error) {
	if !isToken(key) {
		return ctx, fmt.Errorf("baggage: key %.64q is not a token: letters, digits and !#$%%&'*+-.^_`|~", key)
	}
	b := slices.DeleteFunc(slices.Clone(baggageOf(ctx)), func(m baggageMember) bool { return m.key == key })
	if value != "" {
		b = append(b, baggageMember{key, "=" + encodeBaggage(value)})
	}
	if len(b) > maxBaggageMembers || b.size() > maxBaggageBytes {
		return ctx, errors.New("baggage: more than 64 members or 8,192 bytes")
	}
	return context.WithValue(ctx, baggageKey{}, b), nil
}

// Baggage returns the value under key, or "".
func Baggage(ctx context.Context, key string) string { return baggageOf(ctx).value(key) }

func (b baggage) value(key string) string {
	for _, m := range b {
		if m.key == key {
			return m.value()
		}
	}
	return ""
}

// AllBaggage yields keys and values, in the order of the header.
func AllBaggage(ctx context.Context) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, m := range baggageOf(ctx) {
			if !yield(m.key, m.value()) {
				return
			}
		}
	}
}

func injectBaggage(ctx context.Context, c Carrier) {
	if b := baggageOf(ctx); len(b) > 0 {
		c.Set(headerBaggage, b.String())
	}
}

// size is the length of the header.
func (b baggage) size() int {
	n := max(0, len(b)-1)
	for _, m := range b {
		n += len(m.key) + len(m.rest)
	}
	return n
}

func (b baggage) String() string {
	var s strings.Builder
	s.Grow(b.size())
	for i, m := range b {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(m.key)
		s.WriteString(m.rest)
	}
	return s.String()
}

// value is decoded; what is not UTF-8 then becomes U+FFFD, as the specification asks.
func (m baggageMember) value() string {
	v, _, _ := strings.Cut(m.rest[1:], ";")
	v = strings.TrimRight(v, " \t")
	v, _ = url.PathUnescape(v) // valid, as the whole member
	if !utf8.ValidString(v) {
		v = string([]rune(v)) // of each byte one
	}
	return v
}

// parseBaggage reads what is within the limits, and of several members with the same key the last. Members that are not valid are left out.
func parseBaggage(s string) (b baggage) {
	if s == "" {
		return nil
	}
	size := 0
	if most := 2 * maxBaggageBytes; len(s) > most {
		s = s[:max(0, strings.LastIndexByte(s[:most], ','))]
	}
	for member := range strings.SplitSeq(s, ",") {
		key, rest, ok := strings.Cut(member, "=")
		key, rest = strings.Trim(key, " \t"), strings.Trim(rest, " \t")
		if !ok || !isToken(key) || !validBaggageValue(rest) {
			continue
		}
		if size += len(key) + 1 + len(rest) + 1; len(b) == maxBaggageMembers || size-1 > maxBaggageBytes {
			break
		}
		b = slices.DeleteFunc(b, func(m baggageMember) bool { return m.key == key })
		b = append(b, baggageMember{key, "=" + rest})
	}
	return b
}

// validBaggageValue checks a value with its properties: *baggage-octet *( OWS ";" OWS property ).
func validBaggageValue(s string) bool {
	property := false
	for part := range strings.SplitSeq(s, ";") {
		value := strings.Trim(part, " \t")
		if property && value != "" { // an empty one does no harm
			key, v, _ := strings.Cut(value, "=")
			if !isToken(strings.TrimRight(key, " \t")) {
				return false
			}
			value = strings.TrimLeft(v, " \t")
		}
		property = true
		for i := range len(value) {
			if !isBaggageOctet(value[i]) || value[i] == '%' && (i+2 >= len(value) || !isHexDigit(value[i+1]) || !isHexDigit(value[i+2])) {
				return false
			}
		}
	}
	return true
}

func isBaggageOctet(c byte) bool {
	return c > ' ' && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\'
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func encodeBaggage(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isBaggageOctet(c) && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
