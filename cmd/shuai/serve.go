package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fuwu-project/fuwu/internal/api"
	"github.com/fuwu-project/fuwu/internal/catalog"
	"github.com/fuwu-project/fuwu/internal/collect"
	"github.com/fuwu-project/fuwu/internal/findings"
	"github.com/fuwu-project/fuwu/internal/sampling"
	"github.com/fuwu-project/fuwu/internal/store"
	"github.com/fuwu-project/fuwu/internal/store/local"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/views"
	"github.com/fuwu-project/fuwu/internal/wire"
	webui "github.com/fuwu-project/fuwu/ui"
)

// stopTimeout is how long requests that are under way may take once the server is told to stop.
const stopTimeout = 5 * time.Second

// What serve's flags say when nobody else does; the demonstration takes the same.
const (
	defaultMaxRequestBytes  = 64 << 20
	defaultMaxInFlightBytes = 256 << 20
	defaultTracesPerMinute  = 60
)

// ServeCmd runs the server.
type ServeCmd struct {
	Config kong.ConfigFlag `placeholder:"FILE" env:"SHUAI_CONFIG" help:"Read settings from this YAML file; its keys are the names of these flags, without the dashes."`

	Data     string `default:"shuai-data" type:"path" placeholder:"DIR" env:"SHUAI_DATA" help:"Keep the spans in this directory; it is made if it is not there. One server a directory. (${default})"`
	HTTP     string `name:"http" default:"127.0.0.1:7700" placeholder:"ADDR" env:"SHUAI_HTTP" help:"Serve the web UI and the API here. Port 0 picks a free one. (${default})"`
	OTLPHTTP string `name:"otlp-http" default:"127.0.0.1:4318" placeholder:"ADDR" env:"SHUAI_OTLP_HTTP" help:"Take OTLP over HTTP here: POST /v1/traces, protobuf or JSON. (${default})"`
	OTLPGRPC string `name:"otlp-grpc" default:"127.0.0.1:4317" placeholder:"ADDR" env:"SHUAI_OTLP_GRPC" help:"Take OTLP over gRPC here. (${default})"`
	Zipkin   string `default:"127.0.0.1:9411" placeholder:"ADDR" env:"SHUAI_ZIPKIN" help:"Take spans of Zipkin's clients here: POST /api/v2/spans, JSON or protobuf, and /api/v1/spans, JSON or Thrift; \"off\" does not. (${default})"`
	Jaeger   string `default:"127.0.0.1:14268" placeholder:"ADDR" env:"SHUAI_JAEGER" help:"Take spans of Jaeger's older clients here: POST /api/traces, Thrift; \"off\" does not. (${default})"`

	Token       []string `placeholder:"TOKEN" env:"SHUAI_TOKEN" help:"Take spans and metrics only from senders that have this bearer token, as by OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20TOKEN. May be repeated, so that one can follow another. Better in the environment, where nobody sees it. (they need none)"`
	TLSCert     string   `name:"tls-cert" type:"path" placeholder:"FILE" env:"SHUAI_TLS_CERT" help:"Speak TLS on every listener, with this certificate, in PEM, those between it and the root behind it. It is read again when it changes. (no TLS)"`
	TLSKey      string   `name:"tls-key" type:"path" placeholder:"FILE" env:"SHUAI_TLS_KEY" help:"The key of --tls-cert."`
	TLSClientCA string   `name:"tls-client-ca" type:"path" placeholder:"FILE" env:"SHUAI_TLS_CLIENT_CA" help:"Take spans only from senders with a certificate that one of this file's has signed. Browsers need none for the UI."`

	Host             []string  `placeholder:"NAME" env:"SHUAI_HOST" help:"While --http listens on localhost, also answer requests for this name, as a proxy in front of it sends them. May be repeated. (localhost and IP addresses only, so that no web page can read your traces by DNS rebinding)"`
	Fsync            string    `default:"interval" enum:"interval,batch" env:"SHUAI_FSYNC" help:"When the log goes to the disk itself. \"interval\": every 100 ms, so a crash of the process loses nothing and a power cut at most the last 100 ms. \"batch\": before every reply, so neither loses anything. (${default})"`
	Retention        period    `default:"7d" placeholder:"PERIOD" env:"SHUAI_RETENTION" help:"Drop spans that started longer ago than this: 36h, 7d, 2w; 0 keeps them for ever. (${default})"`
	MaxBytes         byteCount `default:"0" placeholder:"SIZE" env:"SHUAI_MAX_BYTES" help:"Drop the oldest spans while the data directory takes more than this: 50GB, 512MiB; 0 is no bound. (${default})"`
	MaxRequestBytes  byteCount `default:"64MiB" placeholder:"SIZE" env:"SHUAI_MAX_REQUEST_BYTES" help:"Refuse a request that is larger than this after decompression, with 413 or RESOURCE_EXHAUSTED; at most 512MiB. (${default})"`
	MaxInFlightBytes byteCount `default:"256MiB" placeholder:"SIZE" env:"SHUAI_MAX_IN_FLIGHT_BYTES" help:"Ask clients to come again (503, UNAVAILABLE) while requests under way hold more than this. (${default})"`
	MaxConnections   int       `default:"4096" placeholder:"N" env:"SHUAI_MAX_CONNECTIONS" help:"Turn away (503) connections beyond this many of all the listeners that take spans. (${default})"`
	TracesPerMinute  float64   `default:"60" placeholder:"N" env:"SHUAI_TRACES_PER_MINUTE" help:"Tell the tracers to keep about so many traces a minute of each endpoint of a service, all of a rarer one; 0 leaves it to their own ratio. (${default})"`
	Redeye           []string  `placeholder:"NAME=URL" env:"SHUAI_REDEYE" help:"A service that is asked with Redeye, under the name by which it sends spans: its schema makes queries of findings, and its call sites and breakers are shown. May be repeated. No other address is ever asked."`
	RedeyeToken      string    `placeholder:"TOKEN" env:"SHUAI_REDEYE_TOKEN" help:"Sent to the services of --redeye as a bearer token, for those that show their call sites to operators only. Better in the environment, where nobody sees it."`
	CORSOrigin       []string  `name:"cors-origin" placeholder:"ORIGIN" env:"SHUAI_CORS_ORIGIN" help:"Let web pages of this origin send spans; \"*\" is any. May be repeated. (none)"`
	LogLevel         string    `default:"info" enum:"debug,info,warn,error" env:"SHUAI_LOG_LEVEL" help:"What to write to standard error: debug, info, warn or error. (${default})"`

	NoFindings  bool   `hidden:"" help:"Do not examine traces for what they waste, to measure without it."`
	SegmentRows int    `default:"131072" hidden:"" help:"Spans in a sealed segment; smaller ones are for tests."`
	CPUProfile  string `name:"cpu-profile" type:"path" hidden:"" help:"Write a CPU profile from start to stop here; bench asks for it."`
}

