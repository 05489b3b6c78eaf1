package salesforce

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// api sends requests to one org's REST API.
type api struct {
	http     *rest.Transport
	data     string // "/services/data/v64.0"
	maxUsage int    // in percent
	usage    atomic.Int64
}

// get sends a request for a path of the org and stores the usage that the answer
// states.
func (a *api) get(ctx context.Context, path string) (*http.Response, error) {
	resp, err := a.http.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	if percent, ok := usage(resp.Header); ok {
		a.usage.Store(percent)
	}
	return resp, nil
}

// polite returns an error if the org has used too much of its allowance. It is
// called before every request except the first of a call, which is always made: the
// allowance covers the last 24 hours, and only an answer tells that the usage has
// gone down.
func (a *api) polite() error {
	if percent := a.usage.Load(); a.maxUsage < 100 && percent >= int64(a.maxUsage) {
		return &rest.Error{
			Method: http.MethodGet, Path: a.data, Reason: sources.ErrRateLimited,
			Detail: fmt.Sprintf("not sent: the org has used %d %% of its daily API requests, and reading stops at %d %%", percent, a.maxUsage),
		}
	}
	return nil
}

var usageForm = regexp.MustCompile(`(?:^|[;,]\s*)api-usage=([0-9]{1,12})/([0-9]{1,12})`)

// usage parses the header Sforce-Limit-Info ("api-usage=150/15000") and returns a
// percentage.
func usage(header http.Header) (percent int64, ok bool) {
	m := usageForm.FindStringSubmatch(header.Get("Sforce-Limit-Info"))
	if m == nil {
		return 0, false
	}
	used, _ := strconv.ParseInt(m[1], 10, 64)
	allowed, _ := strconv.ParseInt(m[2], 10, 64)
	if allowed == 0 {
		return 0, false
	}
	return 100 * used / allowed, true
}

// describeUser asks which fields users have. The returned function finds a field,
// or the field of a relationship by the relationship, and returns its name in the
// org's spelling.
func (a *api) describeUser(ctx context.Context) (has func(field string) (string, bool), err error) {
	resp, err := a.get(ctx, a.data+"/sobjects/User/describe")
	if err != nil {
		return nil, err
	}
	var described struct {
		Fields []struct {
			Name             string `json:"name"`
			RelationshipName string `json:"relationshipName"`
		} `json:"fields"`
	}
	if err := rest.Decode(resp, &described); err != nil {
		return nil, err
	}
	names := map[string]string{}
	relationships := map[string]string{}
	for _, field := range described.Fields {
		names[strings.ToLower(field.Name)] = field.Name
		if field.RelationshipName != "" {
			relationships[strings.ToLower(field.RelationshipName)] = field.RelationshipName
		}
	}
	if len(names) == 0 {
		return nil, rest.Malformed("the description of User names no fields")
	}
	return func(field string) (string, bool) {
		relationship, of, nested := strings.Cut(field, ".")
		if !nested {
			name, ok := names[strings.ToLower(field)]
			return name, ok
		}
		name, ok := relationships[strings.ToLower(relationship)]
		return name + "." + of, ok
	}, nil
}

// each reads the records of a query, page by page, and passes them to do, up to its
// first error. A record is valid until do returns. Without an error, Salesforce said
// that it was the end and every record came.
func (a *api) each(ctx context.Context, soql string, do func(*record) error) error {
	rec := newRecord()
	var listing tally
	// The records of a page are passed on while it is read. Follow is told only how
	// many there were.
	return rest.Follow(ctx, a.data+"/query?q="+url.QueryEscape(soql), func(ctx context.Context, path string) (rest.Page[struct{}], error) {
		page, from, err := a.page(ctx, path, rec, func(rec *record) error {
			if err := listing.row(rec); err != nil {
				return err
			}
			return do(rec)
		})
		if err != nil {
			return rest.Page[struct{}]{}, err
		}
		next, err := a.further(&listing, page, from)
		return rest.Page[struct{}]{Rows: make([]struct{}, page.rows), Next: next}, err
	}, func(struct{}) bool { return true })
}

// further adds a page to its listing and returns the path of the next page, or ""
// after the last one of a complete listing.
func (a *api) further(listing *tally, page answer, from *url.URL) (path string, err error) {
	if err := listing.add(page); err != nil {
		return "", err
	}
	if listing.done {
		return "", listing.end()
	}
	if path, err = nextPath(from, page.next); err != nil {
		return "", err
	}
	return path, a.polite()
}

