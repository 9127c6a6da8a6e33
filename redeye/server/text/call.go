package text

import (
	"go.starlark.net/syntax"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// call reads name(…) and x.name(…).
func (p *parser) call(e *syntax.CallExpr) (ast.Node, error) {
	for _, arg := range e.Args {
		switch arg := arg.(type) {
		case *syntax.BinaryExpr:
			if arg.Op == syntax.EQ {
				return nil, p.fail(arg, "arguments go by position, not by name")
			}
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				return nil, p.fail(arg, "arguments are written out")
			}
		}
	}
	switch fn := e.Fn.(type) {
	case *syntax.Ident:
		return p.function(e, fn)
	case *syntax.DotExpr:
		x, err := p.expr(fn.X)
		if err != nil {
			return nil, err
		}
		if op, ok := ast.MethodOp(fn.Name.Name); ok {
			a := args{parser: p, call: e, name: fn.Name.Name, rest: e.Args}
			return a.done(a.method(op, x))
		}
		list, err := p.list(e.Args)
		return &ast.Call{X: x, Name: fn.Name.Name, Args: list}, err
	default:
		return nil, p.fail(e.Fn, "only a name can be called: source(…) or x.method(…)")
	}
}

func (p *parser) function(e *syntax.CallExpr, fn *syntax.Ident) (ast.Node, error) {
	a := args{parser: p, call: e, name: fn.Name, rest: e.Args}
	if op, ok := ast.FunctionOp(fn.Name); ok {
		if op == ast.OpLet {
			return a.done(&ast.Let{X: a.node(), In: a.lambda(1)})
		}
		return a.done(&ast.Unary{Code: op, X: a.node()})
	}
	switch fn.Name {
	case "time":
		return a.done(&ast.Lit{Value: a.scalar(ast.ParseTime)})
	case "duration":
		return a.done(&ast.Lit{Value: a.scalar(ast.ParseDuration)})
	case "desc":
		return nil, p.fail(e, "desc(lambda x: …) stands in sort(…) only")
	}
	list, err := p.list(e.Args)
	return &ast.Call{Name: fn.Name, Args: list}, err
}

// args takes the arguments of an operation, one after another; the first error stays.
type args struct {
	*parser
	call *syntax.CallExpr
	name string
	rest []syntax.Expr
	err  error
}

func (a *args) done(n ast.Node) (ast.Node, error) {
	if a.err == nil && len(a.rest) > 0 {
		a.err = a.fail(a.rest[0], "%s takes no further argument", a.name)
	}
	return n, a.err
}

func (a *args) next(what string) syntax.Expr {
	if a.err != nil {
		return nil
	}
	if len(a.rest) == 0 {
		a.err = a.fail(a.call, "%s needs %s", a.name, what)
		return nil
	}
	e := a.rest[0]
	a.rest = a.rest[1:]
	return e
}

func (a *args) node() ast.Node {
	e := a.next("an argument more")
	if e == nil {
		return nil
	}
	n, err := a.expr(e)
	a.err = err
	return n
}

func (a *args) lambda(vars int) ast.Lambda {
	like := "a function: lambda x: …"
	if vars == 2 {
		like = "a function: lambda acc, x: …"
	}
	e := a.next(like)
	if e == nil {
		return ast.Lambda{}
	}
	return a.asLambda(e, vars, like)
}

func (a *args) asLambda(e syntax.Expr, vars int, like string) ast.Lambda {
	for {
		paren, ok := e.(*syntax.ParenExpr)
		if !ok {
			break
		}
		e = paren.X
	}
	l, ok := e.(*syntax.LambdaExpr)
	if !ok || len(l.Params) != vars {
		a.err = a.fail(e, "%s needs %s", a.name, like)
		return ast.Lambda{}
	}
	var f ast.Lambda
	for _, param := range l.Params {
		id, ok := param.(*syntax.Ident)
		if !ok {
			a.err = a.fail(param, "a variable of a function is a name")
			return ast.Lambda{}
		}
		f.Vars = append(f.Vars, id.Name)
	}
	a.vars = append(a.vars, f.Vars...)
	f.Body, a.err = a.expr(l.Body)
	a.vars = a.vars[:len(a.vars)-vars]
	return f
}

// identity is the function that may be left out.
func (a *args) identity() ast.Lambda {
	if len(a.rest) > 0 {
		return a.lambda(1)
	}
	v := &ast.Var{Depth: 0}
	a.spans[v] = a.span(a.call)
	return ast.Lambda{Vars: []string{"x"}, Body: v}
}

