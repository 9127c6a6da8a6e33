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
	protoType = "application/x-protobuf"
	jsonType  = "application/json"
)

// dialect is what tells one protocol over HTTP from another: the types of its bodies, and how requests are answered.
type dialect struct {
	formats map[string]wire.Format // by media type
	types   string                 // what is said to who sends another
	accept  func(w http.ResponseWriter, format wire.Format, a accepted)
	refuse  func(w http.ResponseWriter, format wire.Format, no *refusal)
}

// otlp is opentelemetry-proto, docs/specification.md.
var otlp = dialect{
	formats: map[string]wire.Format{protoType: wire.OTLPProto, jsonType: wire.OTLPJSON},
	types:   jsonType + ", " + protoType, accept: acceptOTLP, refuse: refuseOTLP,
}

// format is that of a request's body.
func (d *dialect) format(r *http.Request) (wire.Format, bool) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what is none is none that is known
	f, ok := d.formats[mediaType]
	return f, ok
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // a client that is gone needs no answer
}

func refusePlain(w http.ResponseWriter, _ wire.Format, no *refusal) {
	plain(w, reasonTable[no.reason].http, no.msg)
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
