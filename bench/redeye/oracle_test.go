package main

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"github.com/expr-lang/expr"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// Predicates of Redeye are held against expr-lang and cel-go, on random expressions and data. A phrase is one expression in the three languages. Where
// their meanings differ, it is not asked, or asked of one of them only:
//
//   - Overflow of integers, a conversion that is out of range, division of integers by zero: an error in Redeye and CEL, another value in expr. expr is asked of rows
//     that are not in error.
//   - and, or: an error on the left is one of the whole in Redeye, unless the optimiser has put a side that is cheaper first; CEL takes it back if the right side
//     decides. So a row in error in CEL is in error in Redeye, and not the other way round.
//   - // and % round down in Redeye, towards zero in CEL and expr: the dividend is not negative here, the divisor a digit. expr's / of integers is a float: the dividend is small.
//   - int of the float that is the smallest int is that in Redeye, an overflow in CEL: CEL is told.
//   - -0.0 is negative zero in Redeye and CEL; expr computes it when it compiles, as Go does with constants, and has zero: only fields are negated.
//   - lower and upper are of ASCII in CEL: expr alone is asked.
//   - Floats as text, times, durations, null, objects and lists (expr and CEL compare numbers of different types, which Redeye refuses): not asked.
type phrase struct {
	redeye, expr, cel string
	noCEL             bool
}

func phrases(t *rapid.T, depth int, kind string) phrase {
	draw := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "choice") }
	if depth == 0 || rapid.IntRange(0, 9).Draw(t, "leaf") == 0 {
		return leaf(t, kind)
	}
	sub := func(kind string) phrase { return phrases(t, depth-1, kind) }
	if draw("op", "op", "op", "op", "op", "if") == "if" {
		return join("(%[2]s if %[1]s else %[3]s)", "(%s ? %s : %s)", "(%s ? %s : %s)", sub("bool"), sub(kind), sub(kind))
	}
	infix := func(op, other string, a, b phrase) phrase {
		other = "(%s " + other + " %s)"
		return join("(%s "+op+" %s)", other, other, a, b)
	}
	switch kind {
	case "bool":
		switch draw("int", "int", "float", "float", "string", "and", "or", "not", "in", "inTexts", "startswith", "endswith", "contains", "matches") {
		case "int":
			op := draw("<", "<=", ">", ">=", "==", "!=")
			return infix(op, op, sub("int"), sub("int"))
		case "float":
			op := draw("<", "<=", ">", ">=", "==", "!=")
			return infix(op, op, sub("float"), sub("float"))
		case "string":
			op := draw("<", "<=", ">", ">=", "==", "!=")
			return infix(op, op, sub("string"), sub("string"))
		case "and":
			return infix("and", "&&", sub("bool"), sub("bool"))
		case "or":
			return infix("or", "||", sub("bool"), sub("bool"))
		case "not":
			return join("(not %s)", "!%s", "!%s", sub("bool"))
		case "in":
			return join("(%s in [%s, %s])", "(%s in [%s, %s])", "(%s in [%s, %s])", sub("int"), leaf(t, "int"), leaf(t, "int"))
		case "inTexts":
			return join("(%s in [%s, %s])", "(%s in [%s, %s])", "(%s in [%s, %s])", sub("string"), leaf(t, "string"), leaf(t, "string"))
		case "startswith":
			return join("%s.startswith(%s)", "(%s startsWith %s)", "%s.startsWith(%s)", sub("string"), sub("string"))
		case "endswith":
			return join("%s.endswith(%s)", "(%s endsWith %s)", "%s.endsWith(%s)", sub("string"), sub("string"))
		case "contains":
			return join("(%[2]s in %[1]s)", "(%s contains %s)", "%s.contains(%s)", sub("string"), sub("string"))
		default:
			re := strconv.Quote(draw("^a", "b+c?$", "[^x]", "(?i)A.b", "^(a|bc)*$"))
			return join("%s.matches("+re+")", "(%s matches "+re+")", "%s.matches("+re+")", sub("string"))
		}
	case "int":
		switch draw("+", "-", "*", "//", "%", "neg", "length", "int") {
		case "+":
			return infix("+", "+", sub("int"), sub("int"))
		case "-":
			return infix("-", "-", sub("int"), sub("int"))
		case "*":
			return infix("*", "*", sub("int"), sub("int"))
		case "//":
			by := draw("0", "1", "2", "7")
			return phrase{redeye: "(r.year // " + by + ")", expr: "int(Year / " + by + ")", cel: "(r.Year / " + by + ")"}
		case "%":
			by := draw("0", "1", "2", "7")
			return phrase{redeye: "(r.year % " + by + ")", expr: "(Year % " + by + ")", cel: "(r.Year % " + by + ")"}
		case "neg":
			return join("(-%s)", "(-%s)", "(-%s)", sub("int"))
		case "length":
			return join("%s.length()", "len(%s)", "size(%s)", sub("string"))
		default:
			return join("int(%s)", "int(%s)", "(%[1]s == -9223372036854775808.0 ? -9223372036854775808 : int(%[1]s))", sub("float"))
		}
	case "float":
		switch op := draw("+", "-", "*", "/", "neg", "float"); op {
		case "neg":
			name := draw("X", "Y")
			return phrase{redeye: "(-r." + strings.ToLower(name) + ")", expr: "(-" + name + ")", cel: "(-r." + name + ")"}
		case "float":
			return join("float(%s)", "float(%s)", "double(%s)", sub("int"))
		default:
			return infix(op, op, sub("float"), sub("float"))
		}
	default:
		switch draw("+", "+", "lower", "upper", "str") {
		case "+":
			return infix("+", "+", sub("string"), sub("string"))
		case "lower":
			p := join("%s.lower()", "lower(%s)", "", sub("string"))
			p.noCEL = true
			return p
		case "upper":
			p := join("%s.upper()", "upper(%s)", "", sub("string"))
			p.noCEL = true
			return p
		default:
			return join("str(%s)", "string(%s)", "string(%s)", sub("int"))
		}
	}
}

