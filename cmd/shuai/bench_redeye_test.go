package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table has a row for each page and way, with the calls that the page makes.
func TestBenchRedeye(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"bench", "redeye", "--n", "10", "--latency", "0s", "--for", "10ms", "--clients", "2", "--no-photos"}, &out, &errs)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var got []string
	row := regexp.MustCompile(`^\s*home, n = (\d+)\s+0s\s+(\S+)(?:\s+\S+ ms){3}\s+\d+\s+(\d+)\s+(\d+)\s+\S+ ms\s`)
	for line := range strings.Lines(out.String()) {
		if m := row.FindStringSubmatch(line); m != nil {
			got = append(got, strings.Join(m[1:], " "))
		}
	}
	want := []string{ // n, way, RPCs, store requests
		"10 nk 28 29", "10 redeye 1 4", "10 hand 1 4", // one of ten films is not for user 8
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q, of\n%s", got, want, &out)
	}
	for _, args := range [][]string{{"--n", "0"}, {"--n", "1001"}, {"--clients", "0"}, {"--for", "0s"}} {
		if code := run(t.Context(), append([]string{"bench", "redeye"}, args...), &out, &errs); code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
