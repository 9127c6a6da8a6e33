package main

import (
	"fmt"

	"github.com/fuwu-project/fuwu/shuai"
)

// IDCmd reads what an id says about its birth.
type IDCmd struct {
	ID []string `arg:"" name:"id" help:"A trace id (32 hex digits), a span id (16), TRACE-SPAN, or a whole traceparent."`
}

// Help is the long text of id --help.
func (*IDCmd) Help() string {
	return `Only ids that Shuai's tracer made say anything: a trace id carries the second and the IPv4 address of the root, a
span id the low 16 bits of the address, the process id and a tick of 1/65,536 s. With both, the time is exact to 15 µs.
Ids of other tracers are opaque and read as nonsense; the time shows it.`
}

// Run prints a line for each id.
func (cmd *IDCmd) Run(out streams) error {
	for _, text := range cmd.ID {
		id, err := shuai.DescribeID(text)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.out, "%s  %s\n", text, id)
	}
	return nil
}
