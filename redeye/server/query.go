package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
	"github.com/fuwu-project/fuwu/redeye/server/internal/optimise"
	"github.com/fuwu-project/fuwu/redeye/server/text"
	"github.com/fuwu-project/fuwu/shuai"
)

// Request asks for a program to be run.
type Request struct {
	// One of: the program as text, as a tree, or by the hash of one that the server knows.
	Text    string
	Program ast.Node
	Hash    ast.Hash

	Params  map[string]Value
	Partial bool // cells in error become null and are listed
	Budget  Budget

	// Site is where in the caller's source the query stands.
	Site CallSite

	emit    func(part *column.Column) error // takes the answer in parts
	analyze *analysis                       // takes what is done
}

// CallSite is a place in a caller's source: what a query's history is kept under.
type CallSite struct {
	Label string // package/file.go:line, for people
	Key   string // which does not change when lines move
}

// Value is the value of a parameter. Its type is what the program wants of it.
type Value struct {
	json  json.RawMessage
	proto []byte
}

// JSON is a value written in JSON; see [column.ReadJSON].
func JSON(text []byte) Value { return Value{json: text} }

// Proto is a value as a message redeye.v1.Column of one row.
func Proto(message []byte) Value { return Value{proto: message} }

func (v Value) read(t schema.Type, cells int) (*column.Column, error) {
	if v.json != nil {
		return column.ReadJSON(v.json, t, cells)
	}
	c, err := column.ReadProto(v.proto, t, cells)
	if err == nil && c.Len != 1 {
		err = fmt.Errorf("a column of %d rows where one is wanted", c.Len)
	}
	return c, err
}

// Answer is the value of a program.
type Answer struct {
	Value       *column.Column // of one row
	Errors      []CellError    // at most 100
	ErrorsTotal int64
	RowsDropped int64 // whose predicate or key failed
	Hash        ast.Hash
	Usage       Usage
}

// Usage is what an execution used.
type Usage struct {
	Budget        // the same measures as its bounds
	Planned int64 // calls of methods that the program asked for, one a row; Calls of them were made
	Hits    int64 // values that were found in the cache
	Misses  int64 // values that were looked for there, and had to be computed
	Stale   int64 // values of the cache that were too old, and stood in for what failed: see [Server.StaleIfError]

	sent int64 // of Calls, those that were begun: all, unless the execution ended before
}

// CellError is a cell of a partial answer that became null.
type CellError struct{ Path, Code, Method, Msg string }

// Query runs a program. The error is an [*Error].
func (s *Server) Query(ctx context.Context, req Request) (*Answer, error) {
	if !s.running.enter() {
		return nil, &Error{Code: "UNAVAILABLE", Reason: "SHUTDOWN", Msg: "the server is going down; ask another", Wait: time.Second}
	}
	defer s.running.leave()
	p, who, err := s.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	most := s.bound(p, req, who)
	budget := req.Budget.within(most)
	params, err := s.bind(p.plan, req.Params, budget)
	if err != nil {
		return nil, err
	}
	ctx, span := startQuery(ctx, s.catalog.Schema.Service, p, req, who)
	answer, use, err := s.execute(ctx, span, p, params, most, budget, req, who)
	endQuery(span, use, answer, err)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Site, e.Usage = clip(req.Site.Label, maxKey), use
		return nil, e
	}
	return answer, err
}

// Stream runs a program and hands its answer to send in parts: a list some rows at a time, in order, as they are computed; anything else whole. A part
// is a column of one row. send may block, within the time that the execution has; its error cancels it. Of what the answer is, the value is nil. An error may come
// when some rows have been sent.
func (s *Server) Stream(ctx context.Context, req Request, send func(part *column.Column) error) (*Answer, error) {
	req.emit = send
	return s.Query(ctx, req)
}

// siteOf is what the history of a program is kept under where it stands.
func siteOf(p *planned, req Request, who Principal) siteKey {
	return siteKey{who.Tenant, clip(req.Site.Key, maxKey), p.hash}
}

// bound is the budget of a program where it stands, which a request can only lower.
func (s *Server) bound(p *planned, req Request, who Principal) Budget {
	return s.sites.bound(siteOf(p, req, who), s.Budget)
}

// execute runs a plan within its budget, if its call site lets it, and tells the site, where most is the most that a budget can be, how that went.
func (s *Server) execute(ctx context.Context, span *shuai.Span, p *planned, params []*column.Column, most, budget Budget, req Request, who Principal) (*Answer, Usage, error) {
	start := time.Now()
	site, pass, err := s.sites.enter(span, start, siteOf(p, req, who), clip(req.Site.Label, maxKey), func() string { return clip(ast.Text(p.program), 4096) })
	if err != nil {
		return nil, Usage{}, err
	}
	answer, use, err := s.run(ctx, p, params, budget, req, who)
	now := time.Now()
	s.sites.leave(site, now.Sub(start), use, err)
	settleSite(pass, now, now.Sub(start), most, err)
	return answer, use, err
}

