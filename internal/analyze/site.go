package analyze

import "github.com/fuwu-project/fuwu/internal/span"

// CodeSite is a place in source code, as OpenTelemetry's attributes code.* name it; zero where nothing does.
type CodeSite struct {
	Function string `json:"function,omitempty"` // "web.photos"
	File     string `json:"file,omitempty"`
	Line     int64  `json:"line,omitempty"` // from 1
}

// siteOf is where the span in a row of b was begun. The attributes' names are those of the semantic conventions 1.33 and
// later, and their older forms.
func siteOf(b *span.Batch, row int32) (s CodeSite) {
	text := func(keys ...string) string {
		for _, key := range keys {
			if a, ok := b.Lookup(b.Attrs[row], key); ok && a.Type == span.String {
				return cut(b.String(a.Text()))
			}
		}
		return ""
	}
	s.Function, s.File = text("code.function.name", "code.function"), text("code.file.path", "code.filepath")
	if ns := text("code.namespace"); ns != "" && s.Function != "" {
		s.Function = cut(ns + "." + s.Function)
	}
	for _, key := range [...]string{"code.line.number", "code.lineno"} {
		if a, ok := b.Lookup(b.Attrs[row], key); ok && a.Type == span.Int {
			s.Line = int64(a.Num)
		}
	}
	return s
}

// callSite is where the calls of rows are made: as they say, or else as their caller says of itself.
func (e *examiner) callSite(rows []int32, caller int32) CodeSite {
	if s := siteOf(e.tree.Batch, e.tree.Row[rows[0]]); s != (CodeSite{}) {
		return s
	}
	return siteOf(e.tree.Batch, e.tree.Row[caller])
}
