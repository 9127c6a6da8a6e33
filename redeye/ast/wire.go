package ast

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fuwu-project/fuwu/redeye/internal/pb"
)

// AppendProto appends the program's protobuf form: the fields of the message redeye.v1.Program. Its nodes stand in
// post-order, each after its children, which it takes from a stack; so neither writing nor reading nests messages, and a
// reader counts nodes before it makes them. The tree must be one that [Check] accepts.
func AppendProto(b []byte, n Node) []byte {
	w := protoWriter{buf: b}
	w.write(n)
	return w.buf
}

// Fields of the messages; proto/redeye/v1/redeye.proto has them with their meaning.
const (
	programNodes = 1

	nodeOp      = 1
	nodeKids    = 2
	nodeText    = 3
	nodeVars    = 4
	nodeNumber  = 5
	nodeLiteral = 6

	literalBool     = 1
	literalInt      = 2
	literalFloat    = 3
	literalString   = 4
	literalBytes    = 5
	literalTime     = 6
	literalDuration = 7
)

// record is a node of the wire form, without its children.
type record struct {
	op     Op
	kids   int
	text   []string
	vars   []string
	number uint64 // of a Var its depth; of a Sort a bit for each key that descends
	value  *Value
}

type protoWriter struct{ buf []byte }

func (w *protoWriter) write(n Node) {
	r := recorder{rec: record{op: n.Op()}, below: w.write}
	n.parts(&r)
	w.buf = pb.AppendMessage(w.buf, programNodes, r.rec.append)
}

func (r *record) append(b []byte) []byte {
	b = pb.AppendUint(b, nodeOp, uint64(r.op))
	b = pb.AppendUint(b, nodeKids, uint64(r.kids))
	for _, s := range r.text {
		b = pb.AppendElement(b, nodeText, s)
	}
	for _, s := range r.vars {
		b = pb.AppendElement(b, nodeVars, s)
	}
	b = pb.AppendUint(b, nodeNumber, r.number)
	if r.value != nil {
		b = pb.AppendMessage(b, nodeLiteral, r.value.append)
	}
	return b
}

// append writes the fields of a literal. Null is the one without any, so the others say what they are even where
// they are zero.
func (v *Value) append(b []byte) []byte {
	switch v.kind {
	case KindBool:
		return pb.AppendUintElement(b, literalBool, v.bits)
	case KindInt:
		return pb.AppendUintElement(b, literalInt, pb.Zigzag(v.Int()))
	case KindTime:
		return pb.AppendUintElement(b, literalTime, pb.Zigzag(v.Int()))
	case KindDuration:
		return pb.AppendUintElement(b, literalDuration, pb.Zigzag(v.Int()))
	case KindFloat:
		return pb.AppendDoubleElement(b, literalFloat, v.Float())
	case KindString:
		return pb.AppendElement(b, literalString, v.text)
	case KindBytes:
		return pb.AppendElement(b, literalBytes, v.text)
	case KindNull:
	}
	return b
}

// recorder fills a record from a node, and hands on what is below it.
type recorder struct {
	rec   record
	below func(Node)
}

func (r *recorder) node(n *Node) {
	r.rec.kids++
	r.below(*n)
}

func (r *recorder) optional(n *Node) {
	if *n != nil {
		r.node(n)
	}
}

func (r *recorder) lambda(f *Lambda, vars int) {
	for i := range vars {
		name := "" // not said
		if i < len(f.Vars) {
			name = f.Vars[i]
		}
		r.rec.vars = append(r.rec.vars, name)
	}
	r.node(&f.Body)
}

func (r *recorder) nodes(ns *[]Node) {
	for i := range *ns {
		r.node(&(*ns)[i])
	}
}

func (r *recorder) fields(names *[]string, values *[]Node) {
	r.rec.text = append(r.rec.text, *names...)
	r.nodes(values)
}

func (r *recorder) keys(keys *[]Key) {
	for i := range *keys {
		if (*keys)[i].Desc {
			r.rec.number |= 1 << i
		}
		r.lambda(&(*keys)[i].By, 1)
	}
}

func (r *recorder) name(s *string) { r.text(s) }
func (r *recorder) text(s *string) { r.rec.text = append(r.rec.text, *s) }
func (r *recorder) number(i *int)  { r.rec.number = uint64(*i) }
func (r *recorder) value(v *Value) { r.rec.value = v }

