package engine

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/ast"
)

// A pattern of a kilobyte can stand for a hundred thousand instructions (x{1000} again and again), of which each byte of a text may take as
// many steps. So what it compiles to is bounded before it is compiled, and a match is charged by it.
const (
	maxPattern  = 1000   // instructions of a pattern, about
	maxPatterns = 10_000 // of all patterns of a program
)

// pattern compiles a regular expression, and says about how many instructions it has.
func (c *checker) pattern(n *ast.Match) (re *regexp.Regexp, size int) {
	parsed, err := syntax.Parse(n.Pattern, syntax.Perl)
	if err == nil {
		size = patternSize(parsed)
		if size > maxPattern {
			c.fail(n, "the pattern cannot be used: its repetitions and classes amount to %d instructions, more than %d", size, maxPattern)
		}
		if c.patterns += size; c.patterns > maxPatterns {
			c.fail(n, "the program's patterns amount to more than %d instructions", maxPatterns)
		}
		re, err = regexp.Compile(n.Pattern)
	}
	if err != nil {
		c.fail(n, "the pattern cannot be used: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, size
}

// patternSize is about how many instructions a pattern compiles to. The ranges of a class count by the space that they take.
func patternSize(re *syntax.Regexp) int {
	size := 0
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	switch re.Op {
	case syntax.OpConcat:
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size = 1 + len(re.Rune)/16
	case syntax.OpAlternate, syntax.OpCapture:
		size += len(re.Sub) + 1
	case syntax.OpRepeat:
		size = size*max(re.Min, 1) + max(re.Max-re.Min, 1)*(size+1)
	default:
		size++
	}
	return min(size, 1<<30) // of which no sum overflows
}
