package preflight

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// walsenders is what the server says about those who stream from it.
type walsenders struct {
	// Name is the application_name of our sessions.
	Name string `json:"name"`
	// Ours is the sync_state of the session that uses our slot; "" for none.
	Ours string `json:"ours"`
	// Others are the names of the others that commits wait for now, as far as
	// the role may see them.
	Others []string `json:"others"`
}

const walsendersSQL = `jsonb_build_object('name', current_setting('application_name'),
	'ours', (SELECT r.sync_state FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = $4),
	'others', (SELECT jsonb_agg(DISTINCT r.application_name) FROM pg_stat_replication r
		WHERE r.sync_state IN ('sync', 'quorum', 'potential') AND r.application_name <> current_setting('application_name')))`

// inspectSynchronous looks whether commits of the application wait, or would,
// for this program: for Marketo, that is.
func (in *inspection) inspectSynchronous() {
	const check = "synchronous_standby_names"
	setting := in.facts.Settings[check]
	w := in.facts.Walsenders
	if setting == "" {
		return
	}
	rule := parseSynchronous(setting)
	const waits = "every COMMIT of the application waits until Marketo has confirmed all that was committed before it"
	remedy := fmt.Sprintf("name the real standbys alone (the name here is %s); as a superuser, run:", w.Name)
	statements := "ALTER SYSTEM SET synchronous_standby_names = " + literal(rule.without(w)) + "; SELECT pg_reload_conf();"
	switch {
	case w.Ours == "sync" || w.Ours == "quorum":
		in.fail(check, fmt.Sprintf("is %s, which makes cdcsync a synchronous standby (%s): %s", literal(setting), w.Ours, waits), remedy, statements)
	case !rule.names(w.Name) || w.Ours == "async":
		in.ok(check, "%s: commits do not wait for cdcsync", setting)
	case w.Ours == "potential" || w.Ours == "" && !rule.any && len(w.Others) >= rule.count:
		in.warn(check, fmt.Sprintf("is %s: when another standby goes, cdcsync takes its place, and %s", literal(setting), waits), remedy, statements)
	default:
		in.fail(check, fmt.Sprintf("is %s, which would make cdcsync a synchronous standby: %s", literal(setting), waits), remedy, statements)
	}
}

// synchronous is synchronous_standby_names, read.
type synchronous struct {
	any   bool
	count int
	list  []string
}

var synchronousForm = regexp.MustCompile(`(?is)^\s*(?:(first|any)\s+)?(\d+)\s*\((.*)\)\s*$`)

func parseSynchronous(setting string) synchronous {
	s := synchronous{count: 1}
	names := setting
	if m := synchronousForm.FindStringSubmatch(setting); m != nil {
		s.any = strings.EqualFold(m[1], "any")
		s.count, _ = strconv.Atoi(m[2]) // digits
		names = m[3]
	}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" {
			s.list = append(s.list, name)
		}
	}
	return s
}

// names reports whether a standby of that name may be a synchronous one.
func (s synchronous) names(name string) bool {
	for _, n := range s.list {
		if n == "*" || strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// without is the setting that leaves us out.
func (s synchronous) without(w walsenders) string {
	var names []string
	for _, n := range s.list {
		switch {
		case n == "*":
			names = append(names, w.Others...)
		case !strings.EqualFold(n, w.Name):
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return ""
	}
	for i, n := range names {
		names[i] = ident(n)
	}
	how := "FIRST"
	if s.any {
		how = "ANY"
	}
	return fmt.Sprintf("%s %d (%s)", how, min(s.count, len(names)), strings.Join(names, ", "))
}
