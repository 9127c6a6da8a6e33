package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/protobuf/proto"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// The messages of redeye.proto that the server reads and writes. Each has two forms: protobuf, by hand, so that nothing
// is made before its limit is known, and JSON for people.

// incoming is a message that is read.
type incoming interface {
	readProto(b []byte) error
	readJSON(b []byte) error
}

// outgoing is a message that is written.
type outgoing interface {
	appendProto(b []byte) []byte
	appendJSON(b []byte) []byte
}

// protoCodec and jsonCodec are the codecs of Connect. Messages of gRPC itself, as the status of an error, are written by the generated code's codec.
type protoCodec struct{ *connectproto.BinaryCodec }

func (c protoCodec) MarshalWrite(ctx context.Context, dst io.Writer, msg any) error {
	if _, ok := msg.(proto.Message); ok {
		return c.BinaryCodec.MarshalWrite(ctx, dst, msg)
	}
	return write(dst, msg, outgoing.appendProto)
}

func (protoCodec) UnmarshalRead(_ context.Context, src io.Reader, msg any) error {
	return read(src, msg, incoming.readProto)
}

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) MarshalWrite(_ context.Context, dst io.Writer, msg any) error {
	return write(dst, msg, outgoing.appendJSON)
}

func (jsonCodec) UnmarshalRead(_ context.Context, src io.Reader, msg any) error {
	return read(src, msg, incoming.readJSON)
}

func write(dst io.Writer, msg any, form func(outgoing, []byte) []byte) error {
	m, ok := msg.(outgoing)
	if !ok {
		return fmt.Errorf("a message %T is not written", msg)
	}
	var buf []byte
	if room, ok := dst.(interface{ AvailableBuffer() []byte }); ok {
		buf = room.AvailableBuffer()
	}
	_, err := dst.Write(form(m, buf))
	return err
}

func read(src io.Reader, msg any, form func(incoming, []byte) error) error {
	m, ok := msg.(incoming)
	if !ok {
		return fmt.Errorf("a message %T is not read", msg)
	}
	b, err := io.ReadAll(src) // bounded by the handler's option
	if err != nil {
		return err
	}
	return form(m, b)
}

// queryMessage is QueryRequest.
type queryMessage struct {
	req     Request
	program []byte // in protobuf
	tree    json.RawMessage
	site    CallSite
	analyze bool
}

// program reads the tree, if there is one.
func (m *queryMessage) request(limits ast.Limits) (Request, error) {
	var err error
	switch {
	case m.program != nil:
		m.req.Program, err = ast.ReadProto(m.program, limits)
	case m.tree != nil:
		m.req.Program, err = ast.ReadJSON(m.tree, limits)
	}
	if err != nil {
		return Request{}, readError(err)
	}
	m.req.Site = m.site
	return m.req, nil
}

const maxParams = 256

func (m *queryMessage) readProto(b []byte) error {
	r := pb.NewReader(b)
	for r.Next() {
		switch r.Field {
		case 1:
			m.req.Text = r.String()
		case 2:
			m.program = r.Bytes()
		case 3:
			h := r.Bytes()
			if len(h) != len(m.req.Hash) {
				r.Fail(fmt.Sprintf("the hash has %d bytes instead of %d", len(h), len(m.req.Hash)))
			}
			copy(m.req.Hash[:], h)
		case 4:
			name, value := readParam(r.Message(), &r)
			m.param(name, Proto(value), r.Fail)
		case 5:
			m.req.Partial = r.Uint() != 0
		case 6:
			s := r.Message()
			for s.Next() {
				switch s.Field {
				case 1:
					m.site.Label = s.String()
				case 2:
					m.site.Key = s.String()
				default:
					s.Skip()
				}
			}
		case 7:
			m.req.Budget = readBudget(r.Message())
		case 8:
			m.analyze = r.Uint() != 0
		default:
			r.Skip()
		}
	}
	return r.Err()
}

func (m *queryMessage) param(name string, v Value, fail func(string)) {
	if m.req.Params == nil {
		m.req.Params = map[string]Value{}
	}
	if _, twice := m.req.Params[name]; twice || len(m.req.Params) >= maxParams {
		fail(fmt.Sprintf("the parameter %.64q is there twice, or one of more than %d", name, maxParams))
		return
	}
	m.req.Params[name] = v
}

