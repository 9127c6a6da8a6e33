package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/graph-gophers/dataloader/v7"
	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/redeye"
)

// strategy is a way to make the page.
type strategy struct {
	name string
	ask  func(ctx context.Context, ids []int64, user int64) ([]card, error)
}

func strategies(url string) []strategy {
	c := &client{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
	return []strategy{
		{"a call each, one after another", c.pull(1)},
		{"a call each, 16 at once", c.pull(16)},
		{"DataLoader, 16 ms", c.loaders(16 * time.Millisecond)}, // its default window
		{"DataLoader, 1 ms", c.loaders(time.Millisecond)},
		{"gqlgen, DataLoader, 1 ms", c.graphQL("oneCanView", "oneTitle", "oneRating")},
		{"gqlgen, batch: true", c.graphQL("canView", "title", "rating")},
		{"batches by hand", c.batches},
		{"endpoint by hand", c.endpoint},
		{"Redeye", inRedeye(url)},
		{"Redeye, calling ahead", inRedeye(url + "/ahead")}, // title and rating are declared cheap, and are called with can_view
	}
}

// client calls the service.
type client struct {
	url  string
	http *http.Client
}

// post sends JSON and reads JSON, to the end, so that the connection is used again.
func post[T any](ctx context.Context, c *client, path string, question any) (out T, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return out, errors.New(resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return out, err
}

// pull asks for one film and one property at a time, so many films at once.
func (c *client) pull(atOnce int) func(ctx context.Context, ids []int64, user int64) ([]card, error) {
	return func(ctx context.Context, ids []int64, user int64) ([]card, error) {
		found, err := post[[]int64](ctx, c, "/exist", ask{IDs: ids})
		if err != nil {
			return nil, err
		}
		cards := make([]*card, len(found))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i, id := range found {
			g.Go(func() error {
				one := ask{IDs: []int64{id}, User: user}
				can, err := post[[]bool](ctx, c, "/can_view", one)
				if err != nil || !can[0] {
					return err
				}
				title, err := post[[]string](ctx, c, "/titles", one)
				if err != nil {
					return err
				}
				rating, err := post[[]float64](ctx, c, "/ratings", one)
				if err != nil {
					return err
				}
				cards[i] = &card{id, title[0], rating[0]}
				return nil
			})
		}
		err = g.Wait()
		return seen(cards), err
	}
}

func seen(cards []*card) (out []card) {
	for _, c := range cards {
		if c != nil {
			out = append(out, *c)
		}
	}
	return out
}

// batches calls what is batched.
func (c *client) batches(ctx context.Context, ids []int64, user int64) ([]card, error) {
	found, err := post[[]int64](ctx, c, "/exist", ask{IDs: ids})
	if err != nil {
		return nil, err
	}
	can, err := post[[]bool](ctx, c, "/can_view", ask{found, user})
	if err != nil {
		return nil, err
	}
	visible := make([]int64, 0, len(found))
	for i, id := range found {
		if can[i] {
			visible = append(visible, id)
		}
	}
	var titles []string
	var ratings []float64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { titles, err = post[[]string](ctx, c, "/titles", ask{IDs: visible}); return err })
	g.Go(func() (err error) { ratings, err = post[[]float64](ctx, c, "/ratings", ask{IDs: visible}); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	cards := make([]card, len(visible))
	for i, id := range visible {
		cards[i] = card{id, titles[i], ratings[i]}
	}
	return cards, nil
}

// loaders asks for one film and one property at a time, a goroutine each, and graph-gophers/dataloader puts together what comes within a window.
func (c *client) loaders(window time.Duration) func(ctx context.Context, ids []int64, user int64) ([]card, error) {
	return func(ctx context.Context, ids []int64, user int64) ([]card, error) {
		canView := loader[bool](c, "/can_view", user, window)
		title := loader[string](c, "/titles", user, window)
		rating := loader[float64](c, "/ratings", user, window)
		found, err := post[[]int64](ctx, c, "/exist", ask{IDs: ids})
		if err != nil {
			return nil, err
		}
		cards := make([]*card, len(found))
		g, ctx := errgroup.WithContext(ctx)
		for i, id := range found {
			g.Go(func() error {
				can, err := canView.Load(ctx, id)()
				if err != nil || !can {
					return err
				}
				t, r := title.Load(ctx, id), rating.Load(ctx, id)
				name, err1 := t()
				stars, err2 := r()
				cards[i] = &card{id, name, stars}
				return errors.Join(err1, err2)
			})
		}
		err = g.Wait()
		return seen(cards), err
	}
}

func loader[V any](c *client, path string, user int64, window time.Duration) *dataloader.Loader[int64, V] {
	return dataloader.NewBatchedLoader(func(ctx context.Context, keys []int64) []*dataloader.Result[V] {
		vals, err := post[[]V](ctx, c, path, ask{keys, user})
		out := make([]*dataloader.Result[V], len(keys))
		for i := range out {
			out[i] = &dataloader.Result[V]{Error: err}
			if err == nil {
				out[i].Data = vals[i]
			}
		}
		return out
	}, dataloader.WithWait[int64, V](window))
}

// graphQL asks for all films with three fields, and leaves out in the client those that may not be seen: GraphQL has no filter.
func (c *client) graphQL(canView, title, rating string) func(ctx context.Context, ids []int64, user int64) ([]card, error) {
	query := fmt.Sprintf(`query ($ids: [Int!]!, $user: Int!) { movies(ids: $ids) { id canView: %s(user: $user) title: %s rating: %s } }`, canView, title, rating)
	type film struct {
		ID      int64   `json:"id"`
		CanView bool    `json:"canView"`
		Title   string  `json:"title"`
		Rating  float64 `json:"rating"`
	}
	type reply struct {
		Data struct {
			Movies []film `json:"movies"`
		} `json:"data"`
		Errors []json.RawMessage `json:"errors"`
	}
	return func(ctx context.Context, ids []int64, user int64) ([]card, error) {
		got, err := post[reply](ctx, c, "/graphql", map[string]any{"query": query, "variables": map[string]any{"ids": ids, "user": user}})
		if err != nil {
			return nil, err
		}
		if len(got.Errors) > 0 {
			return nil, fmt.Errorf("GraphQL: %s", got.Errors[0])
		}
		out := make([]card, 0, len(got.Data.Movies))
		for _, f := range got.Data.Movies {
			if f.CanView {
				out = append(out, card{f.ID, f.Title, f.Rating})
			}
		}
		return out, nil
	}
}

func (c *client) endpoint(ctx context.Context, ids []int64, user int64) ([]card, error) {
	return post[[]card](ctx, c, "/page", ask{ids, user})
}

const program = `get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})`

func inRedeye(url string) func(ctx context.Context, ids []int64, user int64) ([]card, error) {
	c := redeye.NewClient(url, redeye.Config{})
	return func(ctx context.Context, ids []int64, user int64) ([]card, error) {
		return redeye.Text[[]card](program, redeye.Args{"ids": ids, "user": user}).Run(ctx, c)
	}
}

func idsTo(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}