// join puts operands into the forms of the three languages.
func join(redeye, expr, cel string, of ...phrase) phrase {
	operands := func(text func(phrase) string) []any {
		var out []any
		for _, p := range of {
			out = append(out, text(p))
		}
		return out
	}
	out := phrase{
		redeye: fmt.Sprintf(redeye, operands(func(p phrase) string { return p.redeye })...),
		expr:   fmt.Sprintf(expr, operands(func(p phrase) string { return p.expr })...),
		noCEL:  slices.ContainsFunc(of, func(p phrase) bool { return p.noCEL }) || cel == "",
	}
	if !out.noCEL {
		out.cel = fmt.Sprintf(cel, operands(func(p phrase) string { return p.cel })...)
	}
	return out
}

func leaf(t *rapid.T, kind string) phrase {
	draw := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "leaf") }
	same := func(text string) phrase { return phrase{redeye: text, expr: text, cel: text} }
	field := func(name string) phrase {
		return phrase{redeye: "r." + strings.ToLower(name), expr: name, cel: "r." + name}
	}
	switch kind {
	case "bool":
		if text := draw("P", "P", "true"); text == "true" {
			return phrase{redeye: "True", expr: "true", cel: "true"}
		}
		return field("P")
	case "int":
		if name := draw("A", "Year", ""); name != "" {
			return field(name)
		}
		return same(draw("0", "1", "-1", "7", "2000", "9223372036854775807", "(-9223372036854775807)"))
	case "float":
		if name := draw("X", "Y", ""); name != "" {
			return field(name)
		}
		return same(draw("0.0", "1.0", "(-1.5)", "0.25", "100000000000000000000.0"))
	default:
		if name := draw("S", "T", ""); name != "" {
			return field(name)
		}
		return same(draw(`""`, `"a"`, `"bc"`, `"ä"`, `"abc"`))
	}
}

// datum is what phrases are about.
type datum struct {
	ID, A, Year int64
	X, Y        float64
	S, T        string
	P           bool
}

func data(t *rapid.T) []*datum {
	ints := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64}))
	floats := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-2, 2), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1 << 63}))
	texts := rapid.OneOf(rapid.StringMatching(`[abc]{0,3}`), rapid.StringMatching(`[aAäÄ日x]{0,3}`))
	out := make([]*datum, rapid.IntRange(1, 30).Draw(t, "rows"))
	for i := range out {
		out[i] = &datum{
			ID: int64(i), A: ints.Draw(t, "a"), Year: rapid.Int64Range(0, 3000).Draw(t, "year"), X: floats.Draw(t, "x"), Y: floats.Draw(t, "y"),
			S: texts.Draw(t, "s"), T: texts.Draw(t, "t"), P: rapid.Bool().Draw(t, "p"),
		}
	}
	return out
}

// verdict is what a predicate says of a row.
type verdict int8

