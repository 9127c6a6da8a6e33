package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/fuwu-project/fuwu/internal/analyze"
	"github.com/fuwu-project/fuwu/internal/quantity"
)

// TraceCmd shows one trace: facts, the three tables, and the tree.
type TraceCmd struct {
	client
	ID     string `arg:"" help:"The trace's id: 1 to 32 hex digits."`
	Span   string `placeholder:"HEX" xor:"of" help:"Show the tables of this span instead."`
	Row    *int   `placeholder:"N" xor:"of" help:"Show the tables of the span in this row of the tree instead."`
	Unfold bool   `help:"Show repeated siblings one by one."`
	Limit  int    `default:"200" placeholder:"N" help:"Show at most so many lines of the tree; 0 is all. (${default})"`
	Output string `short:"o" default:"table" enum:"table,json" help:"What to print: table, or json, as the API answers. (${default})"`
}

// Help is the long text of trace --help.
func (*TraceCmd) Help() string {
	return `Count Stats says how often each kind of call was made below the span, Duration Stats how long the calls took (share: of the time in which one ran; critical: of what the request waited for), Direct Child Count what the span called itself. Five or more siblings of one kind are folded into one line of the tree: "mc ×89  Σ 52.1 ms  serial 96 %", where serial is the share of their time in which one ran alone.`
}

// skeleton is the API's answer.
type skeleton struct {
	TraceID, Start, Revision string
	Duration                 int64
	Errors                   int
	Services, Names, Types   []string
	Shapes                   struct{ Service, Name, Type []int }
	Rows                     struct {
		Depth, Shape, Flags  []int
		OffsetStep, Duration []int64
	}
	Groups []struct {
		Parent, Type  int
		RowStep       []int
		Sum, P50, P95 int64
		Serial        float64
	}
	Notes  []string
	Causes []struct {
		Kind, Label, Finding string
		Calls                int
		Covered, Saving      int64
		Serial               float64
	}
	Stats analyze.Stats
}

// Run prints the trace.
func (cmd *TraceCmd) Run(ctx context.Context, io streams) error {
	path := "/traces/" + url.PathEscape(cmd.ID)
	if cmd.Span != "" || cmd.Row != nil {
		return cmd.spans(ctx, io.out, path)
	}
	var t skeleton
	if printed, err := cmd.show(ctx, io.out, cmd.Output, path+"/skeleton", nil, &t); printed || err != nil {
		return err
	}
	var w strings.Builder
	p := colours(io.out)
	if len(t.Rows.Depth) > 0 {
		shape := t.Rows.Shape[0]
		fmt.Fprintf(&w, "%s\n", p.bold(heading(t.Services[t.Shapes.Service[shape]]+"  "+t.Names[t.Shapes.Name[shape]])))
	}
	facts := []string{
		moment(t.Start), quantity.Duration(t.Duration), count(len(t.Rows.Depth), "span"), count(len(t.Services), "service"),
	}
	if t.Errors > 0 {
		facts = append(facts, p.red(count(t.Errors, "error")))
	}
	fmt.Fprintf(&w, "trace %s   %s\n", plain(t.TraceID), strings.Join(facts, "   "))
	for _, n := range t.Notes {
		fmt.Fprintf(&w, "note: %s\n", plain(n))
	}
	for _, c := range t.Causes {
		finding := ""
		if c.Finding != "" {
			finding = ", finding " + plain(c.Finding)
		}
		fmt.Fprintf(&w, "%s: %s ×%d, %s, %s one after the other; could save about %s%s\n", p.red(plain(c.Kind)), plain(c.Label), c.Calls, quantity.Duration(c.Covered),
			percent(c.Serial), quantity.Duration(c.Saving), finding)
	}
	w.WriteByte('\n')
	writeStats(&w, p, t.Stats)
	w.WriteByte('\n')
	cmd.writeTree(&w, p, &t)
	_, err := fmt.Fprint(io.out, w.String())
	return err
}

