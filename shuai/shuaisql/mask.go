package shuaisql

import (
	"slices"
	"strings"
)

// Masking makes one text of all statements that differ in their values alone, and keeps the values out of the traces: literals
// become ?, lists of them one ?, comments and white space one space.
//
// SQL cannot be read without knowing the dialect: 'a\' is a whole literal in one and the beginning of one in the next, and whoever
// guesses wrong prints what was quoted. Even a server's dialect depends on its settings. So a statement is read in every way in
// which the server may read it, and kept as far as all agree; what follows is "...".

// dialect is one way to read.
type dialect struct {
	backslash   bool // escapes the next character in a literal
	doubleNames bool // "x" is a name; else a literal
	brackets    bool // [x] is a name
	dollar      bool // $tag$x$tag$ is a literal; else $ is a letter
	hash        bool // # begins a comment
	dashSpace   bool // -- begins one only before white space
	nested      bool // comments may contain comments
	executable  bool // what is in /*! */ is executed
	qQuotes     bool // q'[x]' is a literal
}

var (
	mysqlDialects = []dialect{
		{hash: true, dashSpace: true, backslash: true, executable: true},
		{hash: true, dashSpace: true, backslash: true},  // executable comments for another version
		{hash: true, dashSpace: true, executable: true}, // NO_BACKSLASH_ESCAPES
		{hash: true, dashSpace: true},
	}
	postgresDialects = []dialect{
		{doubleNames: true, dollar: true, nested: true},
		{doubleNames: true, dollar: true, nested: true, backslash: true}, // standard_conforming_strings = off
	}
	sqliteDialects = []dialect{{brackets: true}} // which takes "x" for a literal if no column has that name
	tsqlDialects   = []dialect{
		{doubleNames: true, brackets: true, nested: true},
		{brackets: true, nested: true}, // QUOTED_IDENTIFIER OFF
	}
	oracleDialects     = []dialect{{doubleNames: true, qQuotes: true}}
	clickhouseDialects = []dialect{{backslash: true, doubleNames: true, dollar: true, hash: true}}
)

// dialectsOf returns those of a db.system.name; of an unknown one, all.
func dialectsOf(system string) []dialect {
	switch system {
	case "mysql", "mariadb":
		return mysqlDialects
	case "postgresql", "cockroachdb", "aws.redshift":
		return postgresDialects
	case "sqlite":
		return sqliteDialects
	case "microsoft.sql_server":
		return tsqlDialects
	case "oracle.db":
		return oracleDialects
	case "clickhouse":
		return clickhouseDialects
	}
	return slices.Concat(mysqlDialects, postgresDialects, sqliteDialects, tsqlDialects, oracleDialects, clickhouseDialects)
}

const (
	maxRead    = 16 << 10 // of a statement; a bulk insert is no longer of interest
	maxMasked  = 2 << 10
	cut        = "..."
	folded     = "(?)"
	placeOfOne = "?"
)

// mask returns the statement without values, at most maxMasked bytes of it.
func mask(sql string, dialects []dialect) string {
	long := len(sql) > maxRead
	whole := !long
	sql = sql[:min(len(sql), maxRead)]
	var common []string
	for i, d := range differing(sql, dialects) {
		tokens := read(sql, d)
		if long {
			tokens = dropBegun(tokens)
		}
		if i == 0 {
			common = tokens
			continue
		}
		n := 0
		for n < len(common) && n < len(tokens) && common[n] == tokens[n] {
			n++
		}
		whole = whole && n == len(common) && n == len(tokens)
		common = common[:n]
	}
	var b strings.Builder
	for _, t := range common {
		if b.Len()+len(t) > maxMasked {
			whole = false
			break
		}
		b.WriteString(t)
	}
	out := strings.TrimRight(b.String(), " ")
	if whole {
		return out
	}
	return strings.TrimLeft(strings.TrimSuffix(out, " "+cut)+" "+cut, " ")
}

