package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/demo"
)

// DemoCmd runs the server together with the movie site of package demo.
type DemoCmd struct {
	Data      string  `type:"path" placeholder:"DIR" help:"Keep the spans here. (a temporary directory that is removed at the end)"`
	HTTP      string  `name:"http" default:"127.0.0.1:7700" placeholder:"ADDR" help:"Serve the web UI and the API here; port 0 picks a free one. (${default})"`
	OTLPHTTP  string  `name:"otlp-http" default:"127.0.0.1:4318" placeholder:"ADDR" help:"Take OTLP over HTTP here. (${default})"`
	OTLPGRPC  string  `name:"otlp-grpc" default:"127.0.0.1:4317" placeholder:"ADDR" help:"Take OTLP over gRPC here. (${default})"`
	Web       string  `default:"127.0.0.1:0" placeholder:"ADDR" help:"Serve the movie site here. (a free port)"`
	Rate      float64 `default:"5" placeholder:"N" help:"Visits to the site a second; 0 is none. (${default})"`
	Impl      string  `default:"nk" enum:"nk,redeye,text,hand" help:"How pages get their data at first: nk (a call for each thing), redeye (one query), text (the same as text), hand (an endpoint for the page). The site's pages and POST /mode?impl=… change it. (${default})"`
	Fault     bool    `help:"Send visitors to a page that asks for too much, so that its breaker opens. POST /fault?on=true does, too."`
	MySQL     string  `name:"mysql" placeholder:"DSN" help:"Keep films and people in this MySQL or MariaDB, as user:password@tcp(host:port)/; they go into a database shuai_demo, which is made anew. (a stand-in)"`
	Redis     string  `placeholder:"ADDR" help:"Keep ratings in this Redis, their keys beginning with shuai_demo: as those of the next two. (a stand-in)"`
	Memcached string  `placeholder:"ADDR" help:"Keep the home page's list and authors' cards in this memcached. (a stand-in)"`
	Beansdb   string  `placeholder:"ADDR" help:"Keep pictures in this beansdb. (a stand-in)"`

	For time.Duration `placeholder:"DURATION" help:"Stop after this long. (until Ctrl-C)"`
}

// Help is the long text of demo --help.
func (*DemoCmd) Help() string {
	return `Five small services (movie-web, movie, pic, rating, user) call each other over HTTP and keep their data in MySQL, Redis, memcached and
beansdb, which are stand-ins inside this process unless flags say where real ones are. The clients are the usual ones either way. Each service is traced
and sends its spans to the server as any application would. Planted for you to find: a page that makes 295 calls, one after another; users whose page
waits for a slow statement; a search that fails; with --fault, a Redeye query that asks for too much, and its breaker.`
}

// Run runs the demonstration until ctx ends.
func (cmd *DemoCmd) Run(ctx context.Context, out streams) (err error) {
	if err := cmd.checkAddresses(ctx); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(out.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	serve := ServeCmd{
		Data: cmd.Data, HTTP: cmd.HTTP, OTLPHTTP: cmd.OTLPHTTP, OTLPGRPC: cmd.OTLPGRPC, Zipkin: off, Jaeger: off,
		MaxRequestBytes: defaultMaxRequestBytes, MaxInFlightBytes: defaultMaxInFlightBytes,
		TracesPerMinute: defaultTracesPerMinute,
	}
	kept := serve.Data
	if serve.Data == "" {
		if serve.Data, err = os.MkdirTemp("", "shuai-demo-"); err != nil {
			return err
		}
		kept = serve.Data + " (removed at the end; keep it elsewhere with --data DIR)"
		defer func() { err = errors.Join(err, os.RemoveAll(serve.Data)) }()
	}
	s, err := startServer(context.WithoutCancel(ctx), serve, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rate := cmd.Rate
	if rate == 0 {
		rate = -1 // none; the zero of a Config is its default
	}
	site, err := demo.Run(ctx, demo.Config{
		Collector: s.OTLPHTTP, Web: cmd.Web, Way: demo.Way(cmd.Impl), Fault: cmd.Fault, Rate: rate, Seed: uint64(time.Now().UnixNano()), Logger: logger,
		Stores: demo.Addresses{MySQL: cmd.MySQL, Redis: cmd.Redis, Memcached: cmd.Memcached, Beansdb: cmd.Beansdb},
	})
	if err != nil {
		return fmt.Errorf("movie site: %w", err)
	}
	s.catalog.Add(catalog.Service{Name: "movie", URL: site.Movies})
	defer func() {
		// Before the server, which takes the tracers' last spans.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, site.Close(closing))
	}()

	if cmd.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmd.For)
		defer cancel()
	}
	fmt.Fprintf(out.out, `
  ui        %s
  site      %s   (a movie site of five services; look around, and choose at the foot of a page how it gets its data)
  redeye    %s   (what its movie service offers; redeye schema --server …)
  stores    %s
  collector %s   (OTLP over HTTP; gRPC %s)
  data      %s
`, s.UI, site.URL, site.Movies, site.Stores, s.OTLPHTTP, s.OTLPGRPC, kept)
	if cmd.Rate > 0 {
		if example := exampleTrace(ctx, s.UI); example != "" {
			fmt.Fprintf(out.out, "  example   %s/trace/%s   (a page that made 295 calls)\n", s.UI, example)
		}
	}
	if cmd.Rate > 0 {
		fmt.Fprintf(out.out, `
  1         %s/findings?service=movie-web   (in half a minute: what pages waste, and the query instead)
  2         %s/subject/1/photos   (the page; at its foot, choose redeye)
  3         %s/redeye   (what runs instead; in a minute the finding is resolved, with what it saved)
`, s.UI, site.URL, s.UI)
	}
	fmt.Fprint(out.out, "\nCtrl-C stops it.\n")

	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// checkAddresses finds out about all addresses at once, the site's too, so that nobody moves one after the other.
func (cmd *DemoCmd) checkAddresses(ctx context.Context) error {
	doors := []*door{
		{flag: "--http", addr: cmd.HTTP}, {flag: "--otlp-http", addr: cmd.OTLPHTTP}, {flag: "--otlp-grpc", addr: cmd.OTLPGRPC}, {flag: "--web", addr: cmd.Web},
	}
	if err := openDoors(ctx, doors...); err != nil {
		return err
	}
	var errs []error
	for _, d := range doors {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// exampleTrace waits for the first visitor's request to be stored whole and returns its trace id; "" if that
// takes longer than anybody wants to wait.
func exampleTrace(ctx context.Context, server string) string {
	const (
		patience = 10 * time.Second
		whole    = 1 + 180*3 + 89 + 26 // the page, both halves of its RPCs with the store behind each, its own calls of the stores
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := client{Server: server}
	query := url.Values{
		"q":    {`{ root && service.name = "movie-web" && name = "GET /subject/{id}/photos" }`},
		"sort": {"slowest"}, "limit": {"1"}, "from": {"now-1h"},
	}
	for {
		var found struct {
			Traces []struct {
				TraceID string
				Spans   int
			}
		}
		if _, err := c.ask(ctx, "/traces", query, &found); err == nil && len(found.Traces) > 0 && found.Traces[0].Spans >= whole {
			return found.Traces[0].TraceID
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ""
		}
	}
}
