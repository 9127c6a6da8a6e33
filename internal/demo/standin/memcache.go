package standin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"
)

// A dialect is what tells two stores apart that speak memcached's text protocol.
type dialect uint8

const (
	// memcached behaves as memcached 1.6's text protocol (doc/protocol.txt there) without expiry times.
	memcached dialect = iota
	// beansdb behaves as gobeansdb was seen to: add, replace and cas store like set, append and
	// prepend are refused, gets has cas 0, incr keeps flag 516, "?key" gives metadata, and "@" the
	// hash tree.
	beansdb
)

const (
	maxKeyBytes     = 250
	maxLineBytes    = 64 << 10
	beansdbIntFlag  = 516
	memcachedBanner = "VERSION 1.6.18"
	beansdbBanner   = "VERSION 2.1.0.18"
)

// maxValueBytes is the default of memcached, and what beansdb takes.
func (d dialect) maxValueBytes() int {
	if d == beansdb {
		return 50 << 20
	}
	return 1 << 20
}

// kvServer is a small store in memory behind the memcached text protocol.
type kvServer struct {
	dialect dialect

	mu    sync.Mutex
	items map[string]kvItem
	clock uint64 // last cas number
}

// Memcached serves memcached's text protocol.
func Memcached(ctx context.Context) (*Server, error) { return listen(ctx, newKV(memcached).serve) }

// Beansdb serves the same with the habits of beansdb.
func Beansdb(ctx context.Context) (*Server, error) { return listen(ctx, newKV(beansdb).serve) }

func newKV(d dialect) *kvServer { return &kvServer{dialect: d, items: map[string]kvItem{}} }

type kvItem struct {
	flags   uint32
	value   []byte
	cas     uint64
	version int // beansdb's; negative once deleted
}

// serve answers commands until the peer goes, says quit, or breaks the protocol beyond repair.
func (s *kvServer) serve(c io.ReadWriter) {
	r, w := bufio.NewReaderSize(c, maxLineBytes), bufio.NewWriter(c)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				fmt.Fprint(w, "CLIENT_ERROR line too long\r\n")
				_ = w.Flush() // the connection ends anyway
			}
			return
		}
		fields := strings.Fields(string(line))
		if len(fields) > 0 && fields[0] == "quit" {
			return
		}
		if !s.command(fields, r, w) {
			_ = w.Flush() // the connection ends anyway
			return
		}
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
	}
}

// command answers one command; false ends the connection.
func (s *kvServer) command(f []string, r *bufio.Reader, w *bufio.Writer) bool {
	if len(f) == 0 {
		fmt.Fprint(w, "ERROR\r\n")
		return true
	}
	switch name, args := f[0], f[1:]; name {
	case "get", "gets":
		s.get(args, name == "gets", w)
	case "set", "add", "replace", "append", "prepend", "cas":
		return s.store(name, args, r, w)
	case "delete":
		s.reply(w, args, 1, func() string { return s.remove(args[0]) })
	case "incr", "decr":
		s.reply(w, args, 2, func() string { return s.count(args[0], args[1], name == "incr") })
	case "touch":
		s.reply(w, args, 2, func() string {
			if _, ok := s.find(args[0]); ok {
				return "TOUCHED"
			}
			return "NOT_FOUND"
		})
	case "flush_all":
		s.mu.Lock()
		clear(s.items)
		s.mu.Unlock()
		s.reply(w, args, 0, func() string { return "OK" })
	case "version":
		fmt.Fprint(w, map[dialect]string{memcached: memcachedBanner, beansdb: beansdbBanner}[s.dialect], "\r\n")
	case "stats":
		s.mu.Lock()
		n := len(s.items)
		s.mu.Unlock()
		fmt.Fprintf(w, "STAT curr_items %d\r\nEND\r\n", n)
	default:
		fmt.Fprint(w, "ERROR\r\n")
	}
	return true
}

// reply checks the arguments, does the work and answers unless the last argument is noreply.
func (s *kvServer) reply(w *bufio.Writer, args []string, want int, do func() string) {
	quiet := len(args) > want && args[len(args)-1] == "noreply"
	answer := "ERROR"
	switch {
	case len(args) < want:
	case want > 0 && len(args[0]) > maxKeyBytes:
		answer = "CLIENT_ERROR bad command line format"
	default:
		answer = do()
	}
	if !quiet {
		fmt.Fprint(w, answer, "\r\n")
	}
}

func (s *kvServer) find(key string) (kvItem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	return it, ok && it.version >= 0
}

func (s *kvServer) get(keys []string, cas bool, w *bufio.Writer) {
	if len(keys) == 0 {
		fmt.Fprint(w, "ERROR\r\n")
		return
	}
	for _, k := range keys {
		if len(k) > maxKeyBytes {
			fmt.Fprint(w, "CLIENT_ERROR bad command line format\r\n")
			return
		}
	}
	for _, k := range keys {
		if s.dialect == beansdb && (k[0] == '?' || k[0] == '@') {
			s.describe(k, w)
			continue
		}
		it, ok := s.find(k)
		if !ok {
			continue
		}
		fmt.Fprintf(w, "VALUE %s %d %d", k, it.flags, len(it.value))
		if cas {
			if s.dialect == beansdb {
				it.cas = 0
			}
			fmt.Fprintf(w, " %d", it.cas)
		}
		fmt.Fprintf(w, "\r\n%s\r\n", it.value)
	}
	fmt.Fprint(w, "END\r\n")
}

