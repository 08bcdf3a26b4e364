package cluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func (c *Cluster) initdb(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"),
		"--pgdata", c.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = c.dir
	cmd.Env = environment(c.dir)
	cmd.SysProcAttr = c.account.attributes()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, tail(output.String()))
	}
	return nil
}

// configure writes the settings behind those of initdb: the last one counts.
func (c *Cluster) configure(options Options) error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(c.port),
		"unix_socket_directories": c.dir,
		"wal_level":               "logical",
		"max_replication_slots":   "30",
		"max_wal_senders":         "30",
		"max_connections":         "60",
		"shared_buffers":          "32MB",
		"lc_messages":             "C",
		"jit":                     "off",
	}
	// A socket's path must fit sockaddr_un: 104 bytes on macOS, 108 on Linux.
	if len(filepath.Join(c.dir, ".s.PGSQL.65535.lock")) > 103 {
		settings["unix_socket_directories"] = ""
	}
	if !options.Durable {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, options.Settings)

	var text strings.Builder
	text.WriteString("include_if_exists = 'initdb.conf'\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	file := filepath.Join(c.data(), "postgresql.conf")
	kept := filepath.Join(c.data(), "initdb.conf")
	if _, err := os.Stat(kept); err != nil {
		if err := os.Rename(file, kept); err != nil {
			return err
		}
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	return c.account.own(file)
}

// environment is all that the server programs see of ours: variables such as
// PGDATA, PGPORT or LC_ALL would change what they do.
func environment(home string) []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SystemRoot", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tail returns the end of a program's output, for an error.
func tail(output string) string {
	const most = 2000
	output = strings.TrimSpace(output)
	if len(output) > most {
		output = output[len(output)-most:]
	}
	return output
}
