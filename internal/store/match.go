package store

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
)

// TraceInfo is what the spans of a trace have in common, as the intrinsics TraceDuration, RootName and
// RootService show it. Root says that a span without a parent id is stored; of several the earliest
// counts, of those the one with the lowest span id, then kind.
type TraceInfo struct {
	Duration    int64 // ns, from the earliest start to the latest end
	Root        bool
	RootName    string
	RootService string
}

// TraceOf computes the TraceInfo of the rows of b, which are all that is stored of one trace.
func TraceOf(b *span.Batch, rows []int) *TraceInfo {
	var info TraceInfo
	if len(rows) == 0 {
		return &info
	}
	first, last, root := int64(math.MaxInt64), int64(math.MinInt64), -1
	for _, i := range rows {
		first, last = min(first, b.Start[i]), max(last, b.End(i))
		if b.Parent[i] != 0 {
			continue
		}
		if root < 0 || cmp.Or(cmp.Compare(b.Start[i], b.Start[root]), cmp.Compare(b.SpanID[i], b.SpanID[root]), cmp.Compare(b.Kind[i], b.Kind[root])) < 0 {
			root = i
		}
	}
	info.Duration = last - first
	if root >= 0 {
		info.Root, info.RootName, info.RootService = true, b.String(b.Name[root]), serviceOf(b, root)
	}
	return &info
}

// TraceLevel says whether the field is one of the whole trace, which an engine knows only after a first
// pass over the trace's spans.
func (f Field) TraceLevel() bool { return f == TraceDuration || f == RootName || f == RootService }

// TraceLevel says whether e asks for a field of the whole trace.
func TraceLevel(e Expr) bool {
	switch e := e.(type) {
	case And:
		return TraceLevel(e.X) || TraceLevel(e.Y)
	case Or:
		return TraceLevel(e.X) || TraceLevel(e.Y)
	case Not:
		return TraceLevel(e.X)
	case Exists:
		return e.Field.TraceLevel()
	case Compare:
		return e.Field.TraceLevel()
	}
	return false
}

// Matches says whether span row of b matches e; nil matches. It is the meaning of filters: engines may be
// faster, not different. Without tr the fields of the trace are absent.
//
// There is no third truth value: a comparison whose field is absent is false, and ! of it true.
func Matches(e Expr, b *span.Batch, row int, tr *TraceInfo) bool {
	switch e := e.(type) {
	case And:
		return Matches(e.X, b, row, tr) && Matches(e.Y, b, row, tr)
	case Or:
		return Matches(e.X, b, row, tr) || Matches(e.Y, b, row, tr)
	case Not:
		return !Matches(e.X, b, row, tr)
	case Exists:
		_, ok := FieldValue(b, row, e.Field, tr)
		return ok
	case Compare:
		v, ok := FieldValue(b, row, e.Field, tr)
		return ok && e.MatchValue(v)
	}
	return true
}

// FieldValue is the value of a field of span row of b, and whether the span has it. Of an attribute that
// occurs twice the last one counts. The span's own intrinsics are always there (a message that nobody
// set is ""), and so is ServiceName; status and kind are their names as strings, durations are ints in
// ns, root is a bool.
func FieldValue(b *span.Batch, row int, f Field, tr *TraceInfo) (span.Value, bool) {
	switch f {
	case Name:
		return span.StringValue(b.String(b.Name[row])), true
	case Duration:
		return span.IntValue(b.Duration[row]), true
	case StatusCode:
		return span.StringValue(b.Status[row].String()), true
	case StatusMessage:
		return span.StringValue(b.String(b.StatusMessage[row])), true
	case KindOf:
		return span.StringValue(b.Kind[row].String()), true
	case Root:
		return span.BoolValue(b.Parent[row] == 0), true
	case ServiceName:
		return span.StringValue(serviceOf(b, row)), true
	case TraceDuration:
		if tr != nil {
			return span.IntValue(tr.Duration), true
		}
	case RootName:
		if tr != nil && tr.Root {
			return span.StringValue(tr.RootName), true
		}
	case RootService:
		if tr != nil && tr.Root {
			return span.StringValue(tr.RootService), true
		}
	}
	var v span.Value
	ok := false
	if f.Scope == OnSpan || f.Scope == Anywhere {
		v, ok = lastOf(b, b.Attrs[row], f.Name)
	}
	if !ok && (f.Scope == OnResource || f.Scope == Anywhere) {
		v, ok = lastOf(b, b.Resources[b.Resource[row]].Attrs, f.Name)
	}
	return v, ok
}

func serviceOf(b *span.Batch, row int) string {
	v, _ := lastOf(b, b.Resources[b.Resource[row]].Attrs, ServiceName.Name)
	if v.Type == span.String && v.Str != "" {
		return v.Str
	}
	return span.UnknownService
}

// lastOf is the value of key among the attributes r: of equal keys the last wins.
func lastOf(b *span.Batch, r span.Range, key string) (span.Value, bool) {
	for i := int(r.To) - 1; i >= int(r.From); i-- {
		if a := b.Values[i]; int(a.Key.Len) == len(key) && string(b.Bytes(a.Key)) == key {
			return b.Value(a), true
		}
	}
	return span.Value{}, false
}

