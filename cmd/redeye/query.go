package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fuwu-project/fuwu/redeye"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// program is a program on the command line; commands embed it.
type program struct {
	service
	Program string `arg:"" optional:"" help:"The program, such as 'get_movies(ids).map(lambda m: m.title())'; from the standard input if it is - or left out."`
}

func (p *program) text(io streams) (string, error) {
	if p.Program != "" && p.Program != "-" {
		return p.Program, nil
	}
	return readProgram(io.in)
}

func readProgram(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return "", fmt.Errorf("the standard input: %w", err)
	}
	if text := strings.TrimSpace(string(b)); text != "" {
		return text, nil
	}
	return "", errors.New("no program, neither as an argument nor from the standard input")
}

// values are those of a program's parameters on the command line; commands embed it.
type values struct {
	Params string `short:"p" placeholder:"JSON" help:"Values of its parameters, such as '{\"ids\": [1, 2]}'."`
}

func (v *values) args(ctx context.Context, c *redeye.Client, text string) (redeye.Args, error) {
	given := map[string]json.RawMessage{}
	if v.Params != "" {
		if err := json.Unmarshal([]byte(v.Params), &given); err != nil {
			return nil, fmt.Errorf("--params is no JSON object of values by their names: %w", err)
		}
	}
	return typed(ctx, c, text, given)
}

// QueryCmd runs a program.
type QueryCmd struct {
	program
	values
	Partial bool   `help:"Cells in error become null and are listed, instead of failing the query."`
	Output  string `short:"o" default:"table" enum:"table,json" help:"What to print: table, where the answer is a list of objects, or json. (${default})"`
}

// Run asks and prints.
func (cmd *QueryCmd) Run(ctx context.Context, io streams) error {
	text, err := cmd.text(io)
	if err != nil {
		return err
	}
	c := cmd.client()
	args, err := cmd.args(ctx, c, text)
	if err != nil {
		return err
	}
	q := redeye.Text[*column.Column](text, args)
	if cmd.Partial {
		q = q.Partial()
	}
	a, err := q.Named("redeye query").Answer(ctx, c)
	if err != nil {
		return withoutSite(err)
	}
	var out strings.Builder
	if cmd.Output != "table" || !table(&out, a.Value) {
		out.Write(column.AppendJSON(nil, a.Value, 0))
		out.WriteByte('\n')
	}
	for _, e := range a.Errors {
		fmt.Fprintln(&out, e)
	}
	if more := a.ErrorsTotal - int64(len(a.Errors)); more > 0 {
		fmt.Fprintf(&out, "and %d more errors\n", more)
	}
	if a.RowsDropped > 0 {
		fmt.Fprintf(&out, "rows left out, since it could not be said whether they belong: %d\n", a.RowsDropped)
	}
	_, err = fmt.Fprint(io.out, plain(out.String()))
	return err
}

// typed reads parameters as the types that the program wants, which the server knows.
func typed(ctx context.Context, c *redeye.Client, text string, given map[string]json.RawMessage) (redeye.Args, error) {
	if len(given) == 0 {
		return nil, nil
	}
	ex, err := redeye.Text[int64](text, nil).Explain(ctx, c)
	if err != nil {
		return nil, withoutSite(err)
	}
	args := redeye.Args{}
	for name, value := range given {
		typ, ok := ex.Params[name]
		if !ok {
			return nil, fmt.Errorf("the program has no parameter %s; it has: %s", name, strings.Join(slices.Sorted(maps.Keys(ex.Params)), ", "))
		}
		t, err := schema.Parse(typ)
		if err != nil {
			return nil, fmt.Errorf("the type of %s: %w", name, err)
		}
		v, err := column.ReadJSON(value, t, 10_000_000)
		if err != nil {
			return nil, fmt.Errorf("the parameter %s, of the type %s: %w", name, typ, err)
		}
		args[name] = v
	}
	return args, nil
}

// withoutSite drops the place in this program's source, which is of no use to who reads the error.
func withoutSite(err error) error {
	if e, ok := errors.AsType[*redeye.Error](err); ok {
		e.Site = ""
	}
	return err
}

// table writes a list of objects, and reports whether it is one.
func table(out *strings.Builder, c *column.Column) bool {
	if c.Type.Kind != schema.KindList || c.IsNull(0) || c.Items.Type.Kind != schema.KindObject || len(c.Items.Fields) == 0 {
		return false
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, f := range c.Items.Type.Fields {
		fmt.Fprintf(w, "%s%s", separator(i), strings.ToUpper(f.Name))
	}
	fmt.Fprintln(w)
	for row := range c.Items.Len {
		for i, f := range c.Items.Fields {
			fmt.Fprintf(w, "%s%s", separator(i), cell(f, row))
		}
		fmt.Fprintln(w)
	}
	return w.Flush() == nil
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return "\t"
}

func cell(c *column.Column, row int) string {
	if c.IsNull(row) {
		return "-"
	}
	text := string(column.AppendJSON(nil, c, row))
	if strings.HasPrefix(text, `"`) {
		var s string
		if json.Unmarshal([]byte(text), &s) == nil {
			return strings.Map(func(r rune) rune {
				if r == '\t' || r == '\n' || r == '\f' || r == '\v' {
					return ' ' // which would be the table's own
				}
				return r
			}, s)
		}
	}
	return text
}

// ExplainCmd shows the plan of a program, with what a run would do at each node as far as that can be said before it.
type ExplainCmd struct {
	program
	values
	Analyze bool `help:"Run the program, too, and say what was done at each node: rows, calls and their time, what was in the cache."`
}

// Run asks and prints.
func (cmd *ExplainCmd) Run(ctx context.Context, io streams) error {
	text, err := cmd.text(io)
	if err != nil {
		return err
	}
	c := cmd.client()
	args, err := cmd.args(ctx, c, text)
	if err != nil {
		return err
	}
	q := redeye.Text[int64](text, args).Named("redeye explain")
	ask := q.Explain
	if cmd.Analyze {
		ask = q.Analyze
	}
	ex, err := ask(ctx, c)
	if err != nil {
		return withoutSite(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "program  %s\nanswer   %s\n", ex.Text, ex.Type)
	for _, name := range slices.Sorted(maps.Keys(ex.Params)) {
		fmt.Fprintf(&out, "param    %s: %s\n", name, ex.Params[name])
	}
	fmt.Fprintf(&out, "\n%s\n", strings.TrimRight(ex.Plan, "\n"))
	_, err = fmt.Fprint(io.out, plain(out.String()))
	return err
}
