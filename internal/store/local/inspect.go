package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fuwu-project/fuwu/internal/store"
)

// Inventory says what a directory holds.
type Inventory struct {
	Segments     int
	SegmentSpans int64 // copies count
	SegmentBytes int64
	Logs         int // without a segment
	LogSpans     int64
	LogBytes     int64
	Oldest       int64 // earliest start, Unix ns; 0 when there are no spans
	Newest       int64 // latest start
	SetAside     []string
	Services     []Share // spans by service, most first
	Columns      []Share // compressed bytes in segments by column, most first; attributes are attr.<key>
}

// Share is a part of a whole.
type Share struct {
	Name   string
	Amount int64
}

// Inspect takes the inventory of a directory, as [OpenReadOnly] sees it.
func Inspect(ctx context.Context, o Options) (inv Inventory, err error) {
	s, err := OpenReadOnly(o)
	if err != nil {
		return inv, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	groups, err := s.Aggregate(ctx, store.AggregateQuery{By: []store.Field{store.ServiceName}})
	if err != nil {
		return inv, err
	}
	services, columns := map[string]int64{}, map[string]int64{}
	for _, g := range groups {
		services[g.Key[0]] += int64(g.Count)
	}
	inv.Services = shares(services)

	st := s.Stats()
	inv.Segments, inv.Logs, inv.Oldest, inv.SetAside = st.Segments, len(s.heads), st.OldestStart, st.SetAside
	inv.LogSpans, inv.LogBytes = st.HeadSpans, st.LogBytes
	inv.SegmentSpans, inv.SegmentBytes = st.Spans-st.HeadSpans, st.Bytes-st.LogBytes
	newest := func(src source) {
		if src.rows() > 0 {
			inv.Newest = max(inv.Newest, src.bounds().maxStart)
		}
	}
	for _, seg := range s.segments {
		newest(seg)
		if err := faultless(func() error { return seg.addColumnBytes(columns) }); err != nil {
			return inv, err
		}
	}
	for _, h := range s.heads {
		newest(h.snapshot())
	}
	inv.Columns = shares(columns)
	return inv, nil
}

// shares sorts by amount, the most first, then by name.
func shares(amounts map[string]int64) []Share {
	list := make([]Share, 0, len(amounts))
	for name, n := range amounts {
		list = append(list, Share{name, n})
	}
	slices.SortFunc(list, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), strings.Compare(a.Name, b.Name))
	})
	return list
}

// addColumnBytes adds the sizes of the columns, dictionaries included.
func (s *segment) addColumnBytes(sizes map[string]int64) error {
	columns, err := s.columns()
	if err != nil {
		return err
	}
	c, ok := columns.(*segmentColumns)
	if !ok {
		return fmt.Errorf("%s: columns of a %T", s.name, columns)
	}
	for col := range c.directory.columns {
		place := &c.directory.columns[col]
		n := int64(place.dict.header) + int64(place.dict.body)
		for _, p := range place.pages {
			n += int64(p.header) + int64(p.levels) + int64(p.body)
		}
		sizes[c.columnName(col)] += n
	}
	return nil
}