// run runs a plan within a budget.
func (s *Server) run(ctx context.Context, p *planned, params []*column.Column, budget Budget, req Request, who Principal) (*Answer, Usage, error) {
	var figures *engine.Figures
	if req.analyze != nil {
		req.analyze.plan, figures = p.plan, &req.analyze.figures
	}
	var sent *parts
	var emit func(part *column.Column) error
	if req.emit != nil {
		sent = &parts{send: req.emit, most: budget.BytesOut}
		emit = sent.emit
	}
	out, used, err := engine.Run(ctx, p.plan, params, engine.Options{
		Budget: budget.engine(), Partial: req.Partial, Cursors: s.cursorsOf(p, params, who), Guard: s.guard,
		Cache: s.cache, Who: engine.Caller{Tenant: who.Tenant, Name: who.Name}, Background: s.background(ctx), Emit: emit, Figures: figures,
	})
	use := Usage{
		Budget:  Budget{Steps: used.Steps, Rows: used.Rows, Memory: used.Memory, Calls: used.Calls, Items: used.Items, Wall: used.Wall},
		Planned: used.Planned, Hits: used.Hits, Misses: used.Misses, Stale: used.Stale, sent: used.Sent,
	}
	if sent != nil {
		use.RowsOut, use.BytesOut = sent.rows, sent.bytes
	}
	if err != nil {
		return nil, use, runError(err, p.source)
	}
	if sent != nil {
		return s.answer(p, out, use), use, nil
	}
	use.RowsOut, use.BytesOut = int64(engine.RowsOut(out.Value)), out.Value.Bytes()
	if use.BytesOut > budget.BytesOut {
		return nil, use, &Error{
			Code: "RESOURCE_EXHAUSTED", Reason: "BUDGET_EXCEEDED", Budget: "bytes_out", Limit: budget.BytesOut, Used: use.BytesOut,
			Msg: fmt.Sprintf("the answer has about %d bytes; its budget is %d: ask for less, a page at a time, or as a stream", use.BytesOut, budget.BytesOut),
		}
	}
	return s.answer(p, out, use), use, nil
}

// parts are those of an answer that is sent as it is made.
type parts struct {
	send        func(part *column.Column) error
	most        int64 // bytes of one
	rows, bytes int64 // of all so far
}

func (s *parts) emit(part *column.Column) error {
	s.rows += int64(engine.RowsOut(part))
	bytes := part.Bytes()
	if s.bytes += bytes; bytes > s.most {
		return &engine.Error{
			Code: "RESOURCE_EXHAUSTED", Reason: "BUDGET_EXCEEDED", Budget: "bytes_out", Limit: s.most, Used: bytes,
			Msg: fmt.Sprintf("a part of the answer has about %d bytes; the budget of one is %d", bytes, s.most),
		}
	}
	return s.send(part)
}

func (s *Server) answer(p *planned, out *engine.Answer, use Usage) *Answer {
	answer := &Answer{Value: out.Value, ErrorsTotal: out.ErrorsTotal, RowsDropped: out.RowsDropped, Hash: p.hash, Usage: use}
	for _, e := range out.Errors {
		answer.Errors = append(answer.Errors, CellError{e.Path, e.Code, e.Method, e.Msg})
	}
	return answer
}

// background runs work that outlives a query: when a cached value is renewed while it is still good. It is work that can as well be
// left alone, so there is little of it at once, and none when the server goes down.
func (s *Server) background(ctx context.Context) func(work func(context.Context)) bool {
	return func(work func(context.Context)) bool {
		select {
		case s.spare <- struct{}{}:
		default:
			return false
		}
		if !s.running.enter() {
			<-s.spare
			return false
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Budget.Wall)
		ctx, span := shuai.StartRoot(ctx, s.catalog.Schema.Service+".renew", shuai.KindInternal)
		span.SetType("redeye")
		go func() {
			defer func() {
				span.Panic(recover()) // what is not renewed is made when it is too old
				span.End()
				cancel()
				<-s.spare
				s.running.leave()
			}()
			work(ctx)
		}()
		return true
	}
}

// prepare finds or makes the plan of a request, if whoever asks may have it run.
func (s *Server) prepare(ctx context.Context, req Request) (*planned, Principal, error) {
	who := PrincipalOf(ctx)
	p, err := s.plan(req)
	if err != nil {
		return nil, who, err
	}
	if s.Authorize != nil {
		for _, m := range p.plan.Methods() {
			if err := s.authorize(ctx, who, m.Name); err != nil {
				return nil, who, &Error{Code: "PERMISSION_DENIED", Msg: "you may not use " + m.Name, Method: m.Name, Cause: err}
			}
		}
	}
	return p, who, nil
}

// authorize asks [Server.Authorize], whose panic is a no.
func (s *Server) authorize(ctx context.Context, who Principal, method string) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("the hook Authorize panicked: %v\n%s", bug, debug.Stack())
		}
	}()
	return s.Authorize(ctx, who, method)
}

