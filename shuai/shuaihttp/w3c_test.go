package shuaihttp_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaihttp"
)

// The cases of W3C's own test suite for services (github.com/w3c/trace-context, test/test.py, at strictness 2 and level 2): what a service
// that gets these headers sends to the services that it calls.
func TestW3C(t *testing.T) {
	const (
		trace  = "12345678901234567890123456789012"
		parent = "1234567890123456"
		head   = "00-" + trace + "-" + parent + "-"
		tp     = "traceparent: " + head + "00\n"
	)
	members := func(from, to int) string {
		var m []string
		for i := from; i <= to; i++ {
			n := string([]byte{'0' + byte(i/10), '0' + byte(i%10)})
			m = append(m, "bar"+n+"="+n)
		}
		return strings.Join(m, ",")
	}
	z256 := strings.Repeat("z", 256)
	tenants := []string{strings.Repeat("t", 241) + "@" + strings.Repeat("v", 14), strings.Repeat("t", 242) + "@v", "t@" + strings.Repeat("v", 15)}
	var keyChars, valueChars strings.Builder
	keyChars.WriteString("a0123456789")
	for c := byte('a'); c <= 'z'; c++ {
		keyChars.WriteByte(c)
	}
	keyChars.WriteString("_-*/")
	for c := byte(' '); c <= '~'; c++ {
		if c != ',' && c != '=' {
			valueChars.WriteByte(c)
		}
	}
	all := keyChars.String() + "=" + strings.TrimLeft(valueChars.String(), " ")
	vendor := "t" + keyChars.String() + "@v" + keyChars.String() + "=" + strings.TrimLeft(valueChars.String(), " ")

	for _, tt := range []struct {
		name, headers string
		inherits      bool
		state         string
	}{
		{"both missing", "", false, ""},
		{"tracestate missing", "traceparent: " + head + "01\n", true, ""},
		{"traceparent twice", "traceparent: 00-12345678901234567890123456789011-" + parent + "-01\ntraceparent: " + head + "01\n", false, ""},
		{"trace-parent", "trace-parent: " + head + "01\n", false, ""},
		{"trace.parent", "trace.parent: " + head + "01\n", false, ""},
		{"TraceParent", "TraceParent: " + head + "01\n", true, ""},
		{"TrAcEpArEnT", "TrAcEpArEnT: " + head + "01\n", true, ""},
		{"TRACEPARENT", "TRACEPARENT: " + head + "01\n", true, ""},
		{"version 00 with a dot", "traceparent: " + head + "01.\n", false, ""},
		{"version 00 with more", "traceparent: " + head + "01-what-the-future-will-be-like\n", false, ""},
		{"version cc", "traceparent: cc-" + trace + "-" + parent + "-01\n", true, ""},
		{"version cc with more", "traceparent: cc-" + trace + "-" + parent + "-01-what-the-future-will-be-like\n", true, ""},
		{"version cc with a dot", "traceparent: cc-" + trace + "-" + parent + "-01.what-the-future-will-be-like\n", false, ""},
		{"version ff", "traceparent: ff-" + trace + "-" + parent + "-01\n", false, ""},
		{"version .0", "traceparent: .0-" + trace + "-" + parent + "-01\n", false, ""},
		{"version 0.", "traceparent: 0.-" + trace + "-" + parent + "-01\n", false, ""},
		{"version 000", "traceparent: 000-" + trace + "-" + parent + "-01\n", false, ""},
		{"version 0000", "traceparent: 0000-" + trace + "-" + parent + "-01\n", false, ""},
		{"version 0", "traceparent: 0-" + trace + "-" + parent + "-01\n", false, ""},
		{"trace of zeros", "traceparent: 00-00000000000000000000000000000000-" + parent + "-01\n", false, ""},
		{"trace begins with a dot", "traceparent: 00-." + trace[1:] + "-" + parent + "-01\n", false, ""},
		{"trace ends with a dot", "traceparent: 00-" + trace[:31] + ".-" + parent + "-01\n", false, ""},
		{"trace too long", "traceparent: 00-" + trace + "3-" + parent + "-01\n", false, ""},
		{"trace too short", "traceparent: 00-" + trace[:31] + "-" + parent + "-01\n", false, ""},
		{"parent of zeros", "traceparent: 00-" + trace + "-0000000000000000-01\n", false, ""},
		{"parent begins with a dot", "traceparent: 00-" + trace + "-." + parent[1:] + "-01\n", false, ""},
		{"parent ends with a dot", "traceparent: 00-" + trace + "-" + parent[:15] + ".-01\n", false, ""},
		{"parent too long", "traceparent: 00-" + trace + "-" + parent + "7-01\n", false, ""},
		{"parent too short", "traceparent: 00-" + trace + "-" + parent[:15] + "-01\n", false, ""},
		{"flags .0", "traceparent: " + head + ".0\n", false, ""},
		{"flags 0.", "traceparent: " + head + "0.\n", false, ""},
		{"flags 001", "traceparent: " + head + "001\n", false, ""},
		{"flags 1", "traceparent: " + head + "1\n", false, ""},
		{"space before", "traceparent:   " + head + "01\n", true, ""},
		{"tab before", "traceparent: \t" + head + "01\n", true, ""},
		{"space after", "traceparent: " + head + "01 \n", true, ""},
		{"tab after", "traceparent: " + head + "01\t\n", true, ""},
		{"white space around", "traceparent: \t " + head + "01 \t\n", true, ""},
		{"traceparent missing", "tracestate: foo=1,bar=2\n", false, ""},
		{"tracestate", tp + "tracestate: foo=1,bar=2\n", true, "foo=1,bar=2"},
		{"trace-state", tp + "trace-state: foo=1\n", true, ""},
		{"trace.state", tp + "trace.state: foo=1\n", true, ""},
		{"TraceState", tp + "TraceState: foo=1\n", true, "foo=1"},
		{"TRACESTATE", tp + "TRACESTATE: foo=1\n", true, "foo=1"},
		{"empty tracestate", tp + "tracestate:\n", true, ""},
		{"an empty one after", tp + "tracestate: foo=1\ntracestate:\n", true, "foo=1"},
		{"an empty one before", tp + "tracestate:\ntracestate: foo=1\n", true, "foo=1"},
		{"several headers", tp + "tracestate: foo=1,bar=2\ntracestate: rojo=1,congo=2\ntracestate: baz=3\n", true, "foo=1,bar=2,rojo=1,congo=2,baz=3"},
		{"equal members", tp + "tracestate: foo=1,foo=1\n", true, "foo=1,foo=1"},
		{"a key twice", tp + "tracestate: foo=1\ntracestate: foo=2\n", true, "foo=1,foo=2"},
		{"all characters", tp + "tracestate: " + all + "\n", true, all},
		{"all characters, vendor", tp + "tracestate: " + vendor + "\n", true, vendor},
		{"white space", tp + "tracestate: foo=1 \t , \t bar=2, \t baz=3\n", true, "foo=1,bar=2,baz=3"},
		{"white space around all", tp + "tracestate: \t foo=1 \t\n", true, "foo=1"},
		{"key with a space", tp + "tracestate: foo =1\n", true, ""},
		{"key in upper case", tp + "tracestate: FOO=1\n", true, ""},
		{"key with a dot", tp + "tracestate: foo.bar=1\n", true, ""},
		{"vendor empty", tp + "tracestate: foo@=1,bar=2\n", true, "foo@=1,bar=2"},
		{"tenant empty", tp + "tracestate: @foo=1,bar=2\n", true, ""},
		{"two ats", tp + "tracestate: foo@@bar=1,bar=2\n", true, "foo@@bar=1,bar=2"},
		{"two ats apart", tp + "tracestate: foo@bar@baz=1,bar=2\n", true, "foo@bar@baz=1,bar=2"},
		{"32 members", tp + "tracestate: " + members(1, 20) + "\ntracestate: " + members(21, 32) + "\n", true, members(1, 32)},
		{"33 members", tp + "tracestate: " + members(1, 20) + "\ntracestate: " + members(21, 33) + "\n", true, ""},
		{"key of 256", tp + "tracestate: foo=1\ntracestate: " + z256 + "=1\n", true, "foo=1," + z256 + "=1"},
		{"key of 257", tp + "tracestate: foo=1\ntracestate: z" + z256 + "=1\n", true, ""},
		{"tenant of 241", tp + "tracestate: foo=1\ntracestate: " + tenants[0] + "=1\n", true, "foo=1," + tenants[0] + "=1"},
		{"tenant of 242", tp + "tracestate: foo=1\ntracestate: " + tenants[1] + "=1\n", true, "foo=1," + tenants[1] + "=1"},
		{"vendor of 15", tp + "tracestate: foo=1\ntracestate: " + tenants[2] + "=1\n", true, "foo=1," + tenants[2] + "=1"},
		{"value with equals", tp + "tracestate: foo=bar=baz\n", true, ""},
		{"value empty", tp + "tracestate: foo=,bar=3\n", true, ""},
		{"the random flag", "traceparent: " + head + "02\n", true, ""},
	} {
		tr := newCollector(t, 1).tracer
		var sent [3]shuai.MapCarrier // three calls
		h := shuaihttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for i := range sent {
				ctx, call := shuai.StartSpan(r.Context(), "call", shuai.KindClient)
				sent[i] = shuai.MapCarrier{}
				shuai.Inject(ctx, sent[i])
				call.End()
			}
		}), shuaihttp.Config{Tracer: tr})
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(tt.headers, "\n", "\r\n") + "\r\n")))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		parents := map[string]bool{}
		state := tt.state
		if !tt.inherits {
			state = "ot=th:0" // a new trace, recorded without a choice
		}
		for _, c := range sent {
			p := c["traceparent"]
			if len(p) != 55 || strings.Contains(p, trace) != tt.inherits || c["tracestate"] != state {
				t.Errorf("%s: sent %v", tt.name, c)
				continue
			}
			parents[p[36:52]] = true
			if wantRandom := !tt.inherits || tt.name == "the random flag"; wantRandom != (p[54]&2 != 0) {
				t.Errorf("%s: flags %s", tt.name, p[53:])
			}
		}
		if len(parents) != len(sent) || parents[parent] || parents["0000000000000000"] {
			t.Errorf("%s: parents %v", tt.name, parents)
		}
	}
}
