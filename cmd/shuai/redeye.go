package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/quantity"
)

// RedeyeCmd lists dynamic interfaces.
type RedeyeCmd struct {
	client
	Service string `short:"s" placeholder:"NAME" help:"Only those of this service."`
	From    string `default:"now-1h" placeholder:"TIME" help:"Only executions that started from this time on. (${default})"`
	To      string `default:"now" placeholder:"TIME" help:"Only executions that started before this time. (${default})"`
	Limit   int    `short:"n" default:"20" placeholder:"N" help:"Show at most so many. (${default})"`
	Output  string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`
}

// Help is the long text of redeye --help.
func (*RedeyeCmd) Help() string {
	return `A program of Redeye at a place in the code is a dynamic interface: it has figures and a breaker of its own. "asked" are the calls that a loop would have made, "made" those
that were. The command redeye queries such a service; this one shows what its spans say.`
}

// Run asks and prints.
func (cmd *RedeyeCmd) Run(ctx context.Context, s streams) error {
	query := url.Values{"from": {cmd.From}, "to": {cmd.To}, "limit": {strconv.Itoa(cmd.Limit)}}
	if cmd.Service != "" {
		query.Set("service", cmd.Service)
	}
	var answer struct {
		Total      int
		Services   []struct{ Name, Error, Sites string }
		Interfaces []struct {
			Service, Site, CallSite, Program, Breaker     string
			Calls, Errors, P50, P99, Planned, Sent, Saved int64
			Live                                          *struct{ Off bool }
		}
	}
	if printed, err := cmd.show(ctx, s.out, cmd.Output, "/redeye", query, &answer); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(s.out)
	if answer.Total == 0 {
		w.WriteString("No program was run in this time.\n")
	} else {
		t := table{head: []string{"calls", "errors", "p50", "p99", "asked", "made", "saved", "<breaker", "<service", "<call site", "<program"}}
		for _, r := range answer.Interfaces {
			state := r.Breaker
			if r.Live != nil && r.Live.Off {
				state = "off"
			}
			t.add(strconv.FormatInt(r.Calls, 10), strconv.FormatInt(r.Errors, 10), quantity.Duration(r.P50), quantity.Duration(r.P99), strconv.FormatInt(r.Planned, 10), strconv.FormatInt(r.Sent, 10),
				strconv.FormatInt(r.Saved, 10), plain(state), plain(r.Service), fit(plain(r.CallSite), 40), fit(plain(strings.Join(strings.Fields(r.Program), " ")), 60))
		}
		t.write(&w, p)
		fmt.Fprintf(&w, "showing %d of %s\n", len(answer.Interfaces), count(answer.Total, "interface"))
	}
	for _, known := range answer.Services {
		for _, trouble := range []string{known.Error, known.Sites} {
			if trouble != "" {
				fmt.Fprintf(&w, "%s: %s\n", plain(known.Name), plain(trouble))
			}
		}
	}
	_, err := fmt.Fprint(s.out, w.String())
	return err
}
