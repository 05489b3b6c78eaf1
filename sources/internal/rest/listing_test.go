package rest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
)

func TestListYieldsOneErrorLast(t *testing.T) {
	cause := errors.New("cause")
	three := func(emit func(int) bool) error {
		for i := range 3 {
			if !emit(i + 1) {
				return errors.New("not to be seen")
			}
		}
		return cause
	}
	var got []string
	for n, err := range List("acme", "list numbers", three) {
		got = append(got, fmt.Sprint(n, err))
	}
	assert.Equal(t, []string{"1 <nil>", "2 <nil>", "3 <nil>", "0 acme: list numbers: cause"}, got)

	for range List("acme", "list numbers", three) {
		break // emit says so, and the error that follows is nobody's
	}
	List("acme", "list numbers", func(emit func(int) bool) error {
		assert.False(t, emit(1))
		assert.False(t, emit(2), "said again, and the caller is not called again")
		return nil
	})(func(int, error) bool { return false })
}

// pagesOf serves pages by name.
func pagesOf(pages map[string]Page[string]) func(context.Context, string) (Page[string], error) {
	return func(_ context.Context, at string) (Page[string], error) { return pages[at], nil }
}

func follow(t *testing.T, fetch func(context.Context, string) (Page[string], error)) ([]string, error) {
	var rows []string
	err := Follow(t.Context(), "", fetch, func(row string) bool {
		rows = append(rows, row)
		return true
	})
	return rows, err
}

func TestFollow(t *testing.T) {
	rows, err := follow(t, pagesOf(map[string]Page[string]{
		"": {Rows: []string{"a", "b"}, Next: "2"}, "2": {Next: "3"}, "3": {Rows: []string{"c"}},
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, rows)

	for name, pages := range map[string]map[string]Page[string]{
		"itself":    {"": {Next: "2"}, "2": {Next: "2"}},
		"the first": {"": {Next: "2"}, "2": {Next: "3"}, "3": {Next: "2"}},
	} {
		_, err = follow(t, pagesOf(pages))
		require.ErrorIs(t, err, sources.ErrMalformed, name)
		require.ErrorContains(t, err, "read already", name)
	}

	n := 0
	_, err = follow(t, func(context.Context, string) (Page[string], error) {
		n++
		return Page[string]{Next: strconv.Itoa(n)}, nil
	})
	require.ErrorContains(t, err, "pages in a row hold nothing")
	assert.Equal(t, maxEmptyPages+1, n)

	failed := errors.New("failed")
	_, err = follow(t, func(context.Context, string) (Page[string], error) { return Page[string]{}, failed })
	assert.Equal(t, failed, err)
}

// A repeated row is emitted once. A provider that repeats rows without end, with
// new links each time, gives an error.
func TestFollowOnce(t *testing.T) {
	n, rounds := 0, 3
	var rows []string
	read := func() error {
		n, rows = 0, nil
		return FollowOnce(t.Context(), "", func(context.Context, string) (Page[Row[string]], error) {
			page := Page[Row[string]]{Rows: []Row[string]{{Value: "a", ID: "a"}, {Value: "b", ID: "b"}, {Value: "a", ID: "a"}}}
			if n++; n == 2 {
				page.Rows = append(page.Rows, Row[string]{Value: "c", ID: "c"})
			}
			if n != rounds {
				page.Next = strconv.Itoa(n)
			}
			return page, nil
		}, func(row string) bool {
			rows = append(rows, row)
			return true
		})
	}
	require.NoError(t, read())
	assert.Equal(t, []string{"a", "b", "c"}, rows)

	rounds = 0 // without an end
	err := read()
	require.ErrorIs(t, err, sources.ErrMalformed)
	require.ErrorContains(t, err, "pages in a row hold nothing new")
	assert.Equal(t, 2+maxEmptyPages+1, n)
}

// A shifting list is paged by position and changes while it is read.
type shifting struct {
	rows    []Row[string]
	size    int
	now     time.Time
	between func(l *shifting, page int) // before each page but the first of all
	pages   int
	noClock bool
}

func (l *shifting) fetch(_ context.Context, at string) (Page[Row[string]], error) {
	if l.pages > 0 && l.between != nil {
		l.between(l, l.pages)
	}
	l.pages++
	first, _ := strconv.Atoi(at)
	p := Page[Row[string]]{Total: len(l.rows), At: l.now}
	if l.noClock {
		p.At = time.Time{}
	}
	first = min(first, len(l.rows))
	last := min(first+l.size, len(l.rows))
	p.Rows = append(p.Rows, l.rows[first:last]...)
	if last < len(l.rows) {
		p.Next = strconv.Itoa(last)
	}
	return p, nil
}

func (l *shifting) add(id string) {
	l.rows = append(l.rows, Row[string]{Value: id, ID: id, Created: l.now})
}

func (l *shifting) read(t require.TestingT) ([]string, error) {
	var got []string
	err := FollowCounted(context.Background(), "", l.fetch, func(v string) bool {
		got = append(got, v)
		return true
	})
	seen := map[string]bool{}
	for _, v := range got {
		require.False(t, seen[v], "%s came twice", v)
		seen[v] = true
	}
	return got, err
}

func newShifting(n, size int) *shifting {
	l := &shifting{size: size, now: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := range n {
		l.add(strconv.Itoa(i))
	}
	l.now = l.now.Add(time.Hour)
	return l
}

func TestFollowCounted(t *testing.T) {
	l := newShifting(5, 2)
	got, err := l.read(t)
	require.NoError(t, err)
	assert.Equal(t, []string{"0", "1", "2", "3", "4"}, got)
	assert.Equal(t, 3, l.pages)

	l = newShifting(0, 2)
	got, err = l.read(t)
	require.NoError(t, err)
	assert.Empty(t, got)

	// Rows that are created during the reading need no second reading.
	l = newShifting(5, 2)
	l.between = func(l *shifting, page int) {
		l.now = l.now.Add(time.Minute)
		l.add("new " + strconv.Itoa(page))
	}
	got, err = l.read(t)
	require.NoError(t, err)
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "new 1"}, got[:6])

	// A total that is never reached ends in an error.
	l = newShifting(5, 2)
	l.between = func(l *shifting, page int) {
		if page%3 == 1 {
			l.now = l.now.Add(time.Minute)
			l.rows = l.rows[1:]
			l.add("new " + strconv.Itoa(page))
		}
	}
	_, err = l.read(t)
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.ErrorContains(t, err, "4 of 5 came, read 3 times")

	// Repeated pages end in an error, whatever their links, even if the total is
	// reached.
	for _, total := range []int{2, 5} {
		n := 0
		err = FollowCounted(t.Context(), "", func(context.Context, string) (Page[Row[string]], error) {
			n++
			return Page[Row[string]]{Rows: []Row[string]{{ID: "1"}, {ID: "2"}}, Total: total, Next: strconv.Itoa(n)}, nil
		}, func(string) bool { return true })
		require.ErrorContains(t, err, "a page held only what came before")
		assert.Equal(t, 6, n)
	}

	// Reading ends when the caller leaves the loop.
	l = newShifting(5, 2)
	n := 0
	require.NoError(t, FollowCounted(t.Context(), "", l.fetch, func(string) bool { n++; return n < 3 }))
	assert.Equal(t, 3, n)
	assert.Equal(t, 2, l.pages)

	// Without a clock, a row existed if it was on the first page or in an earlier
	// reading.
	l = newShifting(5, 2)
	l.noClock = true
	l.between = func(l *shifting, page int) {
		if page == 1 {
			l.add("new")
		}
	}
	got, err = l.read(t)
	require.NoError(t, err)
	assert.Len(t, got, 6)
	assert.Equal(t, 6, l.pages, "read twice")
	l = newShifting(2, 2)
	l.noClock = true
	_, err = l.read(t)
	require.NoError(t, err)
	assert.Equal(t, 1, l.pages)

	// A row that is created during the reading does not stand for a skipped one.
	for _, hide := range []func(*shifting){func(l *shifting) { l.noClock = true }, func(l *shifting) {
		for i := range l.rows {
			l.rows[i].Created = time.Time{}
		}
	}} {
		l = newShifting(5, 2)
		hide(l)
		l.between = func(l *shifting, page int) {
			if page == 1 { // 2 moves to the place of 0, and is not on the second page
				l.rows = l.rows[1:]
				l.rows = append(l.rows, Row[string]{Value: "new", ID: "new"})
			}
		}
		got, err = l.read(t)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"0", "1", "2", "3", "4", "new"}, got)
	}
}

