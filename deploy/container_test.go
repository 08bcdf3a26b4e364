package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/config"
)

// container is what the manifests say of one.
type container struct {
	Args  []string
	Ports []struct {
		ContainerPort int `yaml:"containerPort"`
	}
	LivenessProbe struct {
		HTTPGet        struct{ Path, Port string } `yaml:"httpGet"`
		TimeoutSeconds int                         `yaml:"timeoutSeconds"`
	} `yaml:"livenessProbe"`
	ReadinessProbe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	} `yaml:"readinessProbe"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []mount `yaml:"volumeMounts"`
}

// mount is where a volume is in a container.
type mount struct {
	MountPath string `yaml:"mountPath"`
}

// manifest is what is looked at of any resource.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Replicas    int
		PodSelector *struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
				SecurityContext               struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
					RunAsUser    int  `yaml:"runAsUser"`
				} `yaml:"securityContext"`
				Containers []container
			}
		}
	}
}

// manifests builds them as kubectl apply -k does.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is not here")
	}
	out, err := exec.Command(kubectl, "kustomize", "kubernetes").Output()
	if err != nil {
		t.Skipf("kubectl kustomize does not work here: %v", err)
	}
	all := map[string]manifest{}
	for d := yaml.NewDecoder(bytes.NewReader(out)); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[m.Kind] = m
	}
}

// One pod, without rights, whose probes are there, and with a configuration that
// can be loaded.
func TestKubernetes(t *testing.T) {
	all := manifests(t)
	pod := all["StatefulSet"].Spec.Template.Spec
	if all["StatefulSet"].Spec.Replicas != 1 || len(pod.Containers) != 1 || all["Service"].Kind == "" {
		t.Fatalf("manifests: %+v", all)
	}
	c := pod.Containers[0]
	if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser == 0 || !c.SecurityContext.ReadOnlyRootFilesystem ||
		c.SecurityContext.AllowPrivilegeEscalation == nil || *c.SecurityContext.AllowPrivilegeEscalation || !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("it has rights: %+v %+v", pod.SecurityContext, c.SecurityContext)
	}
	if p := all["NetworkPolicy"].Spec.PodSelector; p == nil || p.MatchLabels["app.kubernetes.io/name"] != "cdcsync" {
		t.Errorf("the network policy is for %+v", p)
	}

	served := httptest.NewServer(admin.New(admin.Options{
		Metrics: prometheus.NewRegistry(), Alive: func(context.Context) error { return nil }, Ready: func(context.Context) (bool, string) { return true, "" },
	}))
	defer served.Close()
	for _, path := range []string{c.LivenessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Path} {
		if reply, err := http.Get(served.URL + path); err != nil || reply.StatusCode != http.StatusOK {
			t.Errorf("probe %s: %v %v", path, reply, err)
		}
	}
	if c.LivenessProbe.TimeoutSeconds <= 10 { // /healthz waits so long for the loop
		t.Errorf("liveness waits %d s", c.LivenessProbe.TimeoutSeconds)
	}

	file := t.TempDir() + "/cdcsync.yaml"
	if err := os.WriteFile(file, []byte(all["ConfigMap"].Data["cdcsync.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(file, func(name string) (string, bool) {
		value, ok := map[string]string{"DATABASE_URL": "postgres://cdcsync@localhost/shop", "MARKETO_ENDPOINT": "https://123-ABC-456.mktorest.com", "MARKETO_CLIENT_ID": "c", "MARKETO_CLIENT_SECRET": "s"}[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(conf.HTTP.Listen, ":9640") || c.Ports[0].ContainerPort != 9640 {
		t.Errorf("it listens on %s, and the port is %d", conf.HTTP.Listen, c.Ports[0].ContainerPort)
	}
	if !slices.ContainsFunc(c.VolumeMounts, func(v mount) bool { return strings.HasPrefix(conf.State.SQLite, v.MountPath+"/") }) {
		t.Errorf("%s is on no volume", conf.State.SQLite)
	}
	if grace := pod.TerminationGracePeriodSeconds; float64(grace) < conf.Delivery.ShutdownTimeout.Seconds()+10 {
		t.Errorf("%d s to end in, and an orderly end takes %s", grace, conf.Delivery.ShutdownTimeout)
	}
}

// dockerfile returns what follows an instruction of the last stage.
func dockerfile(t *testing.T, instruction string) string {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	last := text[bytes.LastIndex(text, []byte("\nFROM ")):]
	m := regexp.MustCompile(`(?m)^` + instruction + ` (.*)$`).FindSubmatch(last)
	if m == nil {
		t.Fatalf("the Dockerfile has no %s", instruction)
	}
	return string(m[1])
}
