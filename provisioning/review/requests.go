package review

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
)

// A RequestReader reads the stored SCIM requests of a directory: a
// scim.RequestStore.
type RequestReader interface {
	Requests(ctx context.Context, dir scim.Directory, most int) (scim.RequestHistory, error)
}

// The numbers of requests and tokens that are shown with their connection and
// on a page of their own, which selects from the last requests.
const (
	fewRequests    = 8
	fewTokens      = 4
	pageOfRequests = 100
	lastRequests   = 1000
)

// requestPart is the part of the requests of a connection that a page shows.
type requestPart struct {
	scim.RequestHistory
	Connection string
	Of         int    // number of requests to select from
	Only       string // "errors", or "" for all requests
	ID         string // ID of the resource, or "" for any
	Hidden     bool   // the IDs of resources are hidden
	Found      int    // number of selected requests
	Pages      pages
}

// requests reads the requests of a connection; nil if the host stores none.
func (q *request) requests(target syncer.Target, most int) (*requestPart, error) {
	if q.cfg.Requests == nil {
		return nil, nil
	}
	history, err := q.cfg.Requests.Requests(q.ctx, scim.Directory(target), most)
	if err != nil {
		return nil, fmt.Errorf("requests: %w", err)
	}
	part := &requestPart{
		RequestHistory: history, Connection: target.Connection, Of: len(history.Requests), Hidden: q.access.Hide.Hides(provisioning.FieldExternalID),
	}
	if part.Hidden {
		for i := range part.Requests {
			part.Requests[i].ID = ""
		}
		for i := range part.Tokens {
			part.Tokens[i].Did.ID = ""
		}
	}
	return part, nil
}

// Any reports whether there is anything to show.
func (p *requestPart) Any() bool {
	return len(p.Requests)+len(p.Tokens) > 0 || p.Refused.N+p.Dropped.N > 0
}

// showRequests shows the requests of a connection: all, only refused ones, or
// only those about one resource.
func (q *request) showRequests() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	part, err := q.requests(target, lastRequests)
	switch {
	case err != nil:
		return err
	case part == nil:
		return &failure{404, "The application keeps no record of SCIM requests."}
	}
	if q.r.FormValue("only") == "errors" {
		part.Only = "errors"
	}
	part.ID = typed(q.r.FormValue("id"))
	chosen := part.Requests[:0:0]
	for _, r := range part.Requests {
		if (part.Only == "" || r.Status >= 400 || r.Failed > 0) && (part.ID == "" || r.ID == part.ID) {
			chosen = append(chosen, r)
		}
	}
	number, _ := strconv.Atoi(q.r.FormValue("page")) // anything but a number means the first page
	from, to, p := pageAt(len(chosen), pageOfRequests, number, func(n int) string {
		return query("requests", "connection", part.Connection, "only", part.Only, "id", part.ID, "page", strconv.Itoa(n))
	})
	part.Requests, part.Found, part.Pages = chosen[from:to], len(chosen), p
	return q.page.show("requests", part)
}

// took formats a duration.
func took(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return "<1 ms"
}
