package suggest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/gen"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// variables are the names of rows, by depth.
const variables = "xyzuvwpqrst"

// variable is the name of a row at a depth, which no parameter has.
func (b *builder) variable(depth int) string {
	for _, c := range variables {
		if _, taken := b.params[string(c)]; !taken {
			if depth == 0 {
				return string(c)
			}
			depth--
		}
	}
	return fmt.Sprintf("row%d", depth)
}

// text writes the program.
func (b *builder) text() string {
	var w strings.Builder
	w.WriteString(b.source.Name + "(" + argNames(b.srcArgs) + ")")
	switch {
	case b.root.list:
		b.rows(&w, b.root, 0, "\n\t", "\t")
	case b.root.null:
		x := b.variable(0)
		fmt.Fprintf(&w, ".then(lambda %s: ", x)
		b.object(&w, b.root, x, 0, "")
		w.WriteByte(')')
	default:
		call, x := w.String(), b.variable(0)
		w.Reset()
		fmt.Fprintf(&w, "let(%s, lambda %s: ", call, x)
		b.object(&w, b.root, x, 0, "")
		w.WriteByte(')')
	}
	return w.String()
}

// rows writes what is made of a list, on lines of their own if br says so.
func (b *builder) rows(w *strings.Builder, n *node, depth int, br, indent string) {
	x := b.variable(depth)
	for _, f := range n.filters {
		fmt.Fprintf(w, "%s.filter(lambda %s: %s.%s(%s))", br, x, x, f.name, argNames(f.args))
	}
	fmt.Fprintf(w, "%s.map(lambda %s: ", br, x)
	b.object(w, n, x, depth, indent)
	w.WriteByte(')')
}

func (b *builder) object(w *strings.Builder, n *node, x string, depth int, indent string) {
	w.WriteString("{\n")
	for _, f := range n.fields {
		fmt.Fprintf(w, "%s\t%q: ", indent, f.name)
		value := x + "." + f.name
		if f.method != nil {
			value += "(" + argNames(f.args) + ")"
		}
		switch {
		case f.sub == nil:
			w.WriteString(value)
		case f.sub.list:
			w.WriteString(value)
			b.rows(w, f.sub, depth+1, "", indent+"\t")
		default:
			y := b.variable(depth + 1)
			fmt.Fprintf(w, "let(%s, lambda %s: ", value, y)
			b.object(w, f.sub, y, depth+1, indent+"\t")
			w.WriteByte(')')
		}
		w.WriteString(",\n")
	}
	w.WriteString(indent + "}")
}

func argNames(args []schema.Arg) string {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = a.Name
	}
	return strings.Join(names, ", ")
}

// goCode writes the query in Go, or nothing if the schema has no package or the query no such form.
func (b *builder) goCode() string {
	names, err := gen.NamesOf(b.schema, gen.PackageName(b.schema.Service))
	if err != nil || b.root.null {
		return ""
	}
	g := goWriter{b: b, names: names, taken: map[string]bool{}}
	row := g.rowType(b.root)
	var params []string
	for _, a := range b.args {
		params = append(params, ", "+names.Argument(a.Name)+" "+names.Type(a.Type))
	}
	result, body := "[]"+row, ""
	source := names.Source(b.source.Name) + "(" + g.values(b.srcArgs) + ")"
	if b.root.list {
		body = g.into(source, b.root, row, 0, "\t")
	} else {
		result = row
		x := b.variable(0)
		body = fmt.Sprintf("redeye.Object(func(row *%s) redeye.Fields {\n\t\t%s := %s\n%s\t})", row, x, source, g.fields(b.root, x, 0, "\t\t"))
	}
	var w strings.Builder
	for _, t := range g.types {
		w.WriteString(t + "\n")
	}
	fmt.Fprintf(&w, "func page(ctx context.Context, client *redeye.Client%s) (%s, error) {\n\treturn %s.Run(ctx, client)\n}\n", strings.Join(params, ""), result, body)
	return w.String()
}

