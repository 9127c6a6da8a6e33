package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/server"
)

// world is a small movie service: what the tests' programs run over. It writes down every call.
type world struct {
	*server.Server
	mu    sync.Mutex
	calls []string
	delay time.Duration // of each call
	cheap bool          // methods are called ahead, for rows that may not need them
	down  string        // calls whose words begin with this fail; "" is none
}

type movie struct {
	id, year, length int64
	genre            string
	tags             []string
	actors           []int64
}

type actor struct {
	id   int64
	name string
}

func (w *world) note(ctx context.Context, format string, args ...any) error {
	w.mu.Lock()
	call := fmt.Sprintf(format, args...)
	w.calls = append(w.calls, call)
	var err error
	if w.down != "" && strings.HasPrefix(call, w.down) {
		err = server.Errorf("UNAVAILABLE", "down")
	}
	delay := w.delay
	w.mu.Unlock()
	if delay == 0 {
		return err
	}
	select {
	case <-time.After(delay):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// breaks makes calls fail from now on.
func (w *world) breaks(down string) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
}

// taken returns the calls since the last time, in order of their words.
func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	slices.Sort(calls)
	return calls
}

func movieIDs(ms []*movie) (ids []int64) {
	for _, m := range ms {
		ids = append(ids, m.id)
	}
	return ids
}

// movieByID is what there is: movies of all ids from 1.
func movieByID(id int64) *movie {
	n := max(id, -id) % 1_000_000
	m := &movie{id: id, year: 1980 + n%40, length: 80 + n*7%60, genre: []string{"drama", "comedy", "noir"}[n%3]}
	for i := range n % 3 {
		m.tags = append(m.tags, fmt.Sprintf("t%d", i))
	}
	for i := range n % 4 {
		m.actors = append(m.actors, (n+i)%5+1)
	}
	return m
}

// medium and age are enums. Some movies have one that is not declared.
type (
	medium string
	age    int8
)

const (
	feature medium = "feature"
	short   medium = "short film"
	series  medium = "series"
)

func (m *movie) medium() medium {
	n := max(m.id, -m.id)
	if n%13 == 6 {
		return "tape"
	}
	return []medium{feature, short, series}[n%3]
}

func (m *movie) age() age { return []age{0, 12, 18, 12, 0, 0, 18, 7}[max(m.id, -m.id)%8] }

// nextMedium is the medium of the movie after it, if that is known.
func (m *movie) nextMedium() server.Null[medium] {
	if m.id%2 == 0 {
		return server.Null[medium]{}
	}
	return server.Some(movieByID(m.id + 1).medium())
}

