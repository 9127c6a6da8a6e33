package demo

import (
	"context"
	"fmt"
)

// The services' methods. Each answers for one thing, and there is no way to ask for several: that is how services are written, and
// what makes a page call them n times. What is written by hand against it, a method for each page, is in the pages' files.

type idArg struct {
	ID int64 `json:"id"`
}

// pictureArg is picture K of a film, from 0.
type pictureArg struct {
	Movie int64 `json:"movie"`
	K     int64 `json:"k"`
}

type viewArg struct {
	Movie int64 `json:"movie"`
	User  int64 `json:"user"`
}

type searchArg struct {
	Query string `json:"query"`
}

// one asks for one of what can be asked for by the many.
func one[K, V any](ctx context.Context, f func(context.Context, []K) ([]V, error), key K, what string) (v V, err error) {
	all, err := f(ctx, []K{key})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no %s %v", what, key)
	}
	if err != nil {
		return v, err
	}
	return all[0], nil
}

func (s *Site) pictureService() rpcMethods {
	return rpcMethods{
		"movie.service/movie_pic1svc": rpcMethod(func(ctx context.Context, a pictureArg) (*picture, error) {
			return one(ctx, s.pictures, a, "picture")
		}),
	}
}

func (s *Site) ratingService() rpcMethods {
	return rpcMethods{
		"rating.service/get_rating": rpcMethod(func(ctx context.Context, a idArg) (float64, error) {
			return one(ctx, s.ratings, a.ID, "rating of movie")
		}),
	}
}

func (s *Site) movieService() rpcMethods {
	return rpcMethods{
		"movie.service/get_movie": rpcMethod(func(ctx context.Context, a idArg) (*movie, error) {
			return one(ctx, s.movies, a.ID, "movie")
		}),
		"movie.service/get_cast": rpcMethod(func(ctx context.Context, a idArg) ([]int64, error) {
			return one(ctx, s.casts, a.ID, "cast of movie")
		}),
		"movie.service/search": rpcMethod(func(ctx context.Context, a searchArg) ([]int64, error) {
			found, err := s.search(ctx, a.Query)
			ids := []int64{}
			for _, m := range found {
				ids = append(ids, m.ID)
			}
			return ids, err
		}),
		"movie.service/recommend": rpcMethod(func(ctx context.Context, a idArg) ([]int64, error) {
			// The movie service asks the user service in its turn.
			p, err := rpcCall[person](ctx, s.user.client, "user.service/get_user", a)
			if err != nil {
				return nil, err
			}
			return one(ctx, s.recommended, p.ID, "recommendation for user")
		}),
		"movie.service/home_page":    rpcMethod(s.homePage),
		"movie.service/subject_page": rpcMethod(s.subjectPage),
		"movie.service/photos_page":  rpcMethod(s.photosPage),
		"movie.service/user_page":    rpcMethod(s.userPage),
		"movie.service/search_page":  rpcMethod(s.searchPage),
	}
}

func (s *Site) userService() rpcMethods {
	return rpcMethods{
		"user.service/get_user": rpcMethod(func(ctx context.Context, a idArg) (*person, error) {
			return one(ctx, s.persons, a.ID, "user")
		}),
		"user.service/can_view": rpcMethod(func(ctx context.Context, a viewArg) (bool, error) {
			may, err := s.visible(ctx, []int64{a.Movie}, a.User)
			return err == nil && may[0], err
		}),
		"user.service/get_collection": rpcMethod(func(ctx context.Context, a idArg) ([]int64, error) {
			return one(ctx, s.collections, a.ID, "collection of user")
		}),
	}
}
