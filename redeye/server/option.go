package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// Option says more about a method or source.
type Option func(*options)

type options struct {
	doc            string
	args           []string
	maxBatch       int
	cost, scope    string
	replaces       []string
	concurrency    int
	slow           time.Duration
	unique, stable bool
	cached         time.Duration
	uncached       bool
}

// Doc is what the schema says about it.
func Doc(text string) Option { return func(o *options) { o.doc = text } }

// Args names its arguments, in order.
func Args(names ...string) Option { return func(o *options) { o.args = names } }

// MaxBatch bounds how many receivers are in one call; further ones are in further calls, concurrently.
func MaxBatch(n int) Option {
	return func(o *options) {
		if o.maxBatch = n; n == 0 {
			o.maxBatch = -1
		}
	}
}

// Concurrency bounds how many calls run at once, of all queries; what is beyond waits. A query has at most sixteen calls under way by itself.
func Concurrency(n int) Option {
	return func(o *options) {
		if o.concurrency = n; n == 0 {
			o.concurrency = -1
		}
	}
}

// SlowAfter says that a call that takes longer counts as failed for the method's breaker, whatever it answers. It is one time for a call of one receiver and
// for one of as many as a batch holds.
func SlowAfter(d time.Duration) Option {
	return func(o *options) {
		if o.slow = d; d == 0 {
			o.slow = -1
		}
	}
}

// Cheap says that a call costs so little that it may be made for rows that turn out not to need it, if that makes an answer sooner. At most half of a query's
// budgets of calls and items goes into such.
func Cheap() Option { return func(o *options) { o.cost = "cheap" } }

// Dear says that a call should be made for as few rows as possible.
func Dear() Option { return func(o *options) { o.cost = "dear" } }

// Scope says who may see the same answer: "public", "tenant", or "principal", which is the default.
func Scope(scope string) Option { return func(o *options) { o.scope = scope } }

// Cached says that answers are kept for so long, for those whom Scope says, whatever program asks. An answer that will soon be too old
// is renewed while it is used, so that a method that is asked often is not waited for.
func Cached(ttl time.Duration) Option { return func(o *options) { o.cached = ttl } }

// Uncached says that no answer may be kept, as of reads that have to be audited: a program that would cache one is refused.
func Uncached() Option { return func(o *options) { o.uncached = true } }

// Replaces names the calls, one for each thing, that a program needs no more if it uses the method, as Shuai shows them: "movie.service.get_title" of an
// RPC, "mc get" of a store. It means nothing to the server, but lets Shuai write the query that a page should be when it finds one that makes
// such calls again and again. Calls whose name is the method's need not be named.
func Replaces(calls ...string) Option { return func(o *options) { o.replaces = calls } }

// UniqueKeys says of a source that its list has no entity twice, which saves looking.
func UniqueKeys() Option { return func(o *options) { o.unique = true } }

// StableOrder says of a source that its list has the same order each time, so that it can be paged through unsorted.
func StableOrder() Option { return func(o *options) { o.stable = true } }

// Errs is an error for some of a batch's receivers: one for each, nil for those that are fine.
type Errs []error

// Error joins the first few.
func (e Errs) Error() string { return errors.Join(e...).Error() }

// Errorf makes an error whose words the client sees. The code is one of gRPC's, as NOT_FOUND.
func Errorf(code, format string, args ...any) error {
	return &engine.Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

func asError(err error) *engine.Error {
	if e, ok := errors.AsType[*engine.Error](err); ok {
		return e
	}
	return &engine.Error{Code: "UNKNOWN", Msg: "the method failed", Cause: err}
}
