package shuaisql

import "sync"

// statement is what is recorded of one.
type statement struct{ text, summary string }

// statements remembers masked ones: a program has few, and masking one takes a microsecond or more.
type statements struct {
	dialects []dialect

	mu    sync.RWMutex
	known map[string]statement
}

// What is remembered: at most about 8 MiB. A program that writes values into its statements has too many of them; then all are forgotten
// now and then.
const (
	maxKnown       = 1000
	maxKnownLength = 8 << 10
)

func (s *statements) get(sql string) statement {
	s.mu.RLock()
	known, ok := s.known[sql]
	s.mu.RUnlock()
	if ok {
		return known
	}
	text := mask(sql, s.dialects)
	made := statement{text, summary(text)}
	if len(sql) > maxKnownLength {
		return made
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = map[string]statement{}
	}
	s.known[sql] = made
	return made
}
