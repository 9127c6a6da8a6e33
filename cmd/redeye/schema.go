package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/fuwu-project/fuwu/redeye/gen"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// SchemaCmd shows what programs can use.
type SchemaCmd struct {
	service
	Output string `short:"o" default:"text" enum:"text,json" help:"What to print: text, or json, which redeye gen reads. (${default})"`
}

// Run asks and prints.
func (cmd *SchemaCmd) Run(ctx context.Context, io streams) error {
	s, err := cmd.client().Schema(ctx)
	if err != nil {
		return err
	}
	if cmd.Output == "json" {
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return fmt.Errorf("schema: %w", err)
		}
		_, err = fmt.Fprintf(io.out, "%s\n", b)
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s, version %s\n", s.Service, s.Version)
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, e := range s.Entities {
		fmt.Fprintf(w, "\n%s\tkey %s\t%s\n", e.Name, e.Key, oneLine(e.Doc))
		for _, a := range e.Attrs {
			fmt.Fprintf(w, "  .%s\t%s\t%s\n", a.Name, a.Type.Short(), oneLine(a.Doc))
		}
		for _, m := range e.Methods {
			fmt.Fprintf(w, "  .%s\t%s\t%s\n", signature(m), m.Result.Short(), oneLine(m.Doc))
		}
	}
	fmt.Fprintln(w)
	for _, m := range s.Sources {
		fmt.Fprintf(w, "%s\t%s\t%s\n", signature(m), m.Result.Short(), oneLine(m.Doc))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, e := range s.Enums() {
		if i == 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%s\n", e)
	}
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err = fmt.Fprint(io.out, plain(strings.Join(lines, "\n")))
	return err
}

func signature(m schema.Method) string {
	args := make([]string, len(m.Args))
	for i, a := range m.Args {
		args[i] = a.Name + ": " + a.Type.Short()
	}
	return m.Name + "(" + strings.Join(args, ", ") + ")"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// GenCmd writes Go code.
type GenCmd struct {
	service
	Schema  string `placeholder:"FILE" help:"Of a schema in a file, as \"redeye schema -o json\" prints it, instead of a server's."`
	Package string `placeholder:"NAME" help:"The package's name. (the service's)"`
	Output  string `short:"o" placeholder:"FILE" help:"Where to write it. (standard output)"`
}

// Run generates.
func (cmd *GenCmd) Run(ctx context.Context, io streams) error {
	s, err := cmd.schema(ctx)
	if err != nil {
		return err
	}
	pkg := cmd.Package
	if pkg == "" {
		pkg = gen.PackageName(s.Service)
	}
	src, err := gen.Go(s, pkg)
	if err != nil {
		return err
	}
	if cmd.Output == "" {
		_, err := io.out.Write(src)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(cmd.Output), 0o755); err != nil {
		return err
	}
	return os.WriteFile(cmd.Output, src, 0o644)
}

func (cmd *GenCmd) schema(ctx context.Context) (*schema.Schema, error) {
	if cmd.Schema == "" {
		return cmd.client().Schema(ctx)
	}
	text, err := os.ReadFile(cmd.Schema)
	if err != nil {
		return nil, err
	}
	return schema.Read(text)
}
