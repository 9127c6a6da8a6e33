package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/workload"
)

// TestSegmentDuckDB counts and sums a segment of several pages with DuckDB, all its columns included.
func TestSegmentDuckDB(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: DuckDB does not read the segment")
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import duckdb").CombinedOutput(); err != nil {
		t.Skipf("python3 has no duckdb module (pip install duckdb): DuckDB does not read the segment: %s", bytes.TrimSpace(out))
	}
	h := newHead(1)
	for _, b := range workload.Generate(5, 600) {
		h.append(b)
	}
	s := h.snapshot()
	if s.n <= pageRows {
		t.Fatalf("only %d spans", s.n)
	}
	_, data := written(t, s)
	name := filepath.Join(t.TempDir(), "segment.parquet")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}

	traces, sum, groups := map[span.TraceID]bool{}, int64(0), map[string]int{}
	for row := range s.n {
		traces[s.cols[colTrace].ids[row]] = true
		sum += int64(s.cols[colDuration].nums[row])
		service, name := &s.cols[colService], &s.cols[colName]
		groups[fmt.Sprintf("%s %s", service.d.at(service.codes[row]), name.d.at(name.codes[row]))]++
	}
	type answer struct {
		Rows, Traces, Sum int64
		Groups            map[string]int
		Columns           map[string][3]any // of attributes: values, distinct ones, bytes or sum
		Types             map[string]string
	}
	want := answer{int64(s.n), int64(len(traces)), sum, groups, map[string][3]any{}, map[string]string{
		"trace_id": "BLOB", "start_time": "TIMESTAMP", "service": "VARCHAR", "duration_ns": "BIGINT", "kind": "VARCHAR", "resource": "JSON",
	}}
	for i, a := range s.list {
		c := &s.cols[numFixed+i]
		distinct, total := map[uint64]bool{}, 0.0
		for at := range c.rows {
			if a.typ.IsText() {
				distinct[uint64(c.codes[at])] = true
				total += float64(len(c.d.at(c.codes[at])))
			} else {
				distinct[c.nums[at]] = true
				total += float64(c.nums[at])
			}
		}
		if a.typ != span.String && a.typ != span.Int {
			continue
		}
		want.Columns[a.key] = [3]any{float64(len(c.rows)), float64(len(distinct)), total}
	}
	const script = `import duckdb, json, sys
src = "read_parquet('" + sys.argv[1] + "')"
q = lambda sql: duckdb.sql(sql).fetchall()
types = {r[0]: r[1] for r in q("describe select * from " + src)}
rows, traces, total = q("select count(*), count(distinct trace_id), sum(duration_ns)::bigint from " + src)[0]
columns = {}
for key in sys.argv[2:]:
    c = 'attr."' + key + '"'
    text = q("select typeof(" + c + ") from " + src + " limit 1")[0][0] == "VARCHAR"
    columns[key] = q("select count(%s), count(distinct %s), sum(%s)::double from %s" % (c, c, "strlen(" + c + ")" if text else c, src))[0]
print(json.dumps(dict(Rows=rows, Traces=traces, Sum=total, Types=types, Columns=columns,
    Groups=dict(q("select service || ' ' || name, count(*) from " + src + " group by all")))))`
	args := []string{"-c", script, name}
	for key := range want.Columns {
		args = append(args, key)
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %.2000s", err, &errs)
	}
	var got answer
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
	for column, typ := range want.Types {
		if !strings.HasPrefix(got.Types[column], typ) {
			t.Errorf("%s is a %s, want %s", column, got.Types[column], typ)
		}
	}
	got.Types = want.Types
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-ours +DuckDB):\n%.3000s", d)
	}
}
