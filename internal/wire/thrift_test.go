package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestThriftReader(t *testing.T) {
	for _, c := range []struct {
		name, body string
		read       func(r *thriftReader) any
		want       string // %v of what was read
		err        string
	}{
		{"a field", "\x0a\x00\x01", func(r *thriftReader) any { return r.field() == 1<<8|tI64 }, "true", ""},
		{"a number over 255", "\x0b\x01\x02", func(r *thriftReader) any { return r.field() == 0x102<<8|tString }, "true", ""},
		{"a number below 0", "\x0b\xff\xff", func(r *thriftReader) any { return r.field() == 0xffff<<8|tString }, "true", ""},
		{"the stop", "\x00", func(r *thriftReader) any { return r.field() }, "0", ""},
		{"no stop", "", func(r *thriftReader) any { return r.field() }, "0", "byte 0: the body ends within a value"},
		{"half a field", "\x0a\x00", func(r *thriftReader) any { return r.field() }, "0", "byte 2: the body ends within a value"},
		{"true", "\x01", func(r *thriftReader) any { return r.bool() }, "true", ""},
		{"false", "\x00", func(r *thriftReader) any { return r.bool() }, "false", ""},
		{"no bool", "", func(r *thriftReader) any { return r.bool() }, "false", "byte 0: the body ends within a value"},
		{"byte", "\xff", func(r *thriftReader) any { return r.byte() }, "255", ""},
		{"i16", "\xff\xfe", func(r *thriftReader) any { return r.i16() }, "-2", ""},
		{"half an i16", "\xff", func(r *thriftReader) any { return r.i16() }, "0", "byte 1: the body ends within a value"},
		{"i32", "\x00\x01\x00\x02", func(r *thriftReader) any { return r.i32() }, "65538", ""},
		{"half an i32", "\x00\x01", func(r *thriftReader) any { return r.i32() }, "0", "byte 2: the body ends within a value"},
		{"i64", "\xff\xff\xff\xff\xff\xff\xff\xfd", func(r *thriftReader) any { return r.i64() }, "-3", ""},
		{"half an i64", "\xff\xff\xff\xff", func(r *thriftReader) any { return r.i64() }, "0", "byte 4: the body ends within a value"},
		{"double", "\x3f\xf8\x00\x00\x00\x00\x00\x00", func(r *thriftReader) any { return r.double() }, "1.5", ""},
		{"text", "\x00\x00\x00\x02hi", text, "hi at 4", ""},
		{"empty text", "\x00\x00\x00\x00", text, " at 4", ""},
		{"text of a length below 0", "\xff\xff\xff\xffhi", text, " at 6", "byte 0: a length of -1"},
		{"text of too great a length", "\x7f\xff\xff\xffhi", text, " at 6", "byte 0: a length of 2147483647 where 2 bytes are left"},
		{"a list", "\x0c\x00\x00\x00\x02\x00\x00", structs, "2", ""},
		{"an empty list of another type", "\x0b\x00\x00\x00\x00", structs, "0", ""},
		{"an empty list of no type", "\x00\x00\x00\x00\x00", structs, "0", ""},
		{"a list of another type", "\x03\x00\x00\x00\x01\x00", structs, "0", "byte 0: a list of type 3, want 12"},
		{"a list of no type", "\x05\x00\x00\x00\x01\x00", structs, "0", "byte 1: 1 values of a type that Thrift does not have"},
		{"a list longer than the body", "\x0c\x00\x00\x00\x03\x00\x00", structs, "0", "byte 1: a length of 3 where 2 bytes are left"},
		{"a list of texts, too long for 4 bytes each", "\x0b\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00", func(r *thriftReader) any { return r.list(tString) }, "0", "byte 1: a length of 2 where 7 bytes are left"},
		{"half a list's header", "\x0c\x00\x00", structs, "0", "byte 3: the body ends within a value"},
		{"the end", "\x01", func(r *thriftReader) any { r.byte(); r.end(); return nil }, "<nil>", ""},
		{"more after the end", "\x01\x02", func(r *thriftReader) any { r.byte(); r.end(); return nil }, "<nil>", "byte 1: bytes after the end of the request"},
		{"the first error stays", "\xff\xff\xff\xff", func(r *thriftReader) any { return fmt.Sprint(text(r), r.i64(), r.field(), structs(r)) }, " at 40 0 0", "byte 0: a length of -1"},
	} {
		r := thriftReader{body: []byte(c.body)}
		got := fmt.Sprint(c.read(&r))
		if got != c.want || !failedWith(r.err, c.err) {
			t.Errorf("%s: %s, %v; want %s, %q", c.name, got, r.err, c.want, c.err)
		}
	}
}