const (
	no verdict = iota
	yes
	failed
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// inRedeyeBy asks a predicate of all rows: as a value of each, and as a filter, which must agree.
func inRedeyeBy(t *rapid.T, s *server.Server, predicate string, n int) []verdict {
	run := func(text string) *server.Answer {
		answer, err := s.Query(context.Background(), server.Request{Text: text, Partial: true})
		if err != nil {
			t.Fatalf("Redeye: %s: %v", text, err)
		}
		return answer
	}
	values := run("rows().map(lambda r: " + predicate + ")").Value.Items
	out := make([]verdict, n)
	var kept []int64
	for i := range out {
		if out[i] = failed; !values.IsNull(i) {
			out[i] = verdictOf(values.Bools[i])
		}
		if out[i] == yes {
			kept = append(kept, int64(i))
		}
	}
	filtered := run("rows().filter(lambda r: " + predicate + ").map(lambda r: r.id)")
	if got := filtered.Value.Items.Ints; !slices.Equal(got, kept) {
		// A row in error is dropped; one whose error turned out not to matter may be there.
		for _, id := range got {
			if out[id] == no {
				t.Fatalf("Redeye: %s: the filter keeps row %d, whose value is false", predicate, id)
			}
		}
		for _, id := range kept {
			if !slices.Contains(got, id) {
				t.Fatalf("Redeye: %s: the filter drops row %d, whose value is true", predicate, id)
			}
		}
	}
	return out
}

func TestPredicatesAgree(t *testing.T) {
	var rows []*datum
	s := server.New("rows")
	d := server.Entity(s, "Row", func(d *datum) int64 { return d.ID })
	server.Attr(d, "a", func(d *datum) int64 { return d.A })
	server.Attr(d, "year", func(d *datum) int64 { return d.Year })
	server.Attr(d, "x", func(d *datum) float64 { return d.X })
	server.Attr(d, "y", func(d *datum) float64 { return d.Y })
	server.Attr(d, "s", func(d *datum) string { return d.S })
	server.Attr(d, "t", func(d *datum) string { return d.T })
	server.Attr(d, "p", func(d *datum) bool { return d.P })
	server.Source0(s, "rows", func(context.Context) ([]*datum, error) { return rows, nil })
	env, err := cel.NewEnv(ext.NativeTypes(reflect.TypeFor[*datum]()), cel.Variable("r", cel.ObjectType("redeye.datum")))
	if err != nil {
		t.Fatal(err)
	}
	var asked, ofExpr, ofCEL, errors int
	check := func(t *rapid.T) {
		p := phrases(t, rapid.IntRange(1, 4).Draw(t, "depth"), "bool")
		rows = data(t)
		got := inRedeyeBy(t, s, p.redeye, len(rows))
		byExpr, err := expr.Compile(p.expr, expr.Env(&datum{}), expr.AsBool())
		if err != nil {
			t.Fatalf("expr: %s: %v", p.expr, err)
		}
		var byCEL cel.Program
		if !p.noCEL {
			checked, issues := env.Compile(p.cel)
			if issues.Err() != nil {
				t.Fatalf("CEL: %s: %v", p.cel, issues.Err())
			}
			if byCEL, err = env.Program(checked); err != nil {
				t.Fatalf("CEL: %s: %v", p.cel, err)
			}
		}
		for i, row := range rows {
			asked++
			if got[i] == failed {
				errors++
			} else {
				ofExpr++
				value, err := expr.Run(byExpr, row)
				if ok, is := value.(bool); err != nil || !is || verdictOf(ok) != got[i] {
					t.Fatalf("row %d, %+v:\nRedeye: %s: %v\nexpr: %s: %v, %v", i, *row, p.redeye, got[i], p.expr, value, err)
				}
			}
			if byCEL == nil {
				continue
			}
			ofCEL++
			value, _, err := byCEL.Eval(map[string]any{"r": row})
			want := failed
			if err == nil {
				ok, _ := value.Value().(bool)
				want = verdictOf(ok)
			}
			takenBack := got[i] == failed && strings.ContainsAny(p.cel, "&|")
			if want != got[i] && !takenBack {
				t.Fatalf("row %d, %+v:\nRedeye: %s: %v\nCEL: %s: %v, %v", i, *row, p.redeye, got[i], p.cel, value, err)
			}
		}
	}
	for range 10 { // times rapid's number
		rapid.Check(t, check)
	}
	t.Logf("%d rows, %d of them in error; expr was asked of %d, CEL of %d", asked, errors, ofExpr, ofCEL)
	if ofExpr < asked/2 || ofCEL < asked/4 || errors == 0 {
		t.Error("the test has become one that asks nothing")
	}
}
