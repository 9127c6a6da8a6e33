package main

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"

	"github.com/fuwu-project/fuwu/internal/testcert"
	"github.com/fuwu-project/fuwu/shuai"
)

// TestSecure: a server with TLS, certificates of clients and tokens takes the spans of those who have both, and nobody else's, from the
// official SDK and from our tracer; a browser needs neither.
func TestSecure(t *testing.T) {
	a := testcert.New(t)
	cert, key := a.Files("server")
	s := startServe(t, "--data", t.TempDir(), "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", a.File(), "--token", "let-me-in")
	if !strings.HasPrefix(s.ui, "https://") || !strings.HasPrefix(s.otlpHTTP, "https://") || !strings.Contains(s.printed, "who have a certificate and a token") {
		t.Errorf("printed:\n%s", s.printed)
	}

	mine, none := a.Client(a.Pair("client")), a.Client()
	right, wrong := map[string]string{"Authorization": "Bearer let-me-in"}, map[string]string{"Authorization": "Bearer please"}
	for name, tt := range map[string]struct {
		tls    *tls.Config
		header map[string]string
		ok     bool
	}{
		"both":           {mine, right, true},
		"no certificate": {none, right, false},
		"a wrong token":  {mine, wrong, false},
		"no token":       {mine, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			overHTTP, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(s.otlpHTTP+"/v1/traces"),
				otlptracehttp.WithTLSClientConfig(tt.tls.Clone()), otlptracehttp.WithHeaders(tt.header), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
			if err != nil {
				t.Fatal(err)
			}
			overGRPC, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(s.otlpGRPC), otlptracegrpc.WithHeaders(tt.header),
				otlptracegrpc.WithTLSCredentials(credentials.NewTLS(tt.tls.Clone())), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
			if err != nil {
				t.Fatal(err)
			}
			for _, exp := range []*otlptrace.Exporter{overHTTP, overGRPC} {
				tp := sdktrace.NewTracerProvider()
				_, span := tp.Tracer("test").Start(t.Context(), "work")
				span.End()
				spans := []sdktrace.ReadOnlySpan{span.(sdktrace.ReadOnlySpan)}
				if err := exp.ExportSpans(t.Context(), spans); (err == nil) != tt.ok {
					t.Errorf("%T: %v", exp, err)
				}
				_ = exp.Shutdown(t.Context())
			}
		})
	}

	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: none}}
	defer browser.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ui+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := browser.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the page: %v %v", res, err)
	}
	_ = res.Body.Close()

	clientCert, clientKey := a.Files("client")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", a.File())
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", clientCert)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", clientKey)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20let-me-in")
	tracer, err := shuai.New(shuai.Config{Service: "secure", Endpoint: s.otlpHTTP, Ratio: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.StartSpan(t.Context(), "work", shuai.KindInternal)
	span.End()
	if err := tracer.Stop(t.Context()); err != nil || tracer.Stats().Exported != 1 {
		t.Errorf("our tracer: %v %+v", err, tracer.Stats())
	}
	if code, _, errs := shuaiRun(t, "slow", "--server", strings.Replace(s.ui, "https", "http", 1)); code != 1 || !strings.Contains(errs, "speaks TLS") {
		t.Errorf("asked without TLS: %d %s", code, errs)
	}
	if code, log := s.stop(); code != 0 || !strings.Contains(log, `level=WARN msg=connection err="http: TLS handshake error`) {
		t.Errorf("exit code %d: %s", code, log)
	}
}
