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

// List returns the iteration of a source's listing: what read hands to emit,
// and then the error of read, wrapped by [Wrap], beside a zero value. read
// returns as soon as emit reports false, which says that the caller has broken
// off; an error that it returns after that is not yielded.
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
	// Next says how to ask for the next page. It is empty only where the
	// provider itself says that this page is the last.
	Next string
	// Total is how many rows the provider says that the whole listing has. Only
	// FollowCounted reads it.
	Total int
	// At is the provider's clock when it answered, in whole seconds; zero if it
	// did not say. Only FollowCounted reads it.
	At time.Time
}

// Date returns the provider's clock as the answer states it, or zero.
func Date(header http.Header) time.Time {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// maxEmptyPages is how many pages without a row may follow one another. Some
// providers send a few (deltas of Microsoft Graph); a listing that consists of
// them never ends.
const maxEmptyPages = 1000

// Follow reads the pages of a listing from first to the page without Next and
// hands their rows to emit, until emit reports false. One page is held at a
// time. A page that was asked for before is an error: the listing runs in a
// circle.
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

// A Row is one thing that is listed, with what tells it from others.
type Row[T any] struct {
	Value T
	ID    string
	// Created is when it came into being, by the provider's clock; zero if that
	// is not known. Only FollowCounted reads it.
	Created time.Time
}

// Rows makes rows of the records of a page; the first record that is none ends that.
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

// FollowOnce is Follow for a listing that hands on each row once, however often
// its ID comes: pages overlap where a listing changes while it is read. A page that
// brings nothing but rows that came before counts as one without a row.
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

// countedTries is how often FollowCounted reads a listing that changes under it.
const countedTries = 3

// FollowCounted is Follow for a listing whose pages are positions (page
// numbers, offsets). There the removal of a row that was read moves the rows
// behind it forward, and one of them is never seen, on pages that look good one
// by one. So the listing counts as complete only if it holds as many of the
// rows that existed when its first page was answered as that page said there
// were: of those, none can be missing then. Rows that came into being later may
// or may not be among those listed. A row whose Created is not known, and every
// row where the provider states no clock, counts as one that existed.
//
// A page that brings nothing but rows that came before ends the reading short:
// the provider pays no heed to positions, or shifted that much.
//
// A listing that falls short is read again, three times in all, and what was
// handed out already is not handed out twice. Every page states its Total.
func FollowCounted[T any](ctx context.Context, first string, fetch func(ctx context.Context, at string) (Page[Row[T]], error), emit func(T) bool) error {
	var got, want int
	var stuck bool
	listed := make(map[string]int) // by ID: the last try in which it was seen
	for try := 1; try <= countedTries; try++ {
		pages, stopped := 0, false
		var began time.Time
		got, stuck = 0, false
		counted := func(ctx context.Context, at string) (Page[Row[T]], error) {
			page, err := fetch(ctx, at)
			if pages++; pages == 1 {
				want, began = page.Total, page.At
			}
			came := func(row Row[T]) bool { return listed[row.ID] == try }
			if stuck = len(page.Rows) > 0 && !slices.ContainsFunc(page.Rows, func(row Row[T]) bool { return !came(row) }); stuck {
				page.Next = ""
			}
			return page, err
		}
		err := Follow(ctx, first, counted, func(row Row[T]) bool {
			last := listed[row.ID]
			listed[row.ID] = try
			if last != try && (pages == 1 || row.Created.IsZero() || began.IsZero() || row.Created.Before(began.Add(time.Second))) {
				got++
			}
			stopped = last == 0 && !emit(row.Value)
			return !stopped
		})
		if err != nil || stopped || got == want && !stuck {
			return err
		}
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
