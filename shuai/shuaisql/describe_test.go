package shuaisql

import (
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for _, tt := range []struct{ system, dsn, server, namespace string }{
		{"mysql", "root:secret@tcp(10.0.0.1:3307)/movie?charset=utf8", "10.0.0.1:3307", "movie"},
		{"mysql", "root:se@cret/(x)@tcp([::1]:3306)/movie", "[::1]:3306", "movie"},
		{"mysql", "root:secret@/movie", "127.0.0.1:3306", "movie"},
		{"mysql", "/movie", "127.0.0.1:3306", "movie"},
		{"mysql", "root:secret@unix(/tmp/x.sock)/movie", "", ""},
		{"mysql", "root:secret@tcp(h:1)/movie?x=secret@y", "", ""},
		{"mariadb", "root:secret@tcp/movie", "", ""},
		{"mysql", "", "", ""},
		{"postgresql", "postgres://ada:secret@pg.example:5432/movie?sslmode=disable", "pg.example:5432", "movie"},
		{"postgresql", "host=pg password=secret dbname=movie", "", ""},
		{"postgresql", "postgres://ada:sec%ret@h/db", "", ""},
		{"sqlite", "file:secret.db", "", ""},
	} {
		c := Config{System: tt.system}
		c.describe(tt.dsn)
		if c.Server != tt.server || c.Namespace != tt.namespace {
			t.Errorf("%s %s: server %q, namespace %q, want %q, %q", tt.system, tt.dsn, c.Server, c.Namespace, tt.server, tt.namespace)
		}
	}
	c := Config{System: "mysql", Server: "given:1", Namespace: "given"}
	c.describe("root@tcp(h:1)/movie")
	if c.Server != "given:1" || c.Namespace != "given" {
		t.Errorf("%+v", c)
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("secret", "movie", "10.0.0.1:3306")
	f.Fuzz(func(t *testing.T, password, name, addr string) {
		if strings.ContainsAny(name, "/?@()") || strings.ContainsAny(addr, "()@") {
			t.Skip("no data source name")
		}
		c := Config{System: "mysql"}
		c.describe("root:" + password + "@tcp(" + addr + ")/" + name)
		if c.Server != addr || c.Namespace != name {
			t.Errorf("password %q: server %q, namespace %q, want %q, %q", password, c.Server, c.Namespace, addr, name)
		}
	})
}

func TestStatementsAreBounded(t *testing.T) {
	s := statements{dialects: mysqlDialects}
	for i := range 5 * maxKnown {
		if got := s.get("SELECT a FROM t WHERE b = " + strings.Repeat("1", i%2000)); i%2000 > 0 && got.text != "SELECT a FROM t WHERE b = ?" {
			t.Fatal(got)
		}
	}
	s.get("SELECT '" + strings.Repeat("x", maxKnownLength) + "'")
	if len(s.known) > maxKnown {
		t.Errorf("%d statements are remembered", len(s.known))
	}
	for sql := range s.known {
		if len(sql) > maxKnownLength {
			t.Error("a long statement is remembered")
		}
	}
}
