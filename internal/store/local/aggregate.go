package local

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// names gives texts numbers that hold for all sources of a query, whose dictionaries differ.
type names struct {
	numbers map[string]uint32
	texts   []string
}

// The numbers that read as "".
const (
	noValue   uint32 = iota // the row does not have the field
	nullValue               // it is null
	emptyText               // it is ""
)

func newNames() *names {
	return &names{map[string]uint32{"": emptyText}, []string{noValue: "", nullValue: "", emptyText: ""}}
}

func (n *names) numberOf(p []byte) uint32 {
	if i, ok := n.numbers[string(p)]; ok {
		return i
	}
	i := uint32(len(n.texts))
	n.texts = append(n.texts, string(p))
	n.numbers[n.texts[i]] = i
	return i
}

func (n *names) number(s string) uint32 { return n.numberOf([]byte(s)) }

// reader turns a field of the rows of one source into numbers of names.
type reader struct {
	*filter
	field store.Field
	names *names
	codes map[int][]uint32              // by text column: number + 1 by code; 0: not asked yet
	nums  map[span.ValueType]*numbering // of numeric attributes
}

// numbering numbers the values of a type; recent has some of them by their last bits.
type numbering struct {
	all    map[uint64]uint32
	recent [64]struct {
		num    uint64
		number uint32
	}
}

func newReader(f *filter, field store.Field, n *names) *reader {
	return &reader{f, field, n, map[int][]uint32{}, map[span.ValueType]*numbering{}}
}

// read sets out[i] for each row i of page p that is among rows. Values of other rows get no numbers: there may be any number of
// them.
func (r *reader) read(p int, rows *bitmap, out []uint32) error {
	clear(out)
	if col, ok := textColumn(r.field); ok {
		if fixed[col].sparse {
			for i := range out {
				out[i] = emptyText
			}
		}
		return r.readText(col, span.String, p, rows, out)
	}
	switch r.field {
	case store.Duration:
		v, err := r.vector(colDuration, p)
		if err != nil {
			return err
		}
		for i := range rows.each {
			out[i] = r.numeric(span.Int, v.nums[i])
		}
		return nil
	case store.Root:
		v, err := r.vector(colParent, p)
		if err != nil {
			return err
		}
		is, isNot := r.names.number("true"), r.names.number("false")
		for i, parent := range v.nums {
			if out[i] = isNot; parent == 0 {
				out[i] = is
			}
		}
		return nil
	case store.TraceDuration, store.RootName, store.RootService:
		return r.readTrace(p, rows, out)
	}
	switch r.field.Scope {
	case store.Intrinsic:
		return nil
	case store.Anywhere:
		if err := r.readText(colResource, span.Map, p, rows, out); err != nil {
			return err
		}
	case store.OnSpan, store.OnResource:
	}
	return r.readAttr(p, rows, out) // the span's own wins
}

func (r *reader) readTrace(p int, rows *bitmap, out []uint32) error {
	v, err := r.vector(colTrace, p)
	if err != nil {
		return err
	}
	before := -1
	for i := range rows.each {
		if id := v.ids[i]; before >= 0 && id == v.ids[before] {
			out[i] = out[before]
		} else if value, ok := r.traces.value(id, r.field); ok {
			out[i] = r.names.number(value.String())
		}
		before = i
	}
	return nil
}

func (r *reader) readAttr(p int, rows *bitmap, out []uint32) error {
	if err := r.readText(colMore, span.Map, p, rows, out); err != nil {
		return err
	}
	for i, a := range r.attrs() {
		if a.key != r.field.Name {
			continue
		}
		if a.typ.IsText() {
			if err := r.readText(numFixed+i, a.typ, p, rows, out); err != nil {
				return err
			}
			continue
		}
		v, err := r.vector(numFixed+i, p)
		if err != nil {
			return err
		}
		for j, num := range v.nums {
			if at := v.place(j); rows.has(at) {
				out[at] = r.numeric(a.typ, num)
			}
		}
	}
	return nil
}

