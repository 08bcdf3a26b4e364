package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/audit"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// exitDiffers is the exit code of an audit that found what is not repaired.
const exitDiffers = 6

// differsError ends one.
type differsError struct{ error }

func auditCommand() *cobra.Command {
	var r auditRun
	cmd := &cobra.Command{
		Use:   "audit [MAPPING...]",
		Short: "Compare rows with what Marketo has, within a number of calls",
		Long: `Compare rows with what Marketo has, within a number of calls.

It says first what that costs, and makes no call beyond --max-calls. Over REST,
objects that are linked to leads come in files, by extract, where that takes fewer
calls than asking for them: that also shows what Marketo has too much. Otherwise
the object of every row is asked for, 300 a call over REST and one a call over
SOAP; --sample looks at some rows only. To learn the types of fields takes a call
for each mapping over REST.

What differs is looked at twice: it is reported only if its row did not change
meanwhile and nothing of its key is on its way, parked, or refused by a backfill and
to be tried again by itself, which the running daemon is asked. Values are compared by the types of Marketo's fields.

  missing    a row has no object
  different  attributes of the object are not those of the row
  extra      on_delete would have deleted the object; those without any row are
             found by extract only, and a dash says that they were not looked for
  doubled    a row has several objects

--repair has the daemon send the rows of what is missing or different, as those
of a backfill; --remove-extra removes what is too much, too: only where on_delete
is delete, and no more in an hour than delivery.max_deletes. Whether a row wants an
object is asked once more before it is removed.

It exits with 0 when nothing differs or all of it was repaired, 6 when something
does, 2 when it would cost
more calls than are allowed, and 1 when it could not look at everything.`,
		Example: `  cdcsync audit
  cdcsync audit roadshow --sample 3000
  cdcsync audit roadshow --max-calls 5000 --json
  cdcsync audit roadshow --repair`,
		RunE: func(cmd *cobra.Command, names []string) error {
			r.names, r.out, r.log = names, cmd.OutOrStdout(), cmd.ErrOrStderr()
			if r.wish.Sample < 0 || r.most < 0 {
				return usageError{errors.New("--sample and --max-calls are not negative")}
			}
			if r.removeExtra && !r.repairs {
				return usageError{errors.New("--remove-extra goes with --repair")}
			}
			switch r.wish.Method = audit.Method(r.by); {
			case r.by != "" && r.wish.Method != audit.ByExtract && r.wish.Method != audit.ByQuery:
				return usageError{fmt.Errorf("--by is %s; allowed are extract and query", printable(r.by))}
			case r.by != "" && r.wish.Sample > 0:
				return usageError{errors.New("give either --by or --sample")}
			}
			return r.run(cmd.Context())
		},
	}
	r.ask.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&r.wish.Sample, "sample", 0, "look at this many rows of each mapping, chosen by chance")
	f.StringVar(&r.by, "by", "", "extract or query, in place of what takes fewer calls")
	f.IntVar(&r.most, "max-calls", 0, "the most calls to Marketo; 0 is a twentieth of those of a day")
	f.DurationVar(&r.poll, "poll", 0, "how often the jobs of an extract are looked at; 0 is once a minute")
	_ = f.MarkHidden("poll") // for simulated instances, whose jobs end at once
	f.BoolVar(&r.repairs, "repair", false, "send the rows of what is missing or different, through the daemon")
	f.BoolVar(&r.removeExtra, "remove-extra", false, "with --repair, remove what is too much, too, where on_delete is delete")
	f.BoolVar(&r.priceOnly, "price", false, "say what it would cost, and look at nothing")
	return cmd
}

// auditRun is one audit.
type auditRun struct {
	ask       asking
	names     []string
	wish      audit.Wish
	by        string
	most      int
	priceOnly bool
	repairs   bool
	// removeExtra lets repairs remove objects, too.
	removeExtra bool
	poll        time.Duration
	out, log    io.Writer

	config *config.Config
	client *admin.Client
	audit  *audit.Audit
	report audited
}

