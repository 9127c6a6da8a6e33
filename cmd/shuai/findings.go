package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/quantity"
)

// FindingsCmd lists findings, shows one, or decides about one.
type FindingsCmd struct {
	client
	ID      string `arg:"" optional:"" help:"Show this finding with its evidence."`
	State   string `default:"insight" enum:"insight,all,new,open,back,muted,resolved" help:"Which to list: new, open, back, muted, resolved, all, or insight: those of the first three. (${default})"`
	Service string `short:"s" placeholder:"NAME" help:"Only those of this service's endpoints."`
	Name    string `placeholder:"NAME" help:"Only those of endpoints of this name."`
	Kind    string `default:"any" enum:"any,chatty,serial-fan-out,slow-call,retry-storm" help:"Only this kind: chatty, serial-fan-out, slow-call, retry-storm. (${default})"`
	Sort    string `default:"saving" enum:"saving,new,confidence,requests" help:"Order: saving (a day, times confidence), new, confidence or requests. (${default})"`
	Limit   int    `short:"n" default:"20" placeholder:"N" help:"Show at most so many. (${default})"`
	Output  string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`

	Mute    bool   `xor:"decide" help:"The finding of this ID is no problem: do not show it."`
	Reason  string `placeholder:"TEXT" help:"With --mute: why it is none."`
	For     string `placeholder:"PERIOD" help:"With --mute: for so long, such as 12h or 7d. (for good)"`
	Resolve bool   `xor:"decide" help:"The finding of this ID is mended: show it when a request has it again."`
	Reopen  bool   `xor:"decide" help:"Take back --mute and --resolve."`
}

// Help is the long text of findings --help.
func (*FindingsCmd) Help() string {
	return `A finding is one cause of slowness that requests have proven, one for each endpoint, path and kind. Traces are examined a few seconds after their last span came.

  shuai findings                              what to do first
  shuai findings 1df909d04ebfe2cd             one, with the traces that prove it
  shuai findings 1df909d04ebfe2cd --mute --reason "by design" --for 30d`
}

type finding struct {
	ID, Kind, State, Service, Name, Caller, Label, Title, Advice string
	FirstSeen, LastSeen, Reason, MutedUntil                      string
	Steps                                                        []string
	Requests, Of, LeastCalls, MostCalls                          int64
	Part, PerDay, Calls, Variation, Correlation                  float64
	Serial, Saving, SavingPerDay, Confidence                     float64
	Evidence                                                     []struct {
		TraceID, Start   string
		Duration, Saving int64
		Calls            int
	}
	Site *struct {
		Function, File string
		Line           int64
	}
	Mending *struct {
		Estimated, Measured, Error float64
		Before, After              struct {
			Requests int64
			Mean     float64
		}
		Together []string
	}
	Suggestion *suggestion
}

// suggestion is the Redeye query in place of a finding's calls.
type suggestion struct {
	Service, Query, Refused, TraceID string
	Sketch, Checked                  bool
	Batches                          int
	Saving                           float64
	Replaced, Kept                   []struct {
		Label, By string
		Calls     int
	}
	Assumed []struct{ Kind, Of string }
}

func (s *suggestion) write(w *strings.Builder, p paint) {
	title := "The Redeye query instead"
	switch {
	case s.Sketch:
		title = "A Redeye query could do it; a sketch, since no known service offers these calls"
	case s.Checked:
		title += ", which " + plain(s.Service) + " accepts"
	}
	if s.Saving > 0 {
		title += "; saves about " + quantity.Duration(int64(s.Saving)) + " of a request"
	}
	fmt.Fprintf(w, "\n%s\n", p.bold(title))
	for line := range strings.Lines(s.Query) {
		fmt.Fprintf(w, "    %s\n", plain(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "  ")))
	}
	if s.Refused != "" {
		fmt.Fprintf(w, "%s\n", p.red("the service does not accept it: "+plain(s.Refused)))
	}
	t := table{head: []string{"calls", "<of", "<become"}}
	for _, part := range s.Replaced {
		t.add(strconv.Itoa(part.Calls), plain(part.Label), plain(part.By))
	}
	for _, part := range s.Kept {
		t.add(strconv.Itoa(part.Calls), plain(part.Label), "(stay)")
	}
	t.write(w, p)
	for _, a := range s.Assumed {
		if what := assumptions[a.Kind]; what != "" {
			fmt.Fprintf(w, "assumed: %s %s\n", plain(a.Of), what)
		}
	}
}

// assumptions are what a trace cannot say, by kind.
var assumptions = map[string]string{
	"filter": "leaves out rows", "source": "is where the page begins", "path": "leads to what the calls are about", "fields": "is shown with all its attributes",
}

// Run asks and prints.
func (cmd *FindingsCmd) Run(ctx context.Context, s streams) error {
	if cmd.ID == "" {
		if cmd.Mute || cmd.Resolve || cmd.Reopen {
			return errors.New("say which finding: shuai findings ID --mute")
		}
		return cmd.list(ctx, s.out)
	}
	path, method := "/findings/"+url.PathEscape(cmd.ID), http.MethodGet
	var content []byte
	for _, d := range []struct {
		is   bool
		what string
	}{{cmd.Mute, "mute"}, {cmd.Resolve, "resolve"}, {cmd.Reopen, "reopen"}} {
		if d.is {
			path, method = path+"/"+d.what, http.MethodPost
		}
	}
	if cmd.Mute {
		var err error
		if content, err = json.Marshal(map[string]string{"reason": cmd.Reason, "for": cmd.For}); err != nil {
			return fmt.Errorf("encode the decision: %w", err)
		}
	}
	var f finding
	body, err := cmd.do(ctx, method, path, nil, content, &f)
	if err != nil {
		return err
	}
	if cmd.Output == "json" {
		_, err := fmt.Fprintf(s.out, "%s\n", body)
		return err
	}
	var w strings.Builder
	f.write(&w, colours(s.out))
	_, err = fmt.Fprint(s.out, w.String())
	return err
}

func (f *finding) write(w *strings.Builder, p paint) {
	fmt.Fprintf(w, "%s  %s  %s\n", p.bold(plain(f.Kind)), plain(f.State), plain(f.ID))
	fmt.Fprintf(w, "%s\n%s\n\n", plain(f.Title), plain(f.Advice))
	fmt.Fprintf(w, "endpoint    %s\npath        %s\n", plain(f.Service+"  "+f.Name), plain(pathText(f.Caller, f.Label, f.Steps)))
	if f.Site != nil {
		fmt.Fprintf(w, "code        %s  %s\n", plain(f.Site.Function), plain(fmt.Sprintf("%s:%d", f.Site.File, f.Site.Line)))
	}
	fmt.Fprintf(w, "seen        %s to %s\n", moment(f.FirstSeen), moment(f.LastSeen))
	fmt.Fprintf(w, "requests    %d of %d examined; about %s a day, %s of the endpoint's\n", f.Requests, f.Of, digitsOf(f.PerDay), percent(f.Part))
	number := calls(f.Calls)
	if f.LeastCalls < f.MostCalls {
		number = fmt.Sprintf("%s in the middle, %d to %d", number, f.LeastCalls, f.MostCalls)
	}
	fmt.Fprintf(w, "calls       %s; %s of their time one after the other\n", number, percent(f.Serial))
	fmt.Fprintf(w, "varies      by %s of the mean; correlation with the request's duration %.2f\n", percent(f.Variation), f.Correlation)
	fmt.Fprintf(w, "saves       %s a request, %s a day, by estimate\n", quantity.Duration(int64(f.Saving)), quantity.Duration(int64(f.SavingPerDay)))
	fmt.Fprintf(w, "confidence  %s\n", percent(f.Confidence))
	if f.Reason != "" {
		fmt.Fprintf(w, "muted       %s\n", plain(f.Reason))
	}
	if f.MutedUntil != "" {
		fmt.Fprintf(w, "until       %s\n", moment(f.MutedUntil))
	}
	if m := f.Mending; m != nil {
		fmt.Fprintf(w, "mended      a request of the endpoint takes %s instead of %s: %s less ± %s; %s were estimated", quantity.Duration(int64(m.After.Mean)), quantity.Duration(int64(m.Before.Mean)),
			quantity.Duration(int64(m.Measured)), quantity.Duration(int64(m.Error)), quantity.Duration(int64(m.Estimated)))
		if len(m.Together) > 0 {
			fmt.Fprintf(w, ", together with %s", plain(strings.Join(m.Together, ", ")))
		}
		fmt.Fprintf(w, "\n            (means of %d requests before and %d since)\n", m.Before.Requests, m.After.Requests)
	}
	w.WriteString("\n" + p.bold("Evidence") + "\n")
	t := table{head: []string{"saves", "calls", "request took", "<start", "<trace"}}
	for _, e := range f.Evidence {
		t.add(quantity.Duration(e.Saving), strconv.Itoa(e.Calls), quantity.Duration(e.Duration), moment(e.Start), plain(e.TraceID))
	}
	t.write(w, p)
	if f.Suggestion != nil {
		f.Suggestion.write(w, p)
	}
}

// digitsOf shows a number of any size.
func digitsOf(f float64) string {
	if f < 999.5 {
		return quantity.Digits(f)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

func (cmd *FindingsCmd) list(ctx context.Context, out io.Writer) error {
	query := url.Values{"state": {cmd.State}, "kind": {cmd.Kind}, "sort": {cmd.Sort}, "limit": {strconv.Itoa(cmd.Limit)}}
	for name, v := range map[string]string{"service": cmd.Service, "name": cmd.Name} {
		if v != "" {
			query.Set(name, v)
		}
	}
	var answer struct {
		Examined, Skipped int64
		Rate              float64
		Total             int
		Findings          []finding
	}
	if printed, err := cmd.show(ctx, out, cmd.Output, "/findings", query, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(out)
	if answer.Total == 0 {
		fmt.Fprintf(&w, "No findings in %d requests examined; --state all lists what is muted or resolved, too.\n", answer.Examined)
	} else {
		t := table{head: []string{"saves a day", "a request", "sure", "requests", "calls", "<kind", "<state", "<finding", "<endpoint", "<path"}}
		for _, f := range answer.Findings {
			t.add(quantity.Duration(int64(f.SavingPerDay)), quantity.Duration(int64(f.Saving)), percent(f.Confidence), percent(f.Part), calls(f.Calls), plain(f.Kind), plain(f.State), plain(f.ID),
				fit(plain(f.Service+"  "+f.Name), 40), fit(plain(pathText(f.Caller, f.Label, f.Steps)), 60))
		}
		t.write(&w, p)
		fmt.Fprintf(&w, "showing %d of %s, of %d requests examined", len(answer.Findings), count(answer.Total, "finding"), answer.Examined)
		if answer.Rate < 1 {
			fmt.Fprintf(&w, " (%s of all, for want of time)", percent(answer.Rate))
		}
		w.WriteString("\n")
	}
	_, err := fmt.Fprint(out, w.String())
	return err
}
