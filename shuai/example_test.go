package shuai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fuwu-project/fuwu/shuai"
)

// A service is traced from Start to stop. The collector is usually "shuai serve", on the default endpoint.
func Example() {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Println("collector:", r.Method, r.URL.Path, n > 0)
	}))
	defer collector.Close()

	stop, err := shuai.Start(shuai.Config{Service: "movie-web", Endpoint: collector.URL, Ratio: 1})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, page := shuai.StartSpan(context.Background(), "GET /subject/{id}", shuai.KindServer)
	func(ctx context.Context) {
		_, call := shuai.StartSpan(ctx, "movie.Service/GetMovie", shuai.KindClient)
		defer call.End()
		call.SetString("rpc.method", "movie.Service/GetMovie")
		call.SetInt("movie.id", 1292052)
		call.Error(errors.New("no such movie"))
		fmt.Println("same trace:", call.TraceID() == page.TraceID())
	}(ctx)
	page.End()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println("stopped:", stop(ctx))
	// Output:
	// same trace: true
	// collector: POST /v1/traces true
	// collector: POST /v1/metrics true
	// stopped: <nil>
}

// A trace crosses a process in the headers of a call, whatever carries them.
func ExampleExtract() {
	headers := shuai.MapCarrier{"traceparent": "00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-03"}
	ctx := shuai.Extract(context.Background(), headers)
	fmt.Println(shuai.SpanFromContext(ctx).TraceID(), shuai.SpanFromContext(ctx).Sampled())

	out := shuai.MapCarrier{}
	shuai.Inject(ctx, out)
	fmt.Println(out.Get("traceparent"))
	// Output:
	// 6b0349c00a112a079f3b6c1de85a7042 true
	// 00-6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000-03
}

// Ids made under a fleet's key, SHUAI_ID_KEY, say nothing without it.
func ExampleIDKey_Describe() {
	key, err := shuai.ParseIDKey("1b1a1918131211100b0a090803020100")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.Describe("04408e83d31005059f3b6c1de85a7042-1ea214f4f86a15c6"))
	// Output:
	// 2026-11-22 20:00:00.25 UTC, root on 10.17.42.7, span on x.x.42.7, pid 15443 (mod 32768), second 18880.250000 of an 18.2 h cycle <nil>
}

func ExampleDescribeID() {
	info, err := shuai.DescribeID("6b0349c00a112a079f3b6c1de85a7042-1503bc5349c04000")
	fmt.Println(info.Time, info.IP, info.Process, err)
	fmt.Println(info)
	// Output:
	// 2026-11-22 20:00:00.25 +0000 UTC 10.17.42.7 15443 <nil>
	// 2026-11-22 20:00:00.25 UTC, root on 10.17.42.7, span on x.x.42.7, pid 15443 (mod 32768), second 18880.250000 of an 18.2 h cycle
}
