package local

import (
	"testing"

	"pgregory.net/rapid"
)

// The table against a map, with hashes of which many are equal, or equal in what chooses the slot.
func TestHashTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SampledFrom([]uint32{0, 1, 16, 1 << 16, 1<<16 | 1, 0xffffffff})
		var table hashTable
		want := map[uint32][]uint32{}
		for value := range uint32(rapid.IntRange(0, 100).Draw(t, "values")) {
			hash := hashes.Draw(t, "hash")
			at, found := table.first(hash)
			for found {
				at, found = table.from(at+1, hash)
			}
			table.put(at, hash, value)
			want[hash] = append(want[hash], value)
			if rapid.IntRange(0, 9).Draw(t, "reserve") == 0 {
				table.reserve(rapid.IntRange(0, 500).Draw(t, "room"))
			}
		}
		for _, hash := range []uint32{0, 1, 2, 16, 1 << 16, 1<<16 | 1, 0xffffffff} {
			got := map[uint32]bool{}
			for at, found := table.first(hash); found; at, found = table.from(at+1, hash) {
				got[table.value(at)] = true
			}
			if len(got) != len(want[hash]) {
				t.Fatalf("hash %#x: %d values, want %v", hash, len(got), want[hash])
			}
			for _, v := range want[hash] {
				if !got[v] {
					t.Fatalf("hash %#x: %d is missing", hash, v)
				}
			}
		}
	})
}

func TestDictBuilder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d dictBuilder
		want := map[string]uint32{}
		for _, p := range rapid.SliceOf(rapid.StringN(0, 3, -1)).Draw(t, "texts") {
			code, known := d.lookup([]byte(p))
			if before, ok := want[p]; known != ok || known && code != before {
				t.Fatalf("%q: code %d, %t; want %d, %t", p, code, known, before, ok)
			}
			if code = d.intern([]byte(p)); !known && int(code) != len(want) {
				t.Fatalf("%q: code %d, want the next, %d", p, code, len(want))
			}
			want[p] = code
		}
		for p, code := range want {
			if string(d.at(code)) != p {
				t.Fatalf("code %d is %q, want %q", code, d.at(code), p)
			}
		}
	})
}
