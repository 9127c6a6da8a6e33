// Command shuai is the tracing server and the operator's tool: it collects, stores and shows traces,
// answers from the terminal what the web UI shows, and runs the demonstration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// CLI is the command line: every field is a command.
type CLI struct {
	Serve    ServeCmd    `cmd:"" help:"Run the server: collector, store, API and web UI."`
	Demo     DemoCmd     `cmd:"" help:"Run the server with a small movie site that sends it traces."`
	Trace    TraceCmd    `cmd:"" help:"Show one trace: what it called, how often, how long."`
	Slow     SlowCmd     `cmd:"" help:"Show the endpoints that cost the most time, or the slowest traces."`
	Why      WhyCmd      `cmd:"" help:"Say why the slow requests of an endpoint are slow."`
	Diff     DiffCmd     `cmd:"" help:"Set two requests beside each other, or one beside the usual ones of its endpoint."`
	Findings FindingsCmd `cmd:"" help:"Show what requests waste: chatty loops, serial fan-outs, slow calls, retry storms."`
	Redeye   RedeyeCmd   `cmd:"" help:"Show the programs of Redeye that ran, what they saved and which are stopped."`
	Store    StoreCmd    `cmd:"" help:"Look into a data directory: check its files, say what it holds."`
	Build    BuildCmd    `cmd:"" passthrough:"" help:"Build a program, as go build does, that is traced without a change to its source."`
	ID       IDCmd       `cmd:"" name:"id" help:"Say when and where an id made by Shuai was born."`
	Bench    BenchCmd    `cmd:"" help:"Measure a server on this machine."`

	Version kong.VersionFlag `help:"Print the version and stop."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code, 0, 1 for a command that did not work and 2 for a
// command line that is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var cli CLI
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("shuai"),
		kong.Description("Distributed tracing: why is this request slow?"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Configuration(loadConfig),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { exited = c }), // --help and --version
		kong.Vars{"version": version()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr}),
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
		fmt.Fprintf(stderr, "shuai: %v\nRun \"shuai --help\" for the commands and \"shuai COMMAND --help\" for its flags.\n", err)
		return 2
	}
	if err := cmd.Run(); err != nil {
		if !errors.Is(err, context.Canceled) || ctx.Err() == nil {
			fmt.Fprintf(stderr, "shuai %s: %v\n", strings.Fields(cmd.Command())[0], err)
		}
		return 1
	}
	return 0
}

// streams is where a command prints: out is its answer, err what went wrong.
type streams struct{ out, err io.Writer }

// version is the module's version if the program was installed as one, else the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
