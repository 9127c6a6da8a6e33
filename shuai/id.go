package shuai

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TraceID is the 128-bit id of a trace, as in W3C Trace Context; Hi holds the first eight bytes,
// big-endian. The zero id is invalid. One made by Shuai is
//
//	127........96 95..............64 63..........0
//	 unix seconds  IPv4 of the root   random
//
// so ids sort by time, and the low half, being random, can be sampled by and truncated to. Under a
// key the first half is noise to all who do not have it; see [IDKey].
type TraceID struct{ Hi, Lo uint64 }

// SpanID is the 64-bit id of a span, big-endian on the wire. The zero id is invalid. One made by
// Shuai is
//
//	63  62.............47  46........32  31..............0
//	 0   low 16 bits of IP  pid mod 2^15  tick of 1/65,536 s
//
// or, with bit 63 set, random. Under a key all of it is noise, bit 63 too: the methods that read an id
// are for ids made without one, and [IDKey.Describe] is for the others.
type SpanID uint64

// ErrBadID reports a string that is not an id.
var ErrBadID = errors.New("not an id")

// ParseTraceID reads 32 hex digits of either case.
func ParseTraceID(s string) (TraceID, error) {
	var p [16]byte
	if len(s) != 32 {
		return TraceID{}, fmt.Errorf("%w: %.60q has %d characters; a trace id has 32 hex digits", ErrBadID, s, len(s))
	}
	if _, err := hex.Decode(p[:], []byte(s)); err != nil {
		return TraceID{}, fmt.Errorf("%w: %q: %w", ErrBadID, s, err)
	}
	id := TraceID{binary.BigEndian.Uint64(p[:8]), binary.BigEndian.Uint64(p[8:])}
	if id.IsZero() {
		return TraceID{}, fmt.Errorf("%w: a trace id is not all zeros", ErrBadID)
	}
	return id, nil
}

// ParseSpanID reads 16 hex digits of either case.
func ParseSpanID(s string) (SpanID, error) {
	var p [8]byte
	if len(s) != 16 {
		return 0, fmt.Errorf("%w: %.60q has %d characters; a span id has 16 hex digits", ErrBadID, s, len(s))
	}
	if _, err := hex.Decode(p[:], []byte(s)); err != nil {
		return 0, fmt.Errorf("%w: %q: %w", ErrBadID, s, err)
	}
	id := SpanID(binary.BigEndian.Uint64(p[:]))
	if id == 0 {
		return 0, fmt.Errorf("%w: a span id is not all zeros", ErrBadID)
	}
	return id, nil
}

// IsZero reports the invalid id.
func (id TraceID) IsZero() bool { return id.Hi|id.Lo == 0 }

// String is 32 lower-case hex digits.
func (id TraceID) String() string { return string(id.appendHex(make([]byte, 0, 32))) }

// Time is the second in which a trace of Shuai's was born. It means nothing for a foreign id, or one made under a key.
func (id TraceID) Time() time.Time { return time.Unix(int64(id.Hi>>32), 0) }

// IPv4 is the address of the host in which a trace of Shuai's was born; of a host that has none, it
// is a hash of its IPv6 address. It means nothing for a foreign id, or one made under a key.
func (id TraceID) IPv4() netip.Addr {
	var p [4]byte
	binary.BigEndian.PutUint32(p[:], uint32(id.Hi))
	return netip.AddrFrom4(p)
}

func (id TraceID) appendHex(b []byte) []byte {
	b = appendHex64(b, id.Hi)
	return appendHex64(b, id.Lo)
}

// String is 16 lower-case hex digits.
func (id SpanID) String() string { return string(appendHex64(make([]byte, 0, 16), uint64(id))) }

// Random reports that the id, if it was made without a key, says nothing about its birth: bit 63 is set.
func (id SpanID) Random() bool { return id>>63 == 1 }

// Host is the low 16 bits of the host's IPv4 address.
func (id SpanID) Host() uint16 { return uint16(id >> 47) }

// Process is the process id modulo 2^15. A process whose id is 1, as in a container, uses a random
// number instead and publishes it as the resource attribute shuai.id.pid.
func (id SpanID) Process() uint16 { return uint16(id>>32) & 0x7fff }

