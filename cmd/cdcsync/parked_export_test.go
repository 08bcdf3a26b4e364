package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

func TestParkedExport(t *testing.T) {
	o := &office{status: snapshot.Status{State: "delivering", Ready: true}}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	park := func(key, mapping, fields, code, message string) {
		o.parked = append(o.parked, checkpoint.Parked{Key: key, Mapping: mapping, Object: "Order_c", Fields: fields, Code: code, Message: message,
			Operation: "UPSERT", Attempts: 2, First: noon, Last: noon.Add(time.Hour), Committed: noon.Add(-time.Minute), Payload: `{"city":"secret"}`})
	}
	park("a", "orders", `{"id":1}`, "1004", "Lead not found")
	for i := range 1500 { // more than one page
		park(fmt.Sprint("b", i), "orders", fmt.Sprintf(`{"id":%d}`, 100+i), "1003", "=cmd|' /C calc'!A0")
	}
	park("c", "orders", `{"id":2}`, "1004", "Lead not found")
	file := o.open(t)

	output, mistake, code := command(t, "parked", "export", "-c", file)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, mistake)
	}
	rows, err := csv.NewReader(strings.NewReader(output)).ReadAll()
	if err != nil || len(rows) != 1+1502 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if rows[1][1] != "1003" || rows[1500][1] != "1003" || rows[1501][1] != "1004" || rows[1502][1] != "1004" {
		t.Error("groups are not together, the largest first")
	}
	if rows[1][2] != "'=cmd|' /C calc'!A0" || strings.Contains(output, "secret") {
		t.Errorf("a row is %q", rows[1])
	}
	if last := rows[1502]; last[3] != "nobody has to" || !strings.Contains(last[4], "tried again by itself") || !strings.HasPrefix(last[6], "id=") || last[9] != "2026-03-01T12:00:00Z" {
		t.Errorf("the last row is %q", last)
	}

	output, _, _ = command(t, "parked", "export", "-c", file, "--format", "jsonl", "--code", "1004")
	lines := strings.Split(strings.TrimSpace(output), "\n")
	var row map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil || len(lines) != 2 || row["code"] != "1004" || !strings.Contains(lines[0]+lines[1], `"key":"id=1"`) || row["who"] != "nobody has to" {
		t.Errorf("%d lines, %v: %s", len(lines), err, lines[0])
	}
	if _, mistake, code := command(t, "parked", "export", "-c", file, "--format", "xml"); code != 2 || !strings.Contains(mistake, "csv and jsonl") {
		t.Errorf("exit code %d of another format: %s", code, mistake)
	}
}
