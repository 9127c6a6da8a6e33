package shuai

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		env   map[string]string
		check func(settings) bool
	}{
		{"defaults", Config{}, nil, func(s settings) bool {
			return strings.HasPrefix(s.service, "unknown_service:") && s.url == "http://127.0.0.1:4318/v1/traces" &&
				s.threshold == threshold(0.001) && s.flushEvery == time.Second && s.limit == 8<<20 && !s.gzip && !s.randomIDs
		}},
		{"a field before the environment", Config{Service: "a", Endpoint: "http://a:1", Ratio: 0.5}, map[string]string{
			"SHUAI_SERVICE": "b", "SHUAI_ENDPOINT": "http://b:1", "SHUAI_RATIO": "1",
		}, func(s settings) bool {
			return s.service == "a" && s.url == "http://a:1/v1/traces" && s.threshold == threshold(0.5) && s.gzip
		}},
		{"SHUAI before OTEL", Config{}, map[string]string{
			"SHUAI_SERVICE": "b", "SHUAI_ENDPOINT": "http://b:1/x/", "SHUAI_RATIO": "1",
			"OTEL_SERVICE_NAME": "c", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d:1/t",
			"OTEL_TRACES_SAMPLER": "always_off",
		}, func(s settings) bool {
			return s.service == "b" && s.url == "http://b:1/x/v1/traces" && s.threshold == 0
		}},
		{"OTEL", Config{}, map[string]string{
			"OTEL_SERVICE_NAME": "c", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
			"OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
		}, func(s settings) bool {
			return s.service == "c" && s.url == "http://c:1/v1/traces" && s.threshold == threshold(0.25) && !s.gzip
		}},
		{
			"an endpoint for traces is used as it is",
			Config{},
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d:1/t"},
			func(s settings) bool { return s.url == "http://d:1/t" },
		},
		{"always_on", Config{}, map[string]string{"OTEL_TRACES_SAMPLER": "always_on"}, func(s settings) bool { return s.threshold == 0 }},
		{"always_off", Config{}, map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, func(s settings) bool { return s.threshold == 1<<56 }},
		{"traceidratio alone is all", Config{}, map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio"}, func(s settings) bool { return s.threshold == 0 }},
		{"a sampler we do not have", Config{}, map[string]string{"OTEL_TRACES_SAMPLER": "jaeger_remote"}, func(s settings) bool { return s.threshold == threshold(0.001) }},
		{"0 in the environment is none", Config{}, map[string]string{"SHUAI_RATIO": "0"}, func(s settings) bool { return s.threshold == 1<<56 }},
		{
			"resource",
			Config{Resource: map[string]string{"b": "3"}},
			map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=res, a=x%2Cy ,b=2,"},
			func(s settings) bool {
				return s.service == "res" && maps.Equal(s.resource, map[string]string{"a": "x,y", "b": "3"})
			},
		},
		{
			"headers",
			Config{Headers: map[string]string{"x": "2"}},
			map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20t,x=1"},
			func(s settings) bool {
				return maps.Equal(s.headers, map[string]string{"authorization": "Bearer t", "x": "2"})
			},
		},
		{"random ids", Config{}, map[string]string{"SHUAI_IDS": "random"}, func(s settings) bool { return s.randomIDs }},
		{"no key", Config{}, map[string]string{"SHUAI_ID_KEY": ""}, func(s settings) bool { return s.idKey == nil }},
		{"a key", Config{}, map[string]string{"SHUAI_ID_KEY": exampleKey}, func(s settings) bool { return s.idKey.rounds[0] == 0x03020100 }},
		{"a field's key", Config{IDKey: "0000000000000000000000000000000F"}, map[string]string{"SHUAI_ID_KEY": exampleKey}, func(s settings) bool { return s.idKey.rounds[0] == 15 }},
		{"random ids need no key", Config{}, map[string]string{"SHUAI_IDS": "random", "SHUAI_ID_KEY": exampleKey}, func(s settings) bool { return s.randomIDs }},
		{"disabled", Config{}, map[string]string{"OTEL_SDK_DISABLED": "True"}, func(s settings) bool { return s.disabled }},
		{"IPv6 loopback", Config{Endpoint: "http://[::1]:4318"}, nil, func(s settings) bool { return !s.gzip }},
		{"localhost, gzip asked for", Config{Endpoint: "http://localhost:4318", Compression: "gzip"}, nil, func(s settings) bool { return s.gzip }},
	} {
		s, err := tt.cfg.resolve(func(k string) string { return tt.env[k] })
		if err != nil || !tt.check(s) {
			t.Errorf("%s: %+v, %v", tt.name, s, err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		env  map[string]string
		want string
	}{
		{Config{Endpoint: "collector:4318"}, nil, `Endpoint: "collector:4318" is not the URL of a collector`},
		{Config{Endpoint: "http://"}, nil, "is not the URL"},
		{Config{Endpoint: "http://a/?b=c"}, nil, "has a query"},
		{Config{Endpoint: "http://a\x7f"}, nil, "invalid control character"},
		{Config{}, map[string]string{"SHUAI_RATIO": "10%"}, `SHUAI_RATIO: "10%" is not a ratio`},
		{Config{}, map[string]string{"SHUAI_RATIO": "-1"}, "from 0 (none) to 1 (all)"},
		{Config{}, map[string]string{"SHUAI_RATIO": "NaN"}, "is not a ratio"},
		{Config{}, map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "x"}, "OTEL_TRACES_SAMPLER_ARG"},
		{Config{}, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "novalue"}, "OTEL_RESOURCE_ATTRIBUTES"},
		{Config{}, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "a=%zz"}, "value of a"},
		{Config{Headers: map[string]string{"bad name": "x"}}, nil, `"bad name" is not a valid HTTP header`},
		{Config{Headers: map[string]string{"x": "a\nb"}}, nil, `"x" is not a valid`},
		{Config{Compression: "zstd"}, nil, `"zstd" is neither gzip nor none`},
		{Config{IDs: "uuid"}, nil, `"uuid" is neither structured nor random`},
		{Config{}, map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "nowhere.pem"}, "OTEL_EXPORTER_OTLP_CERTIFICATE: open nowhere.pem"},
		{Config{}, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "config_test.go"}, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: config_test.go has no certificate in PEM"},
		{Config{}, map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_KEY": "key.pem"}, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and its key"},
	} {
		_, err := tt.cfg.resolve(func(k string) string { return tt.env[k] })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v %v: %v, want %s", tt.cfg, tt.env, err, tt.want)
		}
	}
	if _, err := New(Config{Endpoint: "x"}); err == nil {
		t.Error("New takes what resolve refuses")
	}
	if stop, err := Start(Config{Endpoint: "x"}); err == nil || stop != nil {
		t.Error("Start takes what resolve refuses")
	}
}

