package redeye

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// Code is the kind of an error, by the name that gRPC gives it. The names are on the wire and never change.
type Code string

// The codes (grpc.io/docs/guides/status-codes).
const (
	CodeCanceled           Code = "CANCELLED"
	CodeUnknown            Code = "UNKNOWN"
	CodeInvalidArgument    Code = "INVALID_ARGUMENT"
	CodeDeadlineExceeded   Code = "DEADLINE_EXCEEDED"
	CodeNotFound           Code = "NOT_FOUND"
	CodeAlreadyExists      Code = "ALREADY_EXISTS"
	CodePermissionDenied   Code = "PERMISSION_DENIED"
	CodeResourceExhausted  Code = "RESOURCE_EXHAUSTED"
	CodeFailedPrecondition Code = "FAILED_PRECONDITION"
	CodeAborted            Code = "ABORTED"
	CodeOutOfRange         Code = "OUT_OF_RANGE"
	CodeUnimplemented      Code = "UNIMPLEMENTED"
	CodeInternal           Code = "INTERNAL"
	CodeUnavailable        Code = "UNAVAILABLE"
	CodeDataLoss           Code = "DATA_LOSS"
	CodeUnauthenticated    Code = "UNAUTHENTICATED"
)

// Error is why a query failed. Every error of this package is one.
//
//	if e, ok := errors.AsType[*redeye.Error](err); ok && e.Reason == "BUDGET_EXCEEDED" { … }
type Error struct {
	Code Code
	// Reason is narrower than Code, for programs, and stable; "" if there is none. The server's: SYNTAX, TYPE, PARAMETER, LIMIT,
	// PLAN_UNKNOWN, BUDGET_EXCEEDED, VALIDATION_FAILED, TIMEOUT, and what else its documentation lists. The client's own: BUILD, a query that cannot be built;
	// DECODE, an answer that does not fit the Go type; BREAKER_OPEN, a call site that kept failing; TRANSPORT, no server answered, or not as one does.
	Reason string
	Msg    string
	Where  string        // line, column, message, and the place in the program's text, marked; "" if no place is at fault
	Method string        // the method that failed, as Movie.title
	Budget string        // that was exceeded,
	Limit  uint64        // its bound,
	Used   uint64        // and what would have been used
	Usage  Usage         // what the execution used until it failed
	Site   string        // label of the call site
	Wait   time.Duration // after which the server may be asked again; 0 if it says nothing
	Cause  error         // on this side, as context.DeadlineExceeded
}

// Error returns the message, with its place in the program if it has one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("redeye: ")
	if e.Site != "" {
		b.WriteString(e.Site + ": ")
	}
	b.WriteString(string(e.Code) + ": ")
	if e.Method != "" {
		b.WriteString(e.Method + ": ")
	}
	if e.Where != "" {
		b.WriteString(e.Where)
	} else {
		b.WriteString(e.Msg)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func buildError(format string, args ...any) *Error {
	return &Error{Code: CodeInvalidArgument, Reason: "BUILD", Msg: fmt.Sprintf(format, args...)}
}

func decodeError(format string, args ...any) *Error {
	return &Error{Code: CodeInternal, Reason: "DECODE", Msg: fmt.Sprintf(format, args...)}
}

// localError is of a call that got no answer.
func localError(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok { // of [InProcess]
		return e
	}
	if ctxErr := context.Cause(ctx); ctxErr != nil {
		err = ctxErr
	}
	e := &Error{Code: CodeUnavailable, Reason: "TRANSPORT", Msg: err.Error(), Cause: err}
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Code, e.Reason, e.Msg = CodeDeadlineExceeded, "", "no answer came before the deadline"
	case ctx.Err() != nil:
		e.Code, e.Reason, e.Msg = CodeCanceled, "", "the caller gave up"
	}
	return e
}

// refused reads the error that stands in the place of an answer.
func refused(resp *http.Response, body []byte) *Error {
	e := answeredError(resp.StatusCode, body)
	if e.Wait == 0 { // a Redeye server is more exact
		e.Wait = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3): seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), maxWait)
	}
	return 0
}

// maxWait is the longest time that anybody is believed who says when to ask again.
const maxWait = time.Hour

// answeredError reads an error as Connect writes it (connectrpc.com/docs/protocol/#error-end-stream): JSON, with our detail and google.rpc.RetryInfo as
// protobuf in base64. What is none, from a proxy on the way, becomes one by its status.
func answeredError(status int, body []byte) *Error {
	var answer struct {
		Code    string
		Message string
		Details []struct{ Type, Value string }
	}
	if json.Unmarshal(body, &answer) != nil || answer.Code == "" {
		return &Error{
			Code: statusCode(status), Reason: "TRANSPORT",
			Msg: fmt.Sprintf("what answers is no Redeye server: status %d (%s)", status, http.StatusText(status)),
		}
	}
	e := &Error{Code: Code(strings.ToUpper(answer.Code)), Msg: answer.Message}
	if e.Code == "CANCELED" { // as Connect spells it
		e.Code = CodeCanceled
	}
	for _, d := range answer.Details {
		value, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(d.Value, "="))
		if err != nil {
			continue // the code and the message are there
		}
		switch d.Type {
		case "redeye.v1.ErrorDetail":
			e.readDetail(pb.NewReader(value))
		case "google.rpc.RetryInfo":
			if wait := readRetryInfo(pb.NewReader(value)); e.Wait == 0 {
				e.Wait = wait
			}
		}
	}
	return e
}

// readRetryInfo reads a google.rpc.RetryInfo (google/rpc/error_details.proto); 0 if it is broken, or below zero.
func readRetryInfo(r pb.Reader) time.Duration {
	var seconds, nanos int64
	for r.Next() {
		if r.Field != 1 {
			r.Skip()
			continue
		}
		delay := r.Message() // a google.protobuf.Duration
		for delay.Next() {
			switch delay.Field {
			case 1:
				seconds = int64(delay.Uint())
			case 2:
				nanos = int64(delay.Uint())
			default:
				delay.Skip()
			}
		}
		if delay.Err() != nil {
			return 0
		}
	}
	if r.Err() != nil || seconds < 0 || nanos < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, int64(maxWait/time.Second)))*time.Second+time.Duration(min(nanos, 999_999_999)), maxWait)
}

func (e *Error) readDetail(r pb.Reader) {
	for r.Next() {
		switch r.Field {
		case 1:
			e.Reason = r.String()
		case 2:
			e.Msg = r.String()
		case 3:
			e.Where = r.String()
		case 4:
			e.Budget = r.String()
		case 5:
			e.Limit = r.Uint()
		case 6:
			e.Used = r.Uint()
		case 8:
			e.Method = r.String()
		case 9:
			e.Wait = time.Duration(min(r.Uint(), uint64(maxWait)))
		case 10:
			e.Usage = readUsage(r.Message(), &r)
		default:
			r.Skip()
		}
	}
}

// statusCode is Connect's table of what an HTTP status means that comes without an error of its own.
func statusCode(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return CodeInternal
	case http.StatusUnauthorized:
		return CodeUnauthenticated
	case http.StatusForbidden:
		return CodePermissionDenied
	case http.StatusNotFound:
		return CodeUnimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return CodeUnavailable
	}
	return CodeUnknown
}
