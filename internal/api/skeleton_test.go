package api

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
)

// sums undoes steps.
func sums[T int32 | int64](start T, list []T) []T {
	for i := range list {
		start += list[i]
		list[i] = start
	}
	return list
}

// TestSkeletonSaysAll: what a skeleton leaves to its reader is what the tree has.
func TestSkeletonSaysAll(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b span.Batch
		for i := range 1 + rng.IntN(300) {
			s := span.Span{
				TraceID: span.TraceID{Lo: 1}, SpanID: span.ID(i + 1), Name: string(rune('a' + rng.IntN(5))), Kind: span.Kind(rng.IntN(6)),
				Start: 1e18 + rng.Int64N(1000), Duration: rng.Int64N(500), Status: span.Status(rng.IntN(3)),
				Resource: span.Resource{Attrs: []span.Attribute{{Key: "service.name", Value: span.StringValue(string(rune('A' + rng.IntN(4))))}}},
			}
			if i > 0 {
				s.Parent = span.ID(rng.IntN(i) + 1)
			}
			b.Append(&s)
		}
		want := analyze.NewTree(&b)
		var got struct {
			Shapes struct{ Service, Name, Type, Kind []int32 }
			Rows   struct {
				Depth, Shape         []int32
				OffsetStep, Duration []int64
			}
			CriticalPath struct {
				RowStep  []int32
				Duration []int64
			}
			Groups []struct {
				Parent  int32
				RowStep []int32
			}
		}
		groups := want.Fold(2)
		if err := json.Unmarshal(encodeSkeleton(want, span.TraceID{Lo: 1}, nil, groups, []byte("{}"), []byte("[]")), &got); err != nil {
			t.Fatal(err)
		}
		shaped := func(of []int32) (column []int32) {
			for _, s := range got.Rows.Shape {
				column = append(column, of[s])
			}
			return column
		}
		kinds := make([]int32, want.Len())
		for i, r := range want.Row {
			kinds[i] = int32(b.Kind[r])
		}
		for _, c := range []struct {
			what      string
			want, got any
		}{
			{"depth", want.Depth, got.Rows.Depth},
			{"service", want.Service, shaped(got.Shapes.Service)},
			{"name", want.Name, shaped(got.Shapes.Name)},
			{"type", want.Type, shaped(got.Shapes.Type)},
			{"kind", kinds, shaped(got.Shapes.Kind)},
			{"offset", want.Offset, sums(0, got.Rows.OffsetStep)},
			{"duration", want.Length, got.Rows.Duration},
			{"self", want.Self, analyze.SelfTimes(want.Parent, got.Rows.OffsetStep, got.Rows.Duration)},
		} {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Fatalf("seed %d: %s (-tree +skeleton)\n%s", seed, c.what, diff)
			}
		}
		var path []analyze.Segment
		at := want.Offset[0]
		for i, row := range sums(0, got.CriticalPath.RowStep) {
			d := got.CriticalPath.Duration[i]
			if d == 0 {
				d = want.Length[row]
			}
			path = append(path, analyze.Segment{Row: row, From: at, To: at + d})
			at += d
		}
		if diff := cmp.Diff(want.CriticalPath(0), path); diff != "" {
			t.Fatalf("seed %d: critical path (-tree +skeleton)\n%s", seed, diff)
		}
		for i, g := range got.Groups {
			if diff := cmp.Diff(groups[i].Rows, sums(g.Parent, g.RowStep)); diff != "" {
				t.Fatalf("seed %d: group %d (-tree +skeleton)\n%s", seed, i, diff)
			}
		}
	}
}
