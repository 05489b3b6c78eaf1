package salesforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// FileConfig configures a File. Path is required.
type FileConfig struct {
	// Path is the file with the saved answer.
	Path string
	// FS is where Path is found. Defaults to the files of the operating
	// system.
	FS fs.FS
	// Connection names the org among the tenant's connections. Defaults to
	// "salesforce".
	Connection string
	// Scope is that of Config. The default leaves out records with another UserType
	// than Standard, and keeps records without one.
	Scope string
	// MaxBytes is the largest file that is read. Defaults to 1 GiB.
	MaxBytes int64
	// Logger gets IDs and names of fields, and no personal data. Defaults to
	// discarding.
	Logger *slog.Logger
}

const (
	defaultMaxFile = 1 << 30
	maxRecord      = 16 << 20 // bytes of one record of a file
)

// A File reads the users of an org from a saved answer to a query on User. It is
// safe for concurrent use. It reads the file for every listing; Collect reads it
// once for the users and all queries together. It reads these forms:
//
//   - The output of `sf data query --json`, the answer of the REST API, or an array
//     of such answers, one for each page. The answer proves that the listing is
//     complete, as it does live: if the last page has "done": false, or the number
//     of records is not "totalSize", the listing fails at its end.
//   - Records alone: the output of `sf data export bulk` and of `--result-format
//     csv`, an array of records, one record a line, or a single record. Nothing
//     proves that these are all, so such a file proves no users: people who are not
//     in it stay as they are.
//
// Relationships may be nested or flat ("Manager.Email" as a column); booleans and
// numbers may be texts. The text is UTF-8, or UTF-16 as Windows PowerShell writes
// it, with or without a byte order mark. Colours of a terminal and the wrappers of
// PowerShell's ConvertTo-Json are removed. If the file cannot be read, the error of
// the listing says what to do.
//
// A File cannot know what the query left out: save the answer to a query without
// WHERE and LIMIT. Such an answer has no groups. Managers are proven if the records
// have ManagerId, or the Id, Email or Name of Manager; if the first record has one
// of them and another record has none, the listing fails at its end.
type File struct {
	cfg      FileConfig
	scope    soql.Condition
	lists    sources.Facts
	decoder  decoder
	explicit bool // the caller set Scope, so the records must have its fields
}

var _ sources.BatchMatcher = (*File)(nil)

// FromFile returns a File. It reads the file up to its first record, to find out
// what a listing will prove. The error names the wrong field of cfg. If the answer
// is incomplete or damaged, the listing fails, as it does with a live org.
func FromFile(cfg FileConfig) (*File, error) {
	explicit := cfg.Scope != ""
	scope, err := parseScope(cfg.Scope)
	if err == nil {
		if _, undecidable := scope.Compile(); undecidable != nil {
			err = rest.Wrong("Scope", "a file cannot answer it: %w", undecidable)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("salesforce: file: %w", err)
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxFile
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Connection = cmp.Or(cfg.Connection, kind)
	f := &File{cfg: cfg, scope: scope, decoder: decoder{cfg.Logger}, lists: sources.FactUsers, explicit: explicit}

	file, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("salesforce: file: Path: %w", err)
	}
	defer func() { _ = file.Close() }() // the file was only read
	// Every listing reports what is wrong with the answer.
	form, _ := readSaved(file, cfg.MaxBytes, func(rec *record) error {
		if rec.managerKnown() {
			f.lists |= sources.FactManagers
		}
		return errStop
	})
	if form == formRecords {
		f.lists &^= sources.FactUsers
	}
	return f, nil
}

func (f *File) open() (fs.File, error) {
	if f.cfg.FS != nil {
		return f.cfg.FS.Open(f.cfg.Path)
	}
	return os.Open(f.cfg.Path)
}

// Info implements sources.Source.
func (f *File) Info() sources.Info {
	return sources.Info{Kind: kind, Connection: f.cfg.Connection, Lists: f.lists}
}

// Users implements sources.Source.
func (f *File) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	users, _ := f.UsersAndMatches(ctx, nil)
	return users
}

// Groups implements sources.Source: there are none.
func (f *File) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(func(sources.Group, error) bool) {}
}

const opMatch = "match in file"

// Match implements sources.Matcher. A file cannot run SOQL, so the filter is
// evaluated here, over the fields of the records. Texts are compared without regard
// to case (Unicode's simple case folding) and ordered by their characters, not by a
// locale; date functions use UTC. The error matches ErrUnsupported and says why if
// the records lack a field, or if only the org can decide: a semi-join, a period
// such as LAST_N_DAYS, a fiscal year, convertTimezone, toLabel, DISTANCE, an amount
// in a currency.
func (f *File) Match(ctx context.Context, filter string) iter.Seq2[string, error] {
	return rest.List(kind, opMatch, func(emit func(string) bool) error {
		q := newQuery(filter)
		if q.err != nil {
			return q.err
		}
		return f.each(ctx, func(rec *record, id string) error {
			selected, err := q.selects(rec)
			if err == nil && selected && !emit(id) {
				err = errStop
			}
			return err
		})
	})
}

