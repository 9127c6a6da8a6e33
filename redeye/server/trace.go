package server

import (
	"context"

	"github.com/fuwu-project/fuwu/shuai"
)

// An execution is a span, and each batch one below it. The span says what was saved: redeye.calls.planned calls of
// methods were asked for, one a row, and redeye.calls.sent batches were sent.

func startQuery(ctx context.Context, service string, p *planned, site CallSite) (context.Context, *shuai.Span) {
	ctx, span := shuai.StartSpan(ctx, service+".query", shuai.KindInternal)
	span.SetType("redeye")
	if span.Recording() {
		span.SetString("redeye.hash", p.hash.String())
		span.SetString("redeye.program", clip(p.source.Text, 2048))
		if site.Label != "" {
			span.SetString("redeye.callsite", clip(site.Label, 256))
		}
	}
	return ctx, span
}

func endQuery(span *shuai.Span, u *Usage, err error) {
	if u != nil {
		span.SetInt("redeye.calls.planned", u.Planned)
		span.SetInt("redeye.calls.sent", u.Calls)
		span.SetInt("redeye.items", u.Items)
		span.SetInt("redeye.steps", u.Steps)
		span.SetInt("redeye.rows", u.RowsOut)
	}
	if err != nil {
		span.Error(err)
	}
	span.End()
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