// summary names a masked statement by what it does and to which table: "SELECT movies", "INSERT movies", "BEGIN".
func summary(masked string) string {
	words := strings.FieldsFunc(masked, func(c rune) bool { return c <= ' ' || strings.ContainsRune("(),;=", c) })
	if len(words) == 0 || words[0] == cut {
		return "SQL"
	}
	verb := strings.ToUpper(words[0])
	if verb == "WITH" {
		if i := slices.IndexFunc(words, func(w string) bool {
			return slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, strings.ToUpper(w))
		}); i > 0 {
			verb = strings.ToUpper(words[i])
		}
	}
	before := ""
	switch verb {
	case "SELECT", "DELETE":
		before = "FROM"
	case "INSERT", "REPLACE", "MERGE":
		before = "INTO"
	case "UPDATE":
		before = "UPDATE"
	case "CREATE", "ALTER", "DROP", "TRUNCATE":
		before = "TABLE"
	default:
		return clipWord(verb)
	}
	for i, w := range words[:len(words)-1] {
		if strings.EqualFold(w, before) {
			for before == "TABLE" && i+2 < len(words) && isIfExists(words[i+1]) {
				i++
			}
			table := strings.Map(func(c rune) rune {
				if strings.ContainsRune("`\"[]", c) {
					return -1
				}
				return c
			}, words[i+1])
			if table == placeOfOne || table == cut || strings.EqualFold(table, "SELECT") || table == "" {
				break
			}
			return verb + " " + clipWord(table)
		}
	}
	return verb
}

// isIfExists says whether w is one of the words between TABLE and its name: IF NOT EXISTS, IF EXISTS.
func isIfExists(w string) bool {
	return strings.EqualFold(w, "IF") || strings.EqualFold(w, "NOT") || strings.EqualFold(w, "EXISTS")
}

// clipWord keeps what is no name from becoming a long one.
func clipWord(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }

// differing are those of the dialects that matter for a statement: mostly, one.
func differing(sql string, dialects []dialect) (some []dialect) {
	has := func(s string) bool { return strings.Contains(sql, s) }
	backslash, doubled, bracket, dollar, hash := has(`\`), has(`"`), has("["), has("$"), has("#")
	dashes, comment, executable, q := has("--"), has("/*"), has("!"), has("q'") || has("Q'")
	for _, d := range dialects {
		d = dialect{
			backslash: d.backslash && backslash, doubleNames: d.doubleNames && doubled, brackets: d.brackets && bracket,
			dollar: d.dollar && dollar, hash: d.hash && hash, dashSpace: d.dashSpace && dashes, nested: d.nested && comment,
			executable: d.executable && comment && executable, qQuotes: d.qQuotes && q,
		}
		if !slices.Contains(some, d) {
			some = append(some, d)
		}
	}
	return some
}

// dropBegun takes off the values in whose midst reading stopped, so that bulk inserts of any length are alike.
func dropBegun(tokens []string) []string {
	for n := len(tokens); n > 0; n-- {
		switch tokens[n-1] {
		case placeOfOne, ",", " ", "(":
		default:
			return tokens[:n]
		}
	}
	return nil
}

// reader splits a statement into what is kept of it.
type reader struct {
	dialect
	sql   string
	at    int
	out   []string // tokens, among them " "
	opens []int    // where in out a ( stands that is not closed yet
	space bool     // there was white space since the last token
	code  bool     // inside an executable comment
}

func read(sql string, d dialect) []string {
	r := &reader{dialect: d, sql: sql}
	for r.at < len(sql) {
		r.next()
	}
	return r.out
}

func (r *reader) peek(ahead int) byte {
	if r.at+ahead < len(r.sql) {
		return r.sql[r.at+ahead]
	}
	return 0
}

func (r *reader) last() string {
	if len(r.out) == 0 {
		return ""
	}
	return r.out[len(r.out)-1]
}

// emit adds a token, after a space where there was one.
func (r *reader) emit(token string) {
	if r.space && len(r.out) > 0 {
		r.out = append(r.out, " ")
	}
	r.space = false
	r.out = append(r.out, token)
}

func (r *reader) next() {
	c := r.sql[r.at]
	switch {
	case isSpace(c):
		r.space = true
		r.at++
	case c == '-' && r.peek(1) == '-' && (!r.dashSpace || r.at+2 == len(r.sql) || isSpace(r.peek(2))), c == '#' && r.hash:
		r.skipLine()
	case c == '/' && r.peek(1) == '*':
		r.comment()
	case c == '*' && r.peek(1) == '/' && r.code:
		r.code, r.space = false, true
		r.at += 2
	case c == '\'', c == '"' && !r.doubleNames:
		r.quoted(c, r.backslash)
		r.emit(placeOfOne)
	case c == '"', c == '`':
		from := r.at
		if r.quoted(c, false) {
			r.emit(r.sql[from:r.at])
		} else {
			r.emit(placeOfOne)
		}
	case c == '[' && r.brackets:
		r.bracketed()
	case isDigit(c), c == '.' && isDigit(r.peek(1)) && !r.afterName():
		r.number()
	case (c == '-' || c == '+') && isDigit(r.peek(1)) && strings.Contains("(,=<>", r.last()):
		r.at++ // a sign
	case c == '$' && (r.dollar || isDigit(r.peek(1))):
		r.dollarSign()
	case isLetter(c):
		r.word()
	case c == '?', c == ':' && isDigit(r.peek(1)):
		r.placeholder(1)
	case c == '@' && r.peek(1)|0x20 == 'p' && isDigit(r.peek(2)):
		r.placeholder(2)
	case c == '(':
		r.emit("(")
		r.opens = append(r.opens, len(r.out)-1)
		r.at++
	case c == ')':
		r.emit(")")
		r.at++
		r.fold()
	default:
		r.emit(r.sql[r.at : r.at+1])
		r.at++
	}
}

// placeholder reads ?, ?1, :1 or @p1.
func (r *reader) placeholder(prefix int) {
	for r.at += prefix; isDigit(r.peek(0)); r.at++ {
	}
	r.emit(placeOfOne)
}

// fold makes (?, ?) one (?), and (?), (?) too.
func (r *reader) fold() {
	if len(r.opens) == 0 {
		return
	}
	open := r.opens[len(r.opens)-1]
	r.opens = r.opens[:len(r.opens)-1]
	values := 0
	for _, t := range r.out[open+1 : len(r.out)-1] {
		switch t {
		case placeOfOne:
			values++
		case ",", " ":
		default:
			return
		}
	}
	if values == 0 {
		return
	}
	r.out = append(r.out[:open], folded)
	before := open - 1
	commas := 0
	for ; before >= 0 && (r.out[before] == " " || r.out[before] == ","); before-- {
		if r.out[before] == "," {
			commas++
		}
	}
	if commas == 1 && before >= 0 && r.out[before] == folded {
		r.out = r.out[:before+1]
	}
}

func (r *reader) skipLine() {
	r.space = true
	line, _, _ := strings.Cut(r.sql[r.at:], "\n")
	r.at += len(line)
	if strings.Contains(strings.TrimSuffix(line, "\r"), "\r") { // which ends a line for some
		r.emit(cut)
		r.at = len(r.sql)
	}
}

func (r *reader) comment() {
	r.space = true
	if r.executable && r.peek(2) == '!' || r.executable && r.peek(2) == 'M' && r.peek(3) == '!' { // MariaDB's own
		r.at = strings.IndexByte(r.sql[r.at:], '!') + r.at + 1
		for isDigit(r.peek(0)) { // of the version from which on it counts
			r.at++
		}
		r.code = true
		return
	}
	r.at += 2
	for depth := 1; r.at < len(r.sql); {
		switch {
		case r.sql[r.at] == '*' && r.peek(1) == '/':
			r.at += 2
			if depth--; depth == 0 {
				return
			}
		case r.nested && r.sql[r.at] == '/' && r.peek(1) == '*':
			r.at += 2
			depth++
		default:
			r.at++
		}
	}
}

// quoted moves behind the closing quote, which doubled stands for itself; false if there is none.
func (r *reader) quoted(quote byte, backslash bool) bool {
	for r.at++; r.at < len(r.sql); r.at++ {
		switch c := r.sql[r.at]; {
		case c == '\\' && backslash:
			r.at++
		case c == quote && r.peek(1) == quote:
			r.at++
		case c == quote:
			r.at++
			return true
		}
	}
	r.at = len(r.sql)
	return false
}

func (r *reader) bracketed() {
	from := r.at
	for r.at++; r.at < len(r.sql); r.at++ {
		if r.sql[r.at] != ']' {
			continue
		}
		if r.peek(1) == ']' {
			r.at++
			continue
		}
		r.at++
		r.emit(r.sql[from:r.at])
		return
	}
	r.emit(placeOfOne)
}

// number takes letters too: 0xff, 1e6, and names that begin with a digit.
func (r *reader) number() {
	for r.at < len(r.sql) {
		c := r.sql[r.at]
		sign := (c == '-' || c == '+') && (r.sql[r.at-1]|0x20) == 'e' && isDigit(r.peek(1))
		if !isDigit(c) && !isLetter(c) && c != '.' && !sign {
			break
		}
		r.at++
	}
	r.emit(placeOfOne)
}

// afterName says that a dot belongs to a name before it.
func (r *reader) afterName() bool {
	last := r.last()
	return !r.space && last != "" && (isLetter(last[len(last)-1]) || strings.IndexByte("\"`]", last[len(last)-1]) >= 0)
}

// dollarSign reads $1, a placeholder, or $tag$ … $tag$, a literal.
func (r *reader) dollarSign() {
	from := r.at
	for r.at++; isDigit(r.peek(0)); r.at++ {
	}
	if r.at > from+1 {
		r.emit(placeOfOne)
		return
	}
	for r.peek(0) != '$' && (isLetter(r.peek(0)) || isDigit(r.peek(0))) {
		r.at++
	}
	if r.peek(0) != '$' {
		r.emit("$")
		r.at = from + 1
		return
	}
	r.at++
	if end := strings.Index(r.sql[r.at:], r.sql[from:r.at]); end >= 0 {
		r.at += end + r.at - from
	} else {
		r.at = len(r.sql)
	}
	r.emit(placeOfOne)
}

// word reads a name or a keyword; the letter before a literal, as in x'ff', is part of that.
func (r *reader) word() {
	from := r.at
	for r.at < len(r.sql) && (isLetter(r.sql[r.at]) || isDigit(r.sql[r.at]) || r.sql[r.at] == '$') {
		r.at++
	}
	if r.qQuotes && r.peek(0) == '\'' && (strings.EqualFold(r.sql[from:r.at], "q") || strings.EqualFold(r.sql[from:r.at], "nq")) {
		r.qQuoted()
		r.emit(placeOfOne)
		return
	}
	if r.at == from+1 && r.peek(0) == '\'' && strings.IndexByte("xXbBnNeE", r.sql[from]) >= 0 {
		r.quoted('\'', r.backslash || r.sql[from]|0x20 == 'e')
		r.emit(placeOfOne)
		return
	}
	r.emit(r.sql[from:r.at])
}

// qQuoted reads Oracle's '[x]', where [ may be anything, and if it is a bracket ] is the one that belongs to it.
func (r *reader) qQuoted() {
	open := r.peek(1)
	end := string(open)
	if i := strings.IndexByte("[{(<", open); i >= 0 {
		end = "]})>"[i : i+1]
	}
	r.at = min(r.at+2, len(r.sql))
	if n := strings.Index(r.sql[r.at:], end+"'"); n >= 0 {
		r.at += n + len(end) + 1
	} else {
		r.at = len(r.sql)
	}
}

// isSpace includes control characters, which end MySQL's -- as well.
func isSpace(c byte) bool { return c <= ' ' || c == 0x7f }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isLetter includes what is beyond ASCII.
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
