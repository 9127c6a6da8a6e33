package main

import (
	"fmt"

	"github.com/fuwu-project/fuwu/shuai"
)

// IDCmd reads what an id says about its birth.
type IDCmd struct {
	ID  []string `arg:"" name:"id" help:"A trace id (32 hex digits), a span id (16), TRACE-SPAN, or a whole traceparent."`
	Key string   `placeholder:"KEY" env:"SHUAI_ID_KEY" help:"Read ids made under this key, the SHUAI_ID_KEY of the services; \"\" reads those made without one. Better in the environment, where nobody sees it. (no key)"`
}

// Help is the long text of id --help.
func (*IDCmd) Help() string {
	return `Only ids that Shuai's tracer made say anything: a trace id carries the second and the IPv4 address of the root, a
span id the low 16 bits of the address, the process id and a tick of 1/65,536 s. With both, the time is exact to 15 µs.
Ids of other tracers, and those made under another key than the one given, are opaque and read as nonsense; the time shows it.`
}

// Run prints a line for each id.
func (cmd *IDCmd) Run(out streams) error {
	var key *shuai.IDKey
	if cmd.Key != "" {
		var err error
		if key, err = shuai.ParseIDKey(cmd.Key); err != nil {
			return fmt.Errorf("--key (SHUAI_ID_KEY): %w", err)
		}
	}
	for _, text := range cmd.ID {
		id, err := key.Describe(text)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.out, "%s  %s\n", text, id)
	}
	return nil
}
