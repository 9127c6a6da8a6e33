package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// FuzzQuery: whatever the text, there is an answer or an error of a known code, and never one that is the engine's own mistake.
func FuzzQuery(f *testing.F) {
	f.Add(`movies(1, n).filter(lambda m: m.can_view(n) and m.year > 1990).map(lambda m: {"t": m.title(), "a": m.cast().map(lambda a: a.name())}).limit(3)`)
	f.Add(`movies(1, 9).group(lambda m: m.genre).map(lambda g: g.items.sort(desc(lambda m: m.sequel_of)).page(n, None))`)
	f.Add(`[1, 2].join([2], lambda a: a, lambda b: b).reduce(0, lambda x, y: x + y.left // 0).on_error(7)`)
	w := newWorld()
	f.Fuzz(func(t *testing.T, s string) {
		checkQuery(t, w, server.Request{Text: s})
	})
}

// FuzzTree is the same for trees without types.
func FuzzTree(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	w := newWorld()
	f.Fuzz(func(t *testing.T, choices []byte) {
		checkQuery(t, w, server.Request{Program: asttest.Tree(asttest.Bytes(choices))})
	})
}

func checkQuery(t *testing.T, w *world, req server.Request) {
	req.Params = map[string]server.Value{"n": server.JSON([]byte("3"))}
	req.Budget = server.Budget{Rows: 2000, Steps: 200_000, Memory: 4 << 20}
	answer, err := w.Query(server.WithPrincipal(t.Context(), server.Principal{Name: "ann", Tenant: "acme"}), req) // for whom values are kept
	w.taken()
	if err != nil {
		if e := reason(t, err); e.Code == "" || e.Code == "INTERNAL" && e.Method == "" {
			t.Fatalf("%v: %v", err, e.Cause)
		}
		return
	}
	wire := column.AppendProto(nil, answer.Value)
	again, err := column.ReadProto(wire, answer.Value.Type, 1<<30)
	if err != nil || !bytes.Equal(column.AppendJSON(nil, again, 0), column.AppendJSON(nil, answer.Value, 0)) {
		t.Fatalf("the answer is not what its wire form says: %v", err)
	}
	if text := column.AppendJSON(nil, answer.Value, 0); !json.Valid(text) {
		t.Fatalf("no JSON: %s", text)
	}
}

