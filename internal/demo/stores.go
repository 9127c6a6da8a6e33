package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/bradfitz/gomemcache/memcache"
	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/fuwu-project/fuwu/internal/demo/standin"
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
	opened      []io.Closer
}

// open opens the stores and fills them. After an error, too, close closes what was opened.
func (s *stores) open(ctx context.Context, at Addresses, delay func() time.Duration) error {
	s.net.delay = delay
	s.net.Timeout = 10 * time.Second
	if err := s.standIn(ctx, &at); err != nil {
		return err
	}
	if err := s.openSQL(ctx, at.MySQL); err != nil {
		return fmt.Errorf("MySQL: %w", err)
	}
	s.redis = redis.NewClient(&redis.Options{Addr: at.Redis, Dialer: s.net.dial, PoolSize: atOnce})
	s.redis.AddHook(redisSpans{at.Redis})
	s.mc, s.beansdb = s.newKV("memcached", at.Memcached), s.newKV("beansdb", at.Beansdb)
	s.opened = append(s.opened, s.redis, s.mc.client, s.beansdb.client)
	if err := s.fill(ctx); err != nil {
		return err
	}
	s.net.slow.Store(true)
	return nil
}

func (s *stores) close() error {
	var errs []error
	for _, c := range slices.Backward(s.opened) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// standIn starts what has no address.
func (s *stores) standIn(ctx context.Context, at *Addresses) error {
	for _, one := range []struct {
		addr  *string
		start func(context.Context) (*standin.Server, error)
	}{
		{&at.MySQL, standin.MySQL}, {&at.Memcached, standin.Memcached}, {&at.Beansdb, standin.Beansdb},
	} {
		if *one.addr != "" {
			continue
		}
		server, err := one.start(ctx)
		if err != nil {
			return err
		}
		s.opened = append(s.opened, server)
		*one.addr = server.Addr
		if one.addr == &at.MySQL {
			at.MySQL = "root@tcp(" + server.Addr + ")/"
		}
	}
	if at.Redis == "" {
		server := miniredis.NewMiniRedis()
		if err := server.Start(); err != nil {
			return err
		}
		s.opened = append(s.opened, closeFunc(server.Close))
		at.Redis = server.Addr()
	}
	return nil
}

type closeFunc func()

func (f closeFunc) Close() error {
	f()
	return nil
}

// openSQL makes the site's database and opens it.
func (s *stores) openSQL(ctx context.Context, dsn string) error {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return err
	}
	if cfg.DBName != "" {
		return fmt.Errorf("the site uses a database of its own, %s, which it makes anew; leave %q out of the address", database, cfg.DBName)
	}
	cfg.DialFunc = s.net.dial
	cfg.InterpolateParams = true // one round trip for a statement, not two
	plain, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(plain)
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	cfg.DBName = database
	if plain, err = mysql.NewConnector(cfg); err != nil {
		return err
	}
	s.sql = sql.OpenDB(shuaisql.NewConnector(plain, shuaisql.Config{Namespace: database, Server: cfg.Addr}))
	s.sql.SetMaxIdleConns(atOnce)
	s.sql.SetMaxOpenConns(atOnce)
	s.opened = append(s.opened, s.sql)
	return nil
}

func (s *stores) newKV(system, addr string) *kv {
	c := memcache.New(addr)
	c.MaxIdleConns = atOnce
	c.Timeout = 5 * time.Second // half a second, the default, is short on a machine that is busy
	c.DialContext = s.net.dial
	return &kv{c, system, addr}
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
	if err != nil {
		return nil, err
	}
	return &slowConn{c, n}, nil
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
