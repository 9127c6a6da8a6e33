package standin

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"strconv"
)

// MySQL serves the part of MySQL's client/server protocol 4.1 that a client needs to log in, as whoever it likes, and to make statements as
// text (dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basics.html); prepared statements are refused. What a
// statement can be is written at [database].
func MySQL(ctx context.Context) (*Server, error) {
	db := new(database)
	return listen(ctx, func(c io.ReadWriter) { serveMySQL(c, db) })
}

// Capabilities (page_protocol_basic_capability_flags.html): LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS,
// SECURE_CONNECTION, PLUGIN_AUTH.
const capabilities = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000

const (
	maxPacketBytes = 4 << 20 // of a request
	autocommit     = 2       // the status of a connection, always
	utf8mb4        = 45      // the collation utf8mb4_general_ci

	typeLongLong  = 8
	typeVarString = 253

	comQuit, comInitDB, comQuery, comPing = 1, 2, 3, 14
)

// mysqlConn reads and writes packets: their length in three bytes, their number in the exchange, their body.
type mysqlConn struct {
	r        *bufio.Reader
	w        *bufio.Writer
	sequence byte
}

func serveMySQL(c io.ReadWriter, db *database) {
	conn := &mysqlConn{r: bufio.NewReader(c), w: bufio.NewWriter(c)}
	conn.write(greeting())
	if conn.w.Flush() != nil {
		return
	}
	if _, ok := conn.read(); !ok { // who it is
		return
	}
	conn.ok(0)
	for conn.w.Flush() == nil {
		conn.sequence = 0
		request, ok := conn.read()
		if !ok || len(request) == 0 || request[0] == comQuit {
			return
		}
		switch request[0] {
		case comPing, comInitDB:
			conn.ok(0)
		case comQuery:
			conn.answer(db.exec(string(request[1:])))
		default:
			conn.fail(1047, "08S01", "this stand-in takes statements as text only")
		}
	}
}

// greeting is the handshake of version 10.
func greeting() []byte {
	b := append([]byte{10}, "8.0.0-standin\x00"...)
	b = append(b, 1, 0, 0, 0) // the connection's number
	b = append(b, "12345678\x00"...)
	b = binary.LittleEndian.AppendUint16(b, capabilities&0xffff)
	b = append(b, utf8mb4, autocommit, 0)
	b = binary.LittleEndian.AppendUint16(b, capabilities>>16)
	b = append(b, 21) // of what is hashed with a password: nobody checks one
	b = append(b, make([]byte, 10)...)
	b = append(b, "123456789012\x00"...)
	return append(b, "mysql_native_password\x00"...)
}

// read returns the next packet; false if the peer is gone or asks for too much.
func (c *mysqlConn) read() ([]byte, bool) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, false
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	c.sequence = head[3] + 1
	if n > maxPacketBytes {
		c.fail(1153, "08S01", "a packet is bigger than "+strconv.Itoa(maxPacketBytes)+" bytes")
		_ = c.w.Flush() // the connection ends anyway
		return nil, false
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c.r, body)
	return body, err == nil
}

// write writes a packet into the buffer, whose error the next flush returns.
func (c *mysqlConn) write(body []byte) {
	n := len(body)
	_, _ = c.w.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), c.sequence})
	_, _ = c.w.Write(body)
	c.sequence++
}

func (c *mysqlConn) ok(affected int) {
	c.write(append(appendLength([]byte{0}, affected), 0, autocommit, 0, 0, 0))
}

func (c *mysqlConn) fail(code uint16, state, text string) {
	b := binary.LittleEndian.AppendUint16([]byte{0xff}, code)
	c.write(append(append(append(b, '#'), state...), text...))
}

func (c *mysqlConn) answer(t *table, affected int, err error) {
	switch {
	case err != nil:
		c.fail(1064, "42000", err.Error())
	case t == nil:
		c.ok(affected)
	default:
		c.table(t)
	}
}

// table writes a text result set: the columns, then the rows.
func (c *mysqlConn) table(t *table) {
	end := []byte{0xfe, 0, 0, autocommit, 0}
	c.write(appendLength(nil, len(t.columns)))
	for _, col := range t.columns {
		var b []byte
		for _, text := range []string{"def", "", "", "", col.name, ""} {
			b = appendText(b, text)
		}
		b = append(b, 12, utf8mb4, 0, 255, 0, 0, 0) // the length of what follows, character set, longest value
		if col.text {
			b = append(b, typeVarString)
		} else {
			b = append(b, typeLongLong)
		}
		c.write(append(b, 0, 0, 0, 0, 0))
	}
	c.write(end)
	for _, row := range t.rows {
		var b []byte
		for _, v := range row {
			b = appendText(b, v.String())
		}
		c.write(b)
	}
	c.write(end)
}

// appendLength appends a length-encoded integer.
func appendLength(b []byte, n int) []byte {
	switch {
	case n < 251:
		return append(b, byte(n))
	case n < 1<<16:
		return append(b, 0xfc, byte(n), byte(n>>8))
	}
	return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
}

func appendText(b []byte, s string) []byte { return append(appendLength(b, len(s)), s...) }
