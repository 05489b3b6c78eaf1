package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
	"github.com/usher-go/usher/sources/salesforce/internal/soql"
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
	// Scope is as in Config. The default leaves out records that carry
	// another UserType than Standard, and keeps those that carry none.
	Scope string
	// MaxBytes is the largest file that is read. Defaults to 1 GiB.
	MaxBytes int64
	// Logger gets IDs and names of fields, nothing personal. Defaults to
	// discarding.
	Logger *slog.Logger
}

const (
	defaultMaxFile = 1 << 30
	maxRecord      = 16 << 20 // bytes of one record of a file
)

// A File reads the users of an org from a saved answer to a query on User:
// what `sf data query --json` prints, the answer of the REST API, or an array
// of such answers, one for each page. It is safe for concurrent use, and reads
// the file anew for every listing.
//
// The answer proves that the listing is complete, as it does live: a last page
// with "done": false, or another number of records than "totalSize" says, ends
// the listing with an error. A File cannot know what the query left out: save
// an answer to a query without a WHERE and a LIMIT.
//
// There are no groups in such an answer. Managers are proven if every record
// carries ManagerId or Manager.
type File struct {
	cfg      FileConfig
	scope    soql.Condition
	lists    sources.Facts
	decoder  decoder
	explicit bool // the scope is the caller's, so its fields must be there
}

var _ sources.Matcher = (*File)(nil)

