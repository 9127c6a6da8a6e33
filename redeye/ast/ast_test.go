package ast_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
)

var (
	ids, user = &ast.Param{Name: "ids"}, &ast.Param{Name: "user"}
	row       = &ast.Var{Depth: 0}
)

// cards is the talk's query, its variables named as given.
func cards(a, b string) ast.Node {
	movies := &ast.Call{Name: "get_movies", Args: []ast.Node{ids}}
	visible := &ast.Filter{X: movies, F: ast.Lambda{Vars: []string{a}, Body: &ast.Call{X: row, Name: "can_view", Args: []ast.Node{user}}}}
	return &ast.Map{X: visible, F: ast.Lambda{Vars: []string{b}, Body: &ast.Object{
		Names:  []string{"id", "title"},
		Values: []ast.Node{&ast.Attr{X: row, Name: "id"}, &ast.Call{X: row, Name: "title"}},
	}}}
}

func ExamplePrint() {
	q := &ast.Limit{X: &ast.Call{Name: "get_movies", Args: []ast.Node{&ast.Param{Name: "ids"}}}, N: &ast.Lit{Value: ast.Int(10)}}
	source := ast.Print(q)
	fmt.Println(source.Text)
	fmt.Println(source.Point(q.N, "at most 5"))
	fmt.Println(string(ast.AppendJSON(nil, q)))
	// Output:
	// get_movies(ids).limit(10)
	// 1:23: at most 5
	//     get_movies(ids).limit(10)
	//                           ^^
	// ["limit",["source","get_movies",["param","ids"]],10]
}

// The hash is for ever: persisted programs and cursors hold it.
func TestHash(t *testing.T) {
	q := cards("x", "y")
	const want = "314e6f72c74a58591796813fa2a2e603b5afd630cf99f88ef174cc4b77a0d10c"
	if got := ast.HashOf(q).String(); got != want {
		t.Errorf("the hash of %s is %s", ast.Text(q), got)
	}
	if !ast.Equal(q, cards("movie", "x")) {
		t.Error("names of variables change the hash")
	}
	different := map[ast.Hash]ast.Node{}
	for _, n := range []ast.Node{
		q, row, ids, user, &ast.Var{Depth: 1}, &ast.Limit{X: ids, N: user}, &ast.Skip{X: ids, N: user}, &ast.Limit{X: user, N: ids},
		&ast.Lit{Value: ast.Null()}, &ast.Lit{Value: ast.Int(0)}, &ast.Lit{Value: ast.Float(0)}, &ast.Lit{Value: ast.Float(math.Copysign(0, -1))},
		&ast.Lit{Value: ast.Bool(false)}, &ast.Lit{Value: ast.String("")}, &ast.Lit{Value: ast.Bytes("")}, &ast.Lit{Value: ast.Duration(0)},
		&ast.List{}, &ast.List{Items: []ast.Node{&ast.List{}}}, &ast.Object{},
		&ast.Call{Name: "f", Args: []ast.Node{ids}}, &ast.Call{X: ids, Name: "f"},
		&ast.Sort{X: ids, Keys: []ast.Key{{By: ast.Lambda{Body: row}}}}, &ast.Sort{X: ids, Keys: []ast.Key{{By: ast.Lambda{Body: row}, Desc: true}}},
		&ast.Object{Names: []string{"a", "b"}, Values: []ast.Node{ids, user}}, &ast.Object{Names: []string{"b", "a"}, Values: []ast.Node{ids, user}},
	} {
		h := ast.HashOf(n)
		if other, ok := different[h]; ok {
			t.Errorf("%s and %s have one hash", ast.AppendJSON(nil, n), ast.AppendJSON(nil, other))
		}
		different[h] = n
	}
}

// Every form gives the same tree back, for trees of every operation.
func TestForms(t *testing.T) {
	seen := map[ast.Op]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := asttest.Tree(r.IntN)
		checkForms(t, n)
		note(n, seen)
	}
	for op := ast.Op(1); op != 0; op++ {
		if op.New() != nil && !seen[op] {
			t.Errorf("no tree had %s", op)
		}
	}
}

