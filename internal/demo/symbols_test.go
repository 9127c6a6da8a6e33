package demo

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/gen"
)

var update = flag.Bool("update", false, "write package movies anew")

// Package movies is what "redeye gen" makes of the schema that the movie service serves.
func TestSymbols(t *testing.T) {
	sch, err := new(Site).offer().Schema()
	if err != nil {
		t.Fatal(err)
	}
	want, err := gen.Go(sch, "movies")
	if err != nil {
		t.Fatal(err)
	}
	const file = "movies/movies.go"
	if *update {
		if err := os.WriteFile(file, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not that of the schema (%v); go test -run TestSymbols -update writes it", file, err)
	}
}
