package server_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// naive is the language again, as simply as can be: it walks the tree for one row after another, calls methods for one
// receiver at a time, remembers nothing and optimises nothing. Values are Go's: nil is null, a list is a []thunk, an object an object.
type naive struct {
	params map[string]any
	calls  int
	met    bool // an error, after which it looks at nothing more where the engine has begun with all rows
}

// thunk computes a value when it is wanted.
type thunk func() (any, error)

type object struct {
	names  []string
	fields []thunk
}

func value(v any) thunk { return func() (any, error) { return v, nil } }

var (
	errRange = errors.New("out of range")
	errDrop  = errors.New("a dropped row")
)

func (in *naive) lambda(f ast.Lambda, env []thunk, args ...thunk) thunk {
	return func() (any, error) { return in.eval(f.Body, append(slices.Clip(env), args...)) }
}

func as[T any](v any, err error) (T, error) {
	t, _ := v.(T)
	return t, err
}

func (in *naive) list(n ast.Node, env []thunk) ([]thunk, error) { return as[[]thunk](in.eval(n, env)) }

func (in *naive) eval(n ast.Node, env []thunk) (any, error) {
	v, err := in.node(n, env)
	in.met = in.met || err != nil
	return v, err
}

func (in *naive) node(n ast.Node, env []thunk) (any, error) {
	switch n := n.(type) {
	case *ast.Lit:
		switch n.Value.Kind() {
		case ast.KindBool:
			return n.Value.Bool(), nil
		case ast.KindInt:
			return n.Value.Int(), nil
		case ast.KindFloat:
			return n.Value.Float(), nil
		case ast.KindString:
			return n.Value.Text(), nil
		default:
			return nil, nil
		}
	case *ast.Param:
		return in.params[n.Name], nil
	case *ast.Var:
		return env[len(env)-1-n.Depth]()
	case *ast.Let:
		return in.lambda(n.In, env, func() (any, error) { return in.eval(n.X, env) })()
	case *ast.Attr:
		x, err := in.eval(n.X, env)
		if err != nil {
			return nil, err
		}
		if o, ok := x.(*object); ok {
			return o.fields[slices.Index(o.names, n.Name)]()
		}
		v := attrOf(x, n.Name)
		if err, failed := v.(error); failed {
			return nil, err
		}
		return v, nil
	case *ast.Index:
		list, err := in.list(n.X, env)
		if err != nil {
			return nil, err
		}
		i, err := as[int64](in.eval(n.I, env))
		if i < 0 {
			i += int64(len(list))
		}
		if err == nil && (i < 0 || i >= int64(len(list))) {
			err = errRange
		}
		if err != nil {
			return nil, err
		}
		return list[i]()
	case *ast.Call:
		return in.call(n, env)
	case *ast.Unary:
		return in.unary(n, env)
	case *ast.Binary:
		return in.binary(n, env)
	case *ast.If:
		c, err := as[bool](in.eval(n.Cond, env))
		switch {
		case err != nil:
			return nil, err
		case c:
			return in.eval(n.Then, env)
		}
		return in.eval(n.Else, env)
	case *ast.Then:
		x, err := in.eval(n.X, env)
		if x == nil || err != nil {
			return nil, err
		}
		return in.lambda(n.F, env, value(x))()
	case *ast.Object:
		o := &object{names: n.Names}
		for _, v := range n.Values {
			o.fields = append(o.fields, func() (any, error) { return in.eval(v, env) })
		}
		return o, nil
	case *ast.List:
		var list []thunk
		for _, v := range n.Items {
			list = append(list, func() (any, error) { return in.eval(v, env) })
		}
		return list, nil
	default:
		return in.collection(n, env)
	}
}

func attrOf(x any, name string) any {
	m, _ := x.(*movie)
	switch name {
	case "id":
		return m.id
	case "year":
		return m.year
	case "length":
		return m.length
	case "genre":
		return m.genre
	case "medium":
		return declared(string(m.medium()), "feature", "short film", "series")
	case "next_medium":
		if next := m.nextMedium(); next.Valid {
			return declared(string(next.Value), "feature", "short film", "series")
		}
		return nil
	case "media":
		return []thunk{value("feature"), func() (any, error) {
			v := attrOf(m, "medium")
			err, _ := v.(error)
			return v, err
		}}
	case "sequel_of":
		if m.id%2 == 0 {
			return m.id - 1
		}
		return nil
	case "tags":
		var list []thunk
		for _, tag := range m.tags {
			list = append(list, value(tag))
		}
		return list
	}
	panic(name)
}

