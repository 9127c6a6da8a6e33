package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/quantity"
)

// WhyCmd sets the slow requests of an endpoint beside the normal ones.
type WhyCmd struct {
	client
	Service    string `short:"s" placeholder:"NAME" help:"The endpoint's service. (that of the endpoint which takes the most time)"`
	Name       string `placeholder:"NAME" help:"The name of its root spans. (that of the endpoint of the service which takes the most time)"`
	Query      string `short:"q" placeholder:"FILTER" help:"Only requests whose root span matches."`
	From       string `default:"now-1h" placeholder:"TIME" help:"Of requests that started from then on: now-1h30m, now-7d, RFC 3339, or Unix ns. (${default})"`
	To         string `default:"now" placeholder:"TIME" help:"… and before then. (${default})"`
	Slow       string `default:"p95.." placeholder:"RANGE" help:"Which requests are slow, by duration: p95.., 300ms..2s. (${default})"`
	Normal     string `default:"p25..p75" placeholder:"RANGE" help:"Which are normal. (${default})"`
	SlowFrom   string `placeholder:"TIME" help:"Take the slow ones from then on, for setting one time beside another. (--from)"`
	SlowTo     string `placeholder:"TIME" help:"… and before then. (--to)"`
	NormalFrom string `placeholder:"TIME" help:"Take the normal ones from then on. (--from)"`
	NormalTo   string `placeholder:"TIME" help:"… and before then. (--to)"`
	Before     string `placeholder:"PERIOD" help:"Compare figures and patterns with so much earlier: 1h, 1d, 1w. (as long as the time asked about)"`
	BeforeFrom string `placeholder:"TIME" help:"Compare them with what started from then on. (--before)"`
	BeforeTo   string `placeholder:"TIME" help:"… and before then. (--before)"`
	Patterns   bool   `help:"Show execution patterns instead: requests grouped by the shape of their trees, now and before."`
	Sample     int    `default:"300" placeholder:"N" help:"Look at so many requests of either kind, up to 2000. (${default})"`
	Limit      int    `short:"n" default:"10" placeholder:"N" help:"Show at most so many lines of a table. (${default})"`
	Output     string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`
}

// Help is the long text of why --help.
func (*WhyCmd) Help() string {
	return `WHY says, path by path, what slow requests call and wait for that normal ones do not; "extra" is on the critical path, so that all lines sum to the difference. WHO says which attributes slow requests have more often. DO is what can be done. Of many requests a sample is read, and the output says of how many.

  shuai why                                            the endpoint that takes the most time
  shuai why -s web --name 'GET /subject/{id}'          slowest 5 % against the middle half
  shuai why -s web --slow '..' --slow-from now-10m --normal '..' --normal-from now-1d --normal-to now-23h
  shuai why -s web --patterns --before 1d              which shapes of request are new
  shuai why -s web --patterns --from now-30m --before-from now-3h --before-to now-30m`
}

type population struct {
	Over, UpTo       int64
	Requests, Looked int
	Errors           int
	Mean             float64
}

// String says which requests are meant.
func (p population) String() string {
	s := count(p.Requests, "request")
	switch {
	case p.Over > 0 && p.UpTo > 0:
		s += " of " + quantity.Duration(p.Over) + " to " + quantity.Duration(p.UpTo)
	case p.Over > 0:
		s += " over " + quantity.Duration(p.Over)
	case p.UpTo > 0:
		s += " up to " + quantity.Duration(p.UpTo)
	}
	if p.Looked < p.Requests {
		s += fmt.Sprintf(" (looked at %d)", p.Looked)
	}
	return s + ", mean " + quantity.Duration(int64(p.Mean))
}

type means struct{ Calls, Self, Critical, Serial float64 }

type difference struct {
	Service, Label string
	Depth          int
	Steps          []string
	A, B           means
	Extra, Share   float64
}

type differences struct {
	Extra float64
	Paths []difference
	Rest  struct {
		Paths        int
		Extra, Share float64
	}
}

type request struct {
	TraceID, Start string
	Duration       int64
	Error          bool
}

type red struct {
	Requests, Errors    uint64
	Rate, ErrorRatio    float64
	Mean, P50, P95, P99 int64
	Share               float64
}

// Run asks and prints.
func (cmd *WhyCmd) Run(ctx context.Context, io streams) error {
	if err := cmd.choose(ctx); err != nil {
		return err
	}
	query := url.Values{"service": {cmd.Service}, "name": {cmd.Name}, "from": {cmd.From}, "to": {cmd.To}}
	for name, v := range map[string]string{"q": cmd.Query, "before": cmd.Before, "beforeFrom": cmd.BeforeFrom, "beforeTo": cmd.BeforeTo} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if cmd.Patterns {
		return cmd.patterns(ctx, io, query)
	}
	var page struct {
		Now      red
		Before   *red
		Findings []finding
	}
	pageQuery := url.Values{"limit": {"1"}}
	maps.Copy(pageQuery, query)
	query.Set("sample", strconv.Itoa(cmd.Sample))
	query.Set("limit", strconv.Itoa(cmd.Limit))
	for name, v := range map[string]string{
		"slow": cmd.Slow, "normal": cmd.Normal, "slowFrom": cmd.SlowFrom, "slowTo": cmd.SlowTo, "normalFrom": cmd.NormalFrom, "normalTo": cmd.NormalTo,
	} {
		if v != "" {
			query.Set(name, v)
		}
	}
	var answer struct {
		A, B population
		differences
		Traits []struct {
			Service, Key, Value string
			A, B, Times         float64
		}
		Examples struct{ Slowest, A, B []request }
	}
	if printed, err := cmd.show(ctx, io.out, cmd.Output, "/why", query, &answer); printed || err != nil {
		return err
	}
	if _, err := cmd.ask(ctx, "/endpoint", pageQuery, &page); err != nil {
		return err
	}
	var w strings.Builder
	p := colours(io.out)
	fmt.Fprintf(&w, "%s\n", p.bold(heading(cmd.Service+"  "+cmd.Name)))
	writeRed(&w, p, page.Now, page.Before)
	if answer.A.Looked == 0 || answer.B.Looked == 0 {
		fmt.Fprintf(&w, "\nslow: %v\nnormal: %v\nThere is nothing to set side by side; --from now-1d looks further back.\n", answer.A, answer.B)
		_, err := fmt.Fprint(io.out, w.String())
		return err
	}
	fmt.Fprintf(&w, "\n%s  slow requests take %s longer\nslow    %v\nnormal  %v\n", p.bold("WHY"), quantity.Duration(int64(answer.Extra)), answer.A, answer.B)
	writeDifferences(&w, p, &answer.differences, "normal", "slow")
	if len(answer.Traits) > 0 {
		fmt.Fprintf(&w, "\n%s  attributes that slow requests have more often\n", p.bold("WHO"))
		t := table{head: []string{"slow", "normal", "times", "<attribute"}}
		for _, tr := range answer.Traits[:min(cmd.Limit, len(answer.Traits))] {
			text := tr.Key + " = " + strconv.Quote(tr.Value)
			if tr.Service != "" {
				text = tr.Service + ": " + text
			}
			t.add(percent(tr.A), percent(tr.B), quantity.Digits(min(tr.Times, 999)), fit(plain(text), max(columns()-26, 30)))
		}
		t.write(&w, p)
	}
	if len(page.Findings) > 0 {
		fmt.Fprintf(&w, "\n%s\n", p.bold("DO"))
		for _, f := range page.Findings {
			fmt.Fprintf(&w, "%s  %s\n  %s Confidence %s, finding %s\n", p.red(f.Kind), plain(f.Title), plain(f.Advice), percent(f.Confidence), plain(f.ID))
		}
	}
	fmt.Fprintf(&w, "\n%s\n", p.bold("EXAMPLES"))
	examples := table{head: []string{"<", "took", "<trace"}}
	for _, list := range []struct {
		what string
		of   []request
	}{{"slowest", answer.Examples.Slowest}, {"typical slow", answer.Examples.A}, {"typical normal", answer.Examples.B}} {
		for _, r := range list.of {
			examples.add(list.what, quantity.Duration(r.Duration), plain(r.TraceID))
		}
	}
	examples.write(&w, p)
	_, err := fmt.Fprint(io.out, w.String())
	return err
}

// choose finds the endpoint that takes the most time, of what is not said.
func (cmd *WhyCmd) choose(ctx context.Context) error {
	if cmd.Service != "" && cmd.Name != "" {
		return nil
	}
	if cmd.Name != "" {
		return errors.New("--name needs --service: two services may have an endpoint of that name")
	}
	query := url.Values{"from": {cmd.From}, "to": {cmd.To}, "limit": {"1"}}
	if cmd.Service != "" {
		query.Set("service", cmd.Service)
	}
	var answer struct {
		From, To  string
		Endpoints []struct{ Service, Name string }
	}
	if _, err := cmd.ask(ctx, "/endpoints", query, &answer); err != nil {
		return err
	}
	if len(answer.Endpoints) == 0 {
		return fmt.Errorf("there were no requests from %s to %s; --from now-1d looks further back", moment(answer.From), moment(answer.To))
	}
	cmd.Service, cmd.Name = answer.Endpoints[0].Service, answer.Endpoints[0].Name
	return nil
}

func writeRed(w *strings.Builder, p paint, now red, before *red) {
	t := table{head: []string{"<", "requests", "rate", "errors", "mean", "p50", "p95", "p99", "share"}}
	add := func(name string, r *red, share string) {
		t.add(name, strconv.FormatUint(r.Requests, 10), rate(r.Rate), percent(r.ErrorRatio), quantity.Duration(r.Mean), quantity.Duration(r.P50), quantity.Duration(r.P95), quantity.Duration(r.P99), share)
	}
	add("now", &now, percent(now.Share))
	if before != nil {
		add("before", before, "")
		if before.Requests > 0 && now.Requests > 0 {
			times := func(a, b int64) string {
				if b == 0 {
					return ""
				}
				return "×" + quantity.Digits(min(float64(a)/float64(b), 999))
			}
			t.add("change", "×"+quantity.Digits(min(float64(now.Requests)/float64(before.Requests), 999)), "", "", times(now.Mean, before.Mean), times(now.P50, before.P50),
				times(now.P95, before.P95), times(now.P99, before.P99), "")
		}
	}
	t.write(w, p)
}

// writeDifferences prints the paths of a comparison: b, then a.
func writeDifferences(w *strings.Builder, p paint, d *differences, b, a string) {
	t := table{head: []string{"extra", "share", "calls " + b, a, "waited " + b, a, "serial", "<path"}}
	for _, x := range d.Paths {
		t.add(signed(x.Extra), percentOf(x.Share), calls(x.B.Calls), calls(x.A.Calls), quantity.Duration(int64(x.B.Critical)), quantity.Duration(int64(x.A.Critical)), serial(x.A),
			fit(plain(pathText(x.Service, x.Label, x.Steps)), max(columns()-70, 30)))
	}
	if d.Rest.Paths > 0 {
		t.add(signed(d.Rest.Extra), percentOf(d.Rest.Share), "", "", "", "", "", count(d.Rest.Paths, "other path"))
	}
	t.write(w, p)
}

func serial(m means) string {
	if m.Calls < 1.5 {
		return ""
	}
	return percent(m.Serial)
}

// pathText is the way to a call: where there is none, it is the root's own work.
func pathText(service, label string, steps []string) string {
	if len(steps) == 0 {
		return service + "  " + label + " (own work)"
	}
	return strings.Join(steps, " > ")
}

func calls(f float64) string {
	if f == math.Trunc(f) && f < 1e6 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// signed shows ns with their sign.
func signed(ns float64) string {
	if ns < 0 {
		return "−" + quantity.Duration(int64(-ns))
	}
	return "+" + quantity.Duration(int64(ns))
}

func percentOf(f float64) string {
	if f > -0.0005 && f < 0 {
		f = 0
	}
	if f < 0 {
		return "−" + percent(-f)
	}
	return percent(f)
}

func (cmd *WhyCmd) patterns(ctx context.Context, io streams, query url.Values) error {
	query.Set("limit", strconv.Itoa(cmd.Limit))
	type figures struct {
		Requests        int
		Part, TimeShare float64
		P50, P95        int64
	}
	var answer struct {
		Now, Before population
		Total       int
		Patterns    []struct {
			ID          string
			Now, Before figures
			New         bool
			Spans       int
			Typical     request
			Has, Lacks  []string
		}
	}
	if printed, err := cmd.show(ctx, io.out, cmd.Output, "/patterns", query, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(io.out)
	fmt.Fprintf(&w, "%s\nnow     %v\nbefore  %v\n", p.bold(heading(cmd.Service+"  "+cmd.Name)), answer.Now, answer.Before)
	t := table{head: []string{"time", "requests", "before", "p50", "p95", "p95 before", "spans", "<", "<typical trace", "<differs from the usual by"}}
	for _, x := range answer.Patterns {
		was, p95, is := "", "", ""
		if x.Before.Requests > 0 {
			was, p95 = percent(x.Before.Part), quantity.Duration(x.Before.P95)
		}
		if x.New {
			is = "new"
		}
		var differs []string
		for _, s := range x.Has {
			differs = append(differs, "+"+s)
		}
		for _, s := range x.Lacks {
			differs = append(differs, "−"+s)
		}
		t.add(percent(x.Now.TimeShare), percent(x.Now.Part), was, quantity.Duration(x.Now.P50), quantity.Duration(x.Now.P95), p95, strconv.Itoa(x.Spans), is, plain(x.Typical.TraceID),
			fit(plain(strings.Join(differs, ", ")), 60))
	}
	t.mark = func(i int) func(string) string {
		if answer.Patterns[i].New {
			return p.red
		}
		return nil
	}
	t.write(&w, p)
	fmt.Fprintf(&w, "showing %d of %s\n", len(answer.Patterns), count(answer.Total, "pattern"))
	_, err := fmt.Fprint(io.out, w.String())
	return err
}

// DiffCmd sets two requests beside each other.
type DiffCmd struct {
	client
	A      string `arg:"" help:"A trace's id."`
	B      string `arg:"" optional:"" help:"Another's; without it, the usual requests of the endpoint of the first."`
	Limit  int    `short:"n" default:"20" placeholder:"N" help:"Show at most so many paths. (${default})"`
	Output string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`
}

