package redeye_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/movies"
)

type person struct {
	Name string
	Born *time.Time
}

type fullCard struct {
	ID       int64
	Headline string `redeye:"title"`
	Cast     []person
	Sequel   *int64
}

var user = int64(7)

// talk is the talk's query.
func talk(ids []int64) redeye.Query[[]card] {
	return redeye.Into(
		movies.GetMovies(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView(user) }),
		func(x movies.MovieX, c *card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title()), redeye.Set(&c.Rating, x.Rating())}
		})
}

// sent is the program that a query sends, as text, and the names of its parameters.
func sent[R any](t *testing.T, q redeye.Query[R]) string {
	t.Helper()
	s := &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) {
		return nil, &redeye.Error{Code: redeye.CodeNotFound}
	}}
	_, err := q.Run(t.Context(), s.client())
	if rs := s.taken(); len(rs) == 1 {
		return ast.Print(rs[0].program).Text
	}
	return err.Error()
}

func TestTalk(t *testing.T) {
	s := always(t, "list<{id: int, title: string, rating: float?}>", `[{"id":1,"title":"M","rating":8.3}]`)
	cards, err := talk([]int64{1, 2}).Run(t.Context(), s.client())
	if err != nil || len(cards) != 1 || cards[0].Title != "M" || *cards[0].Rating != 8.3 {
		t.Error(cards, err)
	}
	r := s.taken()[0]
	if r.paramJSON(t, "ids", "list<int>") != "[1,2]" || r.paramJSON(t, "user", "int") != "7" || len(r.params) != 2 {
		t.Errorf("%q", r.params)
	}
}

func movie(f func(x movies.MovieX) redeye.Bool) redeye.Query[[]int64] {
	return redeye.Ask(movies.GetMovies(nil).Filter(f))
}

