package shuaihttp_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/fuwu-project/fuwu/shuai"
)

// span is what a test wants to know of one.
type span struct {
	trace, id, parent string
	name              string
	kind              shuai.Kind
	status            shuai.Status
	message           string
	attrs             map[string]string
	events            []string // name and message of each
}

// collector receives OTLP over a socket.
type collector struct {
	tracer *shuai.Tracer
	mu     sync.Mutex
	bodies [][]byte
}

func newCollector(t *testing.T, ratio float64) *collector {
	t.Helper()
	c := &collector{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			http.NotFound(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, body)
	}))
	t.Cleanup(srv.Close)
	tr, err := shuai.New(shuai.Config{Service: "test", Endpoint: srv.URL, Ratio: ratio})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Stop(context.Background()) })
	c.tracer = tr
	return c
}

// spans stops the tracer and returns what was received, servers before clients.
func (c *collector) spans(t *testing.T) (spans []span) {
	t.Helper()
	if err := c.tracer.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.bodies {
		for _, rs := range parse(t, body)[1] {
			for _, ss := range parse(t, rs)[2] {
				for _, s := range parse(t, ss)[2] {
					spans = append(spans, decode(t, s))
				}
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.kind) - int(b.kind) })
	return spans
}

func decode(t *testing.T, b []byte) span {
	m := parse(t, b)
	s := span{
		trace: hex.EncodeToString(only(m[1])), id: hex.EncodeToString(only(m[2])), parent: hex.EncodeToString(only(m[4])),
		name: string(only(m[5])), kind: shuai.Kind(number(only(m[6]))), attrs: attributes(t, m[9]),
	}
	for _, e := range m[11] {
		event := parse(t, e)
		s.events = append(s.events, string(only(event[2]))+": "+attributes(t, event[3])["exception.message"])
	}
	status := parse(t, only(m[15]))
	s.status, s.message = shuai.Status(number(only(status[3]))), string(only(status[2]))
	return s
}

func attributes(t *testing.T, list [][]byte) map[string]string {
	attrs := map[string]string{}
	for _, b := range list {
		kv := parse(t, b)
		value := parse(t, only(kv[2]))
		for field := range maps.Keys(value) {
			v := only(value[field])
			switch field {
			case 1:
				attrs[string(only(kv[1]))] = string(v)
			case 2, 3:
				attrs[string(only(kv[1]))] = strconv.FormatInt(int64(number(v)), 10)
			case 4:
				attrs[string(only(kv[1]))] = strconv.FormatFloat(math.Float64frombits(number(v)), 'g', -1, 64)
			}
		}
	}
	return attrs
}

func only(values [][]byte) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}

func number(b []byte) (v uint64) {
	for _, c := range slices.Backward(b) {
		v = v<<8 | uint64(c)
	}
	return v
}

// parse splits a protobuf message into the values of each field; numbers as little-endian bytes.
func parse(t *testing.T, b []byte) map[int][][]byte {
	t.Helper()
	m := map[int][][]byte{}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		b = b[n:]
		var value []byte
		switch tag & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			value, b = binary.LittleEndian.AppendUint64(nil, v), b[n:]
		case 1:
			value, b = b[:8], b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			value, b = b[n:n+int(size)], b[n+int(size):]
		case 5:
			value, b = b[:4], b[4:]
		default:
			t.Fatalf("wire type %d", tag&7)
		}
		m[int(tag>>3)] = append(m[int(tag>>3)], value)
	}
	return m
}
