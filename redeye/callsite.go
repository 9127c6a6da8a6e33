package redeye

import (
	"maps"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// CallSite is a place in source code from which data is asked for. It is a value: two captures of one place
// are equal, and a CallSite may be a map's key. The zero value is no place at all.
type CallSite struct {
	// Label is for people: package/file.go:line, the package by the last element of its import path
	// ("web/page.go:42"). It moves when lines are added above.
	Label string
	// Key is for history: what a place keeps when lines move and when the compiler inlines differently.
	//
	//	import/path.Function            in a declared function; a method as (*T).M or T.M
	//	package/file.go:Function        in a function literal inside of it; a method as (*T).M or M
	//
	// Several places in one function share a key; what they ask for tells them apart.
	Key string
	// Function is the compiler's name of the function, as it stands in profiles. A function literal's
	// differs from build to build.
	Function string
	// File is the path of the source file as it was compiled in, which -trimpath shortens.
	File string
	Line int // from 1
}

// String returns the label.
func (s CallSite) String() string { return s.Label }

// Here returns the place that calls it, or with skip > 0 the caller that many functions up; a library passes 1
// to get its user. Functions that were inlined count. It returns the zero CallSite if there are not so
// many callers. It may be called concurrently. A place is symbolised once; from then on it costs
// a walk up the stack and a look-up, and no allocation.
func Here(skip int) CallSite {
	var pcs [1]uintptr
	if runtime.Callers(max(skip, 0)+2, pcs[:]) == 0 {
		return CallSite{}
	}
	if s := sites.load(pcs[0]); s != nil {
		return *s
	}
	return *sites.store(pcs[0], symbolise(pcs[0]))
}

// symbolise is not part of Here, since what it does moves its argument to the heap.
func symbolise(pc uintptr) CallSite {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return newCallSite(frame.Function, frame.File, frame.Line, mainPackage())
}

// sites is keyed by program counter. One place has several where its function was inlined, so the counter
// finds a CallSite but is none.
var sites siteCache

// siteCache is read without locks. A writer copies one shard, so filling it is quadratic in a shard's size,
// which the number of calls of Here in a program's text bounds. (A sync.Map allocates its key.)
type siteCache struct {
	mu     sync.Mutex // of writers
	shards [64]atomic.Pointer[map[uintptr]*CallSite]
}

func (c *siteCache) shard(pc uintptr) *atomic.Pointer[map[uintptr]*CallSite] {
	return &c.shards[uint64(pc)*0x9e3779b97f4a7c15>>58] // Fibonacci hashing: low bits of counters are alike
}

func (c *siteCache) load(pc uintptr) *CallSite {
	if m := c.shard(pc).Load(); m != nil {
		return (*m)[pc]
	}
	return nil
}

func (c *siteCache) store(pc uintptr, s CallSite) *CallSite {
	c.mu.Lock()
	defer c.mu.Unlock()
	shard := c.shard(pc)
	grown := map[uintptr]*CallSite{pc: &s}
	if old := shard.Load(); old != nil {
		maps.Copy(grown, *old)
	}
	shard.Store(&grown)
	return &s
}

// mainPackage is the import path of this program, which its symbols call "main". It is "main" if the program
// was built from single files or without modules.
var mainPackage = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path == "" || info.Path == "command-line-arguments" {
		return "main"
	}
	return info.Path
})

