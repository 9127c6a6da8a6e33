// Package ast is the language of Redeye: a program is a tree of total, typed, side-effect-free nodes. This page
// is the reference of every node. The package reads and writes programs in protobuf and JSON, prints them as text (which redeye/server/text
// reads), checks their shape and hashes them. It uses the standard library alone.
//
//	get_movies(ids)                                    # a source: a registered function
//		.filter(lambda x: x.can_view(user))            # a method, batched over the rows
//		.map(lambda x: {"id": x.id, "title": x.title(), "rating": x.rating()})
//
// # Values and types
//
//	bool  int  float  string  bytes  time  duration    scalars
//	list<T>   map<string, T>   map<int, T>             ordered; a map's keys are distinct
//	{name: T, …}                                       an object: fields in order
//	Genre                                              an enum of the schema: one of the texts that are its values
//	Movie                                              a reference to an entity of the schema: its type and its key
//	T?                                                 T or null
//
// An int has 64 bits and a sign; a float is IEEE 754 binary64; a string is UTF-8 and compares by code point; a time is Unix nanoseconds
// (1678 to 2262), a duration nanoseconds.
//
// Nothing is converted silently. Only a literal int stands for a float where a float is wanted, and a literal string for a value of an enum where one is
// wanted: x.genre == "drama". It must be one of the values; so must what a parameter is given. An enum is no string: it has no order, and str(x) is its text.
//
// Types are checked before anything is called, and have at most 1,000 parts. A name that no lambda binds is a parameter; its type is what
// its uses want of it, and all of them must want the same.
//
// # Null
//
// Only T? may be null, and T? cannot be used where T is wanted: that is an error of the check, not of the run. A T may be
// used where T? is wanted. There is no third truth value: a condition is a bool. What takes T?: ==, != and in (null equals null and
// nothing else), or_else, then, distinct, group and sort (null is last in either direction), joins (null matches nothing).
//
// # Errors
//
// A cell that cannot be computed holds an error: a method failed (its code), or OUT_OF_RANGE for integer overflow, division by zero, an
// index that is not there, an impossible conversion, a value that an enum does not have. An operation over a cell in error is that error; of several, any one.
// A query that demands the cell in its answer fails with it, by default; with Partial the cell becomes null and the error is
// listed. A row whose predicate failed is never kept: by default the whole list is in error, with Partial the row
// is dropped and counted; so it is with keys of sort, group, distinct, join and page.
// The budgets, cancellation and the deadline fail the query as a whole, and nothing catches that.
//
// # Order and laziness
//
// Lists are ordered, and every operation says what becomes of the order. A value that nobody demands is not computed, and its
// methods are not called; errors of such cells do not exist. What is computed, how often and in which order is not observable
// otherwise: within one query, equal calls (method, receiver's key, arguments) have the same value. A query fails only
// for a cell that it demands as it is written; with which of several errors is not determined, and it may do without a cell that turns out not to matter.
//
// # Leaves, names, calls
//
//	Lit       None, True, 7, -1, 2.5, "text", b"\x00", time("2026-11-25T08:00:00Z"), duration("1m30s"). A float is finite; None is null of any type.
//	Param     ids. A value that is given with the call.
//	Var       x. A row (or value) that an enclosing lambda names. In the tree it is a number, so names do not matter.
//	Let       let(e, lambda v: body). body with e's value as v; e is computed when body first demands it, once a row.
//	Attr      x.year. A local property of an entity, or a field of an object. Of null: T? does not have it, see then.
//	Index     xs[i]. i of a list from 0, or from the end if negative; of a map by key. Not there: OUT_OF_RANGE.
//	Call      x.title(), x.can_view(user); get_movies(ids). A method of an entity, a source. One batch for all rows of the column that
//	          demand it. Arguments are demanded; if one is in error, so is the call, without calling.
//
// # Logic, choice, comparison
//
//	and, or   of bools, row by row: the right side is demanded only of rows that the left does not decide. If the left is in error, so is the result.
//	not       of a bool.
//	If        a if c else b. Of each row only the chosen side is demanded. Types of a and b are one, or one with and one without null.
//	==, !=    of equal types, scalars, entities (by key), lists and objects of such. NaN != NaN.
//	< <= > >= of int, float, string, time, duration, bytes (by unsigned bytes), of equal types, not null. With NaN: False.
//	in        element in list, key in map, text in text.
//
// # Numbers and texts
//
//   - - *     of two ints or two floats. + also puts two strings or two lists of equal type one after the other. time - time is a duration;
//     time + duration, time - duration and duration ± duration are what they seem; duration * int too. Integer overflow: OUT_OF_RANGE.
//     /         of two floats; by zero as IEEE says.
//     //, %     of two ints: the quotient rounded down, and the remainder, which has the divisor's sign (as in Python). By zero: OUT_OF_RANGE.
//     -x        of int, float, duration. The smallest int: OUT_OF_RANGE.
//     int(x)    of a float: its whole part; of a string: decimal. float(x) of an int: the nearest; of a string: as in Go. str(x) of int, float, bool, enum.
//     What is not one, or too large: OUT_OF_RANGE.
//     lower, upper, startswith, endswith     of strings, by Unicode; x.matches("re"): RE2 syntax, anywhere in x. The pattern is
//     compiled when the program is checked, to at most 1,000 instructions (x{900} is 900), those of all a program's patterns to 10,000.
//
// # Null and errors
//
//	Then      x.then(lambda v: body). null where x is null, elsewhere body with x's value as v; T? of body's type. The usual way to call on what may be null.
//	or_else   x.or_else(d). x where it is not null, elsewhere d, which is demanded there only. d is T or T?.
//	on_error  x.on_error(d). x where it is not in error, elsewhere d, demanded there only. d may be None.
//	or_drop   x.or_drop(). Where x is in error, the row of the innermost map, flat_map or filter around it is dropped. x is demanded of every row.
//
// # Objects and lists
//
//	Object    {"id": x.id, …}. Fields are independent: one in error does not touch the others. Field names are distinct.
//	List      [a, b]. Of one type. An empty one takes its type from its place. Elements are independent, like fields.
//
// # Collections
//
// Each takes a list, and keeps what it keeps in order unless it says otherwise.
//
//	Filter    xs.filter(lambda x: cond). Rows for which cond is True. [x for x in xs if cond] is the same.
//	Map       xs.map(lambda x: e). One row of each. [e for x in xs] is the same.
//	FlatMap   xs.flat_map(lambda x: list). The lists one after another.
//	Limit     xs.limit(n), Skip xs.skip(n). n ≥ 0, or OUT_OF_RANGE. Limit is demand: what is above the list computes rows in chunks until there are n.
//	Sort      xs.sort(lambda x: key, desc(lambda x: key), …). Stable. Keys are of an ordered type or bool; NaN comes after all numbers, null after NaN,
//	          in either direction.
//	Distinct  xs.distinct(lambda x: key). The first of rows with equal keys; the key is x itself if left out. Here NaN equals NaN.
//	Group     xs.group(lambda x: key). A list of {key, items}, groups in order of their first row, rows within as they came. Here NaN equals NaN.
//	length    xs.length(). An int; of a string its code points, of a map its entries. What the rows hold is not demanded.
//	first, last   xs.first(). T?: null of an empty list. Only that row is demanded.
//	sum       xs.sum(lambda x: e). Of ints, floats or durations, from the first to the last (so a float's is reproducible); of none 0. Overflow: OUT_OF_RANGE.
//	min, max  xs.min(lambda x: e). The smallest e: T?, null of none. Of an ordered type. NaN counts as greatest.
//	avg       of ints or floats: float?, null of none.
//	any, all  xs.any(lambda x: cond). Rows are demanded until one decides.
//	Reduce    xs.reduce(init, lambda acc, x: e). From the first row to the last; e has the type of init. For e that calls no methods.
//	join      a.join(b, lambda x: key, lambda y: key). {left, right} for each pair with equal keys, by a's order, then b's.
//	left_join as join, and {left, right: null} for each row of a without a match.
//	semi_join, anti_join   the rows of a with a match, without one.
//	Page      xs.page(size, after). {rows, next}: the next size rows after the cursor, a string? that an earlier page gave as next; null begins.
//	          next is null at the end. xs is a sort, and rows with equal keys are ordered by themselves (an entity by its key); those that are equal throughout
//	          are counted. The cursor holds the place of the last row, so rows that come or go meanwhile neither repeat nor hide others.
//
// Where the function is left out, in sum, min, max, avg, any, all and distinct, it is lambda x: x.
//
// # Assertion and hints
//
//	Validate  x.validate(lambda v: cond, "message"). x; where cond is False the query fails with FAILED_PRECONDITION and the message. If cond depends on parameters
//	          only, that is before any call.
//	Cache     x.cache("1m", "tenant"). x, perhaps as it was up to so long ago, of the same parameters and row, for somebody of the same scope: public, tenant,
//	          principal; principal if left out. x is demanded throughout. Only what is complete is kept: no cell in it is in error. That x is null, or NOT_FOUND as
//	          a whole, is kept for a second, unless the server says otherwise; and where it says so, x may be older than that if it cannot be
//	          computed. Methods in x must have a scope that is as wide, and must be such that their answers may be kept; a page cannot be in x.
//	          Where the caller or its tenant is not known, nothing is kept for it alone.
//	Warm      x.warm("1m", "tenant"). Computes x, fills the cache that x.cache(…) of the same scope reads, and is how many rows x has, an int: of a list
//	          its length, of anything else 1.
//	Timeout   x.timeout("50ms"). x, in error with DEADLINE_EXCEEDED where it is not there in time.
//
// # Limits
//
// Programs come from strangers. Every reader bounds bytes, nodes, depth and lambdas within lambdas ([Limits]), refuses
// what is not in this list, and takes time and memory proportional to what it reads.
package ast
