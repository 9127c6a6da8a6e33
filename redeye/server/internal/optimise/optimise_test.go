package optimise_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/optimise"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// testdata/rules: a program, and what becomes of it by which rules. The variable m is always a movie. That optimised programs have the value that
// they had is shown by the random programs of package server.
func TestRules(t *testing.T) {
	used := map[string]bool{}
	datadriven.RunTest(t, "testdata/rules", func(t *testing.T, d *datadriven.TestData) string {
		n, source, err := text.Parse(d.Input, ast.Limits{})
		if err != nil {
			return err.Error()
		}
		types := optimise.Types{}
		for node, span := range source.Spans {
			if _, ok := node.(*ast.Var); ok && source.Text[span.Start:span.End] == "m" {
				types[node] = schema.EntityOf("Movie")
			}
		}
		better, rules := optimise.Program(n, source, types)
		if err := ast.Check(better, ast.Limits{}); err != nil {
			t.Error(err)
		}
		for _, r := range rules {
			used[r] = true
		}
		if len(rules) == 0 {
			return "as it is\n"
		}
		return ast.Text(better) + "\n" + strings.Join(rules, ", ") + "\n"
	})
	for _, r := range optimise.Rules {
		if !used[r.Name] {
			t.Errorf("no script applies %q", r.Name)
		}
	}
}
