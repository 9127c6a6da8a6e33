package server

import (
	"errors"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// Error is why a query failed. All but Cause is written for the client.
type Error struct {
	Code   string // one of gRPC's, as INVALID_ARGUMENT
	Reason string // narrower, and stable: SYNTAX, TYPE, PARAMETER, LIMIT, PLAN_UNKNOWN, BUDGET_EXCEEDED, VALIDATION_FAILED, TIMEOUT, REGISTRATION; "" for a method's own error
	Msg    string
	Where  string // line, column, message, and the place in the program's text, marked
	Path   string // of the cell in the answer
	Method string // that failed
	Budget string // of BUDGET_EXCEEDED: which, its bound, and what would have been used
	Limit  int64
	Used   int64
	Site   string        // label of the call site
	Wait   time.Duration // after which to ask again; 0 if that is not known
	Usage  Usage         // of the execution until it failed; zero if there was none
	Cause  error         // stays on the server
}

// Error returns the message, with its place in the program if it has one.
func (e *Error) Error() string {
	msg := e.Msg
	if e.Where != "" {
		msg = e.Where
	}
	if e.Method != "" {
		msg = e.Method + ": " + msg
	}
	if e.Path != "" {
		msg = e.Path + ": " + msg
	}
	return e.Code + ": " + msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// readError is of a program that could not be read.
func readError(err error) *Error {
	if limit, ok := errors.AsType[*ast.LimitError](err); ok {
		return &Error{Code: "RESOURCE_EXHAUSTED", Reason: "LIMIT", Msg: limit.Error(), Budget: limit.What, Limit: int64(limit.Limit)}
	}
	if bad, ok := errors.AsType[*text.Error](err); ok {
		return &Error{Code: "INVALID_ARGUMENT", Reason: "SYNTAX", Msg: bad.Msg, Where: bad.Error()}
	}
	return &Error{Code: "INVALID_ARGUMENT", Reason: "SYNTAX", Msg: err.Error()}
}

// typeError is of a program that was read but cannot be run.
func typeError(err error, source *ast.Source) *Error {
	if bad, ok := errors.AsType[*ast.Error](err); ok {
		return &Error{Code: "INVALID_ARGUMENT", Reason: "TYPE", Msg: bad.Msg, Where: source.Point(bad.Node, bad.Msg)}
	}
	return &Error{Code: "INTERNAL", Msg: "the program could not be checked", Cause: err}
}

// runError is of a program that ran.
func runError(err error, source *ast.Source) *Error {
	e, ok := errors.AsType[*engine.Error](err)
	if !ok {
		return &Error{Code: "INTERNAL", Msg: "the query failed for a mistake of the server", Cause: err}
	}
	out := &Error{Code: e.Code, Reason: e.Reason, Msg: e.Msg, Path: e.Path, Method: e.Method, Budget: e.Budget, Limit: e.Limit, Used: e.Used, Wait: e.Wait, Cause: e.Cause}
	if source != nil && e.At != nil {
		out.Where = source.Point(e.At, e.Msg)
	}
	return out
}
