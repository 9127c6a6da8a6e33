package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// A dynamic interface is a program of Redeye at a call site. What is known of it comes from two sides: the spans of its executions say
// how it fared in any range of time, whoever sent them; a service that the server was told of says which breakers are open now, and switches it off.
// The attributes are those of docs/redeye/operate.md.

// interfaceKey tells dynamic interfaces apart.
type interfaceKey struct{ service, tenant, site, hash string }

// interfaceRow is one dynamic interface. Times are ns.
type interfaceRow struct {
	Service  string   `json:"service"`
	Tenant   string   `json:"tenant"`
	Site     string   `json:"site"`     // the key of the call site
	CallSite string   `json:"callSite"` // its label: package/file.go:line
	Hash     string   `json:"hash"`
	Program  string   `json:"program"`
	Calls    uint64   `json:"calls"` // executions
	Errors   uint64   `json:"errors"`
	Refused  uint64   `json:"refused"` // of the errors, by a breaker, a limit or a switch
	Total    int64    `json:"total"`
	P50      int64    `json:"p50"`
	P99      int64    `json:"p99"`
	Planned  int64    `json:"planned"` // calls of methods, one for each row
	Sent     int64    `json:"sent"`    // that were made
	Saved    int64    `json:"saved"`   // the difference, of executions that succeeded
	Breaker  string   `json:"breaker"` // at the latest execution, or now where Live says so
	Live     *liveRow `json:"live,omitempty"`

	durations store.Sketch
}

// liveRow is what the service itself says of an interface.
type liveRow struct {
	Calls   int64 `json:"calls"`
	Errors  int64 `json:"errors"`
	Refused int64 `json:"refused"`
	Running int   `json:"running"`
	Off     bool  `json:"off"`
	Limit   int   `json:"limit"`
}

// methodRow is a method or source that programs called.
type methodRow struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Calls   uint64 `json:"calls"`
	Errors  uint64 `json:"errors"`
	Refused uint64 `json:"refused"` // of the errors, by its breaker
	Total   int64  `json:"total"`
	P50     int64  `json:"p50"`
	P99     int64  `json:"p99"`
	Breaker string `json:"breaker"` // at the latest call

	durations store.Sketch
}

// redeyeServiceRow is a Redeye service that the server was told of.
type redeyeServiceRow struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Version  string `json:"version"` // of its schema
	Entities int    `json:"entities"`
	Methods  int    `json:"methods"` // and sources
	Error    string `json:"error"`   // why its schema is not known
	Sites    string `json:"sites"`   // why its call sites are not known
}

func redeyeField(name string) store.Field {
	return store.Field{Scope: store.OnSpan, Name: "redeye." + name}
}

// mostLatest bounds the spans that are looked at for what was so at the latest execution.
const mostLatest = 2000

var (
	executions = mustFilter(`span.redeye.hash != nil`)
	batches    = mustFilter(`span.redeye.method != nil`)
)

func mustFilter(text string) store.Expr {
	e, err := store.ParseFilter(text)
	if err != nil {
		panic(err) // a literal
	}
	return e
}

// isRefusal says whether an error's reason is that the work was never begun.
func isRefusal(reason string) bool {
	return reason == "BREAKER_OPEN" || reason == "SITE_OFF" || reason == "SITE_BUSY"
}

