package local

import (
	"fmt"
	"unique"

	"github.com/fuwu-project/fuwu/internal/span"
)

// cursor reads one source for one query: it keeps what the query has touched. It is not safe for concurrent
// use.
type cursor struct {
	source
	columns

	pages   int
	scanned []*vector // by column: the page that was asked for last
	memory  *vectors
	one     vector                      // a row that at cannot tell
	run     runOf                       // rows of which everything will be asked
	every   []int                       // all columns of attributes, once somebody asked
	dicts   []*texts                    // by column
	objects map[uint64]*parsed          // of colResource and colScope, by column<<32 | code
	maps    map[uint32][]span.Attribute // of colMore, by code
	tables  map[tableKey]*table

	kinds, statuses []uint8 // by code, once somebody asked
}

// runOf is neighbouring rows, of a trace, and what was read of them: each column once, rather than every row of it.
type runOf struct {
	from, to uint32
	parts    []*vector // all columns of its first page, then of the next one
	used     [][]int   // by page: the columns of attributes that have values there
}

// page is the place of the page of a row among those of the run.
func (r *runOf) page(row uint32) int { return int(row)/pageRows - int(r.from)/pageRows }

// vectors keeps the memory of vectors, which one segment after another uses; heads, whose vectors show what is
// not theirs, have each their own.
type vectors struct {
	free  []*vector
	codes []uint32
	rows  bitmap
}

func (m *vectors) take() *vector {
	n := len(m.free)
	if n == 0 {
		return &vector{}
	}
	v := m.free[n-1]
	m.free = m.free[:n-1]
	return v
}

// giveBack takes what is there of some vectors, and forgets that they had it.
func (m *vectors) giveBack(some []*vector) {
	for _, v := range some {
		if v != nil {
			m.free = append(m.free, v)
		}
	}
	clear(some)
}

func newCursor(s source, memory *vectors) *cursor {
	return &cursor{source: s, pages: pagesOf(s.rows()), memory: memory}
}

// open makes the columns accessible; it may be called again.
func (c *cursor) open() (err error) {
	if c.columns != nil {
		return nil
	}
	if c.columns, err = c.source.columns(); err != nil {
		return err
	}
	n := numFixed + len(c.attrs())
	c.scanned, c.dicts = make([]*vector, n), make([]*texts, n)
	c.tables = map[tableKey]*table{}
	c.objects, c.maps = map[uint64]*parsed{}, map[uint32][]span.Attribute{}
	return nil
}

// scannedAll gives back what vector returned.
func (c *cursor) scannedAll() { c.memory.giveBack(c.scanned) }

// forget gives up the dictionaries and what was parsed of them, which the cache has for as long as there is room: a query
// that goes over many sources is not to hold those of all.
func (c *cursor) forget() {
	clear(c.dicts)
	clear(c.objects)
	clear(c.maps)
	c.leave()
}

// vector is a page of a column, until another page of it is asked for.
func (c *cursor) vector(col, p int) (*vector, error) {
	v := c.scanned[col]
	if v != nil && v.from == uint32(p)*pageRows {
		return v, nil
	}
	if v == nil {
		v = c.memory.take()
	}
	c.scanned[col] = nil
	from := p * pageRows
	if err := c.read(col, uint32(from), uint32(from+pageLen(c.rows(), p)), v); err != nil {
		return nil, err
	}
	c.scanned[col] = v
	return v, nil
}

// dictOf is the dictionary of a text column.
func (c *cursor) dictOf(col int) *texts {
	if c.dicts[col] == nil {
		c.dicts[col] = c.texts(col)
	}
	return c.dicts[col]
}

// dwell says that rows from to to will be asked for all that is in some columns, or, if these are nil, in any.
func (c *cursor) dwell(from, to uint32, some []int) {
	c.leave()
	c.willNeed(from, to, some)
	r := &c.run
	r.from, r.to = from, to
	pages := r.page(to-1) + 1
	r.parts, r.used = sized(r.parts, pages*len(c.scanned)), sized(r.used, pages)
	clear(r.parts)
	clear(r.used)
}

