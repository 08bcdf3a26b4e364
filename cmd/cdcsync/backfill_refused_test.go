package main

import (
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func TestBackfillRetryAsksForWhatWasGiven(t *testing.T) {
	o := &office{backfills: []admin.Backfill{{ID: 4, Mapping: "orders", Table: "public.orders", Object: "Order", Estimate: 20_000, CallsLeft: 67, RefusedLeft: 1500}}}
	file := o.open(t)
	const said = "orders: about 20,000 rows of public.orders, 67 calls\n  no campaign uses Order, by Marketo's word\ncdcsync backfill list shows how far it is\n" +
		"orders: 1,500 more rows are refused; retry again when these are done\n"
	for _, tt := range []struct {
		args []string
		code int
		want admin.BackfillAsk
	}{
		{[]string{"orders", "visits"}, 0, admin.BackfillAsk{Action: admin.BackfillRetry, Mappings: []string{"orders", "visits"}}},
		{[]string{"--all", "--code", "1003"}, 0, admin.BackfillAsk{Action: admin.BackfillRetry, Code: "1003"}},
		{nil, 2, admin.BackfillAsk{}},
		{[]string{"orders", "--all"}, 2, admin.BackfillAsk{}},
		{[]string{"orders", "--code", ""}, 2, admin.BackfillAsk{}},
	} {
		o.asked = admin.BackfillAsk{}
		output, mistake, code := command(t, append([]string{"backfill", "retry", "-c", file}, tt.args...)...)
		if code != tt.code || !reflect.DeepEqual(o.asked, tt.want) || code == 0 && output != said {
			t.Errorf("%q: exit code %d %s, asked %+v, said %q", tt.args, code, mistake, o.asked, output)
		}
	}
	o.backfills = nil
	if output, _, code := command(t, "backfill", "retry", "--all", "-c", file); code != 0 || output != "no such row is refused; cdcsync backfill list --refused shows those that are\n" {
		t.Errorf("none: exit code %d, %q", code, output)
	}
}
