package demo

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/bradfitz/gomemcache/memcache"
	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/fuwu-project/fuwu/internal/demo/standin"
	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaisql"
)

// Addresses are where the stores are. One that is empty is a stand-in inside this process, which the same client talks to.
type Addresses struct {
	MySQL     string // as the driver wants it, user:password@tcp(host:port)/ without a database: the site has its own, and makes it anew
	Redis     string // host:port
	Memcached string // host:port
	Beansdb   string // host:port
}

// String says which are stand-ins.
func (a Addresses) String() string {
	var standIns, real []string
	for _, one := range []struct{ name, addr string }{{"MySQL", a.MySQL}, {"Redis", a.Redis}, {"memcached", a.Memcached}, {"beansdb", a.Beansdb}} {
		if one.addr == "" {
			standIns = append(standIns, one.name)
		} else {
			real = append(real, one.name)
		}
	}
	said := []string{}
	if len(real) > 0 {
		said = append(said, strings.Join(real, ", ")+" as given")
	}
	if len(standIns) > 0 {
		said = append(said, "stand-ins for "+strings.Join(standIns, ", ")+" inside this process")
	}
	return strings.Join(said, "; ")
}

// Names of what the site stores in stores that may not be its own.
const (
	database  = "shuai_demo"
	keyPrefix = "shuai_demo:"
)

// atOnce is how many connections to a store are kept.
const atOnce = 64

// stores are the clients. What they do is traced; filling is not.
type stores struct {
	sql         *sql.DB
	redis       *redis.Client
	mc, beansdb *kv
	net         slowNet
}

// slowNet makes connections on which everything that is sent takes some time to arrive, once slow is set: the stores of a site are
// rarely on the same machine.
type slowNet struct {
	net.Dialer
	delay func() time.Duration
	slow  atomic.Bool
	sent  atomic.Int64 // requests since then
}

func (n *slowNet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := n.DialContext(ctx, network, addr)
	return &slowConn{c, n}, err
}

type slowConn struct {
	net.Conn
	net *slowNet
}

// Write is called once for each request, since all these clients put theirs together before.
func (c *slowConn) Write(b []byte) (int, error) {
	if c.net.slow.Load() {
		c.net.sent.Add(1)
		time.Sleep(c.net.delay())
	}
	return c.Conn.Write(b)
}

// open opens the stores, fills them, and returns what closes them, in order of opening, also with an error.
func (s *stores) open(ctx context.Context, at Addresses, delay func() time.Duration) (closers []io.Closer, err error) {
	s.net.delay = delay
	s.net.Timeout = 10 * time.Second
	opened := func(c io.Closer) { closers = append(closers, c) }
	for _, one := range []struct {
		addr    *string
		standIn func(context.Context) (addr string, c io.Closer, err error)
	}{
		{&at.MySQL, func(ctx context.Context) (string, io.Closer, error) {
			m, err := standin.MySQL(ctx)
			if err != nil {
				return "", nil, err
			}
			return "root@tcp(" + m.Addr + ")/", m, nil
		}},
		{&at.Redis, startRedis},
		{&at.Memcached, func(ctx context.Context) (string, io.Closer, error) { return addressOf(standin.Memcached(ctx)) }},
		{&at.Beansdb, func(ctx context.Context) (string, io.Closer, error) { return addressOf(standin.Beansdb(ctx)) }},
	} {
		if *one.addr == "" {
			addr, c, err := one.standIn(ctx)
			if err != nil {
				return closers, err
			}
			opened(c)
			*one.addr = addr
		}
	}

	if s.sql, err = s.openSQL(ctx, at.MySQL); err != nil {
		return closers, fmt.Errorf("MySQL: %w", err)
	}
	opened(s.sql)
	s.redis = redis.NewClient(&redis.Options{Addr: at.Redis, Dialer: s.net.dial, PoolSize: atOnce})
	s.redis.AddHook(redisSpans{at.Redis})
	opened(s.redis)
	s.mc, s.beansdb = s.newKV("memcached", at.Memcached), s.newKV("beansdb", at.Beansdb)
	opened(s.mc.client)
	opened(s.beansdb.client)
	if err := s.fill(ctx); err != nil {
		return closers, err
	}
	s.net.slow.Store(true)
	return closers, nil
}

