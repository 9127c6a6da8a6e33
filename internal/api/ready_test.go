package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
)

// deafStore answers no question for a trace: it fails, or without an error to fail with hangs.
type deafStore struct {
	store.Store
	err error
}

func (s deafStore) Trace(ctx context.Context, _ span.TraceID) (*span.Batch, error) {
	if s.err == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, s.err
}

// TestReady: a server that takes no more requests, or whose store does not answer, is alive but not ready.
func TestReady(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		code int
		says string
		took time.Duration
	}{
		"ready":    {Config{}, 200, "ready", 0},
		"welcome":  {Config{Ready: func() error { return nil }}, 200, "ready", 0},
		"stopping": {Config{Ready: func() error { return errors.New("the server is stopping") }}, 503, "is stopping", 0},
		"closed":   {Config{Store: deafStore{err: store.ErrClosed}}, 503, "is stopping", 0},
		"broken":   {Config{Store: deafStore{err: errors.New("page 7 of /var/lib/secret is torn")}}, 503, "its log says why", 0},
		"hanging":  {Config{Store: deafStore{}}, 503, "within 2s", 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.cfg.Store == nil {
					tt.cfg.Store = storetest.NewModel()
				}
				h := New(tt.cfg)
				began := time.Now()
				w := get(t, h, "/readyz")
				if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "secret") || time.Since(began) != tt.took {
					t.Errorf("/readyz: %d %s after %v", w.Code, w.Body, time.Since(began))
				}
				if w := get(t, h, "/healthz"); w.Code != 200 {
					t.Errorf("/healthz: %d", w.Code)
				}
			})
		})
	}
}

// TestReadyWhileBusy: waiting questions do not make a server unready.
func TestReadyWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := brokenStore{Store: storetest.NewModel(), hang: true, inside: make(chan struct{})}
		h := New(Config{Store: s, MaxQueries: 1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/endpoints", nil))
		}()
		<-s.inside
		if w := get(t, h, "/readyz"); w.Code != 200 {
			t.Errorf("/readyz of a busy server: %d %s", w.Code, w.Body)
		}
		if got := scrape(t, h).values["shuai_queries_running"]; got != 1 {
			t.Errorf("%v questions are running", got)
		}
		cancel()
		<-done
	})
}
