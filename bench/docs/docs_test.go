package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var diffBlock = regexp.MustCompile("(?s)```diff\n(.*?)```")

// A page shows a whole program as a diff. It builds as it was and as it becomes, in a module of its own outside the repository.
func TestPrograms(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := func(elem ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{root}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// The versions are those of the bench module, so that nothing needs to be looked up.
	mod := regexp.MustCompile(`=> \.\.(/?)`).ReplaceAllString(read("bench", "go.mod"), "=> "+root+"$1")
	mod = strings.Replace(mod, "module github.com/fuwu-project/fuwu/bench", "module example.com/movie", 1)

	for _, page := range []string{"getting-started.md", "from-opentelemetry.md"} {
		block := diffBlock.FindStringSubmatch(read("docs", page))
		if block == nil {
			t.Errorf("%s: there is no program", page)
			continue
		}
		for side, left := range map[string]byte{"before": '+', "after": '-'} {
			var program strings.Builder
			for line := range strings.Lines(block[1]) {
				if line[0] != left {
					program.WriteString(line[1:])
				}
			}
			dir := t.TempDir()
			for name, text := range map[string]string{"go.mod": mod, "go.sum": read("bench", "go.sum"), "main.go": program.String()} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			build := exec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
			build.Dir = dir
			build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v\n%s", page, side, err, out)
			}
		}
	}
}
