package ast

// Node is a node of a program: one of the pointer types of this file, and nothing else. Nodes are not changed once
// they are in a tree; a tree may be read concurrently.
//
//sumtype:decl
type Node interface {
	// Op says which operation the node is.
	Op() Op
	// parts shows the parts of the node to v, in canonical order. It is the only description of a node's shape:
	// hash, wire form, JSON form and walks are visitors.
	parts(v visitor)
}

// Lambda is a function that stands as the argument of a node. It is no value: it cannot be passed on or returned.
type Lambda struct {
	Vars []string // names for people; neither equality nor the hash looks at them
	Body Node
}

// Key is one key of a [Sort].
type Key struct {
	By   Lambda
	Desc bool // greatest first; null stays last
}

type (
	// Lit is a literal.
	Lit struct{ Value Value }
	// Param is a value that is given with the call, by name.
	Param struct{ Name string }
	// Var is a variable of an enclosing lambda: Depth 0 is the innermost one's last, counting outwards.
	Var struct{ Depth int }
	// Let computes X at most once for all its uses in In.
	Let struct {
		X  Node
		In Lambda
	}

	// Attr is a local property of an entity, or a field of an object.
	Attr struct {
		X    Node
		Name string
	}
	// Index is an element of a list by its number, or of a map by its key.
	Index struct{ X, I Node }
	// Call calls a method of the entity X, or a source if X is nil.
	Call struct {
		X    Node
		Name string
		Args []Node
	}

	// Unary is an operation with one operand, from [OpNot] to [OpOrDrop].
	Unary struct {
		Code Op
		X    Node
	}
	// Binary is an operation with two operands, from [OpAnd] to [OpOnError].
	Binary struct {
		Code Op
		L, R Node
	}
	// If is Then where Cond is true and Else where it is false.
	If struct{ Cond, Then, Else Node }
	// Match tells whether text holds a match of a regular expression (RE2).
	Match struct {
		X       Node
		Pattern string
	}
	// Then is null where X is, and F of it elsewhere.
	Then struct {
		X Node
		F Lambda
	}

	// Object makes an object, its fields in order. Names are distinct.
	Object struct {
		Names  []string
		Values []Node
	}
	// List makes a list.
	List struct{ Items []Node }

	// Filter keeps the rows for which F is true.
	Filter struct {
		X Node
		F Lambda
	}
	// Map makes a row of each row.
	Map struct {
		X Node
		F Lambda
	}
	// FlatMap makes a list of each row and puts them one after another.
	FlatMap struct {
		X Node
		F Lambda
	}
	// Limit keeps the first N rows.
	Limit struct{ X, N Node }
	// Skip drops the first N rows.
	Skip struct{ X, N Node }
	// Sort orders rows by Keys, stably.
	Sort struct {
		X    Node
		Keys []Key
	}
	// Distinct keeps the first of the rows with equal F.
	Distinct struct {
		X Node
		F Lambda
	}
	// Group collects rows with equal F: a list of {key, items}.
	Group struct {
		X Node
		F Lambda
	}
	// Aggregate folds F of the rows by a named operation, from [OpSum] to [OpAll].
	Aggregate struct {
		Code Op
		X    Node
		F    Lambda
	}
	// Reduce folds the rows: it begins with Init, and F of what there is and of the next row is what there is then.
	Reduce struct {
		X, Init Node
		F       Lambda // of two variables
	}
	// Join matches the rows of two lists by equal keys; Code is from [OpJoin] to [OpAntiJoin].
	Join struct {
		Code              Op
		Left, Right       Node
		LeftKey, RightKey Lambda
	}
	// Page is the next Size rows after a cursor: {rows, next}.
	Page struct{ X, Size, After Node }

	// Validate is X, and fails the query with Msg where F of it is false.
	Validate struct {
		X   Node
		F   Lambda
		Msg string
	}
	// Cache lets the answer of X be kept and used again.
	Cache struct {
		X     Node
		TTL   Value  // a duration
		Scope string // public, tenant or principal
	}
	// Warm computes X, fills its cache and is how many rows it has.
	Warm struct {
		X     Node
		TTL   Value  // a duration
		Scope string // as that of Cache
	}
	// Timeout fails what of X is not there in time.
	Timeout struct {
		X     Node
		After Value // a duration
	}
)

// visitor is shown the parts of a node. It may read them, or set them in a node that is just being made. A node has
// at most one part of variable length (nodes, fields or keys), and it is the last.
type visitor interface {
	node(*Node)
	optional(*Node) // nil is allowed; the only child besides nodes
	lambda(f *Lambda, vars int)
	nodes(*[]Node)
	fields(names *[]string, values *[]Node)
	keys(*[]Key)
	name(*string) // an identifier
	text(*string)
	number(*int) // 0 or more
	value(*Value)
}

