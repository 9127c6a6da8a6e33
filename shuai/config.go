package shuai

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Version of the tracer, sent as telemetry.sdk.version.
const Version = "0.1.0"

// Config says what to trace and where to send it. The zero value works. A field that is zero is
// taken from the environment, SHUAI_* before OTEL_*, else from the default.
type Config struct {
	// Service is the name under which the spans are shown; SHUAI_SERVICE, OTEL_SERVICE_NAME.
	// Default: unknown_service:<executable>.
	Service string
	// Endpoint is the base URL of an OTLP/HTTP collector; /v1/traces is added. SHUAI_ENDPOINT,
	// OTEL_EXPORTER_OTLP_ENDPOINT. OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is.
	// Default: http://127.0.0.1:4318.
	Endpoint string
	// Ratio is the share of traces recorded of those that start here: 1 and above all of them, negative none.
	// A trace that started elsewhere is recorded if its root is. SHUAI_RATIO, OTEL_TRACES_SAMPLER and
	// OTEL_TRACES_SAMPLER_ARG; there 0 is none. Default: 0.001 until a collector that is Shuai's server says what
	// each endpoint, known by the name with which its root span starts, is to keep.
	Ratio float64
	// MaxTraces bounds the traces that start here and are recorded, a second; what is beyond is not recorded. Negative: no bound.
	// SHUAI_MAX_TRACES. Default: 100 while the collector sets the ratios, no bound where Ratio is given.
	MaxTraces float64
	// Statistics says how the exact statistics of all spans are sent, recorded or not: "cumulative", since the start of the
	// process, as Prometheus wants them; "delta", since the last export; or "off". SHUAI_STATISTICS,
	// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE. Default: cumulative.
	Statistics string
	// MaxSeries bounds the statistics: spans beyond so many different names, kinds and types are counted together, by kind
	// alone. One takes about 2 KB on two processors, 9 KB on sixteen and more. Default: 2,000.
	MaxSeries int
	// Resource is what else is known about this process, added to OTEL_RESOURCE_ATTRIBUTES.
	Resource map[string]string
	// Headers are sent with every export, added to OTEL_EXPORTER_OTLP_HEADERS.
	Headers map[string]string
	// Compression is "gzip" or "none"; OTEL_EXPORTER_OTLP_COMPRESSION. Default: none to a loopback
	// address, where it costs more than it saves, else gzip.
	Compression string
	// IDs is "structured", ids that say where and when they were born, or "random"; SHUAI_IDS.
	// Default: structured.
	IDs string
	// IDKey, 32 hex digits as "openssl rand -hex 16" prints them, hides what structured ids say from all who do not have it: ids leave the
	// company in the headers of calls. All services of a fleet should have the same; see the type [IDKey]. Random ids
	// have nothing to hide and ignore it. SHUAI_ID_KEY. Default: none.
	IDKey string
	// Accept lists the formats in which the trace of a caller is looked for; the first whose headers are there and valid counts.
	// Send lists those in which calls pass it on. They are "tracecontext" and "baggage" (W3C), "b3" (one header), "b3multi", and
	// "none". OTEL_PROPAGATORS is for both. Default: accept all, in this order; send tracecontext and baggage.
	Accept, Send []string
	// FlushEvery is the longest that an ended span waits for its export. Default: 1 s.
	FlushEvery time.Duration
	// BufferBytes bounds the memory of all spans that have ended and that the collector has not yet
	// accepted; beyond, they are dropped and counted. Default: 8 MiB.
	BufferBytes int
	// Logger is told of export problems, at most one record of a kind every 30 s. Default: none.
	Logger *slog.Logger

	// TLS is how a collector at an https address is spoken to. Default: the certificates in the files that
	// OTEL_EXPORTER_OTLP_CERTIFICATE (whose signatures are trusted), OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and
	// OTEL_EXPORTER_OTLP_CLIENT_KEY name, else what the system trusts and no certificate of our own.
	TLS *tls.Config

	// Transport carries the requests to the collector in place of one with TLS, for those who need a socket of another kind or a
	// test without one. It may be used by several goroutines, and ends a request when its context does, or stopping may take longer
	// than its deadline. It is not to be one that traces: sending spans would make spans. Default: one of its own.
	Transport http.RoundTripper
}

const (
	defaultRatio    = 0.001
	defaultEndpoint = "http://127.0.0.1:4318"
	defaultCap      = 100
	tracesPath      = "/v1/traces"
	metricsPath     = "/v1/metrics"
	ratiosPath      = "/v1/shuai/sampling"
)

// How statistics are sent: an AggregationTemporality, or not at all.
const (
	statisticsOff        = 0
	statisticsDelta      = 1
	statisticsCumulative = 2
)

