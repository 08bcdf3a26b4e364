package wiring_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cdcsync/cdcsync/internal/"

// inputs are what pure functions decide from: types and the packages they are
// in. Each stands for all its exported fields.
var inputs = map[string][]string{
	"checkpoint":  {"ServerView", "Reached", "Checkpoint", "State", "Save", "Parked", "Call", "Settled", "SettledTo", "Unsettled", "Quota", "Refusal", "Decision", "Accepted", "Relation"},
	"delivery":    {"Config", "Mapping", "Entry", "RowRead", "Received", "Answered", "Saved", "Act", "Stop"},
	"marketo":     {"Capacity", "Limits", "Reply", "Result", "Fault"},
	"mapping":     {"Definition", "Rule", "DeletePolicy", "Write", "Past"},
	"pipeline":    {"Runner"},
	"pgoutput":    {"Change", "Relation", "Column", "Begin", "Commit", "Transactions"},
	"replication": {"Source", "Seen", "Endpoint"},
}

// excused are fields that the program leaves to their zero on purpose.
var excused = map[string]string{
	"replication.Source.StatusInterval": "zero is the default",
	"replication.Source.SilenceLimit":   "zero is the default",
	"replication.Source.SlotTimeout":    "zero is the default",
	"replication.Source.ConnectTimeout": "zero is the default",
	"replication.Source.Dial":           "for tests",
	"replication.Source.Logger":         "for tests",
	"replication.Source.URL":            "Reveal is used",
	"replication.Source.LockTimeout":    "zero is the default",
}

// listed is a package as the go command lists it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// program lists the packages that the program is made of, with all they import.
func program(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "github.com/cdcsync/cdcsync/cmd/cdcsync")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, failed.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// Every field of every input is set outside of tests: in a literal, by an
// assignment, by its address, or from JSON.
func TestProductionSetsEveryFieldOfAnInput(t *testing.T) {
	packages := program(t)
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	load := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	found := &setFields{set: map[string]bool{}}
	declared := map[string]*types.Package{}
	for _, p := range packages {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours && !strings.HasSuffix(p.ImportPath, "cmd/cdcsync") || slices.Contains(ofTheDemo, name) {
			continue
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{}}
		var files []*ast.File
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, parsed)
		}
		pkg, err := (&types.Config{Importer: load}).Check(p.ImportPath, fset, files, info)
		if err != nil {
			t.Fatal(err)
		}
		declared[name] = pkg
		found.info = info
		for _, file := range files {
			ast.Inspect(file, found.visit)
		}
	}
	for pkg, names := range inputs {
		for _, name := range names {
			if declared[pkg] == nil || declared[pkg].Scope().Lookup(name) == nil {
				t.Errorf("%s.%s is not there any more", pkg, name)
				continue
			}
			structure := declared[pkg].Scope().Lookup(name).Type().Underlying().(*types.Struct)
			for i := range structure.NumFields() {
				field := fmt.Sprintf("%s.%s.%s", pkg, name, structure.Field(i).Name())
				if structure.Field(i).Exported() && !found.set[field] && excused[field] == "" {
					t.Errorf("nothing but tests sets %s: what is decided from it holds in tests alone", field)
				}
				if found.set[field] && excused[field] != "" {
					t.Logf("%s is set; its excuse (%s) can go", field, excused[field])
				}
			}
		}
	}
}

// ofTheDemo are packages that the program has for its demo: what they set, the
// daemon may not.
var ofTheDemo = []string{"demo", "cluster", "marketo/simulator", "evidence", "agreement"}

// setFields gathers the fields that are given a value.
type setFields struct {
	info *types.Info
	set  map[string]bool
}

func (s *setFields) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		s.literal(n)
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			s.target(left)
		}
	case *ast.IncDecStmt:
		s.target(n.X)
	case *ast.RangeStmt:
		s.target(n.Key)
		s.target(n.Value)
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			s.target(n.X) // whoever gets the address may set it
		}
	}
	return true
}

// literal notes the fields of a literal.
func (s *setFields) literal(n *ast.CompositeLit) {
	t := s.info.Types[n].Type
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	structure, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range n.Elts {
		if pair, keyed := e.(*ast.KeyValueExpr); keyed {
			s.note(t, pair.Key.(*ast.Ident).Name)
		} else {
			s.note(t, structure.Field(i).Name())
		}
	}
}

// target notes the field that an assignment writes, and those it is a part of.
func (s *setFields) target(e ast.Expr) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		if selection := s.info.Selections[e]; selection != nil && selection.Kind() == types.FieldVal {
			t := selection.Recv()
			for _, at := range selection.Index() {
				if p, ok := t.Underlying().(*types.Pointer); ok {
					t = p.Elem()
				}
				field := t.Underlying().(*types.Struct).Field(at)
				s.note(t, field.Name())
				t = field.Type()
			}
		}
		s.target(e.X)
	case *ast.IndexExpr:
		s.target(e.X)
	case *ast.ParenExpr:
		s.target(e.X)
	case *ast.StarExpr:
		s.target(e.X)
	}
}

func (s *setFields) note(t types.Type, field string) {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return
	}
	pkg := strings.TrimPrefix(named.Obj().Pkg().Path(), module)
	s.set[fmt.Sprintf("%s.%s.%s", pkg, named.Obj().Name(), field)] = true
}
