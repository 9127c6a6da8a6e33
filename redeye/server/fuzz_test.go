package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/server"
	"github.com/fuwu-project/fuwu/redeye/server/text"
)

// FuzzQuery: whatever the text, there is an answer or an error of a known code, and never one that is the engine's own mistake.
func FuzzQuery(f *testing.F) {
	f.Add(`movies(1, n).filter(lambda m: m.can_view(n) and m.year > 1990).map(lambda m: {"t": m.title(), "a": m.cast().map(lambda a: a.name())}).limit(3)`)
	f.Add(`movies(1, 9).group(lambda m: m.genre).map(lambda g: g.items.sort(desc(lambda m: m.sequel_of)).page(n, None))`)
	f.Add(`movies(1, n).map(lambda m: {"a": [{"m": m.medium, "s": m.media}][m.id - 3], "b": m.age() if m.shown_as("series") else None})`)
	f.Add(`[1, 2].join([2], lambda a: a, lambda b: b).reduce(0, lambda x, y: x + y.left // 0).on_error(7)`)
	w := newWorld()
	f.Fuzz(func(t *testing.T, s string) {
		checkQuery(t, w, server.Request{Text: s})
		checkQuery(t, w, server.Request{Text: s, Partial: true})
	})
}

// FuzzTree is the same for trees without types.
func FuzzTree(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	w := newWorld()
	f.Fuzz(func(t *testing.T, choices []byte) {
		program := asttest.Tree(asttest.Bytes(choices))
		checkQuery(t, w, server.Request{Program: program})
		checkQuery(t, w, server.Request{Program: program, Partial: true})
	})
}

func checkQuery(t *testing.T, w *world, req server.Request) {
	req.Params = map[string]server.Value{"n": server.JSON([]byte("3"))}
	req.Budget = server.Budget{Rows: 2000, Steps: 200_000, Memory: 4 << 20}
	answer, err := w.Query(server.WithPrincipal(t.Context(), server.Principal{Name: "ann", Tenant: "acme"}), req) // for whom values are kept
	w.taken()
	if err != nil {
		if e := reason(t, err); e.Code == "" || e.Code == "INTERNAL" && e.Method == "" {
			t.Fatalf("%v: %v", err, e.Cause)
		}
		return
	}
	if _, err := w.Explain(t.Context(), server.Request{Text: req.Text, Program: req.Program}); err != nil {
		t.Fatalf("it is run, and not explained: %v", err)
	}
	wire := column.AppendProto(nil, answer.Value)
	again, err := column.ReadProto(wire, answer.Value.Type, 1<<30)
	if err != nil || !bytes.Equal(column.AppendJSON(nil, again, 0), column.AppendJSON(nil, answer.Value, 0)) {
		t.Fatalf("the answer is not what its wire form says: %v", err)
	}
	if text := column.AppendJSON(nil, answer.Value, 0); !json.Valid(text) {
		t.Fatalf("no JSON: %s", text)
	}
}

// A partial answer of nothing but errors costs what one of values does.
func TestErrorsEverywhere(t *testing.T) {
	w := newWorld()
	w.Budget.RowsOut = 100_000
	for _, text := range []string{`movies(0, 90000).map(lambda m: 1 // (m.id - m.id))`, `movies(0, 9000).map(lambda m: [m.id, 2, 3, 4, 5, 6, 7, 8, 9].map(lambda i: i // (m.id - m.id)))`} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := w.Query(t.Context(), server.Request{Text: text, Partial: true})
		runtime.ReadMemStats(&after)
		if err != nil || answer.ErrorsTotal < 80_000 || len(answer.Errors) != 100 || answer.Errors[99].Path == "" {
			t.Fatal(err)
		}
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 200 {
			t.Errorf("%s allocated %d MiB", text, grown)
		}
	}
}

