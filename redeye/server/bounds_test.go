package server_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// sample is an object with an attribute of each type that a filter compares without making a column of it.
type sample struct {
	id     int64
	number int
	small  int32
	rating float64
	title  string
	length time.Duration
}

// samples are more than one block, with values that meet the edges.
func samples() []sample {
	out := make([]sample, 700)
	for i := range out {
		k := i * 7 % 31
		out[i] = sample{int64(i), k - 15, int32(k) - 15, float64(k) / 4, fmt.Sprint(k), time.Duration(k) * time.Second}
		switch k {
		case 3:
			out[i].rating = math.NaN()
		case 4:
			out[i].number, out[i].rating = math.MaxInt64, math.Inf(1)
		case 5:
			out[i].number, out[i].rating = math.MinInt64, math.Copysign(0, -1)
		}
	}
	return out
}

func compares[T cmp.Ordered](op string, x, y T) bool {
	switch op {
	case "<":
		return x < y
	case "<=":
		return x <= y
	case ">":
		return x > y
	case ">=":
		return x >= y
	case "==":
		return x == y
	}
	return x != y
}

// A filter that compares attributes with one value keeps the rows that the same comparison in Go keeps, whichever side the attribute stands on,
// after another term, and whether or not something else uses the attribute: which is read at most once of each row in any case.
func TestBounds(t *testing.T) {
	all := samples()
	reads := 0
	s := server.New("samples")
	e := server.Entity(s, "Sample", func(s sample) int64 { return s.id })
	server.Attr(e, "number", func(s sample) int { reads++; return s.number })
	server.Attr(e, "small", func(s sample) int32 { reads++; return s.small })
	server.Attr(e, "rating", func(s sample) float64 { reads++; return s.rating })
	server.Attr(e, "title", func(s sample) string { reads++; return s.title })
	server.Attr(e, "length", func(s sample) time.Duration { reads++; return s.length })
	server.Source0(s, "samples", func(context.Context) ([]sample, error) { return all, nil })

	bounds := []struct {
		attr, value string
		keeps       func(op string, s sample) bool
		of          func(s sample) any
	}{
		{"number", "3", func(op string, s sample) bool { return compares(op, s.number, 3) }, func(s sample) any { return int64(s.number) }},
		{"number", "9223372036854775807", func(op string, s sample) bool { return compares(op, s.number, math.MaxInt64) }, func(s sample) any { return int64(s.number) }},
		{"small", "-2", func(op string, s sample) bool { return compares(op, s.small, -2) }, func(s sample) any { return int64(s.small) }},
		{"rating", "0.0", func(op string, s sample) bool { return compares(op, s.rating, 0) }, func(s sample) any { return s.rating }},
		{"rating", "(0.0 / 0.0)", func(op string, s sample) bool { return compares(op, s.rating, math.NaN()) }, func(s sample) any { return s.rating }},
		{"title", `"2"`, func(op string, s sample) bool { return compares(op, s.title, "2") }, func(s sample) any { return s.title }},
		{"length", `duration("9s")`, func(op string, s sample) bool { return compares(op, s.length, 9*time.Second) }, func(s sample) any { return int64(s.length) }},
	}
	mirrored := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
	for _, b := range bounds {
		for op, back := range mirrored {
			var want, late []int64
			for _, s := range all {
				if b.keeps(op, s) {
					want = append(want, s.id)
					if s.id >= 300 {
						late = append(late, s.id)
					}
				}
			}
			for _, test := range []struct {
				program string
				want    []int64
			}{
				{fmt.Sprintf(`samples().filter(lambda s: s.%s %s %s).map(lambda s: s.id)`, b.attr, op, b.value), want},
				{fmt.Sprintf(`samples().filter(lambda s: %s %s s.%s).map(lambda s: s.id)`, b.value, back, b.attr), want},
				{fmt.Sprintf(`samples().filter(lambda s: s.id >= 300 and s.%s %s %s).map(lambda s: s.id)`, b.attr, op, b.value), late},
				{fmt.Sprintf(`samples().filter(lambda s: s.%s %s %s and s.id >= 300).map(lambda s: {"v": s.%[1]s, "id": s.id}).map(lambda o: o.id)`, b.attr, op, b.value), late},
				{fmt.Sprintf(`samples().filter(lambda s: s.%s %s %s and s.%[1]s == s.%[1]s or s.%[1]s %[2]s %[3]s).map(lambda s: s.id)`, b.attr, op, b.value), want},
			} {
				reads = 0
				got := ask(t, &world{Server: s}, test.program).Value.Items.Ints
				if !slices.Equal(got, test.want) {
					t.Errorf("%s keeps %d rows of %d: %v", test.program, len(got), len(test.want), got)
				}
				if reads > len(all) {
					t.Errorf("%s read its attribute %d times of %d rows", test.program, reads, len(all))
				}
			}
			both := fmt.Sprintf(`samples().filter(lambda s: s.%s %s %s).map(lambda s: {"v": s.%[1]s, "id": s.id})`, b.attr, op, b.value)
			reads = 0
			rows := ask(t, &world{Server: s}, both).Value.Items
			for i, id := range rows.Field("id").Ints {
				if got, want := cell(rows.Field("v"), i), b.of(all[id]); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("%s: row %d has %v instead of %v", both, id, got, want)
				}
			}
			if reads != len(all) || len(rows.Field("id").Ints) != len(want) {
				t.Errorf("%s: %d reads, %d rows", both, reads, rows.Len)
			}
		}
	}
}

// cell is what a column of scalars holds in a row.
func cell(c *column.Column, row int) any {
	switch {
	case c.Ints != nil:
		return c.Ints[row]
	case c.Floats != nil:
		return c.Floats[row]
	}
	return c.Texts[row]
}
