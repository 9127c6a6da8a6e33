package api

import (
	"context"
	"sync"
	"time"
)

// recent remembers answers for a short while: a page that is loaded again, or by everybody at once, is not worked
// out again. It is safe for concurrent use.
type recent struct {
	mu    sync.Mutex
	made  map[string]recentAnswer
	bytes int
}

type recentAnswer struct {
	at   time.Time
	body []byte
}

const (
	recentFor   = 15 * time.Second
	recentBytes = 16 << 20 // of all answers
)

// remembered answers like of, or with what it answered to the same words less than recentFor ago.
func (s *server) remembered(kind string, of endpoint) endpoint {
	return func(ctx context.Context, p *params) ([]byte, error) {
		key := kind + "?" + p.values.Encode() // in order of the names
		if body := s.recent.find(key, p.now); body != nil {
			return body, nil
		}
		body, err := of(ctx, p)
		if err == nil {
			s.recent.keep(key, p.now, body)
		}
		return body, err
	}
}

func (r *recent) find(key string, now time.Time) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.made[key]; ok && now.Sub(a.at) < recentFor {
		return a.body
	}
	return nil
}

func (r *recent) keep(key string, now time.Time, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	drop := func(key string) {
		r.bytes -= len(key) + len(r.made[key].body)
		delete(r.made, key)
	}
	if _, ok := r.made[key]; ok {
		drop(key)
	}
	for old, a := range r.made {
		if now.Sub(a.at) >= recentFor {
			drop(old)
		}
	}
	if r.bytes+len(key)+len(body) > recentBytes {
		return
	}
	if r.made == nil {
		r.made = map[string]recentAnswer{}
	}
	r.made[key] = recentAnswer{now, body}
	r.bytes += len(key) + len(body)
}