// describe answers beansdb's "?key" (version, value hash, flag, length, time, which is 0 here; with "??" also chunk and
// offset) and "@" (the hash tree: the nodes below one, each with its hash and how many keys are below it).
func (s *kvServer) describe(k string, w *bufio.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text string
	if k[0] == '@' {
		for i := range 16 {
			node := k[1:] + strconv.FormatInt(int64(i), 16)
			n, sum := 0, uint32(0)
			for key, it := range s.items {
				if strings.HasPrefix(fmt.Sprintf("%08x", hash32([]byte(key))), node) && it.version >= 0 {
					n++
					sum += hash32(it.value)
				}
			}
			text += fmt.Sprintf("%x/ %d %d\n", i, sum&0xffff, n)
		}
	} else {
		it, ok := s.items[strings.TrimLeft(k, "?")]
		if !ok {
			return
		}
		text = fmt.Sprintf("%d %d %d %d 0", it.version, hash32(it.value)&0xffff, it.flags, len(it.value))
		if it.version < 0 {
			text = fmt.Sprintf("%d 0 0 0 0", it.version)
		}
		if strings.HasPrefix(k, "??") {
			text += " 0 0"
		}
	}
	fmt.Fprintf(w, "VALUE %s 0 %d\r\n%s\r\n", k, len(text), text)
}

func hash32(p []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(p) // a hash takes everything
	return h.Sum32()
}

// store reads the data block and answers a storage command; false when the block does not end as it
// must, after which commands can no longer be told from data.
func (s *kvServer) store(name string, args []string, r *bufio.Reader, w *bufio.Writer) bool {
	want := 4
	if name == "cas" {
		want = 5
	}
	if len(args) < want {
		fmt.Fprint(w, "ERROR\r\n")
		return true
	}
	flags, err1 := strconv.ParseUint(args[1], 10, 32)
	_, err2 := strconv.ParseInt(args[2], 10, 64) // expiry: kept by neither
	size, err3 := strconv.ParseUint(args[3], 10, 31)
	var unique uint64
	var err4 error
	if name == "cas" {
		unique, err4 = strconv.ParseUint(args[4], 10, 64)
	}
	if errors.Join(err1, err2, err3, err4) != nil || len(args[0]) > maxKeyBytes {
		fmt.Fprint(w, "CLIENT_ERROR bad command line format\r\n")
		return true
	}
	if size > uint64(s.dialect.maxValueBytes()) {
		fmt.Fprint(w, "SERVER_ERROR object too large for cache\r\n")
		_, err := io.CopyN(io.Discard, r, int64(size)+2)
		return err == nil
	}
	data := make([]byte, size+2)
	if _, err := io.ReadFull(r, data); err != nil {
		return false
	}
	if !bytes.HasSuffix(data, []byte("\r\n")) {
		fmt.Fprint(w, "CLIENT_ERROR bad data chunk\r\n")
		return false
	}
	answer := s.put(name, args[0], uint32(flags), data[:size:size], unique)
	if args[len(args)-1] != "noreply" || len(args) == want {
		fmt.Fprint(w, answer, "\r\n")
	}
	return true
}

func (s *kvServer) put(name, key string, flags uint32, value []byte, unique uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.items[key]
	if s.dialect == beansdb {
		if name == "append" || name == "prepend" {
			return "SERVER_ERROR operation not support"
		}
		s.items[key] = kvItem{flags: flags, value: value, version: max(old.version, -old.version) + 1}
		return "STORED"
	}
	switch {
	case name == "add" && ok, (name == "replace" || name == "append" || name == "prepend") && !ok:
		return "NOT_STORED"
	case name == "cas" && !ok:
		return "NOT_FOUND"
	case name == "cas" && old.cas != unique:
		return "EXISTS"
	case name == "append":
		flags, value = old.flags, append(bytes.Clone(old.value), value...)
	case name == "prepend":
		flags, value = old.flags, append(value, old.value...)
	}
	if len(value) > s.dialect.maxValueBytes() {
		return "SERVER_ERROR object too large for cache"
	}
	s.clock++
	s.items[key] = kvItem{flags: flags, value: value, cas: s.clock}
	return "STORED"
}

func (s *kvServer) remove(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	if !ok || it.version < 0 {
		return "NOT_FOUND"
	}
	if s.dialect == beansdb { // a mark stays
		s.items[key] = kvItem{version: -it.version - 1}
	} else {
		delete(s.items, key)
	}
	return "DELETED"
}

func (s *kvServer) count(key, by string, up bool) string {
	delta, err := strconv.ParseUint(by, 10, 64)
	if err != nil {
		return "CLIENT_ERROR invalid numeric delta argument"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	if s.dialect == beansdb {
		if !up {
			return "ERROR"
		}
		n, _ := strconv.ParseUint(string(it.value), 10, 64) // what is not a number counts from 0
		n += delta
		s.items[key] = kvItem{flags: beansdbIntFlag, value: strconv.AppendUint(nil, n, 10), version: max(it.version, -it.version) + 1}
		return strconv.FormatUint(n, 10)
	}
	if !ok {
		return "NOT_FOUND"
	}
	n, err := strconv.ParseUint(string(it.value), 10, 64)
	switch {
	case err != nil:
		return "CLIENT_ERROR cannot increment or decrement non-numeric value"
	case up:
		n += delta // wraps at 2^64, as documented
	default:
		n -= min(n, delta)
	}
	s.clock++
	s.items[key] = kvItem{flags: it.flags, value: strconv.AppendUint(nil, n, 10), cas: s.clock}
	return strconv.FormatUint(n, 10)
}
