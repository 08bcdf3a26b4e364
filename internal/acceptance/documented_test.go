package acceptance_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDecisionTableNamesItsTests finds the tests that the table of decisions in
// docs/architecture.md names: each of its rows has one, and it exists.
func TestDecisionTableNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := exec.Command("grep", "-rhoE", `^func Test[A-Za-z0-9_]+`, ".", "../checkpoint", "--include=*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| server and store | decision |")
	if !found {
		t.Fatal("no table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	name := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	if len(rows) < 17 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		tests := name.FindAllStringSubmatch(row, -1)
		if len(tests) == 0 {
			t.Errorf("no test: %s", row)
		}
		for _, test := range tests {
			if !strings.Contains(string(sources), "func "+test[1]+"\n") {
				t.Errorf("%s does not exist", test[1])
			}
		}
	}
}
