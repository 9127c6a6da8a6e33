package server

import (
	"context"

	"github.com/fuwu-project/fuwu/redeye/ast"
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
	Plan   string   // of that, as a tree, for people
	Params []Param
}

// Param is a parameter of a program.
type Param = engine.Param

// Explain checks and plans a program, and does not run it.
func (s *Server) Explain(ctx context.Context, req Request) (*Explanation, error) {
	p, _, err := s.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return &Explanation{
		Text: ast.Text(p.program), Better: ast.Text(p.plan.Program), Rules: p.rules, Type: p.plan.Root.Type, Hash: p.hash, Plan: p.plan.Explain(),
		Params: p.plan.Params,
	}, nil
}