// declared is a value of an enum, or an error if it is none.
func declared(v string, values ...string) any {
	if slices.Contains(values, v) {
		return v
	}
	return fmt.Errorf("%q is not declared", v)
}

// call demands the receiver and all arguments.
func (in *naive) call(n *ast.Call, env []thunk) (any, error) {
	var recv any
	var err error
	if n.X != nil {
		recv, err = in.eval(n.X, env)
	}
	var args []any
	for _, a := range n.Args {
		v, aerr := in.eval(a, env)
		args, err = append(args, v), errors.Join(err, aerr)
	}
	if err != nil {
		return nil, err
	}
	in.calls++
	return invoke(recv, n.Name, args)
}

func entities[T any](vs []T) []thunk {
	var list []thunk
	for _, v := range vs {
		list = append(list, value(v))
	}
	return list
}

func (in *naive) unary(n *ast.Unary, env []thunk) (any, error) {
	x, err := in.eval(n.X, env)
	if err != nil {
		if n.Code == ast.OpOrDrop {
			return nil, errDrop
		}
		return nil, err
	}
	list, _ := x.([]thunk)
	switch n.Code {
	case ast.OpNot:
		return x != true, nil
	case ast.OpNeg:
		if f, ok := x.(float64); ok {
			return -f, nil
		}
		if x == int64(math.MinInt64) {
			return nil, errRange
		}
		return -x.(int64), nil
	case ast.OpUpper:
		return strings.ToUpper(x.(string)), nil
	case ast.OpLower:
		return strings.ToLower(x.(string)), nil
	case ast.OpLength:
		if s, ok := x.(string); ok {
			return int64(len([]rune(s))), nil
		}
		return int64(len(list)), nil
	case ast.OpFirst, ast.OpLast:
		if len(list) == 0 {
			return nil, nil
		}
		if n.Code == ast.OpFirst {
			return list[0]()
		}
		return list[len(list)-1]()
	case ast.OpFloat:
		if i, ok := x.(int64); ok {
			return float64(i), nil
		}
		return x, nil
	case ast.OpStr:
		if s, ok := x.(string); ok {
			return s, nil
		}
		return ast.Literal(ast.Int(x.(int64))), nil
	case ast.OpInt:
		if s, ok := x.(string); ok {
			i, err := strconv.ParseInt(s, 10, 64)
			return i, err
		}
		if f, ok := x.(float64); ok {
			if !(f >= math.MinInt64 && f < math.MaxInt64) {
				return nil, errRange
			}
			return int64(f), nil
		}
		return x, nil
	default:
		return x, nil
	}
}