// plan finds or makes the plan of a request.
func (s *Server) plan(req Request) (*planned, error) {
	p, err := s.planOf(req)
	if err == nil && req.Hash != (ast.Hash{}) && p.hash != req.Hash {
		return nil, &Error{Code: "INVALID_ARGUMENT", Reason: "HASH_MISMATCH", Msg: "the hash is that of another program than the one beside it"}
	}
	return p, err
}

func (s *Server) planOf(req Request) (*planned, error) {
	if err := s.start(); err != nil {
		return nil, &Error{Code: "INTERNAL", Reason: "REGISTRATION", Msg: "the server has mistakes in its registrations", Cause: err}
	}
	var n ast.Node
	var source *ast.Source
	hash := req.Hash
	switch {
	case req.Program != nil:
		if err := ast.Check(req.Program, s.Limits); err != nil {
			return nil, readError(err)
		}
		n, hash = req.Program, ast.HashOf(req.Program)
	case req.Text != "":
		if p := s.plans.byText(req.Text); p != nil {
			return p, s.permit(p.hash)
		}
		var err error
		if n, source, err = text.Parse(req.Text, s.Limits); err != nil {
			return nil, readError(err)
		}
		hash = ast.HashOf(n)
	}
	if err := s.permit(hash); err != nil { // before anything is made of it
		return nil, err
	}
	var compile func() (*planned, error)
	if n != nil {
		compile = func() (*planned, error) { return s.compile(n, hash, source) }
	}
	p, err := s.plans.get(hash, compile)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, &Error{Code: "NOT_FOUND", Reason: "PLAN_UNKNOWN", Msg: "the server does not know this program; send it"}
	case req.Text != "":
		s.plans.remember(req.Text, hash)
	}
	if s.Mode == Learn {
		s.programs.learn(hash, p.program)
	}
	return p, nil
}

func (s *Server) compile(n ast.Node, hash ast.Hash, source *ast.Source) (p *planned, err error) {
	defer func() {
		if bug := recover(); bug != nil { // of ours
			p, err = nil, &Error{Code: "INTERNAL", Msg: "the program could not be planned for a mistake of the server", Cause: fmt.Errorf("%v\n%s", bug, debug.Stack())}
		}
	}()
	start := time.Now()
	if source == nil {
		source = ast.Print(n)
	}
	p = &planned{hash: hash, program: n, source: source}
	plan, err := engine.Check(n, &s.catalog)
	if err != nil {
		return nil, typeError(err, source)
	}
	p.plan = plan
	better, rules := optimise.Program(n, source, plan.Types)
	if len(rules) > 0 {
		// The rules keep types; should one not, the program as it was given is right too.
		if plan, err := engine.Check(better, &s.catalog); err == nil && plan.Root.Type.Equal(p.plan.Root.Type) && slices.Equal(names(plan), names(p.plan)) {
			p.plan, p.rules = plan, rules
		}
	}
	p.plan.Types = nil
	p.bytes = int64(p.plan.Bytes) + 4*int64(len(source.Text)) // a text of the program is there again in its tree, its plan and its explanation
	p.took = time.Since(start)
	p.explained = sync.OnceValue(func() string { return p.plan.Explain(nil, nil) })
	return p, nil
}

func names(p *engine.Plan) []string {
	var out []string
	for _, param := range p.Params {
		out = append(out, param.Name)
	}
	slices.Sort(out)
	return out
}

// bind reads the values of the program's parameters.
func (s *Server) bind(p *engine.Plan, given map[string]Value, budget Budget) ([]*column.Column, error) {
	params := make([]*column.Column, len(p.Params))
	for i, param := range p.Params {
		v, ok := given[param.Name]
		if !ok {
			return nil, &Error{Code: "INVALID_ARGUMENT", Reason: "PARAMETER", Msg: fmt.Sprintf("the parameter %s is missing; it is of the type %s", param.Name, param.Type)}
		}
		c, err := v.read(param.Type, int(budget.Rows))
		if limit, ok := errors.AsType[*column.LimitError](err); ok {
			return nil, &Error{
				Code: "RESOURCE_EXHAUSTED", Reason: "BUDGET_EXCEEDED", Budget: "rows", Limit: budget.Rows,
				Msg: fmt.Sprintf("the parameter %s has %s", param.Name, limit),
			}
		}
		if err != nil {
			return nil, &Error{Code: "INVALID_ARGUMENT", Reason: "PARAMETER", Msg: fmt.Sprintf("the parameter %s, of the type %s: %v", param.Name, param.Type.Short(), err)}
		}
		params[i] = c
	}
	if len(given) > len(params) {
		for name := range given {
			known := false
			for _, p := range p.Params {
				known = known || p.Name == name
			}
			if !known {
				return nil, &Error{Code: "INVALID_ARGUMENT", Reason: "PARAMETER", Msg: fmt.Sprintf("the program has no parameter %.64s", name)}
			}
		}
	}
	return params, nil
}
