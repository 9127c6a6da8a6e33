package collect_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/testcert"
)

func files(a *testcert.Authority, name string) collect.TLSFiles {
	cert, key := a.Files(name)
	return collect.TLSFiles{Cert: cert, Key: key}
}

// TestTLS: OTLP over TLS, by HTTP/1.1, HTTP/2 and gRPC, from clients with a certificate and without.
func TestTLS(t *testing.T) {
	ours, theirs := testcert.New(t), testcert.New(t)
	server := files(ours, "server")
	server.ClientCA = ours.File()
	cfg, err := server.Config(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := collect.New(collect.Config{Store: storetest.NewModel()})
	serve := func(h http.Handler) string {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := collect.NewHTTPServer(h)
		s.TLSConfig, s.ErrorLog = cfg.Clone(), slog.NewLogLogger(slog.DiscardHandler, 0)
		done := make(chan struct{})
		go func() { _ = s.ServeTLS(c.Listen(l), "", ""); close(done) }()
		t.Cleanup(func() { _ = s.Close(); <-done })
		return l.Addr().String()
	}
	overHTTP, overGRPC := serve(c.HTTPHandler()), serve(c.GRPCHandler())
	old := ours.Client(ours.Pair("client"))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // to be refused
	for name, tt := range map[string]struct {
		client *tls.Config
		ok     bool
	}{
		"with a certificate":     {ours.Client(ours.Pair("client")), true},
		"without":                {ours.Client(), false},
		"with one of another's":  {ours.Client(theirs.Pair("client")), false},
		"that does not trust us": {theirs.Client(ours.Pair("client")), false},
		"of an old version": {func() *tls.Config {
			c := ours.Client(ours.Pair("client"))
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return c
		}(), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, http2 := range []bool{false, true} {
				tr := &http.Transport{TLSClientConfig: tt.client.Clone(), Protocols: new(http.Protocols)}
				tr.Protocols.SetHTTP1(!http2)
				tr.Protocols.SetHTTP2(http2)
				defer tr.CloseIdleConnections()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+overHTTP+"/v1/traces", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", asJSON)
				res, err := (&http.Client{Transport: tr}).Do(req)
				if err == nil {
					_ = res.Body.Close()
				}
				if (err == nil) != tt.ok || err == nil && (res.StatusCode != 200 || res.ProtoMajor == 2 != http2) {
					t.Errorf("HTTP/2 %t: %v %v", http2, res, err)
				}
			}
			conn, err := grpc.NewClient(overGRPC, grpc.WithTransportCredentials(credentials.NewTLS(tt.client.Clone())))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := collectorpb.NewTraceServiceClient(conn).Export(t.Context(), &collectorpb.ExportTraceServiceRequest{}); (err == nil) != tt.ok {
				t.Errorf("gRPC: %v", err)
			}
		})
	}
	if s := c.Stats(); s.Refused["no_request"] == 0 {
		t.Errorf("handshakes that failed are not counted: %+v", s)
	}
}

// TestTLSFiles: what cannot be used is said at the start, with the file's name.
func TestTLSFiles(t *testing.T) {
	a := testcert.New(t)
	good, other := files(a, "good"), files(a, "other")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files collect.TLSFiles
		says  string
	}{
		"no key":           {collect.TLSFiles{Cert: good.Cert}, "both"},
		"authority alone":  {collect.TLSFiles{ClientCA: good.Cert}, "both"},
		"not there":        {collect.TLSFiles{Cert: "nowhere", Key: good.Key}, "nowhere"},
		"not PEM":          {collect.TLSFiles{Cert: text, Key: good.Key}, text},
		"another's key":    {collect.TLSFiles{Cert: good.Cert, Key: other.Key}, other.Key},
		"no authority":     {collect.TLSFiles{Cert: good.Cert, Key: good.Key, ClientCA: text}, text},
		"authority absent": {collect.TLSFiles{Cert: good.Cert, Key: good.Key, ClientCA: "nowhere"}, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tt.files.Config(slog.Default()); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
		})
	}
}

