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
//
// Values are kept as they are written: a token of digits is no number.
type configFile map[string]yaml.Node

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
	v, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	return settingOf(&v)
}

// settingOf is a text, a list of texts, or nil.
func settingOf(v *yaml.Node) (any, error) {
	switch {
	case v.Kind == yaml.AliasNode:
		return settingOf(v.Alias)
	case v.Kind == yaml.MappingNode:
		return nil, fmt.Errorf("configuration file, line %d: neither a value nor a list", v.Line)
	case v.Kind == yaml.SequenceNode:
		list := make([]any, len(v.Content))
		for i, element := range v.Content {
			var err error
			if list[i], err = settingOf(element); err != nil {
				return nil, err
			}
		}
		return list, nil
	case v.ShortTag() == "!!null":
		return nil, nil
	}
	return v.Value, nil
}
