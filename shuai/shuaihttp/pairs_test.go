package shuaihttp

import (
	"fmt"
	"sync"
	"testing"
)

// Texts of two words are put together once, up to a bound, and are right all the same beyond it.
func TestPairs(t *testing.T) {
	var p pairs
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2 * maxPairs {
				first, second := fmt.Sprint("host", i), fmt.Sprint("/", i)
				if got := p.text(first, second); got != first+" "+second {
					t.Errorf("%q and %q are %q", first, second, got)
				}
			}
		})
	}
	wg.Wait()
	if n := len(*p.texts.Load()); n > maxPairs {
		t.Errorf("%d texts are kept", n)
	}
	if p.text("GET", "") != "GET" {
		t.Error("one word is not itself")
	}
}
