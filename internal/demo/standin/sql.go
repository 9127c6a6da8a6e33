package standin

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// database is tables in memory. It knows these statements, keywords in capitals:
//
//	CREATE DATABASE …    DROP DATABASE …                           which drops all tables
//	CREATE TABLE name (column BIGINT …, column VARCHAR(n) …, PRIMARY KEY …, KEY …)
//	INSERT INTO name (column, …) VALUES (value, …), …
//	SELECT column, … FROM name [WHERE condition] [ORDER BY column, …]
//
// A condition is made of column = value, < and >, column IN (value, …), column LIKE 'pattern', SLEEP(seconds) = 0, AND, OR and
// parentheses. A column of numbers is an index: "a IN (…)", alone or before an AND, looks at those rows alone.
type database struct {
	mu     sync.RWMutex
	tables map[string]*table
}

type table struct {
	columns []column
	rows    [][]value
	index   []map[int64][]int // by column: rows with a number, in order
}

type column struct {
	name string
	text bool
}

// value is a number or a text.
type value struct {
	num    int64
	text   string
	isText bool
}

// String is the value as the protocol's text.
func (v value) String() string {
	if v.isText {
		return v.text
	}
	return strconv.FormatInt(v.num, 10)
}

// folded is the value as it is compared: the usual collations look at no case.
func (v value) folded() value {
	v.text = strings.ToLower(v.text)
	return v
}

func compare(a, b value) int {
	if a.isText || b.isText {
		return strings.Compare(strings.ToLower(a.String()), strings.ToLower(b.String()))
	}
	return cmp.Compare(a.num, b.num)
}

func (t *table) find(name string) (int, error) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return 0, fmt.Errorf("unknown column %q", name)
	}
	return i, nil
}

// exec runs a statement. It returns a table if there is an answer, else how many rows were stored.
func (db *database) exec(text string) (answer *table, affected int, err error) {
	p := &parser{}
	if p.tokens, err = scan(text); err != nil {
		return nil, 0, err
	}
	switch {
	case p.words("CREATE", "DATABASE"):
		return nil, 1, nil
	case p.words("DROP", "DATABASE"):
		db.mu.Lock()
		defer db.mu.Unlock()
		db.tables = nil
		return nil, 0, nil
	case p.words("CREATE", "TABLE"):
		db.mu.Lock()
		defer db.mu.Unlock()
		return nil, 0, db.create(p)
	case p.words("INSERT", "INTO"):
		db.mu.Lock()
		defer db.mu.Unlock()
		affected, err = db.insert(p)
		return nil, affected, err
	case p.words("SELECT"):
		db.mu.RLock()
		defer db.mu.RUnlock()
		answer, err = db.query(p)
		return answer, 0, err
	}
	return nil, 0, p.wrong()
}

func (db *database) table(name string) (*table, error) {
	t := db.tables[name]
	if t == nil {
		return nil, fmt.Errorf("there is no table %q", name)
	}
	return t, nil
}