// TestTLSReload: a certificate that is replaced is shown within a second, a half-written one is not.
func TestTLSReload(t *testing.T) {
	a := testcert.New(t)
	server, next := files(a, "first"), files(a, "second")
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		cfg, err := server.Config(slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		shown := func() string {
			t.Helper()
			here, there := net.Pipe()
			done := make(chan error, 1)
			go func() { done <- tls.Server(there, cfg).HandshakeContext(context.Background()) }()
			trusting := a.Client()
			trusting.ServerName, trusting.Time = "127.0.0.1", func() time.Time { return a.Cert.NotBefore.Add(time.Minute) }
			c := tls.Client(here, trusting)
			err := c.HandshakeContext(context.Background())
			_ = here.Close()
			if err := errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			return c.ConnectionState().PeerCertificates[0].Subject.CommonName
		}
		replace := func(to, from string) {
			t.Helper()
			p, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, append(p, '\n'), 0o600) // a length of its own, since the clock of the files is not this one
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		if got := shown(); got != "first" {
			t.Errorf("at first %q", got)
		}
		replace(server.Cert, next.Cert) // its key is not there yet
		if got := shown(); got != "first" || !strings.Contains(log.String(), server.Key) {
			t.Errorf("without its key %q; log:\n%s", got, &log)
		}
		replace(server.Key, next.Key)
		if got := shown(); got != "second" {
			t.Errorf("after both %q; log:\n%s", got, &log)
		}
	})
}

// TestTokens: spans and metrics are taken with a token, by every protocol, and health is told without.
func TestTokens(t *testing.T) {
	r := start(t, collect.Config{Tokens: []string{"old", "new"}, CORSOrigins: []string{"*"}})
	base := strings.TrimSuffix(r.url, "/v1/traces")
	for _, path := range []string{"/v1/traces", "/v1/metrics", "/api/v2/spans", "/api/v1/spans", "/api/traces", "/v1/shuai/sampling?service=web"} {
		method, body, typ := http.MethodPost, "", asPB
		switch path {
		case "/api/v2/spans", "/api/v1/spans":
			body, typ = "[]", asJSON
		case "/api/traces":
			body, typ = "\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x03web\x00\x0f\x00\x02\x0c\x00\x00\x00\x00\x00", "application/x-thrift"
		case "/v1/shuai/sampling?service=web":
			method = http.MethodGet
		}
		r.url = base + path
		for header, ok := range map[string]bool{
			"Bearer new": true, "bearer  old": true, "": false, "Bearer": false, "Bearer ": false, "Bearer oldnew": false, "Basic old": false, "old": false,
		} {
			code, h, p := r.do(t, method, strings.NewReader(body), "Content-Type", typ, "Authorization", header)
			if ok && code/100 != 2 || !ok && (code != http.StatusUnauthorized || h.Get("WWW-Authenticate") != "Bearer" || !bytes.Contains(p, []byte("token"))) {
				t.Errorf("%s, %q: %d %v %q", path, header, code, h, p)
			}
		}
	}
	r.url = base + "/v1/traces"
	if code, _, _ := r.do(t, http.MethodOptions, nil, "Origin", "https://a.example", "Access-Control-Request-Method", "POST"); code != http.StatusNoContent {
		t.Errorf("a browser's question, which has no token: %d", code)
	}

	export := func(token string) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", token)
		_, err := r.client.Export(ctx, &collectorpb.ExportTraceServiceRequest{})
		return err
	}
	if err := export("Bearer new"); err != nil {
		t.Error(err)
	}
	if err := export("Bearer mine"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC with another token: %v", err)
	}
	if _, err := healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	if s := r.c.Stats(); s.Refused["unauthenticated"] != 6*6+1 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}
