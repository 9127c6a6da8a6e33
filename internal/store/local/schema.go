package local

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fuwu-project/fuwu/internal/span"
)

// This file is the part of the segment's format that writer and reader share.

// segmentVersion is the version of the format: in the tail of the index, where a reader refuses files of another, and, for
// others, the value of the file's metadata key versionKey.
const (
	versionKey     = "shuai.version"
	segmentVersion = 1
)

// attrGroup is the group of the attribute columns.
const attrGroup = "attr"

// maxAttrColumns bounds the attribute columns of a segment; those with the fewest values go to
// more_attributes.
const maxAttrColumns = 256

// typeSuffix tells the columns of one key apart, which has values of several types.
var typeSuffix = map[span.ValueType]string{
	span.String: ":string", span.Bool: ":bool", span.Int: ":int", span.Double: ":double", span.Bytes: ":bytes",
}

// columnName is the name of an attribute's column: the key, escaped, and a suffix for all but the type
// that the key has most often. In the key ':' and '%', control characters and bytes that are not UTF-8
// are written %3A; an empty key is "%". So a name is read back without doubt, and nearly every name is
// its key.
func columnName(a attrColumn, suffix bool) string {
	name := escapeKey(a.key)
	if suffix {
		name += typeSuffix[a.typ]
	}
	return name
}

func escapeKey(key string) string {
	if key == "" {
		return "%"
	}
	var b strings.Builder
	for i := 0; i < len(key); {
		r, n := utf8.DecodeRuneInString(key[i:])
		if r == ':' || r == '%' || r < ' ' || r == 0x7f || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%%%02X", key[i])
		} else {
			b.WriteString(key[i : i+n])
		}
		i += n
	}
	return b.String()
}

// parseColumnName is the inverse; physical is the type that the column has without a suffix.
func parseColumnName(name string, physical span.ValueType) (attrColumn, error) {
	key, suffix, has := strings.Cut(name, ":")
	typ := physical
	if has {
		ok := false
		for t, s := range typeSuffix {
			if s == ":"+suffix {
				typ, ok = t, true
			}
		}
		if !ok || typ != physical {
			return attrColumn{}, fmt.Errorf("column %q: the suffix does not name its type, %s", name, physical)
		}
	}
	if key == "%" {
		return attrColumn{"", typ}, nil
	}
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		if key[i] != '%' {
			b.WriteByte(key[i])
			continue
		}
		if i+3 > len(key) {
			return attrColumn{}, fmt.Errorf("column %q: broken escape", name)
		}
		c, err := strconv.ParseUint(key[i+1:i+3], 16, 8)
		if err != nil {
			return attrColumn{}, fmt.Errorf("column %q: broken escape", name)
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return attrColumn{b.String(), typ}, nil
}