func readParam(r pb.Reader, outer *pb.Reader) (name string, value []byte) {
	value = []byte{}
	for r.Next() {
		switch r.Field {
		case 1:
			name = r.String()
		case 2:
			value = r.Bytes()
		default:
			r.Skip()
		}
	}
	if r.Err() != nil {
		outer.Fail("parameter: " + r.Err().Error())
	}
	return name, value
}

func readBudget(r pb.Reader) (b Budget) {
	fields := map[int]*int64{1: &b.Steps, 2: &b.Rows, 3: &b.RowsOut, 4: &b.Memory, 5: &b.BytesOut, 6: &b.Calls, 7: &b.Items}
	for r.Next() {
		switch f := fields[r.Field]; {
		case f != nil:
			*f = int64(min(r.Uint(), 1<<62))
		case r.Field == 8:
			b.Wall = time.Duration(min(r.Uint(), 1<<62))
		default:
			r.Skip()
		}
	}
	return b
}

func (b Budget) appendProto(out []byte) []byte {
	for i, v := range []int64{b.Steps, b.Rows, b.RowsOut, b.Memory, b.BytesOut, b.Calls, b.Items, int64(b.Wall)} {
		out = pb.AppendUint(out, i+1, uint64(v))
	}
	return out
}

func (u Usage) appendProto(out []byte) []byte {
	out = u.Budget.appendProto(out)
	for i, v := range []int64{u.Planned, u.Hits, u.Misses, u.Stale} {
		out = pb.AppendUint(out, i+9, uint64(v))
	}
	return out
}

// json is the usage for people, and for the header in which it goes beside an answer.
func (u Usage) json() map[string]any {
	out := map[string]any{
		"steps": u.Steps, "rows": u.Rows, "rowsOut": u.RowsOut, "memory": u.Memory, "bytesOut": u.BytesOut, "calls": u.Calls, "items": u.Items,
		"planned": u.Planned, "wall": u.Wall.String(),
	}
	if u.Hits+u.Misses > 0 {
		out["cacheHits"], out["cacheMisses"] = u.Hits, u.Misses
	}
	if u.Stale > 0 {
		out["cacheStale"] = u.Stale
	}
	return out
}

func (m *queryMessage) readJSON(b []byte) error {
	var in struct {
		Text    string
		Program json.RawMessage
		Hash    string
		Params  map[string]json.RawMessage
		Partial bool
		Analyze bool
		Site    CallSite
		Budgets struct {
			Steps, Rows, RowsOut, Memory, BytesOut, Calls, Items int64
			Wall                                                 string
		}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	m.req.Text, m.tree, m.req.Partial, m.site, m.analyze = in.Text, in.Program, in.Partial, in.Site, in.Analyze
	if in.Hash != "" {
		h, err := hex.DecodeString(in.Hash)
		if err != nil || len(h) != len(m.req.Hash) {
			return fmt.Errorf("the hash %.80q is not 64 hexadecimal digits", in.Hash)
		}
		copy(m.req.Hash[:], h)
	}
	var bad error
	for name, v := range in.Params {
		m.param(name, JSON(v), func(msg string) { bad = fmt.Errorf("%s", msg) })
	}
	m.req.Budget = Budget{
		Steps: in.Budgets.Steps, Rows: in.Budgets.Rows, RowsOut: in.Budgets.RowsOut, Memory: in.Budgets.Memory,
		BytesOut: in.Budgets.BytesOut, Calls: in.Budgets.Calls, Items: in.Budgets.Items,
	}
	if in.Budgets.Wall != "" {
		wall, err := time.ParseDuration(in.Budgets.Wall)
		if err != nil {
			return fmt.Errorf("budgets.wall: %w", err)
		}
		m.req.Budget.Wall = wall
	}
	return bad
}

// answerMessage is Answer, or a part of it.
type answerMessage struct {
	*Answer
	value *column.Column // of one row; nil at the end of a stream
	end   bool
	last  bool // it has the errors and the usage
}

func (m *answerMessage) appendProto(b []byte) []byte {
	if m.value != nil {
		b = pb.AppendString(b, 1, m.value.Type.String())
		b = pb.AppendMessage(b, 2, func(b []byte) []byte { return column.AppendProto(b, m.value) })
	}
	if m.last {
		for _, e := range m.Errors {
			b = pb.AppendMessage(b, 3, func(b []byte) []byte {
				b = pb.AppendString(b, 1, e.Path)
				b = pb.AppendString(b, 2, e.Code)
				b = pb.AppendString(b, 3, e.Method)
				return pb.AppendString(b, 4, e.Msg)
			})
		}
		b = pb.AppendUint(b, 4, uint64(m.ErrorsTotal))
		b = pb.AppendUint(b, 5, uint64(m.RowsDropped))
		b = pb.AppendMessage(b, 6, m.Usage.appendProto)
		b = pb.AppendElement(b, 7, m.Hash[:])
	}
	return pb.AppendBool(b, 8, m.end)
}

func (m *answerMessage) appendJSON(b []byte) []byte {
	if m.value != nil {
		b = append(b, `{"value":`...)
		b = column.AppendJSON(b, m.value, 0)
		b = append(b, `,"type":`...)
		b = appendJSONValue(b, m.value.Type.String())
	} else {
		b = append(b, `{"end":true`...)
	}
	if m.last {
		if m.ErrorsTotal > 0 {
			b = append(b, `,"errors":[`...)
			for i, e := range m.Errors {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendJSONValue(b, e)
			}
			b = append(b, `],"errorsTotal":`...)
			b = strconv.AppendInt(b, m.ErrorsTotal, 10)
		}
		if m.RowsDropped > 0 {
			b = append(b, `,"rowsDropped":`...)
			b = strconv.AppendInt(b, m.RowsDropped, 10)
		}
		b = append(b, `,"usage":`...)
		b = appendJSONValue(b, m.Usage.json())
		b = append(b, `,"hash":"`...)
		b = append(append(b, m.Hash.String()...), '"')
	}
	return append(b, '}')
}

// appendJSONValue is for small values.
func appendJSONValue(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // none of these has one
		text = []byte("null")
	}
	return append(b, text...)
}