// leave gives back what dwell made.
func (c *cursor) leave() {
	c.memory.giveBack(c.run.parts)
	c.run.from, c.run.to = 0, 0
}

// has says whether a row is in the run.
func (r *runOf) has(row uint32) bool { return r.from <= row && row < r.to }

// part is what the run has of a column in the page of a row.
func (c *cursor) part(col int, row uint32) (*vector, error) {
	at := &c.run.parts[c.run.page(row)*len(c.scanned)+col]
	if *at == nil {
		v := c.memory.take()
		from := row / pageRows * pageRows
		if err := c.read(col, max(c.run.from, from), min(c.run.to, from+pageRows), v); err != nil {
			return nil, err
		}
		*at = v
	}
	return *at, nil
}

// usedAttrs are the columns of attributes that a row may have values in.
func (c *cursor) usedAttrs(row uint32) ([]int, error) {
	used := &c.every
	in := c.run.has(row)
	if in {
		used = &c.run.used[c.run.page(row)]
	}
	if *used != nil {
		return *used, nil
	}
	some := make([]int, 0, len(c.attrs()))
	for i := range c.attrs() {
		if in {
			if v, err := c.part(numFixed+i, row); err != nil {
				return nil, err
			} else if len(v.rows) == 0 {
				continue
			}
		}
		some = append(some, i)
	}
	*used = some
	return some, nil
}

// single is the number or code of a row of a column, if it has one.
func (c *cursor) single(col int, row uint32) (x uint64, has bool, err error) {
	v := c.scanned[col]
	switch {
	case v != nil && v.from <= row && row < v.to:
	case c.run.has(row):
		if v, err = c.part(col, row); err != nil {
			return 0, false, err
		}
	default:
		x, has, direct, err := c.at(col, row)
		if direct || err != nil {
			return x, has, err
		}
		v = &c.one
		if err := c.read(col, row, row+1, v); err != nil {
			return 0, false, err
		}
	}
	at := v.find(row)
	if at < 0 {
		return 0, false, nil
	}
	if c.isText(col) {
		return uint64(v.codes[at]), true, nil
	}
	return v.nums[at], true, nil
}

// isText says whether a column has codes.
func (c *cursor) isText(col int) bool {
	if col < numFixed {
		return fixed[col].layout == textLayout
	}
	return c.attrs()[col-numFixed].typ.IsText()
}

// resource is the resource of a row.
func (c *cursor) resource(row uint32) (*parsed, error) {
	code, _, err := c.code(colResource, row)
	if err != nil {
		return nil, err
	}
	return c.object(colResource, code)
}

// broken is err about what a column holds: of a segment, that it is corrupt.
func (c *cursor) broken(col int, err error) error {
	err = fmt.Errorf("column %s: %w", fixed[col].name, err)
	if s, ok := c.source.(*segment); ok {
		return &corruptError{s, err}
	}
	return err
}

// object is the parsed text of a resource or scope.
func (c *cursor) object(col int, code uint32) (*parsed, error) {
	key := uint64(col)<<32 | uint64(code)
	if p := c.objects[key]; p != nil {
		return p, nil
	}
	p, err := c.parsed(col, code, func() (*parsed, error) {
		text, err := c.dictOf(col).at(code)
		if err != nil {
			return nil, err
		}
		p, err := parseObject(string(text))
		if err != nil {
			return nil, c.broken(col, err)
		}
		p.text, p.block = unique.Make(string(text)), newBlock(p.attrs)
		return &p, nil
	})
	if err == nil {
		c.objects[key] = p
	}
	return p, err
}

// more is the parsed text of a map in colMore, which is kept.
func (c *cursor) more(code uint32) ([]span.Attribute, error) {
	if attrs, ok := c.maps[code]; ok {
		return attrs, nil
	}
	attrs, err := c.parseMore(code)
	if err == nil {
		c.maps[code] = attrs
	}
	return attrs, err
}