// interfaces are the dynamic interfaces that ran in the range, those that saved most calls first, and the methods that they called.
func (s *server) interfaces(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	service := p.text("service")
	limit := p.number("limit", 200, 1, maxRows)
	if p.err != nil {
		return nil, p.err
	}
	only := func(e store.Expr) store.Expr {
		if service != "" {
			e = store.AllOf(e, store.Is(store.ServiceName, service))
		}
		return e
	}
	rows, err := s.interfaceRows(ctx, only(executions), within)
	if err != nil {
		return nil, err
	}
	methods, err := s.methodRows(ctx, only(batches), within)
	if err != nil {
		return nil, err
	}
	var answer struct {
		From       string             `json:"from"`
		To         string             `json:"to"`
		Services   []redeyeServiceRow `json:"services"`
		Total      int                `json:"total"`
		Interfaces []*interfaceRow    `json:"interfaces"`
		Methods    []*methodRow       `json:"methods"`
	}
	answer.From, answer.To = number(within.From), number(within.To)
	answer.Services = []redeyeServiceRow{}
	for _, known := range s.Catalog.Services() {
		row := redeyeServiceRow{Name: known.Name, URL: known.URL}
		if sch, err := s.Catalog.Schema(ctx, known.Name); err != nil {
			row.Error = wordsOf(err)
		} else {
			row.Version, row.Entities, row.Methods = sch.Version, len(sch.Entities), len(sch.Sources)
			for i := range sch.Entities {
				row.Methods += len(sch.Entities[i].Methods)
			}
		}
		if service == "" || service == known.Name {
			sites, err := s.Catalog.Sites(ctx, known.Name)
			if err != nil {
				row.Sites = wordsOf(err)
			}
			addLive(rows, known.Name, sites)
		}
		answer.Services = append(answer.Services, row)
	}
	answer.Interfaces, answer.Methods = []*interfaceRow{}, []*methodRow{}
	for _, row := range rows {
		answer.Interfaces = append(answer.Interfaces, row)
	}
	slices.SortFunc(answer.Interfaces, func(x, y *interfaceRow) int {
		return cmp.Or(cmp.Compare(y.Saved, x.Saved), cmp.Compare(y.Calls, x.Calls), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Site, y.Site), cmp.Compare(x.Hash, y.Hash))
	})
	for _, row := range methods {
		answer.Methods = append(answer.Methods, row)
	}
	slices.SortFunc(answer.Methods, func(x, y *methodRow) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Method, y.Method))
	})
	answer.Total = len(answer.Interfaces)
	answer.Interfaces = answer.Interfaces[:min(limit, answer.Total)]
	return json.Marshal(answer)
}

// interfaceRows counts executions. An engine sums durations alone, so the numbers of calls are groups: there are few of them
// for one program, since its rows are a page's.
func (s *server) interfaceRows(ctx context.Context, filter store.Expr, within store.TimeRange) (map[interfaceKey]*interfaceRow, error) {
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: within, By: []store.Field{
		store.ServiceName, redeyeField("tenant"), redeyeField("site"), redeyeField("hash"), redeyeField("calls.planned"), redeyeField("calls.sent"), redeyeField("error.reason"),
	}})
	if err != nil {
		return nil, err
	}
	rows := map[interfaceKey]*interfaceRow{}
	for i := range groups {
		g := &groups[i]
		key := interfaceKey{g.Key[0], g.Key[1], g.Key[2], g.Key[3]}
		row := rows[key]
		if row == nil {
			row = &interfaceRow{Service: key.service, Tenant: key.tenant, Site: key.site, Hash: key.hash}
			rows[key] = row
		}
		row.Calls += g.Count
		row.Errors += g.Errors
		row.Total += g.Sum
		row.durations.Merge(&g.Durations)
		planned, sent := count(g.Key[4]), count(g.Key[5])
		row.Planned += int64(g.Count) * planned
		row.Sent += int64(g.Count) * sent
		row.Saved += int64(g.Count-g.Errors) * (planned - sent) // what failed saved nobody anything
		if isRefusal(g.Key[6]) {
			row.Refused += g.Count
		}
	}
	for _, row := range rows {
		row.P50, row.P99 = row.durations.Quantile(0.5), row.durations.Quantile(0.99)
	}
	return rows, s.addLatest(ctx, filter, within, func(b *span.Batch, row int) {
		key := interfaceKey{b.Service(row), attrText(b, row, "redeye.tenant"), attrText(b, row, "redeye.site"), attrText(b, row, "redeye.hash")}
		if r := rows[key]; r != nil && r.Program == "" {
			r.Program, r.CallSite, r.Breaker = attrText(b, row, "redeye.program"), attrText(b, row, "redeye.callsite"), attrText(b, row, "redeye.breaker")
		}
	})
}

