package store

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// String is x && y. An operand that is itself a chain stands in parentheses unless it is the left one of
// the same operator, so that the text does not depend on precedence.
func (e And) String() string { return chain(e.X, " && ", e.Y) }

// String is x || y.
func (e Or) String() string { return chain(e.X, " || ", e.Y) }

// String is !(x); of an Exists it is field = nil, of a bare root it is !root.
func (e Not) String() string {
	switch x := e.X.(type) {
	case Exists:
		return x.Field.String() + " = nil"
	case Compare:
		if x == IsRoot() {
			return "!root"
		}
	case And, Or, Not:
	}
	return "!(" + e.X.String() + ")"
}

// String is field != nil.
func (e Exists) String() string { return e.Field.String() + " != nil" }

// String is field op value, or root.
func (e Compare) String() string {
	if e.Field == Root && e.Op == Eq && e.Value.Type == BoolLiteral && e.Value.Int != 0 {
		return "root"
	}
	return e.Field.String() + " " + e.Op.String() + " " + e.Value.String()
}

func chain(x Expr, op string, y Expr) string {
	var b strings.Builder
	writeOperand(&b, x, op == " && ", op == " || ")
	b.WriteString(op)
	writeOperand(&b, y, false, false)
	return b.String()
}

// writeOperand writes e, in parentheses if it is a chain of an operator that may not stand bare here.
func writeOperand(b *strings.Builder, e Expr, bareAnd, bareOr bool) {
	bare := true
	switch e.(type) {
	case And:
		bare = bareAnd
	case Or:
		bare = bareOr
	case Not, Exists, Compare:
	}
	if bare {
		b.WriteString(e.String())
		return
	}
	b.WriteString("(" + e.String() + ")")
}

// String is the literal as the filter language writes it: a float always has a point or an exponent.
func (l Literal) String() string {
	switch l.Type {
	case StringLiteral:
		return strconv.Quote(l.Str)
	case NumberLiteral:
		if l.IsInt() {
			return strconv.FormatInt(l.Int, 10)
		}
		s := strconv.FormatFloat(l.Num, 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case DurationLiteral:
		return time.Duration(l.Int).String()
	case KindLiteral:
		return span.Kind(l.Int).String()
	case StatusLiteral:
		return span.Status(l.Int).String()
	case BoolLiteral:
		return strconv.FormatBool(l.Int != 0)
	}
	return ""
}

// IsInt says that a NumberLiteral was written without a point, so that Int has its exact value.
func (l Literal) IsInt() bool { return float64(l.Int) == l.Num }

// String is the field as the filter language writes it: an intrinsic's name, span.key, resource.key, or
// .key for Anywhere; a key that is no plain word is quoted.
func (f Field) String() string {
	key := f.Name
	if !isPlainKey(key) {
		key = strconv.Quote(key)
	}
	switch f.Scope {
	case Intrinsic:
		return f.Name
	case OnSpan:
		return "span." + key
	case OnResource:
		return "resource." + key
	case Anywhere:
	}
	return "." + key
}

func isPlainKey(s string) bool {
	for _, r := range s {
		if !isWordRune(r) || r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return s != ""
}

// isWordRune says whether r may stand in an unquoted attribute name; the set is TraceQL's.
func isWordRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune("{}()=~!<>&|^,\"`", r)
}
