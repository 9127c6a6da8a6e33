package wire_test

import (
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shuffled returns the message with the fields of it and of all messages in it in another order, repeated
// ones in the same order among themselves, with unknown fields in between, and with singular messages
// split in two.
func shuffled(rnd *rand.Rand, body []byte, desc protoreflect.MessageDescriptor) []byte {
	fields := map[protowire.Number][][]byte{}
	var order []protowire.Number
	for len(body) > 0 {
		num, typ, n := protowire.ConsumeTag(body)
		m := protowire.ConsumeFieldValue(num, typ, body[n:])
		if n < 0 || m < 0 {
			panic("not a message")
		}
		field := body[:n+m]
		fd := desc.Fields().ByNumber(num)
		if typ == protowire.BytesType && fd != nil && fd.Message() != nil {
			inner, _ := protowire.ConsumeBytes(body[n:])
			parts := [][]byte{shuffled(rnd, inner, fd.Message())}
			if !fd.IsList() && rnd.IntN(3) == 0 {
				parts = split(rnd, parts[0])
			}
			for _, p := range parts {
				p = protowire.AppendBytes(protowire.AppendTag(nil, num, typ), p)
				fields[num] = append(fields[num], p)
				order = append(order, num)
			}
		} else {
			fields[num] = append(fields[num], field)
			order = append(order, num)
		}
		body = body[n+m:]
	}
	rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []byte
	for _, num := range order {
		if rnd.IntN(8) == 0 {
			out = protowire.AppendVarint(protowire.AppendTag(out, 99, protowire.VarintType), rnd.Uint64())
			out = protowire.AppendString(protowire.AppendTag(out, 1000, protowire.BytesType), "unknown")
		}
		out = append(out, fields[num][0]...)
		fields[num] = fields[num][1:]
	}
	return out
}

// split cuts a message between two fields.
func split(rnd *rand.Rand, body []byte) [][]byte {
	cuts := []int{0}
	for at := 0; at < len(body); {
		_, _, n := protowire.ConsumeField(body[at:])
		at += n
		cuts = append(cuts, at)
	}
	at := cuts[rnd.IntN(len(cuts))]
	return [][]byte{body[:at], body[at:]}
}
