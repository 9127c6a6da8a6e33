package server

import "context"

// Principal is who asks.
type Principal struct {
	Name   string // "" is nobody in particular
	Tenant string
}

type principalKey struct{}

// WithPrincipal returns a context whose queries are asked by p. The server's handler does this after [Server.Authenticate].
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who asks, for methods that answer one differently from another.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
