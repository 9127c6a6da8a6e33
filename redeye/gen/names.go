package gen

import (
	"github.com/fuwu-project/fuwu/redeye/schema"
)

// Names are those of the package that [Go] writes of a schema, for tools that write code which uses it.
type Names struct {
	pkg string
	g   generator
}

// NamesOf returns the names of the package pkg. The error is that of [Go].
func NamesOf(s *schema.Schema, pkg string) (*Names, error) {
	n := &Names{pkg: pkg, g: newGenerator(s)}
	if err := n.g.check(pkg); err != nil {
		return nil, err
	}
	return n, n.g.all()
}

// Source is the function of a source: "movies.GetMovies".
func (n *Names) Source(name string) string { return n.pkg + "." + exported(name) }

// Entity is the symbol type of an entity: "movies.MovieX".
func (n *Names) Entity(name string) string { return n.pkg + "." + exported(name) + "X" }

// Member is the method of a symbol for an attribute, a method or a field: "CanView".
func (n *Names) Member(name string) string { return method(name) }

// Argument is the name of an argument: "userID".
func (n *Names) Argument(name string) string { return argument(name) }

// Type is the Go type of values of t: "[]int64", "movies.Genre", "movies.MoviePoster". Objects and enums must be those of the schema.
func (n *Names) Type(t schema.Type) string {
	if t.Null {
		return "*" + n.Type(t.NotNull())
	}
	switch t.Kind {
	case schema.KindList:
		return "[]" + n.Type(*t.Elem)
	case schema.KindMap:
		return "map[" + n.Type(schema.Of(t.Key)) + "]" + n.Type(*t.Elem)
	case schema.KindObject:
		return n.pkg + "." + n.g.record(t, "")
	case schema.KindEnum:
		return n.pkg + "." + n.g.enum(t)
	default:
		return n.g.goType(t, "")
	}
}
