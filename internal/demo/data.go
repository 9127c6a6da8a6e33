package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/shuai"
)

// What the services know. Each function answers for many at once, as a store can be asked for many at once; that the services'
// methods ask it for one is what the site is about. The answers are in the order of what was asked for.

// work is what a backend does for as long as its latency says.
func (s *Site) work(ctx context.Context, median time.Duration) {
	t := time.NewTimer(s.latency.draw(median))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// movies leaves out those that there are none of.
func (s *Site) movies(ctx context.Context, ids []int64) (found []*movie, err error) {
	s.work(ctx, 2*time.Millisecond)
	for _, id := range ids {
		if id >= 1 && id <= films {
			m := movieOf(id)
			found = append(found, &m)
		}
	}
	return found, nil
}

// search finds the films with one of the words of a query in their title.
func (s *Site) search(ctx context.Context, query string) (found []*movie, err error) {
	words, err := parseQuery(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("search %q: %w", query, err)
	}
	s.work(ctx, 8*time.Millisecond)
	for id := int64(1); id <= pictured; id++ {
		m := movieOf(id)
		for _, w := range words {
			if strings.Contains(strings.ToLower(m.Title), w) {
				found = append(found, &m)
				break
			}
		}
	}
	return found, nil
}

// parseQuery has the fault that is planted for the error pages: a quote that is not closed.
func parseQuery(ctx context.Context, q string) ([]string, error) {
	_, span := shuai.StartSpan(ctx, "parse query", shuai.KindInternal)
	defer span.End()
	if strings.Count(q, "'")%2 == 1 {
		err := errors.New("unterminated quote")
		span.Error(err)
		return nil, err
	}
	return strings.Fields(strings.ToLower(q)), nil
}

// visible says which of the films the user may see.
func (s *Site) visible(ctx context.Context, movies []int64, user int64) ([]bool, error) {
	s.work(ctx, time.Millisecond)
	out := make([]bool, len(movies))
	for i, m := range movies {
		out[i] = mayView(m, user)
	}
	return out, nil
}

// ratings are of 10.
func (s *Site) ratings(ctx context.Context, movies []int64) ([]float64, error) {
	s.work(ctx, time.Millisecond)
	out := make([]float64, len(movies))
	for i, m := range movies {
		out[i] = float64(ratingOf(m)) / 10
	}
	return out, nil
}

// casts are the people who play in films.
func (s *Site) casts(ctx context.Context, movies []int64) ([][]int64, error) {
	s.work(ctx, 1500*time.Microsecond)
	return each(movies, castOf), nil
}

// roles are the films that people play in.
func (s *Site) roles(ctx context.Context, people []int64) ([][]int64, error) {
	s.work(ctx, 1500*time.Microsecond)
	all := map[int64][]int64{}
	for m := int64(1); m <= films; m++ {
		for _, p := range castOf(m) {
			all[p] = append(all[p], m)
		}
	}
	return each(people, func(p int64) []int64 { return all[p] }), ctx.Err()
}

// names are of people; it is an error if there is one that nobody has.
func (s *Site) names(ctx context.Context, ids []int64) ([]string, error) {
	found, err := s.persons(ctx, ids)
	if err == nil && len(found) < len(ids) {
		err = fmt.Errorf("%d of the people %v are unknown", len(ids)-len(found), ids)
	}
	return each(found, func(p *person) string { return p.Name }), err
}

// persons leaves out those that there are none of.
func (s *Site) persons(ctx context.Context, ids []int64) (found []*person, err error) {
	s.work(ctx, 1500*time.Microsecond)
	for _, id := range ids {
		if id >= 1 && id <= people {
			p := personOf(id)
			found = append(found, &p)
		}
	}
	return found, nil
}

// collections are the films that users collect. Every tenth user's list was never migrated: the slow query that is planted.
func (s *Site) collections(ctx context.Context, users []int64) ([][]int64, error) {
	if slices.ContainsFunc(users, func(u int64) bool { return u%10 == 0 }) {
		ctx, span := shuai.StartSpan(ctx, "scan archived collections", shuai.KindInternal)
		s.work(ctx, 350*time.Millisecond)
		span.End()
	}
	s.work(ctx, 3*time.Millisecond)
	return each(users, collectionOf), nil
}

// recommended are the films that the site thinks users should see.
func (s *Site) recommended(ctx context.Context, users []int64) ([][]int64, error) {
	s.work(ctx, 5*time.Millisecond)
	return each(users, recommendedTo), nil
}

// pictures leaves out those that there are none of.
func (s *Site) pictures(ctx context.Context, of []pictureArg) (found []*picture, err error) {
	s.work(ctx, 900*time.Microsecond)
	for _, a := range of {
		if a.K >= 0 && a.K < pictures(a.Movie) {
			p := pictureOf(a.Movie, a.K)
			found = append(found, &p)
		}
	}
	return found, nil
}

// albums are all pictures of films.
func (s *Site) albums(ctx context.Context, movies []*movie) ([][]*picture, error) {
	var of []pictureArg
	for _, m := range movies {
		for k := range m.Pictures {
			of = append(of, pictureArg{m.ID, k})
		}
	}
	found, err := s.pictures(ctx, of)
	if err != nil {
		return nil, err
	}
	byMovie := map[int64][]*picture{}
	for _, p := range found {
		byMovie[p.Movie] = append(byMovie[p.Movie], p)
	}
	return each(movies, func(m *movie) []*picture { return byMovie[m.ID] }), nil
}

// cards are the names of authors, out of the cache that has them ready.
func (s *Site) cards(ctx context.Context, authors []int64) ([]string, error) {
	return s.mc.values(ctx, each(authors, func(a int64) string { return fmt.Sprintf("user_card:%d", a) }))
}

// descriptions are the long texts of pictures, empty where there is none.
func (s *Site) descriptions(ctx context.Context, of []*picture) ([]string, error) {
	return s.beansdb.values(ctx, each(of, func(p *picture) string {
		if !p.HasText {
			return ""
		}
		return fmt.Sprintf("pic_text:%d:%d", p.Movie, p.K)
	}))
}

// each is f of each.
func each[A, B any](as []A, f func(A) B) []B {
	bs := make([]B, len(as))
	for i, a := range as {
		bs[i] = f(a)
	}
	return bs
}

// distinct is each value once, in the order in which they come first.
func distinct(vs []int64) []int64 {
	seen := map[int64]bool{}
	return slices.DeleteFunc(slices.Clone(vs), func(v int64) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}
