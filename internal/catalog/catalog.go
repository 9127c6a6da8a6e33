// Package catalog is the Redeye services that the server was told of (shuai serve --redeye NAME=URL): what each offers
// ([Catalog.Schema]), whether it takes a program ([Catalog.Check]), and the programs at its call sites with their breakers and switches
// ([Catalog.Sites], [Catalog.Switch]).
//
// Only addresses that the operator named are ever asked, whatever spans say, and no redirect is followed: spans come from anybody. Answers
// are bounded in size and in time, and remembered for a while, a failure for a shorter one.
package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Service is where a Redeye service is.
type Service struct {
	Name string // the service.name under which it sends spans
	URL  string
}

// ParseService reads NAME=URL.
func ParseService(text string) (Service, error) {
	name, address, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return Service{}, fmt.Errorf("%q is no Redeye service; want NAME=URL, such as movies=http://127.0.0.1:8080", text)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return Service{}, fmt.Errorf("%q is no address of a Redeye service; want http://HOST:PORT or https://HOST:PORT", address)
	}
	return Service{name, strings.TrimRight(address, "/")}, nil
}

// Config says which services there are.
type Config struct {
	Services []Service
	Token    string // sent as a bearer token to all of them, for their operators' pages; may be empty
	Now      func() time.Time
}

// Catalog may be used concurrently.
type Catalog struct {
	token string
	now   func() time.Time
	http  *http.Client

	mu       sync.Mutex // guards what follows
	services []Service
	clients  map[string]*redeye.Client
	answers  map[question]*answer
}

// The bounds of what a service may cost.
const (
	patience    = 2 * time.Second
	maxSites    = 32 << 20 // bytes of the list of call sites
	maxAnswers  = 1000     // remembered
	keepSchema  = time.Minute
	keepSites   = 2 * time.Second
	keepFailure = 5 * time.Second
)

// New makes a catalog. Nothing is asked yet.
func New(cfg Config) *Catalog {
	c := &Catalog{token: cfg.Token, now: cfg.Now, clients: map[string]*redeye.Client{}, answers: map[question]*answer{}}
	if c.now == nil {
		c.now = time.Now
	}
	c.http = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it answers with a redirect, which is not followed; name the address itself with --redeye")
	}}
	for _, s := range cfg.Services {
		c.Add(s)
	}
	return c
}

// Add tells of one more service, or of another address of one.
func (c *Catalog) Add(s Service) {
	header := http.Header{}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services = append(slices.DeleteFunc(c.services, func(o Service) bool { return o.Name == s.Name }), s)
	c.clients[s.Name] = redeye.NewClient(s.URL, redeye.Config{HTTP: c.http, Header: header, Timeout: patience})
	clear(c.answers)
}

// Services are those that there are, in the order in which they were named.
func (c *Catalog) Services() []Service {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.services)
}

// ErrUnknown says that the server was not told of a service.
var ErrUnknown = errors.New("the server was not told where this Redeye service is; start it with --redeye NAME=URL")

// question is something that is remembered: the schema, the sites, or whether a program is taken.
type question struct{ service, kind, program string }

type answer struct {
	once  sync.Once
	until time.Time // guarded by the Catalog's mutex; zero while it is being asked
	value any
	err   error
}

// remember asks a question, unless the answer is known. Who asks meanwhile waits for the same answer; the context of the first one is not what
// ends it.
func remember[T any](ctx context.Context, c *Catalog, q question, keep time.Duration, ask func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	a := c.answers[q]
	if a == nil || !a.until.IsZero() && c.now().After(a.until) {
		if len(c.answers) >= maxAnswers {
			clear(c.answers)
		}
		a = new(answer)
		c.answers[q] = a
	}
	c.mu.Unlock()
	a.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		a.value, a.err = ask(ctx)
		if a.err != nil {
			keep = min(keep, keepFailure)
		}
		c.mu.Lock()
		a.until = c.now().Add(keep)
		c.mu.Unlock()
	})
	v, _ := a.value.(T)
	return v, a.err
}