// spans prints the tables of the spans that --span or --row names.
func (cmd *TraceCmd) spans(ctx context.Context, out io.Writer, path string) error {
	which := url.Values{"ids": {cmd.Span}}
	if cmd.Row != nil {
		which = url.Values{"rows": {strconv.Itoa(*cmd.Row)}}
	}
	var found struct {
		Spans []struct {
			Row                                       int
			SpanID, Service, Name, Kind, Type, Status string
			Start                                     string
			Duration, Self                            int64
		}
	}
	if _, err := cmd.ask(ctx, path+"/spans", which, &found); err != nil {
		return err
	}
	if len(found.Spans) == 0 {
		return fmt.Errorf("the trace has no span %s", plain(cmd.Span))
	}
	var w strings.Builder
	p := colours(out)
	for i, s := range found.Spans { // several, when client and server share an id
		var stats analyze.Stats
		body, err := cmd.ask(ctx, path+"/stats", url.Values{"row": {strconv.Itoa(s.Row)}}, &stats)
		if err != nil {
			return err
		}
		if cmd.Output == "json" {
			w.Write(body)
			w.WriteByte('\n')
			continue
		}
		if i > 0 {
			w.WriteByte('\n')
		}
		status := ""
		if s.Status == "error" {
			status = "   " + p.red("error")
		}
		fmt.Fprintf(&w, "%s\nspan %s   row %d   %s   %s   self %s   %s below%s\n\n", p.bold(heading(s.Service+"  "+label(s.Name, s.Type))),
			plain(s.SpanID), s.Row, plain(s.Kind), quantity.Duration(s.Duration), quantity.Duration(s.Self), count(stats.Spans-1, "span"), status)
		writeStats(&w, p, stats)
	}
	_, err := fmt.Fprint(out, w.String())
	return err
}

func writeStats(w *strings.Builder, p paint, s analyze.Stats) {
	if len(s.Types) == 0 {
		w.WriteString("No calls below this span.\n")
		return
	}
	w.WriteString(p.bold("Count Stats") + "\n")
	counts := table{head: []string{"calls", "errors", "<span type"}}
	counts.mark = func(i int) func(string) string {
		if s.Types[i].Errors > 0 {
			return p.red
		}
		return nil
	}
	times := table{head: []string{"total", "self", "mean", "p50", "p95", "max", "share", "critical", "serial", "<span type"}}
	for _, t := range s.Types {
		counts.add(strconv.Itoa(t.Count), strconv.Itoa(t.Errors), plain(t.Type))
		times.add(quantity.Duration(t.Total), quantity.Duration(t.Self), quantity.Duration(t.Mean), quantity.Duration(t.P50), quantity.Duration(t.P95), quantity.Duration(t.Max),
			percent(t.Share), percent(t.CriticalShare), percent(t.Serial), plain(t.Type))
	}
	counts.write(w, p)
	w.WriteString("\n" + p.bold("Duration Stats") + "\n")
	times.write(w, p)
	w.WriteString("\n" + p.bold("Direct Child Count") + fmt.Sprintf(" %d\n", s.Direct.Count))
	direct := table{head: []string{"calls", "<span type"}}
	for _, t := range s.Direct.Types {
		direct.add(strconv.Itoa(t.Count), plain(t.Type))
	}
	if len(direct.rows) > 0 {
		direct.write(w, p)
	}
}

// heading is a line for names that may be as long as their sender liked.
func heading(s string) string { return fit(plain(s), columns()) }

// label is a span's name, and its type where that says more.
func label(name, typ string) string {
	if name == typ || typ == "" {
		return name
	}
	return name + " [" + typ + "]"
}

// Bits of a row's flags, as docs/api.md has them.
const (
	rowFailed  = int(analyze.Failed)
	rowAdopted = int(analyze.Adopted)
	rowMoved   = int(analyze.Moved)
)

const (
	barWidth  = 28
	maxIndent = 24 // levels
)

// treeLine is a line of the tree: a span, or a group of siblings.
type treeLine struct {
	row              int
	text             string
	time, self       string
	from, to         int64
	failed, isAGroup bool
	folded           int // spans that a group stands for
}

func (cmd *TraceCmd) writeTree(w *strings.Builder, p paint, t *skeleton) {
	lines := t.lines(!cmd.Unfold)
	shown := lines
	if cmd.Limit > 0 && len(shown) > cmd.Limit {
		shown = shown[:cmd.Limit]
	}
	folded := 0
	wide := 0
	for _, l := range shown {
		wide = max(wide, width(l.text))
	}
	const others = 5 + 2 + 9 + 2 + 9 + 2 + 2 + barWidth + 2
	wide = min(wide, max(columns()-others, 20))

	fmt.Fprintf(w, "%s\n", p.dim(fmt.Sprintf("%5s  %9s  %9s  %-*s  %-*s", "row", "duration", "self", wide, "span", barWidth, "│0"+
		fmt.Sprintf("%*s", barWidth, quantity.Duration(t.Duration)+"│"))))
	for _, l := range shown {
		folded += l.folded
		text := fit(l.text, wide)
		text += strings.Repeat(" ", wide-width(text))
		switch {
		case l.failed:
			text = p.red(text)
		case l.isAGroup:
			text = p.bold(text)
		}
		bar := l.bar(t.Duration)
		line := fmt.Sprintf("%5d  %s  %s  %s  │%s│", l.row, padLeft(l.time, 9), padLeft(l.self, 9), text, p.blue(bar))
		w.WriteString(line + "\n")
	}
	if folded > 0 {
		fmt.Fprintf(w, "%s folded into groups; --unfold shows them\n", count(folded, "span"))
	}
	if len(shown) < len(lines) {
		fmt.Fprintf(w, "showing %d of %d lines; --limit 0 shows all\n", len(shown), len(lines))
	}
}

