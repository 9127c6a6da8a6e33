package api

import (
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/span"
)

// A skeleton is as small as a trace can be told in JSON that gzip makes smaller: what a client can work out from other
// columns is left out (self times, numbers of children), four columns that say the same thing are one (the shape), and
// numbers that grow are told as steps. 50,000 spans with times as clocks give them take half of what they took column by column.

// maxDrawn bounds a name in a skeleton, in bytes; /spans has it whole.
const maxDrawn = 512

// shape is what many spans have in common: indexes into the dictionaries, and the kind.
type shape struct {
	service, name, typ int32
	kind               span.Kind
}

// shapesOf numbers the shapes in order of first use, and says which every row has.
func shapesOf(t *analyze.Tree) (shapes []shape, ofRow []int32) {
	numbers := map[shape]int32{}
	ofRow = make([]int32, t.Len())
	for i, r := range t.Row {
		s := shape{t.Service[i], t.Name[i], t.Type[i], t.Batch.Kind[r]}
		n, ok := numbers[s]
		if !ok {
			n = int32(len(shapes))
			numbers[s] = n
			shapes = append(shapes, s)
		}
		ofRow[i] = n
	}
	return shapes, ofRow
}

// skeletonWriter appends members of JSON objects.
type skeletonWriter []byte

func (w *skeletonWriter) raw(s string) { *w = append(*w, s...) }

// key begins a member of an object that has one already.
func (w *skeletonWriter) key(name string) {
	*w = append(append(append(*w, ',', '"'), name...), '"', ':')
}

func (w *skeletonWriter) num(name string, v int64) {
	w.key(name)
	*w = strconv.AppendInt(*w, v, 10)
}

func (w *skeletonWriter) texts(name string, list []string) {
	w.key(name)
	*w = append(*w, '[')
	for i, s := range list {
		if i > 0 {
			*w = append(*w, ',')
		}
		*w = span.AppendJSONString(*w, cutName(s))
	}
	*w = append(*w, ']')
}

func (w *skeletonWriter) column(values iter.Seq[int64]) {
	*w = append(*w, '[')
	isFirst := true
	for v := range values {
		if !isFirst {
			*w = append(*w, ',')
		}
		isFirst = false
		*w = strconv.AppendInt(*w, v, 10)
	}
	*w = append(*w, ']')
}

// columnOf are values made of the elements of a list.
func columnOf[T any](list []T, of func(T) int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range list {
			if !yield(of(list[i])) {
				return
			}
		}
	}
}

func plainColumn[T ~int32 | ~int64 | ~uint8](list []T) iter.Seq[int64] {
	return columnOf(list, func(v T) int64 { return int64(v) })
}

// steps are the differences between neighbours; the first is from the start given.
func steps[T ~int32 | ~int64](start T, list []T) iter.Seq[int64] {
	last := start
	return columnOf(list, func(v T) int64 {
		step := int64(v - last)
		last = v
		return step
	})
}

// encodeSkeleton writes the columns without reflection: 50,000 rows take a few ms.
func encodeSkeleton(t *analyze.Tree, id span.TraceID, notes []string, groups []analyze.Group, stats, causes []byte) []byte {
	shapes, shapeOf := shapesOf(t)
	w := make(skeletonWriter, 0, 1024+len(stats)+len(causes)+32*t.Len())
	w.raw(`{"traceId":"` + id.String() + `","start":"` + number(t.Start) + `"`)
	w.num("duration", t.Duration)
	w.num("errors", int64(t.Errors))
	w.key("revision")
	w = span.AppendJSONString(w, revision(t))
	w.texts("services", t.Services)
	w.texts("names", t.Names)
	w.texts("types", t.Types)

	w.raw(`,"shapes":{"service":`)
	w.column(columnOf(shapes, func(s shape) int64 { return int64(s.service) }))
	w.key("name")
	w.column(columnOf(shapes, func(s shape) int64 { return int64(s.name) }))
	w.key("type")
	w.column(columnOf(shapes, func(s shape) int64 { return int64(s.typ) }))
	w.key("kind")
	w.column(columnOf(shapes, func(s shape) int64 { return int64(s.kind) }))

	w.raw(`},"rows":{"depth":`)
	w.column(plainColumn(t.Depth))
	w.key("shape")
	w.column(plainColumn(shapeOf))
	w.key("offsetStep")
	w.column(steps(0, t.Offset))
	w.key("duration")
	w.column(plainColumn(t.Length))
	w.key("flags")
	w.column(plainColumn(t.Flags))

	// The segments follow each other, so their durations say where they are; and most are all of their row.
	path := t.CriticalPath(0)
	w.raw(`},"criticalPath":{"rowStep":`)
	lastRow := int32(0)
	w.column(columnOf(path, func(s analyze.Segment) int64 {
		step := s.Row - lastRow
		lastRow = s.Row
		return int64(step)
	}))
	w.key("duration")
	w.column(columnOf(path, func(s analyze.Segment) int64 {
		if s.To-s.From == t.Length[s.Row] {
			return 0
		}
		return s.To - s.From
	}))

	w.raw(`},"groups":[`)
	for i := range groups {
		g := &groups[i]
		if i > 0 {
			w.raw(",")
		}
		w.raw(`{"parent":` + strconv.FormatInt(int64(g.Parent), 10))
		w.num("type", int64(g.Type))
		w.key("rowStep")
		w.column(steps(g.Parent, g.Rows))
		w.num("sum", g.Sum)
		w.num("p50", g.P50)
		w.num("p95", g.P95)
		w.key("serial")
		w = append(strconv.AppendFloat(w, g.Serial, 'g', 6, 64), '}')
	}
	w.raw("]")
	w.texts("notes", notes)
	w.key("causes")
	w = append(w, causes...)
	w.key("stats")
	return append(append(w, stats...), '}')
}

// cutName cuts a name that is too long to draw, at the start of a character.
func cutName(s string) string {
	if len(s) <= maxDrawn {
		return s
	}
	end := maxDrawn
	for end > maxDrawn-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
