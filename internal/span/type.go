package span

import (
	"bytes"
	"strings"
)

// Type is the span type of row i: the class under which a call is counted in the statistics.
//
//	a store   its short name: mysql, redis, mc (memcached), beansdb, else db.system.name itself
//	an RPC    service.method
//	HTTP      host route, or host method where no route is known; a server without a host: its name
//	else      the span's name
//
// Attribute names are today's of OpenTelemetry's semantic conventions (1.44) and their older forms.
// A store comes first, since a client of a store may speak RPC or HTTP to it.
func (b *Batch) Type(i int) string {
	r := b.Attrs[i]
	if p, ok := b.firstText(r, "db.system.name", "db.system"); ok {
		return StoreType(string(p))
	}
	method, hasMethod := b.lookupText(r, "rpc.method")
	service, hasService := b.lookupText(r, "rpc.service")
	switch {
	case hasMethod && bytes.IndexByte(method, '/') >= 0: // fully qualified: pkg.Service/Method
		return strings.ReplaceAll(strings.TrimPrefix(string(method), "/"), "/", ".")
	case hasMethod && hasService:
		return string(service) + "." + string(method)
	case hasMethod:
		return string(method)
	}
	if verb, ok := b.firstText(r, "http.request.method", "http.method"); ok {
		return b.httpType(i, string(verb))
	}
	return b.String(b.Name[i])
}

func (b *Batch) httpType(i int, verb string) string {
	r := b.Attrs[i]
	host, ok := b.firstText(r, "server.address", "net.peer.name", "http.host", "net.host.name")
	if !ok {
		return b.String(b.Name[i])
	}
	typ := string(host)
	if a, ok := b.Lookup(r, "server.port"); ok && a.Type == Int && a.Num != 80 && a.Num != 443 {
		typ += ":" + b.Value(a).String()
	}
	if route, ok := b.firstText(r, "http.route", "url.template"); ok {
		return typ + " " + string(route)
	}
	return typ + " " + verb
}

func (b *Batch) firstText(r Range, keys ...string) ([]byte, bool) {
	for _, k := range keys {
		if p, ok := b.lookupText(r, k); ok {
			return p, true
		}
	}
	return nil, false
}

// StoreType is the span type under which calls of a store are counted, by its db.system.name.
func StoreType(system string) string {
	switch system {
	case "memcached":
		return "mc"
	case "mariadb":
		return "mysql"
	}
	return system
}