// MatchValue says whether a span whose field has value v matches. It depends on the literal:
//
//   - Text compares with every value as text, as Value.String shows it (numbers in their shortest form,
//     bytes as base64, lists and maps as JSON): bytewise, or by regular expression over the whole of it.
//   - A number compares with ints and doubles, exactly, and with strings that are a decimal number, since
//     some senders (Zipkin's) have only strings. NaN is unequal to every number, and neither less nor more.
//   - A duration compares with ints and doubles as nanoseconds, and with strings that are a duration
//     ("1.5ms") or a decimal number (of nanoseconds).
//   - true and false compare with bools and with the strings "true" and "false".
//   - A status or kind compares with its number as an int, or its name.
//
// A value that does not compare with the literal matches no operator, not even !=; nor does a null.
func (c Compare) MatchValue(v span.Value) bool {
	if v.Type == span.Null {
		return false
	}
	l := &c.Value
	switch l.Type {
	case StringLiteral:
		return c.matchText(v)
	case NumberLiteral:
		return c.matchNumber(v, l)
	case DurationLiteral:
		ns := Literal{Type: NumberLiteral, Num: float64(l.Int), Int: l.Int}
		if v.Type == span.String {
			if d, ok := parseDuration(v.Str); ok {
				return c.Op.holds(cmp.Compare(d, l.Int))
			}
		}
		return c.matchNumber(v, &ns)
	case KindLiteral:
		return c.matchName(v, span.Kind(l.Int).String())
	case StatusLiteral:
		return c.matchName(v, span.Status(l.Int).String())
	case BoolLiteral:
		is := v.Num != 0
		if v.Type == span.String {
			if is = v.Str == "true"; !is && v.Str != "false" {
				return false
			}
		} else if v.Type != span.Bool {
			return false
		}
		return c.Op == Eq && is == (l.Int != 0) || c.Op == Ne && is != (l.Int != 0)
	}
	return false
}

func (c Compare) matchName(v span.Value, name string) bool {
	is := v.Type == span.Int && v.Int() == c.Value.Int || v.Type == span.String && v.Str == name
	return c.Op == Eq && is || c.Op == Ne && !is
}

func (c Compare) matchText(v span.Value) bool {
	if v.Type == span.String || v.Type == span.List || v.Type == span.Map {
		switch c.Op {
		case Eq:
			return v.Str == c.Value.Str
		case Ne:
			return v.Str != c.Value.Str
		case Match, NotMatch:
			return c.Value.regexp().MatchString(v.Str) == (c.Op == Match)
		case Lt, Le, Gt, Ge:
		}
		return c.Op.holds(strings.Compare(v.Str, c.Value.Str))
	}
	var room [32]byte
	text := room[:0]
	switch v.Type { // as Value.String, without the allocation
	case span.Int:
		text = strconv.AppendInt(text, v.Int(), 10)
	case span.Double:
		text = strconv.AppendFloat(text, v.Double(), 'g', -1, 64)
	case span.Bool:
		text = strconv.AppendBool(text, v.Bool())
	default:
		text = append(text, v.String()...)
	}
	if c.Op == Match || c.Op == NotMatch {
		return c.Value.regexp().MatchString(string(text)) == (c.Op == Match)
	}
	return c.Op.holds(strings.Compare(string(text), c.Value.Str))
}

// nothing matches no text at all.
var nothing = regexp.MustCompile(`[^\x00-\x{10FFFF}]`)

// regexp is Re, or for a literal made by hand without one, Str compiled; a broken one matches nothing.
func (l Literal) regexp() *regexp.Regexp {
	if l.Re != nil {
		return l.Re
	}
	if re, err := compile(l.Str); err == nil {
		return re
	}
	return nothing
}

func (c Compare) matchNumber(v span.Value, l *Literal) bool {
	switch v.Type {
	case span.Int:
		if l.IsInt() {
			return c.Op.holds(cmp.Compare(v.Int(), l.Int))
		}
		return c.Op.holds(compareIntFloat(v.Int(), l.Num))
	case span.Double:
		f := v.Double()
		switch {
		case math.IsNaN(f):
			return c.Op == Ne
		case l.IsInt():
			return c.Op.holds(-compareIntFloat(l.Int, f))
		}
		return c.Op.holds(cmp.Compare(f, l.Num))
	case span.String:
		n, ok := parseNumber(v.Str)
		switch {
		case !ok:
			return false
		case n.IsInt():
			return c.matchNumber(span.IntValue(n.Int), l)
		}
		return c.matchNumber(span.DoubleValue(n.Num), l)
	case span.Null, span.Bool, span.Bytes, span.List, span.Map:
	}
	return false
}

// compareIntFloat compares exactly; f is not NaN.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Trunc(f)
	return cmp.Or(cmp.Compare(i, int64(whole)), cmp.Compare(0, f-whole))
}

// holds says whether x o y, given the order of x and y.
func (o Op) holds(order int) bool {
	switch o {
	case Eq:
		return order == 0
	case Ne:
		return order != 0
	case Lt:
		return order < 0
	case Le:
		return order <= 0
	case Gt:
		return order > 0
	case Ge:
		return order >= 0
	case Match, NotMatch:
	}
	return false
}