// page reads one page and returns the address it came from.
func (a *api) page(ctx context.Context, path string, rec *record, each func(*record) error) (answer, *url.URL, error) {
	resp, err := a.get(ctx, path)
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

// nextPath returns the path of the next page. The link is used unchanged, since it
// has its own API version, but must not lead to another host.
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

// answer is the meta data of one page. Every page has both counts.
type answer struct {
	total *int  // how many records the query selects
	done  *bool // this page is the last
	next  string
	rows  int // the number of records in the page
}

// errStop ends the reading of a page after the caller has left the loop.
var errStop = errors.New("stop")

// readAnswer reads one page, an object {"totalSize", "done", "nextRecordsUrl",
// "records"} with its keys in any order. Its opening brace has been read. The
// function records reads the value of "records" and returns their number.
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
		a.rows += rows // a repeated key passes on its records, too
		return err
	}
	return dec.Decode(new(json.RawMessage))
}

// readRecords reads the rest of an array of records and passes them on one by one
// in rec. It never holds more than one.
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

// expect reads an opening brace or bracket.
func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err == nil && token != want {
		err = rest.Malformed("want %s in the answer, not %.40v", want, token)
	}
	return err
}

// readError returns an error that says what is wrong with an unreadable answer.
// Other errors, such as those of reading a file, stay as they are.
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

// A tally adds up the pages of one listing and decides whether they are complete:
// the last page says that it is the last, all pages state the same number of
// records, and that many came, none of them on two pages.
type tally struct {
	pages, rows, total int
	done               bool
	pageOf             map[uint64]int // the page of each record, by a hash of its Id, which takes less memory
}

var seed = maphash.MakeSeed()

// row notes a record. One that was on an earlier page has the place of another, which
// may come on no page. If one page has it twice, that is the server's answer (S5).
func (t *tally) row(rec *record) error {
	if t.pageOf == nil {
		t.pageOf = make(map[uint64]int)
	}
	id := rec.text("Id")
	hash := maphash.String(seed, id)
	if page, twice := t.pageOf[hash]; twice && page != t.pages && id != "" {
		return rest.Malformed("the record %.40q is on two pages, so that another one may be on none", id)
	}
	t.pageOf[hash] = t.pages
	return nil
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
		// Every page has at least one record; a listing of empty pages does not
		// end.
		return rest.Malformed("%d pages for %d records", t.pages, t.total)
	}
	return nil
}

// end returns an error unless the listing is complete.
func (t *tally) end() error {
	if !t.done {
		return rest.Malformed("the last page says that it is not the last (done: false)")
	}
	if t.rows != t.total {
		return rest.Malformed("%d records of %d", t.rows, t.total)
	}
	return nil
}

// Salesforce's error codes that say more than the status of the answer.
var reasons = map[string]error{
	"INVALID_SESSION_ID":            sources.ErrUnauthorized,
	"REQUEST_LIMIT_EXCEEDED":        sources.ErrRateLimited, // with 403 and without Retry-After
	"INVALID_QUERY_LOCATOR":         sources.ErrCursorExpired,
	"MALFORMED_QUERY":               sources.ErrBadQuery,
	"INVALID_FIELD":                 sources.ErrBadQuery,
	"INVALID_TYPE":                  sources.ErrBadQuery,
	"INVALID_QUERY_FILTER_OPERATOR": sources.ErrBadQuery,
	"QUERY_TOO_COMPLICATED":         sources.ErrBadQuery,
	"QUERY_TIMEOUT":                 sources.ErrUnavailable,
	"SERVER_UNAVAILABLE":            sources.ErrUnavailable,
	"API_DISABLED_FOR_ORG":          sources.ErrForbidden,
	"API_CURRENTLY_DISABLED":        sources.ErrForbidden,
	"INSUFFICIENT_ACCESS":           sources.ErrForbidden,
	// Codes of the token endpoint.
	"invalid_grant":          sources.ErrUnauthorized,
	"invalid_client":         sources.ErrUnauthorized,
	"invalid_client_id":      sources.ErrUnauthorized,
	"invalid_app_access":     sources.ErrUnauthorized,
	"inactive_user":          sources.ErrUnauthorized,
	"inactive_org":           sources.ErrUnauthorized,
	"unsupported_grant_type": sources.ErrForbidden,
	"rate_limit_exceeded":    sources.ErrRateLimited,
}

// explain reads the body of a refused request: a list of errors, or the single
// error of the token endpoint.
func explain(status int, body []byte) (string, error) {
	var list []struct {
		ErrorCode string `json:"errorCode"`
		Message   string `json:"message"`
	}
	var one struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var code, message string
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		code, message = list[0].ErrorCode, list[0].Message
	} else if json.Unmarshal(body, &one) == nil {
		code, message = one.Error, one.Description
	}
	reason := reasons[code]
	if status == http.StatusNotFound || status == http.StatusGone {
		// Users are read by queries, so this is never about a user: the address or
		// the API version is wrong, or the version is retired.
		reason = sources.ErrMalformed
		message += " (is the address right, and the API version one that the org has?)"
	}
	if code == "INVALID_QUERY_LOCATOR" {
		message += " (the listing took too long: start it again)"
	}
	if code != "" {
		message = code + ": " + message
	}
	return message, reason
}
