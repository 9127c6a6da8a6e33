package collect

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/wire"
)

const (
	protoType = "application/x-protobuf"
	jsonType  = "application/json"
)

// HTTPHandler serves POST /v1/traces and /v1/metrics in protobuf and JSON, plain or gzipped, and GET /v1/shuai/sampling.
func (c *Collector) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/traces", c.post(c.takeSpans, c.limits.MaxRequestBytes()))
	mux.HandleFunc("/v1/metrics", c.post(c.takeMetrics, c.maxMetricsBytes()))
	mux.HandleFunc("/v1/shuai/sampling", c.ratios)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		served(r)
		plain(w, http.StatusNotFound, "404 not found: this address takes spans, as POST /v1/traces, and metrics, as POST /v1/metrics, and nothing else")
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

// post handles requests whose bodies have at most limit bytes, packed or not.
func (c *Collector) post(take taker, limit int) http.HandlerFunc {
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
		var format wire.Format
		mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch mediaType {
		case protoType:
			format = wire.OTLPProto
		case jsonType:
			format = wire.OTLPJSON
		default:
			c.stats.refused[unsupported].Add(1)
			plain(w, http.StatusUnsupportedMediaType, "415 unsupported media type, supported: [application/json, application/x-protobuf]")
			return
		}
		w.Header().Set("Content-Type", mediaType)
		l := load{c: c}
		defer l.release()
		b, no := l.receive(w, r, format, limit)
		var verdict accepted
		if no == nil {
			verdict, no = take(r.Context(), b, &l)
		}
		if no != nil {
			c.stats.refused[no.reason].Add(1)
			writeRefusal(w, format, no)
			return
		}
		writeAccepted(w, format, verdict)
	}
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // a client that is gone needs no answer
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

// writeAccepted writes an ExportTraceServiceResponse. Its type is in the header.
func writeAccepted(w http.ResponseWriter, format wire.Format, a accepted) {
	if format == wire.OTLPJSON {
		type partialSuccess struct {
			RejectedSpans int    `json:"rejectedSpans,string,omitempty"`
			ErrorMessage  string `json:"errorMessage"`
		}
		var answer struct {
			PartialSuccess *partialSuccess `json:"partialSuccess,omitempty"`
		}
		if a.message != "" {
			answer.PartialSuccess = &partialSuccess{a.rejected, a.message}
		}
		p, _ := json.Marshal(answer) // a struct of strings and numbers always marshals
		_, _ = w.Write(p)
		return
	}
	_, _ = w.Write(appendResponse(nil, a))
}

// appendResponse appends an ExportTraceServiceResponse in protobuf.
func appendResponse(dst []byte, a accepted) []byte {
	if a.message == "" {
		return dst
	}
	var partial []byte
	if a.rejected > 0 {
		partial = protowire.AppendVarint(protowire.AppendTag(partial, 1, protowire.VarintType), uint64(a.rejected))
	}
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), a.message)
	return protowire.AppendBytes(protowire.AppendTag(dst, 1, protowire.BytesType), partial)
}

// writeRefusal writes a google.rpc.Status. Its type is in the header.
func writeRefusal(w http.ResponseWriter, format wire.Format, no *refusal) {
	code := reasonTable[no.reason].http
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	w.WriteHeader(code)
	st := no.status()
	var p []byte
	if format == wire.OTLPJSON {
		p, _ = json.Marshal(struct {
			Code    int32  `json:"code"`
			Message string `json:"message"`
		}{st.Code, st.Message})
	} else {
		p, _ = proto.Marshal(st) // valid UTF-8 always marshals
	}
	_, _ = w.Write(p)
}
