package local

import (
	"github.com/fuwu-project/fuwu/internal/span"
	"github.com/fuwu-project/fuwu/internal/store"
)

// truth is what is known of a filter for all rows of an operation at once. Ordered so that And is the least, Or the
// most, and Not 2 - x.
type truth uint8

const (
	never truth = iota
	maybe
	always
)

// plan is what the operations of a source say of a filter before any row is read.
type plan struct {
	some   bool // some row may match
	byPage bool // the bounds of a page may say that it has none
	exact  bool // it is known of every row whether it matches, and so:
	count  int  // how many do

	ops    []operation
	truths []truth // by operation
	bounds []int64 // by page: most duration of the rows that may match; −1: there are none. nil: not known
}

// wants says whether page p may have rows that match.
func (p *plan) wants(page int) bool { return p.bounds == nil || p.bounds[page] >= 0 }

// longest is the most duration of rows of a page that match, if it is known.
func (p *plan) longest(page int) (int64, bool) {
	if p.bounds == nil {
		return 0, false
	}
	return p.bounds[page], true
}

// makePlan judges all operations.
func (f *filter) makePlan() (*plan, error) {
	byPage := f.expr != nil && asks(f.expr, func(field store.Field) bool { return field == store.Duration })
	if f.expr != nil {
		if maybe, err := f.possible(f.expr, f.bounds()); err != nil || !maybe {
			return &plan{exact: true}, err
		}
		if !asks(f.expr, ofOperations) {
			return &plan{some: true, byPage: byPage}, nil
		}
	}
	judge, err := f.judgeOperations(f.expr)
	if err != nil {
		return nil, err
	}
	ops, err := f.operations()
	if err != nil {
		return nil, err
	}
	if ops == nil { // a head
		return &plan{some: true, byPage: byPage}, nil
	}
	p := &plan{exact: true, byPage: byPage, ops: ops, truths: make([]truth, len(ops)), bounds: make([]int64, f.pages)}
	for i := range p.bounds {
		p.bounds[i] = -1
	}
	for i := range ops {
		o := &ops[i]
		t := min(judge(o), f.inTime(o))
		p.truths[i] = t
		switch t {
		case never:
			continue
		case maybe:
			p.exact = false
		case always:
			p.count += int(o.count)
		}
		p.some = true
		for _, page := range o.pages {
			p.bounds[page.page] = max(p.bounds[page.page], durationOf(page.bound))
		}
	}
	return p, nil
}

// asks says whether e asks for some field that is of a sort.
func asks(e store.Expr, of func(store.Field) bool) bool {
	switch e := e.(type) {
	case store.And:
		return asks(e.X, of) || asks(e.Y, of)
	case store.Or:
		return asks(e.X, of) || asks(e.Y, of)
	case store.Not:
		return asks(e.X, of)
	case store.Exists, store.Compare:
	}
	return of(leaf(e).field)
}

// ofOperations says whether operations can tell anything of a field: not of attributes.
func ofOperations(f store.Field) bool {
	return f.Scope == store.Intrinsic || f == store.ServiceName
}

func (f *filter) inTime(o *operation) truth {
	to := f.within.To
	switch {
	case o.maxStart < f.within.From || to != 0 && o.minStart >= to:
		return never
	case o.minStart >= f.within.From && (to == 0 || o.maxStart < to):
		return always
	}
	return maybe
}

// judgeOperations makes a function that judges e for an operation. What an expression asks of dictionaries is asked here,
// once.
func (f *filter) judgeOperations(e store.Expr) (func(*operation) truth, error) {
	switch e := e.(type) {
	case nil:
		return func(*operation) truth { return always }, nil
	case store.And:
		return f.both(e.X, e.Y, func(x, y truth) truth { return min(x, y) })
	case store.Or:
		return f.both(e.X, e.Y, func(x, y truth) truth { return max(x, y) })
	case store.Not:
		x, err := f.judgeOperations(e.X)
		return func(o *operation) truth { return always - x(o) }, err
	case store.Exists, store.Compare:
	}
	t := leaf(e)
	if col, ok := textColumn(t.field); ok && col != colResource && col != colStatusMessage {
		tab, err := f.tableOf(t, col, span.String)
		return func(o *operation) truth {
			if tab.of(o.code(col)) == yes {
				return always
			}
			return never
		}, err
	}
	switch t.field {
	case store.Root:
		is, isNot := t.match(span.BoolValue(true)), t.match(span.BoolValue(false))
		return func(o *operation) truth {
			if o.root && is || !o.root && isNot {
				return always
			}
			return never
		}, nil
	case store.Duration:
		return func(o *operation) truth { return t.between(o.minDuration, o.maxDuration) }, nil
	case store.StatusMessage, store.TraceDuration, store.RootName, store.RootService:
		return func(*operation) truth { return maybe }, nil
	}
	known := maybe
	if _, ok := e.(store.Compare); ok {
		some, err := f.somewhere(t)
		if err != nil {
			return nil, err
		}
		if !some {
			known = never
		}
	}
	return func(*operation) truth { return known }, nil
}

func (f *filter) both(x, y store.Expr, join func(x, y truth) truth) (func(*operation) truth, error) {
	first, err := f.judgeOperations(x)
	if err != nil {
		return nil, err
	}
	second, err := f.judgeOperations(y)
	return func(o *operation) truth { return join(first(o), second(o)) }, err
}

// code is the operation's code in one of the columns that it has codes of.
func (o *operation) code(col int) uint32 {
	switch col {
	case colService:
		return o.service
	case colName:
		return o.name
	case colKind:
		return o.kind
	}
	return o.status
}

// between is what is known of the test for durations between two bounds that occur.
func (t test) between(least, most int64) truth {
	low, high := t.match(span.IntValue(least)), t.match(span.IntValue(most))
	if c, ok := t.expr.(store.Compare); ok && least != most {
		switch c.Op {
		case store.Lt, store.Le, store.Gt, store.Ge:
			if c.Value.Type == store.StringLiteral { // compared as text
				return maybe
			}
		case store.Eq, store.Ne, store.Match, store.NotMatch:
			return maybe
		}
	}
	switch {
	case low && high:
		return always
	case low || high:
		return maybe
	}
	return never
}
