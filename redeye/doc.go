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
// # Asking
//
// A query is text, or is built in Go out of symbols that "redeye gen" makes of a service's schema, so that the compiler checks it:
//
//	cards, err := redeye.Text[[]Card](
//		`get_movies(ids).filter(lambda x: x.can_view(user)).map(lambda x: {"id": x.id, "title": x.title()})`,
//		redeye.Args{"ids": ids, "user": user},
//	).Run(ctx, client)
//
//	cards, err := redeye.Into(
//		movies.GetMovies(ids).Filter(func(x movies.MovieX) redeye.Bool { return x.CanView(user) }),
//		func(x movies.MovieX, c *Card) redeye.Fields {
//			return redeye.Fields{redeye.Set(&c.ID, x.ID()), redeye.Set(&c.Title, x.Title())}
//		},
//	).Run(ctx, client)
//
// Both are one request, and both answers are plain structs. What a program can say, and what each operation means, is in
// docs/redeye/reference.md and in the documentation of package ast. A function that is given to Filter or Into runs once, when the
// query is built; its argument stands for every row. What it takes from outside becomes a parameter, so one place in the source is one
// program, whatever the values are, and the server checks and plans it once. ([Prepare2] builds it once, too.)
//
// # Values
//
// Parameters are encoded, and answers decoded, by their Go types:
//
//	bool; int … uint64; float32, float64; string; []byte     bool, int, float, string, bytes
//	time.Time, time.Duration                                 time, duration
//	[]T, map[string]T, map[int64]T                           list<T>, map<string, T>, map<int, T>
//	a struct                                                 an object
//	*T                                                       T?
//
// A struct's field is the object's field with the name in its tag `redeye:"name"`, or with its own name in lower_case: PosterURL is
// poster_url. Every field of an answer must have one; a struct may have more. Entities are their keys, an int64 or a string. What does
// not fit is an error, never a zero.
//
// # Trouble
//
// Every error is an [*Error], with a code. The context's deadline goes with the request and is kept on both sides. A [Client] repeats
// nothing unless the server says when, and then little; and it stops a call site whose queries keep failing.
//
// The package uses the standard library alone.
package redeye