// ReadProto reads a program from its protobuf form. It makes no more than the limits allow, whatever the bytes
// say, and what it returns has passed [Check].
func ReadProto(b []byte, limits Limits) (Node, error) {
	limits = limits.Or()
	if len(b) > limits.Bytes {
		return nil, &LimitError{"bytes", limits.Bytes}
	}
	var stack []Node
	nodes := 0
	r := pb.NewReader(b)
	for r.Next() {
		if r.Field != programNodes {
			r.Skip()
			continue
		}
		if nodes++; nodes > limits.Nodes {
			return nil, &LimitError{"nodes", limits.Nodes}
		}
		rec, err := readRecord(r.Message())
		if err == nil {
			stack, err = rec.build(stack)
		}
		if err != nil {
			return nil, fmt.Errorf("node %d of the program: %w", nodes, err)
		}
	}
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("program: %w", r.Err())
	case len(stack) == 0:
		return nil, errors.New("the program is empty")
	case len(stack) > 1:
		return nil, fmt.Errorf("the program has %d roots; a node takes its children from those before it", len(stack))
	}
	if err := Check(stack[0], limits); err != nil {
		return nil, err
	}
	return stack[0], nil
}

func readRecord(r pb.Reader) (record, error) {
	var rec record
	for r.Next() {
		switch r.Field {
		case nodeOp:
			op := r.Uint()
			if op > 255 || Op(op).New() == nil {
				r.Fail(fmt.Sprintf("there is no operation %d", op))
				break
			}
			rec.op = Op(op)
		case nodeKids:
			rec.kids = int(min(r.Uint(), 1<<20))
		case nodeText:
			rec.text = append(rec.text, r.String())
		case nodeVars:
			rec.vars = append(rec.vars, r.String())
		case nodeNumber:
			rec.number = r.Uint()
		case nodeLiteral:
			rec.value = readLiteral(r.Message(), &r)
		default:
			r.Skip()
		}
	}
	if r.Err() == nil && rec.op == 0 {
		r.Fail("no operation")
	}
	return rec, r.Err()
}

func readLiteral(r pb.Reader, outer *pb.Reader) *Value {
	v := new(Value)
	for r.Next() {
		switch r.Field {
		case literalBool:
			*v = Bool(r.Uint() != 0)
		case literalInt:
			*v = Int(r.Int())
		case literalFloat:
			*v = Float(r.Double())
		case literalString:
			*v = String(r.String())
		case literalBytes:
			*v = Bytes(string(r.Bytes()))
		case literalTime:
			*v = Value{kind: KindTime, bits: uint64(r.Int())}
		case literalDuration:
			*v = Duration(time.Duration(r.Int()))
		default:
			r.Skip()
		}
	}
	if r.Err() != nil {
		outer.Fail("literal: " + r.Err().Error())
	}
	return v
}

// build makes the node of a record from the end of the stack, and puts it there in place of its children.
func (r *record) build(stack []Node) ([]Node, error) {
	if r.kids > len(stack) {
		return nil, fmt.Errorf("%s takes %d children of %d that there are", r.op, r.kids, len(stack))
	}
	rest := len(stack) - r.kids
	n := r.op.New()
	b := builder{rec: *r, kids: stack[rest:]}
	n.parts(&b)
	if b.err == nil && (len(b.kids) > 0 || len(b.rec.text) > 0 || len(b.rec.vars) > 0) {
		b.fail("something is left over")
	}
	return append(stack[:rest], n), b.err
}

// builder sets the parts of a node from a record and its children.
type builder struct {
	rec  record // what is left of it
	kids []Node // what is left of them
	err  error
}

func (b *builder) fail(what string) {
	if b.err == nil {
		b.err = fmt.Errorf("%s: %s", b.rec.op, what)
	}
}

func (b *builder) node(n *Node) {
	if len(b.kids) == 0 {
		b.fail("a child is missing")
		return
	}
	*n, b.kids = b.kids[0], b.kids[1:]
}

func (b *builder) optional(n *Node) {
	if b.rec.op != OpSource {
		b.node(n)
	}
}

func (b *builder) lambda(f *Lambda, vars int) {
	if len(b.rec.vars) > 0 {
		if len(b.rec.vars) < vars {
			b.fail("names of variables are missing")
			return
		}
		names := b.rec.vars[:vars:vars]
		b.rec.vars = b.rec.vars[vars:]
		if !slices.Contains(names, "") {
			f.Vars = names
		}
	}
	b.node(&f.Body)
}

func (b *builder) nodes(ns *[]Node) {
	*ns, b.kids = slices.Clone(b.kids), nil
}

func (b *builder) fields(names *[]string, values *[]Node) {
	*names, b.rec.text = b.rec.text, nil
	b.nodes(values)
}

func (b *builder) keys(keys *[]Key) {
	*keys = make([]Key, len(b.kids))
	for i := range *keys {
		(*keys)[i].Desc = i < maxKeys && b.rec.number>>i&1 == 1
		b.lambda(&(*keys)[i].By, 1)
	}
}

func (b *builder) name(s *string) { b.text(s) }

func (b *builder) text(s *string) {
	if len(b.rec.text) == 0 {
		b.fail("a text is missing")
		return
	}
	*s, b.rec.text = b.rec.text[0], b.rec.text[1:]
}

func (b *builder) number(i *int) { *i = int(min(b.rec.number, 1<<20)) }

func (b *builder) value(v *Value) {
	if b.rec.value == nil {
		b.fail("its literal is missing")
		return
	}
	*v = *b.rec.value
}
