package quantity

import "testing"

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0", 7: "7 ns", 999: "999 ns", 1000: "1.00 µs", 9994: "9.99 µs", 9996: "10.0 µs", 99_960: "100 µs", 999_499: "999 µs",
		999_500: "1.00 ms", 5_100_000: "5.10 ms", 999_499_999: "999 ms", 999_500_000: "1.00 s", 59_900_000_000: "59.9 s", 61_000_000_000: "1m1s",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("%d ns is shown as %q, want %q", ns, got, want)
		}
	}
}