func note(n ast.Node, seen map[ast.Op]bool) {
	seen[n.Op()] = true
	for c := range ast.Children(n) {
		note(c, seen)
	}
}

func checkForms(t *testing.T, n ast.Node) {
	t.Helper()
	if err := ast.Check(n, ast.Limits{}); err != nil {
		t.Fatalf("%s: %v", ast.AppendJSON(nil, n), err)
	}
	wire := ast.AppendProto(nil, n)
	if again, err := ast.ReadProto(wire, ast.Limits{}); err != nil || ast.Text(again) != ast.Text(n) || !ast.Equal(again, n) {
		t.Fatalf("protobuf of %s gives %v, %v", ast.AppendJSON(nil, n), again, err)
	}
	text := ast.AppendJSON(nil, n)
	if again, err := ast.ReadJSON(text, ast.Limits{}); err != nil || ast.Text(again) != ast.Text(n) || !ast.Equal(again, n) {
		t.Fatalf("%s gives %v, %v", text, again, err)
	}
}

func FuzzForms(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, choices []byte) { checkForms(t, asttest.Tree(asttest.Bytes(choices))) })
}

// FuzzReadProto: whatever the bytes, there is an error or a program that has every other form.
func FuzzReadProto(f *testing.F) {
	f.Add(ast.AppendProto(nil, cards("x", "y")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := ast.ReadProto(b, ast.Limits{Nodes: 300}); err == nil {
			checkForms(t, n)
		}
	})
}

