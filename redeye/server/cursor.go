package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/server/internal/engine"
)

// A cursor is base64url without padding of
//
//	nonce, 12 bytes | AES-256-GCM of (Unix seconds at which it expires, 8 bytes | place)
//
// authenticated together with the query it is for: the program's hash, its parameters but those that say which page, and
// who asked. So it says nothing to whoever holds it, and opens for nothing else.

// newAEAD makes the cipher of cursors out of a secret of any length, or one of this process if there is none.
func newAEAD(secret []byte) (cipher.AEAD, error) {
	key := sha256.Sum256(append([]byte("redeye cursor 1\x00"), secret...))
	if len(secret) == 0 {
		if _, err := rand.Read(key[:]); err != nil {
			return nil, fmt.Errorf("key of cursors: %w", err)
		}
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	return aead, nil
}

// cursors seals and opens those of one query.
type cursors struct {
	aead  cipher.AEAD
	query []byte // what they are for
	now   func() time.Time
	ttl   time.Duration
}

// cursorsOf returns the cursors of a query; nil if it has no pages.
func (s *Server) cursorsOf(p *planned, params []*column.Column, who Principal) engine.Cursors {
	if !p.plan.Pages {
		return nil
	}
	return &cursors{aead: s.aead, query: cursorFor(p, params, who), now: time.Now, ttl: s.CursorTTL}
}

// cursorFor hashes what a cursor is for.
func cursorFor(p *planned, params []*column.Column, who Principal) []byte {
	h := sha256.New()
	h.Write(p.hash[:])
	for _, part := range []string{who.Tenant, who.Name} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	which := p.plan.PageParams()
	for i, c := range params {
		if !which[i] {
			b := column.AppendProto(nil, c)
			h.Write(binary.AppendUvarint(nil, uint64(len(b))))
			h.Write(b)
		}
	}
	return h.Sum(nil)
}

// Seal makes the cursor of a place.
func (c *cursors) Seal(place []byte) string {
	nonce := make([]byte, c.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "" // which opens as no cursor; crypto/rand does not fail
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(c.now().Add(c.ttl).Unix()))
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nonce, nonce, append(plain, place...), c.query))
}

// Open returns the place of a cursor.
func (c *cursors) Open(cursor string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) < c.aead.NonceSize() {
		return nil, errors.New("no cursor at all")
	}
	plain, err := c.aead.Open(nil, b[:c.aead.NonceSize()], b[c.aead.NonceSize():], c.query)
	if err != nil || len(plain) < 8 {
		return nil, errors.New("sealed for another query")
	}
	if int64(binary.BigEndian.Uint64(plain)) < c.now().Unix() {
		return nil, &engine.Error{Code: "INVALID_ARGUMENT", Reason: "CURSOR_EXPIRED", Msg: "the cursor has expired; begin with the first page"}
	}
	return plain[8:], nil
}