// settings is a Config after the environment and the defaults.
type settings struct {
	service    string
	url        string // for traces
	metricsURL string // "": there is none known
	ratiosURL  string // "": the ratio is fixed
	threshold  uint64
	maxTraces  float64 // 0: no bound
	statistics int
	maxSeries  int
	resource   map[string]string // without what the tracer adds
	headers    map[string]string
	gzip       bool
	randomIDs  bool
	idKey      *IDKey // nil: none
	disabled   bool
	formats    formats
	flushEvery time.Duration
	limit      int64
	log        *slog.Logger
	tls        *tls.Config
	transport  http.RoundTripper
}

// resolve is pure but for getenv. Its error names all that is wrong.
func (c Config) resolve(getenv func(string) string) (settings, error) {
	var errs []error
	s := settings{
		flushEvery: c.FlushEvery,
		limit:      int64(c.BufferBytes),
		log:        c.Logger,
		transport:  c.Transport,
		resource:   map[string]string{},
		headers:    map[string]string{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.flushEvery <= 0 {
		s.flushEvery = time.Second
	}
	if s.limit <= 0 {
		s.limit = 8 << 20
	}

	pairs := func(into map[string]string, over map[string]string, names ...string) {
		for _, name := range names {
			if err := parsePairs(into, getenv(name)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		maps.Copy(into, over)
	}
	pairs(s.resource, c.Resource, "OTEL_RESOURCE_ATTRIBUTES")
	pairs(s.headers, c.Headers, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
	for k, v := range s.headers {
		if !validHeader(k, v) {
			errs = append(errs, fmt.Errorf("header %q is not a valid HTTP header", k))
		}
	}

	s.service = first(c.Service, getenv("SHUAI_SERVICE"), getenv("OTEL_SERVICE_NAME"), s.resource["service.name"],
		"unknown_service:"+filepath.Base(os.Args[0]))
	delete(s.resource, "service.name")

	var err error
	if s.url, err = c.tracesURL(getenv); err != nil {
		errs = append(errs, err)
	}
	if s.tls, err = c.resolveTLS(getenv); err != nil {
		errs = append(errs, err)
	}
	ratio, given, err := c.ratio(getenv, s.log)
	if err != nil {
		errs = append(errs, err)
	}
	s.threshold = threshold(ratio)
	if err := c.resolveStatistics(&s, given, getenv); err != nil {
		errs = append(errs, err)
	}

	switch v := first(c.Compression, getenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"), getenv("OTEL_EXPORTER_OTLP_COMPRESSION")); v {
	case "":
		s.gzip = !loopback(s.url)
	case "gzip":
		s.gzip = true
	case "none":
	default:
		errs = append(errs, fmt.Errorf("compression %q is neither gzip nor none", v))
	}
	switch v := first(c.IDs, getenv("SHUAI_IDS")); v {
	case "", "structured":
	case "random":
		s.randomIDs = true
	default:
		errs = append(errs, fmt.Errorf("IDs (SHUAI_IDS): %q is neither structured nor random", v))
	}
	if v := first(c.IDKey, getenv("SHUAI_ID_KEY")); v != "" {
		if s.idKey, err = ParseIDKey(v); err != nil {
			errs = append(errs, fmt.Errorf("IDKey (SHUAI_ID_KEY): %w", err))
		}
	}
	formats, unknown, err := c.propagation(getenv)
	if err != nil {
		errs = append(errs, err)
	}
	if s.formats = formats; unknown != nil {
		s.log.Warn("OTEL_PROPAGATORS names formats that this tracer does not have", "formats", unknown)
	}
	s.disabled = strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true")
	if err := errors.Join(errs...); err != nil {
		return settings{}, fmt.Errorf("configure tracer: %w", err)
	}
	return s, nil
}

// resolveStatistics says where statistics go, and with them the question for ratios, unless one is given.
func (c Config) resolveStatistics(s *settings, ratioGiven bool, getenv func(string) string) error {
	if s.maxSeries = c.MaxSeries; s.maxSeries <= 0 {
		s.maxSeries = 2000
	}
	s.statistics = statisticsCumulative
	if strings.EqualFold(getenv("OTEL_METRICS_EXPORTER"), "none") {
		s.statistics = statisticsOff
	}
	switch strings.ToLower(getenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")) {
	case "delta", "lowmemory":
		s.statistics = statisticsDelta
	}
	switch v := first(c.Statistics, getenv("SHUAI_STATISTICS")); v {
	case "":
	case "cumulative":
		s.statistics = statisticsCumulative
	case "delta":
		s.statistics = statisticsDelta
	case "off":
		s.statistics = statisticsOff
	default:
		return fmt.Errorf("statistics (SHUAI_STATISTICS): %q is none of cumulative, delta and off", v)
	}

	base, atTraces := strings.CutSuffix(s.url, tracesPath)
	if whole := getenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"); whole != "" {
		if err := checkURL("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", whole); err != nil {
			return err
		}
		s.metricsURL = whole
	} else if atTraces {
		s.metricsURL = base + metricsPath
	} else {
		s.statistics = statisticsOff // nobody would hear of them
	}
	if atTraces && !ratioGiven && s.statistics != statisticsOff {
		s.ratiosURL = base + ratiosPath + "?service=" + url.QueryEscape(s.service)
	}

	s.maxTraces = c.MaxTraces
	if v := getenv("SHUAI_MAX_TRACES"); s.maxTraces == 0 && v != "" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(n) {
			return fmt.Errorf("SHUAI_MAX_TRACES: %q is not a number of traces a second", v)
		}
		s.maxTraces = n
	} else if s.maxTraces == 0 && s.ratiosURL != "" {
		s.maxTraces = defaultCap
	}
	s.maxTraces = max(0, s.maxTraces)
	return nil
}

// resolveTLS reads the files that OpenTelemetry's specification of exporters names ("OpenTelemetry Protocol Exporter").
func (c Config) resolveTLS(getenv func(string) string) (*tls.Config, error) {
	file := func(what string) (name, from string) {
		for _, from := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + what, "OTEL_EXPORTER_OTLP_" + what} {
			if name := getenv(from); name != "" {
				return name, from
			}
		}
		return "", ""
	}
	ca, caFrom := file("CERTIFICATE")
	cert, certFrom := file("CLIENT_CERTIFICATE")
	key, _ := file("CLIENT_KEY")
	if c.TLS != nil || ca == "" && cert == "" && key == "" {
		return c.TLS.Clone(), nil // net/http changes it
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", caFrom, err)
		}
		if cfg.RootCAs = x509.NewCertPool(); !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s has no certificate in PEM", caFrom, ca)
		}
	}
	if cert == "" && key == "" {
		return cfg, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and its key: %w", first(certFrom, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

func (c Config) tracesURL(getenv func(string) string) (string, error) {
	base := first(c.Endpoint, getenv("SHUAI_ENDPOINT"))
	if whole := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); base == "" && whole != "" {
		return whole, checkURL("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", whole)
	}
	base = first(base, getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), defaultEndpoint)
	return strings.TrimRight(base, "/") + tracesPath, checkURL("Endpoint", base)
}

