package movies_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

const docs = "../../../../docs/redeye/"

// The reference has a line for each node, whose program has that node and whose answer is what the service answers. With -rewrite the answers are
// written anew.
func TestReference(t *testing.T) {
	_, h := serve(t)
	c := inProcess(h)
	b, err := os.ReadFile(docs + "reference.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for op := range ast.Op(255) {
		if op.New() != nil {
			missing[op.String()] = true
		}
	}
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.+?) \\| `([^`]+)` \\| `([^`]*)` \\|$")
	page := row.ReplaceAllStringFunc(string(b), func(line string) string {
		m := row.FindStringSubmatch(line)
		op, what, program, want := m[1], m[2], m[3], m[4]
		if !missing[op] {
			t.Errorf("%s: there is no such node, or it has two lines", op)
		}
		delete(missing, op)
		root, _, err := text.Parse(program, ast.Limits{})
		if err != nil {
			t.Errorf("%s: %v", op, err)
			return line
		}
		if !has(root, op) {
			t.Errorf("%s: the example %s does not have it", op, program)
		}
		args := redeye.Args{}
		for name, value := range map[string]any{"ids": []int64{1, 2, 3}, "user": 12} {
			if regexp.MustCompile(`\b` + name + `\b`).MatchString(program) {
				args[name] = value
			}
		}
		got, err := redeye.Text[*column.Column](program, args).Run(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", op, err)
			return line
		}
		answer := string(column.AppendJSON(nil, got, 0))
		if answer != want && !*rewrite {
			t.Errorf("%s: %s answers %s, not %s", op, program, answer, want)
		}
		return "| `" + op + "` | " + what + " | `" + program + "` | `" + answer + "` |"
	})
	for op := range missing {
		t.Errorf("%s has no line in the reference", op)
	}
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(docs+"reference.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func has(n ast.Node, op string) bool {
	if n.Op().String() == op {
		return true
	}
	for c := range ast.Children(n) {
		if has(c, op) {
			return true
		}
	}
	return false
}

// Programs and Go code of the other pages are those that are tested here.
func TestTutorial(t *testing.T) {
	b, err := os.ReadFile(docs + "tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	_, h := serve(t)
	c := inProcess(h)
	programs := regexp.MustCompile("(?s)```redeye\n(.*?)```\n\n```json\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	if len(programs) == 0 {
		t.Fatal("the tutorial has no programs")
	}
	for _, m := range programs {
		args := redeye.Args{"ids": []int64{1, 2, 3}}
		if strings.Contains(m[1], "user") {
			args["user"] = 12
		}
		got, err := redeye.Text[*column.Column](m[1], args).Run(t.Context(), c)
		if err != nil {
			t.Errorf("%s\n%v", m[1], err)
			continue
		}
		if answer := string(column.AppendJSON(nil, got, 0)); answer != strings.TrimSpace(m[2]) {
			t.Errorf("%s\nanswers\n%s", m[1], answer)
		}
	}
	src, err := os.ReadFile("tutorial_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	if len(code) == 0 {
		t.Fatal("the tutorial has no code")
	}
	for _, m := range code {
		if !strings.Contains(string(src), m[1]) {
			t.Errorf("this is not in tutorial_test.go:\n%s", m[1])
		}
	}
}