func text(r *thriftReader) any {
	p, off := r.binary()
	return fmt.Sprintf("%s at %d", p, off)
}

func structs(r *thriftReader) any { return r.list(tStruct) }

func failedWith(err error, want string) bool {
	if err == nil || want == "" {
		return err == nil && want == ""
	}
	var e *Error
	return errors.As(err, &e) && e.Error() == want
}

func TestThriftSkip(t *testing.T) {
	nested := func(depth int) string { // structs, each the only field of the one before
		return strings.Repeat("\x0c\x00\x01", depth-1) + strings.Repeat("\x00", depth)
	}
	for _, c := range []struct {
		name string
		typ  byte
		body string
		err  string
	}{
		{"bool", tBool, "\x01", ""},
		{"byte", tByte, "\x01", ""},
		{"double", tDouble, "12345678", ""},
		{"i16", tI16, "12", ""},
		{"i32", tI32, "1234", ""},
		{"i64", tI64, "12345678", ""},
		{"uuid", tUUID, "1234567812345678", ""},
		{"text", tString, "\x00\x00\x00\x03abc", ""},
		{"struct", tStruct, "\x02\x00\x01\x01\x0b\x00\x02\x00\x00\x00\x01x\x00", ""},
		{"list", tList, "\x06\x00\x00\x00\x021234", ""},
		{"set", tSet, "\x0b\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01x", ""},
		{"map", tMap, "\x03\x0c\x00\x00\x00\x02\x07\x00\x08\x00", ""},
		{"empty map of no types", tMap, "\x00\x00\x00\x00\x00\x00", ""},
		{"no type", 5, "x", "byte 0: a value of type 5, which Thrift does not have"},
		{"the stop", tStop, "x", "byte 0: a value of type 0, which Thrift does not have"},
		{"beyond the types", 200, "x", "byte 0: a value of type 200, which Thrift does not have"},
		{"no type in a struct", tStruct, "\x01\x00\x01\x00", "byte 3: a value of type 1, which Thrift does not have"},
		{"no type in a map", tMap, "\x03\x05\x00\x00\x00\x01xx", "byte 7: a value of type 5, which Thrift does not have"},
		{"a map of too many", tMap, "\x0a\x0a\x7f\x00\x00\x0012345678", "byte 2: a length of 2130706432 where 8 bytes are left"},
		{"a list of too many", tList, "\x02\x00\x00\x00\x021", "byte 1: a length of 2 where 1 bytes are left"},
		{"as deep as may be", tStruct, nested(thriftDepth), ""},
		{"deeper", tStruct, nested(thriftDepth + 1), fmt.Sprintf("byte %d: values nested deeper than 64", 3*thriftDepth)},
		{"deep lists", tList, strings.Repeat("\x0f\x00\x00\x00\x01", 1000), fmt.Sprintf("byte %d: values nested deeper than 64", 5*thriftDepth)},
	} {
		r := thriftReader{body: []byte(c.body)}
		r.skip(7<<8 | uint32(c.typ))
		r.end()
		if !failedWith(r.err, c.err) {
			t.Errorf("%s: %v, want %q", c.name, r.err, c.err)
		}
		if c.err != "" {
			continue
		}
		for n := range c.body {
			r := thriftReader{body: bytes.Clone([]byte(c.body[:n]))}
			if r.skip(uint32(c.typ)); r.err == nil {
				t.Errorf("%s: nothing is missed in %q", c.name, c.body[:n])
			}
		}
	}
}

func TestThriftSkipDoesNotAllocate(t *testing.T) {
	body := []byte("\x0c\x00\x01\x0b\x00\x02\x00\x00\x00\x01x\x00\x0f\x00\x03\x0b\x00\x00\x00\x01\x00\x00\x00\x02ab\x00")
	if n := testing.AllocsPerRun(10, func() {
		r := thriftReader{body: body}
		if r.skip(tStruct); r.err != nil {
			t.Fatal(r.err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
