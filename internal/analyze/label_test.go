package analyze

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

func TestLabel(t *testing.T) {
	for _, c := range []struct{ name, attrs, want string }{
		{"render", "", "render"},
		{"GET /subject/17/photos", "", "GET /subject/?/photos"},
		{"job 6f9619ff-8b86-d011-b42d-00cf4fc964ff done", "", "job ? done"},
		{"blob deadbeef01", "", "blob ?"},
		{"v2 add movie_pic1svc facade", "", "v2 add movie_pic1svc facade"},
		{"x", "rpc.method=movie.service/movie_pic1svc", "movie.service.movie_pic1svc"},
		{"GET", "http.request.method=GET|server.address=10.1.2.3|http.route=/a/{id}", "?.?.?.? /a/{id}"},
		{"GET", "http.request.method=GET|server.address=10.1.2.3:8080", "?.?.?.?:8080 GET"},
		{"GET", "http.method=GET|http.host=pod-1234:8080|http.route=/a/17", "pod-?:8080 /a/?"},
		{"GET", "http.request.method=GET|server.address=127.0.0.1:8080", "127.0.0.1:8080 GET"},
		{"GET", "http.request.method=GET|server.address=[::1]:8080", "[::1]:8080 GET"},
		{"GET", "http.request.method=GET|server.address=::1", "::1 GET"},
		{"GET /subject/17", "http.request.method=GET", "GET /subject/?"},
		{"query", "db.system.name=mysql|db.query.text=SELECT a FROM t WHERE id = 17 AND n = 'it''s'", "mysql SELECT a FROM t WHERE id = ? AND n = ?"},
		{"query", "db.system.name=mysql|db.query.text=select * from t where id in (1, 2,3)", "mysql select * from t where id in (?)"},
		{"query", "db.system.name=mysql|db.query.text=INSERT INTO t VALUES (-1.5e3, \"x\", NULL) -- hi", "mysql INSERT INTO t VALUES (?, NULL)"},
		{"query", `db.system.name=postgresql|db.query.text=SELECT "a"."b" FROM t WHERE x=$1 /* c */ AND y=$22`, `postgresql SELECT "a"."b" FROM t WHERE x=? AND y=?`},
		{"query", "db.system=mysql|db.statement=SELECT\n\t1", "mysql SELECT ?"},
		{"query", "db.system.name=mysql|db.query.summary=SELECT t|db.query.text=SELECT x FROM t", "mysql SELECT t"},
		{"get", "db.system.name=memcached", "mc get"},
		{"get", "db.system.name=redis|db.operation.name=MGET", "redis MGET"},
		{"find", "db.system.name=mongodb|db.operation.name=find|db.collection.name=users", "mongodb find users"},
		{"redis", "db.system.name=redis", "redis"},
	} {
		s := span.Span{Name: c.name}
		for kv := range strings.SplitSeq(c.attrs, "|") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				s.Attrs = append(s.Attrs, span.Attribute{Key: k, Value: span.StringValue(v)})
			}
		}
		b := new(span.Batch)
		b.Append(&s)
		if got := label(b, 0, b.Type(0)); got != c.want {
			t.Errorf("%s %s:\n%q, want\n%q", c.name, c.attrs, got, c.want)
		}
	}
}

// FuzzLabel masks any text: the mask of a mask is itself, and it is not longer than what it was made from.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"SELECT 'a''b', \"c\" FROM t WHERE x IN (1, -2) /* */ -- y", "/*", "'", "--", "$1, $2", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "\\'\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := maskName(s)
		if maskName(name) != name || len(name) > len(s) {
			t.Fatalf("%q becomes %q, then %q", s, name, maskName(name))
		}
		m := maskStatement(s)
		if len(m) > len(s) || len(m) > 2*maxLabel+len(s) {
			t.Fatalf("%q becomes %q", s, m)
		}
		if c := cut(s); len(c) > maxLabel+len("…") || utf8.ValidString(s) && !utf8.ValidString(c) {
			t.Fatalf("%q is cut to %q", s, c)
		}
	})
}
