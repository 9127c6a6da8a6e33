package server_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Where all lengths are given and nothing depends on what values are, what is estimated is what is done: batches and all.
func TestEstimatesOfWhatIsCertain(t *testing.T) {
	line := regexp.MustCompile(`  about (\d+ rows?(?:, \d+ calls? of \d+ items?)?)(?:, median \S+)? +(\d+ rows?(?: in \d+ columns)?(?:, \d+ calls? of \d+ items?)?)`)
	columns := regexp.MustCompile(` in \d+ columns`)
	for _, text := range []string{
		`get_movies(ids)`,
		`get_movies(ids).map(lambda m: m.title())`,
		`get_movies(ids).map(lambda m: {"a": m.title(), "b": m.title() + "!", "c": [m.rating()]})`,
		`get_movies(ids).map(lambda m: m.cast().length())`, // at most 4 at once
		`get_movies(ids).map(lambda m: m.poster())`,        // one by one
		`get_movies(ids).map(lambda m: m.can_view(7))`,
		`get_movies(ids).map(lambda m: m.can_view(m.id))`, // a call for each argument
		`get_movies(ids).map(lambda m: m.title()).limit(3)`,
		`get_movies(ids).skip(2).map(lambda m: m.title()).limit(5)`,
		`get_movies(ids).map(lambda m: {"t": m.title(), "p": m.poster()}).map(lambda o: o.t)`, // what nobody wants is not asked
		`get_movies(ids).map(lambda m: m.title()).length()`,
		`get_movies(ids).sort(lambda m: m.title()).limit(2).map(lambda m: {"t": m.title(), "r": m.rating()})`,
		`let(get_movies(ids), lambda ms: {"a": ms.limit(2).map(lambda m: m.title()), "b": ms.map(lambda m: m.rating())})`,
		`ids.map(lambda i: get_movies([i]).map(lambda m: m.title()))`,
		`ids.flat_map(lambda i: get_movies([i])).map(lambda m: m.can_view(1))`,
		`get_movies(ids).max(lambda m: m.stars().on_error(0))`,
		`get_movies(ids).sort(lambda m: m.year).page(4, None).rows.map(lambda m: m.title())`,
		`ids.reduce(0, lambda acc, i: acc + i)`,
		`let(ids.reduce(0, lambda acc, i: acc + i), lambda s: {"a": 0 if ids.length() > 100 else s, "b": ids.map(lambda i: s + i)})`, // s for half a row, then for one
		`get_movies(ids.validate(lambda l: l.length() < 100, "too many")).map(lambda m: m.title())`,
		`(get_movies(ids).limit(2) + get_movies(ids).skip(7)).map(lambda m: m.id)`,
		`get_movies(ids).group(lambda m: m.title()).length()`,
	} {
		w := newWorld()
		out, err := w.Analyze(t.Context(), request(text, "ids", "[1, 2, 3, 5, 6, 7, 9, 10, 11]"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		plan, _, _ := strings.Cut(out.Plan, "\n\n")
		compared := 0
		for l := range strings.Lines(plan) {
			if m := line.FindStringSubmatch(l); m != nil {
				compared++
				if real := columns.ReplaceAllString(m[2], ""); m[1] != real {
					t.Errorf("%s: %q is estimated, %q is done:\n%s", text, m[1], real, l)
				}
			}
		}
		if compared == 0 {
			t.Errorf("%s: nothing to compare in\n%s", text, out.Plan)
		}
	}
}

// Where nothing is known something is taken for granted, which is better than nothing.
func TestEstimates(t *testing.T) {
	for _, test := range []struct{ text, node, want string }{
		{`get_movies(ids).map(lambda m: m.title())`, "call Movie.title", "about 10 rows, 1 call of 10 items"},
		{`movies(1, 90).map(lambda m: m.title())`, "call Movie.title", "about 10 rows, 1 call of 10 items"},
		{`get_movies([1, 2, 3]).map(lambda m: m.title())`, "call Movie.title", "about 3 rows, 1 call of 3 items"},
		{`get_movies(ids).filter(lambda m: m.can_view(u)).map(lambda m: m.title())`, "call Movie.title", "about 5 rows, 1 call of 5 items"},
		{`get_movies(ids).filter(lambda m: m.year > 1990 and m.can_view(u)).length()`, "call Movie.can_view", "about 5 rows, 1 call of 5 items"},
		{`get_movies(ids).filter(lambda m: m.can_view(u)).limit(2).map(lambda m: m.title())`, "call Movie.can_view", "about 4 rows, 1 call of 4 items"},
		{`get_movies(ids).map(lambda m: m.cast().map(lambda a: a.name()))`, "call Actor.name", "about 100 rows, 1 call of 100 items"},
		{`get_movies(ids).map(lambda m: m.title() if m.year > 1990 else m.genre)`, "call Movie.title", "about 5 rows, 1 call of 5 items"},
		{`get_movies(ids).map(lambda m: m.may_see(u)).limit(0)`, "call Movie.may_see, at most 50 at once", "about nothing"},
		{`get_movies(ids).flat_map(lambda m: m.cast()).flat_map(lambda a: get_movies(ids)).map(lambda m: m.cast())`, "call Movie.cast, at most 4 at once", "about 1010 rows, 253 calls of 1010 items"},
	} {
		out, err := newWorld().Explain(t.Context(), request(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if !regexp.MustCompile(`(?m)  ` + regexp.QuoteMeta(test.node) + `  #\d+ .*  ` + test.want + `$`).MatchString(out.Plan) {
			t.Errorf("%s: want %q at %s in\n%s", test.text, test.want, test.node, out.Plan)
		}
	}
	// Lists of ever more lengths, each used by the next in two places, would take for ever.
	text := "[1, 2]"
	for i := range 40 {
		text = fmt.Sprintf("let(%s, lambda x: x.limit(%d).map(lambda i: x.skip(1).map(lambda j: j + i).length()) + x.filter(lambda i: i > 2) + x)", text, i+2)
	}
	w := newWorld()
	w.Limits = ast.Limits{Nodes: 10_000, Depth: 1000, Lambdas: 100}
	if out, err := w.Explain(t.Context(), request(text)); err != nil || !strings.Contains(out.Plan, "not estimated") {
		t.Errorf("%v, %+v", err, out)
	}
	if _, err := w.Explain(t.Context(), request(`get_movies(ids).length()`, "ids", `"x"`)); reason(t, err).Reason != "PARAMETER" {
		t.Error(err)
	}
}