// Tick is the time of birth in units of 1/65,536 s since the Unix epoch, modulo 2^32 (18.2 hours).
func (id SpanID) Tick() uint32 { return uint32(id) }

// Time is the time of birth that the tick stands for, of all that are 18.2 hours apart the first one
// not before since, for which the second of the trace id is good.
func (id SpanID) Time(since time.Time) time.Time {
	sec := since.Unix()
	sec += int64(uint16(id.Tick()>>16) - uint16(sec))
	return time.Unix(sec, int64(id.Tick()&0xffff)*int64(time.Second)/ticksPerSecond)
}

// appendHex64 appends 16 lower-case digits.
func appendHex64(b []byte, v uint64) []byte {
	b = binary.BigEndian.AppendUint64(b, hex32(uint32(v>>32)))
	return binary.BigEndian.AppendUint64(b, hex32(uint32(v)))
}

// hex32 is the text of eight digits, big-endian: of all at once, without a branch or a table.
func hex32(v uint32) uint64 {
	const each = 0x0101010101010101
	d := uint64(v)
	d = (d | d<<16) & 0x0000ffff0000ffff
	d = (d | d<<8) & 0x00ff00ff00ff00ff
	d = (d | d<<4) & 0x0f0f0f0f0f0f0f0f // a digit a byte
	letters := (d + 6*each) >> 4 & each
	return d + '0'*each + letters*('a'-'0'-10)
}

// IDInfo is what an id says about its birth, if Shuai made it; a foreign id yields nonsense, which
// shows in Time.
type IDInfo struct {
	Trace   TraceID    // as given; zero if only a span id was
	Span    SpanID     // as given; zero if only a trace id was
	Random  bool       // the span id says nothing: Host, Process and Tick are zero
	Time    time.Time  // of the span where both ids are given, else of the trace; UTC; zero if unknown
	IP      netip.Addr // of the host in which the trace began; invalid without a trace id
	Host    uint16     // low 16 bits of the IPv4 address of the span's host
	Process uint16     // pid modulo 2^15 of the span's process
	Tick    uint32     // 1/65,536 s, modulo 18.2 hours
}

// DescribeID reads a trace id (32 hex digits), a span id (16), or both joined by a hyphen, as in a
// traceparent header, which may be given whole. Those made under a key are foreign to it; see [IDKey.Describe].
func DescribeID(s string) (IDInfo, error) { return (*IDKey)(nil).Describe(s) }

// Describe is [DescribeID] for ids made under the key, or, of a nil key, without one. Ids made under
// another key are foreign.
func (key *IDKey) Describe(s string) (IDInfo, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	var info IDInfo
	var err error
	trace, span := "", ""
	switch {
	case len(s) == 16:
		span = s
	case len(s) == 32:
		trace = s
	case len(s) == 49 && s[32] == '-':
		trace, span = s[:32], s[33:]
	default:
		p, ok := parseTraceparent(s)
		if !ok {
			return info, fmt.Errorf("%w: %.60q: want 32 hex digits (a trace), 16 (a span), trace-span, or a traceparent", ErrBadID, s)
		}
		trace, span = p.trace.String(), p.span.String()
	}
	if trace != "" {
		if info.Trace, err = ParseTraceID(trace); err != nil {
			return IDInfo{}, err
		}
		plain := key.plainTrace(info.Trace)
		info.Time, info.IP = plain.Time().UTC(), plain.IPv4()
	}
	if span != "" {
		if info.Span, err = ParseSpanID(span); err != nil {
			return IDInfo{}, err
		}
		plain := key.plainSpan(info.Span)
		if info.Random = plain.Random(); !info.Random {
			info.Host, info.Process, info.Tick = plain.Host(), plain.Process(), plain.Tick()
			if trace != "" {
				info.Time = plain.Time(info.Time).UTC()
			}
		}
	}
	return info, nil
}