func (r *reader) numeric(typ span.ValueType, num uint64) uint32 {
	known := r.nums[typ]
	if known == nil {
		known = &numbering{all: map[uint64]uint32{}}
		r.nums[typ] = known
	}
	recent := &known.recent[num%64]
	if recent.num == num && recent.number > 0 {
		return recent.number
	}
	n, ok := known.all[num]
	if !ok {
		n = r.names.number(span.Value{Type: typ, Num: num}.String())
		known.all[num] = n
	}
	recent.num, recent.number = num, n
	return n
}

// readText leaves alone the rows whose text does not have the field.
func (r *reader) readText(col int, typ span.ValueType, p int, rows *bitmap, out []uint32) error {
	v, err := r.vector(col, p)
	if err != nil || len(v.codes) == 0 {
		return err
	}
	d := r.dictOf(col)
	known := r.codes[col]
	if known == nil {
		known = make([]uint32, d.len())
		r.codes[col] = known
	}
	for i, code := range v.codes {
		if known[code] == 0 {
			if !rows.has(v.place(i)) {
				continue
			}
			n, err := r.numberOf(col, typ, code, d)
			if err != nil {
				return err
			}
			known[code] = n + 1
		}
		if n := known[code] - 1; n != noValue {
			out[v.place(i)] = n
		}
	}
	return nil
}

func (r *reader) numberOf(col int, typ span.ValueType, code uint32, d *texts) (uint32, error) {
	var attrs []span.Attribute
	switch col {
	case colResource:
		p, err := r.object(col, code)
		if err != nil {
			return 0, err
		}
		attrs = p.attrs
	case colMore:
		var err error
		if attrs, err = r.more(code); err != nil {
			return 0, err
		}
	default:
		text, err := d.at(code)
		if err != nil {
			return 0, err
		}
		return r.names.number(span.TextValue(typ, string(text)).String()), nil
	}
	v, ok := valueOf(attrs, r.field.Name)
	switch {
	case !ok:
		return noValue, nil
	case v.Type == span.Null:
		return nullValue, nil
	}
	return r.names.number(v.String()), nil
}

// aggregation sums up by group. A group is a path through pairs: the number of its first field's
// text, joined with the second's, and so on, and with the time bucket at last.
type aggregation struct {
	q      store.AggregateQuery
	most   int        // groups
	codes  [][]uint32 // by field: the numbers of a page
	names  []*names   // by field
	levels []pairs
	first  int64            // bucket of the earliest span that there can be
	times  map[int64]uint32 // numbers of late buckets
	groups []store.Group
	beyond *store.Group // takes what belongs to groups that there is no room for; nil: there are none
}

// overflow is the error of more groups than there may be.
func (a *aggregation) overflow() error {
	if a.beyond == nil {
		return nil
	}
	var by []string
	for _, field := range a.q.By {
		by = append(by, field.String())
	}
	if a.q.Step > 0 {
		by = append(by, "time by "+a.q.Step.String())
	}
	return fmt.Errorf("%w: %s has more than %d different values", store.ErrTooMany, strings.Join(by, " with "), a.most)
}

// pairs numbers pairs of numbers, in the order in which they come.
type pairs struct {
	n      uint32
	dense  [][]uint32 // of small numbers: number + 1 by first and second
	sparse map[uint64]uint32
}

// The pairs (a, b) that are in the dense table: of 16 MB at most.
const (
	denseFirst  = 4096
	denseSecond = 1024
)

func (p *pairs) number(a, b uint32) uint32 {
	if a < uint32(len(p.dense)) {
		if row := p.dense[a]; b < uint32(len(row)) && row[b] != 0 {
			return row[b] - 1
		}
	}
	return p.slow(a, b)
}

func (p *pairs) slow(a, b uint32) uint32 {
	if a >= denseFirst || b >= denseSecond {
		key := uint64(a)<<32 | uint64(b)
		n, ok := p.sparse[key]
		if !ok {
			if p.sparse == nil {
				p.sparse = map[uint64]uint32{}
			}
			n = p.n
			p.sparse[key] = n
			p.n++
		}
		return n
	}
	if missing := int(a) + 1 - len(p.dense); missing > 0 {
		p.dense = append(p.dense, make([][]uint32, missing)...)
	}
	if missing := int(b) + 1 - len(p.dense[a]); missing > 0 {
		p.dense[a] = append(p.dense[a], make([]uint32, missing)...)
	}
	p.n++
	p.dense[a][b] = p.n
	return p.n - 1
}

