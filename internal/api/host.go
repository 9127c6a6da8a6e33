package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// LocalOnly serves only requests that are addressed to this machine as such: by IP address, by localhost,
// or by one of names. It is for a server that listens on a loopback address and has no other guard: without
// it, any web page could read the API through a name of its own that it lets resolve to 127.0.0.1 (DNS
// rebinding), since to the browser that is the page's own origin.
func LocalOnly(next http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalName(r.Host, names) {
			http.Error(w, "this server listens on localhost and does not answer to the name "+quoteHost(r.Host)+
				"; if a proxy in front of it uses that name, start it with --host NAME", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocalName(host string, names []string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) })
}

// quoteHost shows what a client sent as its Host, within reason.
func quoteHost(host string) string {
	if len(host) > 100 {
		host = host[:100] + "…"
	}
	return `"` + strings.ReplaceAll(host, `"`, "") + `"`
}
