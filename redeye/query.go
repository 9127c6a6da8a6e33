package redeye

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// Query asks for a value of the Go type R. It comes from [Text], [Ask] or [Into], and is a value: it may be kept, copied, and run any number of
// times, concurrently. Its call site is where it was made.
type Query[R any] struct{ q query }

type query struct {
	text    string
	args    Args
	tree    Node
	built   bool // of tree; otherwise text
	site    CallSite
	name    string // instead of the site's key
	partial bool
	budget  Budget
}

// Text is a query written in Redeye's language, docs/redeye/reference.md; a name in it that no lambda binds is a parameter, whose
// value args has:
//
//	type Card struct { ID int64; Title string }
//
//	redeye.Text[[]Card](`get_movies(ids).map(lambda x: {"id": x.id, "title": x.title()})`, redeye.Args{"ids": ids})
//
// The answer must fit R; the package documentation says what fits. Put values into parameters, not into the text: a text that changes from query to query
// is another program each time, to be checked and planned, and without a history.
func Text[R any](text string, args Args) Query[R] {
	return Query[R]{query{text: text, args: args, site: Here(1)}}
}

// Ask is a query for the value of an expression.
func Ask[R any](e Expr[R]) Query[R] {
	return Query[R]{query{built: true, tree: e.node(), site: Here(1)}}
}

// Named returns the query with a name for its call site. History is kept by it, wherever the query stands and whatever becomes of its program.
func (q Query[R]) Named(name string) Query[R] {
	q.q.name = name
	return q
}

// Partial returns the query such that a cell in error does not fail it: the cell is null (in Go, zero), and [Answer] lists it. A row
// whose predicate fails is left out.
func (q Query[R]) Partial() Query[R] {
	q.q.partial = true
	return q
}

// Within returns the query with bounds for what it may use. They can only lower the server's.
func (q Query[R]) Within(b Budget) Query[R] {
	q.q.budget = b
	return q
}

// Run asks, and returns the answer. The error is an [*Error].
func (q Query[R]) Run(ctx context.Context, c *Client) (R, error) {
	a, err := q.Answer(ctx, c)
	return a.Value, err
}

// Answer asks, and returns the answer with what is said of it.
func (q Query[R]) Answer(ctx context.Context, c *Client) (Answer[R], error) {
	p, err := q.q.program()
	if err != nil {
		return Answer[R]{}, err
	}
	return answer[R](ctx, c, p)
}

func answer[R any](ctx context.Context, c *Client, p *program) (Answer[R], error) {
	var value R
	rep, err := c.run(ctx, p, &value)
	if err != nil {
		return Answer[R]{}, err
	}
	return Answer[R]{value, rep}, nil
}

// Answer is an answer with what is said of it.
type Answer[R any] struct {
	Value R
	Report
}

// Report is what is said of an answer.
type Report struct {
	Errors      []CellError // of [Query.Partial]: cells that became null, at most 100 of them,
	ErrorsTotal int64       // and how many there are
	RowsDropped int64       // whose predicate or key failed
	Usage       Usage       // what the execution used
}

// Usage is what an execution used.
type Usage struct {
	Budget        // the same measures as its bounds
	Planned int64 // calls that the program asked for, one for each row; Calls of them were made
	Hits    int64 // values that the server's cache had
	Misses  int64 // values that were looked for there, and had to be computed
	Stale   int64 // values of the cache that were too old, and stood in for what failed, where the server does that
}

// CellError is a cell of a partial answer that became null.
type CellError struct {
	Path   string // "[3].title"
	Code   Code
	Method string // "Movie.title"
	Msg    string
}

// String returns "[3].title: NOT_FOUND: Movie.title: there is none".
func (e CellError) String() string {
	parts := []string{e.Path, string(e.Code), e.Method, e.Msg}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// Budget bounds an execution, or says what one used. 0 is the server's own bound.
type Budget struct {
	Steps    int64 // rows times nodes
	Rows     int64 // in any one column
	RowsOut  int64 // in the answer's list
	Memory   int64 // bytes in columns
	BytesOut int64 // of the answer
	Calls    int64 // of methods and sources
	Items    int64 // receivers in them
	Wall     time.Duration
}

func (b Budget) append(buf []byte) []byte {
	for i, v := range []int64{b.Steps, b.Rows, b.RowsOut, b.Memory, b.BytesOut, b.Calls, b.Items, int64(b.Wall)} {
		buf = pb.AppendUint(buf, i+1, uint64(max(v, 0)))
	}
	return buf
}

func readUsage(r pb.Reader, outer *pb.Reader) (u Usage) {
	wall := int64(0)
	fields := []*int64{&u.Steps, &u.Rows, &u.RowsOut, &u.Memory, &u.BytesOut, &u.Calls, &u.Items, &wall, &u.Planned, &u.Hits, &u.Misses, &u.Stale}
	for r.Next() {
		if r.Field > len(fields) {
			r.Skip()
			continue
		}
		*fields[r.Field-1] = int64(r.Uint())
	}
	if r.Err() != nil {
		outer.Fail(r.Err().Error())
	}
	u.Wall = time.Duration(wall)
	return u
}

// Fields of the message redeye.v1.QueryRequest.
const (
	requestText    = 1
	requestProgram = 2
	requestHash    = 3
	requestParams  = 4
	requestPartial = 5
	requestSite    = 6
	requestBudgets = 7
	requestAnalyze = 8
)

// program is a query as it is sent. It is not changed.
type program struct {
	source  []byte // the field text or program of a request
	hash    []byte // the field hash instead of it; nil if the server is not to be asked for it
	sum     [4]byte
	values  []binding
	site    CallSite // Key is the name, if it has one
	named   bool
	partial bool
	budget  Budget
}

// program makes the request of a query. The error is an [*Error].
func (q *query) program() (*program, error) {
	p := &program{site: q.site, named: q.name != "", partial: q.partial, budget: q.budget}
	if p.named {
		p.site.Key = q.name
	}
	if !q.built {
		p.source = pb.AppendElement(nil, requestText, q.text)
		p.values = q.args.bindings()
	} else {
		root, values, err := q.tree.build()
		if err != nil {
			err.Site = q.site.Label
			return nil, err
		}
		p.source = pb.AppendMessage(make([]byte, 0, 512), requestProgram, func(b []byte) []byte { return ast.AppendProto(b, root) })
		p.values = values
	}
	if !p.named {
		sum := sha256.Sum256(p.source)
		copy(p.sum[:], sum[:])
	}
	return p, nil
}

// params encodes the values. The error is an [*Error].
func (p *program) params() ([]byte, error) {
	var buf []byte
	for _, v := range p.values {
		c, err := columnOf(v.value)
		if err != nil {
			return nil, buildError("the parameter %s: %v", v.name, err)
		}
		buf = pb.AppendMessage(buf, requestParams, func(b []byte) []byte {
			b = pb.AppendString(b, 1, v.name)
			return pb.AppendMessage(b, 2, func(b []byte) []byte { return column.AppendProto(b, c) })
		})
	}
	return buf, nil
}

// rest appends what follows the program in a request.
func (p *program) rest(buf []byte, key string) []byte {
	buf = pb.AppendBool(buf, requestPartial, p.partial)
	buf = pb.AppendMessage(buf, requestSite, func(b []byte) []byte {
		b = pb.AppendString(b, 1, p.site.Label)
		return pb.AppendString(b, 2, key)
	})
	if p.budget != (Budget{}) {
		buf = pb.AppendMessage(buf, requestBudgets, p.budget.append)
	}
	return buf
}
