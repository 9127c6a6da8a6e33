// Package server runs Redeye programs next to the data.
//
// A service registers what programs may use: entities with their attributes and methods, and sources. Only what is
// registered exists for a program, so it must be safe to call for whoever may ask, and it must not change anything.
//
//	s := server.New("movies")
//	movie := server.Entity(s, "Movie", func(m *Movie) int64 { return m.ID })
//	server.Attr(movie, "year", func(m *Movie) int64 { return m.Year })
//	server.Batch(movie, "title", func(ctx context.Context, ms []*Movie) ([]string, error) { … })
//	server.BatchArg(movie, "can_view", func(ctx context.Context, ms []*Movie, user int64) ([]bool, error) { … }, server.Args("user"))
//	server.Keyed(movie, "rating", func(ctx context.Context, ids []int64) (map[int64]float64, error) { … })
//	server.Source(s, "get_movies", func(ctx context.Context, ids []int64) ([]*Movie, error) { … }, server.Args("ids"))
//
// Registration is generic: what reads an attribute or takes a method's answers apart is compiled for its types, and
// nothing is reflected on for each row when a program runs. Mistakes of registration are collected, and [Server.Check]
// and the first query report all of them.
//
// # Types
//
//	bool; int, int64, int32; float64; string; []byte; time.Time; time.Duration     scalars
//	the Go type of an entity                                                       a reference to it
//	what [Object], [Named] or [NamedInt] made known                                an object, a string, an int
//	what [Enum] or [EnumInt] made known                                            an enum
//	[]T, map[string]T, map[int64]T of these; [][]T                                 lists and maps
//	Null[T] of these                                                               T?
//
// # Contract of methods
//
// Functions are called concurrently, with the query's context. A batch has no receiver twice and is at most as long as
// [MaxBatch] says. The answer must have one value for each receiver, in their order (or be a map by key): a wrong
// number fails the whole batch, and no value ever goes to another receiver. A key that is missing is null if the result is
// Null[T], and otherwise an error NOT_FOUND of its cell. [Errs] is an error for some of the receivers. Any other
// error, and a panic, is one of all receivers of this batch, and of no other. Clients see the words of [Errorf] only;
// those of other errors stay on the server.
package server
