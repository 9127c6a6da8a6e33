package analyze

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/fuwu-project/fuwu/internal/span"
)

// TestScripts runs the cases of testdata/traces: a trace as text, and what is made of it.
//
//	tree | stats row=N | fold min=N | critical row=N | paths row=N
//	id parent kind service[@host] name start duration [error]
//
// Ids are hex, "-" is no parent; times are ns. Spans of one service@host share a resource; without
// @host the service is a host of its own. "same" in place of the lines means the trace before.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/traces", func(t *testing.T, path string) {
		var tree *Tree
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if strings.TrimSpace(d.Input) != "same" {
				b, err := parseTrace(d.Input)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				tree = NewTree(b)
				checkShape(t, tree)
			}
			switch d.Cmd {
			case "tree":
				return showTree(tree)
			case "stats":
				row := 0
				d.MaybeScanArgs(t, "row", &row)
				return showStats(tree.Stats(row))
			case "fold":
				least := 5
				d.MaybeScanArgs(t, "min", &least)
				return showGroups(tree, tree.Fold(least))
			case "critical":
				row := 0
				d.MaybeScanArgs(t, "row", &row)
				return showCritical(tree, tree.CriticalPath(row))
			case "paths":
				row := 0
				d.MaybeScanArgs(t, "row", &row)
				return showProfile(NewProfiler().Profile(tree, row))
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func parseTrace(text string) (*span.Batch, error) {
	b := new(span.Batch)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 7 {
			return nil, fmt.Errorf("%q: want id parent kind service[@host] name start duration [error]", line)
		}
		s := span.Span{TraceID: span.TraceID{Lo: 1}, Name: f[4]}
		var err error
		if s.SpanID, err = span.ParseID(f[0]); err != nil {
			return nil, err
		}
		if f[1] != "-" {
			if s.Parent, err = span.ParseID(f[1]); err != nil {
				return nil, err
			}
		}
		kind, ok := span.ParseKind(f[2])
		if !ok {
			return nil, fmt.Errorf("%q is no kind", f[2])
		}
		s.Kind = kind
		service, host, _ := strings.Cut(f[3], "@")
		s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(service)}}
		if host != "" {
			s.Resource.Attrs = append(s.Resource.Attrs, span.Attribute{Key: "host.name", Value: span.StringValue(host)})
		}
		if s.Start, err = strconv.ParseInt(f[5], 10, 64); err != nil {
			return nil, err
		}
		if s.Duration, err = strconv.ParseInt(f[6], 10, 64); err != nil {
			return nil, err
		}
		if len(f) > 7 && f[7] == "error" {
			s.Status = span.StatusError
		}
		b.Append(&s)
	}
	return b, nil
}

func showTree(t *Tree) string {
	var w strings.Builder
	fmt.Fprintf(&w, "start %d, duration %d, errors %d\n", t.Start, t.Duration, t.Errors)
	for p := range t.Len() {
		fmt.Fprintf(&w, "%s%v %s %s +%d %d self %d", strings.Repeat("  ", int(t.Depth[p])),
			uint64(t.Batch.SpanID[t.Row[p]]), t.Services[t.Service[p]], t.Names[t.Name[p]], t.Offset[p], t.Length[p], t.Self[p])
		for i, name := range []string{"failed", "adopted", "moved", "half"} {
			if t.Flags[p]&(1<<i) != 0 {
				fmt.Fprintf(&w, " %s", name)
			}
		}
		w.WriteByte('\n')
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&w, "note: %s\n", n)
	}
	return w.String()
}

func showStats(s Stats) string {
	var w strings.Builder
	fmt.Fprintf(&w, "row %d, %d spans, %d ns, self %d critical %d\n", s.Row, s.Spans, s.Duration, s.Self, s.Critical)
	for _, t := range s.Types {
		fmt.Fprintf(&w, "%s count %d errors %d total %d self %d mean %d p50 %d p95 %d max %d share %.3f critical %d %.3f serial %.3f\n",
			t.Type, t.Count, t.Errors, t.Total, t.Self, t.Mean, t.P50, t.P95, t.Max, t.Share, t.Critical, t.CriticalShare, t.Serial)
	}
	fmt.Fprintf(&w, "direct %d:", s.Direct.Count)
	for _, t := range s.Direct.Types {
		fmt.Fprintf(&w, " %s %d", t.Type, t.Count)
	}
	return w.String() + "\n"
}

func showGroups(t *Tree, groups []Group) string {
	var w strings.Builder
	for _, g := range groups {
		rows := fmt.Sprint(g.Rows)
		if len(g.Rows) > 8 {
			rows = fmt.Sprintf("[%d … %d]", g.Rows[0], g.Rows[len(g.Rows)-1])
		}
		fmt.Fprintf(&w, "under %d: %s ×%d %s sum %d p50 %d p95 %d serial %.3f\n",
			g.Parent, t.Types[g.Type], len(g.Rows), rows, g.Sum, g.P50, g.P95, g.Serial)
	}
	return w.String()
}

func showCritical(t *Tree, path []Segment) string {
	var w strings.Builder
	for _, s := range path {
		fmt.Fprintf(&w, "%d to %d: %s %s\n", s.From, s.To, t.Services[t.Service[s.Row]], t.Names[t.Name[s.Row]])
	}
	return w.String()
}

func showProfile(r *Profile) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%d spans, %d ns\n", r.Spans, r.Duration)
	for i := range r.Paths {
		p := &r.Paths[i]
		fmt.Fprintf(&w, "%s%s %s ×%d most %d errors %d total %d self %d critical %d serial %.3f\n", strings.Repeat("  ", p.Depth),
			p.Service, p.Label, p.Count, p.Most, p.Errors, p.Total, p.Self, p.Critical, p.Serial())
	}
	return w.String()
}
