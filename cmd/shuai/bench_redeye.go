package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fuwu-project/fuwu/internal/demo"
	"github.com/fuwu-project/fuwu/internal/demo/standin"
	"github.com/fuwu-project/fuwu/internal/realdb"
)

// BenchRedeyeCmd measures what Redeye saves: pages of the movie site of package demo by a loop of calls, by a query, and by an endpoint that was
// written for the page.
type BenchRedeyeCmd struct {
	N       []int           `default:"10,100,300" help:"Films on the home page, at most 1000; 3 calls for each. (${default})"`
	Photos  bool            `default:"true" negatable:"" help:"Measure the page of the talk, too: 180 photos, 295 calls. (${default})"`
	Latency []time.Duration `default:"1ms,2ms,5ms" help:"How long a request to a store travels. (${default})"`
	For     time.Duration   `default:"2s" help:"How long each is measured with --clients, and again with twice as many and so on, up to 64. (${default})"`
	Clients int             `default:"4" help:"Visitors at once while latency and CPU are measured. (${default})"`
	Real    bool            `help:"Start MariaDB, Redis and memcached as they are installed here, instead of stand-ins inside this process."`
}

// Help is the long text of bench redeye --help.
func (*BenchRedeyeCmd) Help() string {
	return `The services, their visitors, and stand-ins for the stores are one process; one visit in a thousand is traced. Each page is JSON, the same bytes by every way.
RPCs and store requests are those of one page, counted; CPU is the process's, with the visitors'. Latency is that of at least 20 pages, however long they take.`
}

// redeyePage is a page to be measured.
type redeyePage struct{ name, path string }

// redeyeResult is what one page by one way took.
type redeyeResult struct {
	took         []time.Duration // sorted
	cpu          time.Duration   // of a page
	rpcs, stores float64         // of a page
	perSecond    float64         // at saturation
	clients      int             // there
}

func (r *redeyeResult) quantile(q float64) time.Duration {
	return r.took[min(len(r.took)-1, int(q*float64(len(r.took))))]
}