func (in *naive) binary(n *ast.Binary, env []thunk) (any, error) {
	l, err := in.eval(n.L, env)
	right := func() (any, error) { return in.eval(n.R, env) }
	switch n.Code {
	case ast.OpAnd, ast.OpOr:
		if err != nil || l == (n.Code == ast.OpOr) {
			return l, err
		}
		return right()
	case ast.OpOrElse:
		if err != nil || l != nil {
			return l, err
		}
		return right()
	case ast.OpOnError:
		if err != nil {
			return right()
		}
		return l, nil
	default:
	}
	r, rerr := right()
	if err != nil || rerr != nil {
		if n.Code == ast.OpEq || n.Code == ast.OpNe || n.Code == ast.OpIn { // what is compared is demanded throughout, whatever is in error
			_, _ = deepValue(l)
			_, _ = deepValue(r)
		}
		return nil, errors.Join(err, rerr)
	}
	switch n.Code {
	case ast.OpEq, ast.OpNe:
		a, aerr := deepValue(l)
		b, berr := deepValue(r)
		return (a == b) == (n.Code == ast.OpEq), errors.Join(aerr, berr)
	case ast.OpIn:
		list, _ := r.([]thunk)
		want, err := deepValue(l)
		found := false
		for _, t := range list {
			got, tErr := deep(t)
			found = found || tErr == nil && got == want
			err = errors.Join(err, tErr)
		}
		return found, err
	case ast.OpStartsWith:
		return strings.HasPrefix(l.(string), r.(string)), nil
	case ast.OpEndsWith:
		return strings.HasSuffix(l.(string), r.(string)), nil
	default:
	}
	switch x := l.(type) {
	case []thunk:
		return slices.Concat(x, r.([]thunk)), nil
	case string:
		if n.Code == ast.OpAdd {
			return x + r.(string), nil
		}
		return ordered(n.Code, strings.Compare(x, r.(string))), nil
	case float64:
		y := r.(float64)
		switch n.Code {
		case ast.OpAdd:
			return x + y, nil
		case ast.OpSub:
			return x - y, nil
		case ast.OpMul:
			return x * y, nil
		case ast.OpDiv:
			return x / y, nil
		case ast.OpLt:
			return x < y, nil
		case ast.OpLe:
			return x <= y, nil
		case ast.OpGt:
			return x > y, nil
		default:
			return x >= y, nil
		}
	case int64:
		return naiveInts(n.Code, x, r.(int64))
	}
	panic(fmt.Sprintf("%s of %T", n.Code, l))
}

func ordered(op ast.Op, c int) bool {
	switch op {
	case ast.OpLt:
		return c < 0
	case ast.OpLe:
		return c <= 0
	case ast.OpGt:
		return c > 0
	default:
		return c >= 0
	}
}

// naiveInts computes with math/big's slow certainty in mind: results beyond 64 bits show in the floats.
func naiveInts(op ast.Op, x, y int64) (any, error) {
	fx, fy := float64(x), float64(y)
	check := func(z int64, about float64) (any, error) {
		if math.Abs(about) > 9.3e18 || math.Abs(float64(z)-about) > 1e6 {
			return nil, errRange
		}
		return z, nil
	}
	switch op {
	case ast.OpAdd:
		return check(x+y, fx+fy)
	case ast.OpSub:
		return check(x-y, fx-fy)
	case ast.OpMul:
		return check(x*y, fx*fy)
	case ast.OpFloorDiv, ast.OpMod:
		if y == 0 {
			return nil, errRange
		}
		q := int64(math.Floor(fx / fy))
		if op == ast.OpMod {
			return x - q*y, nil
		}
		return q, nil
	default:
		return ordered(op, int(fx-fy)), nil
	}
}

