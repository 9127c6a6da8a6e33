package main

import (
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// card is a row of the answer.
type card struct {
	ID     int64
	Title  string
	Rating float64
}

type movie struct{ id int64 }

// user asks. One film in ten is not for them.
const user = 3

// backend is the data: each operation, for one film or many, takes as long as the latency says.
type backend struct {
	latency time.Duration
	ops     atomic.Int64
}

func (b *backend) wait() {
	b.ops.Add(1)
	sleep(b.latency)
}

// Exist returns the films that there are.
func (b *backend) Exist(ids []int64) []int64 {
	b.wait()
	return ids
}

// CanView says of each film whether a user may see it.
func (b *backend) CanView(ids []int64, user int64) []bool {
	b.wait()
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = id%10 != user
	}
	return out
}

// Titles returns the title of each film.
func (b *backend) Titles(ids []int64) []string {
	b.wait()
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "Movie number " + strconv.FormatInt(id, 10)
	}
	return out
}

// Ratings returns the rating of each film.
func (b *backend) Ratings(ids []int64) []float64 {
	b.wait()
	out := make([]float64, len(ids))
	for i, id := range ids {
		out[i] = float64(id%100) / 10
	}
	return out
}

// ask is what the calls and the endpoint are asked.
type ask struct {
	IDs  []int64
	User int64
}

// page is the endpoint that somebody writes for this page: three waves.
func (b *backend) page(a ask) []card {
	found := b.Exist(a.IDs)
	can := b.CanView(found, a.User)
	seen := make([]int64, 0, len(found))
	for i, id := range found {
		if can[i] {
			seen = append(seen, id)
		}
	}
	var titles []string
	var ratings []float64
	var g errgroup.Group
	g.Go(func() error { titles = b.Titles(seen); return nil })
	g.Go(func() error { ratings = b.Ratings(seen); return nil })
	_ = g.Wait() // neither fails
	out := make([]card, len(seen))
	for i, id := range seen {
		out[i] = card{id, titles[i], ratings[i]}
	}
	return out
}