// Help is the long text of serve --help.
func (*ServeCmd) Help() string {
	return `Shuai listens on localhost until you tell it otherwise. Point any OpenTelemetry SDK at it:

  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318  (HTTP)   or  http://127.0.0.1:4317  (gRPC)

Every flag can be set in the environment (the name in brackets) and in the file of --config; the command
line wins over the environment, the environment over the file. Example of a file:

  data: /var/lib/shuai
  http: 0.0.0.0:7700
  fsync: batch
  retention: 2w
  max-bytes: 200GB

What is stored lies in files that each hold the spans of some time (shuai store stats DIR shows them). Each minute those that
have no span younger than --retention are deleted, then the oldest until the rest fits into --max-bytes. A span's age counts
from its start, so spans that are already older when they arrive go soon after.

Ctrl-C or SIGTERM lets requests that are under way finish, seals the store and stops.`
}

// Run serves until ctx ends.
func (cmd *ServeCmd) Run(ctx context.Context, io streams) (err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cmd.LogLevel)); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: level}))
	if cmd.CPUProfile != "" {
		f, err := os.Create(cmd.CPUProfile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	s, err := startServer(ctx, *cmd, logger)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "ui         %s\notlp/http  %s\notlp/grpc  %s\nzipkin     %s\njaeger     %s\nsenders    %s\ndata       %s\nkept       %s\n",
		s.UI, s.OTLPHTTP, s.OTLPGRPC, s.Zipkin, s.Jaeger, cmd.senders(), cmd.Data, kept(cmd.Retention, cmd.MaxBytes))
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.Close())
}