func TestUnknownSamplerIsLogged(t *testing.T) {
	var log bytes.Buffer
	env := map[string]string{"OTEL_TRACES_SAMPLER": "xray"}
	cfg := Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := cfg.resolve(func(k string) string { return env[k] }); err != nil || !strings.Contains(log.String(), "sampler=xray") {
		t.Errorf("%v, log %q", err, log.String())
	}
}

func TestDisabled(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	tr, c := testTracer(t, Config{})
	_, s := tr.StartSpan(t.Context(), "x", KindServer)
	s.End()
	if err := tr.Stop(t.Context()); err != nil || s.Recording() {
		t.Errorf("%v, recording %v", err, s.Recording())
	}
	if _, n := c.spans(t); n != 0 || s.SpanID() == 0 {
		t.Errorf("%d requests, span %s", n, s)
	}
}

func TestResource(t *testing.T) {
	id := identity{ids: newIDSource(0x0a112a07, 15443), layout: "ipv4", ip: exampleTrace.IPv4(), pid: 15443}
	key := mustIDKey(t, exampleKey)
	for _, tt := range []struct {
		s    settings
		want []Attr
		not  string
	}{
		{settings{service: "web", resource: map[string]string{"b": "2", "a": "1", "host.name": "mine"}}, []Attr{
			String("service.name", "web"), String("telemetry.sdk.name", "shuai"), String("telemetry.sdk.language", "go"),
			String("shuai.id.layout", "ipv4"), String("shuai.id.ip", "10.17.42.7"), Int("shuai.id.pid", 15443),
			String("a", "1"), String("b", "2"), String("host.name", "mine"),
		}, ""},
		{settings{service: "web", idKey: key}, []Attr{
			String("shuai.id.layout", "ipv4-keyed"), String("shuai.id.ip", "10.17.42.7"), Int("shuai.id.pid", 15443),
		}, ""},
		{settings{service: "web", randomIDs: true, idKey: key}, []Attr{String("shuai.id.layout", "random")}, "shuai.id.pid"},
		{settings{service: "web", randomIDs: true}, []Attr{String("shuai.id.layout", "random")}, "shuai.id.pid"},
	} {
		got := map[string]Attr{}
		attrs := resourceOf(tt.s, id)
		for _, a := range attrs {
			got[a.key] = a
		}
		if len(got) != len(attrs) {
			t.Errorf("a key twice in %v", attrs)
		}
		for _, w := range tt.want {
			if g := got[w.key]; g.text() != w.text() || g.num != w.num {
				t.Errorf("%s: %+v, want %+v", w.key, g, w)
			}
		}
		if _, ok := got[tt.not]; ok {
			t.Errorf("%s is published", tt.not)
		}
	}
}
