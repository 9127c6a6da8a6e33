// Command plant sends the requests of workload.Subject, an endpoint with two planted causes of slowness, to a server, as
// if they had come in during the hour before now. Tests of the web UI look for the causes on its pages.
package main

import (
	"bytes"
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
	if err := plant(*url+"/v1/traces", *requests, *over); err != nil {
		log.Fatal(err)
	}
}

func plant(url string, requests int, over time.Duration) error {
	start := time.Now().Add(-over).UnixNano()
	for b := range workload.Subject(1, requests, start, int64(over)/int64(requests)) {
		_, body := wire.Encode(b)
		response, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
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
