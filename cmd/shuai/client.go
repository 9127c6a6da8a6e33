package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/api"
)

// client asks a running server; commands embed it for its flag.
type client struct {
	Server string `default:"http://127.0.0.1:7700" placeholder:"URL" env:"SHUAI_SERVER" help:"Ask this server. (${default})"`
}

const (
	askTimeout = time.Minute
	maxAnswer  = 1 << 30 // bytes
)

// ask gets a path of the API. The answer is decoded into v, if not nil, and returned as it came.
func (c *client) ask(ctx context.Context, path string, query url.Values, v any) ([]byte, error) {
	return c.do(ctx, http.MethodGet, path, query, nil, v)
}

// show asks, and prints the answer as it came if output is json. printed says so; else the answer is in v.
func (c *client) show(ctx context.Context, out io.Writer, output, path string, query url.Values, v any) (printed bool, err error) {
	body, err := c.ask(ctx, path, query, v)
	if err == nil && output == "json" {
		_, err = fmt.Fprintf(out, "%s\n", body)
		return true, err
	}
	return false, err
}

// do is ask by any method, with a body.
func (c *client) do(ctx context.Context, method, path string, query url.Values, content []byte, v any) ([]byte, error) {
	base := strings.TrimRight(c.Server, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	target := base + api.Prefix + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, which is said below
		}
		return nil, fmt.Errorf("no server answers at %s: %w\nStart one with \"shuai serve\", or name it with --server or SHUAI_SERVER", base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", base, err)
	}
	if resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(string(body), "Client sent an HTTP request to an HTTPS server") { // net/http's words
		return nil, fmt.Errorf("what answers at %s speaks TLS: name it as https://…, with --server or SHUAI_SERVER", base)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return nil, fmt.Errorf("what answers at %s is no Shuai server: status %d, %q\nName the right one with --server or SHUAI_SERVER",
			base, resp.StatusCode, plain(resp.Header.Get("Content-Type")))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, answeredError(body, resp.StatusCode, query.Get("q"))
	}
	if v != nil {
		if err := json.Unmarshal(body, v); err != nil {
			return nil, fmt.Errorf("answer of %s: %w", base, err)
		}
	}
	return body, nil
}

// answeredError is the server's message; of a wrong filter, with the place below it.
func answeredError(body []byte, status int, filter string) error {
	var answer struct {
		Error struct {
			Message string
			At      *int
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Message == "" {
		return fmt.Errorf("the server answered with status %d", status)
	}
	msg := plain(answer.Error.Message)
	if at := answer.Error.At; at != nil && *at >= 0 && *at <= len(filter) && len(filter) < 200 {
		msg += "\n  " + plain(filter) + "\n  " + strings.Repeat(" ", width(plain(filter[:*at]))) + "^"
	}
	return errors.New(msg)
}