// FromFile returns a File. It reads the file once, to see which fields the
// records carry. The error names the field of cfg that is wrong; an answer that
// is incomplete or damaged is an error of the listing, as it is live.
func FromFile(cfg FileConfig) (*File, error) {
	explicit := cfg.Scope != ""
	scope, err := parseScope(cfg.Scope)
	if err == nil && scope.Joins() > 0 {
		err = errors.New("field Scope: a file cannot answer a semi-join")
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
	cfg.Connection = connectionName(cfg.Connection)
	f := &File{cfg: cfg, scope: scope, decoder: decoder{cfg.Logger}, lists: sources.FactUsers, explicit: explicit}

	file, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("salesforce: file: Path: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	records, withManager := 0, 0
	// What is wrong with the answer is reported by every listing of it.
	_ = f.read(context.Background(), file, func(rec record) error {
		records++
		_, byID := rec["ManagerId"]
		_, byRecord := rec["Manager"]
		if byID || byRecord {
			withManager++
		}
		return nil
	})
	if records > 0 && withManager == records {
		f.lists |= sources.FactManagers
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
	return func(yield func(sources.User, error) bool) {
		err := f.each(ctx, func(rec record) error {
			u, err := f.decoder.user(rec)
			if err == nil && !yield(u, nil) {
				err = errStop
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(sources.User{}, rest.Wrap(kind, "read users from file", err))
		}
	}
}

// Groups implements sources.Source: there are none.
func (f *File) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(func(sources.Group, error) bool) {}
}

// Match implements sources.Matcher. A file cannot run SOQL, so the filter is
// evaluated here, over the fields that the records carry: comparisons, LIKE,
// IN, INCLUDES and EXCLUDES, joined by AND, OR and NOT. Texts compare without
// regard to case; their order is that of their characters, not of a locale. A
// field that the records lack, a semi-join and a period such as LAST_N_DAYS
// yield an error that matches ErrUnsupported and says which.
func (f *File) Match(ctx context.Context, filter string) iter.Seq2[string, error] {
	const op = "match in file"
	return func(yield func(string, error) bool) {
		condition, err := soql.Parse(filter)
		if err != nil {
			yield("", badFilter(op, err))
			return
		}
		err = f.each(ctx, func(rec record) error {
			ok, err := evaluate(condition, rec)
			if err != nil || !ok {
				return err
			}
			id, err := rec.id()
			if err == nil && !yield(id, nil) {
				err = errStop
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield("", rest.Wrap(kind, op, err))
		}
	}
}

// evaluate reports whether a record fulfils a condition.
func evaluate(condition soql.Condition, rec record) (bool, error) {
	var missing []string
	for _, field := range condition.Fields() {
		if _, ok := rec.lookupFold(field); !ok {
			missing = append(missing, field)
		}
	}
	if len(missing) > 0 {
		return false, unsupported("the records do not carry " + strings.Join(missing, ", "))
	}
	ok, err := condition.Match(func(field string) any {
		value, _ := rec.lookupFold(field)
		return value
	})
	if err != nil {
		return false, unsupported(err.Error())
	}
	return ok, nil
}

func unsupported(why string) error {
	return &rest.Error{Reason: sources.ErrUnsupported, Detail: "a file cannot answer this filter: " + why}
}

// each hands over the records in scope.
func (f *File) each(ctx context.Context, do func(record) error) error {
	file, err := f.open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	return f.read(ctx, file, func(rec record) error {
		if _, ok := rec.lookup("UserType"); ok || f.explicit {
			in, err := evaluate(f.scope, rec)
			if err != nil || !in {
				return err
			}
		}
		return do(rec)
	})
}

// read reads a file to its end and hands over its records. It ends without an
// error only if the pages prove that the listing is complete.
func (f *File) read(ctx context.Context, file fs.File, do func(record) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited := &limitedReader{r: file, ofFile: f.cfg.MaxBytes + 1, ofRecord: maxRecord}
	dec := json.NewDecoder(limited)
	dec.UseNumber()
	var listing tally
	each := func(rec record) error {
		limited.ofRecord = maxRecord
		if err := ctx.Err(); err != nil {
			return err
		}
		return do(rec)
	}
	err := readPages(dec, &listing, each)
	if err == nil {
		if _, extra := dec.Token(); !errors.Is(extra, io.EOF) {
			err = rest.Malformed("something follows the answer in the file")
		}
	}
	if err != nil {
		return readError(err)
	}
	return listing.end()
}

// readPages reads a file of any of the three forms.
func readPages(dec *json.Decoder, listing *tally, each func(record) error) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return readObject(dec, listing, each)
	case json.Delim('['):
		for dec.More() {
			if err := expect(dec, '{'); err != nil {
				return err
			}
			page, err := readAnswer(dec, each)
			if err == nil {
				err = listing.add(page)
			}
			if err != nil {
				return err
			}
		}
		_, err := dec.Token() // the closing bracket
		return err
	}
	return rest.Malformed("want an answer of Salesforce, an object or an array of objects")
}

// readObject reads an answer that stands alone, as the REST API gives it or
// inside of what the command line prints: {"status": 0, "result": {...}}, or
// {"status": 1, "name": ..., "message": ...} for a query that failed. The
// opening brace has been read.
func readObject(dec *json.Decoder, listing *tally, each func(record) error) error {
	var page answer
	var failed struct {
		status        json.Number
		name, message string
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "status":
			err = dec.Decode(&failed.status)
		case "name":
			err = dec.Decode(&failed.name)
		case "message":
			err = dec.Decode(&failed.message)
		case "result":
			if err = expect(dec, '{'); err == nil {
				page, err = readAnswer(dec, each)
			}
		default:
			err = page.read(dec, key, each)
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return err
	}
	if failed.status != "" && failed.status != "0" {
		return rest.Malformed("the file holds a failed query: status %.20s, %.80s: %.200s", failed.status, failed.name, failed.message)
	}
	return listing.add(page)
}

// limitedReader reads up to so many bytes of a file, and of each record.
type limitedReader struct {
	r                io.Reader
	ofFile, ofRecord int64 // bytes that may still be read
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.ofFile <= 0 || l.ofRecord <= 0 {
		return 0, &rest.Error{Reason: sources.ErrTooLarge, Detail: "the file, or one record of it"}
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.ofFile, l.ofRecord)])
	l.ofFile -= int64(n)
	l.ofRecord -= int64(n)
	return n, err
}