// What is written in Go, and the program that it is.
func TestBuild(t *testing.T) {
	all := movies.GetMovies([]int64{1})
	actors := movies.Actors()
	year := func(x movies.MovieX) redeye.Int { return x.Year() }
	for _, test := range []struct{ got, want string }{
		{
			sent(t, talk(nil)),
			`get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`,
		},
		{ // lists within lists, a tag
			sent(t, redeye.Into(all, func(x movies.MovieX, c *fullCard) redeye.Fields {
				return redeye.Fields{
					redeye.Set(&c.Headline, x.Title()),
					redeye.Set(&c.Cast, redeye.Into(x.Cast(), func(a movies.ActorX, p *person) redeye.Fields {
						return redeye.Fields{redeye.Set(&p.Name, redeye.Add(x.Title(), a.Name())), redeye.Set(&p.Born, a.Born())}
					})),
					redeye.Set(&c.Sequel, x.SequelOf()),
				}
			})),
			`get_movies(ids).map(lambda x: {"title": x.title(), "cast": x.cast().map(lambda x2: {"name": x.title() + x2.name(), "born": x2.born()}), "sequel": x.sequel_of})`,
		},
		{ // each value is a parameter, by its argument's name, or p
			sent(t, movie(func(x movies.MovieX) redeye.Bool {
				return x.CanView(1).And(x.CanView(2)).Or(x.Year().Ge(1990).Not()).And(redeye.Lt(x.Year(), x.ID())).And(x.Genre().In([]string{"noir"}))
			})),
			`get_movies(ids).filter(lambda x: (x.can_view(user) and x.can_view(user2) or not x.year >= p) and x.year < x.id and x.genre in p2)`,
		},
		{
			sent(t, movie(func(x movies.MovieX) redeye.Bool {
				return x.Title().Lower().HasPrefix("a").And(x.Title().Contains("b")).And(x.Title().Matches("^c+$")).And(x.Title().Upper().Append("!").HasSuffix("d")).
					And(x.Title().Length().Eq(3)).And(redeye.Contains(x.Tags(), x.Genre()))
			})),
			`get_movies(ids).filter(lambda x: x.title().lower().startswith(p) and p2 in x.title() and x.title().matches("^c+$") and (x.title().upper() + p3).endswith(p4) and x.title().length() == p5 and x.genre in x.tags)`,
		},
		{
			sent(t, movie(func(x movies.MovieX) redeye.Bool {
				return x.Year().Add(1).Sub(2).Mul(3).Div(4).Mod(5).Neg().Float().Add(1).Sub(2).Mul(3).Div(4).Neg().Int().Str().Int().Ne(4)
			})),
			`get_movies(ids).filter(lambda x: int(str(int(-((float(-((x.year + p - p2) * p3 // p4 % p5)) + p6 - p7) * p8 / p9)))) != p10)`,
		},
		{
			sent(t, movie(func(x movies.MovieX) redeye.Bool {
				return x.Rating().OrElse(0).Gt(5).And(x.Rating().IsNull().Not()).And(redeye.OrElse(x.Rating(), x.Year().Float()).Le(8)).
					And(redeye.Then(x.SequelOf(), func(y movies.MovieX) redeye.Int { return y.Year() }).OrElse(0).Lt(1990))
			})),
			`get_movies(ids).filter(lambda x: x.rating().or_else(p) > p2 and not x.rating() == None and x.rating().or_else(float(x.year)) <= p3 and x.sequel_of.then(lambda x2: x2.year).or_else(p4) < p5)`,
		},
		{
			sent(t, redeye.Ask(all.Sort(
				func(x movies.MovieX) redeye.Key { return redeye.DescNull(x.Rating()) },
				func(x movies.MovieX) redeye.Key { return redeye.Asc(x.Title()) },
			).Skip(10).Limit(5).DistinctBy(func(x movies.MovieX) redeye.Any { return x.Year() }).Concat(all))),
			`get_movies(ids).sort(desc(lambda x: x.rating()), lambda x: x.title()).skip(p).limit(p2).distinct(lambda x: x.year) + get_movies(ids)`,
		},
		{
			sent(t, redeye.Object(func(o *struct {
				N              int64
				Sum            int64
				Min            *int64
				Avg            *float64
				First          *int64
				Third          int64
				Old, AllOld    bool
				Names          []string
				Info           movies.MovieInfo
				Score          float64
				Reduced, Count int64
			},
			) redeye.Fields {
				third := all.At(2)
				return redeye.Fields{
					redeye.Set(&o.N, all.Length()), redeye.Set(&o.Sum, redeye.Sum(all, year)), redeye.Set(&o.Min, redeye.Min(all, year)),
					redeye.Set(&o.Avg, redeye.Avg(all, year)), redeye.Set(&o.First, all.First()), redeye.Set(&o.Third, third),
					redeye.Set(&o.Old, all.Any(func(x movies.MovieX) redeye.Bool { return x.Year().Lt(1950) })),
					redeye.Set(&o.AllOld, all.All(func(x movies.MovieX) redeye.Bool { return x.Year().Lt(1950) })),
					redeye.Set(&o.Names, redeye.Map(redeye.FlatMap(all, movies.MovieX.Cast).Distinct(), movies.ActorX.Name)),
					redeye.Set(&o.Info, third.Info()), redeye.Set(&o.Score, third.Scores().At("users")),
					redeye.Set(&o.Reduced, redeye.Reduce(all, 0, func(acc redeye.Int, x movies.MovieX) redeye.Int { return redeye.Add(acc, x.Year()) })),
				}
			})),
			`{"n": get_movies(ids).length(), "sum": get_movies(ids).sum(lambda x: x.year), "min": get_movies(ids).min(lambda x: x.year), "avg": get_movies(ids).avg(lambda x: x.year), ` +
				`"first": get_movies(ids).first(), "third": get_movies(ids)[p], "old": get_movies(ids).any(lambda x: x.year < p2), "all_old": get_movies(ids).all(lambda x: x.year < p3), ` +
				`"names": get_movies(ids).flat_map(lambda x: x.cast()).distinct().map(lambda x: x.name()), "info": get_movies(ids)[p].info, "score": get_movies(ids)[p].scores[p4], ` +
				`"reduced": get_movies(ids).reduce(0, lambda x, y: x + y.year)}`,
		},
		{
			sent(t, redeye.Ask(redeye.Map(redeye.GroupBy(all, movies.MovieX.Genre),
				func(g redeye.GroupX[redeye.Str, string, movies.MovieX, int64]) redeye.Int { return g.Items().Length() }))),
			`get_movies(ids).group(lambda x: x.genre).map(lambda x: x.items.length())`,
		},
		{
			sent(t, redeye.Ask(redeye.Join(all, actors,
				func(x movies.MovieX) redeye.Expr[int64] { return x.Year() }, func(a movies.ActorX) redeye.Expr[int64] { return a.ID() }))),
			`get_movies(ids).join(actors(), lambda x: x.year, lambda x: x.id)`,
		},
		{
			sent(t, redeye.Ask(redeye.AntiJoin(redeye.SemiJoin(all, all, movieKey, movieKey), all, movieKey, movieKey))),
			`get_movies(ids).semi_join(get_movies(ids), lambda x: x.id, lambda x: x.id).anti_join(get_movies(ids), lambda x: x.id, lambda x: x.id)`,
		},
		{
			sent(t, redeye.PageInto(all.Sort(func(x movies.MovieX) redeye.Key { return redeye.Asc(x.Year()) }), 20, "", func(x movies.MovieX, c *card) redeye.Fields {
				return redeye.Fields{redeye.Set(&c.ID, x.ID())}
			})),
			`let(get_movies(ids).sort(lambda x: x.year).page(p, after), lambda x: {"rows": x.rows.map(lambda x2: {"id": x2.id}), "next": x.next})`,
		},
		{
			sent(t, redeye.Ask(redeye.Let(all.Length(), func(n redeye.Int) redeye.Int {
				return redeye.If(n.Gt(3), redeye.OnError(redeye.Mul(n, n), -1), redeye.Sub(n, n))
			}))),
			`let(get_movies(ids).length(), lambda x: (x * x).on_error(p2) if x > p else x - x)`,
		},
		{
			sent(t, redeye.Ask(redeye.Validate(redeye.Cache(redeye.Timeout(all, 50*time.Millisecond), time.Minute, "tenant"), func(l movies.MovieSeq) redeye.Bool {
				return l.Length().Le(100)
			}, "too many"))),
			`get_movies(ids).timeout("50ms").cache("1m0s", "tenant").validate(lambda x: x.length() <= p, "too many")`,
		},
		{
			sent(t, redeye.Ask(redeye.Map(movies.MoviesBetween(time.Unix(0, 0), time.Hour), func(x movies.MovieX) redeye.Bytes {
				return redeye.OrDrop(x.PosterOf(x.Year(), redeye.Nullable(x.Genre())))
			}))),
			`movies_between(since, within).map(lambda x: x.poster(x.year, x.genre).or_drop())`,
		},
		{
			sent(t, movie(func(x movies.MovieX) redeye.Bool {
				return x.Medium().Eq(movies.MediumSeries).Or(x.Medium().In([]movies.Medium{movies.MediumFeature, movies.MediumShortFilm})).
					And(x.ShownAsOf(x.Medium())).And(x.Medium().Str().Upper().HasPrefix("S")).And(x.ShownAs(movies.MediumSeries)).
					And(x.Ages().OrElse([]movies.Age{movies.Age18}).Any(func(a redeye.Enum[movies.Age]) redeye.Bool { return a.Ne(movies.AgeAll) }))
			})),
			`get_movies(ids).filter(lambda x: (x.medium == p or x.medium in p2) and x.shown_as(x.medium) and str(x.medium).upper().startswith(p3) and x.shown_as(what) and x.ages().or_else(p4).any(lambda x2: x2 != p5))`,
		},
		{
			sent(t, redeye.Ask(redeye.Map(redeye.GroupBy(all, func(x movies.MovieX) redeye.Enum[movies.Medium] { return x.Medium() }), mediumOf))),
			`get_movies(ids).group(lambda x: x.medium).map(lambda x: x.key)`,
		},
	} {
		if test.got != test.want {
			t.Errorf("got\n%s\nwant\n%s", test.got, test.want)
		}
	}
}

