package store

import (
	"regexp"
	"time"

	"github.com/fuwu-project/fuwu/internal/span"
)

// Expr is a filter: a closed set of nodes, made by [ParseFilter] or by hand.
//
//sumtype:decl
type Expr interface {
	// String is the expression in the filter language, without the braces; ParseFilter reads it back.
	String() string
	expr()
}

// And holds if both operands hold.
type And struct{ X, Y Expr }

// Or holds if one of the operands does.
type Or struct{ X, Y Expr }

// Not holds if its operand does not.
type Not struct{ X Expr }

// Exists holds if the span has the field at all: attribute != nil.
type Exists struct{ Field Field }

// Compare holds if the span has the field, with a value that is comparable to Value, and Op is true of
// the two. A span that lacks the field matches no comparison, not even !=.
type Compare struct {
	Field Field
	Op    Op
	Value Literal
}

func (And) expr()     {}
func (Or) expr()      {}
func (Not) expr()     {}
func (Exists) expr()  {}
func (Compare) expr() {}

// Op is a comparison.
type Op uint8

// The comparisons. Match and NotMatch are regular expressions (RE2) over the whole value.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
	Match
	NotMatch
)

var opNames = [...]string{"=", "!=", "<", "<=", ">", ">=", "=~", "!~"}

// String is the operator as written.
func (o Op) String() string { return opNames[o] }

// Literal is the right-hand side of a comparison.
type Literal struct {
	Type LiteralType
	Str  string         // StringLiteral
	Num  float64        // NumberLiteral
	Int  int64          // NumberLiteral written without a point, DurationLiteral (ns), KindLiteral, StatusLiteral, BoolLiteral (0, 1)
	Re   *regexp.Regexp // compiled from Str, anchored, when Op is Match or NotMatch
}

// LiteralType is the type of a literal.
type LiteralType uint8

// The types of literals. An integer is a NumberLiteral with both Num and Int set.
const (
	StringLiteral LiteralType = iota
	NumberLiteral
	DurationLiteral
	KindLiteral
	StatusLiteral
	BoolLiteral
)

// Field is what a filter or a group-by looks at. For an attribute, Scope says where: on the span, on its
// resource, or Anywhere (the span's own first, then the resource's). Intrinsics are fields of the span
// itself.
type Field struct {
	Scope Scope
	Name  string
}

// Scope is where a field lives.
type Scope uint8

// The scopes of fields.
const (
	Anywhere Scope = iota
	OnSpan
	OnResource
	Intrinsic
)

// The intrinsics, as fields. Those of the trace are the same for all spans of a trace: TraceDuration is
// from the earliest start to the latest end of the trace's spans; RootName and RootService are of its
// earliest span without a parent id, and absent while no such span is stored.
var (
	Name          = Field{Intrinsic, "name"}
	Duration      = Field{Intrinsic, "duration"}
	StatusCode    = Field{Intrinsic, "status"}
	StatusMessage = Field{Intrinsic, "statusMessage"}
	KindOf        = Field{Intrinsic, "kind"}
	Root          = Field{Intrinsic, "root"} // a boolean: the span has no parent id
	TraceDuration = Field{Intrinsic, "traceDuration"}
	RootName      = Field{Intrinsic, "rootName"}
	RootService   = Field{Intrinsic, "rootServiceName"}
	ServiceName   = Field{OnResource, "service.name"} // absent reads as span.UnknownService
)

// Is makes the comparison field = s.
func Is(f Field, s string) Expr {
	return Compare{f, Eq, Literal{Type: StringLiteral, Str: s}}
}

// IsRoot matches spans without a parent id.
func IsRoot() Expr { return Compare{Root, Eq, Literal{Type: BoolLiteral, Int: 1}} }

// HasStatus matches spans of a status.
func HasStatus(s span.Status) Expr {
	return Compare{StatusCode, Eq, Literal{Type: StatusLiteral, Int: int64(s)}}
}

// HasKind matches spans of a kind.
func HasKind(k span.Kind) Expr {
	return Compare{KindOf, Eq, Literal{Type: KindLiteral, Int: int64(k)}}
}

// AtLeast matches spans that took d or longer.
func AtLeast(d time.Duration) Expr {
	return Compare{Duration, Ge, Literal{Type: DurationLiteral, Int: int64(d)}}
}

// AllOf joins with And; nils are left out, and of nothing it is nil, which matches every span.
func AllOf(exprs ...Expr) Expr {
	var all Expr
	for _, x := range exprs {
		switch {
		case x == nil:
		case all == nil:
			all = x
		default:
			all = And{all, x}
		}
	}
	return all
}