// aggregate is [store.Store.Aggregate], of so many groups at most.
func (v view) aggregate(ctx context.Context, q store.AggregateQuery, most int) ([]store.Group, error) {
	filters, err := v.filters(ctx, q.Filter, q.Range, q.By...)
	if err != nil {
		return nil, err
	}
	a := &aggregation{q: q, most: most, levels: make([]pairs, len(q.By)+1), codes: make([][]uint32, len(q.By))}
	for k := range q.By {
		a.names = append(a.names, newNames())
		a.codes[k] = make([]uint32, pageRows)
	}
	a.first = math.MaxInt64
	for _, f := range filters {
		if f.rows() > 0 {
			a.first = min(a.first, a.bucketOf(max(f.bounds().minStart, q.Range.From)))
		}
	}
	for _, f := range filters {
		some, err := f.prepare()
		if err != nil {
			return nil, err
		}
		switch {
		case !some:
		case a.summedUp(f):
			err = a.addOperations(f)
		default:
			err = a.scan(ctx, f)
		}
		if err != nil {
			return nil, err
		}
		f.done()
	}
	for i := range a.groups {
		a.groups[i].Stands += float64(a.groups[i].Count) // so far, what it is more than that
	}
	return a.groups, nil
}

// summedUp says whether the operations of a source have all that is asked: what matches is exactly some of them, and each
// belongs to one group.
func (a *aggregation) summedUp(f *filter) bool {
	if f.plan.ops == nil || !f.plan.exact {
		return false
	}
	for _, field := range a.q.By {
		if _, ok := operationColumn(field); !ok {
			return false
		}
	}
	for i, t := range f.plan.truths {
		if o := &f.plan.ops[i]; t == always && a.bucketOf(o.minStart) != a.bucketOf(o.maxStart) {
			return false
		}
	}
	return true
}

// operationColumn is the column of a field that operations have; colParent stands for whether there is one.
func operationColumn(f store.Field) (col int, ok bool) {
	switch f {
	case store.ServiceName:
		return colService, true
	case store.Name:
		return colName, true
	case store.KindOf:
		return colKind, true
	case store.StatusCode:
		return colStatus, true
	case store.Root:
		return colParent, true
	}
	return 0, false
}

// addOperations counts those operations that match.
func (a *aggregation) addOperations(f *filter) error {
	failed, err := f.failedCode()
	if err != nil {
		return err
	}
	key := make([]uint32, len(a.q.By))
	for i, t := range f.plan.truths {
		if t != always {
			continue
		}
		o := &f.plan.ops[i]
		for k, field := range a.q.By {
			col, _ := operationColumn(field)
			if col == colParent {
				key[k] = a.names[k].number(strconv.FormatBool(o.root))
				continue
			}
			text, err := f.dictOf(col).at(o.code(col))
			if err != nil {
				return err
			}
			key[k] = a.names[k].numberOf(text)
		}
		at := uint32(0)
		for k := range key {
			at = a.levels[k].number(at, key[k])
		}
		g := a.group(a.levels[len(key)].number(at, a.timeNumber(a.bucketOf(o.minStart))), a.bucketOf(o.minStart), func(k int) uint32 { return key[k] })
		g.Count += o.count
		g.Stands += o.stands - float64(o.count)
		g.Sum += o.sum
		o.addDurations(&g.Durations)
		if o.status == failed {
			g.Errors += o.count
		}
	}
	return a.overflow()
}

// group is group at, which is new if it is the first beyond those that there are.
func (a *aggregation) group(at uint32, time int64, key func(k int) uint32) *store.Group {
	if int(at) >= len(a.groups) {
		if int(at) >= a.most {
			a.beyond = &store.Group{}
			return a.beyond
		}
		g := store.Group{Key: make([]string, len(a.q.By)), Time: time}
		for k := range g.Key {
			g.Key[k] = a.names[k].texts[key(k)]
		}
		a.groups = append(a.groups, g)
	}
	return &a.groups[at]
}