// FuzzReadJSON as [FuzzReadProto].
func FuzzReadJSON(f *testing.F) {
	f.Add(ast.AppendJSON(nil, cards("x", "y")))
	f.Add([]byte(`["sort",["bytes","AA=="],[1,["var",0]],["desc",[["x"],2.5e3]]]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := ast.ReadJSON(b, ast.Limits{Nodes: 300}); err == nil {
			checkForms(t, n)
		}
	})
}

func TestReadJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                "EOF",
		`{}`:                              "a node is a literal or",
		`["frobnicate"]`:                  `no operation "frobnicate"`,
		`["limit", 1]`:                    "",
		`["limit", 1, 2, 3]`:              "], not 3, is expected",
		`["param", "a b"]`:                `"a b" is not a name`,
		`["param", "lambda"]`:             "is not a name",
		`["source", "let"]`:               "cannot be the name of a method or source",
		`["call", 1, "filter"]`:           "cannot be the name of a method or source",
		`["var", 0]`:                      "variable 0 is not bound",
		`["map", 1, [["x"], ["var", 1]]]`: "variable 1 is not bound",
		`["map", 1, [["x", "y"], 1]]`:     "of 1 variables, not of 2",
		`["map", 1, [2, 1]]`:              "of 1 variables, not of 2",
		`["reduce", 1, 0, [1, 1]]`:        "of 2 variables, not of 1",
		`["map", 1, 2]`:                   "[, not 2, is expected",
		`["object", {"a": 1, "a": 2}]`:    `"a" is there twice`,
		`["cache", 1, 5, "public"]`:       "takes a duration",
		`["cache", 1, ["duration", "1s"], "mine"]`:   "the scope of a cache",
		`["warm", 1, ["duration", "-1s"], "public"]`: "above zero",
		`["warm", 1, ["duration", "1s"], ""]`:        "the scope of a cache",
		`99999999999999999999`:                       "no int of 64 bits",
		`1e999`:                                      "no float",
		`["time", "0001-01-01T00:00:00Z"]`:           "between 1678 and 2262",
		`["sort", 1]`:                                "takes 1 to 16 keys",
		`1 2`:                                        "something follows",
	} {
		n, err := ast.ReadJSON([]byte(text), ast.Limits{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, %v", text, n, err)
		}
	}
}

// Each limit lets through what is at it, and refuses one more; in every form, and before much is made.
func TestLimits(t *testing.T) {
	chain := func(n int) ast.Node {
		node := ast.Node(&ast.Lit{})
		for range n - 1 {
			node = &ast.Unary{Code: ast.OpNot, X: node}
		}
		return node
	}
	nest := func(n int) ast.Node {
		node := ast.Node(ids)
		for range n {
			node = &ast.Map{X: ids, F: ast.Lambda{Body: node}}
		}
		return node
	}
	wide := func(n int) ast.Node {
		list := new(ast.List)
		for range n - 1 {
			list.Items = append(list.Items, ids)
		}
		return list
	}
	for _, test := range []struct {
		what    string
		at, one ast.Node
	}{
		{"levels", chain(64), chain(65)},
		{"nodes", wide(2000), wide(2001)},
		{"lambdas within lambdas", nest(4), nest(5)},
	} {
		checkForms(t, test.at)
		_, protoErr := ast.ReadProto(ast.AppendProto(nil, test.one), ast.Limits{})
		_, jsonErr := ast.ReadJSON(ast.AppendJSON(nil, test.one), ast.Limits{})
		for form, err := range map[string]error{"tree": ast.Check(test.one, ast.Limits{}), "protobuf": protoErr, "JSON": jsonErr} {
			var limit *ast.LimitError
			if !errors.As(err, &limit) || limit.What != test.what {
				t.Errorf("one more than the %s in %s: %v", test.what, form, err)
			}
		}
	}
	if _, err := ast.ReadProto(make([]byte, 256<<10+1), ast.Limits{}); err == nil {
		t.Error("more bytes than are allowed were read")
	}
	if _, err := ast.ReadJSON([]byte(strings.Repeat("[", 200_000)), ast.Limits{}); err == nil {
		t.Error("brackets alone were read")
	}
	if err := ast.Check(chain(1_000_000), ast.Limits{}); err == nil {
		t.Error("a chain of a million nodes passed")
	}
}

// Trees that only a program's mistake can make are refused, not printed or run.
func TestCheck(t *testing.T) {
	for want, n := range map[string]ast.Node{
		"a part is missing":               &ast.Limit{X: ids},
		"operation 70 is none of":         &ast.Unary{Code: ast.OpFilter, X: ids},
		"operation 0 is none of":          &ast.Binary{L: ids, R: ids},
		"a literal cannot be NaN":         &ast.Lit{Value: ast.Float(math.NaN())},
		"a literal cannot be +Inf":        &ast.Lit{Value: ast.Float(math.Inf(1))},
		"not UTF-8":                       &ast.Lit{Value: ast.String("\xff")},
		"longer than 1024 bytes":          &ast.Match{X: ids, Pattern: strings.Repeat("a", 1025)},
		"1 names for 2 fields":            &ast.Object{Names: []string{"a"}, Values: []ast.Node{ids, ids}},
		"a function of 2 variables where": &ast.Map{X: ids, F: ast.Lambda{Vars: []string{"a", "b"}, Body: ids}},
		"variable -1 is not bound":        &ast.Map{X: ids, F: ast.Lambda{Body: &ast.Var{Depth: -1}}},
		`"9" is not a name`:               &ast.Param{Name: "9"},
	} {
		if err := ast.Check(n, ast.Limits{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := ast.Check(nil, ast.Limits{}); err == nil {
		t.Error("no program at all passed")
	}
}

func TestValues(t *testing.T) {
	late := time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, ok := range []bool{
		ast.Time(late).Int() == math.MaxInt64,
		ast.Time(time.Time{}).Int() == math.MinInt64,
		ast.Time(time.Unix(5, 7)).Time().Equal(time.Unix(5, 7)),
		ast.Duration(-time.Second).Duration() == -time.Second,
		ast.Float(-2.5).Float() == -2.5,
		ast.Int(-7).Int() == -7,
		ast.Bool(true).Bool() && !ast.Bool(false).Bool() && !ast.Int(1).Bool(),
		ast.String("é").Text() == "é" && ast.Null() == ast.Value{},
	} {
		if !ok {
			t.Error("a value is not what it was made of")
		}
	}
}

// Long lines are cut around the place.
func TestPointInLongText(t *testing.T) {
	text := strings.Repeat("长", 500) + "HERE" + strings.Repeat("x", 500)
	got := ast.PointAt(text, ast.Span{Start: 1500, End: 1504}, "look")
	want := "1:501: look\n    …" + strings.Repeat("长", 60) + "HERE" + strings.Repeat("x", 40) + "…\n    " + strings.Repeat(" ", 61) + "^^^^"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