// parseMore is more for those who ask for each once.
func (c *cursor) parseMore(code uint32) ([]span.Attribute, error) {
	text, err := c.dictOf(colMore).at(code)
	if err != nil {
		return nil, err
	}
	attrs, err := parseMap(string(text))
	if err != nil {
		return nil, c.broken(colMore, err)
	}
	return attrs, nil
}

// num is the value of a num column in a row; 0 if it has none.
func (c *cursor) num(col int, row uint32) (uint64, error) {
	x, _, err := c.single(col, row)
	return x, err
}

// code is the code of a text column in a row; ok is false if it has none.
func (c *cursor) code(col int, row uint32) (code uint32, ok bool, err error) {
	x, ok, err := c.single(col, row)
	return uint32(x), ok, err
}

// text is the text of a text column in a row; nil if it has none.
func (c *cursor) text(col int, row uint32) ([]byte, error) {
	code, ok, err := c.code(col, row)
	if err != nil || !ok {
		return nil, err
	}
	return c.dictOf(col).at(code)
}

func (c *cursor) trace(row uint32) (span.TraceID, error) {
	if v := c.scanned[colTrace]; v != nil && v.from == row/pageRows*pageRows {
		return v.ids[row-v.from], nil
	}
	return c.traceAt(row)
}

// spanKey is what Trace and Select sort by and tell copies by; the resource is compared apart.
type spanKey struct {
	trace    span.TraceID
	start    int64
	duration int64
	id       span.ID
	kind     span.Kind
}

func (c *cursor) key(row uint32) (k spanKey, err error) {
	trace, err := c.trace(row)
	if err != nil {
		return k, err
	}
	return c.keyIn(trace, row)
}

// keyIn is the key of a row of a trace.
func (c *cursor) keyIn(trace span.TraceID, row uint32) (k spanKey, err error) {
	k.trace = trace
	var nums [3]uint64
	for i, col := range [...]int{colStart, colDuration, colSpan} {
		if nums[i], err = c.num(col, row); err != nil {
			return k, err
		}
	}
	k.start, k.duration, k.id = int64(nums[0]), int64(nums[1]), span.ID(nums[2])
	k.kind, err = c.kind(row)
	return k, err
}

func (c *cursor) kind(row uint32) (span.Kind, error) {
	n, err := c.enum(colKind, row, &c.kinds, parseKind)
	return span.Kind(n), err
}

func (c *cursor) status(row uint32) (span.Status, error) {
	n, err := c.enum(colStatus, row, &c.statuses, parseStatus)
	return span.Status(n), err
}

// enum is the number whose name a row has in a column; known are those of the column's dictionary, once somebody asked.
func (c *cursor) enum(col int, row uint32, known *[]uint8, parse func(string) (uint8, bool)) (uint8, error) {
	code, ok, err := c.code(col, row)
	if err != nil || !ok {
		return 0, err
	}
	if *known == nil {
		list := make([]uint8, 0, c.dictOf(col).len())
		err := c.dictOf(col).all(func(_ uint32, text []byte) error {
			n, err := parseCode(string(text), parse)
			if err != nil {
				return c.broken(col, err)
			}
			list = append(list, n)
			return nil
		})
		if err != nil {
			return 0, err
		}
		*known = list
	}
	return (*known)[code], nil
}

// gatherer builds a batch of rows of several sources.
type gatherer struct {
	b         *span.Batch
	brief     bool                             // as in store.Query
	resources map[unique.Handle[string]]uint32 // those that the batch has, by their text
	kept      int                              // length of the batch's text that is of its resources
	scopes    map[unique.Handle[string]]uint32
	keys      map[string]span.Text
	attrs     []span.Attribute
}

func newGatherer(brief bool) *gatherer {
	rows := func() map[unique.Handle[string]]uint32 { return map[unique.Handle[string]]uint32{} }
	return &gatherer{b: &span.Batch{}, brief: brief, resources: rows(), scopes: rows(), keys: map[string]span.Text{}}
}

// mostKept bounds the text of resources that gatherBrief keeps, in bytes.
const mostKept = 1 << 20

