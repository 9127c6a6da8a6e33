package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// fetch returns the status and body at an address of a running server.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// What a sender sends moves the metrics, and Jaeger's clients find it.
func TestObserved(t *testing.T) {
	s := startServe(t, "--data", filepath.Join(t.TempDir(), "data"))
	post(t, s.otlpHTTP, oneSpan)
	if code, body := fetch(t, s.otlpHTTP+"/v1/traces"); code != http.StatusMethodNotAllowed {
		t.Errorf("GET of the collector: %d %s", code, body)
	}
	code, metrics := fetch(t, s.ui+"/metrics")
	for _, want := range []string{
		"\nshuai_ingest_requests_total 1\n", "\nshuai_ingest_spans_total 1\n", "\nshuai_ingest_in_flight_bytes 0\n", "\nshuai_store_spans 1\n",
		"\nshuai_ingest_refused_requests_total{reason=\"unsupported\"} 1\n", "\nshuai_ingest_refused_requests_total{reason=\"store_full\"} 0\n",
	} {
		if code != 200 || !strings.Contains(metrics, want) {
			t.Errorf("%d, no %q in\n%s", code, want, metrics)
		}
	}
	if code, body := fetch(t, s.ui+"/api/services"); code != 200 || !strings.Contains(body, `["web"]`) {
		t.Errorf("/api/services: %d %s", code, body)
	}
	if code, body := fetch(t, s.ui+"/api/traces/6b0349c00a112a079f3b6c1de85a7042"); code != 200 || !strings.Contains(body, `"operationName":"GET /"`) {
		t.Errorf("/api/traces: %d %s", code, body)
	}
}

// A server that has been told to stop says so for as long as somebody's request is under way: it is still
// alive, but nobody should send it more.
func TestReadyUntilToldToStop(t *testing.T) {
	s := startServe(t, "--data", filepath.Join(t.TempDir(), "data"))
	if code, body := fetch(t, s.ui+"/readyz"); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	var d net.Dialer
	slow, err := d.DialContext(context.WithoutCancel(t.Context()), "tcp", strings.TrimPrefix(s.otlpHTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	const head = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
	if _, err := io.WriteString(slow, head); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(slow)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it waits for the body now
		t.Fatalf("%q %v", line, err)
	}
	stopped := make(chan int, 1)
	go func() {
		code, _ := s.stop()
		stopped <- code
	}()
	for {
		code, body := fetch(t, s.ui+"/readyz")
		if code == http.StatusOK { // not yet told
			continue
		}
		if code != http.StatusServiceUnavailable || body != "the server is stopping\n" {
			t.Errorf("%d %s", code, body)
		}
		break
	}
	if code, _ := fetch(t, s.ui+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	if _, err := io.WriteString(slow, "{}"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(answers); err != nil || !strings.Contains(string(rest), "200 OK") {
		t.Errorf("the request under way was answered %q, %v", rest, err)
	}
	if code := <-stopped; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
