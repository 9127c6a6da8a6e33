package redeye_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// envelope is a message of a stream.
func envelope(flags byte, message []byte) string {
	n := len(message)
	return string([]byte{flags, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + string(message)
}

// streaming answers any request with these bytes, and with this type.
func streaming(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	})
}

func clientOf(h http.Handler) *redeye.Client {
	return redeye.NewClient("", redeye.Config{HTTP: &http.Client{Transport: redeye.InProcess(h)}, MaxAnswer: 1000})
}

// collect takes the rows of a stream, and the error that ends it.
func collect(c *redeye.Client) (rows []int64, rep redeye.Report, err error) {
	stream := redeye.Stream(context.Background(), c, redeye.Text[[]int64]("xs", nil))
	for row, rowErr := range stream.All() {
		if rowErr != nil {
			return rows, stream.Report, rowErr
		}
		rows = append(rows, row)
	}
	return rows, stream.Report, nil
}

// Whatever comes, there are rows and then the end or an error that says what is wrong.
func TestStreamAnswers(t *testing.T) {
	const connect = "application/connect+proto"
	part := func(json string) string { return envelope(0, answerOf(t, "list<int>", json)) }
	usage := pb.AppendMessage(nil, 6, func(b []byte) []byte { return pb.AppendUint(b, 6, 4) })
	last := envelope(0, pb.AppendBool(usage, 8, true))
	end := envelope(2, []byte("{}"))
	for name, test := range map[string]struct{ contentType, body, rows, err string }{
		"parts":               {connect, part("[1,2]") + part("[3]") + last + end, "[1 2 3]", ""},
		"no rows":             {connect, part("[]") + last + end, "[]", ""},
		"end metadata":        {connect, last + envelope(2, []byte(`{"metadata": {"a": ["b"]}}`)), "[]", ""},
		"an error at once":    {connect, envelope(2, []byte(`{"error": {"code": "not_found", "message": "no such"}}`)), "[]", "NOT_FOUND: no such"},
		"an error in between": {connect, part("[1]") + envelope(2, []byte(`{"error": {"code": "out_of_range", "message": "div"}}`)), "[1]", "OUT_OF_RANGE: div"},
		"breaks off":          {connect, part("[1]"), "[1]", "UNAVAILABLE: the answer broke off"},
		"breaks off early":    {connect, "", "[]", "UNAVAILABLE: the answer broke off"},
		"breaks off inside":   {connect, part("[1]") + part("[2]")[:7], "[1]", "UNAVAILABLE"},
		"no end":              {connect, part("[1]") + end, "[1]", "UNAVAILABLE: the answer broke off"},
		"nothing but an end":  {connect, end, "[]", "UNAVAILABLE: the answer broke off"},
		"too long":            {connect, part("[1]") + envelope(0, make([]byte, 1001)), "[1]", "longer than 1000 bytes"},
		"a lie about length":  {connect, "\x00\xff\xff\xff\xff", "[]", "longer than 1000 bytes"},
		"compressed":          {connect, envelope(1, []byte("x")), "[]", "compressed"},
		"no message":          {connect, envelope(0, []byte{0xff}), "[]", "the answer"},
		"another type":        {connect, envelope(0, answerOf(t, "list<string>", `["a"]`)) + last + end, "[]", "DECODE"},
		"no JSON at the end":  {connect, last + envelope(2, []byte("{")), "[]", "the end of the answer"},
		"another server":      {"text/html", "<html>", "[]", "no Redeye server"},
	} {
		rows, rep, err := collect(clientOf(streaming(test.contentType, test.body)))
		if fmt.Sprint(rows) != test.rows {
			t.Errorf("%s: rows %v", name, rows)
		}
		e, typed := errors.AsType[*redeye.Error](err)
		switch {
		case test.err == "" && (err != nil || rep.Usage.Calls != 4 && name != "no rows" && name != "end metadata"):
			t.Errorf("%s: %v, %+v", name, err, rep)
		case test.err != "" && (!typed || !strings.Contains(e.Error()+e.Reason, test.err) || !strings.Contains(e.Site, "stream_test.go")):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(envelope(0, []byte("\x0a\x09list<int>\x12\x02\x08\x01")) + envelope(2, []byte("{}"))))
	f.Add([]byte(envelope(2, []byte(`{"error": {"code": "x", "details": [{"type": "redeye.v1.ErrorDetail", "value": "CgFh"}]}}`))))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, _, err := collect(clientOf(streaming("application/connect+proto", string(body))))
		if err == nil && !bytes.Contains(body, []byte{2, 0, 0, 0}) {
			t.Errorf("%d rows, and an end that was not sent", len(rows))
		}
		if _, typed := errors.AsType[*redeye.Error](err); err != nil && !typed {
			t.Errorf("%T %v", err, err)
		}
	})
}

// Whoever leaves the loop cancels the request; a loop begun again asks again.
func TestStreamIsLeft(t *testing.T) {
	asked, ended := 0, make(chan struct{}, 10)
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/connect+proto")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, envelope(0, answerOf(t, "list<int>", "[1,2,3]")))
		}
		ended <- struct{}{}
	})
	stream := redeye.Stream(t.Context(), clientOf(endless), redeye.Text[[]int64]("xs", nil))
	for range 2 {
		taken := 0
		for _, err := range stream.All() {
			if err != nil {
				t.Fatal(err)
			}
			if taken++; taken == 5 {
				break
			}
		}
		<-ended
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// A handler that panics is an error of the query, as it would be with a network in between.
func TestInProcessHandlerPanics(t *testing.T) {
	c := clientOf(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }))
	late := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/connect+proto")
		_, _ = io.WriteString(w, envelope(0, answerOf(t, "list<int>", "[1]")))
		panic("a bug")
	}))
	_, err := redeye.Text[[]int64]("xs", nil).Run(t.Context(), c)
	_, _, streamErr := collect(c)
	rows, _, lateErr := collect(late)
	for _, err := range []error{err, streamErr, lateErr} {
		e, ok := errors.AsType[*redeye.Error](err)
		if !ok || e.Code != redeye.CodeInternal || !strings.Contains(fmt.Sprint(e.Cause), "a bug") {
			t.Errorf("%v", err)
		}
	}
	if len(rows) != 1 {
		t.Error(rows)
	}
}