type goWriter struct {
	b     *builder
	names *gen.Names
	taken map[string]bool
	types []string // declarations, outer ones first
	rows  map[*node]string
}

// rowType declares the struct of a node's objects, and returns its name.
func (g *goWriter) rowType(n *node) string {
	if g.rows == nil {
		g.rows = map[*node]string{}
	}
	name := n.entity.Name + "Row"
	for i := 2; g.taken[name]; i++ {
		name = fmt.Sprintf("%sRow%d", n.entity.Name, i)
	}
	g.taken[name], g.rows[n] = true, name
	at := len(g.types)
	g.types = append(g.types, "")
	var lines []string
	for _, f := range n.fields {
		typ := ""
		switch {
		case f.sub != nil && f.sub.list:
			typ = "[]" + g.rowType(f.sub)
		case f.sub != nil:
			typ = g.rowType(f.sub)
		case f.attr != nil:
			typ = g.names.Type(f.attr.Type)
		default:
			typ = g.names.Type(f.method.Result)
		}
		lines = append(lines, fmt.Sprintf("\t%s %s `redeye:%q json:%q`\n", g.names.Member(f.name), typ, f.name, f.name))
	}
	g.types[at] = "type " + name + " struct {\n" + strings.Join(aligned(lines), "") + "}\n"
	return name
}

// aligned puts the columns of a struct's fields below each other, as gofmt does.
func aligned(lines []string) []string {
	name, typ := 0, 0
	split := make([][]string, len(lines))
	for i, l := range lines {
		split[i] = strings.SplitN(strings.TrimSpace(l), " ", 2)
		rest := split[i][1]
		at := strings.IndexByte(rest, '`')
		split[i] = []string{split[i][0], strings.TrimSpace(rest[:at]), rest[at:]}
		name, typ = max(name, len(split[i][0])), max(typ, len(split[i][1]))
	}
	out := slices.Clone(lines)
	for i, s := range split {
		out[i] = fmt.Sprintf("\t%-*s %-*s %s\n", name, s[0], typ, s[1], s[2])
	}
	return out
}

func (g *goWriter) values(args []schema.Arg) string {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = g.names.Argument(a.Name)
	}
	return strings.Join(names, ", ")
}

// into writes a list of structs.
func (g *goWriter) into(list string, n *node, row string, depth int, indent string) string {
	x, symbol := g.b.variable(depth), g.names.Entity(n.entity.Name)
	for _, f := range n.filters {
		list += fmt.Sprintf(".Filter(func(%s %s) redeye.Bool { return %s.%s(%s) })", x, symbol, x, g.names.Member(f.name), g.values(f.args))
	}
	return fmt.Sprintf("redeye.Into(%s, func(%s %s, row *%s) redeye.Fields {\n%s%s})", list, x, symbol, row, g.fields(n, x, depth, indent+"\t"), indent)
}

func (g *goWriter) fields(n *node, x string, depth int, indent string) string {
	var w strings.Builder
	w.WriteString(indent + "return redeye.Fields{\n")
	for _, f := range n.fields {
		value := x + "." + g.names.Member(f.name) + "(" + g.values(f.args) + ")"
		switch {
		case f.sub == nil:
		case f.sub.list:
			value = g.into(value, f.sub, g.rows[f.sub], depth+1, indent+"\t")
		default:
			y := g.b.variable(depth + 1)
			value = fmt.Sprintf("redeye.Object(func(row *%s) redeye.Fields {\n%s\t\t%s := %s\n%s%s\t})",
				g.rows[f.sub], indent, y, value, g.fields(f.sub, y, depth+1, indent+"\t\t"), indent)
		}
		fmt.Fprintf(&w, "%s\tredeye.Set(&row.%s, %s),\n", indent, g.names.Member(f.name), value)
	}
	w.WriteString(indent + "}\n")
	return w.String()
}
