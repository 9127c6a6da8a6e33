package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/quantity"
	"github.com/fuwu-project/fuwu/internal/store"
)

// SlowCmd shows the endpoints that cost the most time or, of a filter, the slowest traces.
type SlowCmd struct {
	client
	Service string `short:"s" placeholder:"NAME" help:"Only spans of this service."`
	Name    string `placeholder:"NAME" help:"Show the slowest requests whose root span has this name."`
	Query   string `short:"q" placeholder:"FILTER" help:"Show the traces with the slowest spans that match, such as '{ span.db.system.name = \"mysql\" }'."`
	From    string `default:"now-1h" placeholder:"TIME" help:"Of spans that started from then on: now-1h30m, now-7d, RFC 3339, or Unix ns. (${default})"`
	To      string `default:"now" placeholder:"TIME" help:"… and before then. (${default})"`
	Sort    string `default:"time" enum:"time,p95,rate,errors,slowest" help:"Order of the endpoints: time, p95, rate, errors or slowest. (${default})"`
	Limit   int    `short:"n" default:"20" placeholder:"N" help:"Show at most so many, up to 1000. (${default})"`
	Output  string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`
}

// Run asks and prints.
func (cmd *SlowCmd) Run(ctx context.Context, io streams) error {
	query := url.Values{"from": {cmd.From}, "to": {cmd.To}, "limit": {strconv.Itoa(cmd.Limit)}}
	if cmd.Query != "" || cmd.Name != "" {
		query.Set("q", cmd.filter())
		query.Set("sort", "slowest")
		return cmd.traces(ctx, io.out, query)
	}
	if cmd.Service != "" {
		query.Set("service", cmd.Service)
	}
	query.Set("sort", cmd.Sort)
	return cmd.endpoints(ctx, io.out, query)
}

// filter joins --query, --service and --name. A filter that stands alone is sent as it was typed.
func (cmd *SlowCmd) filter() string {
	if cmd.Service == "" && cmd.Name == "" {
		return cmd.Query
	}
	var parts []string
	inner := strings.TrimSpace(cmd.Query)
	if s, ok := strings.CutPrefix(inner, "{"); ok && strings.HasSuffix(s, "}") {
		inner = strings.TrimSpace(strings.TrimSuffix(s, "}"))
	}
	if inner != "" {
		parts = append(parts, "("+inner+")")
	}
	if cmd.Service != "" {
		parts = append(parts, store.Is(store.ServiceName, cmd.Service).String())
	}
	if cmd.Name != "" {
		parts = append(parts, store.IsRoot().String(), store.Is(store.Name, cmd.Name).String())
	}
	return "{ " + strings.Join(parts, " && ") + " }"
}

func (cmd *SlowCmd) endpoints(ctx context.Context, out io.Writer, query url.Values) error {
	var answer struct {
		From, To  string
		Total     int
		Endpoints []struct {
			Service, Name, SlowestTrace string
			Count, Errors               uint64
			Rate, Share                 float64
			Mean, P50, P95, P99, Max    int64
		}
	}
	if printed, err := cmd.show(ctx, out, cmd.Output, "/endpoints", query, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(out)
	if answer.Total == 0 {
		fmt.Fprintf(&w, "No requests from %s to %s; --from now-1d looks further back.\n", moment(answer.From), moment(answer.To))
	} else {
		t := table{head: []string{"share", "requests", "rate", "errors", "mean", "p50", "p95", "p99", "max", "<endpoint", "<slowest trace"}}
		for _, e := range answer.Endpoints {
			t.add(percent(e.Share), strconv.FormatUint(e.Count, 10), rate(e.Rate), strconv.FormatUint(e.Errors, 10),
				quantity.Duration(e.Mean), quantity.Duration(e.P50), quantity.Duration(e.P95), quantity.Duration(e.P99), quantity.Duration(e.Max),
				fit(plain(e.Service+"  "+e.Name), 60), plain(e.SlowestTrace))
		}
		t.mark = func(i int) func(string) string {
			if answer.Endpoints[i].Errors > 0 {
				return p.red
			}
			return nil
		}
		t.write(&w, p)
		fmt.Fprintf(&w, "showing %d of %s, %s to %s\n", len(answer.Endpoints), count(answer.Total, "endpoint"), moment(answer.From), moment(answer.To))
	}
	_, err := fmt.Fprint(out, w.String())
	return err
}

func rate(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "0"
	case perSecond < 1.0/60:
		return quantity.Digits(perSecond*3600) + "/h"
	case perSecond < 1:
		return quantity.Digits(perSecond*60) + "/min"
	case perSecond < 1000:
		return quantity.Digits(perSecond) + "/s"
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64) + "/s"
}

func (cmd *SlowCmd) traces(ctx context.Context, out io.Writer, query url.Values) error {
	var answer struct {
		From, To string
		Matched  int
		More     bool
		Cut      bool
		Unknown  []struct {
			Key  string
			Like []string
		}
		Traces []struct {
			TraceID       string
			Duration      int64
			Spans, Errors int
			Root          *struct{ Service, Name string }
			Match         struct {
				Service, Name, Start string
				Duration             int64
			}
		}
	}
	if printed, err := cmd.show(ctx, out, cmd.Output, "/traces", query, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(out)
	between := moment(answer.From) + " to " + moment(answer.To)
	if len(answer.Traces) == 0 {
		fmt.Fprintf(&w, "Nothing matches from %s; --from now-1d looks further back.\n", between)
		for _, u := range answer.Unknown {
			fmt.Fprintf(&w, "No span has %s.", plain(u.Key))
			if len(u.Like) > 0 {
				fmt.Fprintf(&w, " Is it %s?", plain(strings.Join(u.Like, ", or ")))
			}
			w.WriteString("\n")
		}
	} else {
		t := table{head: []string{"duration", "<matching span", "trace took", "spans", "errors", "<request", "<start", "<trace"}}
		for _, e := range answer.Traces {
			root := "(root not stored)"
			if e.Root != nil {
				root = plain(e.Root.Service + "  " + e.Root.Name)
			}
			t.add(quantity.Duration(e.Match.Duration), fit(plain(e.Match.Service+"  "+e.Match.Name), 40), quantity.Duration(e.Duration),
				strconv.Itoa(e.Spans), strconv.Itoa(e.Errors), fit(root, 40), moment(e.Match.Start), plain(e.TraceID))
		}
		t.mark = func(i int) func(string) string {
			if answer.Traces[i].Errors > 0 {
				return p.red
			}
			return nil
		}
		t.write(&w, p)
		matched := count(answer.Matched, "matching span")
		if answer.More {
			matched = "more than " + matched
		}
		fmt.Fprintf(&w, "showing %s with the slowest of %s, %s\n", count(len(answer.Traces), "trace"), matched, between)
		if answer.Cut {
			w.WriteString("there are more traces, but those shown have too many matching spans; narrow the filter\n")
		}
	}
	_, err := fmt.Fprint(out, w.String())
	return err
}