// newWorld registers the world; opts are of title and rating.
func newWorld(opts ...server.Option) *world {
	w := &world{Server: server.New("movies")}
	server.Enum(w.Server, "Medium", feature, short, series)
	server.EnumInt[age](w.Server, "Age", map[int32]string{0: "all", 12: "12", 18: "18"})
	ac := server.Entity(w.Server, "Actor", func(a *actor) int64 { return a.id })
	server.Batch(ac, "name", func(ctx context.Context, as []*actor) ([]string, error) {
		var ids []int64
		var names []string
		for _, a := range as {
			ids, names = append(ids, a.id), append(names, a.name)
		}
		return names, w.note(ctx, "Actor.name %v", ids)
	})
	mv := server.Entity(w.Server, "Movie", func(m *movie) int64 { return m.id }, "a film")
	server.Attr(mv, "year", func(m *movie) int64 { return m.year }, "of release")
	server.Attr(mv, "length", func(m *movie) int64 { return m.length })
	server.Attr(mv, "genre", func(m *movie) string { return m.genre })
	server.Attr(mv, "tags", func(m *movie) []string { return m.tags })
	server.Attr(mv, "sequel_of", func(m *movie) server.Null[int64] {
		return server.Null[int64]{Value: m.id - 1, Valid: m.id%2 == 0}
	})
	server.Attr(mv, "scores", func(m *movie) map[string]float64 {
		return map[string]float64{"critics": float64(m.id), "users": float64(m.id) / 2}
	})
	server.Attr(mv, "medium", (*movie).medium)
	server.Attr(mv, "next_medium", (*movie).nextMedium)
	server.Attr(mv, "media", func(m *movie) []medium { return []medium{feature, m.medium()} })
	server.Batch(mv, "age", func(ctx context.Context, ms []*movie) ([]age, error) {
		var ages []age
		for _, m := range ms {
			ages = append(ages, m.age())
		}
		return ages, w.note(ctx, "Movie.age %v", movieIDs(ms))
	}, opts...)
	server.BatchArg(mv, "shown_as", func(ctx context.Context, ms []*movie, what medium) ([]bool, error) {
		var is []bool
		for _, m := range ms {
			is = append(is, m.medium() == what)
		}
		return is, w.note(ctx, "Movie.shown_as(%s) %v", what, movieIDs(ms))
	}, server.Args("what"))
	server.Batch(mv, "title", func(ctx context.Context, ms []*movie) ([]string, error) {
		var titles []string
		for _, m := range ms {
			titles = append(titles, fmt.Sprintf("Movie %d", m.id))
		}
		return titles, w.note(ctx, "Movie.title %v", movieIDs(ms))
	}, opts...)
	server.BatchArg(mv, "can_view", func(ctx context.Context, ms []*movie, user int64) ([]bool, error) {
		var can []bool
		for _, m := range ms {
			can = append(can, (m.id+user)%3 != 0)
		}
		return can, w.note(ctx, "Movie.can_view(%d) %v", user, movieIDs(ms))
	}, server.Args("user"))
	server.BatchPairs(mv, "may_see", func(ctx context.Context, ps []server.Pair[*movie, int64]) ([]bool, error) {
		var can []bool
		var asked []string
		for _, p := range ps {
			can = append(can, (p.On.id+p.Arg)%3 != 0)
			asked = append(asked, fmt.Sprintf("%d for %d", p.On.id, p.Arg))
		}
		return can, w.note(ctx, "Movie.may_see %v", asked)
	}, server.Args("user"), server.MaxBatch(50), server.Scope("public"), server.Cached(time.Minute))
	server.Keyed(mv, "rating", func(ctx context.Context, ids []int64) (map[int64]float64, error) {
		ratings := map[int64]float64{}
		for _, id := range ids {
			if id != 13 { // which has none
				ratings[id] = float64(id%10) / 2
			}
		}
		return ratings, w.note(ctx, "Movie.rating %v", ids)
	}, opts...)
	server.Unary(mv, "poster", func(ctx context.Context, m *movie) (server.Null[string], error) {
		if m.id%5 == 4 {
			return server.Null[string]{}, w.note(ctx, "Movie.poster %d", m.id)
		}
		return server.Some(fmt.Sprintf("https://img/%d.jpg", m.id)), w.note(ctx, "Movie.poster %d", m.id)
	})
	server.Batch(mv, "cast", func(ctx context.Context, ms []*movie) ([][]*actor, error) {
		var cast [][]*actor
		for _, m := range ms {
			var as []*actor
			for _, id := range m.actors {
				as = append(as, &actor{id, fmt.Sprintf("Actor %d", id)})
			}
			cast = append(cast, as)
		}
		return cast, w.note(ctx, "Movie.cast %v", movieIDs(ms))
	}, server.MaxBatch(4))
	server.Batch(mv, "broken", func(ctx context.Context, ms []*movie) ([]string, error) {
		errs := make(server.Errs, len(ms))
		for i, m := range ms {
			if m.id%2 == 1 {
				errs[i] = server.Errorf("NOT_FOUND", "movie %d is broken", m.id)
			}
		}
		if err := w.note(ctx, "Movie.broken %v", movieIDs(ms)); err != nil {
			return nil, err
		}
		return make([]string, len(ms)), errs
	})
	server.Batch(mv, "short", func(context.Context, []*movie) ([]string, error) { return []string{"one"}, nil })
	server.Batch(mv, "panics", func(context.Context, []*movie) ([]string, error) { panic("a bug") })
	server.Batch(mv, "secret", func(context.Context, []*movie) ([]string, error) {
		return nil, fmt.Errorf("dial tcp 10.0.0.1: refused")
	})
	w.registerKept(mv)
	server.Source(w.Server, "get_movies", func(ctx context.Context, ids []int64) ([]*movie, error) {
		var ms []*movie
		for _, id := range ids {
			ms = append(ms, movieByID(id))
		}
		return ms, w.note(ctx, "get_movies %v", ids)
	}, server.Args("ids"))
	type between struct{ First, End int64 }
	server.Source(w.Server, "movies", func(ctx context.Context, b between) ([]*movie, error) {
		var ms []*movie
		for id := b.First; id < b.End; id++ {
			ms = append(ms, movieByID(id))
		}
		return ms, w.note(ctx, "movies %d to %d", b.First, b.End)
	}, server.UniqueKeys(), server.StableOrder())
	server.Source0(w.Server, "now", func(ctx context.Context) (time.Time, error) {
		return time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC), w.note(ctx, "now")
	})
	return w
}

