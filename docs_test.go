package fuwu_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	docLink    = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor   = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
)

// TestDocLinks: every link of the documentation leads to a file that is there, and to a heading that it has.
func TestDocLinks(t *testing.T) {
	links := 0
	check := func(file string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "node_modules" || name == "bin" || name == "testdata" || name == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".md"):
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, link := range docLink.FindAllStringSubmatch(string(text), -1) {
			target, anchor := link[1], link[2]
			if strings.Contains(target, ":") {
				continue // elsewhere
			}
			links++
			to := file
			if target != "" {
				to = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s: %v", file, link[0], err)
			} else if anchor != "" && !hasAnchor(t, to, anchor[1:]) {
				t.Errorf("%s: %s: no heading is called so", file, link[0])
			}
		}
		return nil
	}
	if err := filepath.WalkDir(".", check); err != nil {
		t.Fatal(err)
	}
	if links == 0 {
		t.Error("no links were found")
	}
}

// hasAnchor knows the names that GitHub gives headings: small letters, a hyphen for each space, no other punctuation.
func hasAnchor(t *testing.T, file, anchor string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range docHeading.FindAllStringSubmatch(string(text), -1) {
		if strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