// server is a running server.
type server struct {
	UI       string // base URL
	OTLPHTTP string // base URL
	OTLPGRPC string // host:port
	Zipkin   string // base URL, or "off"
	Jaeger   string // base URL, or "off"

	catalog *catalog.Catalog
	failed  chan error // a listener that broke
	closed  func() error
}

// startServer opens the listeners, then the store, then serves. What it opened before an error it closes.
func startServer(ctx context.Context, cmd ServeCmd, logger *slog.Logger) (_ *server, err error) {
	var opened []func() error
	closeAll := func() error {
		var errs []error
		for _, c := range slices.Backward(opened) {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			_ = closeAll() // the first error is the one to tell
		}
	}()

	services := make([]catalog.Service, len(cmd.Redeye))
	for i, text := range cmd.Redeye {
		if services[i], err = catalog.ParseService(text); err != nil {
			return nil, fmt.Errorf("--redeye: %w", err)
		}
	}
	if slices.ContainsFunc(cmd.Token, unsendable) {
		return nil, errors.New("--token: one of them is empty or has a character that no sender can send: letters, digits and punctuation are good")
	}
	secure, secureUI, err := cmd.tls(logger)
	if err != nil {
		return nil, err
	}
	ui, otlpHTTP, otlpGRPC := &door{flag: "--http", addr: cmd.HTTP}, &door{flag: "--otlp-http", addr: cmd.OTLPHTTP}, &door{flag: "--otlp-grpc", addr: cmd.OTLPGRPC}
	zipkin, jaeger := &door{flag: "--zipkin", addr: cmd.Zipkin, optional: true}, &door{flag: "--jaeger", addr: cmd.Jaeger, optional: true}
	doors := []*door{ui, otlpHTTP, otlpGRPC, zipkin, jaeger}
	if err := openDoors(ctx, doors...); err != nil {
		return nil, err
	}
	for _, d := range doors {
		opened = append(opened, d.close)
		if len(cmd.Token) > 0 && secure == nil && !d.local() {
			logger.Warn("tokens travel in the clear to this address: anybody on the way can read them; see --tls-cert", "address", d.addr)
		}
	}

	spans, err := local.Open(local.Options{
		Dir:         cmd.Data,
		FsyncBatch:  cmd.Fsync == "batch",
		SegmentRows: cmd.SegmentRows,
		Retention:   time.Duration(cmd.Retention),
		MaxBytes:    int64(cmd.MaxBytes),
		Decode:      wire.Replay,
		Encode:      wire.Encode,
		Logger:      logger,
	})
	if err != nil {
		return nil, err
	}
	opened = append(opened, spans.Close)

	watcher := findings.Start(findings.Options{Store: spans, Disk: vfs.OS(), Dir: cmd.Data, Logger: logger})
	opened = append(opened, watcher.Close)
	named, viewsErr := views.Open(vfs.OS(), cmd.Data)
	if viewsErr != nil {
		logger.Error("views", "error", viewsErr)
	}
	var taken store.Store = watcher
	if cmd.NoFindings {
		taken = spans
	}

	collector := collect.New(collect.Config{
		Store:            taken,
		Sampling:         sampling.New(cmd.TracesPerMinute),
		Limits:           wire.Limits{RequestBytes: int(cmd.MaxRequestBytes)},
		MaxInFlightBytes: int64(cmd.MaxInFlightBytes),
		MaxConnections:   cmd.MaxConnections,
		CORSOrigins:      cmd.CORSOrigin,
		Tokens:           cmd.Token,
		Logger:           logger,
	})
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	var closing atomic.Bool
	s := &server{
		UI:       ui.url(scheme),
		OTLPHTTP: otlpHTTP.url(scheme),
		OTLPGRPC: otlpGRPC.listener.Addr().String(),
		Zipkin:   zipkin.url(scheme),
		Jaeger:   jaeger.url(scheme),
		catalog:  catalog.New(catalog.Config{Services: services, Token: cmd.RedeyeToken}),
		failed:   make(chan error, len(doors)),
		closed: sync.OnceValue(func() error {
			closing.Store(true) // while the doors close one by one
			return closeAll()
		}),
	}

	// Closed in reverse: first the doors, last the store.
	answers := api.New(api.Config{
		Store: spans, Catalog: s.catalog, Findings: watcher, Views: named, UI: webui.Files(), Version: version(), Logger: logger,
		Ingest: func() api.Ingest {
			st := collector.Stats()
			return api.Ingest{
				Received: st.Spans, Rejected: st.Rejected, Refused: st.Refused, Reasons: collect.Reasons(),
				Requests: st.Requests, Bytes: st.Bytes, Cut: st.Cut, Clamped: st.Clamped, Replaced: st.Replaced, InFlight: st.InFlight,
				Connections: st.Open, MetricsRequests: st.Metrics,
			}
		},
		Ready: func() error {
			if closing.Load() {
				return errors.New("the server is stopping")
			}
			return nil
		},
	})
	if ui.local() {
		answers = api.LocalOnly(answers, cmd.Host)
	}
	serve := func(d *door, h http.Handler, secure *tls.Config) {
		running := d.serve(h, secure, s.failed, logger)
		opened = append(opened, func() error { return shutdown(running) })
	}
	take := func(d *door, h http.Handler) {
		d.bound(collector)
		serve(d, h, secure)
	}
	serve(ui, answers, secureUI)
	take(otlpGRPC, collector.GRPCHandler())
	for _, d := range []*door{jaeger, zipkin, otlpHTTP} {
		take(d, collector.HTTPHandler())
	}
	return s, nil
}

