package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// Error is the error of a cell, or of a run.
type Error struct {
	Code   string   // as gRPC names it: NOT_FOUND
	Reason string   // narrower, where programs may want to know: BUDGET_EXCEEDED
	Msg    string   // for the client
	Method string   // the method or source that failed
	At     ast.Node // the node of the program as it is run
	Path   string   // of the cell in the answer: [3].title
	Budget string   // of BUDGET_EXCEEDED
	Limit  int64
	Used   int64
	Wait   time.Duration // after which it may be tried again; 0 if that is not known
	Cause  error         // stays on the server
}

func (e *Error) Error() string {
	if e.Method != "" {
		return e.Method + ": " + e.Msg
	}
	return e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// own reports whether the fault is the method's own: not its caller's, and not that there is nothing.
func (e *Error) own() bool {
	switch e.Code {
	case "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "RESOURCE_EXHAUSTED":
		return true
	}
	return false
}

func outOfRange(n *Node, format string, args ...any) *Error {
	return &Error{Code: "OUT_OF_RANGE", Msg: fmt.Sprintf(format, args...), At: n.Src}
}

// Coded is an error of a method that says what its client may know of it.
type Coded interface {
	error
	RedeyeError() (code, msg string)
}

// methodError makes the error of a cell out of what a method returned. Words of an error that was not written for the
// client stay here.
func methodError(m *Method, n *Node, err error) *Error {
	e := &Error{Code: "UNKNOWN", Msg: "the method failed", Method: m.Name, Cause: err}
	if n != nil {
		e.At = n.Src
	}
	var own *Error
	var coded Coded
	switch {
	case errors.As(err, &own):
		e.Code, e.Msg, e.Reason, e.Wait = own.Code, own.Msg, own.Reason, own.Wait
	case errors.As(err, &coded):
		e.Code, e.Msg = coded.RedeyeError()
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Msg = "DEADLINE_EXCEEDED", "the method was not done in time"
	case errors.Is(err, context.Canceled):
		e.Code, e.Msg = "CANCELLED", "the method was cancelled"
	}
	return e
}

// errs joins the errors of several columns, row by row: of several in a row, the first column's.
func errs(n int, vs ...*Vec) []*Error {
	var out []*Error
	for _, v := range vs {
		if v.Errs == nil {
			continue
		}
		if out == nil {
			out = make([]*Error, n)
		}
		for i := range out {
			if out[i] == nil {
				out[i] = v.err(i)
			}
		}
	}
	return out
}

// setErr puts an error in a row of a vec that is being made.
func (v *Vec) setErr(i int, err *Error) {
	if v.Errs == nil {
		v.Errs = make([]*Error, v.N)
	}
	if v.Errs[i] == nil {
		v.Errs[i] = err
	}
}