// Schema is what a service offers. It is not to be changed.
func (c *Catalog) Schema(ctx context.Context, service string) (*schema.Schema, error) {
	client := c.client(service)
	if client == nil {
		return nil, ErrUnknown
	}
	return remember(ctx, c, question{service, "schema", ""}, keepSchema, client.Schema)
}

func (c *Catalog) client(service string) *redeye.Client {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clients[service]
}

// Check asks the service's own checker whether it takes a program, which is not run.
func (c *Catalog) Check(ctx context.Context, service, program string) error {
	client := c.client(service)
	if client == nil {
		return ErrUnknown
	}
	_, err := remember(ctx, c, question{service, "check", program}, keepSchema, func(ctx context.Context) (*redeye.Explanation, error) {
		return redeye.Text[*column.Column](program, nil).Explain(ctx, client)
	})
	return err
}

// Site is a program at a call site, as the service itself keeps it: figures since the service started.
type Site struct {
	Tenant  string    `json:"tenant"`
	Key     string    `json:"key"`
	Label   string    `json:"label"`
	Hash    string    `json:"hash"`
	Program string    `json:"program"`
	Calls   int64     `json:"calls"`
	Errors  int64     `json:"errors"`
	Refused int64     `json:"refused"`
	Running int       `json:"running"`
	Last    time.Time `json:"last"`
	Breaker string    `json:"breaker"` // closed, open or half-open
	Off     bool      `json:"off"`
	Limit   int       `json:"limit"` // executions at once; 0 is the service's own bound
}

// Sites are the programs at call sites that a service has seen.
func (c *Catalog) Sites(ctx context.Context, service string) ([]Site, error) {
	if c.client(service) == nil {
		return nil, ErrUnknown
	}
	return remember(ctx, c, question{service, "sites", ""}, keepSites, func(ctx context.Context) ([]Site, error) {
		body, err := c.operate(ctx, service, http.MethodGet, nil)
		if err != nil {
			return nil, err
		}
		var list struct{ CallSites []Site }
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, fmt.Errorf("the list of its call sites: %w", err)
		}
		return list.CallSites, nil
	})
}

// Switch turns a program at a call site off or on, and bounds how many of it run at once; 0 is the service's own bound.
func (c *Catalog) Switch(ctx context.Context, service, tenant, key, hash string, off bool, limit int) error {
	if c.client(service) == nil {
		return ErrUnknown
	}
	body, err := json.Marshal(map[string]any{"tenant": tenant, "key": key, "hash": hash, "off": off, "limit": limit})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = c.operate(ctx, service, http.MethodPost, body)
	c.mu.Lock()
	delete(c.answers, question{service, "sites", ""})
	c.mu.Unlock()
	return err
}

// Refusal is a service's answer to an operator that is none of success.
type Refusal struct {
	Status int
	Msg    string
}

// Error says what the service said.
func (r *Refusal) Error() string {
	switch {
	case r.Status == http.StatusNotFound && r.Msg == "404 page not found": // of net/http: nothing is served there
		return "the service shows no call sites: it has no Operator, or an older version"
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
		return "the service shows its call sites to operators only; give the server their token with --redeye-token"
	}
	return fmt.Sprintf("the service answers %d: %s", r.Status, r.Msg)
}

// operate asks the page of a service's operators.
func (c *Catalog) operate(ctx context.Context, service, method string, body []byte) ([]byte, error) {
	services := c.Services()
	at := slices.IndexFunc(services, func(s Service) bool { return s.Name == service })
	req, err := http.NewRequestWithContext(ctx, method, services[at].URL+"/redeye/callsites", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the service does not answer: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxSites+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the service's answer: %w", err)
	case len(answer) > maxSites:
		return nil, fmt.Errorf("the service's answer has more than %d bytes", maxSites)
	case resp.StatusCode/100 != 2:
		return nil, &Refusal{resp.StatusCode, strings.TrimSpace(string(answer[:min(len(answer), 200)]))}
	}
	return answer, nil
}
