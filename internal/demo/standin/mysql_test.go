package standin

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/go-sql-driver/mysql"

	"github.com/fuwu-project/fuwu/internal/realdb"
)

func open(t *testing.T, addr string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN("root@tcp(" + addr + ")/?interpolateParams=true")
	if err != nil {
		t.Fatal(err)
	}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1) // USE is for a connection
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// play plays testdata/mysql: each line is a statement, or a text that a statement gets as its only value.
func play(t *testing.T, db *sql.DB) {
	t.Helper()
	datadriven.RunTest(t, "testdata/mysql", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		for line := range strings.SplitSeq(d.Input, "\n") {
			statement, arg, hasArg := strings.Cut(line, " -- ")
			args := []any{}
			if hasArg {
				args = append(args, arg)
			}
			var err error
			if strings.HasPrefix(statement, "SELECT") {
				err = rows(&out, db, statement, args)
			} else {
				var r sql.Result
				if r, err = db.ExecContext(t.Context(), statement, args...); err == nil {
					n, _ := r.RowsAffected() // these drivers know
					fmt.Fprintf(&out, "%d rows\n", n)
				}
			}
			if err != nil {
				out.WriteString("an error\n") // whose words differ
			}
		}
		return out.String()
	})
}

func rows(out *strings.Builder, db *sql.DB, statement string, args []any) error {
	found, err := db.Query(statement, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	names, err := found.Columns()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, strings.Join(names, " | "))
	for found.Next() {
		cells := make([]string, len(names))
		into := make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		fmt.Fprintln(out, strings.Join(cells, " | "))
	}
	return found.Err()
}

func TestMySQL(t *testing.T) {
	s, err := MySQL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	db := open(t, s.Addr)
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	play(t, db)
	if _, err := db.PrepareContext(t.Context(), "SELECT a FROM t"); err == nil || !strings.Contains(err.Error(), "text only") {
		t.Errorf("a prepared statement: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (a BIGINT, b VARCHAR(9))"); err != nil {
		t.Fatal(err)
	}
	for statement, words := range map[string]string{
		"UPDATE t SET a = 1":               `"UPDATE"`,
		"SELECT a FROM none":               `"none"`,
		"SELECT none FROM t":               `"none"`,
		"SELECT a":                         "FROM",
		"SELECT a FROM t WHERE":            "too early",
		"SELECT a FROM t; DROP DATABASE d": `';'`,
		"SELECT a FROM t WHERE b = 'x":     "no end",
		"INSERT INTO t (a, b) VALUES (1)":  `")"`,
		"SELECT a FROM t WHERE " + strings.Repeat("(", 99) + "a = 1" + strings.Repeat(")", 99): "parentheses",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.60s: %v, want %s in it", statement, err, words)
		}
	}
}

// The script is right: MariaDB itself passes it.
func TestRealMariaDB(t *testing.T) {
	s, err := realdb.MariaDB(t.Context(), t.TempDir())
	if errors.Is(err, realdb.ErrMissing) {
		t.Skipf("%v; the script was played against our server only", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	play(t, open(t, s.Addr))
}

// packets are what a client sends: who it is, then statements.
func packets(statements ...string) []byte {
	var b []byte
	for i, text := range append([]string{"who it is"}, statements...) {
		seq := byte(0)
		if i == 0 {
			seq = 1
		} else {
			text = "\x03" + text
		}
		n := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
		b = append(append(append(b, n[:3]...), seq), text...)
	}
	return b
}

// Whatever a client sends, the server answers in whole packets and comes to an end.
func FuzzMySQL(f *testing.F) {
	f.Add(packets("CREATE TABLE t (a BIGINT PRIMARY KEY, b VARCHAR(10), KEY (b))", "INSERT INTO t (a, b) VALUES (1, 'x'), (-2, 'O\\'Neill''s')",
		"SELECT a, b FROM t WHERE a IN (1, 2) AND (b LIKE '%x\\_' OR a < 3) ORDER BY b, a", "DROP DATABASE d"))
	f.Add([]byte("\xff\xff\xff\x00"))
	f.Add(append(packets(), 1, 0, 0, 0, 0x16))
	f.Fuzz(func(t *testing.T, sent []byte) {
		if bytes.Contains(sent, []byte("SLEEP")) {
			return
		}
		p := &pipe{Reader: bytes.NewReader(sent)}
		serveMySQL(p, new(database))
		for out := p.Bytes(); len(out) > 0; {
			n := 4
			if len(out) >= 4 {
				n += int(out[0]) | int(out[1])<<8 | int(out[2])<<16
			}
			if n > len(out) {
				t.Fatalf("%q was answered by a packet of %d bytes of which %d are there", sent, n, len(out))
			}
			out = out[n:]
		}
	})
}