// Run asks and prints.
func (cmd *DiffCmd) Run(ctx context.Context, io streams) error {
	if cmd.B == "" {
		cmd.B = "typical"
	}
	type side struct {
		TraceID, Service, Name string
		Duration, Spans        float64
		Typical                *population
	}
	var answer struct {
		A, B side
		differences
	}
	if printed, err := cmd.show(ctx, io.out, cmd.Output, "/compare", url.Values{"a": {cmd.A}, "b": {cmd.B}, "limit": {strconv.Itoa(cmd.Limit)}}, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(io.out)
	show := func(name string, s side) {
		what := plain(s.TraceID)
		if s.Typical != nil {
			what = "the usual: " + s.Typical.String()
		}
		fmt.Fprintf(&w, "%s  %s  %s spans  %s  %s\n", p.bold(name), quantity.Duration(int64(s.Duration)), calls(s.Spans), fit(plain(s.Service+"  "+s.Name), 50), what)
	}
	show("a", answer.A)
	show("b", answer.B)
	if answer.A.Service != answer.B.Service || answer.A.Name != answer.B.Name {
		w.WriteString("note: the two are requests of different endpoints, so no path of one is a path of the other\n")
	}
	than := "longer"
	if answer.Extra < 0 {
		than = "less"
	}
	fmt.Fprintf(&w, "a takes %s %s than b\n\n", quantity.Duration(int64(math.Abs(answer.Extra))), than)
	writeDifferences(&w, p, &answer.differences, "b", "a")
	_, err := fmt.Fprint(io.out, w.String())
	return err
}