// emptyMessage is SchemaRequest.
type emptyMessage struct{}

func (*emptyMessage) readProto([]byte) error { return nil }
func (*emptyMessage) readJSON([]byte) error  { return nil }

// schemaMessage is SchemaResponse. In JSON it is the schema itself.
type schemaMessage struct {
	json    []byte
	version string
}

func (m *schemaMessage) appendProto(b []byte) []byte {
	return pb.AppendString(pb.AppendString(b, 1, m.json), 2, m.version)
}

func (m *schemaMessage) appendJSON(b []byte) []byte { return append(b, m.json...) }

// explainMessage is Explanation.
type explainMessage struct{ *Explanation }

func (m *explainMessage) appendProto(b []byte) []byte {
	b = pb.AppendString(b, 1, m.Text)
	b = pb.AppendString(b, 2, m.Type.String())
	b = pb.AppendElement(b, 3, m.Hash[:])
	b = pb.AppendString(b, 4, m.plan())
	for _, p := range m.Params {
		b = pb.AppendMessage(b, 5, func(b []byte) []byte {
			return pb.AppendString(pb.AppendString(b, 1, p.Name), 2, p.Type.String())
		})
	}
	if m.Usage != (Usage{}) {
		b = pb.AppendMessage(b, 6, m.Usage.appendProto)
	}
	return b
}

// plan is the plan before and after optimisation.
func (m *explainMessage) plan() string {
	if len(m.Rules) == 0 {
		return m.Plan
	}
	return "as run: " + m.Better + "\nby: " + strings.Join(m.Rules, ", ") + "\n\n" + m.Plan
}

func (m *explainMessage) appendJSON(b []byte) []byte {
	params := map[string]string{}
	for _, p := range m.Params {
		params[p.Name] = p.Type.String()
	}
	out := map[string]any{"text": m.Text, "type": m.Type.String(), "hash": m.Hash.String(), "plan": m.plan(), "params": params}
	if m.Usage != (Usage{}) {
		out["usage"] = m.Usage.json()
	}
	return appendJSONValue(b, out)
}

// appendDetail appends ErrorDetail.
func (e *Error) appendDetail(b []byte) []byte {
	b = pb.AppendString(b, 1, e.Reason)
	b = pb.AppendString(b, 2, e.Msg)
	b = pb.AppendString(b, 3, e.Where)
	b = pb.AppendString(b, 4, e.Budget)
	b = pb.AppendUint(b, 5, uint64(e.Limit))
	b = pb.AppendUint(b, 6, uint64(e.Used))
	b = pb.AppendString(b, 7, e.Site)
	b = pb.AppendString(b, 8, e.Method)
	b = pb.AppendUint(b, 9, uint64(e.Wait))
	if e.Usage != (Usage{}) {
		b = pb.AppendMessage(b, 10, e.Usage.appendProto)
	}
	return b
}
