package shuai

import (
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// IDKey hides what ids say from all who do not have it. Ids go with every call, to other companies too, and tell them
// internal addresses, process ids and times; made under a key they look random, and its [IDKey.Describe] still reads them.
// All services of a fleet should have the same one, so that it reads the ids of all. It may be changed at any time: an id is read
// by the key under which it was made, and nothing but Describe ever looks into one.
//
// A key hides, and that is all. It does not say who made an id: anybody can send any, an old one of ours too.
//
// With E, of 64 bits, being Speck64/128, an id is made of the plain one as
//
//	trace id  E(first half XOR second half), second half
//	span id   E(span id)
//
// so no two span ids become the same. The second half of a trace id stays, being random, since traces are sampled by it; as part of
// what is encrypted it makes the first halves of the traces of one second and host differ. Among some 2^32 traces there are two whose
// first halves are equal, which tells who sees both the XOR of the plain ones.
//
// A nil key hides nothing.
type IDKey struct{ rounds [27]uint32 }

// ParseIDKey reads 32 hex digits of either case, as "openssl rand -hex 16" prints them. Its error does not quote them.
func ParseIDKey(s string) (*IDKey, error) {
	const want = "want 32 hex digits, as openssl rand -hex 16 prints them"
	if len(s) != 32 {
		return nil, fmt.Errorf("%s; there are %d characters", want, len(s))
	}
	var words [4]uint32
	for i := range len(s) {
		digit, ok := parseHex(strings.ToLower(s[i : i+1]))
		if !ok {
			return nil, fmt.Errorf("%s; character %d is none", want, i+1)
		}
		words[i/8] = words[i/8]<<4 | uint32(digit)
	}
	return newIDKey(words), nil
}

// newIDKey is Speck64/128's key schedule (Beaulieu and others, "The SIMON and SPECK Families of Lightweight Block Ciphers",
// 2013, section 4; ISO/IEC 29167-22). The words are in the paper's order: l2, l1, l0, k0.
func newIDKey(words [4]uint32) *IDKey {
	key := new(IDKey)
	l, k := [3]uint32{words[2], words[1], words[0]}, words[3]
	for i := range key.rounds {
		key.rounds[i] = k
		l[i%3], k = speckRound(l[i%3], k, uint32(i))
	}
	return key
}

func speckRound(x, y, k uint32) (uint32, uint32) {
	x = (bits.RotateLeft32(x, -8) + y) ^ k
	return x, bits.RotateLeft32(y, 3) ^ x
}

func (key *IDKey) encrypt(v uint64) uint64 {
	x, y := uint32(v>>32), uint32(v)
	for i := range key.rounds {
		x, y = speckRound(x, y, key.rounds[i])
	}
	return uint64(x)<<32 | uint64(y)
}

func (key *IDKey) decrypt(v uint64) uint64 {
	x, y := uint32(v>>32), uint32(v)
	for i := len(key.rounds) - 1; i >= 0; i-- {
		y = bits.RotateLeft32(x^y, -3)
		x = bits.RotateLeft32((x^key.rounds[i])-y, 8)
	}
	return uint64(x)<<32 | uint64(y)
}

// trace hides a plain id.
func (key *IDKey) trace(plain TraceID) TraceID {
	if key == nil {
		return plain
	}
	return TraceID{key.encrypt(plain.Hi ^ plain.Lo), plain.Lo}
}

// span hides a plain id. One of all there are becomes 0, which is none.
func (key *IDKey) span(plain SpanID) SpanID {
	if key == nil {
		return plain
	}
	return SpanID(key.encrypt(uint64(plain)))
}

func (key *IDKey) plainTrace(id TraceID) TraceID {
	if key == nil {
		return id
	}
	return TraceID{key.decrypt(id.Hi) ^ id.Lo, id.Lo}
}

func (key *IDKey) plainSpan(id SpanID) SpanID {
	if key == nil {
		return id
	}
	return SpanID(key.decrypt(uint64(id)))
}

// Format is for package fmt, which shows no key, whatever the verb.
func (key *IDKey) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "shuai.IDKey") // an error is the State's to keep
}
