package server

// Plan finds or makes the plan of a request, for benchmarks.
func (s *Server) Plan(req Request) error {
	_, err := s.plan(req)
	return err
}