func addressOf(s *standin.Server, err error) (string, io.Closer, error) {
	if err != nil {
		return "", nil, err
	}
	return s.Addr, s, nil
}

func startRedis(context.Context) (string, io.Closer, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return "", nil, err
	}
	return m.Addr(), closeFunc(m.Close), nil
}

type closeFunc func()

func (f closeFunc) Close() error {
	f()
	return nil
}

// openSQL makes the site's database and opens it.
func (s *stores) openSQL(ctx context.Context, dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.DBName != "" {
		return nil, fmt.Errorf("the site uses a database of its own, %s, which it makes anew; leave %q out of the address", database, cfg.DBName)
	}
	cfg.DialFunc = s.net.dial
	cfg.InterpolateParams = true // one round trip for a statement, not two
	open := func() (*sql.DB, error) {
		c, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(shuaisql.NewConnector(c, shuaisql.Config{Namespace: cfg.DBName, Server: cfg.Addr})), nil
	}
	db, err := open()
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	cfg.DBName = database
	if db, err = open(); err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(atOnce)
	db.SetMaxOpenConns(atOnce)
	return db, nil
}

// schema is the tables of the site.
var schema = []string{
	"CREATE TABLE movie (id BIGINT PRIMARY KEY, title VARCHAR(100) NOT NULL, year BIGINT NOT NULL, pictures BIGINT NOT NULL)",
	"CREATE TABLE person (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)",
	"CREATE TABLE part (movie BIGINT, place BIGINT, person BIGINT NOT NULL, PRIMARY KEY (movie, place), KEY (person))",
	"CREATE TABLE restricted (movie BIGINT, audience BIGINT, PRIMARY KEY (movie, audience))",
	"CREATE TABLE collected (user BIGINT, place BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user, place))",
	"CREATE TABLE recommended (user BIGINT, place BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user, place))",
	"CREATE TABLE archived (user BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user))",
}

// fill puts the world into the stores.
func (s *stores) fill(ctx context.Context) error {
	for _, statement := range schema {
		if _, err := s.sql.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	rows := map[string][][]any{}
	add := func(into string, values ...any) { rows[into] = append(rows[into], values) }
	ratings := []any{}
	for id := int64(1); id <= films; id++ {
		m := movieOf(id)
		add("movie (id, title, year, pictures)", m.ID, m.Title, m.Year, m.Pictures)
		for place, p := range castOf(id) {
			add("part (movie, place, person)", id, place, p)
		}
		add("restricted (movie, audience)", id, audienceBarred(id))
		ratings = append(ratings, key("rating", id), ratingOf(id))
		for k := range m.Pictures {
			if err := s.fillPicture(pictureOf(id, k)); err != nil {
				return err
			}
		}
	}
	for id := int64(1); id <= people; id++ {
		p := personOf(id)
		add("person (id, name)", p.ID, p.Name)
		for place, m := range collectionOf(id) {
			add("collected (user, place, movie)", id, place, m)
		}
		for place, m := range recommendedTo(id) {
			add("recommended (user, place, movie)", id, place, m)
		}
		if id%10 == 0 {
			add("archived (user, movie)", id, 1+id%pictured)
		}
		if err := s.mc.set(key("user_card", id), []byte(p.Name)); err != nil {
			return err
		}
	}
	for into, values := range rows {
		if err := s.insert(ctx, into, values); err != nil {
			return err
		}
	}
	if err := s.mc.set(homeListKey, homeList()); err != nil {
		return err
	}
	if err := s.redis.MSet(ctx, ratings...).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

func (s *stores) fillPicture(p picture) error {
	about, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := s.beansdb.set(key("pic", p.Movie, p.K), about); err != nil || !p.HasText {
		return err
	}
	return s.beansdb.set(key("pic_text", p.Movie, p.K), []byte(pictureText(p.K)))
}

// insert inserts rows, so many in a statement as a stand-in takes.
func (s *stores) insert(ctx context.Context, into string, rows [][]any) error {
	for len(rows) > 0 {
		some := rows[:min(len(rows), 1000)]
		rows = rows[len(some):]
		one := "(" + marks(len(some[0])) + ")"
		args := []any{}
		for _, r := range some {
			args = append(args, r...)
		}
		if _, err := s.sql.ExecContext(ctx, "INSERT INTO "+into+" VALUES "+one+strings.Repeat(", "+one, len(some)-1), args...); err != nil {
			return err
		}
	}
	return nil
}

// marks is ?, ?, ?.
func marks(n int) string { return strings.TrimPrefix(strings.Repeat(", ?", n), ", ") }

// query runs a SELECT, whose rows scan reads one by one.
func (s *stores) query(ctx context.Context, text string, args []any, scan func(row func(...any) error) error) error {
	rows, err := s.sql.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// key is a key of a store, as "shuai_demo:pic:1:0".
func key(kind string, ids ...int64) string {
	b := []byte(keyPrefix + kind)
	for _, id := range ids {
		b = strconv.AppendInt(append(b, ':'), id, 10)
	}
	return string(b)
}

const homeListKey = keyPrefix + "home"

// redisSpans makes a span of each command. The pipelines that the client makes on its own account, when it connects, have none.
type redisSpans struct{ addr string }

func (h redisSpans) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h redisSpans) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h redisSpans) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, span := storeSpan(ctx, "redis", cmd.FullName(), h.addr)
		defer span.End()
		err := next(ctx, cmd)
		if err != nil && !errors.Is(err, redis.Nil) {
			span.Error(err)
		}
		return err
	}
}