// unsendable says that a token would let in who has none, or nobody.
func unsendable(token string) bool {
	return token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// senders says whose spans are taken.
func (cmd *ServeCmd) senders() string {
	var need []string
	if cmd.TLSClientCA != "" {
		need = append(need, "a certificate")
	}
	if len(cmd.Token) > 0 {
		need = append(need, "a token")
	}
	if need == nil {
		return "everybody"
	}
	return "who have " + strings.Join(need, " and ")
}

// tls is for those that send spans, and for browsers; nil: without.
func (cmd *ServeCmd) tls(logger *slog.Logger) (senders, browsers *tls.Config, err error) {
	files := collect.TLSFiles{Cert: cmd.TLSCert, Key: cmd.TLSKey, ClientCA: cmd.TLSClientCA}
	if files == (collect.TLSFiles{}) {
		return nil, nil, nil
	}
	if senders, err = files.Config(logger); err != nil {
		return nil, nil, fmt.Errorf("--tls-cert, --tls-key, --tls-client-ca: %w", err)
	}
	files.ClientCA = ""
	browsers, err = files.Config(logger)
	return senders, browsers, err
}

// Close stops taking requests, lets those under way finish within stopTimeout, and closes the store.
func (s *server) Close() error { return s.closed() }

func shutdown(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return s.Close() // whoever still talks was told long enough
	}
	return nil
}
