package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fuwu-project/fuwu/internal/store/storetest"
	"github.com/fuwu-project/fuwu/internal/vfs"
	"github.com/fuwu-project/fuwu/internal/views"
)

func TestViews(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	list, err := views.Open(disk, "data")
	if err != nil {
		t.Fatal(err)
	}
	h := New(Config{Store: storetest.NewModel(), Views: list, Now: func() time.Time { return now }})
	var v viewRow
	w := post(t, h, Prefix+"/views", `{"name": "slow <searches>", "link": "/traces?q=%7B%7D"}`)
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != 200 || v.Link != "/traces?q=%7B%7D" || v.Made != number(now.UnixNano()) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var all struct{ Views []viewRow }
	ask(t, h, "/views", &all)
	if len(all.Views) != 1 || all.Views[0] != v {
		t.Errorf("%+v", all)
	}
	if w := get(t, h, "/v/"+v.ID); w.Code != 302 || w.Header().Get("Location") != v.Link {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, c := range []struct {
		target, body string
		code         int
		says         string
	}{
		{"/views", "{", 400, "the body is JSON"},
		{"/views", `{"name": "x", "link": "https://evil.example"}`, 400, "path of a page"},
		{"/views", strings.Repeat(" ", 1<<20), 400, "too large"},
		{"/views/nothing/remove", "", 404, "no such view"},
		{"/views/" + v.ID + "/remove", "", 200, `{"views":[]}`},
		{"/views/" + v.ID, "", 405, "GET and HEAD"},
	} {
		w := post(t, h, Prefix+c.target, c.body)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("POST %s: %d %s; want %d %q", c.target, w.Code, w.Body, c.code, c.says)
		}
	}
	if w := get(t, h, "/v/"+v.ID); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	none := handler(storetest.NewModel())
	if w := post(t, none, Prefix+"/views", `{"name": "x", "link": "/map"}`); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ask(t, none, "/views", &all)
}
