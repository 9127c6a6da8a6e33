package store_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
	. "github.com/fuwu-project/fuwu/internal/store"
)

// Ints and doubles compare as the numbers they are, however large.
func TestMatchNumbersExactly(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) span.Value {
		if rapid.Bool().Draw(t, "int") {
			near := rapid.SampledFrom([]int64{0, 1 << 53, -1 << 53, math.MaxInt64 - 2, math.MinInt64 + 2}).Draw(t, "near")
			return span.IntValue(near + rapid.Int64Range(-2, 2).Draw(t, "off"))
		}
		f := rapid.SampledFrom([]float64{0, .5, -.5, 1 << 53, 1<<53 + 2, 1 << 63, -1 << 63, -1<<63 - 2048, 1e300, 5e-324, math.Inf(1), math.Inf(-1)}).Draw(t, "double")
		return span.DoubleValue(f)
	})
	exact := func(v span.Value) *big.Float {
		if v.Type == span.Int {
			return new(big.Float).SetInt64(v.Int())
		}
		return big.NewFloat(v.Double())
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		if b.Type == span.Double && math.IsInf(b.Double(), 0) {
			return // a filter cannot say it
		}
		l := Literal{Type: NumberLiteral, Num: b.Double()}
		if b.Type == span.Int {
			l = Literal{Type: NumberLiteral, Num: float64(b.Int()), Int: b.Int()}
		}
		order := exact(a).Cmp(exact(b))
		for op, want := range map[Op]bool{Eq: order == 0, Ne: order != 0, Lt: order < 0, Le: order <= 0, Gt: order > 0, Ge: order >= 0} {
			c := Compare{Value: l, Op: op}
			if got := c.MatchValue(a); got != want {
				t.Fatalf("%v %v %v: %v", a, op, b, got)
			}
			text := span.StringValue(a.String())
			if got := c.MatchValue(text); got != want && !(a.Type == span.Double && math.IsInf(a.Double(), 0)) {
				t.Fatalf("%q %v %v: %v", a, op, b, got)
			}
		}
	})
}

// Text that only resembles a number is none.
func TestMatchNotNumbers(t *testing.T) {
	for _, s := range []string{"", " 1", "1 ", "0x1", "1_0", "NaN", "Inf", "-", "+", ".", "1e", "e1", "1.2.3", "--1", "１"} {
		for _, op := range []Op{Eq, Ne, Lt, Ge} {
			if (Compare{Op: op, Value: Literal{Type: NumberLiteral, Num: 1, Int: 1}}).MatchValue(span.StringValue(s)) {
				t.Errorf("%q %v 1", s, op)
			}
		}
	}
}

// A status or kind may be given to MatchValue as the number that engines store.
func TestMatchNames(t *testing.T) {
	c := Compare{StatusCode, Eq, Literal{Type: StatusLiteral, Int: 2}}
	for v, want := range map[span.Value]bool{
		span.StringValue("error"): true, span.IntValue(2): true, span.StringValue("ok"): false, span.IntValue(1): false,
	} {
		if c.MatchValue(v) != want {
			t.Errorf("%v: %v", v, !want)
		}
		c.Op = Ne
		if c.MatchValue(v) == want {
			t.Errorf("not %v: %v", v, want)
		}
		c.Op = Eq
	}
}

// A comparison made by hand may lack its compiled expression.
func TestMatchByHand(t *testing.T) {
	for re, want := range map[string]bool{"a.*": true, "b": false, "(": false} {
		if (Compare{Op: Match, Value: Literal{Str: re}}).MatchValue(span.StringValue("abc")) != want {
			t.Errorf("=~ %s", re)
		}
		if (Compare{Op: NotMatch, Value: Literal{Str: re}}).MatchValue(span.StringValue("abc")) == want {
			t.Errorf("!~ %s", re)
		}
	}
}

func TestTraceLevel(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: false, `{ root }`: false, `{ duration > 1s || name = nil }`: false,
		`{ traceDuration > 1s }`: true, `{ root && !(rootName = "x" || root) }`: true, `{ rootServiceName != nil }`: true, `{ .traceDuration = 1 }`: false,
	} {
		e, err := ParseFilter(text)
		if err != nil || TraceLevel(e) != want {
			t.Errorf("%s: %v, %v", text, !want, err)
		}
	}
}

func TestFilterConstructors(t *testing.T) {
	if e := AllOf(nil, Is(Name, "a\n"), nil, IsRoot(), HasStatus(span.StatusError), AtLeast(1500)); e.String() != `name = "a\n" && root && status = error && duration >= 1.5µs` {
		t.Error(e)
	}
	if e := AllOf(nil, nil); e != nil {
		t.Error(e)
	}
}

func BenchmarkMatchValue(b *testing.B) {
	for _, c := range []struct {
		text string
		v    span.Value
	}{
		{`x = "SELECT"`, span.StringValue("SELECT")},
		{`x = 200`, span.IntValue(200)},
		{`x = "200"`, span.IntValue(200)},
		{`x = 200`, span.StringValue("200")},
		{`x =~ "GET .*"`, span.StringValue("GET /movie/{id}")},
		{`x > 1ms`, span.StringValue("1.5ms")},
	} {
		e, err := ParseFilter(c.text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.text+" of "+c.v.Type.String(), func(b *testing.B) {
			for b.Loop() {
				if !e.(Compare).MatchValue(c.v) {
					b.Fatal("no match")
				}
			}
		})
	}
}