// S12: whatever is added, removed and moved during the reading, every row that
// existed all the time is listed, or there is an error; also if the provider states
// no clock or no times of creation.
func TestFollowCountedNeverListsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newShifting(rapid.IntRange(0, 12).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "size"))
		throughout := map[string]bool{}
		for _, row := range l.rows {
			throughout[row.ID] = true
		}
		l.noClock = rapid.Bool().Draw(t, "no clock")
		undated := rapid.Bool().Draw(t, "undated")
		for i := range l.rows {
			if undated {
				l.rows[i].Created = time.Time{}
			}
		}
		changes := rapid.IntRange(0, 4).Draw(t, "changes")
		l.between = func(l *shifting, page int) {
			l.now = l.now.Add(5 * time.Second)
			for range min(changes, rapid.IntRange(0, 2).Draw(t, "now")) {
				changes--
				what := rapid.SampledFrom([]string{"add", "remove", "move"}).Draw(t, "what")
				if len(l.rows) > 0 && what != "add" {
					i := rapid.IntRange(0, len(l.rows)-1).Draw(t, "which")
					row := l.rows[i]
					l.rows = append(l.rows[:i:i], l.rows[i+1:]...)
					if what == "remove" {
						delete(throughout, row.ID)
					} else {
						l.rows = slices.Insert(slices.Clone(l.rows), rapid.IntRange(0, len(l.rows)).Draw(t, "to"), row)
					}
				} else {
					i := rapid.IntRange(0, len(l.rows)).Draw(t, "where")
					id := "new " + strconv.Itoa(page) + " " + strconv.Itoa(changes)
					row := Row[string]{Value: id, ID: id}
					if !undated {
						row.Created = l.now
					}
					l.rows = slices.Insert(slices.Clone(l.rows), i, row)
				}
			}
		}
		got, err := l.read(t)
		if err != nil {
			return
		}
		for _, id := range got {
			delete(throughout, id)
		}
		require.Empty(t, throughout, "these were there all the time")
	})
}
