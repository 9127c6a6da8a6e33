package local

import "github.com/fuwu-project/fuwu/internal/span"

// weigher says for how many spans the rows of a source stand, by their trace states. Those without one stand for themselves.
type weigher struct {
	texts *texts
	known []float64 // by code: the weight; 0: not asked yet
	page  []float64 // by row of the page
}

// weigh has the weight of each of the n rows of a page, of which v has the trace states; nil: all are 1. It is valid until the next call.
func (w *weigher) weigh(v *vector, n int) ([]float64, error) {
	if len(v.codes) == 0 {
		return nil, nil
	}
	if w.known == nil {
		w.known = make([]float64, w.texts.len())
	}
	if w.page == nil {
		w.page = make([]float64, pageRows)
	}
	page := w.page[:n]
	for i := range page {
		page[i] = 1
	}
	for i, code := range v.codes {
		if w.known[code] == 0 {
			text, err := w.texts.at(code)
			if err != nil {
				return nil, err
			}
			w.known[code] = span.Weight(text)
		}
		page[v.place(i)] = w.known[code]
	}
	return page, nil
}

// weightsOf are the weights of all rows of a snapshot; nil: all are 1.
func weightsOf(s *snapshot) []float64 {
	c := &s.cols[colTraceState]
	if len(c.codes) == 0 {
		return nil
	}
	w := weigher{texts: c.d.whole(), page: make([]float64, s.n)}
	weights, err := w.weigh(&c.vector, s.n)
	if err != nil {
		return nil // texts in memory have none
	}
	return weights
}
