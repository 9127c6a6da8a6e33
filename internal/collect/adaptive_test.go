package collect_test

import (
	"log/slog"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/sampling"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/shuai"
)

// TestAdaptiveSampling: a tracer as it comes and a collector agree within a report or two that every endpoint yields ten traces a
// second, a rare one all it has; when the collector goes away the last ratios stay.
func TestAdaptiveSampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wanted = 600 // traces a minute of each endpoint; the default ratio gives the busy one 60, the others next to none
		model := storetest.NewModel()
		c := collect.New(collect.Config{Store: model, Sampling: sampling.New(wanted), Logger: slog.New(slog.DiscardHandler)})
		var servers sync.WaitGroup
		defer servers.Wait()
		door, server := newPipes(), collect.NewHTTPServer(c.HTTPHandler())
		servers.Go(func() { _ = server.Serve(c.Listen(door)) })
		transport := &http.Transport{DialContext: door.dial}
		defer transport.CloseIdleConnections()
		tracer, err := shuai.New(shuai.Config{Service: "web", Endpoint: "http://collector", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}

		endpoints := []struct {
			name  string
			every time.Duration // a trace begins
		}{
			{"busy", time.Millisecond},
			{"usual", 50 * time.Millisecond},
			{"rare", 10 * time.Second},
		}
		// minute serves a minute's traffic, as many times as much as usual, and says how many traces of each endpoint began and were recorded.
		minute := func(load int) (began, recorded map[string]int) {
			began, recorded = map[string]int{}, map[string]int{}
			for tick := range time.Minute / time.Millisecond {
				time.Sleep(time.Millisecond)
				for _, e := range endpoints {
					if tick%(e.every/time.Millisecond) != 0 {
						continue
					}
					for range load {
						_, s := tracer.StartSpan(t.Context(), e.name, shuai.KindServer)
						began[e.name]++
						if s.Recording() {
							recorded[e.name]++
						}
						s.End()
					}
				}
			}
			return began, recorded
		}
		check := func(when, name string, got int, want float64) {
			t.Helper()
			if math.Abs(float64(got)-want) > 6*math.Sqrt(want) {
				t.Errorf("%s: %d traces of %q in a minute, want about %v", when, got, name, want)
			}
		}

		minute(1)
		if tracer.Stats().Sampled == 0 {
			t.Fatal("nothing is recorded")
		}
		began, recorded := minute(1)
		for _, busy := range []string{"busy", "usual"} {
			check("with a collector", busy, recorded[busy], wanted)
		}
		if recorded["rare"] != began["rare"] {
			t.Errorf("%d of %d rare traces are recorded", recorded["rare"], began["rare"])
		}
		time.Sleep(2 * time.Second) // a flush
		synctest.Wait()
		if sent, came := tracer.Stats(), c.Stats(); sent.Exported != sent.Sampled || uint64(came.Spans) != sent.Sampled {
			t.Errorf("%+v was recorded and %+v stored", sent, came)
		}

		_ = server.Close() // and what was agreed upon stays
		began, recorded = minute(2)
		for _, busy := range []string{"busy", "usual"} {
			check("alone", busy, recorded[busy], 2*wanted)
		}
		if recorded["rare"] != began["rare"] {
			t.Errorf("alone: %d of %d rare traces are recorded", recorded["rare"], began["rare"])
		}
		if err := tracer.Stop(t.Context()); err == nil {
			t.Error("Stop says nothing of the spans that nobody took")
		}
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
}
