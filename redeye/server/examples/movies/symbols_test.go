package movies_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	m "github.com/fuwu-project/fuwu/redeye/server/examples/movies/moviesclient"
)

// Programs that are built of symbols pass the server's check, parameters and all, and their answers are what the Go types say.
func TestSymbols(t *testing.T) {
	_, h := serve(t)
	c := inProcess(h)
	all := m.GetMovies([]int64{1, 2, 3, 4, 5})
	check := func(name, want string, got any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if b, err := json.Marshal(got); err != nil || string(b) != want {
			t.Errorf("%s: %s, %v, not %s", name, b, err, want)
		}
	}
	filter := func(name, want string, f func(m.MovieX) redeye.Bool) {
		t.Helper()
		got, err := redeye.Ask(all.Filter(f)).Run(t.Context(), c)
		check(name, want, got, err)
	}
	filter("comparisons", "[1]", func(x m.MovieX) redeye.Bool {
		return x.Year().Ge(1925).And(x.Year().Lt(1930)).And(x.Year().Ne(1928)).And(x.Year().Le(1927)).And(x.Year().Gt(1).Not().Not())
	})
	filter("membership", "[2,3]", func(x m.MovieX) redeye.Bool { return x.Genre().In([]m.Genre{m.GenreCrime, m.GenreHorror}) })
	filter("texts", "[1]", func(x m.MovieX) redeye.Bool {
		return x.Title().Lower().HasPrefix("met").And(x.Title().Contains("rop")).And(x.Title().HasSuffix("is")).And(x.Title().Append("!").Upper().Eq("METROPOLIS!")).
			And(x.Title().Length().Eq(10)).And(x.Title().Matches("^M.*s$"))
	})
	filter("numbers", "[1]", func(x m.MovieX) redeye.Bool {
		return x.Year().Add(3).Sub(1).Mul(2).Div(2).Mod(1000).Eq(929).And(x.Year().Float().Div(2).Add(0.5).Sub(0.5).Mul(2).Neg().Int().Neg().Str().Int().Eq(1927))
	})
	filter("two symbols", "[1,4,5]", func(x m.MovieX) redeye.Bool {
		return redeye.Lt(redeye.Mul(x.ID(), x.ID()), redeye.Add(x.ID(), redeye.If(x.ID().Gt(3), redeye.Sub(x.Year(), x.ID()), x.ID())))
	})
	filter("null", "[5]", func(x m.MovieX) redeye.Bool {
		return x.Rating().IsNull().And(x.Rating().OrElse(1.5).Eq(1.5)).And(redeye.OrElse(x.Rating(), x.Year().Float()).Gt(1900)).
			And(redeye.Then(x.Rating(), func(r redeye.Float) redeye.Float { return r.Mul(2) }).IsNull())
	})
	filter("errors", "[2,3]", func(x m.MovieX) redeye.Bool { return redeye.OnError(x.Cast().At(1).Name(), "nobody").Eq("nobody") })
	filter("lists", "[1,4,5]", func(x m.MovieX) redeye.Bool {
		return x.Cast().Length().Eq(2).And(x.Cast().Any(func(a m.ActorX) redeye.Bool { return a.Name().Contains("e") })).
			And(redeye.Contains(redeye.Map(x.Cast(), m.ActorX.Name), redeye.OnError(x.Cast().At(0).Name(), "")))
	})

	years, err := redeye.Ask(redeye.Map(all.Sort(
		func(x m.MovieX) redeye.Key { return redeye.DescNull(x.Rating()) }, func(x m.MovieX) redeye.Key { return redeye.Asc(x.Year()) },
	).Skip(1).Limit(3), m.MovieX.Year)).Run(t.Context(), c)
	check("sort", "[1931,1924,1922]", years, err)
	sum, err := redeye.Ask(redeye.Sum(all, m.MovieX.Year)).Run(t.Context(), c)
	check("sum", "9634", sum, err)
	oldest, err := redeye.Ask(redeye.Min(all, m.MovieX.Year)).Run(t.Context(), c)
	check("min", "1922", oldest, err)
	mean, err := redeye.Ask(redeye.Avg(all, m.MovieX.Year)).Run(t.Context(), c)
	check("avg", "1926.8", mean, err)
	none, err := redeye.Ask(redeye.Max(all.Limit(0), m.MovieX.Year)).Run(t.Context(), c)
	check("max of none", "null", none, err)
	folded, err := redeye.Ask(redeye.Reduce(all, 10, func(acc redeye.Int, x m.MovieX) redeye.Int { return redeye.Add(acc, x.ID()) })).Run(t.Context(), c)
	check("reduce", "25", folded, err)
	first, err := redeye.Ask(redeye.Then(all.First(), m.MovieX.Title)).Run(t.Context(), c)
	check("first", `"Metropolis"`, first, err)
	groups, err := redeye.Ask(redeye.GroupBy(all, func(x m.MovieX) redeye.Int { return x.Year().Mod(2) })).Run(t.Context(), c)
	check("group", `[{"Key":1,"Items":[1,2]},{"Key":0,"Items":[3,4,5]}]`, groups, err)
	key := func(x m.MovieX) redeye.Expr[int64] { return x.ID() }
	pairs, err := redeye.Ask(redeye.LeftJoin(all.Limit(2), m.GetMovies([]int64{2}), key, key)).Run(t.Context(), c)
	check("left join", `[{"Left":1,"Right":null},{"Left":2,"Right":2}]`, pairs, err)
	left, err := redeye.Ask(redeye.AntiJoin(all, m.GetMovies([]int64{2}), key, key)).Run(t.Context(), c)
	check("anti join", `[1,3,4,5]`, left, err)
	names, err := redeye.Ask(redeye.Map(redeye.FlatMap(all, m.MovieX.Cast).DistinctBy(func(a m.ActorX) redeye.Any { return a.Name().Length() }), m.ActorX.Name)).Run(t.Context(), c)
	check("flat map", `["Brigitte Helm","Gustav Fröhlich","Peter Lorre","Marlene Dietrich"]`, names, err)
	one, err := redeye.Ask(redeye.Let(redeye.Cache(redeye.Timeout(all, time.Second), time.Minute, "public").Length(), func(n redeye.Int) redeye.Int {
		return redeye.Mul(n, redeye.Validate(n, func(n redeye.Int) redeye.Bool { return n.Eq(5) }, "not five"))
	})).Run(t.Context(), c)
	check("let", "25", one, err)

	warmed, err := redeye.Ask(redeye.Warm(redeye.Map(all, m.MovieX.Title), time.Minute, "public")).Run(t.Context(), c)
	check("warm", "5", warmed, err)

	sorted := all.Sort(func(x m.MovieX) redeye.Key { return redeye.Asc(x.Year()) })
	var titles []string
	for after, pages := "", 0; pages < 10; pages++ {
		page, err := redeye.PageInto(sorted, 2, after, func(x m.MovieX, c *Card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.Title, x.Title())}
		}).Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, card := range page.Rows {
			titles = append(titles, card.Title)
		}
		if page.Next == nil {
			break
		}
		after = *page.Next
	}
	check("pages", `["Nosferatu","Sherlock Jr.","Metropolis","The Blue Angel","M"]`, titles, nil)
}
