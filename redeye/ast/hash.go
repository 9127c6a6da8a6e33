package ast

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Hash identifies a program, or a part of one: SHA-256 over the operation and, in canonical order, its parts, where
// a child counts by its own hash. Formatting and the names of variables have no influence; names of
// parameters have, since values are given by them. Protobuf bytes are no base for a hash: they are not canonical.
type Hash [32]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashOf returns the hash of n.
func HashOf(n Node) Hash {
	// Longer than most nodes' encoding, so the buffer stays on the stack.
	h := hasher{buf: append(make([]byte, 0, 256), byte(n.Op()))}
	n.parts(&h)
	return sha256.Sum256(h.buf)
}

// Equal reports whether two trees are the same but for the names of variables.
func Equal(a, b Node) bool { return HashOf(a) == HashOf(b) }

// hasher writes the canonical encoding of one node:
//
//	node    op byte, then its parts
//	child   'n', 32 bytes of hash; an absent one is 'a'
//	lambda  'l', number of variables, 32 bytes of its body's hash
//	text    's', uvarint length, bytes
//	number  'i', uvarint
//	value   'v', kind byte, 8 bytes big-endian of bits, uvarint length, bytes; every NaN has the bits of one
//	list    '[', uvarint length, then each element; of a field its name and its node, of a key its lambda and a byte
type hasher struct{ buf []byte }

func (h *hasher) child(n Node) {
	sum := HashOf(n)
	h.buf = append(h.buf, sum[:]...)
}

func (h *hasher) node(n *Node) {
	h.buf = append(h.buf, 'n')
	h.child(*n)
}

func (h *hasher) optional(n *Node) {
	if *n == nil {
		h.buf = append(h.buf, 'a')
		return
	}
	h.node(n)
}

func (h *hasher) lambda(f *Lambda, vars int) {
	h.buf = append(h.buf, 'l', byte(vars))
	h.child(f.Body)
}

func (h *hasher) list(n int) { h.buf = binary.AppendUvarint(append(h.buf, '['), uint64(n)) }

func (h *hasher) nodes(ns *[]Node) {
	h.list(len(*ns))
	for i := range *ns {
		h.node(&(*ns)[i])
	}
}

func (h *hasher) fields(names *[]string, values *[]Node) {
	h.list(len(*values))
	for i := range *values {
		h.text(&(*names)[i])
		h.node(&(*values)[i])
	}
}

func (h *hasher) keys(keys *[]Key) {
	h.list(len(*keys))
	for i := range *keys {
		key := &(*keys)[i]
		h.lambda(&key.By, 1)
		desc := byte(0)
		if key.Desc {
			desc = 1
		}
		h.buf = append(h.buf, desc)
	}
}

func (h *hasher) name(s *string) { h.text(s) }

func (h *hasher) text(s *string) {
	h.buf = binary.AppendUvarint(append(h.buf, 's'), uint64(len(*s)))
	h.buf = append(h.buf, *s...)
}

func (h *hasher) number(i *int) { h.buf = binary.AppendUvarint(append(h.buf, 'i'), uint64(*i)) }

func (h *hasher) value(v *Value) {
	bits := v.bits
	if v.kind == KindFloat && math.IsNaN(v.Float()) {
		bits = math.Float64bits(math.NaN())
	}
	h.buf = append(h.buf, 'v', byte(v.kind))
	h.buf = binary.BigEndian.AppendUint64(h.buf, bits)
	h.buf = binary.AppendUvarint(h.buf, uint64(len(v.text)))
	h.buf = append(h.buf, v.text...)
}
