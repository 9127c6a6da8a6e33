package api

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestDistance compares with the definition.
func TestDistance(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		switch {
		case a == "" || b == "":
			return len(a) + len(b)
		case a[0] == b[0]:
			return slow(a[1:], b[1:])
		}
		return 1 + min(slow(a[1:], b), slow(a, b[1:]), slow(a[1:], b[1:]))
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if got, want := distance(a, b), slow(a, b); got != want {
			t.Fatalf("from %q to %q: %d, want %d", a, b, got, want)
		}
	})
	if distance(strings.Repeat("x", 1<<20), "x") != 200 {
		t.Error("a long text is not near")
	}
}