func padLeft(s string, n int) string { return strings.Repeat(" ", max(0, n-width(s))) + s }

// times are what the skeleton leaves to its reader: where each row begins, ns after the trace, and how long no child of it ran.
func (t *skeleton) times() (offset, self []int64) {
	rows := &t.Rows
	offset = make([]int64, len(rows.Depth))
	parent := make([]int32, len(rows.Depth))
	var above []int32 // by depth, the latest row
	at := int64(0)
	for r, depth := range rows.Depth {
		at += rows.OffsetStep[r]
		offset[r] = at
		above = append(above[:depth], int32(r))
		parent[r] = -1
		if depth > 0 {
			parent[r] = above[depth-1]
		}
	}
	return offset, analyze.SelfTimes(parent, offset, rows.Duration)
}

// lines are the lines of the tree, in preorder; a group stands at its first member, for all of its
// members and what is below them.
func (t *skeleton) lines(fold bool) []treeLine {
	rows := &t.Rows
	offset, self := t.times()
	groupOf := make([]int, len(rows.Depth)) // from 1
	if fold {
		for i, g := range t.Groups {
			r := g.Parent
			for _, step := range g.RowStep {
				r += step
				groupOf[r] = i + 1
			}
		}
	}
	var lines []treeLine
	at := make([]int, len(t.Groups)) // the group's line, from 1
	for r := 0; r < len(rows.Depth); {
		depth := rows.Depth[r]
		indent := strings.Repeat("  ", min(depth, maxIndent))
		if depth > maxIndent {
			indent += fmt.Sprintf("(level %d) ", depth)
		}
		next := r + 1
		gi := groupOf[r] - 1
		if gi < 0 {
			var text strings.Builder
			shape := rows.Shape[r]
			text.WriteString(indent + plain(t.Services[t.Shapes.Service[shape]]+" "+label(t.Names[t.Shapes.Name[shape]], t.Types[t.Shapes.Type[shape]])))
			for _, f := range []struct {
				bit  int
				says string
			}{{rowFailed, "error"}, {rowAdopted, "parent not stored"}, {rowMoved, "moved"}} {
				if rows.Flags[r]&f.bit != 0 {
					text.WriteString(" (" + f.says + ")")
				}
			}
			lines = append(lines, treeLine{
				row: r, text: text.String(), time: quantity.Duration(rows.Duration[r]), self: quantity.Duration(self[r]),
				from: offset[r], to: offset[r] + rows.Duration[r], failed: rows.Flags[r]&rowFailed != 0,
			})
			r = next
			continue
		}

		g := &t.Groups[gi]
		failed := false
		for ; next < len(rows.Depth) && rows.Depth[next] > depth; next++ {
			failed = failed || rows.Flags[next]&rowFailed != 0
		}
		failed = failed || rows.Flags[r]&rowFailed != 0
		if at[gi] == 0 {
			text := fmt.Sprintf("%s ×%d  Σ %s  serial %s  p50 %s  p95 %s", plain(t.Types[g.Type]), len(g.RowStep),
				quantity.Duration(g.Sum), percent(g.Serial), quantity.Duration(g.P50), quantity.Duration(g.P95))
			lines = append(lines, treeLine{row: r, text: indent + text, time: quantity.Duration(g.Sum), from: offset[r], isAGroup: true})
			at[gi] = len(lines)
		}
		l := &lines[at[gi]-1]
		l.to = max(l.to, offset[r]+rows.Duration[r])
		l.failed = l.failed || failed
		l.folded += next - r
		r = next
	}
	return lines
}

// bar draws when the line ran: a span whole, a group light.
func (l *treeLine) bar(whole int64) string {
	if whole <= 0 {
		return strings.Repeat(" ", barWidth)
	}
	cell := func(ns int64) int {
		return min(max(int(float64(ns)/float64(whole)*barWidth), 0), barWidth)
	}
	from := min(cell(l.from), barWidth-1)
	to := max(cell(l.to), from+1)
	fill := "█"
	switch {
	case l.isAGroup:
		fill = "▒"
	case l.to == l.from:
		fill = "▏"
	}
	return strings.Repeat(" ", from) + strings.Repeat(fill, to-from) + strings.Repeat(" ", barWidth-to)
}
