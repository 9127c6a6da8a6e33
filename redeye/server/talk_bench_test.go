package server_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// backend is what the talk's query asks, with a latency for each operation.
type backend struct{ latency time.Duration }

func (b backend) wait() {
	if b.latency > 0 {
		time.Sleep(b.latency)
	}
}

func (b backend) get(ids []int64) []*film {
	b.wait()
	out := make([]*film, len(ids))
	for i, id := range ids {
		out[i] = &film{ID: id, Title: "The Grand Budapest Hotel", Rating: 8.1}
	}
	return out
}

func (b backend) canView(fs []*film, user int64) []bool {
	b.wait()
	out := make([]bool, len(fs))
	for i, f := range fs {
		out[i] = f.ID != user
	}
	return out
}

func (b backend) titles(fs []*film) []string {
	b.wait()
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.Title
	}
	return out
}

func (b backend) ratings(fs []*film) []float64 {
	b.wait()
	out := make([]float64, len(fs))
	for i, f := range fs {
		out[i] = f.Rating
	}
	return out
}

type card struct {
	ID     int64
	Title  string
	Rating float64
}

// byHand is the endpoint that somebody would write.
func (b backend) byHand(ids []int64, user int64) []card {
	var visible []*film
	all := b.get(ids)
	for i, ok := range b.canView(all, user) {
		if ok {
			visible = append(visible, all[i])
		}
	}
	var titles []string
	var ratings []float64
	var wg sync.WaitGroup
	wg.Go(func() { titles = b.titles(visible) })
	wg.Go(func() { ratings = b.ratings(visible) })
	wg.Wait()
	cards := make([]card, len(visible))
	for i, f := range visible {
		cards[i] = card{f.ID, titles[i], ratings[i]}
	}
	return cards
}

func (b backend) server(opts ...server.Option) *server.Server {
	s := server.New("films")
	f := server.Entity(s, "Film", func(f *film) int64 { return f.ID })
	server.BatchArg(f, "can_view", func(_ context.Context, fs []*film, user int64) ([]bool, error) { return b.canView(fs, user), nil })
	server.Batch(f, "title", func(_ context.Context, fs []*film) ([]string, error) { return b.titles(fs), nil }, opts...)
	server.Batch(f, "rating", func(_ context.Context, fs []*film) ([]float64, error) { return b.ratings(fs), nil }, opts...)
	server.Source(s, "get_movies", func(_ context.Context, ids []int64) ([]*film, error) { return b.get(ids), nil }, server.UniqueKeys())
	return s
}

// The talk's query beside the endpoint that somebody would write for it, both in the process: what the engine costs.
func BenchmarkTalk(b *testing.B) {
	for _, latency := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		for _, n := range []int{100, 1000} {
			ids := make([]int64, n)
			for i := range ids {
				ids[i] = int64(i + 1)
			}
			back := backend{latency}
			b.Run(fmt.Sprintf("latency=%s/n=%d/by hand", latency, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					sink = len(back.byHand(ids, 7))
				}
			})
			list := &column.Column{Type: schema.ListOf(tInt), Len: 1, Ends: []int32{int32(n)}, Items: &column.Column{Type: tInt, Len: n, Ints: ids}}
			req := request(talk, "user", "7")
			req.Params["ids"] = server.Proto(column.AppendProto(nil, list)) // as a Go client sends it
			for name, s := range map[string]*server.Server{"Redeye": back.server(), "Redeye, ahead": back.server(server.Cheap())} {
				b.Run(fmt.Sprintf("latency=%s/n=%d/%s", latency, n, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						answer, err := s.Query(b.Context(), req)
						if err != nil || answer.Value.Items.Len != n-1 {
							b.Fatal(answer, err)
						}
					}
				})
			}
		}
	}
}
