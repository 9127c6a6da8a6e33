package text_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// testdata/script: programs as people write them, and what is read, printed again; or the error, with its place.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			n, _, err := text.Parse(d.Input, ast.Limits{})
			switch {
			case err != nil:
				return err.Error() + "\n"
			case d.Cmd == "json":
				return string(ast.AppendJSON(nil, n)) + "\n"
			default:
				return ast.Text(n) + "\n"
			}
		})
	})
}

// What Print writes, Parse reads: the same tree; and every node has its place in the text.
func TestPrintedTextIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := asttest.Tree(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		checkRoundTrip(t, n)
	})
}

func FuzzPrintedTextIsRead(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, choices []byte) { checkRoundTrip(t, asttest.Tree(asttest.Bytes(choices))) })
}

func checkRoundTrip(t interface{ Fatalf(string, ...any) }, n ast.Node) {
	printed := ast.Print(n)
	again, source, err := text.Parse(printed.Text, ast.Limits{})
	if err != nil {
		t.Fatalf("%v\nof %s", err, ast.AppendJSON(nil, n))
	}
	if !ast.Equal(n, again) {
		t.Fatalf("%s\nis read as\n%s\nfrom %s", ast.AppendJSON(nil, n), ast.AppendJSON(nil, again), printed.Text)
	}
	if reprinted := ast.Text(again); reprinted != printed.Text {
		t.Fatalf("%s\nis printed again as\n%s", printed.Text, reprinted)
	}
	var compare func(a, b ast.Node)
	compare = func(a, b ast.Node) {
		pa, pb := printed.Spans[a], source.Spans[b]
		if pa != pb {
			t.Fatalf("%s\n%s is printed at %v, read at %v", printed.Text, a.Op(), pa, pb)
		}
		var below []ast.Node
		for c := range ast.Children(b) {
			below = append(below, c)
		}
		for c := range ast.Children(a) {
			compare(c, below[0])
			below = below[1:]
		}
	}
	compare(n, again)
}

// FuzzParse: whatever the text, there is a program that prints and reads the same, or an error at a place within it.
func FuzzParse(f *testing.F) {
	f.Add(`get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "t": x.title() or -1.5e3})`)
	f.Add(`[a.b[1] for a in s(p) for b in a.c if not b in [None, True] if b"\x00" != time("2026-01-01T00:00:00Z")]`)
	f.Add("(((((((")
	f.Fuzz(func(t *testing.T, s string) {
		n, _, err := text.Parse(s, ast.Limits{Nodes: 200})
		if err != nil {
			var at *text.Error
			if errors.As(err, &at) && (at.At.Start < 0 || at.At.End > len(s)+1 || at.At.End < at.At.Start) {
				t.Fatalf("%v of %d bytes: %v", at.At, len(s), err)
			}
			return
		}
		again, _, err := text.Parse(ast.Text(n), ast.Limits{Nodes: 200, Bytes: 1 << 20})
		if err != nil || !ast.Equal(n, again) {
			t.Fatalf("%s\nis read again as %v, %v", ast.Text(n), again, err)
		}
	})
}

// Hostile texts end in an error, soon.
func TestHostileText(t *testing.T) {
	for name, s := range map[string]string{
		"parentheses":  strings.Repeat("(", 250_000),
		"closed":       strings.Repeat("(", 100_000) + "x" + strings.Repeat(")", 100_000),
		"signs":        strings.Repeat("-", 250_000) + "1",
		"nots":         strings.Repeat("not ", 60_000) + "x",
		"lambdas":      strings.Repeat("lambda:", 30_000) + "x",
		"conditionals": strings.Repeat("x if x else ", 20_000) + "x",
		"sum":          strings.Repeat("x+", 120_000) + "x",
		"calls":        "x" + strings.Repeat(".f()", 60_000),
		"indexes":      "x" + strings.Repeat("[0]", 60_000),
		"list":         "[" + strings.Repeat("1,", 120_000) + "1]",
		"digits":       strings.Repeat("9", 250_000),
		"long":         strings.Repeat(" ", 300_000),
		"string":       `"` + strings.Repeat("(", 250_000),
		"lines":        strings.Repeat("\n", 250_000) + "x y",
		"nested":       strings.Repeat("x.filter(lambda x: ", 30) + "x" + strings.Repeat(")", 30),
		"breakout":     "x) + (y",
		"two":          "x)(y",
	} {
		if n, _, err := text.Parse(s, ast.Limits{}); err == nil {
			t.Errorf("%s is read as %s", name, ast.Text(n))
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

func BenchmarkParse(b *testing.B) {
	const talk = `get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`
	n, _, err := text.Parse(talk, ast.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = text.Parse(talk, ast.Limits{})
		}
	})
	wire := ast.AppendProto(nil, n)
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ast.ReadProto(wire, ast.Limits{})
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = ast.HashOf(n)
		}
	})
}
