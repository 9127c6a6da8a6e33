package server_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/server"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// film is an ordinary Go object that expressions run over.
type film struct {
	ID, Year, Votes int64
	Rating          float64
	Title           string
}

func films(n int) []*film {
	out := make([]*film, n)
	for i := range out {
		k := int64(i) * 2654435761 % 1_000_003
		out[i] = &film{ID: int64(i), Year: 1950 + k%75, Votes: k * 7 % 100_000, Rating: float64(k%100) / 10, Title: fmt.Sprintf("Film %d", i)}
	}
	return out
}

func filmServer(all []*film) *server.Server {
	s := server.New("films")
	f := server.Entity(s, "Film", func(f *film) int64 { return f.ID })
	server.Attr(f, "year", func(f *film) int64 { return f.Year })
	server.Attr(f, "votes", func(f *film) int64 { return f.Votes })
	server.Attr(f, "rating", func(f *film) float64 { return f.Rating })
	server.Attr(f, "title", func(f *film) string { return f.Title })
	server.Source0(s, "films", func(context.Context) ([]*film, error) { return all, nil }, server.UniqueKeys())
	s.Budget = server.Budget{RowsOut: 1 << 20, BytesOut: 1 << 30, Memory: 1 << 30, Rows: 1 << 20, Steps: 1 << 40}
	return s
}

const (
	predicate  = `films().filter(lambda f: f.year > 2010 and f.rating > 7.0 and f.votes > 70000).length()`
	projection = `films().map(lambda f: {"id": f.id, "title": f.title, "rating": f.rating})`
)

// What an expression costs a row, with all that a query costs besides: the plan's look-up, the goroutine of the source, the answer. Beside it the
// same in Go.
func BenchmarkExpressions(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		all := films(n)
		s := filmServer(all)
		for name, program := range map[string]string{"predicate": predicate, "projection": projection} {
			b.Run(fmt.Sprintf("%s/rows=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Query(b.Context(), server.Request{Text: program}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
			})
		}
		b.Run(fmt.Sprintf("predicate in Go/rows=%d", n), func(b *testing.B) {
			pass := func(f *film) bool { return f.Year > 2010 && f.Rating > 7 && f.Votes > 70000 }
			for b.Loop() {
				count := 0
				for _, f := range all {
					if pass(f) {
						count++
					}
				}
				sink = count
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
		b.Run(fmt.Sprintf("projection in Go/rows=%d", n), func(b *testing.B) {
			type card struct {
				ID     int64
				Title  string
				Rating float64
			}
			for b.Loop() {
				cards := make([]card, 0, len(all))
				for _, f := range all {
					cards = append(cards, card{f.ID, f.Title, f.Rating})
				}
				sink = len(cards)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}

var sink int

// What a query costs besides what it computes: with a call, over ten rows, and without any.
func BenchmarkFixed(b *testing.B) {
	s := filmServer(films(10))
	for name, program := range map[string]string{"predicate": predicate, "literal": "1"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Query(b.Context(), server.Request{Text: program}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What it costs to have a program's plan: from its text that is known, and checked, optimised and planned anew.
func BenchmarkPlan(b *testing.B) {
	w := newWorld()
	known := request(talk, "ids", "[]", "user", "1")
	if _, err := w.Explain(b.Context(), known); err != nil {
		b.Fatal(err)
	}
	n, _, err := text.Parse(talk, w.Limits)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("known text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = w.Plan(known)
		}
	})
	b.Run("known tree", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = w.Plan(server.Request{Program: n})
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = w.Plan(server.Request{Text: fmt.Sprintf("%s.limit(%d)", talk, i)})
		}
	})
}