// scan counts the rows that match, one by one.
func (a *aggregation) scan(ctx context.Context, f *filter) error {
	readers := make([]*reader, len(a.q.By))
	for k, field := range a.q.By {
		readers[k] = newReader(f, field, a.names[k])
	}
	failed, err := f.failedCode()
	if err != nil {
		return err
	}
	states := weigher{texts: f.dictOf(colTraceState)}
	return f.eachPage(ctx, func(p int, rows *bitmap) error {
		n := pageLen(f.rows(), p)
		for k, r := range readers {
			if err := r.read(p, rows, a.codes[k][:n]); err != nil {
				return err
			}
		}
		state, err := f.vector(colTraceState, p)
		if err != nil {
			return err
		}
		weights, err := states.weigh(state, n)
		if err != nil {
			return err
		}
		return a.add(f, p, rows, failed, weights)
	})
}

// failedCode is the code of the status of errors, or a code that no row has.
func (c *cursor) failedCode() (uint32, error) {
	code, ok, err := c.dictOf(colStatus).find([]byte(span.StatusError.String()))
	if !ok {
		return math.MaxUint32, err
	}
	return code, nil
}

// add counts rows of a page, whose fields are in a.codes; without weights, each stands for itself.
func (a *aggregation) add(f *filter, p int, rows *bitmap, failed uint32, weights []float64) error {
	durations, err := f.vector(colDuration, p)
	if err != nil {
		return err
	}
	status, err := f.vector(colStatus, p)
	if err != nil {
		return err
	}
	st := f.stats(p)
	bucket := a.bucketOf(st.minStart)
	time := a.timeNumber(bucket)
	var starts []uint64 // if the page has several buckets
	if a.bucketOf(st.maxStart) != bucket {
		v, err := f.vector(colStart, p)
		if err != nil {
			return err
		}
		starts = v.nums
	}
	last := len(a.codes)
	for i := range rows.each {
		if starts != nil {
			if past := int64(starts[i]) - bucket; past < 0 || past >= int64(a.q.Step) {
				bucket = a.bucketOf(int64(starts[i]))
				time = a.timeNumber(bucket)
			}
		}
		at := uint32(0)
		for k, codes := range a.codes {
			at = a.levels[k].number(at, max(codes[i], emptyText)) // of all that reads as "" one group
		}
		at = a.levels[last].number(at, time)
		g := a.group(at, bucket, func(k int) uint32 { return a.codes[k][i] })
		d := int64(durations.nums[i])
		g.Count++
		if weights != nil {
			g.Stands += weights[i] - 1
		}
		g.Sum += d
		g.Durations.Add(d)
		if status.codes[i] == failed {
			g.Errors++
		}
	}
	return a.overflow()
}

// bucketOf is the start of the time bucket of a time.
func (a *aggregation) bucketOf(t int64) int64 {
	if a.q.Step <= 0 {
		return 0
	}
	return t - t%int64(a.q.Step)
}

// timeNumber numbers the buckets: densely, from the first that there can be, for as long as the numbers are small.
func (a *aggregation) timeNumber(bucket int64) uint32 {
	if a.q.Step <= 0 {
		return 0
	}
	if n := (bucket - a.first) / int64(a.q.Step); n < denseSecond {
		return uint32(n)
	}
	n, ok := a.times[bucket]
	if !ok {
		if a.times == nil {
			a.times = map[int64]uint32{}
		}
		n = denseSecond + uint32(len(a.times))
		a.times[bucket] = n
	}
	return n
}

// defaultNames is the limit of a NamesQuery without one.
const defaultNames = 1000

