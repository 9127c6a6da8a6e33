package server

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/redeye/internal/breaker"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
	"github.com/fuwu-project/fuwu/shuai"
)

// An execution is a span, named after the service ("movies.query"), and each invocation of a method or source is one below
// it, named after what it invokes. The names of their attributes are what Shuai's pages read; docs/redeye/operate.md says what each means, and a test
// compares.

// startQuery begins the span of an execution.
func startQuery(ctx context.Context, service string, p *planned, req Request, who Principal) (context.Context, *shuai.Span) {
	ctx, span := shuai.StartSpan(ctx, service+".query", shuai.KindInternal)
	span.SetType("redeye")
	if span.Recording() {
		plan := p.explained()
		span.Set(
			shuai.String("redeye.site", clip(req.Site.Key, maxKey)),
			shuai.String("redeye.callsite", clip(req.Site.Label, maxKey)),
			shuai.String("redeye.tenant", clip(who.Tenant, maxKey)),
			shuai.String("redeye.hash", p.hash.String()),
			shuai.String("redeye.program", clip(p.source.Text, 4096)),
			shuai.String("redeye.plan", clip(plan, 8192)),
			shuai.String("redeye.rules", strings.Join(p.rules, ", ")),
			shuai.Bool("redeye.partial", req.Partial),
		)
	}
	return ctx, span
}

// endQuery ends it: u is what was used, a the answer or nil.
func endQuery(span *shuai.Span, u Usage, a *Answer, err error) {
	if span.Recording() {
		span.Set(
			shuai.Int("redeye.calls.planned", u.Planned),
			shuai.Int("redeye.calls.sent", u.sent),
			shuai.Int("redeye.calls.saved", u.Planned-u.sent),
			shuai.Int("redeye.cache.hits", u.Hits),
			shuai.Int("redeye.cache.misses", u.Misses),
			shuai.Int("redeye.items", u.Items),
			shuai.Int("redeye.steps", u.Steps),
			shuai.Int("redeye.memory", u.Memory),
			shuai.Int("redeye.rows", u.RowsOut),
		)
		if u.Stale > 0 {
			span.SetInt("redeye.cache.stale", u.Stale)
		}
		if a != nil && a.ErrorsTotal > 0 {
			span.SetInt("redeye.errors", a.ErrorsTotal)
		}
		if a != nil && a.RowsDropped > 0 {
			span.SetInt("redeye.rows.dropped", a.RowsDropped)
		}
		if e, ok := errors.AsType[*Error](err); ok {
			spanError(span, e.Code, e.Reason, e.Method, e.Budget)
		}
	}
	span.Error(withCause(err))
	span.End()
}

// startBatch begins the span of an invocation.
func startBatch(ctx context.Context, m *engine.Method, items int) (context.Context, *shuai.Span) {
	ctx, span := shuai.StartSpan(ctx, m.Name, shuai.KindInternal)
	if span.Recording() {
		span.Set(shuai.String("redeye.method", m.Name), shuai.Int("redeye.items", int64(items)))
	}
	return ctx, span
}

// endBatch ends it.
func endBatch(span *shuai.Span, o engine.Outcome) {
	if o.Bad > 0 {
		span.SetInt("redeye.items.failed", int64(o.Bad))
	}
	if e, ok := errors.AsType[*engine.Error](o.Err); ok && span.Recording() {
		spanError(span, e.Code, e.Reason, "", "")
	}
	span.Error(withCause(o.Err))
	span.End()
}

// spanBreaker notes what the breaker in the way was when the work came to it.
func spanBreaker(span *shuai.Span, b *breaker.Breaker, now time.Time) {
	if span.Recording() {
		span.SetString("redeye.breaker", b.State(now).String())
	}
}

func spanError(span *shuai.Span, code, reason, method, budget string) {
	for _, a := range [...]struct{ key, value string }{
		{"redeye.error.code", code}, {"redeye.error.reason", reason}, {"redeye.error.method", method}, {"redeye.error.budget", budget},
	} {
		if a.value != "" {
			span.SetString(a.key, a.value)
		}
	}
}

// withCause returns an error whose words say what stays on the server, too: spans do.
func withCause(err error) error {
	if err == nil || errors.Unwrap(err) == nil {
		return err
	}
	return &causedError{err}
}

type causedError struct{ error }

func (e *causedError) Error() string { return e.error.Error() + ": " + errors.Unwrap(e.error).Error() }

// maxKey is how many bytes of what a client calls its call site are kept.
const maxKey = 256

// clip cuts between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
