package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/config"
)

// asking is what the commands have in common that ask a running daemon.
type asking struct {
	file, address, login string
	json                 bool
}

func (a *asking) flags(cmd *cobra.Command) {
	configFlag(cmd, &a.file)
	cmd.Flags().StringVar(&a.address, "address", "", "HOST:PORT of the daemon, in place of the configuration's http.listen")
	cmd.Flags().StringVar(&a.login, "login-file", "", "file with the token of http.token_file, or with USER:PASSWORD of http.web_config; the configuration's token_file unless given")
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// client returns a client of the daemon that the flags name.
func (a *asking) client() (*admin.Client, error) {
	conf, err := config.ReadHTTP(a.file, os.LookupEnv)
	address := cmp.Or(a.address, conf.Listen)
	if a.address == "" && err != nil {
		return nil, usageError{fmt.Errorf("%w; give the daemon's configuration with -c, or its address with --address", err)}
	}
	if a.address != "" && a.address != conf.Listen {
		conf = config.HTTP{} // it is of another daemon, as far as we know
	}
	client, err := clientOf(address, conf, a.login)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// clientOf returns a client of the daemon at an address, https:// before it where
// it is not the configuration that says so, with the login of a file, or else with
// the token that is configured.
func clientOf(address string, conf config.HTTP, loginFile string) (*admin.Client, error) {
	var access admin.Access
	address, access.TLS = strings.CutPrefix(address, "https://")
	client, err := admin.NewClient(address)
	if err != nil {
		return nil, err
	}
	if conf.WebConfig != "" {
		w, err := config.ReadWeb(conf.WebConfig)
		if err != nil {
			return nil, fmt.Errorf("http.web_config: %w", err)
		}
		access.TLS = w.TLS
		if w.Certificate != "" {
			if access.Certificate, err = os.ReadFile(w.Certificate); err != nil {
				return nil, fmt.Errorf("http.web_config: %w", err)
			}
		}
	}
	switch {
	case loginFile != "":
		data, err := os.ReadFile(loginFile)
		if err != nil {
			return nil, fmt.Errorf("--login-file: %w", err)
		}
		text := strings.TrimSpace(string(data))
		if user, password, ok := strings.Cut(text, ":"); ok {
			access.User, access.Password = user, password
		} else {
			access.Token = text
		}
	case conf.TokenFile.IsSet():
		if access.Token, err = conf.TokenFile.Reveal(); err != nil {
			return nil, fmt.Errorf("http.token_file: %w; name one that you may read with --login-file", err)
		}
	}
	return client.With(access)
}

// explain adds what to do when nobody answers.
func explain(err error) error {
	if errors.Is(err, admin.ErrUnreachable) {
		return fmt.Errorf("%w; start the daemon with cdcsync run, or name its address with -c or --address", err)
	}
	return err
}

// writeIndented prints a value as JSON over several lines.
func writeIndented(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printable makes text of others, row values among it, harmless to a terminal
// and keeps it on its line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// cut shortens text to a number of characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// span writes a duration as people say it: 850ms, 12s, 3m 20s, 5h 10m, 2d 3h.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// seconds is span for seconds.
func seconds(s float64) string { return span(time.Duration(s * float64(time.Second))) }

// number writes a number with its thousands apart.
func number[T int | uint64](n T) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// amount writes a number of bytes.
func amount[T int | uint64](n T) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// writeTable writes rows in columns, the first few of them aligned to the left
// and the others, which are numbers, to the right.
func writeTable(b *strings.Builder, rows [][]string, left int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i >= left {
				fmt.Fprintf(&line, "%*s  ", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// terminal reports whether f is one.
func terminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && isatty.IsTerminal(file.Fd()) // unlike /dev/null, which is a device, too
}
