package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/config"
)

// asking is what the commands have in common that ask a running daemon.
type asking struct {
	file, address string
	json          bool
}

func (a *asking) flags(cmd *cobra.Command) {
	configFlag(cmd, &a.file)
	cmd.Flags().StringVar(&a.address, "address", "", "HOST:PORT of the daemon, in place of the configuration's http.listen")
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// client returns a client of the daemon that the flags name.
func (a *asking) client() (*admin.Client, error) {
	address := a.address
	if address == "" {
		var err error
		if address, err = config.Listen(a.file, os.LookupEnv); err != nil {
			return nil, usageError{fmt.Errorf("%w; give the daemon's configuration with -c, or its address with --address", err)}
		}
	}
	client, err := admin.NewClient(address)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
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
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
