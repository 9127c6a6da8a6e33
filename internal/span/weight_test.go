package span

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestWeight(t *testing.T) {
	for state, want := range map[string]float64{
		"":                                1,
		"a=1,b=2":                         1,
		"ot=th:0":                         1,
		"ot=th:8":                         2,
		"ot=th:c":                         4,
		"ot=th:fff":                       4096,
		"a=1, ot=rv:00000000000001;th:8 ": 2,
		"ot=th:ffbe76c8b4395a":            1000,
		"ot=th:80000000000000":            2,
		"ot=th:ffffffffffffff":            maxWeight,
		"ot=th:":                          1,
		"ot=th:g":                         1,
		"ot=th:800000000000000":           1, // 15 digits
		"ot=th:-1":                        1,
		"ot=th:0x8":                       1,
		"ot=p:8":                          1,
		"not=th:8":                        1,
		"a=ot=th:8":                       1,
		"ot=p:1,ot=th:8":                  1, // a key is there once
	} {
		if got := Weight([]byte(state)); math.Abs(got-want) > want*1e-9 {
			t.Errorf("%q stands for %v, want %v", state, got, want)
		}
	}
}

func FuzzWeight(f *testing.F) {
	for _, s := range []string{"ot=th:8", "a=1,ot=rv:1;th:c", "ot=th:ffffffffffffff", strings.Repeat("ot=;", 9)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		if w := Weight([]byte(state)); !(w >= 1 && w <= maxWeight) {
			t.Errorf("%q stands for %v", state, w)
		}
	})
}

// The weights of all thresholds of a digit are what the thresholds say, however many zeros are written.
func TestWeightDigits(t *testing.T) {
	for digit := range 16 {
		want := 16 / float64(16-digit)
		for zeros := range 14 {
			state := fmt.Sprintf("ot=th:%x%s", digit, strings.Repeat("0", zeros))
			if got := Weight([]byte(state)); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s stands for %v, want %v", state, got, want)
			}
		}
	}
}
