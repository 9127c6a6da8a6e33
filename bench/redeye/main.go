// Command redeye compares Redeye with what a team would do instead, on the talk's query: of n films those that a user may see, each with its title
// and rating. All strategies ask one process over loopback with net/http, a backend operation takes the same latency whether it is
// for one film or for many, and all give the same answer, which is checked.
//
//	go run ./bench/redeye -latency 1ms
//
// prints for n of 100 and of 1,000 what each strategy takes, first alone (the strategies by turns, so that a machine that becomes slower does so for
// all), then with 16 clients of which each asks again as soon as it has its answer; then the bars that Redeye is held to. The benchmarks of the
// package's tests are of expressions.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	latency := flag.Duration("latency", time.Millisecond, "of a backend operation")
	turns := flag.Int("turns", 10, "of each strategy alone, of 8 pages; slow ones get fewer")
	clients := flag.Int("clients", 16, "that ask at once")
	window := flag.Duration("window", time.Second, "that they ask for")
	only := flag.String("only", "", "strategies whose name contains this")
	flag.Parse()
	if err := run(*latency, *turns, *clients, *window, *only); err != nil {
		log.Fatal(err)
	}
}

func run(latency time.Duration, turns, clients int, window time.Duration, only string) error {
	data := &backend{latency: latency}
	service, err := serve(data)
	if err != nil {
		return err
	}
	defer service.close()
	ways := slices.DeleteFunc(strategies(service.url), func(s strategy) bool { return !strings.Contains(s.name, only) })
	ctx := context.Background()
	var figures []figure
	for _, n := range []int{100, 1000} {
		alone, err := takeTurns(ctx, service, ways, n, turns)
		if err != nil {
			return err
		}
		for i, s := range ways {
			if alone[i].load, err = closedLoop(ctx, s, n, clients, window); err != nil {
				return err
			}
		}
		figures = append(figures, alone...)
		table(latency, n, clients, alone)
	}
	bars(latency, figures)
	return nil
}

// figure is what a strategy took.
type figure struct {
	name     string
	n        int
	wall     time.Duration // of a page: median
	cpu      time.Duration // of client and server, for a page: mean
	requests float64       // of the client, for a page
	ops      float64       // of the backend, for a page
	load     loaded
}

// loaded is what a strategy took when many asked at once.
type loaded struct {
	pages  float64 // in a second
	median time.Duration
	cpu    time.Duration
}

// takeTurns lets each strategy in turn make a few pages of n films. One that takes long makes one page a turn, and has fewer turns.
func takeTurns(ctx context.Context, service *service, ways []strategy, n, turns int) ([]figure, error) {
	const atATime = 8
	ids := idsTo(n)
	want := (&backend{}).page(ask{ids, user})
	out := make([]figure, len(ways))
	walls := make([][]time.Duration, len(ways))
	for turn := range turns + 1 { // the first is not counted: connections and plans are made
		for i, s := range ways {
			f, pages := &out[i], atATime
			if turn == 0 || f.wall > 100*time.Millisecond {
				pages = 1
			}
			if turn > 1 && time.Duration(turn)*f.wall > 4*time.Second {
				continue
			}
			service.requests.Store(0)
			service.data.ops.Store(0)
			runtime.GC() // nobody pays for the garbage of others
			before := cpu()
			for range pages {
				start := time.Now()
				got, err := s.ask(ctx, ids, user)
				f.wall = time.Since(start)
				if err != nil || !reflect.DeepEqual(got, want) {
					return nil, fmt.Errorf("%s: %d rows, which is not the answer: %w", s.name, len(got), err)
				}
				if turn > 0 {
					walls[i] = append(walls[i], f.wall)
				}
			}
			if turn == 0 {
				f.name, f.n = s.name, n
				continue
			}
			f.cpu += cpu() - before
			f.requests += float64(service.requests.Load())
			f.ops += float64(service.data.ops.Load())
		}
	}
	for i := range out {
		pages := float64(len(walls[i]))
		out[i].wall = median(walls[i])
		out[i].cpu = time.Duration(float64(out[i].cpu) / pages)
		out[i].requests /= pages
		out[i].ops /= pages
	}
	return out, nil
}

// closedLoop lets clients ask for page after page. A page that was begun is finished.
func closedLoop(ctx context.Context, s strategy, n, clients int, window time.Duration) (loaded, error) {
	ids := idsTo(n)
	walls := make([][]time.Duration, clients)
	errs := make([]error, clients)
	runtime.GC()
	before, start := cpu(), time.Now()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for {
				began := time.Now()
				_, errs[c] = s.ask(ctx, ids, user)
				walls[c] = append(walls[c], time.Since(began))
				if errs[c] != nil || time.Since(start) >= window {
					return
				}
			}
		})
	}
	wg.Wait()
	took, used := time.Since(start), cpu()-before
	for _, err := range errs {
		if err != nil {
			return loaded{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	all := slices.Concat(walls...)
	return loaded{float64(len(all)) / took.Seconds(), median(all), used / time.Duration(len(all))}, nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// cpu is what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func table(latency time.Duration, n, clients int, figures []figure) {
	fmt.Printf("%d films, %v for a backend operation\n", n, latency)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tpage ms\tCPU ms\trequests\tbackend\t%d clients: pages/s\tpage ms\tCPU ms\t\n", clients)
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3g\t%.3g\t%.0f\t%s\t%s\t\n", f.name, ms(f.wall), ms(f.cpu), f.requests, f.ops, f.load.pages, ms(f.load.median), ms(f.load.cpu))
	}
	_ = w.Flush() // standard output is all there is to tell it on
	fmt.Println()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3g", float64(d)/1e6) }

// bars prints what Redeye is held to.
func bars(latency time.Duration, figures []figure) {
	find := func(name string, n int) (f figure, ok bool) {
		i := slices.IndexFunc(figures, func(f figure) bool { return f.name == name && f.n == n })
		if i < 0 {
			return f, false
		}
		return figures[i], true
	}
	say := func(what string, got, bar float64, atLeast bool) {
		verdict := "met"
		if got > bar && !atLeast || got < bar && atLeast {
			verdict = "missed"
		}
		fmt.Printf("%-64s %6.2f  (%g) %s\n", what, got, bar, verdict)
	}
	for _, n := range []int{100, 1000} {
		hand, ok1 := find("endpoint by hand", n)
		ours, ok2 := find("Redeye", n)
		ahead, ok3 := find("Redeye, calling ahead", n)
		sixteen, ok4 := find("a call each, 16 at once", n)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			continue
		}
		at := fmt.Sprintf(", %d films, %v", n, latency)
		say("requests of a page"+at, ours.requests, 1, false)
		say("backend operations of a page"+at, ours.ops, 4, false)
		say("time, to the endpoint's"+at, float64(ours.wall)/float64(hand.wall), 1.10, false)
		if latency == 5*time.Millisecond {
			say("time, to the endpoint's, calling ahead"+at, float64(ahead.wall)/float64(hand.wall), 0.75, false)
		}
		if n == 1000 {
			say("CPU, to the endpoint's"+at, float64(ours.cpu)/float64(hand.cpu), 1.5, false)
			say("CPU, to the endpoint's, many clients"+at, float64(ours.load.cpu)/float64(hand.load.cpu), 1.5, false)
		}
		if latency == time.Millisecond {
			say("16 at once, to it"+at, float64(sixteen.wall)/float64(ours.wall), 7, true)
		}
	}
}