func (db *database) create(p *parser) error {
	name, t := p.name(), &table{}
	p.want("(")
	for p.err == nil {
		switch {
		case p.words("PRIMARY"), p.words("KEY"): // every column of numbers is one
		default:
			col := column{name: p.name()}
			col.text = p.name() == "VARCHAR"
			t.columns = append(t.columns, col)
			t.index = append(t.index, map[int64][]int{})
		}
		for depth := 0; p.err == nil && (depth > 0 || !p.is(",") && !p.is(")")); { // the rest of its definition
			switch p.next().text {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
		if !p.words(",") {
			break
		}
	}
	p.want(")")
	p.end()
	if p.err != nil {
		return p.err
	}
	if db.tables[name] != nil {
		return fmt.Errorf("there is a table %q already", name)
	}
	if db.tables == nil {
		db.tables = map[string]*table{}
	}
	db.tables[name] = t
	return nil
}

// columns reads the names of some of a table's columns.
func (p *parser) columns(t *table) (at []int) {
	for p.err == nil {
		i, err := t.find(p.name())
		p.fail(err)
		at = append(at, i)
		if !p.words(",") {
			break
		}
	}
	return at
}

func (db *database) insert(p *parser) (int, error) {
	t, err := db.table(p.name())
	if err != nil {
		return 0, err
	}
	p.want("(")
	at := p.columns(t)
	p.want(")")
	p.want("VALUES")
	var rows [][]value
	for p.err == nil {
		p.want("(")
		row := make([]value, len(t.columns))
		for i, c := range at {
			if i > 0 {
				p.want(",")
			}
			row[c] = p.value()
			if p.err == nil && row[c].isText != t.columns[c].text {
				p.fail(fmt.Errorf("%q is no value of column %s", row[c], t.columns[c].name))
			}
		}
		p.want(")")
		rows = append(rows, row)
		if !p.words(",") {
			break
		}
	}
	p.end()
	if p.err != nil {
		return 0, p.err
	}
	for _, row := range rows {
		for c, v := range row {
			if !v.isText {
				t.index[c][v.num] = append(t.index[c][v.num], len(t.rows))
			}
		}
		t.rows = append(t.rows, row)
	}
	return len(rows), nil
}

func (db *database) query(p *parser) (*table, error) {
	from := slices.IndexFunc(p.tokens, func(t token) bool { return t.text == "FROM" && !t.quoted })
	if from < 0 || from+1 >= len(p.tokens) {
		return nil, errors.New("a SELECT needs a FROM")
	}
	t, err := db.table(p.tokens[from+1].text)
	if err != nil {
		return nil, err
	}
	at := p.columns(t)
	p.want("FROM")
	p.name()
	where := condition{match: func([]value) bool { return true }}
	if p.words("WHERE") {
		where = p.or(t, 0)
	}
	var order []int
	if p.words("ORDER", "BY") {
		order = p.columns(t)
	}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	found := where.rows(t)
	slices.SortStableFunc(found, func(a, b []value) int {
		for _, c := range order {
			if d := compare(a[c], b[c]); d != 0 {
				return d
			}
		}
		return 0
	})
	out := &table{}
	for _, c := range at {
		out.columns = append(out.columns, t.columns[c])
	}
	for _, row := range found {
		picked := make([]value, len(at))
		for i, c := range at {
			picked[i] = row[c]
		}
		out.rows = append(out.rows, picked)
	}
	return out, nil
}

// condition is the part of a statement after WHERE.
type condition struct {
	match  func(row []value) bool
	column int     // with keys: where one of them must stand
	keys   []int64 // nil: any row may match
}

func (c condition) rows(t *table) (found [][]value) {
	if c.keys == nil {
		for _, row := range t.rows {
			if c.match(row) {
				found = append(found, row)
			}
		}
		return found
	}
	var at []int
	for _, k := range c.keys {
		at = append(at, t.index[c.column][k]...)
	}
	slices.Sort(at)
	for _, i := range slices.Compact(at) {
		if c.match(t.rows[i]) {
			found = append(found, t.rows[i])
		}
	}
	return found
}

// maxDepth bounds parentheses in each other.
const maxDepth = 50

func (p *parser) or(t *table, depth int) condition {
	left := p.and(t, depth)
	for p.words("OR") {
		l, r := left.match, p.and(t, depth).match
		left = condition{match: func(row []value) bool { return l(row) || r(row) }}
	}
	return left
}

func (p *parser) and(t *table, depth int) condition {
	left := p.comparison(t, depth)
	for p.words("AND") {
		l, r := left.match, p.comparison(t, depth).match
		left.match = func(row []value) bool { return l(row) && r(row) }
	}
	return left
}

func (p *parser) comparison(t *table, depth int) condition {
	switch {
	case depth > maxDepth:
		p.fail(errors.New("too many parentheses in each other"))
		return condition{}
	case p.words("("):
		c := p.or(t, depth+1)
		p.want(")")
		return c
	case p.words("SLEEP", "("):
		seconds, err := strconv.ParseFloat(p.next().text, 64)
		p.fail(err)
		p.want(")")
		p.want("=")
		p.want("0")
		return condition{match: func([]value) bool {
			time.Sleep(time.Duration(min(seconds, 10) * float64(time.Second)))
			return true
		}}
	}
	col, err := t.find(p.name())
	p.fail(err)
	switch {
	case p.words("IN", "("):
		return p.in(t, col)
	case p.words("LIKE"):
		pattern := p.value().String()
		return condition{match: func(row []value) bool { return like(strings.ToLower(row[col].String()), strings.ToLower(pattern)) }}
	case p.words("="):
		v := p.value()
		c := condition{match: func(row []value) bool { return compare(row[col], v) == 0 }}
		if !v.isText {
			c.column, c.keys = col, []int64{v.num}
		}
		return c
	case p.words("<"):
		v := p.value()
		return condition{match: func(row []value) bool { return compare(row[col], v) < 0 }}
	case p.words(">"):
		v := p.value()
		return condition{match: func(row []value) bool { return compare(row[col], v) > 0 }}
	}
	p.fail(p.wrong())
	return condition{}
}

func (p *parser) in(t *table, col int) condition {
	set := map[value]bool{}
	c := condition{match: func(row []value) bool { return set[row[col].folded()] }, column: col, keys: []int64{}}
	for p.err == nil {
		v := p.value()
		if v.isText != t.columns[col].text {
			p.fail(fmt.Errorf("%q is no value of column %s", v, t.columns[col].name))
		}
		set[v.folded()] = true
		c.keys = append(c.keys, v.num)
		if !p.words(",") {
			break
		}
	}
	p.want(")")
	if t.columns[col].text {
		c.keys = nil
	}
	return c
}

// like matches a pattern: % is any text, _ any character, and \ takes away their meaning.
func like(s, pattern string) bool {
	// Where the last % stood, and how much of s it has taken: the only place to try again.
	star, taken := -1, 0
	i, j := 0, 0
	for i < len(s) {
		literal := j
		if j < len(pattern) && pattern[j] == '\\' && j+1 < len(pattern) {
			literal = j + 1
		}
		switch {
		case j < len(pattern) && pattern[j] == '%':
			star, taken = j, i
			j++
		case literal < len(pattern) && (pattern[literal] == s[i] || literal == j && pattern[j] == '_'):
			i, j = i+1, literal+1
		case star >= 0:
			taken++
			i, j = taken, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "%") == ""
}

// parser reads a statement, token by token, until something is wrong.
type parser struct {
	tokens []token
	err    error
}

type token struct {
	text   string
	quoted bool // a text, not a name, a number or a sign
}

// scan cuts a statement into tokens. Texts stand in ' with \ and ” as MySQL has them.
func scan(s string) (tokens []token, err error) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\n' || c == '\t':
			i++
		case c == '\'':
			var text strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return nil, errors.New("a text has no end")
				}
				if s[i] == '\'' {
					if i+1 >= len(s) || s[i+1] != '\'' {
						break
					}
					i++
				} else if s[i] == '\\' && i+1 < len(s) {
					i++
					text.WriteString(unescape(s[i]))
					continue
				}
				text.WriteByte(s[i])
			}
			i++
			tokens = append(tokens, token{text.String(), true})
		case isWord(c) || c == '-':
			start := i
			for i++; i < len(s) && isWord(s[i]); i++ {
			}
			tokens = append(tokens, token{s[start:i], false})
		case strings.IndexByte("(),=<>", c) >= 0:
			tokens = append(tokens, token{s[i : i+1], false})
			i++
		default:
			return nil, fmt.Errorf("there is a %q at byte %d that this stand-in does not know", c, i)
		}
	}
	return tokens, nil
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// unescape is what \ and a character stand for; \% and \_ keep the \, for LIKE.
func unescape(c byte) string {
	switch c {
	case '0':
		return "\x00"
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return `\` + string(rune(c))
	}
	return string([]byte{c})
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) wrong() error {
	if len(p.tokens) == 0 {
		return errors.New("the statement ends too early")
	}
	return fmt.Errorf("this stand-in does not know what to make of %q", p.tokens[0].text)
}

func (p *parser) next() token {
	if len(p.tokens) == 0 {
		p.fail(p.wrong())
		return token{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *parser) is(text string) bool {
	return len(p.tokens) > 0 && p.tokens[0] == token{text, false}
}

// words reads these tokens, if they are next.
func (p *parser) words(texts ...string) bool {
	if len(p.tokens) < len(texts) {
		return false
	}
	for i, text := range texts {
		if p.tokens[i] != (token{text, false}) {
			return false
		}
	}
	p.tokens = p.tokens[len(texts):]
	return true
}

func (p *parser) want(text string) {
	if !p.words(text) {
		p.fail(p.wrong())
	}
}

func (p *parser) end() {
	if len(p.tokens) > 0 {
		p.fail(p.wrong())
	}
}

func (p *parser) name() string {
	t := p.next()
	if t.quoted {
		p.fail(fmt.Errorf("%q is no name", t.text))
	}
	return t.text
}

func (p *parser) value() value {
	t := p.next()
	if t.quoted {
		return value{text: t.text, isText: true}
	}
	n, err := strconv.ParseInt(t.text, 10, 64)
	p.fail(err)
	return value{num: n}
}