// gatherBrief makes the batch that of other hits. It keeps its resources, which most traces share, unless they grow too many:
// then it is another batch.
func (g *gatherer) gatherBrief(hits []hit) (*span.Batch, error) {
	if g.kept > mostKept {
		*g = *newGatherer(true)
	}
	g.b.Truncate(0)
	text := g.b.Bytes(span.Text{Len: uint32(g.b.TextLen())})
	g.b.SetText(text[:g.kept])
	return g.gather(hits)
}

// gather makes the batch, which is empty, that of hits, in their order.
func (g *gatherer) gather(hits []hit) (_ *span.Batch, err error) {
	g.b.Grow(len(hits))
	for i := range hits {
		g.b.Add()
		if g.b.Resource[i], err = g.resource(hits[i].c, hits[i].row); err != nil {
			return nil, err
		}
	}
	g.kept = g.b.TextLen()
	for i := range hits {
		if err := g.fill(i, &hits[i]); err != nil {
			return nil, err
		}
	}
	return g.b, nil
}

// fill makes span i of the batch, which has its resource, that of a hit.
func (g *gatherer) fill(i int, h *hit) error {
	c, row, k, b := h.c, h.row, &h.key, g.b
	b.TraceID[i], b.SpanID[i], b.Kind[i], b.Start[i], b.Duration[i] = k.trace, k.id, k.kind, k.start, k.duration

	parent, err := c.num(colParent, row)
	if err != nil {
		return err
	}
	name, err := c.text(colName, row)
	if err != nil {
		return err
	}
	status, err := c.status(row)
	if err != nil {
		return err
	}
	b.Parent[i], b.Name[i], b.Status[i] = span.ID(parent), b.PutBytes(name), status
	if g.brief {
		b.Scope[i] = g.noScope()
		return nil
	}
	return g.addRest(c, row, i)
}

// addRest adds what brief batches do not have.
func (g *gatherer) addRest(c *cursor, row uint32, i int) (err error) {
	b := g.b
	var nums [4]uint64
	for j, col := range [...]int{colFlags, colDroppedAttrs, colDroppedEvents, colDroppedLinks} {
		if nums[j], err = c.num(col, row); err != nil {
			return err
		}
	}
	b.Flags[i], b.Dropped[i] = uint32(nums[0]), span.Dropped{Attrs: uint32(nums[1]), Events: uint32(nums[2]), Links: uint32(nums[3])}
	var texts [4][]byte
	for j, col := range [...]int{colStatusMessage, colTraceState, colEvents, colLinks} {
		if texts[j], err = c.text(col, row); err != nil {
			return err
		}
	}
	b.StatusMessage[i], b.TraceState[i] = b.PutBytes(texts[0]), b.PutBytes(texts[1])
	if b.Attrs[i], err = g.addAttrs(c, row); err != nil {
		return err
	}
	if b.EventsOf[i], err = g.addEvents(string(texts[2])); err != nil {
		return c.broken(colEvents, err)
	}
	if b.LinksOf[i], err = g.addLinks(string(texts[3])); err != nil {
		return c.broken(colLinks, err)
	}
	b.Scope[i], err = g.scope(c, row)
	return err
}

// noScope is the empty scope.
func (g *gatherer) noScope() uint32 {
	if len(g.b.Scopes) == 0 {
		g.b.Scopes = append(g.b.Scopes, span.ScopeRow{})
	}
	return 0
}

func (g *gatherer) put(attrs []span.Attribute) span.Range {
	r := span.Range{From: uint32(len(g.b.Values))}
	for _, a := range attrs {
		g.b.AddAttr(g.key(a.Key), a.Value)
	}
	r.To = uint32(len(g.b.Values))
	return r
}

