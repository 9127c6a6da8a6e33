package redeye_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Row 17 of the feature table (rows_test.go of the server has the others): programs that misuse symbols do not compile. Each line that is wrong says what the compiler must say of it.
func TestRow17MisuseDoesNotCompile(t *testing.T) {
	files, err := filepath.Glob("testdata/misuse/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	args := []string{"build", "-gcflags=-e"}
	for _, f := range files {
		args = append(args, "./"+filepath.ToSlash(filepath.Dir(f)))
	}
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err == nil {
		t.Fatal("all of it compiles")
	}
	said := map[string]string{} // by file:line
	for _, m := range regexp.MustCompile(`(?m)^(\S+\.go:\d+):\d+: (.*(?:\n\t.*)*)`).FindAllSubmatch(out, -1) {
		said[filepath.ToSlash(string(m[1]))] += string(m[2]) + "\n"
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(src, []byte("\n")) {
			place := filepath.ToSlash(f) + ":" + strconv.Itoa(i+1)
			_, want, wanted := strings.Cut(string(line), "// want ")
			got, wrong := said[place]
			switch {
			case wanted && !regexp.MustCompile(want).MatchString(got):
				t.Errorf("%s: the compiler does not say %q but %q", place, want, got)
			case wrong && !wanted:
				t.Errorf("%s does not compile: %s", place, got)
			}
			delete(said, place)
		}
	}
	for place, got := range said {
		t.Errorf("%s: %s", place, got)
	}
}
