package tracer

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/shuai"
	shuaiotel "github.com/fuwu-project/fuwu/shuai/contrib/otel"
)

// genHeader draws a header out of pieces, and then may spoil it.
func genHeader(pieces ...*rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for _, p := range pieces {
			b.WriteString(p.Draw(t, "piece"))
		}
		s := b.String()
		if s != "" && rapid.IntRange(0, 2).Draw(t, "spoil") == 0 {
			at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
			s = s[:at] + rapid.SampledFrom([]string{"", "x", "-", "0", "A", ".", " ", "=", "é"}).Draw(t, "with") + s[at+1:]
		}
		return s
	})
}

var (
	genTraceparent = genHeader(
		rapid.SampledFrom([]string{"00-", "00-", "01-", "cc-", "ff-"}),
		rapid.SampledFrom([]string{"6b0349c00a112a079f3b6c1de85a7042-", "00000000000000000000000000000000-"}),
		rapid.SampledFrom([]string{"1503bc5349c04000-", "1503bc5349c04000-", "0000000000000000-"}),
		rapid.SampledFrom([]string{"00", "01", "02", "03"}),
		rapid.SampledFrom([]string{"", "", "-more", "more", "-"}),
	)
	genStateMember = genHeader( // of white space alone it would be valid, but for OpenTelemetry
		rapid.SampledFrom([]string{"", " ", "\t"}),
		rapid.SampledFrom([]string{"a", "k1", "0v", "t@v", "a-b_c*d/e", ""}), rapid.Just("="),
		rapid.SampledFrom([]string{"1", "v w", "~!", ""}), rapid.SampledFrom([]string{"", " "}),
	).Filter(func(m string) bool { return strings.TrimSpace(m) != "" })
	genBaggageValue = genHeader(
		rapid.SampledFrom([]string{"", " "}), rapid.SampledFrom([]string{"a", "b", "c", "user-id", ""}), rapid.Just("="),
		rapid.SampledFrom([]string{"", "1", "%E8%B1%86", "a=b", "x y"}),
	)
	genProperty      = rapid.SampledFrom([]string{"", "", ";p", " ; p = q "})
	genBaggageMember = rapid.Custom(func(t *rapid.T) string { return genBaggageValue.Draw(t, "member") + genProperty.Draw(t, "property") })
)

// OpenTelemetry's own propagators and ours read the same from the same headers, valid or not, and what either writes the other reads.
func TestPropagators(t *testing.T) {
	tr, err := shuai.New(shuai.Config{Service: "test", Accept: []string{"tracecontext", "baggage"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Stop(context.Background())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // it prints what is wrong with a header
	ours := shuaiotel.Propagator{Tracer: tr}
	theirs := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	rapid.Check(t, func(t *rapid.T) {
		in := propagation.MapCarrier{
			"traceparent": strings.TrimSpace(genTraceparent.Draw(t, "traceparent")), // as net/http does
			"tracestate":  strings.Join(rapid.SliceOfNDistinct(genStateMember, 0, 4, func(m string) string { k, _, _ := strings.Cut(strings.TrimSpace(m), "="); return k }).Draw(t, "tracestate"), ","),
			"baggage":     strings.Join(rapid.SliceOfN(genBaggageMember, 0, 4).Draw(t, "baggage"), ","),
		}
		a, b := theirs.Extract(t.Context(), in), ours.Extract(t.Context(), in)
		want, got := trace.SpanContextFromContext(a), trace.SpanContextFromContext(b)
		// OpenTelemetry is content with a hyphen after a traceparent of version 00.
		if lax := strings.HasPrefix(in["traceparent"], "00-") && len(in["traceparent"]) == 56; !got.Equal(want) && !lax {
			t.Errorf("%v is read as\n%+v %s, by OpenTelemetry as\n%+v %s", in, got, got.TraceState(), want, want.TraceState())
		}
		if want, got := members(baggage.FromContext(a)), members(baggage.FromContext(b)); !maps.Equal(want, got) {
			t.Errorf("baggage of %v is read as %v, by OpenTelemetry as %v", in, got, want)
		}
		sent := propagation.MapCarrier{}
		ours.Inject(b, sent)
		if again := trace.SpanContextFromContext(theirs.Extract(t.Context(), sent)); !again.Equal(got) {
			t.Errorf("%v is sent as %v, which OpenTelemetry reads as %+v", in, sent, again)
		}
		// Baggage that only our API knows.
		direct := map[string]string{}
		maps.Insert(direct, shuai.AllBaggage(shuai.Extract(t.Context(), shuai.MapCarrier(in))))
		for _, k := range slices.Sorted(maps.Keys(direct)) {
			if m := baggage.FromContext(a).Member(k); m.Value() != direct[k] {
				t.Errorf("baggage %v: %s is %q, by OpenTelemetry %q", in["baggage"], k, direct[k], m.Value())
			}
		}
	})
}

func members(b baggage.Baggage) map[string]string {
	m := map[string]string{}
	for _, member := range b.Members() {
		m[member.Key()] = member.Value()
	}
	return m
}
