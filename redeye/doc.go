// Package redeye is the client of Redeye, a declarative data interface.
//
// # The idea
//
// A program that is split into services becomes chatty: the loop
//
//	for _, m := range movies(ids) {
//		show(m.Title(), m.Rating())
//	}
//
// is one call to another process for each movie and each property, one after another. With Redeye the
// caller writes down what it wants done with the data, and that description travels to the data and runs
// there: one call. Each description is known by the place in the source that holds it, its call site,
// so that its history can be kept, shown to people, and used to protect the server from one caller
// without touching the others.
//
// # What exists
//
// The identity of a call site: [CallSite] and [Here]. The package uses the standard library alone.
package redeye
