package fuwu_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fuwu-project/fuwu/"

// mayImport says which of our own packages a package may import. The longest entry that is a prefix of its path decides;
// its own subtree is always open to it, and tests may import anything. It is the picture in ARCHITECTURE.md as a table.
var mayImport = map[string]string{
	"shuai":                    "",
	"shuai/contrib/otel":       "shuai",
	"redeye":                   "",
	"redeye/server":            "redeye shuai",
	"ui":                       "",
	"internal/span":            "",
	"internal/vfs":             "",
	"internal/quantity":        "",
	"internal/realdb":          "",
	"internal/testcert":        "",
	"internal/wire":            "internal/span",
	"internal/store":           "internal/span",
	"internal/store/storetest": "internal/span internal/store internal/workload",
	"internal/store/local":     "internal/span internal/store internal/vfs",
	"internal/sampling":        "",
	"internal/collect":         "internal/sampling internal/span internal/store internal/wire", // never an engine
	"internal/workload":        "internal/span",
	"internal/analyze":         "internal/span internal/store",
	"internal/calls":           "internal/span internal/store",
	"internal/findings":        "internal/analyze internal/span internal/store internal/vfs",
	"internal/suggest":         "redeye",
	"internal/catalog":         "redeye",
	"internal/views":           "internal/vfs",
	"internal/api":             "internal/analyze internal/calls internal/catalog internal/findings internal/quantity internal/span internal/store internal/suggest internal/views internal/wire redeye", // never an engine
	"internal/demo":            "redeye shuai",
	"internal/weave":           "",
	"cmd/shuai":                "internal shuai ui", // the only place that knows which engine runs
	"cmd/redeye":               "redeye",
	"bench":                    "internal shuai redeye",
}

func TestImportDirection(t *testing.T) {
	used := map[string]bool{}
	check := func(file string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "node_modules" || name == "testdata" || name == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		layer := path.Dir(filepath.ToSlash(file))
		for _, ok := mayImport[layer]; !ok && layer != "."; _, ok = mayImport[layer] {
			layer = path.Dir(layer)
		}
		if layer == "." {
			t.Errorf("%s is in no layer; give its package a line in the table", file)
		}
		used[layer] = true
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			dep, ours := strings.CutPrefix(imp, module)
			if ours && !within(dep, append(strings.Fields(mayImport[layer]), layer)) {
				t.Errorf("%s imports %s; %s may import only: %s", file, dep, layer, mayImport[layer])
			}
		}
		return nil
	}
	if err := filepath.WalkDir(".", check); err != nil {
		t.Fatal(err)
	}
	for layer := range mayImport {
		if !used[layer] {
			t.Errorf("the table has %s, but there is no such package", layer)
		}
	}
}

func within(pkg string, dirs []string) bool {
	for _, d := range dirs {
		if pkg == d || strings.HasPrefix(pkg, d+"/") {
			return true
		}
	}
	return false
}

// The tracer and Redeye's client promise an application that they bring nothing with them.
func TestLightModules(t *testing.T) {
	for _, mod := range []string{"shuai", "redeye"} {
		text, err := os.ReadFile(filepath.Join(mod, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "require") {
			t.Errorf("%s/go.mod requires something; the module is standard library only", mod)
		}
	}
}
