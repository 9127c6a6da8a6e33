package redeye

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Config is how a client asks. The zero value works.
type Config struct {
	// HTTP sends the requests; nil is one with a pool of connections of its own. Give one whose Transport traces,
	// authenticates or stays in the process ([InProcess]).
	HTTP *http.Client
	// Header goes with every request.
	Header http.Header
	// Timeout is the deadline of queries whose context has none; default 10 s.
	Timeout time.Duration
	// MaxAnswer is how many bytes of an answer are read; default 16 MiB.
	MaxAnswer int64
}

// Client asks one service. It may be used concurrently, and it is meant to live as long as the program: it knows how the call
// sites have fared. It repeats a query only if the server said when (an error UNAVAILABLE that is not a failure of a method), or a proxy did
// by Retry-After: not before that and up to a tenth later, once, if the deadline leaves the time, and at most
// one for each ten queries, so that a server in trouble gets no more to do. A call site whose queries keep failing
// is stopped here, for a few seconds, and the others go on.
type Client struct {
	base    string
	cfg     Config
	sites   siteTable
	retries retryBudget
}

// NewClient returns a client of the service at a URL ("http://movies:8080"). Nothing is sent.
func NewClient(url string, cfg Config) *Client {
	if url == "" {
		url = "http://redeye.invalid" // for InProcess, which looks at the path alone
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if cfg.HTTP == nil {
		cfg.HTTP = defaultHTTP()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxAnswer <= 0 {
		cfg.MaxAnswer = 16 << 20
	}
	return &Client{base: strings.TrimRight(url, "/"), cfg: cfg, retries: retryBudget{tokens: maxTokens}}
}

// defaultHTTP is shared, so that many clients of one server share connections. The standard library keeps two for each
// host, and concurrent queries would open and close all others.
var defaultHTTP = sync.OnceValue(func() *http.Client {
	t := &http.Transport{}
	if base, ok := http.DefaultTransport.(*http.Transport); ok {
		t = base.Clone()
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	return &http.Client{Transport: t}
})

// Schema asks what programs of the service can use.
func (c *Client) Schema(ctx context.Context) (*schema.Schema, error) {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	body, err := c.exchange(ctx, "GetSchema", nil)
	if err != nil {
		return nil, err
	}
	r := pb.NewReader(body)
	var text []byte
	for r.Next() {
		if r.Field == 1 {
			text = r.Bytes()
			continue
		}
		r.Skip()
	}
	if r.Err() != nil {
		return nil, decodeError("the answer of GetSchema: %v", r.Err())
	}
	s, err := schema.Read(text)
	if err != nil {
		return nil, decodeError("%v", err)
	}
	return s, nil
}

// Explanation is what a server makes of a program.
type Explanation struct {
	Text   string            // the program, printed
	Type   string            // of its answer
	Plan   string            // before and after optimisation, as trees for people
	Params map[string]string // types of the parameters, by name
	Usage  Usage             // of [Query.Analyze]
}

// Explain asks how the server would run the query. It is not run, and values of parameters are not needed; if there are, the plan says what a run would do
// with lists that long.
func (q Query[R]) Explain(ctx context.Context, c *Client) (*Explanation, error) {
	p, err := q.q.program()
	if err != nil {
		return nil, err
	}
	params, err := p.params()
	if err != nil {
		return nil, err
	}
	return c.explain(ctx, slices.Concat(p.source, params))
}

// Analyze has the query run, as any, and asks what was done at each node of its plan, beside what was to be expected: rows, calls, how long they took, what was in the
// cache. Its answer is not sent.
func (q Query[R]) Analyze(ctx context.Context, c *Client) (*Explanation, error) {
	p, err := q.q.program()
	if err != nil {
		return nil, err
	}
	params, err := p.params()
	if err != nil {
		return nil, err
	}
	return c.explain(ctx, pb.AppendBool(slices.Concat(p.source, p.rest(params, c.sites.find(p, time.Now()).key)), requestAnalyze, true))
}

func (c *Client) explain(ctx context.Context, message []byte) (*Explanation, error) {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	body, err := c.exchange(ctx, "Explain", message)
	if err != nil {
		return nil, err
	}
	out := &Explanation{Params: map[string]string{}}
	r := pb.NewReader(body)
	for r.Next() {
		switch r.Field {
		case 1:
			out.Text = r.String()
		case 2:
			out.Type = r.String()
		case 4:
			out.Plan = r.String()
		case 5:
			var name, typ string
			param := r.Message()
			for param.Next() {
				switch param.Field {
				case 1:
					name = param.String()
				case 2:
					typ = param.String()
				default:
					param.Skip()
				}
			}
			if param.Err() != nil {
				r.Fail(param.Err().Error())
			}
			out.Params[name] = typ
		case 6:
			out.Usage = readUsage(r.Message(), &r)
		default:
			r.Skip()
		}
	}
	if r.Err() != nil {
		return nil, decodeError("the answer of Explain: %v", r.Err())
	}
	return out, nil
}

func (c *Client) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// run sends a program and puts its answer into out, a pointer to a zero value.
func (c *Client) run(ctx context.Context, p *program, out any) (rep Report, err error) {
	err = c.guarded(p, func(s *site) error {
		ctx, cancel := c.deadline(ctx)
		defer cancel()
		return c.ask(ctx, p, s, func(message []byte) error {
			body, err := c.exchange(ctx, "Query", message)
			if err != nil {
				return err
			}
			m, err := readAnswer(body)
			if err == nil {
				rep, err = m.Report, m.decode(out, p.partial)
			}
			return err
		})
	})
	return rep, err
}

// guarded lets f ask, unless the call site's queries keep failing.
func (c *Client) guarded(p *program, f func(s *site) error) error {
	s := c.sites.find(p, time.Now())
	call, wait, ok := s.breaker.Allow(time.Now())
	if !ok {
		return &Error{
			Code: CodeUnavailable, Reason: "BREAKER_OPEN", Site: p.site.Label, Wait: wait,
			Msg: fmt.Sprintf("queries of this call site keep failing; it is tried again in %v", wait.Round(time.Millisecond)),
		}
	}
	done := false
	defer func() {
		if !done { // a panic of the caller's own, as in a loop over rows
			call.Forget()
		}
	}()
	err := f(s)
	done = true
	if blame, counts := blameOf(err); counts {
		call.Done(time.Now(), blame)
	} else {
		call.Forget()
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Site == "" {
		e.Site = p.site.Label
	}
	return err
}

// ask sends the request, by its hash if the server should know it, and once more if the server says when. After that an error is final.
func (c *Client) ask(ctx context.Context, p *program, s *site, send func(message []byte) error) error {
	params, err := p.params()
	if err != nil {
		return err
	}
	rest := p.rest(params, s.key)
	c.retries.earn()
	byHash := p.hash != nil && s.hashes.try()
	for retried := false; ; {
		source := p.source
		if byHash {
			source = p.hash
		}
		err := send(slices.Concat(source, rest))
		if err == nil {
			if byHash {
				s.hashes.hit()
			}
			return nil
		}
		e, ok := errors.AsType[*Error](err)
		switch {
		case ok && byHash && e.Reason == "PLAN_UNKNOWN":
			s.hashes.miss()
			byHash = false
		case ok && !retried && e.Code == CodeUnavailable && e.Wait > 0 && e.Method == "" && c.retries.spend():
			retried = true
			if !sleep(ctx, e.Wait+rand.N(e.Wait/10+1)) { // of many who were told the same not all come at once
				return err // it would come too late
			}
		default:
			return err
		}
	}
}

// sleep waits, unless the context would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// answered is the message redeye.v1.Answer.
type answered struct {
	typ, value []byte
	Report
	end bool
}

func readAnswer(body []byte) (m answered, err error) {
	r := pb.NewReader(body)
	for r.Next() {
		switch r.Field {
		case 1:
			m.typ = r.Bytes()
		case 2:
			m.value = r.Bytes()
		case 3:
			m.Errors = append(m.Errors, readCellError(r.Message(), &r))
		case 4:
			m.ErrorsTotal = int64(r.Uint())
		case 5:
			m.RowsDropped = int64(r.Uint())
		case 6:
			m.Usage = readUsage(r.Message(), &r)
		case 8:
			m.end = r.Uint() != 0
		default:
			r.Skip()
		}
	}
	if r.Err() != nil {
		return m, decodeError("the answer: %v", r.Err())
	}
	return m, nil
}

// decode puts the value into out, a pointer to a zero value.
func (m *answered) decode(out any, partial bool) error {
	t, err := parsedType(m.typ)
	if err != nil {
		return decodeError("the answer's type: %v", err)
	}
	c, err := column.ReadProto(m.value, t, maxCells(len(m.value)))
	if err == nil && c.Len != 1 {
		err = fmt.Errorf("%d rows where one is expected", c.Len)
	}
	if err != nil {
		return decodeError("the answer, of the type %s: %v", m.typ, err)
	}
	if err := decode(c, m.typ, out, partial); err != nil {
		return decodeError("the answer: %v", err)
	}
	return nil
}

// types are those of answers, parsed.
var types struct {
	sync.RWMutex
	m map[string]schema.Type
}

func parsedType(text []byte) (schema.Type, error) {
	types.RLock()
	t, ok := types.m[string(text)]
	types.RUnlock()
	if ok {
		return t, nil
	}
	t, err := schema.Parse(string(text))
	if err != nil {
		return t, err
	}
	types.Lock()
	defer types.Unlock()
	if types.m == nil || len(types.m) >= maxStores {
		types.m = map[string]schema.Type{}
	}
	types.m[string(text)] = t
	return t, nil
}

func readCellError(r pb.Reader, outer *pb.Reader) (e CellError) {
	for r.Next() {
		switch r.Field {
		case 1:
			e.Path = r.String()
		case 2:
			e.Code = Code(r.String())
		case 3:
			e.Method = r.String()
		case 4:
			e.Msg = r.String()
		default:
			r.Skip()
		}
	}
	if r.Err() != nil {
		outer.Fail(r.Err().Error())
	}
	return e
}
