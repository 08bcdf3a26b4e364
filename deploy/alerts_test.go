package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// alert is one rule of prometheus/alerts.yaml.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	data, err := os.ReadFile("prometheus/alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(data, &file)
	}
	if err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		t.Fatalf("no alerts: %v", err)
	}
	return file.Groups[0].Rules
}

// promtool runs it, or skips the test where it is not on the machine.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here; scripts/setup --tests installs it where it can (Debian package prometheus)")
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

var alertTests = []string{"prometheus/alerts_test.yaml", "prometheus/alerts_day_test.yaml"}

func TestAlerts(t *testing.T) {
	promtool(t, nil, "check", "rules", "prometheus/alerts.yaml")
	promtool(t, nil, append([]string{"test", "rules"}, alertTests...)...)
}

// Every alert has a test in which it fires and one in which it does not.
func TestEveryAlertIsTried(t *testing.T) {
	var data []byte
	for _, file := range alertTests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, text...)
	}
	for _, a := range alerts(t) {
		for _, name := range []string{"- name: " + a.Alert + " fires\n", "- name: " + a.Alert + " stays quiet\n"} {
			if !strings.Contains(string(data), name) {
				t.Errorf("no test %q", strings.TrimSpace(name))
			}
		}
	}
}

// headings are what every runbook says, in this order.
var headings = []string{"Meaning", "Impact", "Diagnosis", "Mitigation", "What not to do"}

// Every alert has a runbook, no runbook is of an alert that is gone, and each
// says what somebody needs who is woken by it.
func TestRunbooks(t *testing.T) {
	const folder = "../docs/runbooks"
	var want []string
	for _, a := range alerts(t) {
		want = append(want, a.Alert)
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s lacks a summary, a description or a severity", a.Alert)
		}
		if !strings.HasSuffix(a.Annotations["runbook_url"], "/docs/runbooks/"+a.Alert+".md") {
			t.Errorf("%s leads to %q", a.Alert, a.Annotations["runbook_url"])
		}
		text, err := os.ReadFile(filepath.Join(folder, a.Alert+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^## (.*)\n\n(\S)`).FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, headings) || !strings.HasPrefix(string(text), "# "+a.Alert+"\n") {
			t.Errorf("%s: the runbook has the headings %q, want %q, each with a text", a.Alert, got, headings)
		}
	}
	slices.Sort(want)
	files, err := filepath.Glob(filepath.Join(folder, "Cdcsync*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("runbooks %q,\nalerts %q", got, want)
	}
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if !strings.Contains(string(index), "("+name+".md)") {
			t.Errorf("docs/runbooks/README.md does not list %s", name)
		}
	}
}
