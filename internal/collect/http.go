package collect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/wire"
)

// HTTPHandler serves OTLP, as POST /v1/traces and /v1/metrics in protobuf and JSON; Zipkin, as POST /api/v2/spans in JSON and
// protobuf and /api/v1/spans in JSON and Thrift; Jaeger's Thrift, as POST /api/traces; all of them plain or gzipped; and
// GET /v1/shuai/sampling.
func (c *Collector) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	most := c.limits.MaxRequestBytes()
	mux.HandleFunc("/v1/traces", c.post(otlp, c.takeSpans, most))
	mux.HandleFunc("/v1/metrics", c.post(otlp, c.takeMetrics, c.maxMetricsBytes()))
	mux.HandleFunc("/v1/shuai/sampling", c.ratios)
	mux.HandleFunc("/api/v2/spans", c.post(zipkin, c.takeSpans, most))
	mux.HandleFunc("/api/v1/spans", c.post(zipkinV1, c.takeSpans, most))
	mux.HandleFunc("/api/traces", c.post(jaeger, c.takeSpans, most))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		served(r)
		plain(w, http.StatusNotFound, "404 not found: this address takes spans, as POST /v1/traces (OTLP), /api/v2/spans and /api/v1/spans (Zipkin) "+
			"and /api/traces (Jaeger's Thrift), and metrics, as POST /v1/metrics, and nothing else")
	})
	return mux
}

// body is a request's, unpacked and as it came off the wire.
type body struct {
	format wire.Format
	raw    []byte

	wireFormat wire.Format
	wireBody   []byte
}

// taker does with a body what the service is for. Memory that it needs beyond the body's it takes from l.
type taker func(ctx context.Context, b body, l *load) (accepted, *refusal)

// post handles requests of a dialect whose bodies have at most limit bytes, packed or not.
func (c *Collector) post(in dialect, take taker, limit int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		served(r)
		if c.cors(w, r) {
			return
		}
		if r.Method != http.MethodPost {
			c.stats.refused[unsupported].Add(1)
			w.Header().Set("Allow", http.MethodPost)
			plain(w, http.StatusMethodNotAllowed, "405 method not allowed, supported: [POST]")
			return
		}
		if r.Header.Get("Origin") != "" && w.Header().Get("Access-Control-Allow-Origin") == "" {
			// A browser does not ask first when the type is one that forms have, or when a page's own name resolves to this address
			// (DNS rebinding): any page could send spans.
			c.stats.refused[unsupported].Add(1)
			plain(w, http.StatusForbidden, "403 web pages of this origin may not send spans here")
			return
		}
		format, known := in.format(r)
		if !known {
			c.stats.refused[unsupported].Add(1)
			plain(w, http.StatusUnsupportedMediaType, "415 unsupported media type, supported: ["+in.types+"]")
			return
		}
		verdict, no := c.receive(w, r, format, take, limit)
		if no != nil {
			c.stats.refused[no.reason].Add(1)
			switch reasonTable[no.reason].http {
			case http.StatusServiceUnavailable:
				w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
			case http.StatusUnauthorized:
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			in.refuse(w, format, no)
			return
		}
		in.accept(w, format, verdict)
	}
}

// receive takes the body of a request to who wants it.
func (c *Collector) receive(w http.ResponseWriter, r *http.Request, format wire.Format, take taker, limit int) (accepted, *refusal) {
	if no := c.admit(r); no != nil {
		return accepted{}, no
	}
	l := load{c: c}
	defer l.release()
	b, no := l.receive(w, r, format, limit)
	if no != nil {
		return accepted{}, no
	}
	return take(r.Context(), b, &l)
}

// receive reads and unpacks the body of a request.
func (l *load) receive(w http.ResponseWriter, r *http.Request, format wire.Format, limit int) (body, *refusal) {
	if r.ContentLength > int64(limit) {
		return body{}, refuse(tooLarge, "the request has %d bytes; the limit is %d", r.ContentLength, limit)
	}
	p, no := l.read(http.MaxBytesReader(w, r.Body, int64(limit)), r.ContentLength, limit)
	if no != nil {
		return body{}, no
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return body{format, p, format, p}, nil
	case "gzip":
		raw, no := l.gunzip(p, limit)
		return body{format, raw, format | wire.Gzip, p}, no
	default:
		return body{}, refuse(unsupported, "unsupported content encoding %q, supported: [gzip, identity]", encoding)
	}
}

// firstRead is how much a client is given before it has sent anything.
const firstRead = 64 << 10

// read reads a body to its end, of at most limit bytes; announced is how many the client says there are, < 0 if it does
// not. The budget is asked before memory is, and beyond firstRead for no more than twice of what has come: who
// announces much and sends nothing takes no room from others.
func (l *load) read(in io.Reader, announced int64, limit int) ([]byte, *refusal) {
	buf := l.buffer()
	most := limit + 1 // in never fills it
	if announced >= 0 {
		most = int(announced) + 1 // to meet the end without growing
	}
	held := 0
	for want := min(firstRead, most); ; want = min(2*want, most) {
		if no := l.hold(want - held); no != nil {
			return nil, no
		}
		held = want
		*buf = slices.Grow(*buf, want-len(*buf))
		for len(*buf) < want {
			n, err := in.Read((*buf)[len(*buf):want])
			*buf = (*buf)[:len(*buf)+n]
			var large *http.MaxBytesError
			switch {
			case err == io.EOF:
				return *buf, nil
			case errors.As(err, &large):
				return nil, refuse(tooLarge, "the request has more than %d bytes", limit)
			case err != nil:
				return nil, unread(err)
			}
		}
	}
}

// unread is a request that could not be read to its end.
func unread(err error) *refusal {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(tooSlow, "the request did not arrive within %s", readTimeout)
	}
	return refuse(interrupted, "the request could not be read to its end: %v", err)
}

// gunzip unpacks a body. The budget is asked for what the stream says it holds, and only if that was a lie for all
// that it may hold.
func (l *load) gunzip(body []byte, limit int) ([]byte, *refusal) {
	buf := l.buffer()
	guess := max(wire.GunzipHint(body, limit), 4<<10)
	for held := 0; ; guess = limit {
		guess = min(guess, limit)
		if no := l.hold(guess - held); no != nil {
			return nil, no
		}
		held = guess
		var err error
		*buf, err = wire.Gunzip((*buf)[:0], body, guess)
		switch {
		case err == nil:
			return *buf, nil
		case !errors.Is(err, wire.ErrTooLarge):
			return nil, refuse(malformed, "the body cannot be unpacked: %v", err)
		case guess == limit:
			return nil, refuse(tooLarge, "the request has more than %d bytes when unpacked", limit)
		}
	}
}

// cors answers a browser's question whether it may send, and lets allowed origins read our answers.
// It says whether the request is answered.
func (c *Collector) cors(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(c.origins, origin) && !slices.Contains(c.origins, "*") {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
	return true
}
