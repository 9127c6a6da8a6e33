package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	goversion "go/version"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/weave"
)

// BuildCmd builds a program that is traced without a change to its source.
type BuildCmd struct {
	Args []string `arg:"" optional:"" help:"Flags and packages, as go build has them."`
}

// Help is the long text of build.
func (*BuildCmd) Help() string {
	return `It takes the flags and packages of go build. The program that it makes traces what net/http serves and sends and what
database/sql asks, and knows at which request a goroutine works where no context is passed on. It sends to where the environment says:
SHUAI_SERVICE, SHUAI_RATIO, OTEL_EXPORTER_OTLP_ENDPOINT and the others of the tracer. No file is changed.

The tracer is that of the program's go.mod, or else SHUAI_TRACER: a version, or a directory that holds the module; without both,
the latest version.`
}

// Run builds.
func (cmd *BuildCmd) Run(ctx context.Context, out streams) error {
	args, err := parseBuild(cmd.Args)
	if err != nil {
		return err
	}
	if args.help {
		fmt.Fprintf(out.out, "Usage: shuai build [flags and packages of go build]\n\n%s\n", cmd.Help())
		return nil
	}
	dir, err := os.MkdirTemp("", "shuai-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := builder{buildArgs: args, out: out, scratch: dir}
	return b.run(ctx)
}

// buildArgs are go build's.
type buildArgs struct {
	dir      string   // of -C; "": here
	output   []string // flags that only go build knows, as -o
	flags    []string // those that go list knows as well
	packages []string
	help     bool
}

// Flags of go build. Those that are not here have a value.
var (
	buildSwitches = []string{"a", "asan", "buildvcs", "cover", "json", "linkshared", "modcacherw", "msan", "n", "race", "trimpath", "v", "work", "x"}
	onlyBuilds    = []string{"a", "json", "n", "o", "v", "work", "x"} // go list does not know them, or would print more than its list
)

func parseBuild(args []string) (buildArgs, error) {
	var b buildArgs
	for len(args) > 0 {
		flag := args[0]
		if !strings.HasPrefix(flag, "-") || flag == "-" {
			break
		}
		args = args[1:]
		if flag == "--" {
			break
		}
		name, value, has := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		parts := []string{flag}
		if !has && !slices.Contains(buildSwitches, name) && name != "h" && name != "help" {
			if len(args) == 0 {
				return b, fmt.Errorf("the flag %s has no value; \"go help build\" has the flags", flag)
			}
			value, args = args[0], args[1:]
			parts = append(parts, value)
		}
		switch {
		case name == "h" || name == "help":
			b.help = true
		case name == "C":
			b.dir = value
		case slices.Contains(onlyBuilds, name):
			b.output = append(b.output, parts...)
		default:
			b.flags = append(b.flags, parts...)
		}
	}
	b.packages = args
	return b, nil
}

// builder is one run of shuai build.
type builder struct {
	buildArgs
	out     streams
	scratch string
}

func (b *builder) run(ctx context.Context) error {
	env, err := b.environment(ctx)
	if err != nil {
		return err
	}
	if err := b.refuse(env); err != nil {
		return err
	}
	w, err := b.list(ctx)
	if err != nil {
		return err
	}
	for _, dir := range w.Programs {
		if within(dir, env.GOMODCACHE) {
			return fmt.Errorf("the program in %s is another module's, which Go keeps as it is: clone it and build it there", dir)
		}
	}
	w.Root, w.GoVersion = env.GOROOT, env.GOVERSION
	if err := b.findTracer(ctx, env); err != nil {
		return err
	}
	overlay, err := w.Overlay(b.scratch)
	if err != nil {
		return err
	}
	args := slices.Concat([]string{"build", "-overlay", overlay}, b.output, b.flags, []string{"--"}, b.packages)
	if len(b.packages) > 0 && strings.HasSuffix(b.packages[0], ".go") { // a program is these files, and no others
		args = append(args, filepath.Join(filepath.Dir(b.packages[0]), weave.GlueFile))
	}
	cmd := b.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = b.out.out, b.out.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// command is a command of go where the build runs.
func (b *builder) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.dir
	return cmd
}

// read is what a command of go prints; its error has what it complains of.
func (b *builder) read(ctx context.Context, args ...string) ([]byte, error) {
	var complaints bytes.Buffer
	cmd := b.command(ctx, args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out, nil
}

// goEnv is part of what go env prints.
type goEnv struct{ GOROOT, GOVERSION, GOMOD, GOWORK, GOMODCACHE, GOFLAGS string }

func (b *builder) environment(ctx context.Context) (env goEnv, err error) {
	out, err := b.read(ctx, "env", "-json", "GOROOT", "GOVERSION", "GOMOD", "GOWORK", "GOMODCACHE", "GOFLAGS")
	if err != nil {
		return env, err
	}
	return env, json.Unmarshal(out, &env)
}

// value is that of a flag, of those given or of GOFLAGS.
func (b *builder) value(env goEnv, name string) string {
	value := ""
	given := slices.Concat(strings.Fields(env.GOFLAGS), b.flags)
	for i, flag := range given {
		switch n, v, has := strings.Cut(strings.TrimLeft(flag, "-"), "="); {
		case !strings.HasPrefix(flag, "-") || n != name:
		case has:
			value = v
		case i+1 < len(given):
			value = given[i+1]
		}
	}
	return value
}

// refuse says what cannot be built.
func (b *builder) refuse(env goEnv) error {
	switch mode := b.value(env, "buildmode"); {
	case mode == "plugin" || mode == "c-shared" || mode == "c-archive":
		return fmt.Errorf("-buildmode=%s is no program: its main does not run", mode)
	case b.value(env, "overlay") != "":
		return errors.New("go build takes one -overlay, and shuai build has its own")
	case within(env.GOROOT, env.GOMODCACHE):
		return fmt.Errorf("%s is one that Go has downloaded by itself, to %s, where it wants every file as it is: install that version of Go, or set GOTOOLCHAIN=local if the one installed will do", env.GOVERSION, env.GOROOT)
	}
	return nil
}

// within says whether a path is in a directory.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// list asks which packages the build has, and which of them are programs.
func (b *builder) list(ctx context.Context) (weave.Build, error) {
	w := weave.Build{Packages: map[string]bool{}}
	out, err := b.read(ctx, slices.Concat([]string{"list", "-deps", "-json=ImportPath,Name,Dir,DepOnly"}, b.flags, []string{"--"}, b.packages)...)
	if err != nil {
		return w, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Name, Dir string
			DepOnly               bool
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return w, fmt.Errorf("go list: %w", err)
		}
		w.Packages[p.ImportPath] = true
		if p.Name == "main" && !p.DepOnly {
			w.Programs = append(w.Programs, p.Dir)
		}
	}
	if len(w.Programs) == 0 {
		return w, errors.New("there is no package main among the packages; libraries are traced as part of a program")
	}
	return w, nil
}

// findTracer makes sure that the program can import the tracer: by its own go.mod, or by a copy that has it.
func (b *builder) findTracer(ctx context.Context, env goEnv) error {
	mod := b.value(env, "mod")
	probe := slices.Concat([]string{"list"}, b.flags)
	if mod == "mod" {
		probe = append(probe, "-mod=readonly") // not to change the program's go.mod
	}
	if _, unknown := b.read(ctx, append(probe, "--", weave.Tracer+"/woven")...); unknown == nil {
		return nil
	}
	modfile := b.value(env, "modfile")
	_, err := os.Stat(filepath.Join(filepath.Dir(env.GOMOD), "vendor", "modules.txt"))
	switch {
	case modfile != "":
		return fmt.Errorf("%s does not have the tracer: \"go get -modfile=%s %s\" first", modfile, modfile, weave.Tracer)
	case env.GOWORK != "" && env.GOWORK != "off":
		return fmt.Errorf("the modules of %s do not have the tracer, and in a workspace shuai build cannot add it: \"go get %s\" in one of them, or set GOWORK=off", env.GOWORK, weave.Tracer)
	case mod == "vendor" || mod == "" && err == nil:
		return errors.New("the vendor directory does not have the tracer; -mod=mod leaves it aside")
	case env.GOMOD == "" || env.GOMOD == os.DevNull:
		return errors.New("there is no go.mod here; shuai build needs one, as \"go mod init\" makes it")
	}
	copied, sum := filepath.Join(b.scratch, "go.mod"), filepath.Join(b.scratch, "go.sum")
	if err := copyFile(copied, env.GOMOD); err != nil {
		return err
	}
	if err := copyFile(sum, strings.TrimSuffix(env.GOMOD, ".mod")+".sum"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := b.addTracer(ctx, copied, os.Getenv("SHUAI_TRACER")); err != nil {
		return fmt.Errorf("the tracer %s cannot be added to a copy of %s; SHUAI_TRACER says which one, a version or a directory: %w", weave.Tracer, env.GOMOD, err)
	}
	b.flags = append(b.flags, "-modfile="+copied)
	return nil
}

// addTracer adds the tracer to a go.mod.
func (b *builder) addTracer(ctx context.Context, mod, tracer string) error {
	before, err := b.language(ctx, mod)
	if err != nil {
		return err
	}
	at := tracer
	if strings.ContainsAny(tracer, `/\`) || tracer == "." || tracer == ".." {
		path, err := filepath.Abs(tracer)
		if err != nil {
			return err
		}
		at = "v0.0.0"
		if _, err := b.read(ctx, "mod", "edit", "-replace="+weave.Tracer+"="+path, mod); err != nil {
			return err
		}
	} else if tracer == "" {
		at = "latest"
	}
	if _, err := b.read(ctx, "get", "-modfile="+mod, weave.Tracer+"@"+at); err != nil {
		return err
	}
	after, err := b.language(ctx, mod)
	if err == nil && before != after {
		return fmt.Errorf("it needs Go %s, and the go.mod says %s, by which the compiler would read the program in another way: \"go get go@%s\" first", after, before, after)
	}
	return err
}

// language is the version of Go that a go.mod says its code is written in.
func (b *builder) language(ctx context.Context, mod string) (string, error) {
	out, err := b.read(ctx, "mod", "edit", "-json", mod)
	if err != nil {
		return "", err
	}
	var says struct{ Go string }
	if err := json.Unmarshal(out, &says); err != nil {
		return "", err
	}
	return strings.TrimPrefix(goversion.Lang("go"+says.Go), "go"), nil
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
