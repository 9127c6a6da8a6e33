package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile is a YAML file whose keys are the names of serve's flags. A flag on the command line wins over
// the environment, the environment over the file, the file over the default.
type configFile map[string]any

func loadConfig(r io.Reader) (kong.Resolver, error) {
	var c configFile
	if err := yaml.NewDecoder(r).Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	return c, nil
}

// Validate refuses keys that no flag has: a misspelt setting must not be silently the default.
func (c configFile) Validate(app *kong.Application) error {
	var known []string
	for _, cmd := range app.Children {
		if cmd.Name == "serve" {
			for _, f := range cmd.Flags {
				known = append(known, f.Name)
			}
		}
	}
	slices.Sort(known)
	for key := range c {
		if !slices.Contains(known, key) {
			return fmt.Errorf("configuration file: unknown setting %q; there are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

// Resolve gives a flag its value from the file, unless the environment has one.
func (c configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	switch v := c[flag.Name].(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	default:
		return fmt.Sprint(v), nil
	}
}