// newCallSite reads a symbol name of the Go compiler (cmd/compile/internal/ir, closureName):
//
//	path/to/pkg.Function    path/to/pkg.T.Method    path/to/pkg.(*T[...]).Method    path/to/pkg.init.0
//	outer.func1    outer.func1.2    outer.gowrap1    outer.deferwrap1    outer-range1
//
// where outer is one of these. When F, holding a literal, is inlined into G, the literal becomes pkg-of-G.G.F.func1:
// its package is then not the one in which it was written, and a value's method T.F looks the same as F in G.
// So the identity of a literal rests on its file and on the last declared name.
func newCallSite(function, file string, line int, mainPkg string) CallSite {
	pkg, name := splitFunction(function)
	s := CallSite{Function: pkg + "." + name, File: file, Line: line}
	if pkg == "main" {
		pkg = mainPkg
	}
	declared, literal, certain := declaredName(name)
	short := shortPackage(pkg)
	if dir := fileDir(file); literal && !certain && dir != "" {
		short = dir
	}
	place := short + "/" + path.Base(strings.ReplaceAll(file, `\`, "/"))
	s.Label = place + ":" + strconv.Itoa(line)
	s.Key = pkg + "." + declared
	if literal {
		s.Key = place + ":" + declared
	}
	return s
}

// splitFunction parts a symbol's package from the rest. The dots of a path's last element are escaped in it
// (gopkg.in/yaml%2ev3.Unmarshal), and a vendored package has the path of where it was copied to.
func splitFunction(symbol string) (pkg, name string) {
	head := symbol
	if i := strings.IndexAny(head, "[("); i >= 0 {
		head = head[:i] // slashes of type arguments
	}
	slash := strings.LastIndexByte(head, '/') + 1
	dot := strings.IndexByte(symbol[slash:], '.')
	if dot < 0 { // not from Go's compiler
		return "unknown", symbol
	}
	pkg, name = symbol[:slash+dot], symbol[slash+dot+1:]
	if i := strings.LastIndex("/"+pkg, "/vendor/"); i >= 0 {
		pkg = pkg[i+len("vendor/"):]
	}
	return unescape(pkg), name
}

// unescape undoes cmd/internal/objabi.PathToPrefix.
func unescape(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if c, err := strconv.ParseUint(p[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// declaredName is the declared function that a symbol's name is of, or that holds the literal it is of. It is certain
// that the symbol's package is the literal's if nothing can have been inlined.
func declaredName(name string) (declared string, literal, certain bool) {
	parts := splitDots(name)
	for i, p := range parts {
		if j := strings.Index(p, "-range"); j >= 0 { // the body of a loop over a function
			p = p[:j]
		}
		parts[i] = strings.TrimSuffix(p, "-fm") // a method's value
	}
	n := len(parts)
	for n > 1 && (madeByCompiler(parts[n-1]) || parts[n-1] == "") {
		n--
	}
	if parts[0] == "init" && n == 1 { // init.0: the file's n-th, which tells nothing
		return "init", len(parts) > 2 || len(parts) == 2 && !isNumber(parts[1]), true
	}
	literal = n < len(parts)
	method := n >= 2 && strings.HasPrefix(parts[n-2], "(")
	switch {
	case !literal:
		return strings.Join(parts, "."), false, true
	case method:
		return parts[n-2] + "." + parts[n-1], true, n == 2
	}
	return parts[n-1], true, n == 1
}

// splitDots splits at the dots outside of brackets.
func splitDots(name string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(name) {
		switch name[i] {
		case '[', '(':
			depth++
		case ']', ')':
			depth--
		case '.':
			if depth == 0 {
				parts = append(parts, name[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, name[start:])
}

// madeByCompiler reports that part is no name of the source: func1, 2, gowrap1, deferwrap1.
func madeByCompiler(part string) bool {
	for _, prefix := range []string{"func", "gowrap", "deferwrap"} {
		if rest, ok := strings.CutPrefix(part, prefix); ok && isNumber(rest) {
			return true
		}
	}
	return isNumber(part)
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// shortPackage is the last element of an import path that says something: a major version does not.
func shortPackage(pkg string) string {
	last := path.Base(pkg)
	if rest, ok := strings.CutPrefix(last, "v"); ok && isNumber(rest) && pkg != last {
		return path.Base(path.Dir(pkg))
	}
	return last
}

// fileDir is the last element of a file's directory by the same rule, without the version and the escapes of capital
// letters that the module cache adds; "" if there is none.
func fileDir(file string) string {
	dir := path.Dir(strings.ReplaceAll(file, `\`, "/"))
	if dir == "." || dir == "/" {
		return ""
	}
	last, _, cached := strings.Cut(path.Base(dir), "@")
	short := shortPackage(path.Join(path.Dir(dir), last))
	if cached {
		for i := strings.IndexByte(short, '!'); i >= 0 && i+1 < len(short); i = strings.IndexByte(short, '!') {
			short = short[:i] + strings.ToUpper(short[i+1:i+2]) + short[i+2:]
		}
	}
	return short
}