func checkURL(name, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%s: %q is not the URL of a collector, such as %s", name, s, defaultEndpoint)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s: %q has a query or a fragment", name, s)
	}
	return nil
}

func loopback(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// ratio also says whether somebody has asked for it.
func (c Config) ratio(getenv func(string) string, log *slog.Logger) (ratio float64, given bool, err error) {
	if c.Ratio != 0 {
		return c.Ratio, true, nil
	}
	number := func(name, s string) (float64, bool, error) {
		r, err := strconv.ParseFloat(s, 64)
		if err != nil || !(r >= 0) {
			return 0, true, fmt.Errorf("%s: %q is not a ratio, a number from 0 (none) to 1 (all)", name, s)
		}
		return r, true, nil
	}
	if s := getenv("SHUAI_RATIO"); s != "" {
		return number("SHUAI_RATIO", s)
	}
	// The parent's decision is always respected, so parentbased_ adds nothing.
	switch s := strings.TrimPrefix(getenv("OTEL_TRACES_SAMPLER"), "parentbased_"); s {
	case "":
	case "always_on":
		return 1, true, nil
	case "always_off":
		return 0, true, nil
	case "traceidratio":
		arg := getenv("OTEL_TRACES_SAMPLER_ARG")
		if arg == "" {
			return 1, true, nil // OpenTelemetry's default
		}
		return number("OTEL_TRACES_SAMPLER_ARG", arg)
	default:
		log.Warn("OTEL_TRACES_SAMPLER names a sampler that this tracer does not have", "sampler", s, "ratio", defaultRatio)
	}
	return defaultRatio, false, nil
}

// parsePairs reads OpenTelemetry's list form, k=v,k=v, percent-encoded.
func parsePairs(into map[string]string, s string) error {
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		k, v, ok := strings.Cut(pair, "=")
		key, err := url.PathUnescape(strings.TrimSpace(k))
		if !ok || key == "" || err != nil {
			return fmt.Errorf("%q is not a list of key=value, separated by commas", s)
		}
		value, err := url.PathUnescape(strings.TrimSpace(v))
		if err != nil {
			return fmt.Errorf("value of %s: %w", key, err)
		}
		into[key] = value
	}
	return nil
}

// validHeader keeps out what net/http would refuse at every export (RFC 9110, section 5).
func validHeader(k, v string) bool {
	if k == "" {
		return false
	}
	for i := range len(k) {
		c := k[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
