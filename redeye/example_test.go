package redeye_test

import (
	"fmt"

	"github.com/fuwu-project/fuwu/redeye"
)

// ask stands for a library's function that wants to know its user.
func ask() redeye.CallSite { return redeye.Here(1) }

func ExampleHere() {
	site := ask()
	fmt.Println(site)
	fmt.Println(site.Key)
	// Output:
	// redeye_test/example_test.go:13
	// github.com/fuwu-project/fuwu/redeye_test.ExampleHere
}
