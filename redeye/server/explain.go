package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Explanation is what a program means to the server.
type Explanation struct {
	Text   string // the program, printed
	Type   schema.Type
	Hash   ast.Hash
	Better string   // the program as it is run, printed
	Rules  []string // that made it so
	Plan   string   // of that, as a tree with what it would do at each node, for people
	Params []Param
	Usage  Usage // of [Server.Analyze]
}

// Param is a parameter of a program.
type Param = engine.Param

// Explain checks and plans a program, and does not run it. Values of its parameters are not needed; if they are given, what the plan says that a run would do
// goes by the lengths of their lists.
func (s *Server) Explain(ctx context.Context, req Request) (*Explanation, error) {
	p, who, err := s.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	var params []*column.Column
	if len(req.Params) > 0 {
		if params, err = s.bind(p.plan, req.Params, req.Budget.within(s.bound(p, req, who))); err != nil {
			return nil, err
		}
	}
	estimates := p.plan.Estimate(params, s.median)
	if req.analyze != nil {
		req.analyze.estimates, req.analyze.budget = estimates, req.Budget.within(s.bound(p, req, who))
	}
	return &Explanation{
		Text: ast.Text(p.program), Better: ast.Text(p.plan.Program), Rules: p.rules, Type: p.plan.Root.Type, Hash: p.hash, Plan: p.plan.Explain(estimates, nil),
		Params: p.plan.Params,
	}, nil
}

// analysis is of one execution.
type analysis struct {
	plan      *engine.Plan
	estimates *engine.Estimates // before it
	budget    Budget
	figures   engine.Figures
}

// Analyze explains a program and runs it, as any query: the plan says what was estimated and what was done at each node, how long calls took and what was
// found in the cache, and below that stands what the whole used, beside its bounds.
func (s *Server) Analyze(ctx context.Context, req Request) (*Explanation, error) {
	req.analyze = new(analysis)
	out, err := s.Explain(ctx, req)
	if err != nil {
		return nil, err
	}
	answer, err := s.Query(ctx, req)
	if err != nil {
		return nil, err
	}
	out.Usage = answer.Usage
	out.Plan = req.analyze.plan.Explain(req.analyze.estimates, &req.analyze.figures) + "\n" + answer.Usage.beside(req.analyze.budget)
	return out, nil
}

// median is that of how long invocations of a method took, of all queries; 0 if there was none.
func (s *Server) median(m *engine.Method) time.Duration {
	g := s.methods[m]
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.times.quantile(0.5)
}

// beside writes a usage beside its bounds, for people.
func (u Usage) beside(bound Budget) string {
	var b strings.Builder
	line := func(what string, used, most any) { fmt.Fprintf(&b, "%-9s %12v  of %v\n", what, used, most) }
	line("calls", u.Calls, bound.Calls)
	line("items", u.Items, bound.Items)
	line("steps", u.Steps, bound.Steps)
	line("rows", u.Rows, bound.Rows)
	line("rows out", u.RowsOut, bound.RowsOut)
	line("memory", u.Memory, bound.Memory)
	line("bytes out", u.BytesOut, bound.BytesOut)
	line("wall", u.Wall.Round(time.Microsecond), bound.Wall)
	fmt.Fprintf(&b, "%-9s %12d  calls, one for each row, are what the program asks for\n", "planned", u.Planned)
	if u.Hits+u.Misses > 0 {
		fmt.Fprintf(&b, "%-9s %12d  of %d values were in the cache\n", "kept", u.Hits, u.Hits+u.Misses)
	}
	if u.Stale > 0 {
		fmt.Fprintf(&b, "%-9s %12d  values were too old, and stood in for what failed\n", "stale", u.Stale)
	}
	return b.String()
}
