package demo

import (
	"context"
	"errors"
	"net"
	"strings"
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

// values are those of keys; a key that is empty or not there has an empty one. It is one call of the store.
func (s *kv) values(ctx context.Context, keys []string) ([]string, error) {
	asked := make([]string, 0, len(keys))
	for _, k := range keys {
		if k != "" {
			asked = append(asked, k)
		}
	}
	out := make([]string, len(keys))
	if len(asked) == 0 {
		return out, nil
	}
	_, span := shuai.StartSpan(ctx, "get", shuai.KindClient)
	defer span.End()
	span.SetString("db.system.name", s.system)
	span.SetString("db.operation.name", "get")
	span.SetString("db.query.text", "get "+strings.Join(asked, " "))
	span.SetString("server.address", s.addr.IP.String())
	span.SetInt("server.port", int64(s.addr.Port))
	found, err := s.get(asked)
	if err != nil {
		span.Error(err)
		return nil, err
	}
	span.SetBool("cache.hit", len(found) == len(asked))
	for i, k := range keys {
		if item := found[k]; item != nil {
			out[i] = string(item.Value)
		}
	}
	return out, nil
}

func (s *kv) get(keys []string) (map[string]*memcache.Item, error) {
	if len(keys) > 1 {
		return s.client.GetMulti(keys)
	}
	item, err := s.client.Get(keys[0])
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	return map[string]*memcache.Item{keys[0]: item}, err
}

// fill stores a value without a span: the demo's own preparation is not part of the picture.
func (s *kv) fill(key string, value []byte) error {
	return s.client.Set(&memcache.Item{Key: key, Value: value})
}