func mediumOf(g redeye.GroupX[redeye.Enum[movies.Medium], movies.Medium, movies.MovieX, int64]) redeye.Enum[movies.Medium] {
	return g.Key()
}

func movieKey(x movies.MovieX) redeye.Expr[int64] { return x.ID() }

// What cannot be seen by the compiler is said before anything is sent, and where the query stands.
func TestBuildErrors(t *testing.T) {
	var leaked movies.MovieX
	var elsewhere card
	one := redeye.Ask(movies.GetMovies(nil).Filter(func(x movies.MovieX) redeye.Bool { leaked = x; return x.CanView(1) }))
	deep := redeye.Ask(movies.GetMovies(nil).Any(func(a movies.MovieX) redeye.Bool {
		return a.Cast().Any(func(movies.ActorX) redeye.Bool {
			return a.Cast().Any(func(movies.ActorX) redeye.Bool {
				return a.Cast().Any(func(movies.ActorX) redeye.Bool {
					return a.Cast().Any(func(movies.ActorX) redeye.Bool { return a.CanView(1) })
				})
			})
		})
	}))
	for want, got := range map[string]string{
		`get_movies(ids).filter(lambda x: x.can_view(user))`: sent(t, one),
		"a row is used outside of the function":              sent(t, redeye.Ask(leaked.Title())),
		"Set number 1: its address is none of": sent(t, redeye.Into(movies.GetMovies(nil), func(x movies.MovieX, _ *card) redeye.Fields {
			return redeye.Fields{redeye.Set(&elsewhere.ID, x.ID())}
		})),
		"int64 is no struct": sent(t, redeye.Into(movies.GetMovies(nil), func(x movies.MovieX, n *int64) redeye.Fields {
			return redeye.Fields{redeye.Set(n, x.ID())}
		})),
		"the field \"id\" is there twice": sent(t, redeye.Into(movies.GetMovies(nil), func(x movies.MovieX, c *card) redeye.Fields {
			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.ID, x.ID())}
		})),
		"a query that is text cannot be part": sent(t, redeye.Ask(redeye.Text[int64]("1", nil))),
		"a symbol that is zero":               sent(t, redeye.Ask(redeye.Int{})),
		"lambdas within lambdas":              sent(t, deep),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not\n%s", got, want)
		}
		if !strings.HasPrefix(want, "get_movies") && !strings.Contains(got, "build_test.go:") {
			t.Error("no place in:", got)
		}
	}
}

