package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/store"
)

// unknownKey is an attribute that a filter asks for and no span has, and what might have been meant.
type unknownKey struct {
	Key  string   `json:"key"`
	Like []string `json:"like"`
}

const (
	maxKnown = 10_000 // keys that are compared with
	maxLike  = 5
)

// unknownKeys are the attributes in a filter that no span in the range has.
func (s *server) unknownKeys(ctx context.Context, filter store.Expr, within store.TimeRange) ([]unknownKey, error) {
	asked := attributesIn(filter, nil)
	if len(asked) == 0 {
		return nil, nil
	}
	known, err := s.Store.Names(ctx, store.NamesQuery{Of: store.Keys, Range: within, Limit: maxKnown})
	if err != nil {
		return nil, err
	}
	var unknown []unknownKey
	for _, f := range asked {
		has := func(key string) bool {
			return key == f.String() || f.Scope == store.Anywhere && (key == store.Field{Scope: store.OnSpan, Name: f.Name}.String() ||
				key == store.Field{Scope: store.OnResource, Name: f.Name}.String())
		}
		if !slices.ContainsFunc(known, has) {
			unknown = append(unknown, unknownKey{f.String(), alike(f, known)})
		}
	}
	return unknown, nil
}

// attributesIn adds the attributes that e asks for, each once. What every span has is none.
func attributesIn(e store.Expr, list []store.Field) []store.Field {
	var f store.Field
	switch e := e.(type) {
	case store.And:
		return attributesIn(e.Y, attributesIn(e.X, list))
	case store.Or:
		return attributesIn(e.Y, attributesIn(e.X, list))
	case store.Not:
		return attributesIn(e.X, list)
	case store.Exists:
		f = e.Field
	case store.Compare:
		f = e.Field
	default:
		return list
	}
	if f.Scope == store.Intrinsic || f == store.ServiceName || slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// alike are the known keys that are most like the field: those of the same name elsewhere, then those that differ in
// few letters or contain it.
func alike(f store.Field, known []string) []string {
	type candidate struct {
		key  string
		away int
	}
	var near []candidate
	name := strings.ToLower(f.Name)
	for _, key := range known {
		_, bare, _ := strings.Cut(key, ".")
		bare = strings.ToLower(bare)
		away := distance(name, bare)
		if len(name) >= 3 && strings.Contains(bare, name) {
			away = min(away, 2)
		}
		if away <= max(len(name)/3, 1) {
			near = append(near, candidate{key, away})
		}
	}
	slices.SortFunc(near, func(x, y candidate) int { return cmp.Or(cmp.Compare(x.away, y.away), strings.Compare(x.key, y.key)) })
	list := []string{}
	for _, c := range near[:min(maxLike, len(near))] {
		list = append(list, c.key)
	}
	return list
}

// distance is how many bytes have to be changed, added or removed to make b of a (Levenshtein's). Texts that are
// much longer than a name are as far apart as can be.
func distance(a, b string) int {
	const longest = 200
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
