// Package demo is the movie site: five services on ports of their own that call each other over the
// network, the stores behind them, visitors, and faults that are planted on purpose. It shows what
// the rest of the project is for, and it is the project's test bed.
//
//	movie-web ──RPC──► movie, user    films, people      MySQL
//	    │    └──RPC──► rating         ratings            Redis
//	    │    └──RPC──► pic            pictures           beansdb
//	    ├─► memcached                 the home page's list, authors' cards
//	    └─► beansdb                   long descriptions
//
// RPC is JSON over HTTP, and each method answers for one thing. The movie service serves Redeye, too: programs over all of this. Each
// page gets its data in one of four ways (see [Way]), and is the same in all; its file has them one below the other. Without
// [Addresses] the stores are stand-ins in this process (package standin, and miniredis), asked by the same clients.
//
// Planted: GET /subject/1/photos makes 295 calls one after another (the page of the talk on Douban's
// services); every tenth user's collection waits 350 ms for a statement; a search with an unclosed quote fails; a
// query that asks for too much opens its breaker, if visitors come to it (see [Config.Fault]).
//
// Each service has a tracer of its own, which samples everything: nothing here reaches into the server.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// Config says how the site runs. The zero value sends to the collector on its standard port.
type Config struct {
	Collector string               // base URL of an OTLP/HTTP collector; default http://127.0.0.1:4318
	Stores    Addresses            // default: stand-ins inside this process
	Delay     func() time.Duration // how long a request to a store travels; default a lognormal time of 1 ms in the median; may be called concurrently
	Way       Way                  // in which the pages get their data at first; default NK
	Fault     bool                 // whether visitors come at first to the page that asks for too much
	Web       string               // address of movie-web; default a free port on 127.0.0.1
	Ratio     float64              // of visits that are traced; default 1, all
	Rate      float64              // visits a second; default 5, negative none
	Seed      uint64               // of latencies and visits
	Logger    *slog.Logger         // of the tracers' troubles; default none
}

// Site is a running site.
type Site struct {
	URL    string // of movie-web
	Movies string // of the movie service, which serves Redeye and /redeye/callsites
	Stores string // which of the stores are stand-ins, in words

	mode  modes
	fault atomic.Bool

	stores
	movie, pic, user, rating service
	web                      service

	rpcs     atomic.Int64                  // that services have sent to each other
	closers  []func(context.Context) error // in order of opening
	stopLoad context.CancelFunc
	visitors sync.WaitGroup
}

// service is one of the five: where it listens, and the clients that others call it with.
type service struct {
	url      string
	client   rpcClient
	programs *redeye.Client // of movie, which serves Redeye
}

// Run starts the site and its visitors; they run until Close.
func Run(ctx context.Context, cfg Config) (_ *Site, err error) {
	if cfg.Rate == 0 {
		cfg.Rate = 5
	}
	if cfg.Ratio == 0 {
		cfg.Ratio = 1
	}
	if cfg.Web == "" {
		cfg.Web = "127.0.0.1:0"
	}
	if cfg.Delay == nil {
		l := latency{rng: rand.New(rand.NewPCG(cfg.Seed, 1))}
		cfg.Delay = func() time.Duration { return l.draw(time.Millisecond) }
	}
	if cfg.Way == "" {
		cfg.Way = NK
	}
	s := &Site{
		Stores: cfg.Stores.String(),
		mode:   modes{first: cfg.Way, now: map[string]Way{}, can: map[string][]Way{}},
	}
	s.fault.Store(cfg.Fault)
	defer func() {
		if err != nil {
			_ = s.Close(ctx) // the first error is the one to tell
		}
	}()
	s.closers = append(s.closers, func(context.Context) error { return s.close() })
	if err := s.open(ctx, cfg.Stores, cfg.Delay); err != nil {
		return nil, fmt.Errorf("stores: %w", err)
	}
	programs, err := s.offer().Handler()
	if err != nil {
		return nil, err
	}
	for _, svc := range []struct {
		name, addr string
		at         *service
		handler    http.Handler
	}{
		{"user", "127.0.0.1:0", &s.user, s.userService()},
		{"pic", "127.0.0.1:0", &s.pic, s.pictureService()},
		{"rating", "127.0.0.1:0", &s.rating, s.ratingService()},
		{"movie", "127.0.0.1:0", &s.movie, withRedeye(s.movieService(), programs)},
		{"movie-web", cfg.Web, &s.web, s.pages()}, // calls all others
	} {
		if err := s.startService(ctx, cfg, svc.name, svc.addr, svc.at, svc.handler); err != nil {
			return nil, fmt.Errorf("service %s: %w", svc.name, err)
		}
	}
	s.URL, s.Movies = s.web.url, s.movie.url
	loadCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopLoad = stop
	if cfg.Rate > 0 {
		s.visitors.Go(func() { s.load(loadCtx, cfg.Rate, rand.New(rand.NewPCG(cfg.Seed, 2))) })
	}
	s.visitors.Go(func() { s.loadFault(loadCtx) })
	return s, nil
}

func (s *Site) startService(ctx context.Context, cfg Config, name, addr string, at *service, handler http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	tracer, err := shuai.New(shuai.Config{
		Service: name, Endpoint: cfg.Collector, Ratio: cfg.Ratio, FlushEvery: 250 * time.Millisecond, Logger: cfg.Logger,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.closers = append(s.closers, tracer.Stop)
	at.url = "http://" + l.Addr().String()
	at.client = newRPCClient(l.Addr(), &s.rpcs)
	at.programs = redeye.NewClient(at.url, redeye.Config{HTTP: at.client.http})
	server := &http.Server{
		Handler:           shuaihttp.NewHandler(handler, shuaihttp.Config{Tracer: tracer, Filter: ofVisitors}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	// Shutdown waits up to 5 s for connections on which nothing was asked yet; browsers and net/http keep such
	// in reserve.
	unused := unusedConns{conns: map[net.Conn]bool{}}
	server.ConnState = unused.track
	server.RegisterOnShutdown(unused.close)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends by Shutdown alone
	s.closers = append(s.closers, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		serving.Wait()
		at.client.close()
		return err
	})
	return nil
}

// ofVisitors leaves out what tools ask: nobody waits for that.
func ofVisitors(r *http.Request) bool {
	switch r.URL.Path {
	case "/mode", "/fault", "/redeye/callsites", redeyePath + "GetSchema":
		return false
	}
	return true
}

// Calls says how many calls the services have made since the site runs: of each other, and of the stores.
func (s *Site) Calls() (rpcs, stores int64) { return s.rpcs.Load(), s.net.sent.Load() }

// unusedConns are a server's connections without a request so far.
type unusedConns struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (u *unusedConns) track(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.conns[c] = true
	} else {
		delete(u.conns, c)
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close() // nothing was said that could be lost
	}
}

// Close ends the visits, then the services, then the stores, each given until ctx ends; what the tracers
// hold is flushed. It may be called again.
func (s *Site) Close(ctx context.Context) error {
	if s.stopLoad != nil {
		s.stopLoad()
	}
	s.visitors.Wait()
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}