// A prepared query sends its hash, and the program where that is not known; what it is called with are its parameters.
func TestPrepare(t *testing.T) {
	page := redeye.Prepare2("movies.page", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]card] {
		return redeye.Into(movies.GetMoviesOf(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanViewOf(user).And(x.Year().Gt(1980)) }),
			func(x movies.MovieX, c *card) redeye.Fields { return redeye.Fields{redeye.Set(&c.ID, x.ID())} })
	})
	known := map[string]bool{}
	forgetful := false
	out := answerOf(t, "list<{id: int}>", `[{"id":1}]`)
	s := &server{t: t, answer: func(_ context.Context, r *request) ([]byte, *redeye.Error) {
		if r.program != nil {
			h := ast.HashOf(r.program)
			known[string(h[:])] = !forgetful
			return out, nil
		}
		if known[string(r.hash)] {
			return out, nil
		}
		return nil, &redeye.Error{Code: redeye.CodeNotFound, Reason: "PLAN_UNKNOWN"}
	}}
	c := s.client()
	ask := func() (sent []*request) {
		cards, err := page.Run(t.Context(), c, []int64{1, 2}, 9)
		if err != nil || len(cards) != 1 || cards[0].ID != 1 {
			t.Fatal(cards, err)
		}
		return s.taken()
	}
	first := ask()
	if len(first) != 2 || first[0].hash == nil || first[1].program == nil {
		t.Fatalf("%+v", first)
	}
	if got := ast.Print(first[1].program).Text; got != `get_movies(a).filter(lambda x: x.can_view(b) and x.year > p).map(lambda x: {"id": x.id})` {
		t.Error(got)
	}
	for _, r := range append(first, ask()...) {
		if r.key != "movies.page" || r.paramJSON(t, "a", "list<int>") != "[1,2]" || r.paramJSON(t, "b", "int") != "9" || r.paramJSON(t, "p", "int") != "1980" {
			t.Errorf("%+v", r)
		}
	}
	if again := ask(); len(again) != 1 || again[0].hash == nil {
		t.Errorf("asked again with %d requests", len(again))
	}

	// A server that never knows it, or one of many: few queries are sent twice.
	clear(known)
	forgetful = true
	requests := 0
	for range 1000 {
		requests += len(ask())
	}
	if requests > 1011 {
		t.Errorf("%d requests for 1,000 queries", requests)
	}

	bad := redeye.Prepare1("bad", func(redeye.Param[int64]) redeye.Query[int64] { return redeye.Text[int64]("1", nil) })
	if _, err := bad.Run(t.Context(), c, 1); err == nil || !strings.Contains(err.Error(), "a prepared query is built in Go") {
		t.Error(err)
	}
	unused := redeye.Prepare3("unused", func(_, b redeye.Param[int64], _ redeye.Param[string]) redeye.Query[int64] { return redeye.Ask(b) })
	_, err := unused.Run(t.Context(), c, 1, 2, "x")
	if e, ok := errors.AsType[*redeye.Error](err); !ok || e.Reason != "DECODE" {
		t.Error(err)
	}
	if r := s.taken()[1]; len(r.params) != 1 || r.paramJSON(t, "b", "int") != "2" {
		t.Errorf("%+v", r)
	}
}

// One query, and symbols that several queries share, may be used concurrently.
func TestConcurrent(t *testing.T) {
	s := always(t, "list<{id: int}>", `[{"id":1}]`)
	c := s.client()
	shared := movies.GetMovies([]int64{1}).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView(1) })
	q := talk(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := q.Run(t.Context(), c); err != nil {
					t.Error(err)
				}
				own := redeye.Into(shared, func(x movies.MovieX, c *card) redeye.Fields { return redeye.Fields{redeye.Set(&c.ID, x.ID())} })
				if _, err := own.Run(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
