package redeye

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"
)

// InProcess carries requests to h without a network, for tests and for a server that asks itself:
//
//	client := redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(handler)}})
//
// h is called with the caller's context, in the goroutine of the caller unless the answer is a stream. Should it panic, the query fails with an error
// INTERNAL, as it would if there were a network in between.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

// RoundTrip calls the handler.
func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context()) // a RoundTripper must not touch what it is given
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "in-process"
	if req.Body == nil {
		req.Body = http.NoBody
	}
	if req.Header.Get("Content-Type") == streamType {
		return p.stream(req)
	}
	w := &recorder{header: http.Header{}}
	if err := p.serve(w, req); err != nil {
		return nil, err
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK) // if nothing was written
	return response(req, w.status, w.sent, io.NopCloser(&w.body), int64(w.body.Len())), nil
}

// serve calls the handler, and returns a panic of it as an error.
func (p inProcess) serve(w http.ResponseWriter, req *http.Request) (err error) {
	defer req.Body.Close()
	defer func() {
		if bug := recover(); bug != nil {
			err = &Error{Code: CodeInternal, Reason: "TRANSPORT", Msg: "the handler panicked", Cause: fmt.Errorf("%v\n%s", bug, debug.Stack())}
		}
	}()
	p.handler.ServeHTTP(w, req)
	return nil
}

func response(req *http.Request, status int, header http.Header, body io.ReadCloser, length int64) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: length, Request: req,
	}
}

// recorder keeps what a handler writes.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // not an interim one
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// post sends a request of the service redeye.v1.Redeye as Connect does (connectrpc.com/docs/protocol).
func (c *Client) post(ctx context.Context, method, contentType string, message []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/redeye.v1.Redeye/"+method, bytes.NewReader(message))
	if err != nil {
		return nil, buildError("the server's address: %v", err)
	}
	maps.Copy(req.Header, c.cfg.Header)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Connect-Protocol-Version", "1")
	req.Header.Set("Accept-Encoding", "identity") // compressing costs more time than it saves next door
	if deadline, ok := ctx.Deadline(); ok {
		left := max(1, time.Until(deadline).Milliseconds())
		req.Header.Set("Connect-Timeout-Ms", strconv.FormatInt(min(left, 9_999_999_999), 10))
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = fmt.Errorf("no server answers at %s: %w", c.base, e.Err)
		}
		return nil, localError(ctx, err)
	}
	return resp, nil
}

// exchange sends a message, and returns the one that is answered. The error is an [*Error].
func (c *Client) exchange(ctx context.Context, method string, message []byte) ([]byte, error) {
	resp, err := c.post(ctx, method, "application/proto", message)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp, c.cfg.MaxAnswer)
	switch {
	case errors.Is(err, errTooLong):
		return nil, c.tooLong()
	case err != nil:
		return nil, localError(ctx, err)
	case resp.StatusCode != http.StatusOK:
		return nil, refused(resp, body)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/proto" {
		return nil, c.stranger(got)
	}
	return body, nil
}

func (c *Client) tooLong() *Error {
	return &Error{
		Code: CodeResourceExhausted, Reason: "ANSWER_SIZE", Limit: uint64(c.cfg.MaxAnswer), Budget: "answer",
		Msg: fmt.Sprintf("the answer is longer than %d bytes; ask for fewer rows, or raise Config.MaxAnswer", c.cfg.MaxAnswer),
	}
}

// stranger is of an answer of another type than Redeye's.
func (c *Client) stranger(contentType string) *Error {
	return &Error{
		Code: CodeUnknown, Reason: "TRANSPORT", Msg: fmt.Sprintf("what answers at %s is no Redeye server: its answer is of the type %.100q", c.base, contentType),
	}
}

var errTooLong = errors.New("too long")

// readAll reads a body whose length is mostly known, so that it is read into one allocation.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, errTooLong
	}
	if resp.ContentLength >= 0 {
		body := make([]byte, resp.ContentLength)
		if _, err := io.ReadFull(resp.Body, body); err != nil {
			return nil, err
		}
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, errTooLong
	}
	return body, err
}
