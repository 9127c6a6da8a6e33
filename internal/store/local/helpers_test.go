package local

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The codec of the tests' logs: gob of the spans.
const gobFormat = 0xfe

func encode(b *span.Batch) (byte, []byte) {
	spans := make([]span.Span, b.Len())
	for i := range spans {
		spans[i] = b.Span(i)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(spans); err != nil {
		panic(err)
	}
	return gobFormat, buf.Bytes()
}

func decode(format byte, body []byte, b *span.Batch) error {
	if format != gobFormat {
		return fmt.Errorf("format %d", format)
	}
	var spans []span.Span
	if err := gob.NewDecoder(bytes.NewReader(body)).Decode(&spans); err != nil {
		return err
	}
	for i := range spans {
		b.Append(&spans[i])
	}
	return nil
}

// options are for a store in dir of fsys.
func options(fsys vfs.FS, dir string) Options {
	return Options{Dir: dir, FS: fsys, Encode: encode, Decode: decode, Logger: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) && !errors.Is(err, vfs.ErrCrashed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// sealNow seals what is in memory and waits for it.
func sealNow(t testing.TB, s *Store) {
	t.Helper()
	if st := s.Stats(); st.HeadSpans == 0 {
		return
	}
	done := make(chan error)
	s.rotate <- done
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitSealed(t, s)
}

// waitSealed waits until one head is left.
func waitSealed(t testing.TB, s *Store) {
	t.Helper()
	for !s.hasOneHead() {
		<-s.sealed
	}
}

func (s *Store) hasOneHead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heads) == 1
}

func batch(spans ...span.Span) *span.Batch {
	b := &span.Batch{}
	for i := range spans {
		b.Append(&spans[i])
	}
	return b
}
