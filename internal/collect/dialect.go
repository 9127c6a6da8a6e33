package collect

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/internal/wire"
)

const (
	protoType   = "application/x-protobuf"
	jsonType    = "application/json"
	thriftType  = "application/x-thrift"
	thriftType2 = "application/vnd.apache.thrift.binary"
)

// dialect is what tells one protocol over HTTP from another: the types of its bodies, and how requests are answered.
type dialect struct {
	formats map[string]wire.Format // by media type; that of "" is for all others, too
	types   string                 // what is said to who sends another
	accept  func(w http.ResponseWriter, format wire.Format, a accepted)
	refuse  func(w http.ResponseWriter, format wire.Format, no *refusal)
}

// The dialects, each after its specification: opentelemetry-proto, docs/specification.md; zipkin-api, zipkin-api.yaml, and
// zipkin-server's README for version 1; Jaeger's documentation, "APIs", "Thrift over HTTP". Zipkin's server takes every other media
// type for JSON, and so do its clients.
var (
	otlp = dialect{
		formats: map[string]wire.Format{protoType: wire.OTLPProto, jsonType: wire.OTLPJSON},
		types:   jsonType + ", " + protoType, accept: acceptOTLP, refuse: refuseOTLP,
	}
	zipkin   = dialect{formats: map[string]wire.Format{protoType: wire.ZipkinProto, "": wire.ZipkinJSON}, accept: acceptPlain, refuse: refusePlain}
	zipkinV1 = dialect{formats: map[string]wire.Format{thriftType: wire.ZipkinThrift, "": wire.ZipkinV1JSON}, accept: acceptPlain, refuse: refusePlain}
	jaeger   = dialect{
		formats: map[string]wire.Format{thriftType: wire.JaegerThrift, thriftType2: wire.JaegerThrift},
		types:   thriftType + ", " + thriftType2, accept: acceptPlain, refuse: refusePlain,
	}
)

// format is that of a request's body.
func (d *dialect) format(r *http.Request) (wire.Format, bool) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what is none is none that is known
	if f, ok := d.formats[mediaType]; ok {
		return f, true
	}
	f, ok := d.formats[""]
	return f, ok
}

// partial says whether an answer can tell the client that some spans were rejected. Another's request of none but such is refused.
func partial(f wire.Format) bool { return f == wire.OTLPProto || f == wire.OTLPJSON }

// expected says what a body of a format should have been.
func expected(f wire.Format) string {
	switch f {
	case wire.ZipkinJSON:
		return "a list of Zipkin's spans of version 2"
	case wire.ZipkinProto:
		return "a ListOfSpans of zipkin.proto3"
	case wire.ZipkinV1JSON, wire.ZipkinThrift:
		return "a list of Zipkin's spans of version 1"
	case wire.JaegerThrift:
		return "a Batch of jaeger.thrift"
	default:
		return "an ExportTraceServiceRequest"
	}
}

// acceptPlain is for those who expect no answer; what it says is for the eyes of who tries it by hand.
func acceptPlain(w http.ResponseWriter, _ wire.Format, a accepted) {
	plain(w, http.StatusAccepted, a.message)
}

func refusePlain(w http.ResponseWriter, _ wire.Format, no *refusal) {
	plain(w, reasonTable[no.reason].http, no.msg)
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // a client that is gone needs no answer
}

// acceptOTLP writes an ExportTraceServiceResponse.
func acceptOTLP(w http.ResponseWriter, format wire.Format, a accepted) {
	if format == wire.OTLPProto {
		w.Header().Set("Content-Type", protoType)
		_, _ = w.Write(appendResponse(nil, a))
		return
	}
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
	w.Header().Set("Content-Type", jsonType)
	_, _ = w.Write(p)
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

// refuseOTLP writes a google.rpc.Status.
func refuseOTLP(w http.ResponseWriter, format wire.Format, no *refusal) {
	st := no.status()
	var p []byte
	if format == wire.OTLPProto {
		w.Header().Set("Content-Type", protoType)
		p, _ = proto.Marshal(st) // valid UTF-8 always marshals
	} else {
		w.Header().Set("Content-Type", jsonType)
		p, _ = json.Marshal(struct {
			Code    int32  `json:"code"`
			Message string `json:"message"`
		}{st.Code, st.Message})
	}
	w.WriteHeader(reasonTable[no.reason].http)
	_, _ = w.Write(p)
}
