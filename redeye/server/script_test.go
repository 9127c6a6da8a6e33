package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/schema"
	"github.com/fuwu-project/fuwu/redeye/server"
)

// testdata/script: programs, what they answer, and which calls that took. The world they run over is that of world_test.go. To add a case, write the program and ----, and run
// go test -run TestScripts -rewrite.
//
//	query   the answer and the calls
//	partial the same, with cells in error as null, and listed
//	error   of a query
//
// as=acme/ann says who asks: ann of the tenant acme. Nobody does, unless it is said.
//
// Parameters stand before the program, one a line: name = JSON.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		w := newWorld()
		w.NegativeTTL = time.Minute // however slow the machine is
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			req := server.Request{Params: map[string]server.Value{}, Partial: d.Cmd == "partial"}
			req.Text = params(d.Input, req.Params)
			w.taken()
			ctx := t.Context()
			if d.HasArg("as") {
				var who string
				d.ScanArgs(t, "as", &who)
				tenant, name, _ := strings.Cut(who, "/")
				ctx = server.WithPrincipal(ctx, server.Principal{Tenant: tenant, Name: name})
			}
			answer, err := w.Query(ctx, req)
			calls := joinLines(w.taken())
			if err != nil {
				return err.Error() + "\n" + calls
			}
			var b strings.Builder
			writeRows(&b, answer.Value)
			for _, e := range answer.Errors {
				b.WriteString(e.Path + " " + e.Code + " " + e.Method + ": " + e.Msg + "\n")
			}
			if d.HasArg("nocalls") {
				return b.String()
			}
			return b.String() + calls
		})
	})
}

// params takes the parameters off a script's program.
func params(input string, into map[string]server.Value) (program string) {
	lines := strings.Split(input, "\n")
	for i, line := range lines {
		name, value, ok := strings.Cut(line, " = ")
		if !ok || strings.ContainsAny(name, " ().") || !json.Valid([]byte(value)) {
			return strings.Join(lines[i:], "\n")
		}
		into[name] = server.JSON([]byte(value))
	}
	return ""
}

// writeRows writes a list with a line for each row, anything else in one line.
func writeRows(b *strings.Builder, c *column.Column) {
	if c.Type.Kind != schema.KindList || c.IsNull(0) {
		b.Write(append(column.AppendJSON(nil, c, 0), '\n'))
		return
	}
	if c.Items.Len == 0 {
		b.WriteString("[]\n")
	}
	for i := range c.Items.Len {
		b.Write(append(column.AppendJSON(nil, c.Items, i), '\n'))
	}
}
