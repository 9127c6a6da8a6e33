package local

import (
	"testing"

	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
)

// config runs the conformance suite on a disk.
func config(newOptions func(t *testing.T) Options) storetest.Config {
	return storetest.Config{
		Open: func(t *testing.T) store.Store { return open(t, newOptions(t)) },
		Seal: func(t *testing.T, s store.Store) { sealNow(t, s.(*Store)) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, s.(*Store).o)
		},
	}
}

func onMem(*testing.T) Options { return options(vfs.NewMem(), "/data") }

func onDisk(t *testing.T) Options { return options(vfs.OS(), t.TempDir()) }

// inPieces seals every few spans, so that queries meet several segments.
func inPieces(t *testing.T) Options {
	o := onMem(t)
	o.SegmentRows = 40
	return o
}

func TestStoreMem(t *testing.T)    { storetest.RunConfig(t, config(onMem)) }
func TestStoreDisk(t *testing.T)   { storetest.RunConfig(t, config(onDisk)) }
func TestStorePieces(t *testing.T) { storetest.RunConfig(t, config(inPieces)) }

func TestProperty(t *testing.T) { storetest.Property(t, config(onMem)) }
