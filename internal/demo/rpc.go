package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// The site's services call each other by JSON over HTTP: POST /rpc/{service}/{method}, argument and
// result in the bodies, an error as status 500 with its text. Both halves of a call are spans of one
// span type, "service.method".

const maxRPCBytes = 1 << 20

// rpcMethods are what a service answers, by "service/method".
type rpcMethods map[string]func(ctx context.Context, arg json.RawMessage) (any, error)

// rpcMethod makes a typed function a method.
func rpcMethod[A, R any](f func(context.Context, A) (R, error)) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var arg A
		if err := json.Unmarshal(raw, &arg); err != nil {
			return nil, fmt.Errorf("argument: %w", err)
		}
		return f(ctx, arg)
	}
}

func rpcAttributes(method string) []shuai.Attr {
	return []shuai.Attr{shuai.String("rpc.system.name", "json-over-http"), shuai.String("rpc.method", method)}
}

// ServeHTTP answers one call.
func (m rpcMethods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.URL.Path, "/rpc/")
	method, ok := m[name]
	if !ok || r.Method != http.MethodPost {
		http.Error(w, "no such method: "+r.Method+" "+r.URL.Path, http.StatusNotFound)
		return
	}
	span := shuai.SpanFromContext(r.Context())
	span.SetName(name)
	span.Set(rpcAttributes(name)...)
	arg, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRPCBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := method(r.Context(), arg)
	if err != nil {
		span.Error(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(result); err != nil {
		span.Error(err)
	}
}

// rpcClient calls one service.
type rpcClient struct {
	base string
	http *http.Client
}

// newRPCClient returns a client that counts its calls.
func newRPCClient(addr net.Addr, sent *atomic.Int64) rpcClient {
	// Its own pool of connections: closed with the site.
	pool := &counter{http.Transport{MaxIdleConnsPerHost: 256}, sent}
	return rpcClient{"http://" + addr.String() + "/rpc/", &http.Client{Transport: shuaihttp.NewTransport(pool, shuaihttp.Config{})}}
}

type counter struct {
	http.Transport
	sent *atomic.Int64
}

// RoundTrip counts, and sends.
func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	return c.Transport.RoundTrip(r)
}

func (c rpcClient) close() { c.http.CloseIdleConnections() }

// rpcCall calls "service/method" in the span of ctx.
func rpcCall[R any](ctx context.Context, c rpcClient, method string, arg any) (result R, err error) {
	body, err := json.Marshal(arg)
	if err != nil {
		return result, fmt.Errorf("%s: %w", method, err)
	}
	ctx = shuaihttp.WithCall(ctx, method, append(rpcAttributes(method), shuai.Caller(ctx, 1)...)...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+method, bytes.NewReader(body))
	if err != nil {
		return result, fmt.Errorf("%s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return result, fmt.Errorf("%s: %w", method, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxRPCBytes))
	if err != nil {
		return result, fmt.Errorf("%s: %w", method, err)
	}
	if resp.StatusCode != http.StatusOK {
		return result, fmt.Errorf("%s: %w", method, errors.New(strings.TrimSpace(string(answer))))
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return result, fmt.Errorf("%s: %w", method, err)
	}
	return result, nil
}
