package local

import (
	"fmt"

	"github.com/fuwu-project/fuwu/internal/span"
)

// cursor reads one source for one query: it keeps what the query has touched, so that the cache and its
// lock are asked once for each page of a column. It is not safe for concurrent use.
type cursor struct {
	source
	pages   int
	vectors map[int]*vector // by column*pages + page
	dicts   map[int]*dict
	objects map[uint64]*parsed          // of colResource and colScope, by column<<32 | code
	maps    map[uint32][]span.Attribute // of colMore, by code
	tables  map[tableKey]*table
}

func newCursor(s source) *cursor {
	return &cursor{
		source: s, pages: pagesOf(s.rows()), vectors: map[int]*vector{}, dicts: map[int]*dict{},
		objects: map[uint64]*parsed{}, maps: map[uint32][]span.Attribute{}, tables: map[tableKey]*table{},
	}
}

func (c *cursor) vector(col, p int) (*vector, error) {
	key := col*c.pages + p
	if v := c.vectors[key]; v != nil {
		return v, nil
	}
	v, err := c.page(col, p)
	if err != nil {
		return nil, err
	}
	c.vectors[key] = &v
	return &v, nil
}

func (c *cursor) dictOf(col int) (*dict, error) {
	if d := c.dicts[col]; d != nil {
		return d, nil
	}
	d, err := c.dict(col)
	if err != nil {
		return nil, err
	}
	c.dicts[col] = &d
	return &d, nil
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
	d, err := c.dictOf(col)
	if err != nil {
		return nil, err
	}
	p, err := parseObject(string(d.at(code)))
	if err != nil {
		return nil, c.broken(col, err)
	}
	c.objects[key] = &p
	return &p, nil
}

// more is the parsed text of a map in colMore.
func (c *cursor) more(code uint32) ([]span.Attribute, error) {
	if attrs, ok := c.maps[code]; ok {
		return attrs, nil
	}
	d, err := c.dictOf(colMore)
	if err != nil {
		return nil, err
	}
	attrs, err := parseMap(string(d.at(code)))
	if err != nil {
		return nil, c.broken(colMore, err)
	}
	c.maps[code] = attrs
	return attrs, nil
}

// num is the value of a num column in a row; 0 if it has none.
func (c *cursor) num(col int, row uint32) (uint64, error) {
	v, err := c.vector(col, int(row)/pageRows)
	if err != nil {
		return 0, err
	}
	if at := v.find(row); at >= 0 {
		return v.nums[at], nil
	}
	return 0, nil
}

// code is the code of a text column in a row; ok is false if it has none.
func (c *cursor) code(col int, row uint32) (code uint32, ok bool, err error) {
	v, err := c.vector(col, int(row)/pageRows)
	if err != nil {
		return 0, false, err
	}
	if at := v.find(row); at >= 0 {
		return v.codes[at], true, nil
	}
	return 0, false, nil
}

// text is the text of a text column in a row; nil if it has none.
func (c *cursor) text(col int, row uint32) ([]byte, error) {
	code, ok, err := c.code(col, row)
	if err != nil || !ok {
		return nil, err
	}
	d, err := c.dictOf(col)
	if err != nil {
		return nil, err
	}
	return d.at(code), nil
}

func (c *cursor) trace(row uint32) (span.TraceID, error) {
	v, err := c.vector(colTrace, int(row)/pageRows)
	if err != nil {
		return span.TraceID{}, err
	}
	return v.ids[row-v.from], nil
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
	if k.trace, err = c.trace(row); err != nil {
		return k, err
	}
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
	text, err := c.text(colKind, row)
	if err != nil {
		return 0, err
	}
	kind, err := parseCode(string(text), parseKind)
	if err != nil {
		return 0, c.broken(colKind, err)
	}
	return span.Kind(kind), nil
}

// gatherer builds a batch of rows of several sources.
type gatherer struct {
	b         *span.Batch
	resources map[string]uint32 // row of b.Resources by the text of the column
	scopes    map[string]uint32
	attrs     []span.Attribute
}

func newGatherer() *gatherer {
	return &gatherer{b: &span.Batch{}, resources: map[string]uint32{}, scopes: map[string]uint32{}}
}

