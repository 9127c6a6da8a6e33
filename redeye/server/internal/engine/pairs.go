package engine

import "encoding/binary"

// A method of pairs takes receivers with an argument each, so one batch is for all rows whatever their arguments are. Its
// table is by the number of the pair, as that of another method is by the number of the receiver.
type pairs struct {
	number map[string]int32 // by the receiver's number and the arguments
	recv   []int32          // of each pair the receiver
	args   []string         // and the arguments, as a key
}

// pairOrds numbers the pairs of a frame's rows; rows in error have -1. It returns of each pair that is new a row that has it.
func (x *run) pairOrds(t *table, m *Method, recv *Vec, args []*Vec, ords []int32, bad []*Error) (of []int32, rows map[int32]int32) {
	if t.pairs == nil {
		t.pairs = &pairs{number: map[string]int32{}}
	}
	p := t.pairs
	of, rows = make([]int32, recv.N), map[int32]int32{}
	var buf []byte
	for i := range of {
		if of[i] = -1; bad != nil && bad[i] != nil {
			continue
		}
		who := ords[recv.ref(i)]
		buf = binary.AppendUvarint(buf[:0], uint64(who))
		from := len(buf)
		for j, a := range args {
			buf = x.keyer(m.Args[j].Type).appendKey(buf, a, i)
		}
		n, seen := p.number[string(buf)]
		if !x.read(len(buf)) || !seen && !x.hold(2*len(buf)) {
			return of, rows
		}
		if !seen {
			n = int32(len(p.recv))
			p.number[string(buf)] = n
			p.recv, p.args = append(p.recv, who), append(p.args, string(buf[from:]))
			rows[n] = int32(i)
		}
		of[i] = n
	}
	return of, rows
}

// pairArgs are the arguments of a part of a flight, a row for each pair.
func (x *run) pairArgs(fl *flight, ords []int32) []*Vec {
	rows := make([]int32, len(ords))
	for i, ord := range ords {
		rows[i] = fl.rows[ord]
	}
	out := make([]*Vec, len(fl.args))
	for j, a := range fl.args {
		out[j] = x.settle(x.spread(x.pick(a, &Sel{rows})), fl.method.Args[j].Type)
	}
	return out
}
