package local

import (
	"math/bits"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// bitmap has a bit for each row of a page.
type bitmap [pageRows / 64]uint64

func (m *bitmap) set(i int)      { m[i>>6] |= 1 << (i & 63) }
func (m *bitmap) has(i int) bool { return m[i>>6]&(1<<(i&63)) != 0 }

// fill sets the first n bits and clears the rest.
func (m *bitmap) fill(n int) {
	*m = bitmap{}
	for i := range n / 64 {
		m[i] = allOnes
	}
	if n%64 != 0 {
		m[n/64] = 1<<(n%64) - 1
	}
}

const allOnes = 1<<64 - 1

func (m *bitmap) empty() bool {
	for _, w := range m {
		if w != 0 {
			return false
		}
	}
	return true
}

func (m *bitmap) count() (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// each yields the bits that are set, ascending.
func (m *bitmap) each(yield func(int) bool) {
	for w, word := range m {
		for word != 0 {
			if !yield(w<<6 + bits.TrailingZeros64(word)) {
				return
			}
			word &= word - 1
		}
	}
}

// verdict is what a test says of a dictionary entry, or of a row.
type verdict uint8

const (
	absent verdict = iota // the entry does not have the field
	no
	yes
)

// table holds the verdicts on all entries of a dictionary: each text is looked at once, however many
// rows have it.
type table struct {
	verdicts []verdict // nil: all are no, but for only
	any      bool      // there is a yes
	only     uint32    // without verdicts: the code of the yes
}

func (t *table) of(code uint32) verdict {
	switch {
	case t.verdicts != nil:
		return t.verdicts[code]
	case t.any && code == t.only:
		return yes
	}
	return no
}

// mark sets out, which is empty, to the places of the codes whose verdict is yes.
func (t *table) mark(codes []uint32, out *bitmap) {
	for w := 0; len(codes) > 0; w++ {
		word, some := uint64(0), codes[:min(len(codes), 64)]
		if t.verdicts != nil {
			for i, code := range some {
				if t.verdicts[code] == yes {
					word |= 1 << i
				}
			}
		} else {
			for i, code := range some {
				if code == t.only {
					word |= 1 << i
				}
			}
		}
		out[w], codes = word, codes[len(some):]
	}
}

// tableKey names the table of a test on a column.
type tableKey struct {
	test store.Expr // a Compare or Exists
	col  int
}

// test is the leaf of a filter.
type test struct {
	expr  store.Expr // a Compare or Exists
	field store.Field
}

func leaf(e store.Expr) test {
	switch x := e.(type) {
	case store.Compare:
		return test{e, x.Field}
	case store.Exists:
		return test{e, x.Field}
	case store.And, store.Or, store.Not:
	}
	return test{}
}

// match says whether a value that is there passes.
func (t test) match(v span.Value) bool {
	c, ok := t.expr.(store.Compare)
	return !ok || c.MatchValue(v)
}

func verdictOf(t test, v span.Value, ok bool) verdict {
	switch {
	case !ok:
		return absent
	case t.match(v):
		return yes
	}
	return no
}

// tableOf judges all entries of a text column's dictionary as values of type typ.
func (c *cursor) tableOf(t test, col int, typ span.ValueType) (*table, error) {
	key := tableKey{t.expr, col}
	if tab := c.tables[key]; tab != nil {
		return tab, nil
	}
	tab, err := c.judge(t, col, typ)
	if err == nil {
		c.tables[key] = tab
	}
	return tab, err
}

func (c *cursor) judge(t test, col int, typ span.ValueType) (*table, error) {
	d := c.dictOf(col)
	isText := typ == span.String && col != colResource && col != colMore
	if e, ok := t.expr.(store.Compare); ok && isText && e.Op == store.Eq && e.Value.Type == store.StringLiteral {
		return c.judgeEqual(col, d, []byte(e.Value.Str))
	}
	tab := &table{verdicts: make([]verdict, d.len())}
	err := d.all(func(code uint32, text []byte) error {
		var v span.Value
		ok := true
		switch col {
		case colResource:
			p, err := c.object(col, code)
			if err != nil {
				return err
			}
			v, ok = valueOf(p.attrs, t.field.Name)
		case colMore:
			attrs, err := c.parseMore(code)
			if err != nil {
				return err
			}
			v, ok = valueOf(attrs, t.field.Name)
		default:
			v = span.TextValue(typ, string(text))
		}
		tab.verdicts[code] = verdictOf(t, v, ok)
		tab.any = tab.any || tab.verdicts[code] == yes
		return nil
	})
	return tab, err
}

// judgeEqual is judge of the test for one text, which a column's Bloom filter may know to be absent.
func (c *cursor) judgeEqual(col int, d *texts, text []byte) (*table, error) {
	if may, err := c.mayHold(col, text); err != nil || !may {
		return &table{}, err
	}
	code, found, err := d.find(text)
	if err != nil || !found {
		return &table{}, err
	}
	return &table{any: true, only: code}, nil
}

// textColumn is the fixed text column that a field reads, if it reads one and no more.
func textColumn(f store.Field) (int, bool) {
	switch f {
	case store.Name:
		return colName, true
	case store.StatusMessage:
		return colStatusMessage, true
	case store.StatusCode:
		return colStatus, true
	case store.KindOf:
		return colKind, true
	case store.ServiceName:
		return colService, true
	}
	if f.Scope == store.OnResource {
		return colResource, true
	}
	return 0, false
}

// filter evaluates an expression on the pages of one source. It means what [store.Matches] means.
type filter struct {
	*cursor
	expr   store.Expr // nil matches all
	within store.TimeRange
	traces traceInfos // of the traces that have rows here, if expr asks for them
	plan   *plan      // made by prepare
}

// prepare opens the source and plans the query; some is false if it has no row that matches.
func (f *filter) prepare() (some bool, err error) {
	b := f.bounds()
	if f.rows() == 0 || b.maxStart < f.within.From || f.within.To != 0 && b.minStart >= f.within.To {
		return false, nil
	}
	if err := f.open(); err != nil {
		return false, err
	}
	if f.plan == nil {
		if f.plan, err = f.makePlan(); err != nil {
			return false, err
		}
	}
	return f.plan.some, nil
}

// done gives up what only a source's own pages need; the tables stay, since another filter may ask for the same.
func (f *filter) done() {
	f.plan = nil
	f.forget()
}

// boundsOf bounds those rows of page p that may match.
func (f *filter) boundsOf(p int) pageStats {
	b := f.stats(p)
	if bound, ok := f.plan.longest(p); ok {
		b.maxDuration = min(b.maxDuration, bound)
	}
	return b
}

// matching sets out to the rows of page p that the filter matches; some is false if there are none.
func (f *filter) matching(p int, out *bitmap) (some bool, err error) {
	n := pageLen(f.rows(), p)
	st := f.boundsOf(p)
	if st.maxStart < f.within.From || f.within.To != 0 && st.minStart >= f.within.To {
		return false, nil
	}
	if f.plan.byPage {
		if maybe, err := f.possible(f.expr, st); err != nil || !maybe {
			return false, err
		}
	}
	out.fill(n)
	if !f.within.Contains(st.minStart) || !f.within.Contains(st.maxStart) {
		v, err := f.vector(colStart, p)
		if err != nil {
			return false, err
		}
		*out = bitmap{}
		for i, start := range v.nums {
			if f.within.Contains(int64(start)) {
				out.set(i)
			}
		}
	}
	if f.expr != nil && !out.empty() {
		in := &f.memory.rows
		*in = *out
		if err := f.eval(f.expr, p, n, in, out); err != nil {
			return false, err
		}
	}
	return !out.empty(), nil
}

// possible says whether some row of a page may match, judging by the bounds of its numbers and by the
// dictionaries.
func (f *filter) possible(e store.Expr, st pageStats) (bool, error) {
	switch e := e.(type) {
	case store.And:
		maybe, err := f.possible(e.X, st)
		if err != nil || !maybe {
			return false, err
		}
		return f.possible(e.Y, st)
	case store.Or:
		maybe, err := f.possible(e.X, st)
		if err != nil || maybe {
			return maybe, err
		}
		return f.possible(e.Y, st)
	case store.Compare:
		if e.Field == store.Duration {
			return durationPossible(e, st), nil
		}
		t := leaf(e)
		return f.somewhere(t)
	case store.Not, store.Exists:
	}
	return true, nil
}

func durationPossible(e store.Compare, st pageStats) bool {
	lo, hi := e.MatchValue(span.IntValue(st.minDuration)), e.MatchValue(span.IntValue(st.maxDuration))
	switch e.Op {
	case store.Lt, store.Le:
		return e.Value.Type == store.StringLiteral || lo
	case store.Gt, store.Ge:
		return e.Value.Type == store.StringLiteral || hi
	case store.Eq, store.Ne, store.Match, store.NotMatch:
	}
	return true
}

// somewhere says whether some entry of the dictionaries that the test reads matches.
func (f *filter) somewhere(t test) (bool, error) {
	if col, ok := textColumn(t.field); ok && !fixed[col].sparse {
		tab, err := f.tableOf(t, col, span.String)
		return err == nil && tab.any, err
	}
	if t.field.Scope == store.Intrinsic {
		return true, nil
	}
	for i, a := range f.attrs() {
		if a.key != t.field.Name {
			continue
		}
		if !a.typ.IsText() {
			return true, nil
		}
		if tab, err := f.tableOf(t, numFixed+i, a.typ); err != nil || tab.any {
			return true, err
		}
	}
	if tab, err := f.tableOf(t, colMore, span.Map); err != nil || tab.any {
		return true, err
	}
	if t.field.Scope == store.Anywhere {
		tab, err := f.tableOf(t, colResource, span.Map)
		return err != nil || tab.any, err
	}
	return false, nil
}

// eval sets out to those of the rows in of page p, which has n rows, of which e is true.
func (f *filter) eval(e store.Expr, p, n int, in, out *bitmap) error {
	switch e := e.(type) {
	case store.And:
		var x bitmap
		if err := f.eval(e.X, p, n, in, &x); err != nil {
			return err
		}
		if x.empty() {
			*out = x
			return nil
		}
		return f.eval(e.Y, p, n, &x, out)
	case store.Or:
		var x bitmap
		if err := f.eval(e.X, p, n, in, &x); err != nil {
			return err
		}
		if err := f.eval(e.Y, p, n, in, out); err != nil {
			return err
		}
		for i := range out {
			out[i] |= x[i]
		}
		return nil
	case store.Not:
		var x bitmap
		if err := f.eval(e.X, p, n, in, &x); err != nil {
			return err
		}
		for i := range out {
			out[i] = in[i] &^ x[i]
		}
		return nil
	case store.Exists, store.Compare:
	}
	t := leaf(e)
	if t.field == store.Duration {
		*out = bitmap{}
		return f.judgeDuration(t, p, in, out)
	}
	err := f.pass(t, p, n, out)
	for i := range out {
		out[i] &= in[i]
	}
	return err
}

// pass sets out to the rows of page p that pass the test.
func (f *filter) pass(t test, p, n int, out *bitmap) error {
	*out = bitmap{}
	if col, ok := textColumn(t.field); ok {
		if !fixed[col].sparse || !t.match(span.StringValue("")) {
			return f.judgeText(t, col, span.String, p, nil, out)
		}
		var present bitmap // rows without a text have ""
		if err := f.judgeText(t, col, span.String, p, &present, out); err != nil {
			return err
		}
		for i := range n {
			if !present.has(i) {
				out.set(i)
			}
		}
		return nil
	}
	switch t.field {
	case store.Root:
		is, isNot := t.match(span.BoolValue(true)), t.match(span.BoolValue(false))
		switch {
		case is && isNot:
			out.fill(n)
		case is || isNot:
			if err := f.present(colParent, p, out); err != nil || isNot {
				return err
			}
			var all bitmap
			all.fill(n)
			for i := range out {
				out[i] = all[i] &^ out[i]
			}
		}
		return nil
	case store.TraceDuration, store.RootName, store.RootService:
		return f.judgeTrace(t, p, out)
	}
	if t.field.Scope == store.Intrinsic {
		return nil // unknown to every engine: absent
	}
	if t.field.Scope == store.OnSpan {
		return f.judgeAttr(t, p, nil, out)
	}
	// The resource's value counts where the span has none.
	var onResource, present bitmap
	tab, err := f.tableOf(t, colResource, span.Map)
	if err != nil {
		return err
	}
	if !tab.any {
		return f.judgeAttr(t, p, nil, out)
	}
	if err := f.judgeAttr(t, p, &present, out); err != nil {
		return err
	}
	if err := f.judgeText(t, colResource, span.Map, p, nil, &onResource); err != nil {
		return err
	}
	for i := range out {
		out[i] |= onResource[i] &^ present[i]
	}
	return nil
}

// judgeText tests the rows that have a value in a text column. If present is nil nobody asks which have one.
func (f *filter) judgeText(t test, col int, typ span.ValueType, p int, present, out *bitmap) error {
	tab, err := f.tableOf(t, col, typ)
	if err != nil {
		return err
	}
	if present == nil && !tab.any {
		return nil
	}
	sparse := col >= numFixed || fixed[col].sparse
	if present == nil && tab.verdicts == nil && sparse { // one text of many: mostly it is not in this page
		return f.having(col, p, tab.only, out, f.memory)
	}
	v, err := f.vector(col, p)
	if err != nil {
		return err
	}
	if present == nil && !sparse {
		tab.mark(v.codes, out)
		return nil
	}
	for i, code := range v.codes {
		switch tab.of(code) {
		case yes:
			out.set(v.place(i))
			if present != nil {
				present.set(v.place(i))
			}
		case no:
			if present != nil {
				present.set(v.place(i))
			}
		case absent:
		}
	}
	return nil
}

// judgeAttr tests the span's own attribute: a key has at most one value in a row.
func (f *filter) judgeAttr(t test, p int, present, out *bitmap) error {
	if err := f.judgeText(t, colMore, span.Map, p, present, out); err != nil {
		return err
	}
	for i, a := range f.attrs() {
		if a.key != t.field.Name {
			continue
		}
		if a.typ.IsText() {
			if err := f.judgeText(t, numFixed+i, a.typ, p, present, out); err != nil {
				return err
			}
			continue
		}
		v, err := f.vector(numFixed+i, p)
		if err != nil {
			return err
		}
		for j, num := range v.nums {
			at := v.place(j)
			if present != nil {
				present.set(at)
			}
			if t.match(span.Value{Type: a.typ, Num: num}) {
				out.set(at)
			}
		}
	}
	return nil
}

// judgeDuration tests the rows in of a page.
func (f *filter) judgeDuration(t test, p int, in, out *bitmap) error {
	if in.count() < fewRows {
		for i := range in.each {
			d, err := f.num(colDuration, uint32(p*pageRows+i))
			if err != nil {
				return err
			}
			if t.match(span.IntValue(int64(d))) {
				out.set(i)
			}
		}
		return nil
	}
	v, err := f.vector(colDuration, p)
	if err != nil {
		return err
	}
	if c, ok := t.expr.(store.Compare); ok && c.Value.Type == store.DurationLiteral { // the usual case, without a call
		for i := range in.each {
			var is bool
			switch d := int64(v.nums[i]); c.Op {
			case store.Eq:
				is = d == c.Value.Int
			case store.Ne:
				is = d != c.Value.Int
			case store.Lt:
				is = d < c.Value.Int
			case store.Le:
				is = d <= c.Value.Int
			case store.Gt:
				is = d > c.Value.Int
			case store.Ge:
				is = d >= c.Value.Int
			case store.Match, store.NotMatch:
			}
			if is {
				out.set(i)
			}
		}
		return nil
	}
	for i := range in.each {
		if t.match(span.IntValue(int64(v.nums[i]))) {
			out.set(i)
		}
	}
	return nil
}

func (f *filter) judgeTrace(t test, p int, out *bitmap) error {
	v, err := f.vector(colTrace, p)
	if err != nil {
		return err
	}
	var before span.TraceID
	is := false
	for i, id := range v.ids {
		if i == 0 || id != before { // rows of a trace are neighbours
			before = id
			value, ok := f.traces.value(id, t.field)
			is = ok && t.match(value)
		}
		if is {
			out.set(i)
		}
	}
	return nil
}
