package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Cursors seals the places where pages end. A cursor that was sealed for another query, other parameters or somebody
// else must not open.
type Cursors interface {
	Seal(place []byte) string
	Open(cursor string) (place []byte, err error)
}

// page takes the place of the sort below it: rows are ordered by its keys, and among equals by the row itself, so that
// every row has one place. Rows that are equal throughout share it, and the cursor says how many of them there were.
func (c *checker) page(out *Node, n *ast.Page) {
	x := c.list(n.X, schema.Type{})
	if x.Op != ast.OpSort {
		c.fail(n.X, "a page is of a sorted list: xs.sort(lambda x: …).page(…)")
	}
	if !comparable(*x.Type.Elem) {
		c.fail(n.X, "rows are %s; those of a page are told apart, so they are scalars, entities, or objects of such", article(*x.Type.Elem))
	}
	out.Kids = append([]*Node{x.Kids[0], c.want(n.Size, integer), c.want(n.After, text.OrNull())}, x.Kids[1:]...)
	out.bound, out.desc, out.run = x.bound, x.desc, runPage
	c.pages = true
	out.Type = schema.Type{Kind: schema.KindObject, Fields: []schema.Field{{Name: "rows", Type: x.Type}, {Name: "next", Type: text.OrNull()}}}
}

// PageParams are the numbers of the parameters that only say which page: they are not part of what a cursor is for.
func (p *Plan) PageParams() map[int]bool {
	only := map[int]bool{}
	seen := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for i, k := range n.Kids {
			if k.Op == ast.OpParam {
				pages := n.Op == ast.OpPage && (i == 1 || i == 2)
				if was, ok := only[k.field]; !ok || was {
					only[k.field] = pages
				}
			}
			walk(k)
		}
	}
	walk(p.Root)
	for i, pages := range only {
		if !pages {
			delete(only, i)
		}
	}
	return only
}

func runPage(x *run, n *Node, f *Frame) *Vec {
	v, g := x.lists(n, f)
	size, after := x.counts(n, f), x.eval(n.Kids[2], f)
	if g == nil || size == nil || after == nil {
		return nil
	}
	elem := *n.Kids[0].Type.Elem
	rows := v.Items.force(x)
	pending := rows == nil || !x.deep(rows, elem)
	keys := make([]*Vec, len(n.desc))
	for i, k := range n.Kids[3:] {
		if g.n == 0 {
			keys[i] = blank(k.Type, 0)
		} else if keys[i] = x.eval(k, g); keys[i] == nil {
			pending = true
		}
	}
	if pending {
		return nil
	}
	for _, k := range keys {
		if !x.readSorted(k) {
			return nil
		}
	}
	p := pager{x: x, n: n, keys: keys, kinds: n.Kids[3:], rows: make([][]byte, g.n)}
	k := x.keyer(elem)
	for i := range p.rows {
		if p.rows[i] = k.appendKey(nil, rows, i); !x.hold(len(p.rows[i])) {
			return nil
		}
	}
	sel, ends := &Sel{}, make([]int32, f.n)
	next := nulls(text.OrNull(), f.n)
	bad := errs(f.n, v, size, after)
	if wrong := errs(g.n, keys...); wrong != nil {
		bad = errs(f.n, &Vec{N: f.n, Errs: bad}, &Vec{N: f.n, Errs: x.listErrors(v, g.n, func(i int) *Error { return wrong[i] })})
	}
	for row := range f.n {
		if bad == nil || bad[row] == nil {
			idx, place, ok := p.page(v, row, size.Ints[row&size.mask()], after)
			if !ok {
				return nil
			}
			sel.idx = append(sel.idx, idx...)
			if place != nil {
				next.Null[row] = false
				next.Texts[row] = x.cursors.Seal(place)
			}
		}
		ends[row] = int32(len(sel.idx))
	}
	return x.withErrs(&Vec{N: f.n, Fields: []Col{Ready(keep(v, g, sel, ends)), Ready(next)}}, bad)
}

