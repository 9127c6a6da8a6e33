package demo

import (
	"flag"
	"os"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/gen"
)

var update = flag.Bool("update", false, "write package movies and golden files anew")

// golden compares with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("%s is not what it was (%v); -update writes it. It is now\n%s", file, err, got)
	}
}

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
	golden(t, "movies/movies.go", string(want))
}
