package preflight

// Level says how grave a Finding is.
type Level uint8

const (
	// OK: as it should be, or a fact worth knowing.
	OK Level = iota
	// Warn: it works, but somebody should know.
	Warn
	// Fail: it would not work, or would lose changes.
	Fail
	// Skipped: there was no way to look, and nothing is wrong with that.
	Skipped
	// Unseen: looking failed, for a reason that may pass.
	Unseen
)

func (l Level) String() string {
	return [...]string{"ok", "warn", "fail", "skipped", "unseen"}[l]
}

// MarshalText writes the level's name, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Scope says what a Finding bears upon.
type Scope uint8

const (
	// ScopeStart: what a start needs. While changes stream, the stream itself
	// tells.
	ScopeStart Scope = iota
	// ScopeStream: which changes the publication has in the stream.
	ScopeStream
	// ScopeTable: whether a mapped table can be published, and fits its mappings.
	ScopeTable
	// ScopeKeys: whether the keys of a table tell its rows apart.
	ScopeKeys
	// ScopeRows: whether rows can be read from a table, and values looked up in
	// another one. That takes nothing from the stream.
	ScopeRows
	// ScopeCommits: whether commits of the application wait for this program.
	ScopeCommits
)

func (s Scope) String() string {
	return [...]string{"start", "stream", "table", "keys", "rows", "commits"}[s]
}

// Finding is one thing that was looked at.
type Finding struct {
	// Check is a short name that stays the same from run to run, such as
	// "wal_level" or "table public.orders: replica identity". It is for people:
	// what a program wants to know is in the other fields.
	Check string `json:"check"`
	Scope Scope  `json:"-"`
	// Table is the mapped table that it is about, as schema.name; "" for none.
	Table string `json:"-"`
	Level Level  `json:"level"`
	// Detail says what was found. It holds no secret and no row value.
	Detail string `json:"detail"`
	Remedy Remedy `json:"remedy,omitzero"`
}

// String is the finding and its remedy on one line.
func (f Finding) String() string {
	if f.Remedy == (Remedy{}) {
		return f.Check + ": " + f.Detail
	}
	return f.Check + ": " + f.Detail + "; " + f.Remedy.String()
}

// Remedy is the next step of an operator; the zero Remedy where there is none to
// take.
type Remedy struct {
	// Words say it on one line. Where there are statements they end with "run:".
	Words string
	// SQL is to be run as it is, each statement ended by a semicolon.
	SQL string
}

func (r Remedy) String() string {
	if r.SQL == "" {
		return r.Words
	}
	return r.Words + " " + r.SQL
}

// MarshalText writes words and statements one after the other, for JSON.
func (r Remedy) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
