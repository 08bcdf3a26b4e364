package preflight

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// OpenTransactions looks for transactions that have been open for patience.
func OpenTransactions(ctx context.Context, src *replication.Source, patience time.Duration) ([]Finding, error) {
	session, err := src.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close(ctx)
	server, err := session.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	known, err := readFacts(ctx, session, nil, patience)
	in := &inspection{facts: known, server: server}
	in.inspectWriters()
	return in.findings, err
}

// Rows is how many rows a table is said to have.
var Rows = rows
