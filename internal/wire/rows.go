package wire

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/fuwu-project/fuwu/internal/span"
)

// What spans of a request share, in formats that do not say that they do: resources, scopes, and texts that no sender wrote.

// rowsByKey finds the row that was made for the same bytes before. It allocates nothing once it has had as many.
type rowsByKey struct {
	rows map[uint64]keyedRow // by hash; of two with the same one is not found
	keys []byte
	last keyedRow
}

// keyedRow has its key at [from, to) of keys, which is never empty.
type keyedRow struct {
	from, to int
	row      uint32
}

// manyRows is how many rows a request may have without its successors paying for it: a map is as slow to clear as it
// ever was large.
const manyRows = 4096

func (r *rowsByKey) reset() {
	if r.rows == nil || len(r.rows) > manyRows {
		r.rows, r.keys = map[uint64]keyedRow{}, nil
	}
	clear(r.rows)
	r.keys, r.last = r.keys[:0], keyedRow{}
}

func (r *rowsByKey) find(key []byte) (row uint32, ok bool) {
	if k := r.last; string(r.keys[k.from:k.to]) == string(key) {
		return k.row, true
	}
	k, ok := r.rows[maphash.Bytes(seed, key)]
	if !ok || string(r.keys[k.from:k.to]) != string(key) {
		return 0, false
	}
	r.last = k
	return k.row, true
}

func (r *rowsByKey) put(key []byte, row uint32) {
	k := keyedRow{len(r.keys), len(r.keys) + len(key), row}
	r.keys = append(r.keys, key...)
	r.rows[maphash.Bytes(seed, key)] = k
	r.last = k
}

// scopeRows are the scopes of a request.
type scopeRows struct {
	rowsByKey
	buf []byte
}

// row is the row of a scope of the batch that f fills. The texts are given as they lie in the arena.
func (s *scopeRows) row(f *filler, name, version span.Text) uint32 {
	s.buf = binary.AppendUvarint(s.buf[:0], uint64(name.Len))
	s.buf = append(append(s.buf, f.b.Bytes(name)...), f.b.Bytes(version)...)
	row, ok := s.find(s.buf)
	if !ok {
		row = uint32(len(f.b.Scopes))
		s.put(s.buf, row)
		f.beginAttrs()
		made := span.ScopeRow{Name: f.text(f.b.Bytes(name), int(name.Off)), Version: f.text(f.b.Bytes(version), int(version.Off))}
		made.Dropped = f.dropped
		f.b.Scopes = append(f.b.Scopes, made)
	}
	return row
}

// ownTexts are where the arena has texts of ours, each of which is put there once; empty: not yet.
type ownTexts [len(ours)]span.Text

// The texts of ours: what attributes made of endpoints and references are called, and values of the latter.
const (
	serviceName = iota
	localAddress
	localPort
	peerService
	peerAddress
	peerPort
	refType
	childOf
	followsFrom
)

var ours = [...]string{
	serviceName:  "service.name",
	localAddress: "network.local.address",
	localPort:    "network.local.port",
	peerService:  "peer.service",
	peerAddress:  "network.peer.address",
	peerPort:     "network.peer.port",
	refType:      RefType,
	childOf:      ChildOf,
	followsFrom:  FollowsFrom,
}

func (o *ownTexts) at(b *span.Batch, text int) span.Text {
	if o[text].Len == 0 {
		o[text] = b.PutText(ours[text])
	}
	return o[text]
}
