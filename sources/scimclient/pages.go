package scimclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// api sends requests to one SCIM server.
type api struct {
	http   *rest.Transport
	base   *url.URL
	paging Paging
	size   int
}

// get sends a request for a path below the base.
func (a *api) get(ctx context.Context, path, query string) (*http.Response, error) {
	address := a.base.String() + "/" + path
	if query != "" {
		address += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, rest.Malformed("the address of a page is not one")
	}
	req.Header.Set("Accept", "application/scim+json, application/json")
	return a.http.RoundTrip(req)
}

// one reads one resource.
func one[R any](ctx context.Context, a *api, path, id string) (resource R, err error) {
	resp, err := a.get(ctx, path+"/"+url.PathEscape(id), "")
	if err != nil {
		return resource, err
	}
	return resource, rest.Decode(resp, &resource)
}

// choose returns how this server pages.
func (a *api) choose(ctx context.Context) (Paging, error) {
	if a.paging != PageAuto {
		return a.paging, nil
	}
	resp, err := a.get(ctx, "ServiceProviderConfig", "")
	var failure *rest.Error
	switch {
	case errors.As(err, &failure) && (failure.Status == http.StatusNotFound || failure.Status == http.StatusForbidden ||
		failure.Status == http.StatusMethodNotAllowed || failure.Status == http.StatusNotImplemented):
		return PageIndex, nil // the server does not say how it pages
	case err != nil:
		return "", err
	}
	var config struct {
		Pagination struct {
			Cursor rest.Text `json:"cursor"`
		} `json:"pagination"`
	}
	if err := rest.Decode(resp, &config); err != nil {
		return "", err
	}
	if strings.EqualFold(config.Pagination.Cursor.Value, "true") {
		return PageCursor, nil
	}
	return PageIndex, nil
}

// An answer is one page of a list.
type answer[R any] struct {
	total     int // -1: not stated
	resources []R
	next      string // the cursor of the next page
	head      http.Header
}

// page reads one page.
func page[R any](ctx context.Context, a *api, path, query string) (answer[R], error) {
	resp, err := a.get(ctx, path, query)
	if err != nil {
		return answer[R]{}, err
	}
	var list struct {
		Total     rest.Text `json:"totalResults"`
		Resources []R       `json:"Resources"`
		Next      rest.Text `json:"nextCursor"`
	}
	if err := rest.Decode(resp, &list); err != nil {
		return answer[R]{}, err
	}
	p := answer[R]{total: -1, resources: list.Resources, next: list.Next.Value, head: resp.Header}
	if list.Total.Given {
		if p.total, err = strconv.Atoi(list.Total.Value); err != nil || p.total < 0 {
			return answer[R]{}, rest.Malformed("totalResults %.40q: want a number", list.Total.Value)
		}
	}
	if p.total < 0 && list.Resources == nil {
		return answer[R]{}, rest.Malformed("an answer without totalResults and Resources")
	}
	return p, nil
}

// sized reads one page of at most size resources. If the answer is too large, since
// groups may have many members, it asks for fewer. It leaves in size the number
// that worked.
func sized[R any](ctx context.Context, a *api, path, query string, size *int) (answer[R], error) {
	for {
		p, err := page[R](ctx, a, path, query+"&count="+strconv.Itoa(*size))
		if !errors.Is(err, sources.ErrTooLarge) || *size == 1 {
			return p, err
		}
		*size = max(*size/4, 1)
	}
}

// first reads and converts the first page of a list.
func first[R, T any](ctx context.Context, a *api, path string, paging Paging, convert func(R) (rest.Row[T], error)) error {
	size := a.size
	p, err := sized[R](ctx, a, path, firstQuery[paging], &size)
	if paging == PageCursor && a.paging == PageAuto && refused(err) {
		p, err = sized[R](ctx, a, path, firstQuery[PageIndex], &size)
	}
	for _, resource := range p.resources {
		if err == nil {
			_, err = convert(resource)
		}
	}
	return err
}