func (in *naive) collection(n ast.Node, env []thunk) (any, error) {
	each := func(x ast.Node, f func(row thunk) error) error {
		list, err := in.list(x, env)
		for _, row := range list {
			if err == nil {
				err = f(row)
			}
		}
		return err
	}
	var out []thunk
	switch n := n.(type) {
	case *ast.Filter:
		err := each(n.X, func(row thunk) error {
			ok, err := as[bool](in.lambda(n.F, env, row)())
			if ok && err == nil {
				out = append(out, row)
			}
			if errors.Is(err, errDrop) {
				return nil
			}
			return err
		})
		return out, err
	case *ast.Map:
		err := each(n.X, func(row thunk) error {
			out = append(out, in.lambda(n.F, env, row))
			return nil
		})
		return out, err
	case *ast.FlatMap:
		err := each(n.X, func(row thunk) error {
			list, err := as[[]thunk](in.lambda(n.F, env, row)())
			out = append(out, list...)
			return err
		})
		return out, err
	case *ast.Limit, *ast.Skip:
		var x, count ast.Node
		limit, isLimit := n.(*ast.Limit)
		if isLimit {
			x, count = limit.X, limit.N
		} else {
			x, count = n.(*ast.Skip).X, n.(*ast.Skip).N
		}
		list, err := in.list(x, env)
		k, kerr := as[int64](in.eval(count, env))
		if err := errors.Join(err, kerr); err != nil {
			return nil, err
		}
		if k < 0 {
			return nil, errRange
		}
		k = min(k, int64(len(list)))
		if isLimit {
			return list[:k], nil
		}
		return list[k:], nil
	case *ast.Sort:
		list, err := in.list(n.X, env)
		rows := make([][]any, len(list))
		for i, row := range list {
			for _, key := range n.Keys {
				k, kerr := in.lambda(key.By, env, row)()
				err = errors.Join(err, kerr)
				rows[i] = append(rows[i], k)
			}
		}
		if err != nil {
			return nil, err
		}
		order := make([]int, len(list))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			for i, key := range n.Keys {
				if c := compareKeys(rows[a][i], rows[b][i], key.Desc); c != 0 {
					return c
				}
			}
			return 0
		})
		for _, i := range order {
			out = append(out, list[i])
		}
		return out, nil
	case *ast.Distinct:
		seen := map[string]bool{}
		err := each(n.X, func(row thunk) error {
			key, err := deep(in.lambda(n.F, env, row))
			if !seen[key] {
				out = append(out, row)
			}
			seen[key] = true
			return err
		})
		return out, err
	case *ast.Group:
		groups := map[string][]thunk{}
		var keys []string
		var first []thunk
		err := each(n.X, func(row thunk) error {
			t := in.lambda(n.F, env, row)
			key, err := deep(t)
			if groups[key] == nil {
				keys, first = append(keys, key), append(first, t)
			}
			groups[key] = append(groups[key], row)
			return err
		})
		for i, key := range keys {
			out = append(out, value(&object{[]string{"key", "items"}, []thunk{first[i], value(groups[key])}}))
		}
		return out, err
	case *ast.Aggregate:
		return in.aggregate(n, env)
	case *ast.Reduce:
		acc, err := in.eval(n.Init, env)
		list, lerr := in.list(n.X, env)
		err = errors.Join(err, lerr)
		for _, row := range list {
			if err == nil {
				acc, err = in.lambda(n.F, env, value(acc), row)()
			}
		}
		return acc, err
	case *ast.Join:
		return in.join(n, env)
	default:
		return nil, fmt.Errorf("the naive interpreter knows no %T", n)
	}
}

func compareKeys(a, b any, desc bool) int {
	c := 0
	switch a := a.(type) {
	case nil:
		if b != nil {
			return 1
		}
	case int64:
		if b == nil {
			return -1
		}
		c = int(a - b.(int64))
	case string:
		c = strings.Compare(a, b.(string))
	case float64:
		switch d := a - b.(float64); {
		case d < 0:
			c = -1
		case d > 0:
			c = 1
		}
	case bool:
		if a != b.(bool) {
			c = 1
			if !a {
				c = -1
			}
		}
	}
	if desc {
		return -c
	}
	return c
}

func (in *naive) aggregate(n *ast.Aggregate, env []thunk) (any, error) {
	list, err := in.list(n.X, env)
	if err != nil {
		return nil, err
	}
	var best any
	sum, total, isFloat := int64(0), 0.0, false
	for _, row := range list {
		v, err := in.lambda(n.F, env, row)()
		if err != nil {
			return nil, err
		}
		switch n.Code {
		case ast.OpAny, ast.OpAll:
			if v == (n.Code == ast.OpAny) {
				return v, nil
			}
			continue
		case ast.OpMin, ast.OpMax:
			if best == nil || compareKeys(v, best, n.Code == ast.OpMax) < 0 {
				best = v
			}
			continue
		default:
		}
		if f, ok := v.(float64); ok {
			total, isFloat = total+f, true
			continue
		}
		total += float64(v.(int64))
		if sum, err = as[int64](naiveInts(ast.OpAdd, sum, v.(int64))); err != nil && n.Code == ast.OpSum {
			return nil, err
		}
	}
	switch n.Code {
	case ast.OpAny, ast.OpAll:
		return n.Code == ast.OpAll, nil
	case ast.OpMin, ast.OpMax:
		return best, nil
	case ast.OpAvg:
		if len(list) == 0 {
			return nil, nil
		}
		return total / float64(len(list)), nil
	default:
		if isFloat {
			return total, nil
		}
		return sum, nil
	}
}

