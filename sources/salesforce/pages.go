package salesforce

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/url"
	"strings"

	"github.com/usher-go/usher/sources/internal/rest"
)

// query yields the records of a query, page by page. Each is good until the next
// one is asked for. It ends without an error only where Salesforce said that it
// was the end and every record came.
func (o *org) query(ctx context.Context, soql string) iter.Seq2[*record, error] {
	return func(yield func(*record, error) bool) {
		var (
			rec     = newRecord()
			listing tally
			path    = o.data + "/query?q=" + url.QueryEscape(soql)
			seen    = map[string]bool{}
		)
		for {
			page, from, err := o.page(ctx, path, rec, func(rec *record) error {
				if !yield(rec, nil) {
					return errStop
				}
				return nil
			})
			if errors.Is(err, errStop) {
				return
			}
			if err == nil {
				err = listing.add(page)
			}
			if err == nil && listing.done {
				if err = listing.end(); err == nil {
					return
				}
			}
			if err == nil {
				path, err = nextPath(from, page.next)
			}
			if err == nil && seen[path] {
				err = rest.Malformed("the same nextRecordsUrl twice")
			}
			if err == nil {
				err = o.polite()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			seen[path] = true
		}
	}
}

// page reads one page and returns the address it came from.
func (o *org) page(ctx context.Context, path string, rec *record, each func(*record) error) (answer, *url.URL, error) {
	resp, err := o.get(ctx, path)
	if err != nil {
		return answer{}, nil, err
	}
	dec := json.NewDecoder(resp.Body)
	if err := expect(dec, '{'); err != nil {
		return answer{}, nil, readError(err)
	}
	page, err := readAnswer(dec, func() (int, error) {
		if err := expect(dec, '['); err != nil {
			return 0, err
		}
		return readRecords(dec, rec, each)
	})
	if err != nil {
		return answer{}, nil, readError(err)
	}
	return page, resp.Request.URL, nil
}

// nextPath returns the path of the next page. The link is followed as it is,
// since it carries its own API version, but never to another host.
func nextPath(from *url.URL, link string) (string, error) {
	if link == "" {
		return "", rest.Malformed("done is false and there is no nextRecordsUrl")
	}
	next, err := rest.NextLink(from, link)
	if err != nil {
		return "", rest.Malformed("%s", err)
	}
	if !strings.HasPrefix(next.Path, "/services/data/") {
		return "", rest.Malformed("nextRecordsUrl leads out of /services/data")
	}
	return next.RequestURI(), nil
}

// answer is what one page of a query's answer says about itself. Both counts
// stand in every page.
type answer struct {
	total *int  // how many records the query selects
	done  *bool // whether this page is the last
	next  string
	rows  int // how many records the page held
}

// errStop ends the reading of a page because the caller has enough.
var errStop = errors.New("stop")

// readAnswer reads one page, an object {"totalSize", "done", "nextRecordsUrl",
// "records"} in any order of keys. Its opening brace has been read. The value of
// "records" is left to a function, which returns how many there were.
func readAnswer(dec *json.Decoder, records func() (rows int, err error)) (answer, error) {
	var a answer
	for dec.More() {
		key, err := dec.Token()
		if err == nil {
			err = a.read(dec, key, records)
		}
		if err != nil {
			return a, err
		}
	}
	_, err := dec.Token() // the closing brace
	return a, err
}

// read reads the value of one key of a page.
func (a *answer) read(dec *json.Decoder, key json.Token, records func() (int, error)) error {
	switch key {
	case "totalSize":
		return dec.Decode(&a.total)
	case "done":
		return dec.Decode(&a.done)
	case "nextRecordsUrl":
		return dec.Decode(&a.next)
	case "records":
		rows, err := records()
		a.rows += rows // a repeated key hands over its records too
		return err
	}
	return dec.Decode(new(json.RawMessage))
}

// readRecords reads the rest of an array of records and hands them over one by
// one, each in rec: at no time is more than one of them held.
func readRecords(dec *json.Decoder, rec *record, each func(*record) error) (rows int, err error) {
	for dec.More() {
		if err := dec.Decode(rec); err != nil {
			return rows, err
		}
		rows++
		if err := each(rec); err != nil {
			return rows, err
		}
	}
	_, err = dec.Token() // the closing bracket
	return rows, err
}

// expect reads a brace or bracket.
func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err == nil && token != want {
		err = rest.Malformed("want %s in the answer, not %.40v", want, token)
	}
	return err
}

// readError names what is wrong with an answer that could not be read. An error
// of the record's reader, or of a file, is what it is.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return rest.Malformed("the answer ends in the middle")
	}
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	_, line := errors.AsType[*csv.ParseError](err)
	if syntax || mistyped || line {
		return rest.Malformed("%v", err)
	}
	return err
}

// A tally follows the pages of one listing and knows whether they prove that it
// is complete: the last page says so, all pages agree how many records there
// are, and that many came.
type tally struct {
	pages, rows, total int
	done               bool
}

func (t *tally) add(a answer) error {
	switch {
	case a.total == nil || a.done == nil:
		return rest.Malformed("an answer without totalSize and done")
	case t.done:
		return rest.Malformed("a page after the last one")
	case t.pages > 0 && *a.total != t.total:
		return rest.Malformed("totalSize changed from %d to %d between pages", t.total, *a.total)
	}
	t.pages++
	t.rows += a.rows
	t.total, t.done = *a.total, *a.done
	if t.rows > t.total {
		return rest.Malformed("%d records of %d", t.rows, t.total)
	}
	if t.pages > t.total+1 {
		// Every page holds at least one record; a listing of empty pages
		// never ends.
		return rest.Malformed("%d pages for %d records", t.pages, t.total)
	}
	return nil
}

// end is the verdict after the last page.
func (t *tally) end() error {
	if !t.done {
		return rest.Malformed("the last page says that it is not the last (done: false)")
	}
	if t.rows != t.total {
		return rest.Malformed("%d records of %d", t.rows, t.total)
	}
	return nil
}