// Run measures and prints a table.
func (cmd *BenchRedeyeCmd) Run(ctx context.Context, out streams) (err error) {
	if cmd.Clients < 1 || cmd.For <= 0 || slices.ContainsFunc(cmd.N, func(n int) bool { return n < 1 || n > 1000 }) {
		return errors.New("--clients and --for must be more than 0, and --n between 1 and 1000")
	}
	var pages []redeyePage
	if cmd.Photos {
		pages = append(pages, redeyePage{"photos, n = 180", "/subject/1/photos?"})
	}
	for _, n := range cmd.N {
		pages = append(pages, redeyePage{fmt.Sprintf("home, n = %d", n), fmt.Sprintf("/?user=8&n=%d&", n)})
	}
	var stores demo.Addresses
	kind := "stand-ins for all stores"
	if cmd.Real {
		var stop func() error
		stores, stop, err = startStores(ctx)
		defer func() { err = errors.Join(err, stop()) }()
		if err != nil {
			return err
		}
		kind = "MariaDB, Redis and memcached, and a stand-in for beansdb"
	}
	collectors, closeCollectors, err := overheadCollectors(ctx)
	if err != nil {
		return err
	}
	defer closeCollectors()

	fmt.Fprintf(out.out, "%d CPUs, %s; %d visitors at once, saturation by up to %d\n\n", runtime.GOMAXPROCS(0), kind, cmd.Clients, maxClients)
	w := tabwriter.NewWriter(out.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "page\tlatency\tway\tp50\tp95\tp99\tpages\tRPCs\tstore requests\tCPU/page\tpages/s\tby\tp50 of nk's\tpages/s of nk's\t")
	for _, latency := range cmd.Latency {
		site, err := demo.Run(ctx, demo.Config{
			Collector: collectors["alive"], Ratio: 0.001, Rate: -1, Stores: stores, Delay: func() time.Duration { return latency },
		})
		if err != nil {
			return err
		}
		err = cmd.measure(ctx, w, site, pages, latency)
		if err = errors.Join(err, site.Close(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	return w.Flush()
}

// measure measures all pages by all ways at one latency.
func (cmd *BenchRedeyeCmd) measure(ctx context.Context, w io.Writer, site *demo.Site, pages []redeyePage, latency time.Duration) error {
	for _, page := range pages {
		var nk redeyeResult
		for _, way := range []demo.Way{demo.NK, demo.Redeye, demo.Hand} {
			r, err := cmd.page(ctx, site, site.URL+page.path+"format=json&impl="+string(way))
			if err != nil {
				return fmt.Errorf("%s by %s: %w", page.name, way, err)
			}
			if way == demo.NK {
				nk = r
			}
			fmt.Fprintf(w, "%s\t%v\t%s\t%s\t%s\t%s\t%d\t%.0f\t%.0f\t%s\t%.1f\t%d\t1/%.1f\t%.1f ×\t\n", page.name, latency, way,
				millis(r.quantile(0.5)), millis(r.quantile(0.95)), millis(r.quantile(0.99)), len(r.took), r.rpcs, r.stores, millis(r.cpu),
				r.perSecond, r.clients, float64(nk.quantile(0.5))/float64(r.quantile(0.5)), r.perSecond/nk.perSecond)
		}
	}
	return nil
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", ms(d)) }

const (
	maxClients = 64
	minPages   = 20 // whose latency is measured
)

// page measures one page by one way: first with cmd.Clients, then with twice as many and so on, of which the number counts that gives most pages.
func (cmd *BenchRedeyeCmd) page(ctx context.Context, site *demo.Site, url string) (r redeyeResult, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxClients}}
	defer client.CloseIdleConnections()
	for range 3 { // connections, plans
		if err := readPage(ctx, client, url); err != nil {
			return r, err
		}
	}
	rpcs, stores := site.Calls()
	cpu := cpuTime()
	r.took, r.perSecond, err = visitAll(ctx, client, url, cmd.Clients, minPages, cmd.For)
	if err != nil {
		return r, err
	}
	n := len(r.took)
	r.cpu = (cpuTime() - cpu) / time.Duration(n)
	rpcsAfter, storesAfter := site.Calls()
	r.rpcs, r.stores = float64(rpcsAfter-rpcs)/float64(n), float64(storesAfter-stores)/float64(n)
	r.clients = cmd.Clients
	for clients := 2 * cmd.Clients; clients <= maxClients; clients *= 2 {
		_, perSecond, err := visitAll(ctx, client, url, clients, clients, cmd.For)
		if err != nil {
			return r, err
		}
		if perSecond > r.perSecond {
			r.perSecond, r.clients = perSecond, clients
		}
	}
	return r, nil
}

// visitAll visits a page by so many at once, for so long and until there are some pages, and returns how long each took, sorted, and pages a second.
func visitAll(ctx context.Context, client *http.Client, url string, clients, pages int, d time.Duration) ([]time.Duration, float64, error) {
	var mu sync.Mutex
	var took []time.Duration
	var begun atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range clients {
		g.Go(func() error {
			for time.Since(start) < d || begun.Load() < int64(pages) {
				begun.Add(1)
				began := time.Now()
				if err := readPage(ctx, client, url); err != nil {
					return err
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
			return nil
		})
	}
	err := g.Wait()
	slices.Sort(took)
	return took, float64(len(took)) / time.Since(start).Seconds(), err
}

func readPage(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, body)
	}
	return err
}

// startStores starts real ones, and what stands in for beansdb, which no distribution has. stop is never nil.
func startStores(ctx context.Context) (at demo.Addresses, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "shuai-bench-")
	stops := []func() error{func() error { return os.RemoveAll(dir) }}
	stop = func() error {
		var errs []error
		for _, s := range slices.Backward(stops) {
			errs = append(errs, s())
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return at, stop, err
	}
	for _, one := range []struct {
		start func(context.Context, string) (*realdb.Server, error)
		addr  *string
	}{
		{realdb.MariaDB, &at.MySQL}, {realdb.Redis, &at.Redis}, {realdb.Memcached, &at.Memcached},
	} {
		s, err := one.start(ctx, dir)
		if err != nil {
			return at, stop, err
		}
		stops = append(stops, func() error { s.Stop(); return nil })
		*one.addr = s.Addr
	}
	at.MySQL = "root@tcp(" + at.MySQL + ")/"
	beansdb, err := standin.Beansdb(ctx)
	if err != nil {
		return at, stop, err
	}
	stops = append(stops, beansdb.Close)
	at.Beansdb = beansdb.Addr
	return at, stop, nil
}
