package main

import (
	"strings"
	"testing"
)

// Ids made under a key are read with it, from the flag or the environment, and are nonsense without it.
func TestIDKey(t *testing.T) {
	const (
		key    = "1b1a1918131211100b0a090803020100"
		plain  = "6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000"
		hidden = "04408e83d31005059f3b6c1de85a7042-1ea214f4f86a15c6"
		says   = "2026-11-22 20:00:00.25 UTC, root on 10.17.42.7, span on x.x.42.7, pid 15443 "
	)
	for name, tt := range map[string]struct {
		env  string
		args []string
		read bool
	}{
		"no key, plain":                     {"", []string{plain}, true},
		"no key":                            {"", []string{hidden}, false},
		"flag":                              {"", []string{"--key", key, hidden}, true},
		"flag, plain":                       {"", []string{"--key", key, plain}, false},
		"environment":                       {key, []string{hidden}, true},
		"environment, traceparent":          {key, []string{"00-" + hidden + "-03"}, true},
		"flag before environment":           {key[2:] + "00", []string{"--key", key, hidden}, true},
		"plain, whatever the environment":   {key, []string{"--key", "", plain}, true},
		"another key":                       {"", []string{"--key", key[2:] + "00", hidden}, false},
		"a traceparent and a pair, by flag": {"", []string{"--key", strings.ToUpper(key), "00-" + hidden + "-03", hidden}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SHUAI_ID_KEY", tt.env)
			code, out, errs := shuaiRun(t, append([]string{"id"}, tt.args...)...)
			if code != 0 || errs != "" || strings.Contains(out, says) != tt.read {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
		})
	}

	for _, args := range [][]string{{"id", plain, "--key", "secret-of-the-fleet"}, {"id", plain, "--key=" + key[1:] + "x"}} {
		code, out, errs := shuaiRun(t, args...)
		if code != 1 || out != "" || !strings.Contains(errs, "shuai id: --key (SHUAI_ID_KEY): want 32 hex digits") ||
			strings.Contains(errs, "secret") || strings.Contains(errs, key[1:6]) {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, errs)
		}
	}
	code, out, _ := shuaiRun(t, "id", "--help")
	for _, want := range []string{"--key", "$SHUAI_ID_KEY", "another key"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and no %q in %s", code, want, out)
		}
	}
}
