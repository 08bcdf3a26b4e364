package preflight

import (
	"context"
	"strings"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// Replication opens a replication session for a moment, as a server that
// answers queries need not take one: a pooler does not, nor one whose
// pg_hba.conf says no. It is left out when no walsender is free, which is a
// finding of Source.
func Replication(ctx context.Context, source *replication.Source, server replication.Server) Finding {
	const check = "replication connection"
	if server.FreeSenders < 1 {
		return Finding{Check: check, Level: Skipped, Detail: "no walsender is free for trying it"}
	}
	err := source.Probe(ctx, server)
	if err == nil {
		return Finding{Check: check, Detail: "the server takes one"}
	}
	return Connection(check, err)
}

// Connection is the finding of an error of a connection: a failure where
// trying again cannot help.
func Connection(check string, err error) Finding {
	reason := replication.Diagnose(err)
	f := Finding{Check: check, Level: Unseen, Detail: err.Error()}
	switch {
	case reason.Class() == replication.Fatal, reason == replication.Credentials, reason == replication.NoDatabase, reason == replication.Certificate, reason == replication.File:
		f.Level = Fail
	}
	if remedy := reason.Remedy(); remedy != "" {
		f.Detail, f.Remedy = strings.TrimSuffix(f.Detail, "; "+remedy), Remedy{Words: remedy}
	}
	return f
}