// list is [store.Store.Names].
func (v view) list(ctx context.Context, q store.NamesQuery) ([]string, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultNames
	}
	var e store.Expr
	if q.Service != "" {
		e = store.Is(store.ServiceName, q.Service)
	}
	filters, err := v.filters(ctx, e, q.Range)
	if err != nil {
		return nil, err
	}
	field := q.Field
	switch q.Of {
	case store.Services:
		field = store.ServiceName
	case store.Operations:
		field = store.Name
	case store.Keys:
		return v.listKeys(ctx, filters, q.Prefix, limit)
	case store.Values:
		if field.TraceLevel() {
			return nil, nil
		}
	}
	first := newFirstNames(limit, q.Prefix)
	codes := make([]uint32, pageRows)
	var (
		all    *names
		found  []bool // by number in all
		r      *reader
		source = -1
	)
	// What a source has is bounded by its rows; what all have is not.
	add := func() {
		for n := int(emptyText); n < len(found); n++ {
			if found[n] {
				first.add(all.texts[n])
			}
		}
	}
	err = each(ctx, filters, func(i int, f *filter, p int, rows *bitmap) error {
		if i != source {
			add()
			all, found, source = newNames(), found[:0], i
			r = newReader(f, field, all)
		}
		if err := r.read(p, rows, codes[:pageLen(f.rows(), p)]); err != nil {
			return err
		}
		found = append(found, make([]bool, len(all.texts)-len(found))...)
		for i := range rows.each {
			found[codes[i]] = true
		}
		return nil
	})
	add()
	return first.sorted(), err
}

// firstNames keeps the first names of those that it is given, so that its memory is bounded by their number and not by that of
// all.
type firstNames struct {
	limit  int
	room   int // for names, more than limit
	prefix string
	names  map[string]bool
	last   string // if full: what is beyond is not among the first
	full   bool
}

func newFirstNames(limit int, prefix string) *firstNames {
	return &firstNames{limit: limit, room: 2*min(limit, 1<<30) + pageRows, prefix: prefix, names: map[string]bool{}}
}

// wants says whether a name may be among the first and is not there yet.
func (f *firstNames) wants(name string) bool {
	return strings.HasPrefix(name, f.prefix) && (!f.full || name < f.last) && !f.names[name]
}

func (f *firstNames) add(name string) {
	if !f.wants(name) {
		return
	}
	f.names[name] = true
	if len(f.names) < f.room {
		return
	}
	kept := f.sorted()
	clear(f.names)
	for _, name := range kept {
		f.names[name] = true
	}
	f.full, f.last = true, kept[len(kept)-1]
}

func (f *firstNames) sorted() []string {
	list := slices.Sorted(maps.Keys(f.names))
	return list[:min(f.limit, len(list))]
}

// listKeys lists the attribute keys of the rows that match.
func (v view) listKeys(ctx context.Context, filters []*filter, prefix string, limit int) ([]string, error) {
	first := newFirstNames(limit, prefix)
	add := func(scope store.Scope, attrs []span.Attribute) {
		for _, a := range attrs {
			first.add(store.Field{Scope: scope, Name: a.Key}.String())
		}
	}
	err := each(ctx, filters, func(_ int, f *filter, p int, rows *bitmap) error {
		for i, a := range f.attrs() {
			name := store.Field{Scope: store.OnSpan, Name: a.key}.String()
			if !first.wants(name) {
				continue
			}
			v, err := f.vector(numFixed+i, p)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(v.rows, func(row uint32) bool { return rows.has(int(row - v.from)) }) {
				first.add(name)
			}
		}
		resources, err := codesOf(f, colResource, p, rows)
		if err != nil {
			return err
		}
		for code := range resources {
			o, err := f.object(colResource, code)
			if err != nil {
				return err
			}
			add(store.OnResource, o.attrs)
		}
		several, err := codesOf(f, colMore, p, rows)
		if err != nil {
			return err
		}
		for code := range several {
			attrs, err := f.parseMore(code)
			if err != nil {
				return err
			}
			add(store.OnSpan, attrs)
		}
		return nil
	})
	return first.sorted(), err
}

// codesOf is the set of a text column's codes in some rows of a page.
func codesOf(f *filter, col, p int, rows *bitmap) (map[uint32]bool, error) {
	v, err := f.vector(col, p)
	if err != nil {
		return nil, err
	}
	set := map[uint32]bool{}
	for i, code := range v.codes {
		if rows.has(v.place(i)) {
			set[code] = true
		}
	}
	return set, nil
}