// Hostile programs end in an error within their budgets, and the process does not grow.
func TestHostilePrograms(t *testing.T) {
	w := newWorld()
	server.Source(w.Server, "takes", func(context.Context, struct {
		T string
		I int64
	},
	) (int64, error) {
		return 1, nil
	})
	many, table := make([]string, 50_000), make([]string, 50_000)
	for i := range many {
		many[i], table[i] = strconv.Itoa(i), fmt.Sprintf(`"k%d": %d`, i, i)
	}
	params := map[string]server.Value{
		"big": server.JSON([]byte(`"` + strings.Repeat("b", 1<<20-10) + `"`)), "also": server.JSON([]byte(`"` + strings.Repeat("b", 1<<20-10) + `"`)),
		"zeros": server.JSON([]byte(`"` + strings.Repeat("0", 1<<20) + `"`)), "many": server.JSON([]byte("[" + strings.Join(many, ",") + "]")),
		"table": server.JSON([]byte("{" + strings.Join(table, ",") + "}")),
	}
	chain := strings.Repeat(".map(lambda x: x + 1)", 60)
	for name, p := range map[string]string{
		"product":              `movies(0, 90000).flat_map(lambda a: movies(0, 90000))`,
		"cross join":           `movies(0, 90000).join(movies(0, 90000), lambda a: 1, lambda b: 1).length()`,
		"doubling text":        `movies(0, 60).reduce("ab", lambda s, m: s + s)`,
		"doubling list":        `movies(0, 60).reduce([1, 2], lambda s, m: s + s)`,
		"many rows":            `movies(0, 1000000)`,
		"steps":                `movies(0, 90000).map(lambda m: m.id)` + chain + `.sum()`,
		"calls":                `movies(0, 5000).map(lambda m: m.poster())`,
		"groups of groups":     `movies(0, 90000).map(lambda m: movies(0, 90000).filter(lambda x: x.id == m.id).length())`,
		"long pattern":         `["a"].filter(lambda s: s.matches("` + strings.Repeat("(a{1000}){1000}", 60) + `"))`,
		"repeated pattern":     `["a"].filter(lambda s: s.matches("(((a{100}){100}){100})"))`,
		"a text in all rows":   `movies(0, 90000).filter(lambda m: str(m.id) in (big + "")).length()`,
		"lengths of it":        `movies(0, 90000).map(lambda m: (big if m.id >= 0 else "").length()).sum()`,
		"it is equal":          `movies(0, 90000).filter(lambda m: (big if m.id >= 0 else "") == also).length()`,
		"it is less":           `movies(0, 90000).filter(lambda m: (big if m.id >= 0 else "") < also).length()`,
		"a sort by it":         `movies(0, 90000).sort(lambda m: big + "" if m.id >= 0 else also).length()`,
		"the smallest of it":   `movies(0, 90000).min(lambda m: big + "" if m.id >= 0 else also)`,
		"it is a number":       `movies(0, 90000).map(lambda m: int(zeros if m.id >= 0 else "")).sum()`,
		"distinct with it":     `movies(0, 90000).distinct(lambda m: {"b": big + "", "i": m.id}).length()`,
		"groups of it":         `movies(0, 90000).group(lambda m: [big, str(m.id)]).length()`,
		"a join by it":         `movies(0, 90000).join(movies(0, 90000), lambda a: {"b": big + "", "i": a.id}, lambda b: {"b": big + "", "i": b.id}).length()`,
		"a page of it":         `movies(0, 90000).map(lambda m: {"b": big + "", "i": m.id}).sort(lambda o: o.i).page(1, None).rows.map(lambda o: o.i)`,
		"arguments of it":      `movies(0, 90000).map(lambda m: takes(big + str(m.id % 2), m.id))`,
		"kept by it":           `movies(0, 90000).map(lambda m: (big + "").length() + m.id).map(lambda n: {"b": big + "", "n": n}.cache("1m", "public").n).sum()`,
		"a long list is equal": `movies(0, 90000).filter(lambda m: [m.id] == many).length()`,
		"a long list in lists": `movies(0, 9000).filter(lambda m: many in [many, [m.id]]).length()`,
		"elements of a map":    `movies(0, 90000).map(lambda m: table["k0"] + 1 + table["k" + str(m.id)]).sum()`,
		"smallest int":         `[-9223372036854775808 // -1]`,
		"page of everything":   `movies(0, 90000).sort(lambda m: m.id).page(9223372036854775807, None)`,
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		req := server.Request{Text: p, Params: map[string]server.Value{}}
		for name, value := range params {
			if regexp.MustCompile(`\b` + name + `\b`).MatchString(p) {
				req.Params[name] = value
			}
		}
		_, err := w.Query(server.WithPrincipal(t.Context(), server.Principal{Name: "eve"}), req)
		runtime.ReadMemStats(&after)
		w.taken()
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 400 {
			t.Errorf("%s allocated %d MiB", name, grown)
		}
		if err == nil {
			t.Errorf("%s has an answer", name)
			continue
		}
		if e := reason(t, err); e.Code == "INTERNAL" || e.Reason == "TYPE" && !strings.Contains(name, "pattern") {
			t.Errorf("%s: %v: %v", name, err, e.Cause)
		} else {
			t.Logf("%s: %.150s", name, strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
}

// A partial answer of nothing but errors costs what one of values does.
func TestErrorsEverywhere(t *testing.T) {
	w := newWorld()
	w.Budget.RowsOut = 100_000
	for _, text := range []string{`movies(0, 90000).map(lambda m: 1 // (m.id - m.id))`, `movies(0, 9000).map(lambda m: [m.id, 2, 3, 4, 5, 6, 7, 8, 9].map(lambda i: i // (m.id - m.id)))`} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := w.Query(t.Context(), server.Request{Text: text, Partial: true})
		runtime.ReadMemStats(&after)
		if err != nil || answer.ErrorsTotal < 80_000 || len(answer.Errors) != 100 || answer.Errors[99].Path == "" {
			t.Fatal(err)
		}
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 200 {
			t.Errorf("%s allocated %d MiB", text, grown)
		}
	}
}