func (in *naive) join(n *ast.Join, env []thunk) (any, error) {
	left, err := in.list(n.Left, env)
	right, rerr := in.list(n.Right, env)
	if err = errors.Join(err, rerr); err != nil {
		return nil, err
	}
	keys := make([]string, len(right))
	for i, r := range right {
		k, kerr := deep(in.lambda(n.RightKey, env, r))
		keys[i], err = k, errors.Join(err, kerr)
	}
	var out []thunk
	for _, l := range left {
		k, kerr := deep(in.lambda(n.LeftKey, env, l))
		err = errors.Join(err, kerr)
		matched := false
		for i, r := range right {
			if keys[i] != k || k == "null" {
				continue
			}
			matched = true
			if n.Code == ast.OpJoin || n.Code == ast.OpLeftJoin {
				out = append(out, value(&object{[]string{"left", "right"}, []thunk{l, r}}))
			}
		}
		switch {
		case n.Code == ast.OpSemiJoin && matched || n.Code == ast.OpAntiJoin && !matched:
			out = append(out, l)
		case n.Code == ast.OpLeftJoin && !matched:
			out = append(out, value(&object{[]string{"left", "right"}, []thunk{l, value(nil)}}))
		}
	}
	return out, err
}

// deep computes a value throughout, as JSON.
func deep(t thunk) (string, error) {
	v, err := t()
	if err != nil {
		return "", err
	}
	return deepValue(v)
}

func deepValue(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case string:
		return strconv.Quote(v), nil
	case float64:
		switch {
		case math.IsNaN(v):
			return `"NaN"`, nil
		case math.IsInf(v, 1):
			return `"Infinity"`, nil
		case math.IsInf(v, -1):
			return `"-Infinity"`, nil
		}
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case *movie:
		return strconv.FormatInt(v.id, 10), nil
	case *actor:
		return strconv.FormatInt(v.id, 10), nil
	case []thunk:
		parts, errs := make([]string, len(v)), make([]error, len(v)) // one in error does not touch the others
		for i, t := range v {
			parts[i], errs[i] = deep(t)
		}
		return "[" + strings.Join(parts, ",") + "]", errors.Join(errs...)
	case *object:
		parts, errs := make([]string, len(v.fields)), make([]error, len(v.fields))
		for i, t := range v.fields {
			parts[i], errs[i] = deep(t)
			parts[i] = strconv.Quote(v.names[i]) + ":" + parts[i]
		}
		return "{" + strings.Join(parts, ",") + "}", errors.Join(errs...)
	default:
		return fmt.Sprint(v), nil
	}
}

// invoke calls what world_test.go registers, for one receiver.
func invoke(recv any, name string, args []any) (any, error) {
	ints := func(i int) int64 { v, _ := args[i].(int64); return v }
	if a, ok := recv.(*actor); ok {
		return a.name, nil
	}
	m, _ := recv.(*movie)
	switch name {
	case "age":
		text, ok := map[age]string{0: "all", 12: "12", 18: "18"}[m.age()]
		if !ok {
			return nil, errors.New("not declared")
		}
		return text, nil
	case "shown_as":
		return string(m.medium()) == args[0], nil
	case "title":
		return fmt.Sprintf("Movie %d", m.id), nil
	case "can_view", "may_see":
		return (m.id+ints(0))%3 != 0, nil
	case "rating":
		if m.id == 13 {
			return nil, errors.New("no rating")
		}
		return float64(m.id%10) / 2, nil
	case "poster":
		if m.id%5 == 4 {
			return nil, nil
		}
		return fmt.Sprintf("https://img/%d.jpg", m.id), nil
	case "cast":
		var as []*actor
		for _, id := range m.actors {
			as = append(as, &actor{id, fmt.Sprintf("Actor %d", id)})
		}
		return entities(as), nil
	case "broken":
		if m.id%2 == 1 {
			return nil, errors.New("broken")
		}
		return "", nil
	case "get_movies":
		var ms []*movie
		list, _ := args[0].([]thunk)
		for _, t := range list {
			v, err := as[int64](t())
			if err != nil {
				return nil, err
			}
			ms = append(ms, movieByID(v))
		}
		return entities(ms), nil
	case "movies":
		var ms []*movie
		for id := ints(0); id < ints(1); id++ {
			ms = append(ms, movieByID(id))
		}
		return entities(ms), nil
	}
	panic(name)
}
