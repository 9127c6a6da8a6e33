package main

import (
	"net"
	"strings"
	"testing"
)

// TestDemoNamesEveryTakenAddress: whoever has a server running already is told at once what to change.
func TestDemoNamesEveryTakenAddress(t *testing.T) {
	args := []string{"demo", "--for", "1ms"}
	var want []string
	for _, flag := range []string{"--http", "--otlp-http", "--otlp-grpc", "--web"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		args = append(args, flag, l.Addr().String())
		want = append(want, flag+" "+l.Addr().String()+" is taken")
	}
	code, _, errs := shuaiRun(t, args...)
	if code != 1 || strings.Count(errs, "\n") != len(want) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, s := range want {
		if !strings.Contains(errs, s) {
			t.Errorf("%q does not say %q", errs, s)
		}
	}
	args[4] = "127.0.0.1:0" // --http
	if _, _, errs := shuaiRun(t, args...); strings.Contains(errs, "--http") || !strings.Contains(errs, "--otlp-http") {
		t.Errorf("of a free address and three taken ones it says %q", errs)
	}
}
