package local

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

func formatDoc(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// TestFormatDoc compares docs/format.md with what the code says.
func TestFormatDoc(t *testing.T) {
	doc := formatDoc(t)
	want := []string{
		"`" + versionKey + "` | version of what this page says about segments: `" + strconv.Itoa(segmentVersion) + "`",
		fmt.Sprintf("%q | version uint32 = %d", logMagic, logVersion), "the " + fmt.Sprint(maxAttrColumns) + " columns",
		"rows from 8,192 × ", "`" + attrGroup + "`", "`" + lockName + "`", "131,072 spans", "15 minutes",
	}
	for _, f := range fixed {
		want = append(want, "`"+f.name+"`")
	}
	var o Options
	o.Dir, o.Decode, o.Encode = "x", decode, encode
	if err := o.setDefaults(); err != nil || o.SegmentRows != 131_072 || o.SealAfter.Minutes() != 15 || pageRows != 8192 {
		t.Errorf("the defaults are others than the page says: %+v", o)
	}
	for k := span.Kind(0); k <= span.KindConsumer; k++ {
		want = append(want, "`"+k.String()+"`")
	}
	for _, w := range want {
		if !strings.Contains(doc, w) {
			t.Errorf("docs/format.md does not say %s", w)
		}
	}
}

// row is a row of an answer, as JSON.
type row = []any

// TestFormatDuckDB runs the examples of docs/format.md with DuckDB and compares the answers with the store's.
func TestFormatDuckDB(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: the examples of docs/format.md are not run")
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import duckdb").CombinedOutput(); err != nil {
		t.Skipf("python3 has no duckdb module (pip install duckdb): the examples of docs/format.md are not run: %s", bytes.TrimSpace(out))
	}
	o := onDisk(t)
	s := open(t, o)
	for i := range 12 {
		mustAppend(t, s, documented(i))
		if i == 7 {
			sealNow(t, s) // the files have different attributes
		}
	}
	spans, err := s.Select(t.Context(), store.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := make([]span.Span, spans.Spans.Len())
	for i := range all {
		all[i] = spans.Spans.Span(i)
	}

	var queries []string
	for _, m := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(formatDoc(t), -1) {
		queries = append(queries, m[1])
	}
	want := [][]row{requests(all), operations(all), trace4(all), hosts(all)}
	if len(queries) != len(want) {
		t.Fatalf("%d examples, want %d", len(queries), len(want))
	}
	asked, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	const script = `import duckdb, json, sys
print(json.dumps([duckdb.sql(q).fetchall() for q in json.load(sys.stdin)]))`
	cmd := exec.CommandContext(t.Context(), python, "-c", script)
	cmd.Dir, cmd.Stdin = o.Dir, bytes.NewReader(asked)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %.2000s", err, &errs)
	}
	var got [][]row
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
	for i := range want {
		if d := gocmp.Diff(want[i], got[i]); d != "" {
			t.Errorf("(-store +DuckDB):\n%s\n%s", queries[i], d)
		}
	}
}

// documented is trace i+1: a request that asks a database, which sometimes fails.
func documented(i int) *span.Batch {
	attr := func(key, text string) span.Attribute { return span.Attribute{Key: key, Value: span.StringValue(text)} }
	resource := func(service, host string) span.Resource {
		return span.Resource{Attrs: []span.Attribute{attr("host.name", host), attr("service.name", service)}}
	}
	root := span.Span{
		TraceID: span.TraceID{Hi: 1, Lo: uint64(i) + 1}, SpanID: span.ID(i + 0xa00), Name: fmt.Sprint("GET /", i%3), Kind: span.KindServer,
		Start:    1_767_225_600_000_000_000 + 64_000*int64(2*i), // what a JSON number holds exactly
		Duration: int64(i+1) * 1_000_000, Resource: resource("web", "one"),
		Attrs: []span.Attribute{attr("http.route", "/x")},
	}
	query := root
	query.Parent, query.SpanID, query.Kind, query.Resource = root.SpanID, root.SpanID+0x100, span.KindClient, resource("movie", "two")
	query.Start += 64_000 // DuckDB before 2 has µs
	query.Name, query.Duration = "query", root.Duration/2
	query.Attrs = nil
	if i >= 4 {
		query.Attrs = []span.Attribute{attr("db.operation.name", []string{"SELECT", "UPDATE"}[i%2])}
	}
	if i%5 == 0 {
		root.Status = span.StatusError
		query.Events = []span.Event{{Time: query.Start, Name: "exception"}}
	}
	return batch(root, query)
}

func requests(all []span.Span) (rows []row) {
	type sums struct{ n, errors, total, longest float64 }
	by := map[string]sums{}
	for _, s := range all {
		if s.Parent == 0 {
			x := by[s.Name]
			x.n++
			if s.Status == span.StatusError {
				x.errors++
			}
			x.total += float64(s.Duration) / 1e6
			x.longest = max(x.longest, float64(s.Duration)/1e6)
			by[s.Name] = x
		}
	}
	for name, x := range by {
		rows = append(rows, row{"web", name, x.n, x.errors, x.total, x.longest})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(num(b[4]), num(a[4])) })
	return rows
}

func operations(all []span.Span) (rows []row) {
	calls, ns := map[string]float64{}, map[string]float64{}
	for _, s := range all {
		if v, ok := valueOf(s.Attrs, "db.operation.name"); ok {
			calls[v.Str]++
			ns[v.Str] += float64(s.Duration)
		}
	}
	for op := range calls {
		rows = append(rows, row{"movie", op, calls[op], ns[op]})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(num(b[3]), num(a[3])) })
	return rows
}

func trace4(all []span.Span) (rows []row) {
	for _, s := range all {
		if s.TraceID != (span.TraceID{Hi: 1, Lo: 4}) {
			continue
		}
		var parent any
		if s.Parent != 0 {
			parent = s.Parent.String()
		}
		service, _ := valueOf(s.Resource.Attrs, "service.name")
		rows = append(rows, row{s.SpanID.String(), parent, service.Str, s.Name, float64(s.Start), float64(s.Duration)})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(num(a[4]), num(b[4])) })
	return rows
}

func hosts(all []span.Span) []row {
	spans, exceptions := map[string]float64{}, map[string]float64{}
	for _, s := range all {
		host, _ := valueOf(s.Resource.Attrs, "host.name")
		spans[host.Str]++
		if len(s.Events) > 0 {
			exceptions[host.Str]++
		}
	}
	return []row{{"one", spans["one"], exceptions["one"]}, {"two", spans["two"], exceptions["two"]}}
}

func num(v any) float64 {
	f, _ := v.(float64)
	return f
}