// String is what a person wants to see, one line.
func (i IDInfo) String() string {
	var parts []string
	if !i.Time.IsZero() {
		parts = append(parts, i.Time.Format("2006-01-02 15:04:05.999999 UTC"))
	}
	if i.IP.IsValid() {
		parts = append(parts, "root on "+i.IP.String())
	}
	switch {
	case i.Span == 0:
	case i.Random:
		parts = append(parts, "random span id")
	default:
		parts = append(parts, fmt.Sprintf("span on x.x.%d.%d, pid %d (mod 32768), second %d.%06d of an 18.2 h cycle",
			i.Host>>8, i.Host&0xff, i.Process, i.Tick>>16, uint64(i.Tick&0xffff)*1_000_000/ticksPerSecond))
	}
	return strings.Join(parts, ", ")
}

// ticksPerSecond makes a tick 15 µs, and the seconds of a tick the low 16 bits of Unix time; ticksPerNano is in units of 2^-64, rounded up, so
// that a second begins with its tick.
const (
	ticksPerSecond = 1 << 16
	ticksPerNano   = ticksPerSecond<<64/1_000_000_000 + 1
)

// An idSource makes the ids of a process. All tracers of a process share one, or one for each key, which share
// their ticks: what keeps its span ids apart from another process' is the process.
type idSource struct {
	ip     uint32
	prefix uint64         // host and process, in place
	last   *atomic.Uint64 // tick given out
	key    *IDKey         // nil: ids can be read by all
}

func newIDSource(ip uint32, pid uint16) *idSource {
	return &idSource{ip: ip, prefix: uint64(ip&0xffff)<<47 | uint64(pid&0x7fff)<<32, last: new(atomic.Uint64)}
}

func (s *idSource) under(key *IDKey) *idSource {
	keyed := *s
	keyed.key = key
	return &keyed
}

// spanID makes an id that no other call of the process makes within 18 hours. It is a hybrid clock:
// a burst, or a clock that was set back, takes ticks from the near future; more than a second ahead
// of now, ids are random, so that an id does not lie about its time. A nil source makes random ones only. They are of the
// bits given, or, if these are 0, of new ones. A key makes other ids of all these, and of no two the same.
func (s *idSource) spanID(unixNano int64, random uint64) SpanID {
	if s == nil {
		return randomSpanID(random)
	}
	tick, _ := bits.Mul64(uint64(max(0, unixNano)), ticksPerNano)
	for {
		last := s.last.Load()
		next := max(tick, last+1)
		if next > tick+ticksPerSecond {
			if id := s.key.span(randomSpanID(random)); id != 0 {
				return id
			}
			random = 0
		} else if s.last.CompareAndSwap(last, next) {
			if id := s.key.span(SpanID(s.prefix | next&0xffffffff)); id != 0 {
				return id
			}
		}
	}
}

func (s *idSource) traceID(unix uint32, random uint64) TraceID {
	return s.key.trace(TraceID{uint64(unix)<<32 | uint64(s.ip), random})
}

func randomSpanID(random uint64) SpanID {
	if random == 0 {
		random = rand.Uint64() // ChaCha8, seeded from the system, one generator per thread
	}
	return SpanID(random | 1<<63)
}

// identity is where the ids of this process come from.
type identity struct {
	ids    *idSource
	layout string // resource attribute shuai.id.layout
	ip     netip.Addr
	pid    uint16
}

var processIdentity = sync.OnceValue(func() identity {
	pid := uint16(os.Getpid() & 0x7fff)
	if os.Getpid() == 1 { // every container has one
		pid = uint16(rand.Uint32() & 0x7fff)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil // no address is known: as on a host without network
	}
	ip := hostIP(addrs)
	id := identity{ip: ip, pid: pid}
	if ip.Is4() {
		p := ip.As4()
		id.layout, id.ids = "ipv4", newIDSource(binary.BigEndian.Uint32(p[:]), pid)
		return id
	}
	h := fnv.New32a()
	p := ip.As16()
	h.Write(p[:])
	id.layout, id.ids = "ipv6-hash", newIDSource(h.Sum32(), pid)
	return id
})

// hostIP picks the first global IPv4 address, else the first global IPv6 address, else loopback.
func hostIP(addrs []net.Addr) netip.Addr {
	var v6 netip.Addr
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || !n.IP.IsGlobalUnicast() {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		switch ip = ip.Unmap(); {
		case !ok:
		case ip.Is4():
			return ip
		case !v6.IsValid():
			v6 = ip
		}
	}
	if v6.IsValid() {
		return v6
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
