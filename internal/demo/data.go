package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/shuai"
)

// What the services know. Each function answers for many at once, in one call of a store, as stores can be asked; that the services'
// methods ask it for one is what the site is about. The answers are in the order of what was asked for.

// movies leaves out those that there are none of.
func (s *stores) movies(ctx context.Context, ids []int64) ([]*movie, error) {
	found, err := s.movieRows(ctx, "id IN ("+marks(len(ids))+")", each(ids, anyOf))
	return inOrder(ids, found, movieID), err
}

// search finds the films with one of the words of a query in their title.
func (s *stores) search(ctx context.Context, query string) ([]*movie, error) {
	words, err := parseQuery(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("search %q: %w", query, err)
	}
	if len(words) == 0 {
		return nil, nil
	}
	escape := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)
	patterns := each(words, func(w string) any { return "%" + escape.Replace(w) + "%" })
	return s.movieRows(ctx, "pictures > 0 AND (title LIKE ?"+strings.Repeat(" OR title LIKE ?", len(words)-1)+")", patterns)
}

func (s *stores) movieRows(ctx context.Context, where string, args []any) (found []*movie, err error) {
	if len(args) == 0 {
		return nil, nil
	}
	err = s.query(ctx, "SELECT id, title, year, pictures FROM movie WHERE "+where+" ORDER BY id", args, func(row func(...any) error) error {
		m := new(movie)
		found = append(found, m)
		return row(&m.ID, &m.Title, &m.Year, &m.Pictures)
	})
	return found, err
}

var errQuote = errors.New("unterminated quote")

// parseQuery has the fault that is planted for the error pages: a quote that is not closed.
func parseQuery(ctx context.Context, q string) ([]string, error) {
	_, span := shuai.StartSpan(ctx, "parse query", shuai.KindInternal)
	defer span.End()
	if strings.Count(q, "'")%2 == 1 {
		span.Error(errQuote)
		return nil, errQuote
	}
	return strings.Fields(q), nil
}

// persons leaves out those that there are none of.
func (s *stores) persons(ctx context.Context, ids []int64) (found []*person, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.query(ctx, "SELECT id, name FROM person WHERE id IN ("+marks(len(ids))+")", each(ids, anyOf), func(row func(...any) error) error {
		p := new(person)
		found = append(found, p)
		return row(&p.ID, &p.Name)
	})
	return inOrder(ids, found, personID), err
}

// names are of people; it is an error if there is one that nobody has.
func (s *stores) names(ctx context.Context, ids []int64) ([]string, error) {
	found, err := s.persons(ctx, ids)
	if err == nil && len(found) < len(ids) {
		err = fmt.Errorf("%d of the people %v are unknown", len(ids)-len(found), ids)
	}
	return each(found, func(p *person) string { return p.Name }), err
}

// visible says which of the films the user may see.
func (s *stores) visible(ctx context.Context, movies []int64, user int64) ([]bool, error) {
	barred := map[int64]bool{}
	if len(movies) > 0 {
		err := s.query(ctx, "SELECT movie FROM restricted WHERE movie IN ("+marks(len(movies))+") AND audience = ?",
			append(each(movies, anyOf), audienceOf(user)), func(row func(...any) error) error {
				var m int64
				err := row(&m)
				barred[m] = true
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return each(movies, func(m int64) bool { return !barred[m] }), nil
}

// casts are the people who play in films, roles the films that people play in.
func (s *stores) casts(ctx context.Context, movies []int64) ([][]int64, error) {
	return s.lists(ctx, "SELECT movie, person FROM part WHERE movie IN (%s) ORDER BY movie, place", movies)
}

func (s *stores) roles(ctx context.Context, people []int64) ([][]int64, error) {
	return s.lists(ctx, "SELECT person, movie FROM part WHERE person IN (%s) ORDER BY person, movie", people)
}

// collections are the films that users collect. Every tenth user's list was never migrated: the slow query that is planted.
func (s *stores) collections(ctx context.Context, users []int64) ([][]int64, error) {
	lists, err := s.lists(ctx, "SELECT user, movie FROM collected WHERE user IN (%s) ORDER BY user, place", users)
	if err != nil || !slices.ContainsFunc(users, func(u int64) bool { return u%10 == 0 }) {
		return lists, err
	}
	archived, err := s.lists(ctx, "SELECT user, movie FROM archived WHERE user IN (%s) AND SLEEP(0.35) = 0 ORDER BY user", users)
	for i := range archived {
		lists[i] = append(lists[i], archived[i]...)
	}
	return lists, err
}

// recommended are the films that the site thinks users should see.
func (s *stores) recommended(ctx context.Context, users []int64) ([][]int64, error) {
	return s.lists(ctx, "SELECT user, movie FROM recommended WHERE user IN (%s) ORDER BY user, place", users)
}

// lists are the second columns of a statement's rows, a list for each key, which the first column has.
func (s *stores) lists(ctx context.Context, statement string, keys []int64) ([][]int64, error) {
	byKey := map[int64][]int64{}
	if len(keys) > 0 {
		err := s.query(ctx, fmt.Sprintf(statement, marks(len(keys))), each(keys, anyOf), func(row func(...any) error) error {
			var k, v int64
			err := row(&k, &v)
			byKey[k] = append(byKey[k], v)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return each(keys, func(k int64) []int64 { return byKey[k] }), nil
}

// ratings are of 10; a film that nobody has rated has 0.
func (s *stores) ratings(ctx context.Context, movies []int64) ([]float64, error) {
	if len(movies) == 0 {
		return nil, nil
	}
	tenths, err := s.redis.MGet(ctx, each(movies, func(id int64) string { return key("rating", id) })...).Result()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(movies))
	for i, v := range tenths {
		if text, ok := v.(string); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("rating of movie %d: %w", movies[i], err)
			}
			out[i] = float64(n) / 10
		}
	}
	return out, nil
}

// pictures leaves out those that there are none of.
func (s *stores) pictures(ctx context.Context, of []pictureArg) (found []*picture, err error) {
	texts, err := s.beansdb.get(ctx, each(of, func(a pictureArg) string { return key("pic", a.Movie, a.K) }))
	if err != nil {
		return nil, err
	}
	for i, text := range texts {
		if text == "" {
			continue
		}
		p := new(picture)
		if err := json.Unmarshal([]byte(text), p); err != nil {
			return nil, fmt.Errorf("picture %d of movie %d: %w", of[i].K, of[i].Movie, err)
		}
		found = append(found, p)
	}
	return found, nil
}

// albums are all pictures of films.
func (s *stores) albums(ctx context.Context, movies []*movie) ([][]*picture, error) {
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

// descriptions are the long texts of pictures, empty where there is none.
func (s *stores) descriptions(ctx context.Context, of []*picture) ([]string, error) {
	return s.beansdb.get(ctx, each(of, func(p *picture) string {
		if !p.HasText {
			return ""
		}
		return key("pic_text", p.Movie, p.K)
	}))
}

// cards are the names of authors, out of the cache that has them ready.
func (s *stores) cards(ctx context.Context, authors []int64) ([]string, error) {
	return s.mc.get(ctx, each(authors, func(a int64) string { return key("user_card", a) }))
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

// inOrder is what was found of ids, in the order of ids.
func inOrder[T any](ids []int64, found []*T, idOf func(*T) int64) (sorted []*T) {
	byID := map[int64]*T{}
	for _, f := range found {
		byID[idOf(f)] = f
	}
	for _, id := range ids {
		if f := byID[id]; f != nil {
			sorted = append(sorted, f)
		}
	}
	return sorted
}

func anyOf(id int64) any { return id }
