package ast

// Op numbers an operation. The numbers are part of the hash and of the wire form; they never change.
type Op uint8

// The operations. Those that share a node type stand together.
const (
	OpLit    Op = 1
	OpParam  Op = 2
	OpVar    Op = 3
	OpLet    Op = 4
	OpAttr   Op = 5
	OpIndex  Op = 6
	OpCall   Op = 7
	OpSource Op = 8
	OpIf     Op = 9
	OpMatch  Op = 10
	OpThen   Op = 11
	OpObject Op = 12
	OpList   Op = 13

	OpNot    Op = 20 // Unary
	OpNeg    Op = 21
	OpLower  Op = 22
	OpUpper  Op = 23
	OpLength Op = 24
	OpFirst  Op = 25
	OpLast   Op = 26
	OpInt    Op = 27
	OpFloat  Op = 28
	OpStr    Op = 29
	OpOrDrop Op = 30

	OpAnd        Op = 40 // Binary
	OpOr         Op = 41
	OpEq         Op = 42
	OpNe         Op = 43
	OpLt         Op = 44
	OpLe         Op = 45
	OpGt         Op = 46
	OpGe         Op = 47
	OpIn         Op = 48
	OpAdd        Op = 49
	OpSub        Op = 50
	OpMul        Op = 51
	OpDiv        Op = 52
	OpFloorDiv   Op = 53
	OpMod        Op = 54
	OpStartsWith Op = 55
	OpEndsWith   Op = 56
	OpOrElse     Op = 57
	OpOnError    Op = 58

	OpFilter   Op = 70
	OpMap      Op = 71
	OpFlatMap  Op = 72
	OpLimit    Op = 73
	OpSkip     Op = 74
	OpSort     Op = 75
	OpDistinct Op = 76
	OpGroup    Op = 77
	OpReduce   Op = 78
	OpPage     Op = 79

	OpSum Op = 90 // Aggregate
	OpMin Op = 91
	OpMax Op = 92
	OpAvg Op = 93
	OpAny Op = 94
	OpAll Op = 95

	OpJoin     Op = 100 // Join
	OpLeftJoin Op = 101
	OpSemiJoin Op = 102
	OpAntiJoin Op = 103

	OpValidate Op = 110
	OpCache    Op = 111
	OpWarm     Op = 112
	OpTimeout  Op = 113
)

// syntax is how an operation is written in text.
type syntax uint8

const (
	special  syntax = iota // its own way, in print.go
	infix                  // l op r
	function               // name(x, …)
	method                 // x.name(…)
)

type opInfo struct {
	name   string // in JSON, and in text unless infix
	syntax syntax
	token  string        // of an infix operation
	bind   precedence    // of an infix operation
	make   func(Op) Node // an empty node of the operation
}