// audited is what an audit prints as JSON.
type audited struct {
	// Calls were made, of which Forecast were forecast for the first look.
	Calls    int             `json:"calls"`
	Forecast int             `json:"calls_forecast"`
	Mappings []audit.Tally   `json:"mappings"`
	Findings []audit.Finding `json:"findings"`
	// Repaired says what became of them, of those mappings that were repaired.
	Repaired []repaired `json:"repaired,omitempty"`
}

func (r *auditRun) run(ctx context.Context) error {
	conf, err := config.Load(r.ask.file, os.LookupEnv)
	if err != nil {
		return usageError{err}
	}
	r.config = conf
	if r.client, err = r.ask.client(); err != nil {
		return err
	}
	if _, err := r.client.Status(ctx); err != nil {
		return fmt.Errorf("audit: what is on its way is asked of the running daemon: %w", explain(err))
	}
	if err := r.prepare(); err != nil {
		return err
	}
	plans, err := r.plan(ctx)
	if err != nil || r.priceOnly {
		return err
	}
	err = r.look(ctx, plans)
	if err == nil && r.repairs {
		err = r.repair(ctx)
	}
	r.report.Calls = r.audit.Budget.Made
	if printed := r.print(); printed != nil {
		return fmt.Errorf("audit: %w", errors.Join(err, printed))
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return r.verdict()
}

// prepare makes what compares.
func (r *auditRun) prepare() error {
	source, err := daemon.Source(r.config.Source)
	if err != nil {
		return usageError{err}
	}
	budget := &audit.Budget{Most: r.most, Leave: r.client.Reserve}
	if day := r.config.Marketo.Limits.CallsPerDay; r.most == 0 {
		const part, unlimited = 20, 10_000
		if day == 0 {
			day = unlimited
		}
		budget.Most = max(1, day/part)
	}
	client, err := daemon.Client(r.config.Marketo, budget.Admit)
	if err != nil {
		return usageError{err}
	}
	asked, ok := client.(audit.Asked)
	if !ok {
		return errors.New("audit: the configured API cannot be asked for objects")
	}
	r.audit = &audit.Audit{Set: r.config.Set, Source: source, Marketo: asked, Budget: budget, Daemon: auditDaemon{r.client}, Poll: r.poll}
	if patient := patientOn(r.log); patient.live {
		r.audit.Tell = func(what string, done, of int) {
			fmt.Fprintf(r.log, "\r\x1b[K%s: %s of about %s rows, %s calls", printable(what), number(done), number(of), number(budget.Made))
		}
	}
	return nil
}

// plan chooses how to look at each mapping, and says what that costs.
func (r *auditRun) plan(ctx context.Context) (plans []*audit.Plan, err error) {
	mappings, err := chosenMappings(r.config, r.names)
	if err != nil {
		return nil, usageError{err}
	}
	for _, i := range mappings {
		p, err := r.audit.Plan(ctx, i, r.wish)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		plans = append(plans, p)
		r.report.Forecast += p.Calls
		r.price(p)
	}
	b := r.audit.Budget
	fmt.Fprintf(r.log, "in all %s%s, and %s so far; at most %s are made\n", callsText(uint64(r.report.Forecast)), r.share(r.report.Forecast), number(b.Made), number(b.Most))
	if b.Made+r.report.Forecast > b.Most && !r.priceOnly {
		return nil, usageError{fmt.Errorf("audit: it would cost %s calls, and %s are allowed; allow more with --max-calls, or look at some rows with --sample", number(b.Made+r.report.Forecast), number(b.Most))}
	}
	return plans, nil
}

// price says what a mapping costs.
func (r *auditRun) price(p *audit.Plan) {
	name := r.config.Set.Definition(p.Mapping).Name
	fmt.Fprintf(r.log, "%s: %s by %s, of about %s rows%s, and one for each %s that differ\n", printable(name), callsText(uint64(p.Calls)), p.Method, number(int(p.Rows)), r.share(p.Calls), number(p.PerAgain))
	if p.Why != "" && r.wish.Sample == 0 {
		fmt.Fprintf(r.log, "%s: not by extract, so that objects without a row are not found: %s\n", printable(name), p.Why)
	}
}

func (r *auditRun) share(calls int) string {
	if day := r.config.Marketo.Limits.CallsPerDay; day > 0 {
		return fmt.Sprintf(" (%.1f%% of a day's)", 100*float64(calls)/float64(day))
	}
	return ""
}

func (r *auditRun) look(ctx context.Context, plans []*audit.Plan) error {
	r.report.Mappings, r.report.Findings = []audit.Tally{}, []audit.Finding{}
	for _, p := range plans {
		tally, findings, err := r.audit.Run(ctx, p)
		if r.audit.Tell != nil {
			fmt.Fprint(r.log, "\r\x1b[K")
		}
		r.report.Mappings = append(r.report.Mappings, tally)
		r.report.Findings = append(r.report.Findings, findings...)
		if err != nil {
			return fmt.Errorf("mapping %s: %w", tally.Mapping, err)
		}
	}
	return nil
}

// verdict is the error whose exit code the audit ends with.
func (r *auditRun) verdict() error {
	left := 0
	for _, one := range r.report.Repaired {
		left += one.Left
	}
	if n := len(r.report.Findings); n > 0 && (!r.repairs || left > 0) {
		next := "--repair sends what is missing or different through the queue"
		if r.repairs {
			next = "not all of it could be repaired, as the lines above say"
		}
		return differsError{fmt.Errorf("audit: %s differences; %s", number(n), next)}
	}
	for _, t := range r.report.Mappings {
		if t.Unjudged > 0 {
			return fmt.Errorf("audit: %s that may differ could not be looked at twice: %s", objects(t.Unjudged), printable(t.Why))
		}
	}
	return nil
}

// auditDaemon is the running daemon, as an audit asks it.
type auditDaemon struct{ client *admin.Client }

// reachedPatience is how long an audit waits for what is on its way.
const reachedPatience = 2 * time.Minute

func (d auditDaemon) Reached(ctx context.Context, lsn pgoutput.LSN) (bool, string, error) {
	for end := time.Now().Add(reachedPatience); ; {
		answer, err := d.client.Wait(ctx, admin.WaitAsk{LSN: lsn, Hold: hold})
		switch {
		case err != nil:
			return false, "", explain(err)
		case answer.Reached:
			return true, "", nil
		case answer.Lost != "":
			return false, answer.Lost, nil
		case time.Now().After(end):
			return false, waitsFor(answer), nil
		}
	}
}

func (d auditDaemon) Standing(ctx context.Context, mapping string, keys []string) (all []audit.Standing, err error) {
	for some := range keyChunks(keys) {
		answer, err := d.client.Underway(ctx, admin.UnderwayAsk{Mapping: mapping, Keys: some})
		if err != nil {
			return nil, explain(err)
		}
		for i, busy := range answer.Underway {
			one := audit.Standing{Busy: busy}
			if answer.Refused != nil && answer.Refused[i] != nil {
				one.Refused = &audit.Refused{At: answer.Refused[i].At, Code: answer.Refused[i].Code}
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// keyChunks cuts keys into pieces that one request can have.
func keyChunks(keys []string) func(yield func([]string) bool) {
	// A byte takes six at most in JSON.
	const most = 8 << 10
	return func(yield func([]string) bool) {
		for len(keys) > 0 {
			n, bytes := 0, 0
			for n < len(keys) && n < admin.MostUnderway && (n == 0 || bytes+len(keys[n]) < most) {
				bytes += len(keys[n]) + 3
				n++
			}
			if !yield(keys[:n]) {
				return
			}
			keys = keys[n:]
		}
	}
}
