package analyze

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/internal/span"
)

// TestCauses runs the cases of testdata/causes: what is a cause, and what only looks like one. Times are ms;
// "_" in a name is a blank; "#" in a value is the number of the repeat.
//
//	causes
//	id parent kind service name start duration [xN] [every=MS] [error | error=I,J] [key=value …]
func TestCauses(t *testing.T) {
	datadriven.Walk(t, "testdata/causes", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			b, err := parseCalls(d.Input)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			tree := NewTree(b)
			_, causes := NewProfiler().Examine(tree, 0)
			if len(causes) == 0 {
				return "none\n"
			}
			var w strings.Builder
			for _, c := range causes {
				fmt.Fprintf(&w, "%v: %s ×%d, %d distinct, covers %s, alone %s, longest %s, saves %s\n", c.Kind, c.Path.Label, c.Calls, c.Distinct,
					inMS(c.Covered), inMS(c.Alone), inMS(c.Longest), inMS(c.Saving))
			}
			return w.String()
		})
	})
}

func inMS(ns int64) string { return strconv.FormatFloat(float64(ns)/1e6, 'f', -1, 64) }

func parseCalls(text string) (*span.Batch, error) {
	b := new(span.Batch)
	ids := map[string]span.ID{}
	next := span.ID(1)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 7 {
			return nil, fmt.Errorf("%q: want id parent kind service name start duration", line)
		}
		kind, ok := span.ParseKind(f[2])
		if !ok {
			return nil, fmt.Errorf("%q is no kind", f[2])
		}
		start, err := strconv.ParseFloat(f[5], 64)
		if err != nil {
			return nil, err
		}
		took, err := strconv.ParseFloat(f[6], 64)
		if err != nil {
			return nil, err
		}
		times, every, failed := 1, took, func(int) bool { return false }
		var attrs [][2]string
		for _, o := range f[7:] {
			key, value, has := strings.Cut(o, "=")
			switch {
			case !has && o == "error":
				failed = func(int) bool { return true }
			case !has && o[0] == 'x':
				times, err = strconv.Atoi(o[1:])
			case key == "every":
				every, err = strconv.ParseFloat(value, 64)
			case key == "error":
				failed = func(i int) bool { return strings.Contains(","+value+",", fmt.Sprintf(",%d,", i)) }
			case has:
				attrs = append(attrs, [2]string{key, value})
			default:
				err = fmt.Errorf("%q is no option", o)
			}
			if err != nil {
				return nil, err
			}
		}
		for i := range times {
			s := span.Span{
				TraceID: span.TraceID{Lo: 1}, SpanID: next, Parent: ids[f[1]], Name: strings.ReplaceAll(f[4], "_", " "), Kind: kind,
				Start: 1e15 + int64((start+float64(i)*every)*1e6), Duration: int64(took * 1e6),
			}
			ids[f[0]] = next
			next++
			if failed(i) {
				s.Status = span.StatusError
			}
			for _, a := range attrs {
				s.Attrs = append(s.Attrs, span.Attribute{Key: a[0], Value: span.StringValue(strings.ReplaceAll(strings.ReplaceAll(a[1], "_", " "), "#", strconv.Itoa(i)))})
			}
			s.Resource.Attrs = []span.Attribute{{Key: "service.name", Value: span.StringValue(f[3])}}
			b.Append(&s)
		}
	}
	return b, nil
}

// TestCausesOfAnything: whatever a trace is, a cause cannot save more than the request took.
func TestCausesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := randomTrace(t)
		for i := range b.Len() {
			b.Start[i] *= 1e7
			b.Duration[i] *= 1e7
		}
		tree := NewTree(b)
		if tree.Len() == 0 {
			return
		}
		r, causes := NewProfiler().Examine(tree, 0)
		on := map[*Path]bool{}
		for i := range r.Paths {
			on[r.Paths[i].Path] = true
		}
		for _, c := range causes {
			if !on[c.Path] || c.Saving < 0 || c.Saving > tree.Duration || c.Alone > c.Covered || c.Distinct < 1 || c.Distinct > c.Calls {
				t.Fatalf("impossible cause %+v\n%s", c, showTree(tree))
			}
		}
	})
}
