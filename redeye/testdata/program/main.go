// The program asks from every kind of place for its call site and prints what it is told. Its output does
// not depend on how it is built.
package main

import (
	"fmt"
	"iter"
	"sync"

	"example.com/program/store/v2"
	"example.com/program/web"
	yaml "example.com/program/yaml.v3"
	"github.com/fuwu-project/fuwu/redeye"
)

func show(what string, s redeye.CallSite) { fmt.Printf("%-32s %-32s %s\n", what, s.Label, s.Key) }

//go:noinline
func run(f func()) { f() }

func small() redeye.CallSite { return redeye.Here(0) }

func smallLiteral() { run(func() { show("literal, inlined here", redeye.Here(0)) }) }

var atStart = redeye.Here(0)

var literalAtStart = func() redeye.CallSite { return redeye.Here(0) }

func init() { show("init", redeye.Here(0)) }

func init() { run(func() { show("literal in init", redeye.Here(0)) }) }

func one() iter.Seq[int] {
	return func(yield func(int) bool) { yield(1) }
}

type embeds struct{ web.Value }

func main() {
	show("variable", atStart)
	show("literal of a variable", literalAtStart())
	show("function", redeye.Here(0))
	show("function, inlined", small())
	notInlined := small
	show("function by value", notInlined())
	smallLiteral()
	run(func() { run(func() { show("literal in a literal", redeye.Here(0)) }) })
	for range one() {
		show("body of a loop over a function", redeye.Here(0))
		run(func() { show("literal in such a body", redeye.Here(0)) })
	}

	value := web.Value{}
	show("method", value.Method())
	show("pointer's method", (&value).Pointer())
	methodValue, methodExpr := value.Method, web.Value.Method
	show("method value", methodValue())
	show("method expression", methodExpr(value))
	var i interface{ Method() redeye.CallSite } = &value
	show("method by interface", i.Method())
	i = embeds{}
	show("promoted method", i.Method())
	show("generic, int", web.Generic(1))
	show("generic, string", web.Generic("s"))
	show("generic type", (&web.Of[int]{}).Method())

	web.Literal(run, show)
	run(func() { web.Literal(run, show) })
	value.Literal(run, show)
	(&value).PointerLiteral(run, show)
	web.GenericLiteral(1, run, show)
	yaml.Literal(run, show)
	store.Literal(run, show)
	show("dots in the path", yaml.Here())
	show("major version in the path", store.Here())
	show("a library's user", web.Library())
	func() { show("a library's user in a literal", web.Library()) }()

	var wg sync.WaitGroup
	wg.Go(func() { show("goroutine", redeye.Here(0)) })
	wg.Wait()
	func() {
		defer web.Deferred(show)
	}()
}
