package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// What can be changed while the site runs, by whoever shows it to somebody:
//
//	GET  /mode                             the way of each page, as JSON
//	POST /mode?page=photos&impl=redeye     changes it; without a page, of all pages
//	GET  /fault                            whether visitors come to the page that fails
//	POST /fault?on=true                    makes them

// modes are the ways in which pages get their data.
type modes struct {
	mu    sync.Mutex
	first Way              // of pages that are added
	now   map[string]Way   // by page
	can   map[string][]Way // likewise
}

func (m *modes) add(page string, ways []Way) {
	m.mu.Lock()
	defer m.mu.Unlock()
	way := m.first
	if !slices.Contains(ways, way) {
		way = ways[0]
	}
	m.now[page], m.can[page] = way, ways
}

// Mode is the way in which a page gets its data.
func (s *Site) Mode(page string) Way {
	s.mode.mu.Lock()
	defer s.mode.mu.Unlock()
	return s.mode.now[page]
}

// SetMode changes it, of all pages that can if page is empty.
func (s *Site) SetMode(page string, way Way) error {
	m := &s.mode
	m.mu.Lock()
	defer m.mu.Unlock()
	if page != "" && m.can[page] == nil {
		return fmt.Errorf("there is no page %q; the pages are %s", page, strings.Join(slices.Sorted(maps.Keys(m.can)), ", "))
	}
	set := false
	for name, ways := range m.can {
		if (name == page || page == "") && slices.Contains(ways, way) {
			m.now[name], set = way, true
		}
	}
	if !set {
		return fmt.Errorf("no such page gets its data by %q; impl is one of %v", way, Ways())
	}
	return nil
}

// controls serves what is described above.
func (s *Site) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /mode", s.showMode)
	mux.HandleFunc("POST /mode", func(w http.ResponseWriter, r *http.Request) {
		if err := s.SetMode(r.FormValue("page"), Way(r.FormValue("impl"))); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if back := r.FormValue("back"); strings.HasPrefix(back, "/") && !strings.HasPrefix(back, "//") {
			http.Redirect(w, r, back, http.StatusSeeOther)
			return
		}
		s.showMode(w, r)
	})
	mux.HandleFunc("GET /fault", s.showFault)
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		s.SetFault(r.FormValue("on") == "true")
		s.showFault(w, r)
	})
}

// SetFault sends visitors to the page that asks for too much, ten a second, or no longer.
func (s *Site) SetFault(on bool) { s.fault.Store(on) }

func (s *Site) showMode(w http.ResponseWriter, _ *http.Request) {
	s.mode.mu.Lock()
	defer s.mode.mu.Unlock()
	answer(w, s.mode.now)
}

func (s *Site) showFault(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]bool{"on": s.fault.Load()})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone if this fails
}
