package storetest

import (
	"testing"

	"github.com/fuwu-project/fuwu/internal/store"
)

func open(*testing.T) store.Store { return NewModel() }

func TestModel(t *testing.T) { Run(t, open) }

// Of copies too, an engine may count as many as there are.
func TestModelWithCopies(t *testing.T) {
	if testing.Short() {
		return
	}
	RunConfig(t, Config{Open: func(*testing.T) store.Store { return newModel(true) }})
}

// An engine that is opened again, as the harness sees it: the model, handed over.
func TestModelReopened(t *testing.T) {
	cfg := Config{Open: open, Reopen: func(t *testing.T, s store.Store) store.Store {
		old := s.(*model)
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		return &model{copies: old.copies, spans: old.spans, all: old.all, copy: old.copy, seen: old.seen, traces: old.traces}
	}}
	RunConfig(t, cfg)
}

func TestModelProperty(t *testing.T) {
	Property(t, Config{Open: open})
	Property(t, Config{Open: func(*testing.T) store.Store { return newModel(true) }})
}
