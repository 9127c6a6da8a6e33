// Package web has the places that are not in the main package.
package web

import "github.com/fuwu-project/fuwu/redeye"

type (
	Run       func(func())
	Show      func(string, redeye.CallSite)
	Value     struct{}
	Of[T any] struct{}
)

func (Value) Method() redeye.CallSite   { return redeye.Here(0) }
func (*Value) Pointer() redeye.CallSite { return redeye.Here(0) }
func (*Of[T]) Method() redeye.CallSite  { return redeye.Here(0) }
func Generic[T any](T) redeye.CallSite  { return redeye.Here(0) }
func Library() redeye.CallSite          { return redeye.Here(1) }
func Deferred(show Show)                { show("deferred", redeye.Here(0)) }

func Literal(run Run, show Show) {
	run(func() { show("literal of another package", redeye.Here(0)) })
}

func (Value) Literal(run Run, show Show) {
	run(func() { show("literal in a method", redeye.Here(0)) })
}

func (*Value) PointerLiteral(run Run, show Show) {
	run(func() { show("literal in a pointer's method", redeye.Here(0)) })
}

func GenericLiteral[T any](_ T, run Run, show Show) {
	run(func() { show("literal in a generic function", redeye.Here(0)) })
}
