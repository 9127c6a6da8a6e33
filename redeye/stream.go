package redeye

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
)

// Rows are the rows of an answer that comes in parts.
type Rows[T any] struct {
	// Report is what is said of the answer. It is there when all rows have been taken.
	Report
	ask func(yield func(T, error) bool) Report
}

// Stream is a query whose rows are taken as they come, for answers that are large or whose first rows are wanted soon:
//
//	rows := redeye.Stream(ctx, client, query)
//	for card, err := range rows.All() {
//		if err != nil { … }
//		…
//	}
//
// [Config.MaxAnswer] bounds a part of the answer, not the whole; the deadline is one of the whole. The server computes
// rows as they are taken, and an error may come after some of them. Whoever leaves the loop cancels the rest. Nothing is sent before the loop, and each loop asks anew.
func Stream[T any](ctx context.Context, c *Client, q Query[[]T]) *Rows[T] {
	return &Rows[T]{ask: func(yield func(T, error) bool) (rep Report) {
		var none T
		p, err := q.q.program()
		if err != nil {
			yield(none, err)
			return rep
		}
		left := false
		err = c.stream(ctx, p, func(m *answered) (more bool, err error) {
			if m.end {
				rep = m.Report
			}
			var rows []T
			if m.value != nil {
				if err := m.decode(&rows, p.partial); err != nil {
					return false, err
				}
			}
			for _, row := range rows {
				if !yield(row, nil) {
					left = true
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil && !left {
			yield(none, err)
		}
		return rep
	}}
}

// All asks, and yields the rows in order. An error is an [*Error], comes with a zero row, and is the last.
func (r *Rows[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) { r.Report = r.ask(yield) }
}

// streamType is how Connect marks requests and answers that are streams of messages.
const streamType = "application/connect+proto"

// stream sends a program and hands the messages of its answer to each, until that wants no more.
func (c *Client) stream(ctx context.Context, p *program, each func(*answered) (more bool, err error)) error {
	return c.guarded(p, func(s *site) error {
		ctx, cancel := c.deadline(ctx)
		defer cancel()
		var body io.ReadCloser
		var first *answered
		err := c.ask(ctx, p, s, func(message []byte) (err error) {
			if body, err = c.openStream(ctx, message); err != nil {
				return err
			}
			if first, err = c.nextPart(ctx, body); err != nil { // which may be one to ask again after
				body.Close()
			}
			return err
		})
		if err != nil {
			return err
		}
		defer body.Close()
		for part := first; ; {
			if part == nil {
				return &Error{Code: CodeUnavailable, Reason: "TRANSPORT", Msg: "the answer broke off"}
			}
			if more, err := each(part); err != nil || !more {
				return err
			}
			end := part.end
			if part, err = c.nextPart(ctx, body); err != nil {
				return err
			}
			if part == nil && end {
				return nil
			}
		}
	})
}

// openStream sends a request whose answer is a stream: each message with five bytes before it, flags and its length.
func (c *Client) openStream(ctx context.Context, message []byte) (io.ReadCloser, error) {
	n := len(message)
	enveloped := append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, message...)
	resp, err := c.post(ctx, "Stream", streamType, enveloped)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, err := readAll(resp, c.cfg.MaxAnswer)
		if err != nil {
			return nil, localError(ctx, err)
		}
		return nil, refused(resp, body)
	}
	if got := resp.Header.Get("Content-Type"); got != streamType {
		resp.Body.Close()
		return nil, c.stranger(got)
	}
	return resp.Body, nil
}

const (
	flagCompressed = 1 << 0
	flagEnd        = 1 << 1
)

// nextPart reads a message of a stream; nil at its end.
func (c *Client) nextPart(ctx context.Context, body io.Reader) (*answered, error) {
	var head [5]byte
	if _, err := io.ReadFull(body, head[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the answer broke off")
		}
		return nil, localError(ctx, err)
	}
	n := int64(head[1])<<24 | int64(head[2])<<16 | int64(head[3])<<8 | int64(head[4])
	switch {
	case n > c.cfg.MaxAnswer:
		return nil, c.tooLong()
	case head[0]&flagCompressed != 0:
		return nil, decodeError("the answer is compressed, though nobody asked for that")
	}
	var message bytes.Buffer // which takes no memory for what does not come
	if _, err := io.CopyN(&message, body, n); err != nil {
		return nil, localError(ctx, err)
	}
	if head[0]&flagEnd == 0 {
		part, err := readAnswer(message.Bytes())
		return &part, err
	}
	var end struct{ Error json.RawMessage }
	if err := json.Unmarshal(message.Bytes(), &end); err != nil {
		return nil, decodeError("the end of the answer: %v", err)
	}
	if end.Error != nil {
		return nil, answeredError(http.StatusOK, end.Error)
	}
	return nil, nil
}

// stream calls the handler in a goroutine of its own, so that what it writes can be read while it does.
func (p inProcess) stream(req *http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	out := &piper{header: http.Header{}, body: w, begun: make(chan struct{})}
	go func() {
		err := p.serve(out, req)
		if out.status == 0 && err != nil {
			out.failed = err
			close(out.begun)
			return
		}
		out.WriteHeader(http.StatusOK)
		w.CloseWithError(err) // io.EOF if that is nil
	}()
	select {
	case <-out.begun:
		if out.failed != nil {
			return nil, out.failed
		}
		return response(req, out.status, out.sent, r, -1), nil
	case <-req.Context().Done():
		r.Close()
		return nil, req.Context().Err()
	}
}

// piper hands on what a handler writes. Only the handler's goroutine writes to it.
type piper struct {
	header, sent http.Header
	status       int
	begun        chan struct{} // closed when status and sent are there, or failed is
	failed       error
	body         *io.PipeWriter
}

// Header is part of [http.ResponseWriter], as are WriteHeader and Write.
func (w *piper) Header() http.Header { return w.header }

// WriteHeader begins the response.
func (w *piper) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *piper) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush does nothing: what is written has been handed on.
func (w *piper) Flush() {}