func (n *Lit) parts(v visitor)       { v.value(&n.Value) }
func (n *Param) parts(v visitor)     { v.name(&n.Name) }
func (n *Var) parts(v visitor)       { v.number(&n.Depth) }
func (n *Let) parts(v visitor)       { v.node(&n.X); v.lambda(&n.In, 1) }
func (n *Attr) parts(v visitor)      { v.node(&n.X); v.name(&n.Name) }
func (n *Index) parts(v visitor)     { v.node(&n.X); v.node(&n.I) }
func (n *Call) parts(v visitor)      { v.optional(&n.X); v.name(&n.Name); v.nodes(&n.Args) }
func (n *Unary) parts(v visitor)     { v.node(&n.X) }
func (n *Binary) parts(v visitor)    { v.node(&n.L); v.node(&n.R) }
func (n *If) parts(v visitor)        { v.node(&n.Cond); v.node(&n.Then); v.node(&n.Else) }
func (n *Match) parts(v visitor)     { v.node(&n.X); v.text(&n.Pattern) }
func (n *Then) parts(v visitor)      { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Object) parts(v visitor)    { v.fields(&n.Names, &n.Values) }
func (n *List) parts(v visitor)      { v.nodes(&n.Items) }
func (n *Filter) parts(v visitor)    { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Map) parts(v visitor)       { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *FlatMap) parts(v visitor)   { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Limit) parts(v visitor)     { v.node(&n.X); v.node(&n.N) }
func (n *Skip) parts(v visitor)      { v.node(&n.X); v.node(&n.N) }
func (n *Sort) parts(v visitor)      { v.node(&n.X); v.keys(&n.Keys) }
func (n *Distinct) parts(v visitor)  { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Group) parts(v visitor)     { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Aggregate) parts(v visitor) { v.node(&n.X); v.lambda(&n.F, 1) }
func (n *Reduce) parts(v visitor)    { v.node(&n.X); v.node(&n.Init); v.lambda(&n.F, 2) }
func (n *Join) parts(v visitor) {
	v.node(&n.Left)
	v.node(&n.Right)
	v.lambda(&n.LeftKey, 1)
	v.lambda(&n.RightKey, 1)
}
func (n *Page) parts(v visitor)     { v.node(&n.X); v.node(&n.Size); v.node(&n.After) }
func (n *Validate) parts(v visitor) { v.node(&n.X); v.lambda(&n.F, 1); v.text(&n.Msg) }
func (n *Cache) parts(v visitor)    { v.node(&n.X); v.value(&n.TTL); v.text(&n.Scope) }
func (n *Warm) parts(v visitor)     { v.node(&n.X); v.value(&n.TTL); v.text(&n.Scope) }
func (n *Timeout) parts(v visitor)  { v.node(&n.X); v.value(&n.After) }

// Op returns [OpLit].
func (n *Lit) Op() Op { return OpLit }

// Op returns [OpParam].
func (n *Param) Op() Op { return OpParam }

// Op returns [OpVar].
func (n *Var) Op() Op { return OpVar }

// Op returns [OpLet].
func (n *Let) Op() Op { return OpLet }

// Op returns [OpAttr].
func (n *Attr) Op() Op { return OpAttr }

// Op returns [OpIndex].
func (n *Index) Op() Op { return OpIndex }

// Op returns [OpCall], or [OpSource] if there is no receiver.
func (n *Call) Op() Op {
	if n.X == nil {
		return OpSource
	}
	return OpCall
}

// Op returns the operation.
func (n *Unary) Op() Op { return n.Code }

// Op returns the operation.
func (n *Binary) Op() Op { return n.Code }

// Op returns [OpIf].
func (n *If) Op() Op { return OpIf }

// Op returns [OpMatch].
func (n *Match) Op() Op { return OpMatch }

// Op returns [OpThen].
func (n *Then) Op() Op { return OpThen }

// Op returns [OpObject].
func (n *Object) Op() Op { return OpObject }

// Op returns [OpList].
func (n *List) Op() Op { return OpList }

// Op returns [OpFilter].
func (n *Filter) Op() Op { return OpFilter }

// Op returns [OpMap].
func (n *Map) Op() Op { return OpMap }

// Op returns [OpFlatMap].
func (n *FlatMap) Op() Op { return OpFlatMap }

// Op returns [OpLimit].
func (n *Limit) Op() Op { return OpLimit }

// Op returns [OpSkip].
func (n *Skip) Op() Op { return OpSkip }

// Op returns [OpSort].
func (n *Sort) Op() Op { return OpSort }

// Op returns [OpDistinct].
func (n *Distinct) Op() Op { return OpDistinct }

// Op returns [OpGroup].
func (n *Group) Op() Op { return OpGroup }

// Op returns the operation.
func (n *Aggregate) Op() Op { return n.Code }

// Op returns [OpReduce].
func (n *Reduce) Op() Op { return OpReduce }

// Op returns the kind of join.
func (n *Join) Op() Op { return n.Code }

// Op returns [OpPage].
func (n *Page) Op() Op { return OpPage }

// Op returns [OpValidate].
func (n *Validate) Op() Op { return OpValidate }

// Op returns [OpCache].
func (n *Cache) Op() Op { return OpCache }

// Op returns [OpWarm].
func (n *Warm) Op() Op { return OpWarm }

// Op returns [OpTimeout].
func (n *Timeout) Op() Op { return OpTimeout }
