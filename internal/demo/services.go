package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/shuai"
)

// work is what a backend does for as long as its latency says.
func (s *Site) work(ctx context.Context, median time.Duration) {
	t := time.NewTimer(s.latency.draw(median))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

type pictureArg struct {
	Movie int `json:"movie"`
	K     int `json:"k"`
}

type idArg struct {
	ID int `json:"id"`
}

type searchArg struct {
	Query string `json:"query"`
}

func (s *Site) pictureService() rpcMethods {
	return rpcMethods{
		// One picture of a movie. There is no way to ask for several, which is the page's trouble.
		"movie.service/movie_pic1svc": rpcMethod(func(ctx context.Context, a pictureArg) (picture, error) {
			if n := pictures(a.Movie); a.K < 0 || a.K >= n {
				return picture{}, fmt.Errorf("movie %d has %d pictures, there is no number %d", a.Movie, n, a.K)
			}
			s.work(ctx, 900*time.Microsecond)
			return pictureOf(a.Movie, a.K), nil
		}),
	}
}

func (s *Site) movieService() rpcMethods {
	return rpcMethods{
		"movie.service/get_movie": rpcMethod(func(ctx context.Context, a idArg) (movie, error) {
			if a.ID < 1 || a.ID > movies {
				return movie{}, fmt.Errorf("no movie %d", a.ID)
			}
			s.work(ctx, 2*time.Millisecond)
			return movieOf(a.ID), nil
		}),
		"movie.service/search": rpcMethod(func(ctx context.Context, a searchArg) ([]movie, error) {
			terms, err := s.parseQuery(ctx, a.Query)
			if err != nil {
				return nil, fmt.Errorf("search %q: %w", a.Query, err)
			}
			s.work(ctx, 8*time.Millisecond)
			found := []movie{}
			for id := 1; id <= movies; id++ {
				m := movieOf(id)
				for _, t := range terms {
					if strings.Contains(strings.ToLower(m.Title), t) {
						found = append(found, m)
						break
					}
				}
			}
			return found, nil
		}),
		"movie.service/recommend": rpcMethod(func(ctx context.Context, a idArg) ([]int, error) {
			// The movie service asks the user service in its turn.
			p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", a)
			if err != nil {
				return nil, err
			}
			s.work(ctx, 5*time.Millisecond)
			ids := []int{}
			for k := range 4 + p.ID%5 {
				ids = append(ids, 1+(p.ID*7+k*11)%movies)
			}
			return ids, nil
		}),
	}
}

// parseQuery has the fault that is planted for the error pages: a quote that is not closed.
func (s *Site) parseQuery(ctx context.Context, q string) ([]string, error) {
	_, span := shuai.StartSpan(ctx, "parse query", shuai.KindInternal)
	defer span.End()
	if strings.Count(q, "'")%2 == 1 {
		err := errors.New("unterminated quote")
		span.Error(err)
		return nil, err
	}
	return strings.Fields(strings.ToLower(q)), nil
}

func (s *Site) userService() rpcMethods {
	return rpcMethods{
		"user.service/get_user": rpcMethod(func(ctx context.Context, a idArg) (person, error) {
			if a.ID < 1 || a.ID > people {
				return person{}, fmt.Errorf("no user %d", a.ID)
			}
			s.work(ctx, 1500*time.Microsecond)
			return personOf(a.ID), nil
		}),
		"user.service/get_collection": rpcMethod(func(ctx context.Context, a idArg) ([]int, error) {
			// Every tenth user's list was never migrated: the planted slow query.
			if a.ID%10 == 0 {
				ctx, span := shuai.StartSpan(ctx, "scan archived collections", shuai.KindInternal)
				span.SetInt("archive.rows_scanned", int64(a.ID)*12_000)
				s.work(ctx, 350*time.Millisecond)
				span.End()
			}
			s.work(ctx, 3*time.Millisecond)
			ids := []int{}
			for k := range 3 + a.ID%6 {
				ids = append(ids, 1+(a.ID*5+k*13)%movies)
			}
			return ids, nil
		}),
	}
}
