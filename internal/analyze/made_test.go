package analyze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestAround runs the cases of testdata/around, written as those of TestCauses: what is called around the repeated calls, and where in the code.
func TestAround(t *testing.T) {
	datadriven.Walk(t, "testdata/around", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			b, err := parseCalls(d.Input)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			tree := NewTree(b)
			_, causes := NewProfiler().Examine(tree, 0)
			if len(causes) == 0 {
				d.Fatalf(t, "no cause")
			}
			var w strings.Builder
			fmt.Fprintf(&w, "%v of %s at %+v\n", causes[0].Kind, causes[0].Path.Label, causes[0].Site)
			for _, m := range CallsAround(tree, int(causes[0].Rows[0])) {
				fmt.Fprintf(&w, "%s ×%d from %s, also %q\n", m.Label, m.Count, inMS(m.First), m.Names)
			}
			return w.String()
		})
	})
}