// registerKept registers what tests of the cache need: methods of each scope, and those that say what may be kept.
func (w *world) registerKept(mv *server.EntityType[*movie, int64]) {
	server.Batch(mv, "tagline", func(ctx context.Context, ms []*movie) ([]string, error) {
		var lines []string
		for _, m := range ms {
			lines = append(lines, fmt.Sprintf("%s %d", m.genre, m.year))
		}
		return lines, w.note(ctx, "Movie.tagline %v", movieIDs(ms))
	}, server.Scope("public"))
	server.Batch(mv, "price", func(ctx context.Context, ms []*movie) ([]string, error) {
		var prices []string
		for _, m := range ms {
			prices = append(prices, fmt.Sprintf("%s pays %d", server.PrincipalOf(ctx).Tenant, m.id))
		}
		return prices, w.note(ctx, "Movie.price %v", movieIDs(ms))
	}, server.Scope("tenant"))
	server.Batch(mv, "mark", func(ctx context.Context, ms []*movie) ([]string, error) {
		var marks []string
		for _, m := range ms {
			marks = append(marks, fmt.Sprintf("%s's %d", server.PrincipalOf(ctx).Name, m.id))
		}
		return marks, w.note(ctx, "Movie.mark %v", movieIDs(ms))
	})
	server.Batch(mv, "audited", func(ctx context.Context, ms []*movie) ([]int64, error) {
		return movieIDs(ms), w.note(ctx, "Movie.audited %v", movieIDs(ms))
	}, server.Uncached())
	server.Keyed(mv, "stars", func(ctx context.Context, ids []int64) (map[int64]int64, error) {
		stars := map[int64]int64{}
		for _, id := range ids {
			if id%4 != 0 { // there are none
				stars[id] = id % 5
			}
		}
		return stars, w.note(ctx, "Movie.stars %v", ids)
	}, server.Scope("public"), server.Cached(time.Minute), server.MaxBatch(10))
	server.Source(w.Server, "shelf", func(ctx context.Context, ids []int64) ([]*movie, error) {
		var ms []*movie
		for _, id := range ids {
			ms = append(ms, movieByID(id))
		}
		return ms, w.note(ctx, "shelf %v", ids)
	}, server.Args("ids"), server.Scope("public"))
}

// joinLines is for scripts: the calls that were made.
func joinLines(lines []string) string {
	if len(lines) == 0 {
		return "no calls\n"
	}
	return strings.Join(lines, "\n") + "\n"
}
