package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/fuwu-project/fuwu/internal/views"
)

// shortLinks is the path below which the ids of views lead to what they name.
const shortLinks = "/v/"

type viewRow struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Link string `json:"link"`
	Made string `json:"made"`
}

func newViewRow(v views.View) viewRow { return viewRow{v.ID, v.Name, v.Link, number(v.Made)} }

func (s *server) listViews(context.Context, *params) ([]byte, error) {
	rows := []viewRow{}
	if s.Views != nil {
		for _, v := range s.Views.All() {
			rows = append(rows, newViewRow(v))
		}
	}
	return json.Marshal(struct {
		Views []viewRow `json:"views"`
	}{rows})
}

var errNoViews = &requestError{status: http.StatusNotFound, msg: "this server keeps no views"}

func (s *server) addView(body io.Reader) ([]byte, error) {
	var v struct{ Name, Link string }
	raw, err := io.ReadAll(body)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		return nil, badRequest(`the body is JSON such as {"name": "slow searches", "link": "/traces?q=…"}: %v`, err)
	}
	if s.Views == nil {
		return nil, errNoViews
	}
	made, err := s.Views.Add(s.Now(), v.Name, v.Link)
	if errors.Is(err, views.ErrInvalid) {
		return nil, badRequest("%v", err)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(newViewRow(made))
}

func (s *server) removeView(id string) ([]byte, error) {
	if s.Views == nil {
		return nil, errNoViews
	}
	if err := s.Views.Remove(id); errors.Is(err, views.ErrUnknown) {
		return nil, &requestError{status: http.StatusNotFound, msg: "there is no such view; somebody may have removed it"}
	} else if err != nil {
		return nil, err
	}
	return s.listViews(context.Background(), nil)
}

// follow leads from a short link to what it names.
func (s *server) follow(w http.ResponseWriter, r *http.Request, id string) {
	v, err := s.Views.Find(id)
	if err != nil {
		writeText(w, http.StatusNotFound, "there is no such view; somebody may have removed it\n")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, v.Link, http.StatusFound)
}