// literal takes a text in quotes.
func (a *args) literal(what string) (string, syntax.Expr) {
	e := a.next(what)
	if e == nil {
		return "", nil
	}
	lit, ok := e.(*syntax.Literal)
	if !ok || lit.Token != syntax.STRING {
		a.err = a.fail(e, "%s needs %s, written out in quotes", a.name, what)
		return "", nil
	}
	s, _ := lit.Value.(string)
	return s, e
}

func (a *args) scalar(parse func(string) (ast.Value, error)) ast.Value {
	s, at := a.literal("a text")
	if at == nil {
		return ast.Value{}
	}
	v, err := parse(s)
	if err != nil {
		a.err = a.fail(at, "%v", err)
	}
	return v
}

// duration takes one above zero, like "10s".
func (a *args) duration() ast.Value {
	s, at := a.literal("a duration like \"10s\"")
	if at == nil {
		return ast.Value{}
	}
	v, err := ast.ParseDuration(s)
	if err != nil || v.Duration() <= 0 {
		a.err = a.fail(at, "%s needs a duration above zero, like \"10s\"", a.name)
	}
	return v
}

// scope takes whose a cache is, if that is said.
func (a *args) scope() string {
	if a.err != nil || len(a.rest) == 0 {
		return ast.DefaultScope
	}
	s, _ := a.literal("a scope")
	return s
}

func (a *args) keys() (keys []ast.Key) {
	const like = "a key: lambda x: …, or desc(lambda x: …)"
	for first := true; a.err == nil && (first || len(a.rest) > 0); first = false {
		e := a.next(like)
		if e == nil {
			break
		}
		key := ast.Key{}
		if call, ok := e.(*syntax.CallExpr); ok {
			if fn, ok := call.Fn.(*syntax.Ident); ok && fn.Name == "desc" && len(call.Args) == 1 {
				key.Desc, e = true, call.Args[0]
			}
		}
		key.By = a.asLambda(e, 1, like)
		keys = append(keys, key)
	}
	return keys
}

// method reads the arguments of an operation that is written as a method of x.
func (a *args) method(op ast.Op, x ast.Node) ast.Node {
	switch n := op.New().(type) {
	case *ast.Unary:
		n.X = x
		return n
	case *ast.Binary:
		n.L, n.R = x, a.node()
		return n
	case *ast.Aggregate:
		n.X, n.F = x, a.identity()
		return n
	case *ast.Join:
		n.Left, n.Right, n.LeftKey, n.RightKey = x, a.node(), a.lambda(1), a.lambda(1)
		return n
	case *ast.Match:
		n.X = x
		n.Pattern, _ = a.literal("a pattern")
		return n
	case *ast.Then:
		n.X, n.F = x, a.lambda(1)
		return n
	case *ast.Filter:
		n.X, n.F = x, a.lambda(1)
		return n
	case *ast.Map:
		n.X, n.F = x, a.lambda(1)
		return n
	case *ast.FlatMap:
		n.X, n.F = x, a.lambda(1)
		return n
	case *ast.Limit:
		n.X, n.N = x, a.node()
		return n
	case *ast.Skip:
		n.X, n.N = x, a.node()
		return n
	case *ast.Sort:
		n.X, n.Keys = x, a.keys()
		return n
	case *ast.Distinct:
		n.X, n.F = x, a.identity()
		return n
	case *ast.Group:
		n.X, n.F = x, a.lambda(1)
		return n
	case *ast.Reduce:
		n.X, n.Init, n.F = x, a.node(), a.lambda(2)
		return n
	case *ast.Page:
		n.X, n.Size, n.After = x, a.node(), a.node()
		return n
	case *ast.Validate:
		n.X, n.F = x, a.lambda(1)
		n.Msg, _ = a.literal("a message")
		return n
	case *ast.Cache:
		n.X, n.TTL, n.Scope = x, a.duration(), a.scope()
		return n
	case *ast.Warm:
		n.X, n.TTL, n.Scope = x, a.duration(), a.scope()
		return n
	case *ast.Timeout:
		n.X, n.After = x, a.duration()
		return n
	case *ast.Lit, *ast.Param, *ast.Var, *ast.Let, *ast.Attr, *ast.Index, *ast.Call, *ast.If, *ast.Object, *ast.List:
	}
	a.err = a.fail(a.call, "%s is no operation that is written so", a.name)
	return nil
}
