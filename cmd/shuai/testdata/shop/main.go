// Command shop is a program that knows nothing of tracing: its pages call each other and a database, without a context.
// It reads paths of pages from standard input, prints them, and exits with 3 at the end.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/fuwu-project/fuwu/cmd/shuai/testdata/shop/opened"
)

// Names that what is woven in must not meet.
var http_, woven, shuai = 1, 2, 3

func init() { _ = http_ + woven + shuai }

var (
	db         = opened.DB
	base       string
	afterwards sync.WaitGroup
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /product/{id}", product)
	mux.HandleFunc("GET /price/{id}", price)
	mux.HandleFunc("GET /late", late)
	mux.HandleFunc("GET /raw", raw)
	mux.HandleFunc("POST /raw", trailer)
	server := httptest.NewServer(mux)
	second := httptest.NewUnstartedServer(mux)
	second.EnableHTTP2 = true
	second.StartTLS()
	base = server.URL
	at, _ := url.Parse(base)
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(at))

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if path, ok := strings.CutPrefix(lines.Text(), "proxy "); ok {
			fmt.Println(get(proxy.URL + path))
		} else if path, ok := strings.CutPrefix(lines.Text(), "h2 "); ok {
			http.DefaultClient.Transport = second.Client().Transport
			fmt.Println(get(second.URL + path))
		} else {
			fmt.Println(get(base + lines.Text()))
		}
		afterwards.Wait()
	}
	os.Exit(3)
}

func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func product(w http.ResponseWriter, r *http.Request) {
	var both sync.WaitGroup
	var price string
	both.Go(func() { price = get(base + "/price/" + r.PathValue("id")) })
	both.Wait()
	fmt.Fprintf(w, "product %s: %s", r.PathValue("id"), price)
}

func price(w http.ResponseWriter, r *http.Request) {
	var cents int
	if err := db.QueryRow("SELECT 100 + ?", r.PathValue("id")).Scan(&cents); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, cents)
}

// late has been answered when the goroutine that it starts makes a call.
func late(w http.ResponseWriter, r *http.Request) {
	done := r.Context().Done()
	afterwards.Go(func() {
		<-done
		get(base + "/price/7")
	})
	fmt.Fprint(w, "later")
}

// raw prints what the program sees of its connection, its writer, its request, and of what it posts with a trailer that is not announced.
func raw(w http.ResponseWriter, r *http.Request) {
	conn, err := db.Conn(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	conn.Raw(func(c any) error {
		_, err := fmt.Fprintf(w, "%T %T", c, w)
		return err
	})
	body, send := io.Pipe()
	req, _ := http.NewRequest(http.MethodPost, base+"/raw", body)
	req.Trailer = http.Header{"X-End": nil}
	go func() {
		io.WriteString(send, "all")
		req.Trailer.Set("X-End", "yes")
		send.Close()
	}()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprint(w, err)
		return
	}
	defer resp.Body.Close()
	trailer, _ := io.ReadAll(resp.Body)
	fmt.Fprintf(w, " %v %s", resp.Request == req, trailer)
}

func trailer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, r.Trailer)
}
