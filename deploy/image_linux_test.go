package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program runs where there is nothing but itself, as a user without rights,
// who can write to the volume alone: as in the image.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can have a program see another root")
	}
	var entry, args []string
	if err := json.Unmarshal([]byte(dockerfile(t, "ENTRYPOINT")), &entry); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(dockerfile(t, "CMD")), &args); err != nil {
		t.Fatal(err)
	}
	user, volume := dockerfile(t, "USER"), dockerfile(t, "VOLUME")
	if user != "65532:65532" {
		t.Errorf("the user is %s", user)
	}

	root, err := os.MkdirTemp("", "cdcsync-image-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for _, dir := range []string{root, root + "/usr/bin", root + "/etc/cdcsync", root + volume} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(root+volume, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", root+entry[0], "../cmd/cdcsync")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf := `source: {url: "postgres://cdc@127.0.0.1:1/shop"}
marketo: {rest: {endpoint: "http://127.0.0.1:1", client_id: c, client_secret: "${SECRET}"}}
state: sqlite:` + volume + `/state.db
http: {listen: "127.0.0.1:0"}
mappings: [{table: visits, object: Visit, key: {id: id}}]
`
	if err := os.WriteFile(root+args[len(args)-1], []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(entry[0], args...)
	cmd.Dir, cmd.Env = "/", []string{"SECRET=s"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	var log written
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.text.String()
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(said(), "waiting for postgresql") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || !strings.Contains(said(), "waiting for postgresql") {
		t.Errorf("%v:\n%s", err, said())
	}
	if _, err := os.Stat(root + volume + "/state.db"); err != nil {
		t.Error(err)
	}
	// What goes into the image beside the program is there for a reason.
	if text, err := os.ReadFile("../Dockerfile"); err != nil || !regexp.MustCompile(`\nFROM scratch\n(.*\n)*COPY .*ca-certificates.crt`).Match(text) {
		t.Errorf("certificates are not copied: %v", err)
	}
}

// Whatever the packages take in is there.
func TestPackageContents(t *testing.T) {
	text, err := os.ReadFile("package/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)(?:src|postinstall|preremove): (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(m[1], "dist/") {
			continue // scripts/release makes it
		}
		info, err := os.Stat(filepath.Join("..", m[1]))
		if err != nil {
			t.Error(err)
		} else if strings.HasPrefix(m[1], "deploy/package/") && info.Mode()&0o100 == 0 {
			t.Errorf("%s cannot be executed", m[1])
		}
	}
	for _, script := range []string{"package/postinstall", "package/preremove", "../scripts/release"} {
		if out, err := exec.Command("bash", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
