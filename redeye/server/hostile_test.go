package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// liveHeap is what is left when the garbage is gone.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// Hostile programs end in an error of the kind that they earn. Until then they allocate what their budgets let them (all of it: what is alive at any one time is
// less), and nothing of it stays.
func TestHostilePrograms(t *testing.T) {
	const (
		budget  = "RESOURCE_EXHAUSTED BUDGET_EXCEEDED"
		limit   = "RESOURCE_EXHAUSTED LIMIT"
		typing  = "INVALID_ARGUMENT TYPE"
		bounds  = "OUT_OF_RANGE"
		missing = "NOT_FOUND PLAN_UNKNOWN"
	)
	deep := ast.Node(&ast.Lit{Value: ast.Bool(true)})
	for range 100_000 {
		deep = &ast.Unary{Code: ast.OpNot, X: deep}
	}
	var forged ast.Hash
	if _, err := rand.Read(forged[:]); err != nil {
		t.Fatal(err)
	}
	long := `movies(0, 17).reduce("xxxxxxxx", lambda s, m: s + s)` // a mebibyte
	programs := map[string]struct {
		want string
		text string
		req  server.Request
	}{
		"product":                {budget, `movies(0, 90000).flat_map(lambda a: movies(0, 90000))`, server.Request{}},
		"cross join":             {budget, `movies(0, 90000).join(movies(0, 90000), lambda a: 1, lambda b: 1).length()`, server.Request{}},
		"doubling text":          {bounds, `movies(0, 60).reduce("ab", lambda s, m: s + s)`, server.Request{}},
		"doubling texts":         {budget, `movies(0, 90000).map(lambda m: movies(0, 18).reduce("ab", lambda s, n: s + s).length())`, server.Request{}},
		"doubling list":          {budget, `movies(0, 60).reduce([1, 2], lambda s, m: s + s)`, server.Request{}},
		"doubling nested lists":  {budget, `[1]` + strings.Repeat(`.map(lambda x: [x, x])`, 40), server.Request{}},
		"many rows":              {budget, `movies(0, 200000)`, server.Request{}},
		"steps":                  {budget, `movies(0, 90000).map(lambda m: m.id)` + strings.Repeat(".map(lambda x: x + 1)", 60) + `.sum()`, server.Request{}},
		"calls":                  {budget, `movies(0, 5000).map(lambda m: m.poster())`, server.Request{}},
		"groups of groups":       {budget, `movies(0, 90000).map(lambda m: movies(0, 90000).filter(lambda x: x.id == m.id).length())`, server.Request{}},
		"filter of all by all":   {budget, `movies(0, 90000).filter(lambda m: movies(0, 90000).any(lambda x: x.id == m.id and x.year > 3000))`, server.Request{}},
		"type of objects":        {typing, `[1]` + strings.Repeat(`.map(lambda x: {"a": x, "b": x})`, 50), server.Request{}},
		"type of groups":         {typing, `[1]` + strings.Repeat(`.group(lambda x: x)`, 50), server.Request{}},
		"type of pairs":          {typing, `[1]` + strings.Repeat(`.map(lambda x: [x].join([x], lambda a: 1, lambda b: 1))`, 50), server.Request{}},
		"long pattern":           {typing, `["a"].filter(lambda s: s.matches("` + strings.Repeat("(a{1000}){1000}", 60) + `"))`, server.Request{}},
		"repeated pattern":       {typing, `["a"].filter(lambda s: s.matches("(((a{100}){100}){100})"))`, server.Request{}},
		"pattern of repetitions": {typing, `["a"].filter(lambda s: s.matches("` + strings.Repeat("x{1000}", 140) + `"))`, server.Request{}},
		"pattern of classes":     {typing, `["a"].filter(lambda s: s.matches("` + strings.Repeat(`\\pL`, 300) + `"))`, server.Request{}},
		"patterns":               {typing, `["a"].map(lambda s: [` + strings.Repeat(`s.matches("x{900}"), `, 30) + `])`, server.Request{}},
		"pattern over long text": {budget, `[` + long + `].filter(lambda s: s.matches("(x?){200}y"))`, server.Request{}},
		"a text in all rows":     {budget, `movies(0, 90000).filter(lambda m: str(m.id) in (big + "")).length()`, server.Request{}},
		"lengths of it":          {budget, `movies(0, 90000).map(lambda m: (big if m.id >= 0 else "").length()).sum()`, server.Request{}},
		"it is equal":            {budget, `movies(0, 90000).filter(lambda m: (big if m.id >= 0 else "") == also).length()`, server.Request{}},
		"it is less":             {budget, `movies(0, 90000).filter(lambda m: (big if m.id >= 0 else "") < also).length()`, server.Request{}},
		"a sort by it":           {budget, `movies(0, 90000).sort(lambda m: big + "" if m.id >= 0 else also).length()`, server.Request{}},
		"the smallest of it":     {budget, `movies(0, 90000).min(lambda m: big + "" if m.id >= 0 else also)`, server.Request{}},
		"it is a number":         {budget, `movies(0, 90000).map(lambda m: int(zeros if m.id >= 0 else "")).sum()`, server.Request{}},
		"distinct with it":       {budget, `movies(0, 90000).distinct(lambda m: {"b": big + "", "i": m.id}).length()`, server.Request{}},
		"groups of it":           {budget, `movies(0, 90000).group(lambda m: [big, str(m.id)]).length()`, server.Request{}},
		"a join by it":           {budget, `movies(0, 90000).join(movies(0, 90000), lambda a: {"b": big + "", "i": a.id}, lambda b: {"b": big + "", "i": b.id}).length()`, server.Request{}},
		"a page of it":           {budget, `movies(0, 90000).map(lambda m: {"b": big + "", "i": m.id}).sort(lambda o: o.i).page(1, None).rows.map(lambda o: o.i)`, server.Request{}},
		"arguments of it":        {budget, `movies(0, 90000).map(lambda m: takes(big + str(m.id % 2), m.id))`, server.Request{}},
		"kept by it":             {budget, `movies(0, 90000).map(lambda m: (big + "").length() + m.id).map(lambda n: {"b": big + "", "n": n}.cache("1m", "public").n).sum()`, server.Request{}},
		"a long list is equal":   {budget, `movies(0, 90000).filter(lambda m: [m.id] == many).length()`, server.Request{}},
		"a long list in lists":   {budget, `movies(0, 9000).filter(lambda m: many in [many, [m.id]]).length()`, server.Request{}},
		"elements of a map":      {budget, `movies(0, 90000).map(lambda m: table["k0"] + 1 + table["k" + str(m.id)]).sum()`, server.Request{}},
		"smallest int":           {bounds, `[-9223372036854775808 // -1]`, server.Request{}},
		"smallest int, negated":  {bounds, `[-(-9223372036854775808)]`, server.Request{}},
		"largest int, and one":   {bounds, `[9223372036854775807].map(lambda x: x + 1)`, server.Request{}},
		"sum of largest ints":    {bounds, `[9223372036854775807, 1].sum()`, server.Request{}},
		"index, largest":         {bounds, `[1, 2][9223372036854775807]`, server.Request{}},
		"index, smallest":        {bounds, `[1, 2][-9223372036854775808]`, server.Request{}},
		"limit, smallest":        {bounds, `[1, 2].limit(-9223372036854775808)`, server.Request{}},
		"skip, smallest":         {bounds, `[1, 2].skip(-9223372036854775808)`, server.Request{}},
		"int of a large float":   {bounds, `int(9223372036854775808.0)`, server.Request{}},
		"page of everything":     {budget, `movies(0, 90000).sort(lambda m: m.id).page(9223372036854775807, None)`, server.Request{}},
		"deep text":              {limit, strings.Repeat("(", 200_000) + "1" + strings.Repeat(")", 20_000), server.Request{}},
		"deep tree":              {limit, "", server.Request{Program: deep}},
		"wide":                   {limit, `[1` + strings.Repeat(", 1", 2000) + `]`, server.Request{}},
		"long":                   {limit, `"` + strings.Repeat("x", 300<<10) + `"`, server.Request{}},
		"lambdas":                {limit, strings.Repeat("[1].map(lambda x: ", 5) + "1" + strings.Repeat(")", 5), server.Request{}},
		"forged hash":            {missing, "", server.Request{Hash: forged}},
		"hash of another":        {"INVALID_ARGUMENT HASH_MISMATCH", "[1]", server.Request{Hash: forged}},
		"deep parameter":         {"INVALID_ARGUMENT PARAMETER", "[[1], x]", server.Request{Params: map[string]server.Value{"x": server.JSON([]byte(strings.Repeat("[", 1<<20)))}}},
		"long parameter": {
			"RESOURCE_EXHAUSTED BUDGET_EXCEEDED", "[[1], x]",
			server.Request{Params: map[string]server.Value{"x": server.JSON([]byte("[1" + strings.Repeat(",1", 1<<20) + "]"))}},
		},
	}
	many, table := make([]string, 50_000), make([]string, 50_000)
	for i := range many {
		many[i], table[i] = strconv.Itoa(i), fmt.Sprintf(`"k%d": %d`, i, i)
	}
	params := map[string]server.Value{ // for whichever program names them
		"big": server.JSON([]byte(`"` + strings.Repeat("b", 1<<20-10) + `"`)), "also": server.JSON([]byte(`"` + strings.Repeat("b", 1<<20-10) + `"`)),
		"zeros": server.JSON([]byte(`"` + strings.Repeat("0", 1<<20) + `"`)), "many": server.JSON([]byte("[" + strings.Join(many, ",") + "]")),
		"table": server.JSON([]byte("{" + strings.Join(table, ",") + "}")),
	}
	w := newWorld()
	server.Source(w.Server, "takes", func(context.Context, struct {
		T string
		I int64
	},
	) (int64, error) {
		return 1, nil
	})
	ctx := server.WithPrincipal(t.Context(), server.Principal{Name: "eve"})
	if _, err := w.Query(ctx, server.Request{Text: `movies(0, 90000).length()`}); err != nil {
		t.Fatal(err)
	}
	w.taken()
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		p := programs[name]
		p.req.Text = p.text
		if p.req.Params == nil {
			p.req.Params = map[string]server.Value{}
			for param, value := range params {
				if regexp.MustCompile(`\b` + param + `\b`).MatchString(p.text) {
					p.req.Params[param] = value
				}
			}
		}
		live, before := liveHeap(), allocated()
		_, err := w.Query(ctx, p.req)
		took := (allocated() - before) >> 20
		w.taken()
		stays := (liveHeap() - live) >> 10
		if took > 200 || stays > 2048 {
			t.Errorf("%s allocated %d MiB, and %d KiB of them stay", name, took, stays)
		}
		e, ok := errors.AsType[*server.Error](err)
		if !ok {
			t.Errorf("%s has an answer: %v", name, err)
			continue
		}
		if got := strings.TrimSpace(e.Code + " " + e.Reason); got != p.want {
			t.Errorf("%s: %s instead of %s: %.300s, %v", name, got, p.want, e.Msg, e.Cause)
		}
	}
	runtime.KeepAlive(w)
}

