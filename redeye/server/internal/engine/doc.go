// Package engine checks, plans and runs programs of package ast, by column.
//
// # Columns and frames
//
// A value is computed for all rows that need it at once: a [Vec] holds one value a row. Which rows those are is a
// [Frame]. The program as a whole runs in the root frame, of one row. A lambda over a list runs in a frame whose rows are
// the items of all the lists of the frame around it, so that a method called in the innermost of three loops is still one
// column, and one batch. Where only some rows need a value (the right side of and, the branches of if, what is left after
// a filter), they are a sub-frame: a selection of a frame's rows. A node is computed once in a frame; a sub-frame takes
// what the frame above already has.
//
// A list is where each row's items end, and its items are a [Col]: a value that is computed when somebody asks, in the
// frame that they ask for. So are the fields of an object. Filtering a list of objects computes the fields that the
// predicate reads; the others are computed for the rows that are left, if at all. That is all there is to laziness, dead
// columns, and "filter before map".
//
// # Calls
//
// A run is one goroutine that evaluates the root. A node that needs the answer of a method issues a batch with all
// receivers that have none yet, and is pending: its value is nil, and so is that of what depends on it, while its
// neighbours are evaluated all the same and issue batches of their own. When a batch is back, the root is evaluated
// again; all that was computed is still there, so this costs a walk over what is not. Batches are exact without a timer,
// there are no levels, and the longest chain of dependent calls is what a query takes.
//
// A receiver is interned by its key when a method is first called on its column; a table for each (method, arguments)
// knows by the number whether it was asked. So equal calls are made once in a query, wherever they stand.
//
// # Budgets
//
// Rows, memory and steps are charged before arrays are made, calls and items before a batch goes out ([Budget]). Frames are charged as memory, since
// of lists in lists there may be many of a row or two.
package engine