// methodRows counts calls of methods and sources.
func (s *server) methodRows(ctx context.Context, filter store.Expr, within store.TimeRange) (map[[2]string]*methodRow, error) {
	groups, err := s.Store.Aggregate(ctx, store.AggregateQuery{Filter: filter, Range: within, By: []store.Field{
		store.ServiceName, redeyeField("method"), redeyeField("error.reason"),
	}})
	if err != nil {
		return nil, err
	}
	rows := map[[2]string]*methodRow{}
	for i := range groups {
		g := &groups[i]
		key := [2]string{g.Key[0], g.Key[1]}
		row := rows[key]
		if row == nil {
			row = &methodRow{Service: key[0], Method: key[1]}
			rows[key] = row
		}
		row.Calls += g.Count
		row.Errors += g.Errors
		row.Total += g.Sum
		row.durations.Merge(&g.Durations)
		if isRefusal(g.Key[2]) {
			row.Refused += g.Count
		}
	}
	for _, row := range rows {
		row.P50, row.P99 = row.durations.Quantile(0.5), row.durations.Quantile(0.99)
	}
	return rows, s.addLatest(ctx, filter, within, func(b *span.Batch, row int) {
		if r := rows[[2]string{b.Service(row), attrText(b, row, "redeye.method")}]; r != nil && r.Breaker == "" {
			r.Breaker = attrText(b, row, "redeye.breaker")
		}
	})
}

// addLatest shows the newest spans of a filter, newest first.
func (s *server) addLatest(ctx context.Context, filter store.Expr, within store.TimeRange, see func(b *span.Batch, row int)) error {
	latest, err := s.Store.Select(ctx, store.Query{Filter: filter, Range: within, Order: store.Newest, Limit: mostLatest})
	if err != nil {
		return err
	}
	for i := range latest.Spans.Len() {
		see(latest.Spans, i)
	}
	return nil
}

// addLive adds what a service says of its call sites.
func addLive(rows map[interfaceKey]*interfaceRow, service string, sites []catalog.Site) {
	for i := range sites {
		site := &sites[i]
		key := interfaceKey{service, site.Tenant, site.Key, site.Hash}
		row := rows[key]
		if row == nil {
			row = &interfaceRow{Service: service, Tenant: site.Tenant, Site: site.Key, Hash: site.Hash}
			rows[key] = row
		}
		if row.Program == "" {
			row.Program = clipTo(site.Program, maxProgram)
		}
		if site.Label != "" {
			row.CallSite = site.Label
		}
		row.Breaker = site.Breaker
		row.Live = &liveRow{site.Calls, site.Errors, site.Refused, site.Running, site.Off, site.Limit}
	}
}

// maxProgram bounds a program in an answer, as spans do.
const maxProgram = 4096

