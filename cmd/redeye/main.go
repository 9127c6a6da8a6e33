// Command redeye asks services that are served with Redeye, and writes the Go code with which they are asked.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/fuwu-project/fuwu/redeye"
)

// CLI is the command line: every field is a command.
type CLI struct {
	Query   QueryCmd   `cmd:"" help:"Run a program, and print its answer."`
	Explain ExplainCmd `cmd:"" help:"Show how the server would run a program."`
	Schema  SchemaCmd  `cmd:"" help:"Show what programs can use."`
	Gen     GenCmd     `cmd:"" help:"Write a Go package with which the service is asked."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code, 0, 1 for a command that did not work and 2 for a
// command line that is wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli CLI
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("redeye"),
		kong.Description("Redeye: the data flow travels, not the data."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { exited = c }), // --help
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdin, stdout}),
	)
	if err != nil {
		panic(err) // the CLI struct itself is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	cmd, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "redeye: %v\nRun \"redeye --help\" for the commands and \"redeye COMMAND --help\" for its flags.\n", err)
		return 2
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(stderr, plain(strings.TrimPrefix(err.Error(), "redeye: ")))
		if e, ok := errors.AsType[*redeye.Error](err); ok && e.Reason == "TRANSPORT" {
			fmt.Fprintln(stderr, "Name the server with --server or REDEYE_SERVER")
		}
		return 1
	}
	return 0
}

// streams is what a command reads, and where it prints its answer.
type streams struct {
	in  io.Reader
	out io.Writer
}

// service is the one that is asked; commands embed it for its flag.
type service struct {
	Server string `short:"s" default:"http://127.0.0.1:8080" placeholder:"URL" env:"REDEYE_SERVER" help:"Ask this server. (${default})"`
	Token  string `placeholder:"TOKEN" env:"REDEYE_TOKEN" help:"Say who asks: sent as a bearer token."`
}

func (s *service) client() *redeye.Client {
	cfg := redeye.Config{Header: http.Header{}}
	if s.Token != "" {
		cfg.Header.Set("Authorization", "Bearer "+s.Token)
	}
	return redeye.NewClient(s.Server, cfg)
}

// plain makes what a server says safe to print: it must not get to write control sequences to the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return '\ufffd'
	}, s)
}
