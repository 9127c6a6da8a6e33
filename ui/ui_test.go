package ui_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/fuwu-project/fuwu/ui"
)

var reference = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

// Every file that index.html names is embedded, and nothing it holds needs another origin or a weaker
// Content-Security-Policy than default-src 'self'.
func TestIndexNamesOnlyEmbeddedFiles(t *testing.T) {
	index, err := fs.ReadFile(ui.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	references := reference.FindAllStringSubmatch(string(index), -1)
	if len(references) < 3 {
		t.Fatalf("index.html names %d files, want at least an icon, a script and a style sheet", len(references))
	}
	for _, r := range references {
		path, ok := strings.CutPrefix(r[1], "/")
		if !ok {
			t.Errorf("index.html names %q, which is not a path of this origin", r[1])
			continue
		}
		if _, err := fs.Stat(ui.Files(), path); err != nil {
			t.Errorf("index.html names %s, which is not embedded: run npm run build in ui: %v", r[1], err)
		}
	}
	for _, inline := range []string{"<style", "style=", " onload=", "<script>", `<script type="module">`} {
		if strings.Contains(string(index), inline) {
			t.Errorf("index.html has an inline %s, which default-src 'self' forbids", inline)
		}
	}
}

// The interface stays small: all of it, and the scripts, compressed, that a page waits for.
func TestSize(t *testing.T) {
	const limitBytes, scriptLimitBytes = 2 << 20, 200_000
	var sizeBytes int
	var scripts bytes.Buffer
	zw := gzip.NewWriter(&scripts)
	err := fs.WalkDir(ui.Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(ui.Files(), path)
		if err != nil {
			return err
		}
		sizeBytes += len(content)
		if strings.HasSuffix(path, ".js") {
			_, err = zw.Write(content)
		}
		return err
	})
	if err := errors.Join(err, zw.Close()); err != nil {
		t.Fatal(err)
	}
	if sizeBytes > limitBytes {
		t.Errorf("dist is %d bytes, more than the %d of the budget", sizeBytes, limitBytes)
	}
	if scripts.Len() > scriptLimitBytes {
		t.Errorf("the scripts are %d bytes compressed, more than the %d of the budget", scripts.Len(), scriptLimitBytes)
	}
}
