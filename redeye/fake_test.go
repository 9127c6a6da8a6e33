package redeye_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// request is what a client sent.
type request struct {
	method, text, label, key string
	program                  ast.Node
	hash                     []byte
	params                   map[string][]byte // columns
	partial                  bool
	header                   http.Header
}

// server is the other end: it reads what a client sends, with the same codec of the wire format that the real server has, and
// answers what the test wants of it.
type server struct {
	t      *testing.T
	answer func(ctx context.Context, r *request) ([]byte, *redeye.Error)

	mu       sync.Mutex
	requests []*request
}

func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		s.t.Error(err)
	}
	r := &request{method: req.URL.Path, header: req.Header, params: map[string][]byte{}}
	m := pb.NewReader(body)
	for m.Next() {
		switch m.Field {
		case 1:
			r.text = m.String()
		case 2:
			n, err := ast.ReadProto(m.Bytes(), ast.Limits{})
			if err != nil {
				s.t.Error(err)
			}
			r.program = n
		case 3:
			r.hash = m.Bytes()
		case 4:
			var name string
			p := m.Message()
			for p.Next() {
				if p.Field == 1 {
					name = p.String()
				} else {
					r.params[name] = p.Bytes()
				}
			}
		case 5:
			r.partial = m.Uint() == 1
		case 6:
			p := m.Message()
			for p.Next() {
				if p.Field == 1 {
					r.label = p.String()
				} else {
					r.key = p.String()
				}
			}
		default:
			m.Skip()
		}
	}
	if m.Err() != nil {
		s.t.Error(m.Err())
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	out, e := s.answer(req.Context(), r)
	if e == nil {
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(out)
		return
	}
	detail := pb.AppendString(nil, 1, e.Reason)
	detail = pb.AppendString(detail, 2, e.Msg)
	detail = pb.AppendString(detail, 3, e.Where)
	detail = pb.AppendString(detail, 4, e.Budget)
	detail = pb.AppendUint(detail, 5, e.Limit)
	detail = pb.AppendUint(detail, 6, e.Used)
	detail = pb.AppendString(detail, 8, e.Method)
	detail = pb.AppendUint(detail, 9, uint64(e.Wait))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": e.Code, "message": e.Msg,
		"details": []map[string]string{{"type": "redeye.v1.ErrorDetail", "value": base64.RawStdEncoding.EncodeToString(detail)}},
	})
}

// taken returns the requests since the last time.
func (s *server) taken() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	rs := s.requests
	s.requests = nil
	return rs
}

func (s *server) client() *redeye.Client {
	return redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(s)}})
}

// answerOf makes an answer of a type out of JSON.
func answerOf(t testing.TB, typ, value string) []byte {
	t.Helper()
	st, err := schema.Parse(typ)
	if err != nil {
		t.Fatal(err)
	}
	c, err := column.ReadJSON([]byte(value), st, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	out := pb.AppendString(nil, 1, typ)
	return pb.AppendMessage(out, 2, func(b []byte) []byte { return column.AppendProto(b, c) })
}

// always is a server that always answers the same.
func always(t *testing.T, typ, value string) *server {
	out := answerOf(t, typ, value)
	return &server{t: t, answer: func(context.Context, *request) ([]byte, *redeye.Error) { return out, nil }}
}

// paramJSON is a parameter as the server reads it.
func (r *request) paramJSON(t *testing.T, name, typ string) string {
	t.Helper()
	st, err := schema.Parse(typ)
	if err != nil {
		t.Fatal(err)
	}
	c, err := column.ReadProto(r.params[name], st, 1<<20)
	if err != nil {
		t.Fatalf("the parameter %s: %v", name, err)
	}
	return string(column.AppendJSON(nil, c, 0))
}
