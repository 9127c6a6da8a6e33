// Command serve serves the example movies:
//
//	go run github.com/fuwu-project/fuwu/redeye/server/examples/movies/serve
//	redeye schema
//	redeye query 'get_movies(ids).map(lambda m: m.title())' -p '{"ids": [1, 2]}'
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/fuwu-project/fuwu/redeye/server/examples/movies"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	if err := run(*addr); err != nil {
		fmt.Fprintln(os.Stderr, "movies:", err)
		os.Exit(1)
	}
}

func run(addr string) error {
	s, err := movies.New()
	if err != nil {
		return err
	}
	h, err := s.Handler()
	if err != nil {
		return err
	}
	fmt.Printf("movies: listening on http://%s\n", addr)
	srv := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}
