package suggest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/redeye/schema"
)

// found is a method or source that does what a call does.
type found struct {
	m      *schema.Method
	entity string // whose method it is; "" of a source
}

// match finds what in a schema does what a call does: nothing where names leave that open. It can be several: a call for a user may be replaced
// by the source of users and by their names.
func match(sch *schema.Schema, c *Call) []found {
	names := append([]string{c.Label}, c.Names...)
	each := func(f func(m *schema.Method, entity string)) {
		for i := range sch.Sources {
			f(&sch.Sources[i], "")
		}
		for i := range sch.Entities {
			e := &sch.Entities[i]
			for j := range e.Methods {
				f(&e.Methods[j], e.Name)
			}
		}
	}
	// What a method says of itself goes before what its name seems to say.
	var said []found
	each(func(one *schema.Method, of string) {
		if slices.ContainsFunc(one.Replaces, func(r string) bool { return slices.ContainsFunc(names, func(n string) bool { return same(n, r) }) }) {
			said = append(said, found{one, of})
		}
	})
	if len(said) > 0 {
		return said
	}
	for _, name := range names {
		var fits []found
		called := stem(wordsOf(name))
		each(func(one *schema.Method, of string) {
			own := stem(wordsOf(one.Name))
			result, _ := entityOf(one.Result)
			switch {
			case of == "" && result != "" && alike(own, called),
				of != "" && (alike(own, called) || alike(append(wordsOf(of), own...), called)):
				fits = append(fits, found{one, of})
			}
		})
		if len(fits) > 1 { // the name's front may tell: movie.service/title
			front := strings.ToLower(name)
			named := slices.DeleteFunc(slices.Clone(fits), func(f found) bool {
				return f.entity != "" && !strings.Contains(front, strings.ToLower(f.entity))
			})
			if len(named) == 1 {
				fits = named
			}
		}
		if len(fits) == 2 && fits[0].entity == "" && fits[1].entity == "" { // film(id) and films(ids)
			one, isList := entityOf(fits[0].m.Result)
			if other, otherIsList := entityOf(fits[1].m.Result); one == other && isList != otherIsList {
				fits = slices.DeleteFunc(fits, func(f found) bool {
					_, list := entityOf(f.m.Result)
					return list != (c.Count > 1)
				})
			}
		}
		if len(fits) == 1 {
			return fits
		}
	}
	return nil
}

// same compares two names of a call: case and whether a method is behind "/" or "." are no difference.
func same(a, b string) bool {
	clean := func(s string) string { return strings.ToLower(strings.Trim(strings.ReplaceAll(s, "/", "."), ". ")) }
	return clean(a) == clean(b)
}

// parameter is the place of an argument in a route, as routers write it: /{id}, /:id.
var parameter = regexp.MustCompile(`/(\{[^/{}]*\}|:[^/]+)`)

// wordsOf are the words of the last part of a name: "movie.Service/GetTitle" is get, title, and "movies:8080 /rating/{id}" is rating.
func wordsOf(name string) []string {
	name = parameter.ReplaceAllString(name, "")
	if i := strings.LastIndexAny(strings.TrimRight(name, "./: "), "./:"); i >= 0 {
		name = name[i+1:]
	}
	var words []string
	word := ""
	flush := func() {
		if word != "" {
			words = append(words, strings.ToLower(word))
		}
		word = ""
	}
	for i := range len(name) {
		c := name[i]
		isUpper := c >= 'A' && c <= 'Z'
		isLetter := isUpper || c >= 'a' && c <= 'z'
		switch {
		case !isLetter && (c < '0' || c > '9'):
			flush()
			continue
		case isUpper && i > 0 && (name[i-1] < 'A' || name[i-1] > 'Z' || i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'):
			flush()
		}
		word += string(c)
	}
	flush()
	return words
}

// verbs begin names of calls and say nothing of what is asked for.
var verbs = []string{"get", "fetch", "load", "find", "list", "read", "query", "lookup", "batch", "multi", "mget"}

// stem is what a name asks for, without verbs.
func stem(words []string) []string {
	for len(words) > 1 && slices.Contains(verbs, words[0]) {
		words = words[1:]
	}
	return words
}

// alike compares stems; the plural of the last word is no difference.
func alike(x, y []string) bool {
	n := len(x)
	if n == 0 || n != len(y) || !slices.Equal(x[:n-1], y[:n-1]) {
		return false
	}
	plural := func(one, many string) bool {
		return many == one+"s" || many == one+"es" || strings.HasSuffix(one, "y") && many == one[:len(one)-1]+"ies"
	}
	a, b := x[n-1], y[n-1]
	return a == b || plural(a, b) || plural(b, a)
}
