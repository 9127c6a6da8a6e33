package analyze

import (
	"fmt"
	"slices"
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

// TestQuerySaving runs the cases of testdata/query, written as those of TestCauses: what a query saves that does calls of a service. Its waves are
// divided by commas, the labels of one by +; that of - has none.
func TestQuerySaving(t *testing.T) {
	datadriven.RunTest(t, "testdata/query", func(t *testing.T, d *datadriven.TestData) string {
		b, err := parseCalls(d.Input)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		at := slices.IndexFunc(d.CmdArgs, func(a datadriven.CmdArg) bool { return a.Key == "waves" })
		var waves [][]string
		for _, v := range d.CmdArgs[at].Vals {
			var labels []string
			if v != "-" {
				labels = strings.Split(v, "+")
			}
			waves = append(waves, labels)
		}
		return inMS(QuerySaving(NewTree(b), 0, d.Cmd, waves)) + " ms\n"
	})
}