// refused reports whether the server refused a request as one that it does not
// understand.
func refused(err error) bool {
	failure, ok := errors.AsType[*rest.Error](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusNotImplemented}, failure.Status)
}

// firstQuery is the query for the first page.
var firstQuery = map[Paging]string{PageIndex: "startIndex=1", PageCursor: "cursor=", PageAll: "startIndex=1"}

// listing reads a list to its end and emits the result of convert for each
// resource.
func listing[R, T any](ctx context.Context, a *api, path string, convert func(R) (rest.Row[T], error), emit func(T) bool) error {
	paging, err := a.choose(ctx)
	if err != nil {
		return err
	}
	l := &list[R, T]{api: a, path: path, size: a.size, convert: convert}
	switch paging {
	case PageCursor:
		err := l.followCursors(ctx, emit)
		if a.paging == PageCursor || !errors.Is(err, errNoCursors) {
			return err
		}
	case PageAll:
		return rest.FollowCounted(ctx, firstQuery[paging], l.all, emit)
	case PageAuto, PageIndex:
	}
	err = rest.FollowCounted(ctx, firstQuery[PageIndex], l.byIndex, emit)
	if failure, ok := errors.AsType[*rest.Error](err); ok && failure.Method == "" && errors.Is(err, sources.ErrUnavailable) {
		failure.Detail += "; if the server answers with everything at once, set Config.Paging to all"
	}
	return err
}

// errNoCursors is matched by the error of a first page which shows that the server
// has no cursors, even if it offers them.
var errNoCursors = errors.New("the server has no cursors")

// A list is the state of one listing.
type list[R, T any] struct {
	*api
	path    string
	size    int
	convert func(R) (rest.Row[T], error)

	total int // totalResults of the first page; by cursor, of the first that states it
	now   int // by cursor: the latest totalResults
	came  int // resources so far
	pages int // pages with resources so far
	first string
	last  []string // the IDs of the latest of these pages; first is the first ID of the first page
}

// rows converts a page's resources.
func (l *list[R, T]) rows(p answer[R]) ([]rest.Row[T], error) {
	rows, err := rest.Rows(p.resources, l.convert)
	l.came += len(rows)
	return rows, err
}

// followCursors reads the list by cursor. It emits nothing if the error matches
// errNoCursors.
func (l *list[R, T]) followCursors(ctx context.Context, emit func(T) bool) error {
	listed, stopped := 0, false
	err := rest.FollowOnce(ctx, firstQuery[PageCursor], l.byCursor, func(value T) bool {
		listed++
		stopped = !emit(value)
		return !stopped
	})
	if err == nil && !stopped && min(l.total, l.now) > listed { // resources may come and go while the list is read
		err = l.incomplete(listed)
	}
	return err
}

// byCursor reads the page at a cursor.
func (l *list[R, T]) byCursor(ctx context.Context, at string) (out rest.Page[rest.Row[T]], err error) {
	p, err := sized[R](ctx, l.api, l.path, at, &l.size)
	begins := at == firstQuery[PageCursor]
	if failure, ok := errors.AsType[*rest.Error](err); ok && begins && refused(err) {
		failure.Err = errors.Join(errNoCursors, failure.Err)
	}
	if err == nil {
		out.Rows, err = l.rows(p)
	}
	if err != nil {
		return out, err
	}
	if begins || l.total < 0 {
		l.total = p.total
	}
	if begins || p.total >= 0 {
		l.now = p.total
	}
	switch {
	case p.next != "":
		out.Next = "cursor=" + url.QueryEscape(p.next)
	case begins && p.total > len(out.Rows):
		failure := l.incomplete(len(out.Rows))
		failure.Err = errNoCursors
		return out, failure
	}
	return out, nil
}

func (l *list[R, T]) incomplete(came int) *rest.Error {
	return &rest.Error{
		Reason: sources.ErrUnavailable,
		Detail: fmt.Sprintf("the list has no further page, and %d of %d came; if that stays so, set Config.Paging to index", came, min(l.total, l.now)),
	}
}