// clipTo bounds a text that came from elsewhere.
func clipTo(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func attrText(b *span.Batch, row int, key string) string {
	if a, ok := b.Lookup(b.Attrs[row], key); ok && a.Type == span.String {
		return b.String(a.Text())
	}
	return ""
}

func attrInt(b *span.Batch, row int, key string) int64 {
	if a, ok := b.Lookup(b.Attrs[row], key); ok && a.Type == span.Int {
		return int64(a.Num)
	}
	return 0
}

// count reads a number out of a group's key; it is 0 of a span without.
func count(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// mostExecutions is how many executions of an interface are read for its plan.
const mostExecutions = 20

// planLine is a line of a plan: a node, and how deep it stands.
type planLine struct {
	Depth  int    `json:"depth"`
	Text   string `json:"text"`
	Type   string `json:"type"`
	Method string `json:"method,omitempty"` // that the node calls
}

// planBatch is what the calls of one method took, per execution on average. Times are ns.
type planBatch struct {
	Method   string  `json:"method"`
	Calls    float64 `json:"calls"`
	Items    float64 `json:"items"`
	Start    float64 `json:"start"` // of the first, after the execution's
	End      float64 `json:"end"`   // of the last
	Duration float64 `json:"duration"`
	Most     int64   `json:"most"`
	Errors   int     `json:"errors"` // in all
	Breaker  string  `json:"breaker"`

	seen int // executions that had it
}

// interfacePlan is how one dynamic interface is run, and what each batch takes: of a fair sample of its executions.
func (s *server) interfacePlan(ctx context.Context, p *params) ([]byte, error) {
	within := p.timeRange(false)
	key := interfaceKey{p.text("service"), p.text("tenant"), p.text("site"), p.text("hash")}
	if p.err != nil {
		return nil, p.err
	}
	if key.service == "" || key.hash == "" {
		return nil, badRequest("service and hash say which interface; /redeye lists them")
	}
	filter := store.AllOf(executions, store.Is(store.ServiceName, key.service), store.Is(redeyeField("hash"), key.hash))
	for name, value := range map[string]string{"tenant": key.tenant, "site": key.site} {
		if value != "" {
			filter = store.AllOf(filter, store.Is(redeyeField(name), value))
		}
	}
	rows, err := s.interfaceRows(ctx, filter, within)
	if err != nil {
		return nil, err
	}
	// Without a tenant or a site, the sum of all is meant; the key says which one it is otherwise.
	row := rows[key]
	if row == nil && len(rows) == 1 {
		for _, one := range rows {
			row = one
		}
	}
	if row == nil {
		return nil, store.ErrNotFound
	}
	sample, err := s.Store.Select(ctx, store.Query{Filter: filter, Range: within, Order: store.Sampled, Limit: mostExecutions})
	if err != nil {
		return nil, err
	}
	slowest, err := s.Store.Select(ctx, store.Query{Filter: filter, Range: within, Order: store.Slowest, Limit: 1})
	if err != nil {
		return nil, err
	}
	answer := struct {
		*interfaceRow
		Looked  int         `json:"looked"`
		Mean    float64     `json:"mean"` // duration, of the executions looked at
		Own     float64     `json:"own"`  // of that, when no batch ran
		Plan    []planLine  `json:"plan"`
		Rules   []string    `json:"rules"` // of the optimiser
		Batches []planBatch `json:"batches"`
		Slowest struct {
			TraceID  string `json:"traceId"`
			SpanID   string `json:"spanId"`
			Duration int64  `json:"duration"`
		} `json:"slowest"`
	}{interfaceRow: row, Rules: []string{}, Plan: []planLine{}}
	if b := slowest.Spans; b.Len() > 0 {
		answer.Slowest.TraceID, answer.Slowest.SpanID, answer.Slowest.Duration = b.TraceID[0].String(), b.SpanID[0].String(), b.Duration[0]
		answer.Plan = planLines(attrText(b, 0, "redeye.plan"))
		if rules := attrText(b, 0, "redeye.rules"); rules != "" {
			answer.Rules = strings.Split(rules, ", ")
		}
	}
	var sum planSum
	for i := range sample.Spans.Len() {
		b, err := s.Store.Trace(ctx, sample.Spans.TraceID[i])
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sum.add(analyze.NewTree(b), sample.Spans.SpanID[i])
	}
	answer.Looked, answer.Mean, answer.Own, answer.Batches = sum.finish()
	return json.Marshal(answer)
}

// planSum adds up executions.
type planSum struct {
	n         int
	total     int64
	own       int64
	byMethod  map[string]*planBatch
	inOrderOf []string
}

func (s *planSum) add(t *analyze.Tree, execution span.ID) {
	b := t.Batch
	at := slices.IndexFunc(t.Row, func(row int32) bool { return b.SpanID[row] == execution && attrText(b, int(row), "redeye.hash") != "" })
	if at < 0 {
		return
	}
	s.n++
	s.total += t.Length[at]
	s.own += t.Self[at]
	if s.byMethod == nil {
		s.byMethod = map[string]*planBatch{}
	}
	type period struct{ start, end int64 }
	ran := map[string]period{}
	for _, q := range t.Children(at) {
		row := int(t.Row[q])
		method := attrText(b, row, "redeye.method")
		if method == "" {
			continue
		}
		m := s.byMethod[method]
		if m == nil {
			m = &planBatch{Method: method}
			s.byMethod[method] = m
			s.inOrderOf = append(s.inOrderOf, method)
		}
		start := t.Offset[q] - t.Offset[at]
		p, again := ran[method]
		if !again {
			p.start = start
		}
		ran[method] = period{min(p.start, start), max(p.end, start+t.Length[q])}
		m.Calls++
		m.Items += float64(attrInt(b, row, "redeye.items"))
		m.Duration += float64(t.Length[q])
		m.Most = max(m.Most, t.Length[q])
		if t.Flags[q]&analyze.Failed != 0 {
			m.Errors++
		}
		m.Breaker = attrText(b, row, "redeye.breaker")
	}
	for method, p := range ran {
		m := s.byMethod[method]
		m.seen++
		m.Start, m.End = m.Start+float64(p.start), m.End+float64(p.end)
	}
}

func (s *planSum) finish() (n int, mean, own float64, list []planBatch) {
	list = []planBatch{}
	if s.n == 0 {
		return 0, 0, 0, list
	}
	per := float64(s.n)
	for _, method := range s.inOrderOf {
		m := *s.byMethod[method]
		m.Start, m.End = m.Start/float64(m.seen), m.End/float64(m.seen)
		m.Calls, m.Items, m.Duration = m.Calls/per, m.Items/per, m.Duration/per
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(x, y planBatch) int { return cmp.Compare(x.Start, y.Start) })
	return s.n, float64(s.total) / per, float64(s.own) / per, list
}

// planLines reads a plan as redeye explain shows it: two blanks for each step down, the type in a column behind.
func planLines(text string) []planLine {
	lines := []planLine{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		trimmed := strings.TrimLeft(line, " ")
		if trimmed == "" {
			continue
		}
		l := planLine{Depth: (len(line) - len(trimmed)) / 2}
		if text, again, ok := strings.Cut(trimmed, " as #"); ok { // what stands elsewhere, and is computed once
			l.Text, l.Type = strings.TrimSpace(text), "= #"+again
			lines = append(lines, l)
			continue
		}
		l.Text, l.Type, _ = strings.Cut(trimmed, "  #")
		if _, typ, ok := strings.Cut(l.Type, " "); ok {
			l.Type = strings.TrimSpace(typ)
		}
		if rest, ok := strings.CutPrefix(l.Text, "call "); ok {
			l.Method, _, _ = strings.Cut(rest, ",")
			l.Method = strings.TrimSpace(l.Method)
		}
		lines = append(lines, l)
	}
	return lines
}

// switchInterface turns an interface off or on, on the service that it is of.
func (s *server) switchInterface(ctx context.Context, body io.Reader) ([]byte, error) {
	var in struct {
		Service, Tenant, Site, Hash string
		Off                         bool
		Limit                       int
	}
	raw, err := io.ReadAll(body)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil {
		return nil, badRequest(`the body is JSON such as {"service": "movies", "site": "page", "hash": "…", "off": true}: %v`, err)
	}
	if !s.known(in.Service) {
		return nil, badRequest("%v", catalog.ErrUnknown)
	}
	if err := s.Catalog.Switch(ctx, in.Service, in.Tenant, in.Site, in.Hash, in.Off, in.Limit); err != nil {
		return nil, badRequest("%s", wordsOf(err))
	}
	return []byte("{}"), nil
}