// storeSpan begins the span of a call of a store; system is what tells stores apart.
func storeSpan(ctx context.Context, system, operation, addr string) (context.Context, *shuai.Span) {
	ctx, span := shuai.StartSpan(ctx, operation, shuai.KindClient)
	span.SetString("db.system.name", system)
	span.SetString("db.operation.name", operation)
	host, port, _ := net.SplitHostPort(addr)
	span.SetString("server.address", host)
	if n, err := strconv.ParseInt(port, 10, 64); err == nil {
		span.SetInt("server.port", n)
	}
	return ctx, span
}

// kv is a client of a store that speaks memcached's protocol. The library's calls take no context, so the spans are made here.
type kv struct {
	client       *memcache.Client
	system, addr string // memcached or beansdb
}

func (s *stores) newKV(system, addr string) *kv {
	c := memcache.New(addr)
	c.MaxIdleConns = atOnce
	c.Timeout = 5 * time.Second // half a second, the default, is short on a machine that is busy
	c.DialContext = s.net.dial
	return &kv{c, system, addr}
}

// get returns the values of keys, "" where there is none or the key is "": one call of the store.
func (s *kv) get(ctx context.Context, keys []string) ([]string, error) {
	asked := []string{}
	for _, k := range keys {
		if k != "" {
			asked = append(asked, k)
		}
	}
	out := make([]string, len(keys))
	if len(asked) == 0 {
		return out, nil
	}
	_, span := storeSpan(ctx, s.system, "get", s.addr)
	defer span.End()
	span.SetString("db.query.text", "get "+strings.Join(asked[:min(len(asked), 10)], " "))
	found, err := s.client.GetMulti(asked)
	if err != nil {
		span.Error(err)
		return nil, fmt.Errorf("%s: %w", s.system, err)
	}
	span.SetInt("cache.keys", int64(len(asked)))
	span.SetInt("cache.hits", int64(len(found)))
	for i, k := range keys {
		if item := found[k]; item != nil {
			out[i] = string(item.Value)
		}
	}
	return out, nil
}

// set stores a value, without a span: the site's own preparation is not part of the picture.
func (s *kv) set(key string, value []byte) error {
	if err := s.client.Set(&memcache.Item{Key: key, Value: value}); err != nil {
		return fmt.Errorf("%s: %w", s.system, err)
	}
	return nil
}