// A flood of large programs fills nothing, be they many nodes or long texts: what their plans are thought to take is bounded, and they take no more than that.
func TestProgramFlood(t *testing.T) {
	for name, program := range map[string]func(i int) string{
		"nodes": func(i int) string {
			return fmt.Sprintf("[%d%s].sum()", i, strings.Repeat(fmt.Sprintf(", %d", i), 1900))
		},
		"text": func(i int) string { return fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 250<<10)) },
		"talk": func(i int) string { return strings.Replace(talk, "user", fmt.Sprintf("user_%d", i), 1) },
		"patterns": func(i int) string {
			return fmt.Sprintf(`["a"].map(lambda s: [s.matches("%d"%s)])`, i, strings.Repeat(`), s.matches("x{900}"`, 10))
		},
	} {
		w := newWorld()
		w.Mode = server.Learn
		ask(t, w, "1")
		live := liveHeap()
		for i := range 100 {
			if err := w.Plan(server.Request{Text: program(i)}); err != nil {
				t.Fatal(name, err)
			}
		}
		takes := liveHeap() - live
		if thought := w.PlanStats().Bytes; takes > thought || thought > 64<<20 {
			t.Errorf("%s: plans take %d KiB, and are thought to take %d", name, takes>>10, thought>>10)
		}
		runtime.KeepAlive(w)
	}

	w := newWorld()
	w.Mode = server.Learn
	for i := range 100 {
		ask(t, w, fmt.Sprintf(`"%d%s".length()`, i, strings.Repeat("x", 250<<10)))
	}
	learned := 0
	for _, text := range w.Learned() {
		learned += len(text)
	}
	if learned > 65<<20 {
		t.Errorf("%d MiB of programs were learned", learned>>20)
	}
}

// Lists of very different lengths, and errors everywhere, cost what their items do, and not that times the lists.
func TestUnevenLists(t *testing.T) {
	w := newWorld()
	const uneven = `movies(0, 40000).map(lambda m: (movies(0, 40000) if m.id == 0 else movies(0, m.id % 2))`
	for text, want := range map[string]int64{
		uneven + `.reduce(0, lambda a, x: a + 1)).sum()`:    60_000,
		uneven + `.reduce(0, lambda a, x: a + x.id)).sum()`: 40_000 * 39_999 / 2,
		`movies(0, 50000).map(lambda y: movies(0, 2).flat_map(lambda x: [[1], [2]][y.id - y.id + 5]).on_error([1])).map(lambda o: o.length()).sum()`: 50_000,
	} {
		before := allocated()
		got := ask(t, w, text).Value.Ints[0]
		if took := (allocated() - before) >> 20; got != want || took > 300 {
			t.Errorf("%s is %d and allocated %d MiB", text, got, took)
		}
		w.taken()
	}
}
