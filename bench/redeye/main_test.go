package main

import (
	"strings"
	"testing"
)

// All strategies give one answer; Redeye with one request and four operations of the backend, as the endpoint that is written by hand.
func TestSameAnswer(t *testing.T) {
	service, err := serve(&backend{})
	if err != nil {
		t.Fatal(err)
	}
	defer service.close()
	figures, err := takeTurns(t.Context(), service, strategies(service.url), 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		if (strings.HasPrefix(f.name, "Redeye") || f.name == "endpoint by hand" || f.name == "gqlgen, batch: true") && (f.ops != 4 || f.requests != 1) {
			t.Errorf("%s: %v requests, %v operations", f.name, f.requests, f.ops)
		}
	}
	for _, s := range strategies(service.url) {
		if _, err := closedLoop(t.Context(), s, 10, 2, 1); err != nil {
			t.Error(err)
		}
	}
}