func (g *gatherer) addAttrs(c *cursor, row uint32) (span.Range, error) {
	used, err := c.usedAttrs(row)
	if err != nil {
		return span.Range{}, err
	}
	r := span.Range{From: uint32(len(g.b.Values))}
	for _, i := range used {
		col, a := numFixed+i, &c.attrs()[i]
		x, ok, err := c.single(col, row)
		if err != nil {
			return span.Range{}, err
		}
		if !ok {
			continue
		}
		attr := span.Attr{Key: g.key(a.key), Type: a.typ, Num: x}
		if a.typ.IsText() {
			text, err := c.dictOf(col).at(uint32(x))
			if err != nil {
				return span.Range{}, err
			}
			attr.Num = span.TextNum(g.b.PutBytes(text))
		}
		g.b.Values = append(g.b.Values, attr)
	}
	code, ok, err := c.code(colMore, row)
	if err != nil {
		return span.Range{}, err
	}
	if ok {
		more, err := c.more(code)
		if err != nil {
			return span.Range{}, err
		}
		attrs := g.attrs[:0]
		for _, a := range g.b.Values[r.From:] {
			attrs = append(attrs, span.Attribute{Key: g.b.String(a.Key), Value: g.b.Value(a)})
		}
		g.b.Values = g.b.Values[:r.From]
		g.attrs = canonical(append(attrs, more...))
		return g.put(g.attrs), nil
	}
	r.To = uint32(len(g.b.Values))
	return r, nil
}

// key is the place of a key in the batch, which has it once.
func (g *gatherer) key(key string) span.Text {
	t, ok := g.keys[key]
	if !ok {
		t = g.b.PutText(key)
		g.keys[key] = t
	}
	return t
}

func (g *gatherer) addEvents(text string) (r span.Range, err error) {
	r = span.Range{From: uint32(len(g.b.Events)), To: uint32(len(g.b.Events))}
	if text == "" {
		return r, nil
	}
	list, err := parseObjects(text)
	if err != nil {
		return r, err
	}
	for _, p := range list {
		g.b.Events = append(g.b.Events, span.EventRow{
			Time: p.time, Name: g.b.PutText(p.name), Attrs: g.put(p.attrs), Dropped: p.dropped,
		})
	}
	r.To = uint32(len(g.b.Events))
	return r, nil
}

func (g *gatherer) addLinks(text string) (r span.Range, err error) {
	r = span.Range{From: uint32(len(g.b.Links)), To: uint32(len(g.b.Links))}
	if text == "" {
		return r, nil
	}
	list, err := parseObjects(text)
	if err != nil {
		return r, err
	}
	for _, p := range list {
		half := len(p.traceID) / 2
		g.b.Links = append(g.b.Links, span.LinkRow{
			TraceID: span.TraceID{Hi: parseID(p.traceID[:half]), Lo: parseID(p.traceID[half:])},
			SpanID:  span.ID(parseID(p.spanID)), TraceState: g.b.PutText(p.traceState),
			Attrs: g.put(p.attrs), Dropped: p.dropped, Flags: p.flags,
		})
	}
	r.To = uint32(len(g.b.Links))
	return r, nil
}

func (g *gatherer) resource(c *cursor, row uint32) (uint32, error) {
	p, err := c.resource(row)
	if err != nil {
		return 0, err
	}
	i, ok := g.resources[p.text]
	if !ok {
		i = uint32(len(g.b.Resources))
		g.b.Resources = append(g.b.Resources, span.ResourceRow{
			Attrs: p.block.put(g.b), Dropped: p.dropped, SchemaURL: g.b.PutText(p.schemaURL),
		})
		g.resources[p.text] = i
	}
	return i, nil
}

func (g *gatherer) scope(c *cursor, row uint32) (uint32, error) {
	code, _, err := c.code(colScope, row)
	if err != nil {
		return 0, err
	}
	p, err := c.object(colScope, code)
	if err != nil {
		return 0, err
	}
	i, ok := g.scopes[p.text]
	if !ok {
		i = uint32(len(g.b.Scopes))
		g.b.Scopes = append(g.b.Scopes, span.ScopeRow{
			Name: g.b.PutText(p.name), Version: g.b.PutText(p.version),
			Attrs: p.block.put(g.b), Dropped: p.dropped, SchemaURL: g.b.PutText(p.schemaURL),
		})
		g.scopes[p.text] = i
	}
	return i, nil
}