// byIndex reads the page at a position.
func (l *list[R, T]) byIndex(ctx context.Context, at string) (out rest.Page[rest.Row[T]], err error) {
	if at == firstQuery[PageIndex] {
		l.came, l.pages = 0, 0
	}
	p, err := sized[R](ctx, l.api, l.path, at, &l.size)
	if failure := (*rest.Error)(nil); l.came > 0 && l.came >= l.total && errors.As(err, &failure) &&
		(failure.Status == http.StatusBadRequest || failure.Status == http.StatusNotFound) {
		p, err = answer[R]{total: l.total, head: http.Header{}}, nil // some servers answer so behind the last page
	}
	if err != nil {
		return out, err
	}
	if p.total < 0 {
		return out, rest.Malformed("a list without totalResults")
	}
	if at == firstQuery[PageIndex] {
		l.total = p.total
	}
	beyond := l.pages > 0 && l.came >= l.total
	if out.Rows, err = l.rows(p); err != nil {
		return out, err
	}
	out.Total, out.At = p.total, rest.Date(p.head)
	if beyond && l.repeats(out.Rows) {
		l.came -= len(out.Rows)
		if end, err := l.honours(ctx); end || err != nil {
			out.Rows = nil
			return out, err
		}
	}
	if len(out.Rows) == 0 {
		return out, nil
	}
	if l.pages++; l.pages == 1 {
		l.first = out.Rows[0].ID
	}
	l.last = l.last[:0]
	for _, row := range out.Rows {
		l.last = append(l.last, row.ID)
	}
	out.Next = "startIndex=" + strconv.Itoa(l.came+1)
	return out, nil
}

// repeats reports whether a page begins with the first resource of the list, or
// with one of the latest page.
func (l *list[R, T]) repeats(rows []rest.Row[T]) bool {
	return len(rows) > 0 && (rows[0].ID == l.first || slices.Contains(l.last, rows[0].ID))
}

// honours reports whether the server uses startIndex. It is called when the page
// behind the end repeats earlier resources: some servers begin anew there, which
// does no harm; others ignore startIndex and may have more resources than they
// gave. If a second page had new resources, the server uses startIndex; otherwise
// honours asks for the last resource alone.
func (l *list[R, T]) honours(ctx context.Context) (bool, error) {
	if l.pages > 1 || l.came == 1 {
		return true, nil
	}
	p, err := page[R](ctx, l.api, l.path, "startIndex="+strconv.Itoa(l.came)+"&count=1")
	if err != nil || len(p.resources) != 1 {
		return false, err
	}
	row, err := l.convert(p.resources[0])
	return row.ID == l.last[len(l.last)-1], err
}

// all reads the only page of PageAll.
func (l *list[R, T]) all(ctx context.Context, at string) (out rest.Page[rest.Row[T]], err error) {
	p, err := page[R](ctx, l.api, l.path, at)
	if err == nil && p.total < 0 {
		err = rest.Malformed("a list without totalResults")
	}
	if err == nil {
		out.Rows, err = l.rows(p)
	}
	out.Total = p.total
	return out, err
}

// explain reads the body of a refused request (RFC 7644, section 3.12; RFC 6749,
// section 5.2, of the token endpoint).
func explain(_ int, body []byte) (string, error) {
	var answer struct {
		ScimType    string `json:"scimType"`
		Detail      string `json:"detail"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &answer) // if a field has another type, the other fields count
	text := cmp.Or(answer.Detail, answer.Description)
	if code := cmp.Or(answer.ScimType, answer.Error); code != "" && text != "" {
		text = code + ": " + text
	}
	switch {
	case answer.ScimType == "expiredCursor" || answer.ScimType == "invalidCursor":
		return text + " (the listing took too long: start it again)", sources.ErrUnavailable
	case answer.Error == "invalid_client" || answer.Error == "unauthorized_client":
		return text, sources.ErrUnauthorized
	}
	return text, nil
}
