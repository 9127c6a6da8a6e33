package shuaisql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"

	"github.com/fuwu-project/fuwu/shuai"
)

// describeError says what kind of error it was, in error.type and, where the database gave a code, in db.response.status_code. The text of
// a database's error is not recorded: it quotes values ("Duplicate entry 'ada@example.com' for key 'email'").
func describeError(span *shuai.Span, err error) {
	if err == nil || !span.Counted() {
		return
	}
	kind, code := classify(err)
	span.SetString("error.type", kind)
	if code != "" {
		span.SetString("db.response.status_code", code)
	}
	span.SetStatus(shuai.StatusError, kind)
}

// classify returns few kinds, and the database's code: a SQLSTATE, or MySQL's number, which says more.
func classify(err error) (kind, code string) {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled", ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout", ""
	case errors.Is(err, driver.ErrBadConn):
		return "bad connection", ""
	}
	if code := codeOf(err); code != "" {
		return code, code
	}
	inner := err
	for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
		inner = next
	}
	return fmt.Sprintf("%T", inner), ""
}

func codeOf(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() == reflect.Struct { // the mysql driver's has no method for it
			if n := v.FieldByName("Number"); n.IsValid() && n.CanUint() {
				return strconv.FormatUint(n.Uint(), 10)
			}
		}
		if s, ok := err.(interface{ SQLState() string }); ok {
			return s.SQLState()
		}
	}
	return ""
}
