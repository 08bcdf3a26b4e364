package replication

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// TestEveryReasonHasAdvice: a reason without an entry would be retried soon
// without a word.
func TestEveryReasonHasAdvice(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Reason" {
			found++
			text := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
			if _, ok := advices[Reason(text)]; !ok {
				t.Errorf("%s has no advice", spec.Names[0].Name)
			}
		}
		return true
	})
	if found != len(advices) {
		t.Errorf("%d reasons, %d advices", found, len(advices))
	}
	for reason, a := range advices {
		if a.class != RetrySoon && a.remedy == "" {
			t.Errorf("%s needs somebody to act, and does not say how", reason)
		}
	}
}

func TestErrorText(t *testing.T) {
	inner := errors.New("it broke")
	err := &Error{Reason: SlotBusy, Err: inner}
	if got, want := err.Error(), "it broke; "+SlotBusy.Remedy(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, inner) {
		t.Error("the inner error is not found")
	}
	if got := (&Error{Reason: Terminated, Err: inner}).Error(); got != "it broke" {
		t.Errorf("Error() = %q, want no empty remedy", got)
	}
}

// TestStatusBytes: the update as the protocol has it, zero included.
func TestStatusBytes(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 0, 5000, time.UTC)
	got := string(status{write: 0x500, at: at, reply: true}.append(nil))
	want := "d\x00\x00\x00\x26r" + "\x00\x00\x00\x00\x00\x00\x05\x00" + strings.Repeat("\x00", 16) +
		"\x00\x00\x00\x00\x00\x00\x00\x05" + "\x01"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got = string(status{write: 3, flush: 2, apply: 1, at: at}.append(nil))
	if want := "\x00\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"; !strings.Contains(got, want) || got[len(got)-1] != 0 {
		t.Errorf("got %q, want %q in it and a last byte of zero", got, want)
	}
}

// A database that is not there is no matter for the server's log.
func TestMissingDatabaseHasItsRemedy(t *testing.T) {
	got := Diagnose(&pgconn.PgError{Code: "3D000"})
	if got != NoDatabase || got.Class() != RetrySlowly || !strings.Contains(got.Remedy(), "create the database") {
		t.Errorf("got %s, %q", got, got.Remedy())
	}
}

// What the server lacks is told for what it is, whatever language it speaks.
func TestReasonsOfTheServer(t *testing.T) {
	tests := []struct {
		err  pgconn.PgError
		want Reason
	}{
		{pgconn.PgError{Code: "58P01", Routine: "WalSndSegmentOpen"}, WALMissing},
		{pgconn.PgError{Code: "58P01", Routine: "wal_segment_open"}, WALMissing},
		{pgconn.PgError{Code: "58P01", Routine: "mdopenfork"}, ServerError},
		{pgconn.PgError{Code: "53100", Routine: "ReorderBufferSerializeChange"}, Exhausted},
		{pgconn.PgError{Code: "53200", Routine: "AllocSetAlloc"}, Exhausted},
		{pgconn.PgError{Code: "53200", Routine: "enlargeStringInfo", Detail: "Kann Zeichenkettenpuffer nicht erweitern"}, Decoding},
		{pgconn.PgError{Code: "XX000", Routine: "palloc", Message: "ungültige Anforderungsgröße"}, Decoding},
		{pgconn.PgError{Code: "53300", Routine: "InitProcess"}, TooMany},
		{pgconn.PgError{Code: "53400", Routine: "ReplicationSlotCreate"}, TooMany},
	}
	for _, tt := range tests {
		response := pgproto3.ErrorResponse{Severity: "ERROR", Code: tt.err.Code, Message: tt.err.Message, Detail: tt.err.Detail, Routine: tt.err.Routine}
		body, err := response.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Diagnose(streamError(body[5:])); got != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.err.Code, tt.err.Routine, got, tt.want)
		}
	}
}
