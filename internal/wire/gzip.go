package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gunzipper is a gzip reader together with its input, so that neither is allocated again.
type gunzipper struct {
	in bytes.Reader
	gz gzip.Reader
}

var gunzippers = sync.Pool{New: func() any { return new(gunzipper) }}

// Gunzip appends what the gzip stream body holds to dst, which grows as the data does. A stream that
// holds more than limit bytes is ErrTooLarge, and is not read further. A broken one is an *Error whose
// offset is how far into the compressed body the reader had come.
func Gunzip(dst, body []byte, limit int) ([]byte, error) {
	z, _ := gunzippers.Get().(*gunzipper)
	defer func() {
		z.in.Reset(nil)
		gunzippers.Put(z)
	}()
	z.in.Reset(body)
	broken := func(err error) error {
		return &Error{len(body) - z.in.Len(), fmt.Sprintf("not a gzip stream: %v", err)}
	}
	if err := z.gz.Reset(&z.in); err != nil {
		return dst, broken(err)
	}
	from := len(dst)
	if hint := GunzipHint(body, limit) + 1; cap(dst)-from < hint && hint <= 64*len(body) {
		dst = append(make([]byte, 0, from+hint), dst...)
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := z.gz.Read(dst[len(dst):min(cap(dst), from+limit+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-from > limit:
			return dst, fmt.Errorf("%w: over %d bytes when decompressed", ErrTooLarge, limit)
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, broken(err)
		}
	}
}

// maxInflation is how many bytes one of DEFLATE can become: a copy of 258 takes two bits.
const maxInflation = 1032

// GunzipHint is the size that a gzip stream says it has (RFC 1952, ISIZE), at most limit and what it can have. It may lie.
func GunzipHint(body []byte, limit int) int {
	if len(body) < 18 {
		return 0
	}
	return int(min(uint64(binary.LittleEndian.Uint32(body[len(body)-4:])), uint64(limit), maxInflation*uint64(len(body))))
}
