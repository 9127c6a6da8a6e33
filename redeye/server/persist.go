package server

import (
	"slices"
	"sync"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// Mode says which programs a server runs.
type Mode uint8

// The modes.
const (
	Open   Mode = iota // whatever it can check
	Learn              // the same, and what it ran can be had from [Server.Learned]
	Locked             // those of [Server.Allow] alone
)

// programs are those that are allowed or learned, by their hash.
type programs struct {
	mu      sync.Mutex
	allowed map[ast.Hash]bool
	learned map[ast.Hash]string // as text
	bytes   int                 // of those
}

const (
	maxLearned      = 10_000
	maxLearnedBytes = 64 << 20
)

func (p *programs) learn(h ast.Hash, n ast.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.learned == nil {
		p.learned = map[ast.Hash]string{}
	}
	if p.learned[h] != "" || len(p.learned) >= maxLearned || p.bytes >= maxLearnedBytes {
		return
	}
	p.learned[h] = ast.Text(n)
	p.bytes += len(p.learned[h])
}

func (p *programs) allows(h ast.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.allowed[h]
}

// Allow lets a locked server run programs, given as text, as [Server.Learned] has them. They are checked, so that one that no
// longer fits the registrations is found when the server starts. The error is an [*Error].
func (s *Server) Allow(texts ...string) error {
	for _, t := range texts {
		n, _, err := text.Parse(t, s.Limits)
		if err != nil {
			return readError(err)
		}
		h := ast.HashOf(n)
		s.programs.mu.Lock()
		if s.programs.allowed == nil {
			s.programs.allowed = map[ast.Hash]bool{}
		}
		s.programs.allowed[h] = true
		s.programs.mu.Unlock()
		if _, err := s.plan(Request{Text: t}); err != nil {
			return err
		}
	}
	return nil
}

// Learned returns the programs that a server in the mode [Learn] has run, as text, in alphabetical order; at most 10,000, and about 64 MiB.
func (s *Server) Learned() []string {
	s.programs.mu.Lock()
	defer s.programs.mu.Unlock()
	out := make([]string, 0, len(s.programs.learned))
	for _, t := range s.programs.learned {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// permit refuses a program that a locked server was not given.
func (s *Server) permit(h ast.Hash) error {
	if s.Mode == Locked && !s.programs.allows(h) {
		return &Error{Code: "PERMISSION_DENIED", Reason: "PROGRAM_UNKNOWN", Msg: "the server runs only programs that were registered with it, and this is none"}
	}
	return nil
}
