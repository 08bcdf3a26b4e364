package wiring_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

const (
	longestFile     = 300 // lines
	longestFunction = 60  // lines
	widestStruct    = 25  // fields
)

// TestMachineIsReadInOneSitting holds what keeps the delivery machine, where every
// capability meets, readable.
func TestMachineIsReadInOneSitting(t *testing.T) {
	paths, err := filepath.Glob("../delivery/*.go")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	files := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range shape(files, file) {
			t.Errorf("%s: %s", filepath.Base(path), broken)
		}
	}
}

func TestShapeFindsWhatIsTooLarge(t *testing.T) {
	long := "package p\nfunc f() {\n" + strings.Repeat("\tf()\n", longestFunction) + "}\n"
	wide := "package p\ntype s struct {\n" + strings.Repeat("\ta, b int\n", 13) + "}\n"
	deep := "package p\n" + strings.Repeat("// line\n", longestFile)
	for name, text := range map[string]string{"function": long, "struct": wide, "file": deep} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "p.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if found := shape(files, file); len(found) != 1 || !strings.HasPrefix(found[0], name) {
			t.Errorf("%s: found %q", name, found)
		}
	}
}

// shape says what of a file is too large.
func shape(files *token.FileSet, file *ast.File) []string {
	lines := func(n ast.Node) int { return files.Position(n.End()).Line - files.Position(n.Pos()).Line + 1 }
	var broken []string
	if files.File(file.Pos()).LineCount() > longestFile {
		broken = append(broken, "file has more than 300 lines")
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if lines(n) > longestFunction {
				broken = append(broken, "function "+n.Name.Name+" has more than 60 lines")
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && s.Fields.NumFields() > widestStruct {
				broken = append(broken, "struct "+n.Name.Name+" has more than 25 fields")
			}
		}
		return true
	})
	return broken
}
