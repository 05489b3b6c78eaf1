package rest

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/usher-go/usher/sources"
)

// List returns the iteration of a source's listing. read passes each value to emit,
// and returns as soon as emit returns false, which means that the caller left the
// loop. An error of read is yielded last, wrapped by [Wrap], unless the caller has
// left the loop.
func List[T any](kind, op string, read func(emit func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := read(func(value T) bool {
			stopped = stopped || !yield(value, nil)
			return !stopped
		})
		if err != nil && !stopped {
			var zero T
			yield(zero, Wrap(kind, op, err))
		}
	}
}

// A Page is one answer of a listing.
type Page[T any] struct {
	Rows []T
	// Next says how to ask for the next page. It is empty only if the provider
	// itself says that this page is the last.
	Next string
	// Total is the number of rows of the whole listing, as the provider states it.
	// Only FollowCounted uses it.
	Total int
	// At is the provider's clock at the time of the answer, in whole seconds; zero
	// if it is not stated. Only FollowCounted uses it.
	At time.Time
}

// Date returns the provider's clock as the header Date states it, or zero.
func Date(header http.Header) time.Time {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// maxEmptyPages is how many pages in a row may have no row. Deltas of Microsoft
// Graph have a few; more mean that the listing does not end.
const maxEmptyPages = 1000

// Follow reads the pages of a listing, from first to the page without Next, and
// passes their rows to emit, until emit returns false. It holds one page at a time.
// A link to a page that was read before is an error, since the listing would not
// end.
func Follow[T any](ctx context.Context, first string, fetch func(ctx context.Context, at string) (Page[T], error), emit func(T) bool) error {
	asked := make(map[string]bool)
	empty := 0
	for at := first; ; {
		asked[at] = true
		page, err := fetch(ctx, at)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if !emit(row) {
				return nil
			}
		}
		if len(page.Rows) > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyPages {
			return Malformed("%d pages in a row hold nothing new", empty)
		}
		if page.Next == "" {
			return nil
		}
		if asked[page.Next] {
			return Malformed("the link to the next page leads to a page that was read already")
		}
		at = page.Next
	}
}

// A Row is one value of a listing, with its identity.
type Row[T any] struct {
	Value T
	ID    string
	// Created is when the object was created, by the provider's clock; zero if
	// unknown. Only FollowCounted uses it.
	Created time.Time
}

// Rows converts the records of a page. It ends with the first error.
func Rows[R, T any](records []R, convert func(R) (Row[T], error)) ([]Row[T], error) {
	rows := make([]Row[T], 0, len(records))
	for _, record := range records {
		row, err := convert(record)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// FollowOnce is Follow, except that it passes the row of each ID to emit once:
// pages may overlap if the listing changes while it is read. A page without a new
// ID counts as an empty page.
func FollowOnce[T any](ctx context.Context, first string, fetch func(ctx context.Context, at string) (Page[Row[T]], error), emit func(T) bool) error {
	seen := make(map[string]bool)
	return Follow(ctx, first, func(ctx context.Context, at string) (Page[Row[T]], error) {
		page, err := fetch(ctx, at)
		page.Rows = slices.DeleteFunc(page.Rows, func(row Row[T]) bool {
			again := seen[row.ID]
			seen[row.ID] = true
			return again
		})
		return page, err
	}, func(row Row[T]) bool { return emit(row.Value) })
}

// countedTries is how often FollowCounted reads a listing that changes while it is
// read.
const countedTries = 3

// FollowCounted is Follow for a listing whose pages are positions (page numbers,
// offsets). If a row is removed while such a listing is read, the rows behind it
// move forward, and one of them may be on no page that is read, although each page
// looks complete.
//
// FollowCounted therefore counts the rows that existed when the first page was
// answered. The listing is complete if there are as many of them as the first page
// stated as Total, and if as many rows came as the last page states. A row existed at
// the time of the first page if it was created before it, or was on the first page,
// or came in an earlier reading. If neither that nor its Created and the provider's
// clock are known, the listing is read again; so a listing of several pages without
// Created is read twice.
//
// A page with known rows only ends a reading: the provider ignores the position, or
// the rows moved by a whole page. A reading also ends once more rows came than are
// stated, since such a listing might have no end.
//
// A listing that is not complete is read again, at most three times in all. No row
// is passed to emit twice. Every page must state its Total.
func FollowCounted[T any](ctx context.Context, first string, fetch func(ctx context.Context, at string) (Page[Row[T]], error), emit func(T) bool) error {
	var got, want, undated int
	var came, stated int // the different rows of a reading, and the Total of its latest page
	var stuck bool
	listed := make(map[string]int) // by ID: the number of the last reading that had it
	for try := 1; try <= countedTries; try++ {
		pages, stopped := 0, false
		var began time.Time
		got, undated, came, stuck = 0, 0, 0, false
		counted := func(ctx context.Context, at string) (Page[Row[T]], error) {
			page, err := fetch(ctx, at)
			if pages++; pages == 1 {
				want, began = page.Total, page.At
			}
			stated = page.Total
			fresh := func(row Row[T]) bool { return listed[row.ID] != try }
			stuck = len(page.Rows) > 0 && !slices.ContainsFunc(page.Rows, fresh)
			if stuck || came > max(want, stated) {
				page.Next = ""
			}
			return page, err
		}
		err := Follow(ctx, first, counted, func(row Row[T]) bool {
			last := listed[row.ID]
			listed[row.ID] = try
			if last != try {
				came++
			}
			switch existed := pages == 1 || last > 0; {
			case last == try:
			case !existed && (row.Created.IsZero() || began.IsZero()):
				undated++
			case existed || row.Created.Before(began.Add(time.Second)):
				got++
			}
			stopped = last == 0 && !emit(row.Value)
			return !stopped
		})
		if err != nil || stopped || got == want && undated == 0 && !stuck && came >= stated {
			return err
		}
	}
	if got == want {
		got, want = came, stated
	}
	why := "it changes while it is read"
	if stuck {
		why = "a page held only what came before, so the page that is asked for seems to be of no matter"
	}
	return &Error{
		Reason: sources.ErrUnavailable,
		Detail: fmt.Sprintf("the listing does not hold together: %d of %d came, read %d times; %s", got, want, countedTries, why),
	}
}