type pager struct {
	x     *run
	n     *Node
	keys  []*Vec
	kinds []*Node
	rows  [][]byte // of each row what tells it from others
}

// page returns the rows of one list's page, and the place where it ends if there are more after it.
func (p *pager) page(v *Vec, row int, size int64, after *Vec) (idx []int32, place []byte, ok bool) {
	keys, rows := p.keys, p.rows
	last, given := -1, 0
	if !after.isNull(row) {
		place, err := p.x.cursors.Open(after.Texts[row&after.mask()])
		if err == nil {
			keys, rows, given, err = p.with(place)
		}
		if err != nil {
			e := &Error{Code: "INVALID_ARGUMENT", Reason: "CURSOR_MISMATCH", Msg: "the cursor is none of this query, its parameters and this caller", Cause: err, At: p.n.Src}
			if own, is := errors.AsType[*Error](err); is {
				e = own
			}
			p.x.fail(e)
			return nil, nil, false
		}
		last = len(p.rows)
	}
	compare := make([]func(a, b int32) int, len(keys))
	for i, k := range keys {
		compare[i] = order(k, p.n.desc[i])
	}
	before := func(a, b int32) int {
		for _, c := range compare {
			if c := c(a, b); c != 0 {
				return c
			}
		}
		return bytes.Compare(rows[a], rows[b])
	}
	bad := errs(len(p.rows), p.keys...)
	start, end := v.span(row)
	same := 0 // rows that stand where the cursor is
	for i := start; i < end; i++ {
		if bad != nil && bad[i] != nil {
			continue
		}
		if last >= 0 {
			c := before(int32(i), int32(last))
			if c == 0 {
				same++
			}
			if c < 0 || c == 0 && same <= given {
				continue
			}
		}
		idx = append(idx, int32(i))
	}
	slices.SortStableFunc(idx, before)
	if int64(len(idx)) <= size || size == 0 {
		return idx[:min(int64(len(idx)), size)], nil, true
	}
	idx = idx[:size]
	final := idx[size-1]
	same = 0
	for same < len(idx) && before(idx[len(idx)-1-same], final) == 0 {
		same++
	}
	if same == len(idx) && last >= 0 && before(final, int32(last)) == 0 {
		same += given
	}
	return idx, p.place(int(final), same), true
}

// place writes where row i stands: its keys as columns of one row, then what tells it from equals, then how many rows of that place this page and those
// before it had.
func (p *pager) place(i, given int) []byte {
	var b []byte
	add := func(part []byte) { b = append(binary.AppendUvarint(b, uint64(len(part))), part...) }
	for j, k := range p.keys {
		one := p.x.pick(k, &Sel{[]int32{int32(i)}})
		add(column.AppendProto(nil, p.x.export(one, p.kinds[j].Type, func(int) string { return "" })))
	}
	add(p.rows[i])
	return binary.AppendUvarint(b, uint64(given))
}

// with returns the keys and rows with one more at their end, that of a place, and how many rows of that place were given.
func (p *pager) with(place []byte) (keys []*Vec, rows [][]byte, given int, err error) {
	next := func() []byte {
		n, size := binary.Uvarint(place)
		if size <= 0 || n > uint64(len(place)-size) {
			err = errors.New("a broken place")
			return nil
		}
		part := place[size : size+int(n)]
		place = place[size+int(n):]
		return part
	}
	for j, k := range p.keys {
		part := next()
		if err != nil {
			return nil, nil, 0, err
		}
		c, err := column.ReadProto(part, p.kinds[j].Type, 1)
		if err != nil || c.Len != 1 {
			return nil, nil, 0, errors.New("a place of other keys")
		}
		keys = append(keys, p.x.concat(p.x.spread(k), fromColumn(c)))
	}
	rows = append(slices.Clip(p.rows), next())
	count, size := binary.Uvarint(place)
	if err == nil && size <= 0 {
		err = errors.New("a broken place")
	}
	return keys, rows, int(count), err
}
