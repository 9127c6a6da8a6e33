// Command plant sends the requests of workload.Subject, an endpoint with two planted causes of slowness, to a server, as
// if they had come in during the hour before now. Tests of the web UI look for the causes on its pages.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/fuwu-project/fuwu/internal/wire"
	"github.com/fuwu-project/fuwu/internal/workload"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:4318", "where OTLP over HTTP is taken")
	requests := flag.Int("n", 20_000, "how many requests")
	over := flag.Duration("over", 55*time.Minute, "how long ago the first of them was; the others follow evenly until now")
	flag.Parse()
	if err := plant(context.Background(), *url+"/v1/traces", *requests, *over); err != nil {
		log.Fatal(err)
	}
}

func plant(ctx context.Context, url string, requests int, over time.Duration) error {
	start := time.Now().Add(-over).UnixNano()
	for b := range workload.Subject(1, requests, start, int64(over)/int64(requests)) {
		_, body := wire.Encode(b)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-protobuf")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("POST %s: %s: %s", url, response.Status, answer)
		}
	}
	return nil
}
