package store_test

import (
	"errors"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	. "github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

func TestParseFilter(t *testing.T) {
	attribute := func(name string) Field { return Field{Name: name} }
	str := func(f Field, op Op, s string) Expr { return Compare{f, op, Literal{Str: s}} }
	num := func(f Field, op Op, n int64) Expr {
		return Compare{f, op, Literal{Type: NumberLiteral, Num: float64(n), Int: n}}
	}
	float := func(f Field, n float64) Expr { return Compare{f, Eq, Literal{Type: NumberLiteral, Num: n}} }
	for _, c := range []struct {
		text string
		want Expr
	}{
		{"", nil},
		{" \n\t ", nil},
		{"{}", nil},
		{" {  } ", nil},
		{"{true}", nil},
		{"{true && root}", IsRoot()},
		{"{root || true}", nil},
		{"name=\"x\"", Is(Name, "x")},
		{"{name=`x\\d\"`}", Is(Name, `x\d"`)},
		{`{ name = "\x00\u4e16\"\\\n" }`, Is(Name, "\x00世\"\\\n")},
		{`{ ..a = "x" }`, str(attribute(".a"), Eq, "x")},
		{`{ a-b/c:d@e+1 = "x" }`, str(attribute("a-b/c:d@e+1"), Eq, "x")},
		{`{ span."a b" != "x" }`, str(Field{OnSpan, "a b"}, Ne, "x")},
		{`{ span.a."b c".d != "x" }`, str(Field{OnSpan, "a.b c.d"}, Ne, "x")},
		{"{ resource.`\"` = \"x\" }", str(Field{OnResource, `"`}, Eq, "x")},
		{`{ ."" = "x" }`, str(attribute(""), Eq, "x")},
		{`{ Name = "x" }`, str(attribute("Name"), Eq, "x")},
		{`{ childCount = 3 }`, num(attribute("childCount"), Eq, 3)},
		{`{ service.name = "x" }`, Is(ServiceName, "x")},
		{`{ resource.service.name = "x" }`, Is(ServiceName, "x")},
		{`{ .service.name = "x" }`, str(attribute("service.name"), Eq, "x")},
		{`{ x=1 }`, num(attribute("x"), Eq, 1)},
		{`{ x>=-9223372036854775808 }`, num(attribute("x"), Ge, math.MinInt64)},
		{`{ x = 9223372036854775808 }`, float(attribute("x"), 1<<63)},
		{`{ x = 1.0 }`, float(attribute("x"), 1)},
		{`{ x = -0.0 }`, num(attribute("x"), Eq, 0)},
		{`{ x = .5e-3 }`, float(attribute("x"), .0005)},
		{`{ duration<0 }`, Compare{Duration, Lt, Literal{Type: DurationLiteral}}},
		{`{ duration>=1m30s5ms }`, AtLeast(90*time.Second + 5*time.Millisecond)},
		{`{ duration>=1.5µs }`, AtLeast(1500)},
		{`{ trace:duration > -1h }`, Compare{TraceDuration, Gt, Literal{Type: DurationLiteral, Int: -int64(time.Hour)}}},
		{`{ status=error }`, HasStatus(span.StatusError)},
		{`{ kind!=consumer }`, Compare{KindOf, Ne, Literal{Type: KindLiteral, Int: int64(span.KindConsumer)}}},
		{`{ x = nil }`, Not{Exists{attribute("x")}}},
		{`{ .x!=nil }`, Exists{attribute("x")}},
		{`{ x = false }`, Compare{attribute("x"), Eq, Literal{Type: BoolLiteral}}},
		{`{ root && !root || ! ( root ) }`, Or{And{IsRoot(), Not{IsRoot()}}, Not{IsRoot()}}},
		{`{ root || root && root }`, And{Or{IsRoot(), IsRoot()}, IsRoot()}},
		{`{ root || (root && root) }`, Or{IsRoot(), And{IsRoot(), IsRoot()}}},
		{`{ nestedSetParent<0 }`, IsRoot()},
		// What Grafana's builder for Tempo writes.
		{`{resource.service.name="frontend" && duration>100ms && span.http.status_code=500 && kind=server && nestedSetParent<0}`, AllOf(
			Is(ServiceName, "frontend"), Compare{Duration, Gt, Literal{Type: DurationLiteral, Int: 1e8}}, num(Field{OnSpan, "http.status_code"}, Eq, 500),
			Compare{KindOf, Eq, Literal{Type: KindLiteral, Int: int64(span.KindServer)}}, IsRoot())},
	} {
		got, err := ParseFilter(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %#v\nwant %#v", c.text, got, c.want)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int
		msg  string // a part of it
	}{
		{`{`, 1, "ends here"},
		{`}`, 0, "expected a field"},
		{`{ root`, 6, "expected &&, || or }, but the filter ends here"},
		{`root }`, 5, "} without {"},
		{`{ root } && { root }`, 9, "several { … }"},
		{`{ root } | rate()`, 9, "pipelines"},
		{`{ name }`, 7, "expected one of = != < <= > >= =~ !~ after name"},
		{`{ .x }`, 5, "after .x"},
		{`{ name = }`, 9, "expected text in quotes"},
		{`{ x = }`, 6, `expected a value, such as "text"`},
		{`{ name == "x" }`, 8, "expected text in quotes"},
		{`{ name = x }`, 9, `text stands in quotes: "x"`},
		{`{ name = 5 }`, 9, `write "5"`},
		{`{ name = nil && }`, 16, "expected a field"},
		{`{ name > nil }`, 7, "nil goes with"},
		{`{ name =~ 5 }`, 10, `write "5"`},
		{`{ x =~ 5 }`, 7, "expected a regular expression in quotes after =~"},
		{`{ x =~ "a(" }`, 7, "not a regular expression: missing closing )"},
		{`{ x =~ "a)(b" }`, 7, "not a regular expression: unexpected )"},
		{`{ x =~ "\d+" }`, 8, "not an escape"},
		{`{ x = "abc }`, 6, `no closing "`},
		{"{ x = `abc }", 6, "no closing `"},
		{`{ duration > "x" }`, 13, "duration is compared with a duration"},
		{`{ duration > "5ms" }`, 13, "without quotes: 5ms"},
		{`{ duration > 5 }`, 13, "with a unit, as in 5ms"},
		{`{ duration > 5d }`, 13, "units are ns us ms s m h"},
		{`{ duration > 9999999h }`, 13, "neither a number in range"},
		{`{ x = 1e999 }`, 6, "neither a number in range"},
		{`{ x = 0x10 }`, 6, "neither a number"},
		{`{ x = 5 ms }`, 8, "expected &&, || or }"},
		{`{ status = fail }`, 11, "expected ok, error or unset"},
		{`{ status > ok }`, 9, "no order"},
		{`{ kind = "server" }`, 9, "without quotes: server"},
		{`{ x < true }`, 4, "no order"},
		{`{ root = 1 }`, 9, "true or false"},
		{`{ root and root }`, 7, "and is written &&"},
		{`{ root & root }`, 7, "and is written &&"},
		{`{ root, root }`, 6, "not with a comma"},
		{`{ root) }`, 6, ") without ("},
		{`{ (root }`, 8, "expected ) for the ( at byte 2"},
		{`{ (root root) }`, 8, "expected &&, || or )"},
		{`{ !name = "x" }`, 3, `as in !(name = "x")`},
		{`{ !true }`, 2, "no span at all"},
		{`{ false }`, 2, "expected a field"},
		{`{ "x" = name }`, 2, "needs a dot"},
		{`{ 5 = x }`, 2, "expected a field"},
		{`{ . = 1 }`, 3, "expected an attribute name after ."},
		{`{ .5e3 }`, 7, "expected one of"},
		{`{ span. = 1 }`, 7, "expected an attribute name after span."},
		{`{ event.name = "x" }`, 2, "scope event. is not understood; for an attribute of the span or resource called event.name write .event.name"},
		{`{ span:id = "x" }`, 2, "span:id is not among the fields"},
		{`{ nestedSetParent > 0 }`, 18, "nestedSetParent < 0"},
		{strings.Repeat("(", 1<<20), 64 << 10, "at most 65536 bytes"},
		{strings.Repeat("(", 1<<15), 100, "nested more than 100 deep"},
		{strings.Repeat("!", 1<<15), 100, "nested more than 100 deep"},
		{strings.Repeat("root||", 1001), 6000, "more than 1000 conditions"},
	} {
		e, err := ParseFilter(c.text)
		fe, ok := errors.AsType[*FilterError](err)
		if !ok || e != nil {
			t.Errorf("%.50s: %v, %v", c.text, e, err)
			continue
		}
		if fe.At != c.at || !strings.Contains(fe.Msg, c.msg) {
			t.Errorf("%.50s: at %d %q, want at %d %q", c.text, fe.At, fe.Msg, c.at, c.msg)
		}
		if n := len(fe.Error()); n > 1200 {
			t.Errorf("%.50s: an error of %d bytes", c.text, n)
		}
	}
}

// The caret stands below the place, also behind wide, unprintable and very many characters.
func TestFilterErrorCaret(t *testing.T) {
	for _, before := range []string{"{ ", "{\n\t\x00x=\"世界\" && ", "{ x = \"" + strings.Repeat("é", 500) + "\" && "} {
		_, err := ParseFilter(before + "?!")
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 3 {
			t.Fatalf("%q", lines)
		}
		caret := []rune(lines[2])
		if at := []rune(lines[1]); len(caret) > 200 || at[len(caret)-1] != '!' || caret[len(caret)-1] != '^' {
			t.Errorf("%s", err)
		}
	}
	if e := (&FilterError{At: 7, Msg: "made by hand"}).Error(); e != "filter: made by hand\n  \n  ^" {
		t.Errorf("%q", e)
	}
}

// same says that the trees are equal, regular expressions by their text.
func same(a, b Expr) bool {
	switch x := a.(type) {
	case And:
		y, ok := b.(And)
		return ok && same(x.X, y.X) && same(x.Y, y.Y)
	case Or:
		y, ok := b.(Or)
		return ok && same(x.X, y.X) && same(x.Y, y.Y)
	case Not:
		y, ok := b.(Not)
		return ok && same(x.X, y.X)
	case Compare:
		y, ok := b.(Compare)
		if !ok || (x.Value.Re == nil) != (y.Value.Re == nil) || x.Value.Re != nil && x.Value.Re.String() != y.Value.Re.String() {
			return false
		}
		x.Value.Re, y.Value.Re = nil, nil
		return x == y
	case Exists:
	}
	return a == b
}

func TestFilterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := storetest.Filters().Draw(t, "filter")
		if s := rapid.String().Draw(t, "text"); rapid.Bool().Draw(t, "any text") {
			e = And{Or{e, Compare{Field{OnSpan, s}, Le, Literal{Str: s}}}, And{Exists{Field{Anywhere, s}}, Not{Exists{Field{OnResource, s}}}}}
		}
		back, err := ParseFilter(e.String())
		if err != nil || !same(e, back) {
			t.Fatalf("%s\nreads back as\n%v, %v", e, back, err)
		}
		if back, err = ParseFilter("{ " + e.String() + " }"); err != nil || !same(e, back) {
			t.Fatalf("%s\nreads back in braces as\n%v, %v", e, back, err)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range docFilters(f) {
		f.Add(s)
	}
	f.Add("{ !(x=`a` || span.\"q\\n\"!~\".*\") && y >= -1.5e3 }")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseFilter(text)
		if err != nil {
			fe, ok := errors.AsType[*FilterError](err)
			if !ok || fe.At < 0 || fe.At > len(text) || e != nil || strings.Count(err.Error(), "\n") != 2 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if e == nil {
			return
		}
		back, err := ParseFilter(e.String())
		if err != nil && len(e.String()) <= 64<<10 && !strings.Contains(err.Error(), "deep") { // parentheses that were not there may be one too many
			t.Fatalf("%q prints %q: %v", text, e, err)
		}
		if err == nil && !same(e, back) {
			t.Fatalf("%q prints %q, which reads as %q", text, e, back)
		}
		var b span.Batch
		b.Append(&span.Span{SpanID: 1})
		Matches(e, &b, 0, nil)
	})
}

const docPath = "../../docs/filters.md"

func docText(t testing.TB) string {
	doc, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// blocks are the fenced blocks of a language.
func blocks(doc, language string) (found []string) {
	for _, b := range strings.Split(doc, "```"+language+"\n")[1:] {
		body, _, _ := strings.Cut(b, "\n```")
		found = append(found, body)
	}
	return found
}

var inlineFilter = regexp.MustCompile("``(\\{.*?\\})``|`(\\{[^`]*\\})`")

// docFilters are all filters of docs/filters.md: blocks, and code in the text that stands in braces.
func docFilters(t testing.TB) (filters []string) {
	doc := docText(t)
	for _, b := range blocks(doc, "filter") {
		filters = append(filters, strings.Split(b, "\n")...)
	}
	for _, m := range inlineFilter.FindAllStringSubmatch(doc, -1) {
		filters = append(filters, m[1]+m[2])
	}
	return filters
}

// The documentation's filters are understood, and mean what it says.
func TestDocFilters(t *testing.T) {
	filters := docFilters(t)
	if len(filters) < 40 {
		t.Errorf("only %d filters found in %s", len(filters), docPath)
	}
	for _, text := range filters {
		if text == "{ … }" {
			continue
		}
		if _, err := ParseFilter(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| (int|string|double|bool|list|null|absent) ?(.*?) \\| `(.*)` \\| (yes|no)(:.*)? \\|$").FindAllStringSubmatch(docText(t), -1)
	if len(rows) < 20 {
		t.Errorf("only %d rows of what matches", len(rows))
	}
	for _, row := range rows {
		e, err := ParseFilter(row[3])
		if err != nil {
			t.Error(err)
			continue
		}
		var v span.Value
		switch row[1] {
		case "int":
			n, _ := strconv.ParseInt(row[2], 10, 64)
			v = span.IntValue(n)
		case "double":
			f, _ := strconv.ParseFloat(row[2], 64)
			v = span.DoubleValue(f)
		case "string":
			s, _ := strconv.Unquote(row[2])
			v = span.StringValue(s)
		case "bool":
			v = span.BoolValue(row[2] == "true")
		case "list":
			v = span.TextValue(span.List, row[2])
		}
		var b span.Batch
		s := span.Span{SpanID: 1}
		if row[1] != "absent" {
			s.Attrs = []span.Attribute{{Key: "x", Value: v}}
		}
		b.Append(&s)
		if got := Matches(e, &b, 0, nil); got != (row[4] == "yes") {
			t.Errorf("%s: %v", row[0], got)
		}
	}
}

func TestDocErrors(t *testing.T) {
	lines := strings.Split(strings.Join(blocks(docText(t), "filter-error"), "\n"), "\n")
	if len(lines) < 16 || len(lines)%4 != 0 {
		t.Fatalf("%d lines of errors", len(lines))
	}
	for ; len(lines) > 0; lines = lines[4:] {
		_, err := ParseFilter(lines[0])
		if want := strings.Join(lines[1:4], "\n"); err == nil || err.Error() != want {
			t.Errorf("%s gives\n%v\nwant\n%s", lines[0], err, want)
		}
	}
}

func BenchmarkParseFilter(b *testing.B) {
	for b.Loop() {
		if _, err := ParseFilter(`{ service.name = "web" && duration > 100ms && status = error && http.route != nil }`); err != nil {
			b.Fatal(err)
		}
	}
}
