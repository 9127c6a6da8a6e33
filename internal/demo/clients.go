package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/redis/go-redis/v9"

	"github.com/fuwu-project/fuwu/shuai"
)

// How the stores are asked: each call is a span. That of a statement is made by shuaisql, beneath database/sql.

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