// ops is the table of operations; an entry without a name is none.
var ops = [256]opInfo{
	OpLit:    {name: "lit", make: func(Op) Node { return new(Lit) }},
	OpParam:  {name: "param", make: func(Op) Node { return new(Param) }},
	OpVar:    {name: "var", make: func(Op) Node { return new(Var) }},
	OpLet:    {name: "let", syntax: function, make: func(Op) Node { return new(Let) }},
	OpAttr:   {name: "attr", make: func(Op) Node { return new(Attr) }},
	OpIndex:  {name: "index", make: func(Op) Node { return new(Index) }},
	OpCall:   {name: "call", make: func(Op) Node { return new(Call) }},
	OpSource: {name: "source", make: func(Op) Node { return new(Call) }},
	OpIf:     {name: "if", make: func(Op) Node { return new(If) }},
	OpMatch:  {name: "matches", syntax: method, make: func(Op) Node { return new(Match) }},
	OpThen:   {name: "then", syntax: method, make: func(Op) Node { return new(Then) }},
	OpObject: {name: "object", make: func(Op) Node { return new(Object) }},
	OpList:   {name: "list", make: func(Op) Node { return new(List) }},

	OpNot:    {name: "not", make: newUnary},
	OpNeg:    {name: "neg", make: newUnary},
	OpLower:  {name: "lower", syntax: method, make: newUnary},
	OpUpper:  {name: "upper", syntax: method, make: newUnary},
	OpLength: {name: "length", syntax: method, make: newUnary},
	OpFirst:  {name: "first", syntax: method, make: newUnary},
	OpLast:   {name: "last", syntax: method, make: newUnary},
	OpInt:    {name: "int", syntax: function, make: newUnary},
	OpFloat:  {name: "float", syntax: function, make: newUnary},
	OpStr:    {name: "str", syntax: function, make: newUnary},
	OpOrDrop: {name: "or_drop", syntax: method, make: newUnary},

	OpAnd:        {name: "and", syntax: infix, token: "and", bind: bindAnd, make: newBinary},
	OpOr:         {name: "or", syntax: infix, token: "or", bind: bindOr, make: newBinary},
	OpEq:         {name: "eq", syntax: infix, token: "==", bind: bindCompare, make: newBinary},
	OpNe:         {name: "ne", syntax: infix, token: "!=", bind: bindCompare, make: newBinary},
	OpLt:         {name: "lt", syntax: infix, token: "<", bind: bindCompare, make: newBinary},
	OpLe:         {name: "le", syntax: infix, token: "<=", bind: bindCompare, make: newBinary},
	OpGt:         {name: "gt", syntax: infix, token: ">", bind: bindCompare, make: newBinary},
	OpGe:         {name: "ge", syntax: infix, token: ">=", bind: bindCompare, make: newBinary},
	OpIn:         {name: "in", syntax: infix, token: "in", bind: bindCompare, make: newBinary},
	OpAdd:        {name: "add", syntax: infix, token: "+", bind: bindAdd, make: newBinary},
	OpSub:        {name: "sub", syntax: infix, token: "-", bind: bindAdd, make: newBinary},
	OpMul:        {name: "mul", syntax: infix, token: "*", bind: bindMul, make: newBinary},
	OpDiv:        {name: "div", syntax: infix, token: "/", bind: bindMul, make: newBinary},
	OpFloorDiv:   {name: "floor_div", syntax: infix, token: "//", bind: bindMul, make: newBinary},
	OpMod:        {name: "mod", syntax: infix, token: "%", bind: bindMul, make: newBinary},
	OpStartsWith: {name: "startswith", syntax: method, make: newBinary},
	OpEndsWith:   {name: "endswith", syntax: method, make: newBinary},
	OpOrElse:     {name: "or_else", syntax: method, make: newBinary},
	OpOnError:    {name: "on_error", syntax: method, make: newBinary},

	OpFilter:   {name: "filter", syntax: method, make: func(Op) Node { return new(Filter) }},
	OpMap:      {name: "map", syntax: method, make: func(Op) Node { return new(Map) }},
	OpFlatMap:  {name: "flat_map", syntax: method, make: func(Op) Node { return new(FlatMap) }},
	OpLimit:    {name: "limit", syntax: method, make: func(Op) Node { return new(Limit) }},
	OpSkip:     {name: "skip", syntax: method, make: func(Op) Node { return new(Skip) }},
	OpSort:     {name: "sort", syntax: method, make: func(Op) Node { return new(Sort) }},
	OpDistinct: {name: "distinct", syntax: method, make: func(Op) Node { return new(Distinct) }},
	OpGroup:    {name: "group", syntax: method, make: func(Op) Node { return new(Group) }},
	OpReduce:   {name: "reduce", syntax: method, make: func(Op) Node { return new(Reduce) }},
	OpPage:     {name: "page", syntax: method, make: func(Op) Node { return new(Page) }},

	OpSum: {name: "sum", syntax: method, make: newAggregate},
	OpMin: {name: "min", syntax: method, make: newAggregate},
	OpMax: {name: "max", syntax: method, make: newAggregate},
	OpAvg: {name: "avg", syntax: method, make: newAggregate},
	OpAny: {name: "any", syntax: method, make: newAggregate},
	OpAll: {name: "all", syntax: method, make: newAggregate},

	OpJoin:     {name: "join", syntax: method, make: newJoin},
	OpLeftJoin: {name: "left_join", syntax: method, make: newJoin},
	OpSemiJoin: {name: "semi_join", syntax: method, make: newJoin},
	OpAntiJoin: {name: "anti_join", syntax: method, make: newJoin},

	OpValidate: {name: "validate", syntax: method, make: func(Op) Node { return new(Validate) }},
	OpCache:    {name: "cache", syntax: method, make: func(Op) Node { return new(Cache) }},
	OpWarm:     {name: "warm", syntax: method, make: func(Op) Node { return new(Warm) }},
	OpTimeout:  {name: "timeout", syntax: method, make: func(Op) Node { return new(Timeout) }},
}

func newUnary(op Op) Node     { return &Unary{Code: op} }
func newBinary(op Op) Node    { return &Binary{Code: op} }
func newAggregate(op Op) Node { return &Aggregate{Code: op} }
func newJoin(op Op) Node      { return &Join{Code: op} }

var opsByName, methodOps, functionOps = indexOps()

func indexOps() (all, methods, functions map[string]Op) {
	all, methods, functions = map[string]Op{}, map[string]Op{}, map[string]Op{}
	for i, info := range ops {
		if info.name == "" {
			continue
		}
		all[info.name] = Op(i)
		switch info.syntax {
		case method:
			methods[info.name] = Op(i)
		case function:
			functions[info.name] = Op(i)
		case infix, special:
		}
	}
	return all, methods, functions
}

// String returns the operation's name, as in the JSON form; "unknown" if there is no such operation.
func (op Op) String() string {
	if ops[op].name == "" {
		return "unknown"
	}
	return ops[op].name
}

// New returns an empty node of the operation, or nil if there is none of that number.
func (op Op) New() Node {
	if ops[op].make == nil {
		return nil
	}
	return ops[op].make(op)
}

// MethodOp finds the operation that is written x.name(…). Such a name cannot be that of an entity's method.
func MethodOp(name string) (Op, bool) {
	op, ok := methodOps[name]
	return op, ok
}

// FunctionOp finds the operation that is written name(…). Such a name cannot be that of a source.
func FunctionOp(name string) (Op, bool) {
	op, ok := functionOps[name]
	return op, ok
}

// IsName reports whether s can be the name of a parameter, variable, attribute, method, source or field: a letter
// or underscore, then letters, digits and underscores, in ASCII and at most 64 of them, and no word of the language.
func IsName(s string) bool {
	if s == "" || len(s) > 64 || keywords[s] {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// IsSourceName reports whether s can be the name of a source: a name that is no function of the language.
func IsSourceName(s string) bool {
	return IsName(s) && functionOps[s] == 0 && s != "time" && s != "duration" && s != "desc"
}

// IsMethodName reports whether s can be the name of an entity's method: a name that is no operation of the language.
func IsMethodName(s string) bool { return IsName(s) && methodOps[s] == 0 }

// keywords are Starlark's, in use or reserved, and the three literals.
var keywords = map[string]bool{}

func init() {
	for _, k := range []string{
		"None", "True", "False", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif",
		"else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "load", "nonlocal", "not", "or",
		"pass", "raise", "return", "try", "while", "with", "yield",
	} {
		keywords[k] = true
	}
}