// UsersAndMatches implements sources.BatchMatcher.
func (f *File) UsersAndMatches(ctx context.Context, filters []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
	var (
		mu      sync.Mutex
		answers map[string]*query // of the last listing that ended, also with an error
	)
	users := rest.List(kind, "read users from file", func(emit func(sources.User) bool) error {
		queries := make(map[string]*query, len(filters))
		for _, filter := range filters {
			queries[filter] = newQuery(filter)
		}
		err := f.each(ctx, func(rec *record, id string) error {
			for _, q := range queries {
				q.ask(rec, id)
			}
			if !emit(f.decoder.user(rec, id)) {
				return errStop
			}
			return nil
		})
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			for _, q := range queries {
				q.err = cmp.Or(q.err, err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		answers = queries
		return err
	})
	match := func(filter string) iter.Seq2[string, error] {
		mu.Lock()
		q := answers[filter]
		mu.Unlock()
		if q == nil {
			return f.Match(ctx, filter)
		}
		return rest.List(kind, opMatch, func(emit func(string) bool) error {
			if q.err != nil {
				return q.err
			}
			for _, id := range q.ids {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !emit(id) {
					return nil
				}
			}
			return nil
		})
	}
	return users, match
}

// each passes the records in scope, with their IDs, to do. It returns nil only if
// the file proves what Info says that a listing proves.
func (f *File) each(ctx context.Context, do func(rec *record, id string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := f.open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // the file was only read
	scope := newCompiled(f.scope)
	without := 0
	form, err := readSaved(file, f.cfg.MaxBytes, func(rec *record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, err := rec.idOf("User")
		if err != nil {
			return err
		}
		if f.lists.Has(sources.FactManagers) && !rec.managerKnown() {
			without++
		}
		if f.explicit || rec.value("UserType") != nil {
			in, err := scope.selects(rec)
			if err != nil || !in {
				return err
			}
		}
		return do(rec, id)
	})
	switch {
	case err != nil:
		return err
	case form == formRecords && f.lists.Has(sources.FactUsers):
		return rest.Malformed("the file was an answer when it was opened, and is none any more")
	case without > 0:
		return rest.Malformed("%d records carry no manager, not even null, as the first does: save the same fields of all", without)
	}
	return nil
}

// A query is a filter that is asked about the records of one reading.
type query struct {
	program *soql.Program
	err     error // why there is no answer
	ids     []string

	paths  []*fieldPath  // of the fields in the program
	values []*soql.Value // of the last record
}

func newQuery(filter string) *query {
	condition, err := soql.Parse(filter)
	if err != nil {
		return &query{err: badFilter(opMatch, err)}
	}
	return newCompiled(condition)
}

func newCompiled(condition soql.Condition) *query {
	program, err := condition.Compile()
	if err != nil {
		return &query{err: unsupported(err.Error())}
	}
	q := &query{program: program, values: make([]*soql.Value, len(program.Fields()))}
	for _, field := range program.Fields() {
		q.paths = append(q.paths, newFieldPath(field))
	}
	return q
}

// ask records the ID of a record that the query selects. After an error there is no
// answer, whatever the later records are.
func (q *query) ask(rec *record, id string) {
	if q.err != nil {
		return
	}
	selected, err := q.selects(rec)
	if q.err = err; selected {
		q.ids = append(q.ids, id)
	}
}

// selects reports whether the query selects a record.
func (q *query) selects(rec *record) (bool, error) {
	if q.err != nil {
		return false, q.err
	}
	missing := false
	for i, path := range q.paths {
		q.values[i] = path.value(rec)
		missing = missing || q.values[i] == nil
	}
	if missing {
		return false, q.notCarried()
	}
	selected, err := q.program.Match(q.values)
	if err != nil {
		return false, unsupported(err.Error())
	}
	return selected, nil
}

// notCarried returns the error for the fields that the last record lacks.
func (q *query) notCarried() error {
	var names []string
	for i, v := range q.values {
		if v == nil {
			names = append(names, q.program.Fields()[i])
		}
	}
	return unsupported("the records do not carry " + strings.Join(names, ", "))
}

func unsupported(why string) error {
	return &rest.Error{Reason: sources.ErrUnsupported, Detail: "a file cannot answer this filter: " + why}
}