// FuzzHandler: whatever comes in over HTTP, in any form of Connect, gRPC or gRPC-Web, there is an answer or an error of a known code, and never one that is
// the server's own mistake.
func FuzzHandler(f *testing.F) {
	s := server.New("films")
	fm := server.Entity(s, "Film", func(f *film) int64 { return f.ID })
	server.Attr(fm, "year", func(f *film) int64 { return f.Year })
	server.Batch(fm, "title", func(_ context.Context, fs []*film) ([]string, error) {
		out := make([]string, len(fs))
		for i, f := range fs {
			out[i] = f.Title
		}
		return out, nil
	})
	server.Source(s, "get_films", func(_ context.Context, ids []int64) ([]*film, error) { return films(min(len(ids), 100)), nil })
	s.Budget = server.Budget{Rows: 2000, Steps: 200_000, Memory: 4 << 20, RowsOut: 1000}
	h, err := s.Handler()
	if err != nil {
		f.Fatal(err)
	}
	types := []string{
		"application/json", "application/proto", "application/connect+json", "application/connect+proto", "application/grpc+proto", "application/grpc-web+proto", "text/plain",
	}
	procedures := []string{"Query", "Stream", "Explain", "GetSchema"}
	const program = `get_films(ids).filter(lambda f: f.year > 1980).map(lambda f: {"id": f.id, "title": f.title()})`
	asJSON := `{"text": ` + strconv.Quote(program) + `, "params": {"ids": [1, 2, 3]}, "partial": true, "site": {"key": "k"}, "budgets": {"rows": 10, "wall": "1s"}}`
	n, _, err := text.Parse(program, s.Limits)
	if err != nil {
		f.Fatal(err)
	}
	hash := ast.HashOf(n)
	asProto := pb.AppendString(nil, 1, program)
	asTree := pb.AppendElement(nil, 2, ast.AppendProto(nil, n))
	byHash := pb.AppendElement(nil, 3, hash[:])
	for _, body := range [][]byte{[]byte(asJSON), asProto, asTree, byHash} {
		for i := range types {
			message := body
			if i >= 2 { // with its length before it
				message = append([]byte{0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
			}
			f.Add(uint8(i%len(procedures)), uint8(i), message)
		}
	}
	f.Fuzz(func(t *testing.T, procedure, kind uint8, body []byte) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/redeye.v1.Redeye/"+procedures[int(procedure)%len(procedures)], bytes.NewReader(body))
		req.Header.Set("Content-Type", types[int(kind)%len(types)])
		if strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc+") {
			req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/2.0", 2, 0
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		out := w.Result()
		answer, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		said := string(answer) + out.Trailer.Get("Grpc-Message") + out.Header.Get("Grpc-Message") // broken envelopes are INTERNAL too, by gRPC's rules
		if out.StatusCode == http.StatusInternalServerError || strings.Contains(said, "mistake of the server") {
			t.Fatalf("%d %s %s %q", out.StatusCode, out.Header, out.Trailer, answer)
		}
	})
}

// FuzzCursor: nothing opens but a cursor that the server sealed, for the query that it sealed it for.
func FuzzCursor(f *testing.F) {
	w := newWorld()
	page := func(t testing.TB, after string) (*server.Answer, error) {
		req := request(`let(movies(1, 40).sort(lambda m: m.id).page(3, after), lambda p: {"ids": p.rows.map(lambda m: m.id), "next": p.next})`)
		value, err := json.Marshal(after)
		if err != nil {
			t.Fatal(err)
		}
		req.Params = map[string]server.Value{"after": server.JSON(value)}
		answer, err := w.Query(t.Context(), req)
		w.taken()
		return answer, err
	}
	first := ask(f, w, `let(movies(1, 40).sort(lambda m: m.id).page(3, after), lambda p: {"ids": p.rows.map(lambda m: m.id), "next": p.next})`, "after", "null")
	good := first.Value.Field("next").Texts[0]
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		if strings.ToValidUTF8(cursor, "") != cursor {
			return // no text of a program
		}
		answer, err := page(t, cursor)
		if cursor == good {
			if err != nil || answer.Value.Field("ids").Items.Ints[0] != 4 {
				t.Fatal("the cursor of the first page is none of the second", err)
			}
			return
		}
		if err == nil {
			t.Fatalf("%q opens", cursor)
		}
		if e := reason(t, err); e.Code != "INVALID_ARGUMENT" || e.Reason != "CURSOR_MISMATCH" {
			t.Fatal(err)
		}
	})
}
