package demo

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/fuwu-project/fuwu/shuai"
)

// kv is a client of a store that speaks memcached's protocol. The library's calls take no context, so
// the spans are made here; system tells the stores apart: memcached or beansdb.
type kv struct {
	client *memcache.Client
	system string
	addr   *net.TCPAddr
}

func newKV(system string, addr *net.TCPAddr) *kv {
	c := memcache.New(addr.String())
	c.MaxIdleConns = 16
	c.Timeout = 5 * time.Second // half a second, the default, is short on a machine that is busy
	return &kv{c, system, addr}
}

func (s *kv) close() error { return s.client.Close() }

// get returns the value; of a key that is not there, nil.
func (s *kv) get(ctx context.Context, key string) ([]byte, error) {
	_, span := shuai.StartSpan(ctx, "get", shuai.KindClient)
	defer span.End()
	span.SetString("db.system.name", s.system)
	span.SetString("db.operation.name", "get")
	span.SetString("db.query.text", "get "+key)
	span.SetString("server.address", s.addr.IP.String())
	span.SetInt("server.port", int64(s.addr.Port))
	item, err := s.client.Get(key)
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		span.SetBool("cache.hit", false)
		return nil, nil
	case err != nil:
		span.Error(err)
		return nil, err
	}
	span.SetBool("cache.hit", true)
	return item.Value, nil
}

// fill stores a value without a span: the demo's own preparation is not part of the picture.
func (s *kv) fill(key string, value []byte) error {
	return s.client.Set(&memcache.Item{Key: key, Value: value})
}
