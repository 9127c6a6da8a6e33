package redeye

import (
	"context"
	"slices"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// A prepared query is built once, when the program starts, and known by its name. Only its hash and its arguments are sent, and the whole program
// if the server does not know it.
type prepared struct {
	program program // a value that is an argument is its number
	err     error
}

type argument int

// Prepared1 is a prepared query with an argument.
type Prepared1[A, R any] struct{ p *prepared }

// Prepared2 is a prepared query with two arguments.
type Prepared2[A, B, R any] struct{ p *prepared }

// Prepared3 is a prepared query with three arguments.
type Prepared3[A, B, C, R any] struct{ p *prepared }

// Prepare1 is [Prepare2] for one argument.
func Prepare1[A, R any](name string, f func(Param[A]) Query[R]) Prepared1[A, R] {
	args := arguments(1)
	return Prepared1[A, R]{prepare(name, Here(1), f(param[A](args[0])).q)}
}

// Prepare2 makes a prepared query. f is called once, with symbols for the arguments:
//
//	var page = redeye.Prepare2("movies.page", func(ids redeye.Param[[]int64], user redeye.Param[int64]) redeye.Query[[]Card] {
//		return redeye.Into(movies.GetMoviesOf(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanViewOf(user) }), …)
//	})
//
//	cards, err := page.Run(ctx, client, ids, user)
//
// What is wrong with it is the error of each Run.
func Prepare2[A, B, R any](name string, f func(Param[A], Param[B]) Query[R]) Prepared2[A, B, R] {
	args := arguments(2)
	return Prepared2[A, B, R]{prepare(name, Here(1), f(param[A](args[0]), param[B](args[1])).q)}
}

// Prepare3 is [Prepare2] for three arguments.
func Prepare3[A, B, C, R any](name string, f func(Param[A], Param[B], Param[C]) Query[R]) Prepared3[A, B, C, R] {
	args := arguments(3)
	return Prepared3[A, B, C, R]{prepare(name, Here(1), f(param[A](args[0]), param[B](args[1]), param[C](args[2])).q)}
}

// Run asks, and returns the answer.
func (p Prepared1[A, R]) Run(ctx context.Context, c *Client, a A) (R, error) {
	return value1(p.Answer(ctx, c, a))
}

// Answer asks, and returns the answer with what is said of it.
func (p Prepared1[A, R]) Answer(ctx context.Context, c *Client, a A) (Answer[R], error) {
	return runPrepared[R](ctx, c, p.p, a)
}

// Run asks, and returns the answer.
func (p Prepared2[A, B, R]) Run(ctx context.Context, c *Client, a A, b B) (R, error) {
	return value1(p.Answer(ctx, c, a, b))
}

// Answer asks, and returns the answer with what is said of it.
func (p Prepared2[A, B, R]) Answer(ctx context.Context, c *Client, a A, b B) (Answer[R], error) {
	return runPrepared[R](ctx, c, p.p, a, b)
}

// Run asks, and returns the answer.
func (p Prepared3[A, B, C, R]) Run(ctx context.Context, c *Client, a A, b B, d C) (R, error) {
	return value1(p.Answer(ctx, c, a, b, d))
}

// Answer asks, and returns the answer with what is said of it.
func (p Prepared3[A, B, C, R]) Answer(ctx context.Context, c *Client, a A, b B, d C) (Answer[R], error) {
	return runPrepared[R](ctx, c, p.p, a, b, d)
}

func value1[R any](a Answer[R], err error) (R, error) { return a.Value, err }

func arguments(n int) []*slot {
	out := make([]*slot, n)
	for i := range out {
		out[i] = &slot{name: string(rune('a' + i)), value: argument(i)}
	}
	return out
}

func param[T any](p *slot) Param[T] { return Param[T]{typed[T]{p.node()}} }

func prepare(name string, site CallSite, q query) *prepared {
	q.name, q.site = name, site
	if !q.built {
		err := buildError("a prepared query is built in Go; the server knows text by itself")
		err.Site = site.Label
		return &prepared{err: err}
	}
	p, err := q.program()
	if err != nil {
		return &prepared{err: err}
	}
	root, _, _ := q.tree.build()
	hash := ast.HashOf(root)
	p.hash = pb.AppendElement(nil, requestHash, hash[:])
	return &prepared{program: *p}
}

func runPrepared[R any](ctx context.Context, c *Client, p *prepared, args ...any) (Answer[R], error) {
	if p.err != nil {
		return Answer[R]{}, p.err
	}
	program := p.program
	program.values = slices.Clone(program.values)
	for i, v := range program.values {
		if n, ok := v.value.(argument); ok {
			program.values[i].value = args[n]
		}
	}
	return answer[R](ctx, c, &program)
}
