package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalOnly(t *testing.T) {
	h := LocalOnly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), []string{"Traces.example"})
	for host, ok := range map[string]bool{
		"127.0.0.1:7700": true, "127.0.0.1": true, "[::1]:7700": true, "::1": true, "10.1.2.3:80": true,
		"localhost:7700": true, "LOCALHOST": true, "shuai.localhost:1": true,
		"traces.example": true, "traces.example:443": true,
		"evil.example": false, "evil.example:7700": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false,
		"traces.example.evil": false, "": false, "\"<script>": false, strings.Repeat("a", 1000): false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := http.StatusMisdirectedRequest
		if ok {
			want = http.StatusNoContent
		}
		if w.Code != want || !ok && !strings.Contains(w.Body.String(), "--host") {
			t.Errorf("Host %.40q: %d %s", host, w.Code, w.Body)
		}
	}
}