// add appends a row of c to the batch.
func (g *gatherer) add(c *cursor, row uint32) error {
	k, err := c.key(row)
	if err != nil {
		return err
	}
	b := g.b
	i := b.Add()
	b.TraceID[i], b.SpanID[i], b.Kind[i], b.Start[i], b.Duration[i] = k.trace, k.id, k.kind, k.start, k.duration

	var nums [5]uint64
	for j, col := range [...]int{colParent, colFlags, colDroppedAttrs, colDroppedEvents, colDroppedLinks} {
		if nums[j], err = c.num(col, row); err != nil {
			return err
		}
	}
	b.Parent[i], b.Flags[i] = span.ID(nums[0]), uint32(nums[1])
	b.Dropped[i] = span.Dropped{Attrs: uint32(nums[2]), Events: uint32(nums[3]), Links: uint32(nums[4])}

	var texts [6][]byte
	for j, col := range [...]int{colName, colStatus, colStatusMessage, colTraceState, colEvents, colLinks} {
		if texts[j], err = c.text(col, row); err != nil {
			return err
		}
	}
	b.Name[i], b.StatusMessage[i], b.TraceState[i] = b.PutBytes(texts[0]), b.PutBytes(texts[2]), b.PutBytes(texts[3])
	status, err := parseCode(string(texts[1]), parseStatus)
	if err != nil {
		return c.broken(colStatus, err)
	}
	b.Status[i] = span.Status(status)
	if b.Attrs[i], err = g.addAttrs(c, row); err != nil {
		return err
	}
	if b.EventsOf[i], err = g.addEvents(string(texts[4])); err != nil {
		return c.broken(colEvents, err)
	}
	if b.LinksOf[i], err = g.addLinks(string(texts[5])); err != nil {
		return c.broken(colLinks, err)
	}
	if b.Resource[i], err = g.resource(c, row); err != nil {
		return err
	}
	b.Scope[i], err = g.scope(c, row)
	return err
}

func (g *gatherer) put(attrs []span.Attribute) span.Range {
	r := span.Range{From: uint32(len(g.b.Values))}
	for _, a := range attrs {
		g.b.AddAttr(g.b.PutText(a.Key), a.Value)
	}
	r.To = uint32(len(g.b.Values))
	return r
}

func (g *gatherer) addAttrs(c *cursor, row uint32) (span.Range, error) {
	attrs := g.attrs[:0]
	for i, a := range c.attrs() {
		col := numFixed + i
		v, err := c.vector(col, int(row)/pageRows)
		if err != nil {
			return span.Range{}, err
		}
		at := v.find(row)
		if at < 0 {
			continue
		}
		value, err := c.value(col, a.typ, v, at)
		if err != nil {
			return span.Range{}, err
		}
		attrs = append(attrs, span.Attribute{Key: a.key, Value: value})
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
		attrs = canonical(append(attrs, more...))
	}
	g.attrs = attrs
	return g.put(attrs), nil
}

// value is the value at v's place at of an attribute column.
func (c *cursor) value(col int, typ span.ValueType, v *vector, at int) (span.Value, error) {
	if !typ.IsText() {
		return span.Value{Type: typ, Num: v.nums[at]}, nil
	}
	d, err := c.dictOf(col)
	if err != nil {
		return span.Value{}, err
	}
	return span.TextValue(typ, string(d.at(v.codes[at]))), nil
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
	text, err := c.text(colResource, row)
	if err != nil {
		return 0, err
	}
	if i, ok := g.resources[string(text)]; ok {
		return i, nil
	}
	code, _, err := c.code(colResource, row)
	if err != nil {
		return 0, err
	}
	p, err := c.object(colResource, code)
	if err != nil {
		return 0, err
	}
	i := uint32(len(g.b.Resources))
	g.b.Resources = append(g.b.Resources, span.ResourceRow{
		Attrs: g.put(p.attrs), Dropped: p.dropped, SchemaURL: g.b.PutText(p.schemaURL),
	})
	g.resources[string(text)] = i
	return i, nil
}

func (g *gatherer) scope(c *cursor, row uint32) (uint32, error) {
	text, err := c.text(colScope, row)
	if err != nil {
		return 0, err
	}
	if i, ok := g.scopes[string(text)]; ok {
		return i, nil
	}
	code, _, err := c.code(colScope, row)
	if err != nil {
		return 0, err
	}
	p, err := c.object(colScope, code)
	if err != nil {
		return 0, err
	}
	i := uint32(len(g.b.Scopes))
	g.b.Scopes = append(g.b.Scopes, span.ScopeRow{
		Name: g.b.PutText(p.name), Version: g.b.PutText(p.version),
		Attrs: g.put(p.attrs), Dropped: p.dropped, SchemaURL: g.b.PutText(p.schemaURL),
	})
	g.scopes[string(text)] = i
	return i, nil
}
