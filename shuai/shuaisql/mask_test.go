package shuaisql

import (
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct{ name, system, in, want string }{
		{"nothing to mask", "mysql", "SELECT id, title FROM movies", "SELECT id, title FROM movies"},
		{"numbers", "mysql", "SELECT * FROM t1 WHERE a = 42 AND b > -1.5e-3 AND c = .5 AND d=0xFF LIMIT 10", "SELECT * FROM t1 WHERE a = ? AND b > ? AND c = ? AND d=? LIMIT ?"},
		{"a difference is no sign", "mysql", "SELECT a - 1, b-1, (-1), -1", "SELECT a - ?, b-?, (?), ?"},
		{"strings", "mysql", `SELECT 'a', "b", 'it''s', "say ""hi""", ''`, "SELECT ?, ?, ?, ?, ?"},
		{"prefixes", "mysql", `SELECT x'ff', N'a', b'01', _utf8'b'`, "SELECT ?, ?, ?, _utf8?"},
		{"IN list", "mysql", "SELECT 1 WHERE id IN (1, 2,3 , 'x', ?)", "SELECT ? WHERE id IN (?)"},
		{"IN list of one", "mysql", "WHERE id IN ( 1 )", "WHERE id IN (?)"},
		{"VALUES", "mysql", "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y') ,(3,'z')", "INSERT INTO t (a, b) VALUES (?)"},
		{"a call keeps its names", "mysql", "SELECT f(a, 1), g(1, 2), now()", "SELECT f(a, ?), g(?), now()"},
		{"nested", "mysql", "WHERE (a, b) IN ((1, 2), (3, 4))", "WHERE (a, b) IN ((?))"},
		{"placeholders", "postgresql", "SELECT $1, $2 WHERE a IN ($3, $4) AND b = :1", "SELECT ?, ? WHERE a IN (?) AND b = ?"},
		{"named placeholders", "microsoft.sql_server", "WHERE a IN (@p1, @p2) AND b = @name", "WHERE a IN (?) AND b = @name"},
		{"comments", "mysql", "/* who: me */ SELECT a -- secret\n, b # secret\n FROM /* x */ t", "SELECT a , b FROM t"},
		{"white space", "mysql", "  SELECT\n\ta\r\n FROM   t ;  ", "SELECT a FROM t ;"},
		{"names", "mysql", "SELECT `select 'x'`, t.`a``b` FROM 豆瓣", "SELECT `select 'x'`, t.`a``b` FROM 豆瓣"},
		{"MySQL: minus minus", "mysql", "SELECT 5--3", "SELECT ?--?"},
		{"MySQL: escaped backslash", "mysql", `SELECT 'C:\\' , 'x'`, "SELECT ? , ?"},
		{"MySQL: an escaped quote depends on a setting", "mysql", `SELECT a WHERE b = 'it\'s' AND c = 'secret'`, "SELECT a WHERE b = ? ..."},
		{"MySQL: so does an executable comment", "mysql", "SELECT /*!50000 SQL_NO_CACHE */ a, '*/ secret'", "SELECT ..."},
		{"PostgreSQL: quoted names", "postgresql", `SELECT "a""b" FROM "T" WHERE c = 'x'`, `SELECT "a""b" FROM "T" WHERE c = ?`},
		{"PostgreSQL: dollar quotes", "postgresql", "SELECT $$it's$$, $fn$ $$x$$ $fn$, a$b$c", "SELECT ?, ?, a$b$c"},
		{"PostgreSQL: escape strings", "postgresql", `SELECT E'it\'s', 'x'::text`, "SELECT ?, ?::text"},
		{"PostgreSQL: a backslash at the end depends on a setting", "postgresql", `SELECT 'a\' , 'secret'`, "SELECT ? ..."},
		{"PostgreSQL: comments in comments", "postgresql", "SELECT /* a /* b */ 'secret' */ c", "SELECT c"},
		{"PostgreSQL: arrays", "postgresql", "SELECT a[1], ARRAY['x','y'] @> b", "SELECT a[?], ARRAY[?,?] @> b"},
		{"SQL Server: brackets", "microsoft.sql_server", "SELECT [it's] FROM [a]]b] WHERE c = N'x'", "SELECT [it's] FROM [a]]b] WHERE c = ?"},
		{"SQLite", "sqlite", "SELECT [a], `b`, x'00' WHERE c = ?1", "SELECT [a], `b`, ? WHERE c = ?"},
		{"Oracle", "oracle.db", `SELECT q'[it's]', nq'!a'b!', "N" FROM dual`, `SELECT ?, ?, "N" FROM dual`},
		{"unknown, all agree", "", "SELECT a FROM t WHERE b = 'x' AND c IN (1, 2) -- hm\n", "SELECT a FROM t WHERE b = ? AND c IN (?)"},
		{"unknown, double quotes", "", `SELECT a FROM t WHERE b = "x" AND c = 1`, "SELECT a FROM t WHERE b = ..."},
		{"unknown, all cut", "", `"x"`, "..."},
		{"a string that does not end", "mysql", "SELECT a WHERE b = 'secret", "SELECT a WHERE b = ?"},
		{"a comment that does not end", "mysql", "SELECT a /* secret", "SELECT a"},
		{"a dollar quote that does not end", "postgresql", "SELECT $x$ secret", "SELECT ?"},
		{"a name that does not end", "postgresql", `SELECT "secret`, "SELECT ?"},
		{"a carriage return in a comment", "mysql", "SELECT a -- b\r'secret", "SELECT a ..."},
		{"brackets", "mysql", ") SELECT )(", ") SELECT )("},
		{"empty", "mysql", "", ""},
		{"only a comment", "mysql", "-- x", ""},
		{"long", "mysql", "SELECT " + strings.Repeat("column, ", 1000) + "'x'", "SELECT " + strings.Repeat("column, ", 255) + "..."},
		{"very long", "mysql", "INSERT INTO t VALUES " + strings.Repeat("(1, 'x'), ", 10000), "INSERT INTO t VALUES (?) ..."},
	} {
		if got := mask(tt.in, dialectsOf(tt.system)); got != tt.want {
			t.Errorf("%s: %.100q gives\n%.300q, want\n%.300q", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestSummary(t *testing.T) {
	for in, want := range map[string]string{
		"select a, b from `db`.`movies` where id in (1)": "SELECT db.movies",
		"SELECT 1":                          "SELECT",
		"SELECT a FROM (SELECT b FROM t) x": "SELECT",
		"INSERT INTO movies(id, title) VALUES (1, 'x')": "INSERT movies",
		"insert ignore into movies VALUES (1)":          "INSERT movies",
		"REPLACE INTO movies VALUES (1)":                "REPLACE movies",
		"UPDATE movies SET a = 1":                       "UPDATE movies",
		"DELETE FROM movies":                            "DELETE movies",
		"WITH x AS (SELECT 1) SELECT * FROM x":          "SELECT x",
		"CREATE TABLE movies (id INT)":                  "CREATE movies",
		"CREATE TABLE IF NOT EXISTS movies (id INT)":    "CREATE movies",
		"drop table if exists `movies`":                 "DROP movies",
		"SET NAMES utf8":                                "SET",
		"BEGIN":                                         "BEGIN",
		"":                                              "SQL",
		"'x'":                                           "?",
		"SELECT a FROM":                                 "SELECT",
		"UPDATE":                                        "UPDATE",
		"SELECT a FROM 'x'":                             "SELECT",
		"X" + strings.Repeat("x", 100):                  "X" + strings.Repeat("X", 63),
		"SELECT /* comment */ a FROM -- here\n  movies":                         "SELECT movies",
		"SELECT a FROM movies JOIN other ON movies.id = other.id WHERE b = 'c'": "SELECT movies",
	} {
		if got := summary(mask(in, mysqlDialects)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// quotings are the ways to write a literal in a dialect.
var quotings = []struct {
	name, system string
	quote        func(string) string
}{
	{"mysql single", "mysql", escape(`'`)},
	{"mysql double", "mysql", escape(`"`)},
	{"mysql single, no backslash escapes", "mysql", double(`'`)},
	{"mysql double, no backslash escapes", "mysql", double(`"`)},
	{"postgresql", "postgresql", double(`'`)},
	{"postgresql, old strings", "postgresql", escape(`'`)},
	{"postgresql, escape", "postgresql", func(s string) string { return "E" + escape(`'`)(s) }},
	{"postgresql, dollar", "postgresql", func(s string) string {
		if strings.Contains(s, "$") {
			return double(`'`)(s)
		}
		return "$q$" + s + "$q$"
	}},
	{"sqlite", "sqlite", double(`'`)},
	{"sqlite double", "sqlite", double(`"`)},
	{"sql server", "microsoft.sql_server", double(`'`)},
	{"sql server national", "microsoft.sql_server", func(s string) string { return "N" + double(`'`)(s) }},
	{"oracle", "oracle.db", double(`'`)},
	{"oracle q", "oracle.db", func(s string) string {
		if strings.Contains(s, "]'") {
			return double(`'`)(s)
		}
		return "q'[" + s + "]'"
	}},
	{"clickhouse", "clickhouse", escape(`'`)},
	{"unknown: mysql", "", escape(`'`)},
	{"unknown: standard", "", double(`'`)},
}

func escape(quote string) func(string) string {
	return func(s string) string {
		return quote + strings.NewReplacer(`\`, `\\`, quote, `\`+quote).Replace(s) + quote
	}
}

func double(quote string) func(string) string {
	return func(s string) string { return quote + strings.ReplaceAll(s, quote, quote+quote) + quote }
}

// checkLiteral: whatever a literal is, the statement is masked as with any other one, or cut at it.
func checkLiteral(t *testing.T, literal string) {
	for _, q := range quotings {
		statement := func(literal string) string {
			quoted := q.quote(literal)
			return "SELECT a FROM t WHERE b = " + quoted + " AND c = " + quoted + " AND d IN (" + quoted + ", " + quoted + ")"
		}
		dialects := dialectsOf(q.system)
		got, want := mask(statement(literal), dialects), mask(statement("x"), dialects)
		if len(statement(literal)) > maxRead {
			continue
		}
		if got != want && !strings.HasPrefix(want, strings.TrimSuffix(got, " "+cut)) {
			t.Errorf("%s: %q is masked as\n%q, want\n%q or a part", q.name, statement(literal), got, want)
		}
		if want := "SELECT a FROM t WHERE b = ? AND c = ? AND d IN (?)"; q.system != "" && mask(statement("x"), dialects) != want {
			t.Errorf("%s: %q, want %q", q.name, mask(statement("x"), dialects), want)
		}
	}
}

func TestLiterals(t *testing.T) {
	for _, literal := range []string{
		"", "x", `'`, `"`, `\`, `\\`, `\'`, `'\`, `it's`, `"; DROP TABLE x; --`, "-- x", "/* x", "*/", "#", "`", "[", "]", "$$", "$q$", "?", "\n", "\r", "\x00", "\xff", "豆",
		`a\' OR b = \'secret`, `'' OR ''secret`, "it\\'s /* ' secret */", "E'x'", "q'[x]'",
	} {
		checkLiteral(t, literal)
	}
}

func FuzzMaskLiteral(f *testing.F) {
	f.Add(`it's`)
	f.Add(`\' OR b = \'secret`)
	f.Fuzz(checkLiteral)
}

// Whatever is not SQL at all is bounded, and what was masked once stays as it is.
func FuzzMask(f *testing.F) {
	f.Add("SELECT a, 'x' FROM t WHERE b IN (1, 2) -- c\n/* d */ AND e = $q$f$q$")
	f.Add(`INSERT INTO [t] ("a", b) VALUES (E'x\'', q'[y]', 0xff), (-1, .5, 1e-6) # z`)
	f.Fuzz(func(t *testing.T, sql string) {
		for _, system := range []string{"mysql", "postgresql", "sqlite", "microsoft.sql_server", "oracle.db", "clickhouse", ""} {
			out := mask(sql, dialectsOf(system))
			if len(out) > maxMasked+len(cut)+1 {
				t.Errorf("%s: %d bytes", system, len(out))
			}
			if n := summary(out); len(n) > 100 || n == "" {
				t.Errorf("%s: summary %q", system, n)
			}
			for i := range len(out) {
				if isDigit(out[i]) && (i == 0 || strings.IndexByte(" (,=<>", out[i-1]) >= 0) && !strings.ContainsAny(out, "`\"[") {
					t.Errorf("%s: %q keeps a number: %q", system, sql, out)
				}
			}
		}
	})
}

func BenchmarkMask(b *testing.B) {
	const sql = "SELECT id, title, year, rating FROM movies WHERE id IN (1292052, 1291561, 1295644) AND title LIKE 'The %' ORDER BY rating DESC LIMIT 20"
	b.SetBytes(int64(len(sql)))
	for b.Loop() {
		mask(sql, mysqlDialects)
	}
}
