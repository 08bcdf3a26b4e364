package scaffold

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// Offered is a table that may be mapped.
type Offered struct {
	catalog.TableName
	// Rows is the planner's estimate; -1 when the table was never analysed.
	Rows float64 `json:"rows"`
}

// offeredSQL lists the tables of people: no partitions, whose changes come as
// those of their tables, none of extensions, and none that are not in the WAL.
const offeredSQL = `
SELECT COALESCE(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'rows', c.reltuples) ORDER BY n.nspname <> 'public', n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
	AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// Offer lists the tables of a database.
func Offer(ctx context.Context, session *replication.Catalog) ([]Offered, error) {
	var all []Offered
	if err := session.JSON(ctx, &all, offeredSQL); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return all, nil
}

// Wanted is a table that somebody named, and the object type for it; "" to have
// one chosen.
type Wanted struct {
	Table  catalog.TableName
	Object string
}

// ParseWanted reads TABLE or TABLE=OBJECT. A name that is among those offered
// needs no quotes, whatever is in it.
func ParseWanted(text string, offered []Offered) (Wanted, error) {
	named := func(text string) (catalog.TableName, bool) {
		at := slices.IndexFunc(offered, func(o Offered) bool {
			return o.String() == text || o.Schema == "public" && o.Name == text
		})
		if at < 0 {
			return catalog.TableName{}, false
		}
		return offered[at].TableName, true
	}
	if name, ok := named(text); ok {
		return Wanted{Table: name}, nil
	}
	object := ""
	if at := strings.LastIndexByte(text, '='); at >= 0 {
		text, object = text[:at], text[at+1:]
		if object == "" {
			return Wanted{}, fmt.Errorf("%s= names no object; write TABLE=OBJECT, or TABLE alone", text)
		}
	}
	if name, ok := named(text); ok {
		return Wanted{name, object}, nil
	}
	schema, table, err := config.ParseTable(text)
	if err != nil {
		return Wanted{}, fmt.Errorf("%q is no table's name: %w", text, err)
	}
	return Wanted{catalog.TableName{Schema: schema, Name: table}, object}, nil
}

// Everything wants all tables.
func Everything(offered []Offered) []Wanted {
	var all []Wanted
	for _, o := range offered {
		all = append(all, Wanted{Table: o.TableName})
	}
	return all
}

// Missing says that a table is not there, and which one may be meant.
func Missing(name catalog.TableName, offered []Offered) error {
	var names []string
	for _, o := range offered {
		names = append(names, o.String())
	}
	return fmt.Errorf("table %s does not exist%s", name, spelling.Hint(name.String(), names))
}

// Menu shows the tables with their numbers.
func Menu(offered []Offered) string {
	var b strings.Builder
	for i, o := range offered {
		rows := ""
		if o.Rows >= 0 {
			rows = fmt.Sprintf("  (about %.0f rows)", o.Rows)
		}
		fmt.Fprintf(&b, "%4d  %s%s\n", i+1, inComment(tableText(o.Schema, o.Name)), rows)
	}
	return b.String()
}

// Choose asks until the answer can be read: numbers and ranges of the menu, or
// all.
func Choose(in io.Reader, out io.Writer, offered []Offered) ([]Wanted, error) {
	reader := bufio.NewReader(in)
	for {
		if _, err := fmt.Fprintf(out, "%sWhich? Numbers such as 1,3-5, or all: ", Menu(offered)); err != nil {
			return nil, err
		}
		line, err := reader.ReadString('\n')
		if err != nil && strings.TrimSpace(line) == "" {
			return nil, errors.New("no table was chosen; name tables, or use --all")
		}
		chosen, wrong := pick(strings.TrimSpace(line), offered)
		if wrong == "" {
			return chosen, nil
		}
		if _, err := fmt.Fprintf(out, "%s\n\n", wrong); err != nil {
			return nil, err
		}
	}
}

// pick reads an answer, and says what is wrong with it.
func pick(answer string, offered []Offered) (chosen []Wanted, wrong string) {
	if answer == "all" {
		return Everything(offered), ""
	}
	seen := map[int]bool{}
	for part := range strings.FieldsFuncSeq(answer, func(r rune) bool { return r == ',' || r == ' ' }) {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		first, err := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err != nil || err2 != nil || first < 1 || last > len(offered) || first > last {
			return nil, fmt.Sprintf("%s is none of the numbers from 1 to %d.", strconv.Quote(part), len(offered))
		}
		for n := first; n <= last; n++ {
			if !seen[n] {
				seen[n] = true
				chosen = append(chosen, Wanted{Table: offered[n-1].TableName})
			}
		}
	}
	if len(chosen) == 0 {
		return nil, "Nothing was chosen."
	}
	return chosen, ""
}
