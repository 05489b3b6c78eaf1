package sourcetest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-go/usher/sources"
)

// DirectoryConfig is what a [Directory] holds at first. The zero value is an
// empty directory.
type DirectoryConfig struct {
	// Kind and Connection are those of Info; they default to "test".
	Kind, Connection string
	// Lists is what a listing proves. The zero value means everything, since the
	// listings of a Directory are complete.
	Lists sources.Facts
	// PageSize is the number of users, groups or answers in a page; 0 means 2.
	PageSize int

	Users  []sources.User
	Groups []sources.Group
	// Matches gives for each query the IDs of the users that it selects. Other
	// queries are refused.
	Matches map[string][]string
}

// A Directory is a directory in memory and a source over it, with every ability. A
// host can test its rules with it, and change or break it between two readings. It
// has pages like a provider, and each page counts as one request. A Directory is
// safe for concurrent use. A listing shows the directory as it was at the beginning
// of the listing.
type Directory struct {
	info     sources.Info
	pageSize int

	mu       sync.Mutex
	users    map[string]sources.User
	groups   map[string]sources.Group
	matches  map[string][]string
	log      []entry // the changes, for deltas
	epoch    int     // cursors of an earlier epoch have expired
	requests int
	failed   int
	failFrom int // the first request that fails
	failure  error
}

// An entry of the log says whose state changed.
type entry struct {
	group bool
	id    string
}

var (
	_ sources.DeltaSource  = (*Directory)(nil)
	_ sources.BatchMatcher = (*Directory)(nil)
	_ sources.OneReader    = (*Directory)(nil)
	_ sources.Checker      = (*Directory)(nil)
)

// NewDirectory returns a directory with copies of what cfg has. If two entries have
// the same ID, the second counts.
func NewDirectory(cfg DirectoryConfig) *Directory {
	d := &Directory{
		info:     sources.Info{Kind: cfg.Kind, Connection: cfg.Connection, Lists: cfg.Lists},
		pageSize: cfg.PageSize,
		users:    make(map[string]sources.User),
		groups:   make(map[string]sources.Group),
		matches:  make(map[string][]string),
	}
	if d.info.Kind == "" {
		d.info.Kind = "test"
	}
	if d.info.Connection == "" {
		d.info.Connection = "test"
	}
	if d.info.Lists == 0 {
		d.info.Lists = sources.FactAll
	}
	if d.pageSize < 1 {
		d.pageSize = 2
	}
	d.PutUsers(cfg.Users...)
	d.PutGroups(cfg.Groups...)
	for query, ids := range cfg.Matches {
		d.SetMatches(query, ids...)
	}
	return d
}

// PutUsers adds users, and replaces those with the same ID.
func (d *Directory) PutUsers(users ...sources.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range users {
		d.users[u.ID] = u.Clone()
		d.log = append(d.log, entry{id: u.ID})
	}
}

// RemoveUsers removes users. Groups keep them as members.
func (d *Directory) RemoveUsers(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.users, id)
		d.log = append(d.log, entry{id: id})
	}
}

// PutGroups adds groups, and replaces those with the same ID.
func (d *Directory) PutGroups(groups ...sources.Group) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range groups {
		d.groups[g.ID] = cloneGroup(g)
		d.log = append(d.log, entry{group: true, id: g.ID})
	}
}

// RemoveGroups removes groups.
func (d *Directory) RemoveGroups(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.groups, id)
		d.log = append(d.log, entry{group: true, id: id})
	}
}

// SetMatches makes query select the users with the given IDs.
func (d *Directory) SetMatches(query string, ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.matches[query] = slices.Clone(ids)
}

// ExpireCursors makes the directory refuse all cursors that it has given.
func (d *Directory) ExpireCursors() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.epoch++
}

// FailFrom makes all requests fail after n more successful ones, with the reason
// err, one of the Err variables of package sources. A nil err ends that.
func (d *Directory) FailFrom(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failFrom, d.failure, d.failed = d.requests+n, err, 0
}

// Requests returns how many requests were made so far.
func (d *Directory) Requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

// Failed returns how many requests failed since the last FailFrom.
func (d *Directory) Failed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// Info implements sources.Source.
func (d *Directory) Info() sources.Info { return d.info }

// Users implements sources.Source. It yields users ordered by ID.
func (d *Directory) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return pages(ctx, d, "list users", func() ([]sources.User, error) {
		return sorted(d.users, sources.User.Clone), nil
	})
}

// Groups implements sources.Source. It yields groups ordered by ID.
func (d *Directory) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return pages(ctx, d, "list groups", func() ([]sources.Group, error) {
		return sorted(d.groups, cloneGroup), nil
	})
}

// Match implements sources.Matcher.
func (d *Directory) Match(ctx context.Context, query string) iter.Seq2[string, error] {
	return pages(ctx, d, "match", func() ([]string, error) {
		ids, ok := d.matches[query]
		if !ok {
			return nil, &sources.Error{Kind: d.info.Kind, Op: "match", Reason: sources.ErrBadQuery}
		}
		return slices.Clone(ids), nil
	})
}

// UsersAndMatches implements sources.BatchMatcher. An answer is still a listing of
// its own, since queries cost nothing here.
func (d *Directory) UsersAndMatches(ctx context.Context, _ []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
	return d.Users(ctx), func(query string) iter.Seq2[string, error] { return d.Match(ctx, query) }
}

// One implements sources.OneReader. It leaves a query unanswered that the directory
// does not have.
func (d *Directory) One(ctx context.Context, id string, queries ...string) (sources.One, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.request(ctx, "read one"); err != nil {
		return sources.One{}, err
	}
	u, ok := d.users[id]
	if !ok {
		return sources.One{Proven: d.info.Lists & sources.FactUsers}, nil
	}
	one := sources.One{
		Found: true, User: u.Clone(),
		Proven: d.info.Lists & (sources.FactUsers | sources.FactMemberships | sources.FactManagers),
	}
	for _, groupID := range sortedKeys(d.groups) {
		if g := d.groups[groupID]; slices.Contains(g.Members, id) {
			one.Groups = append(one.Groups, sources.Group{ID: g.ID, Name: g.Name})
		}
	}
	for _, query := range queries {
		if ids, known := d.matches[query]; known {
			if one.Matches == nil {
				one.Matches = map[string]bool{}
			}
			one.Matches[query] = slices.Contains(ids, id)
		}
	}
	return one, nil
}

// Check implements sources.Checker.
func (d *Directory) Check(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.request(ctx, "check")
}

// Changes implements sources.DeltaSource. Several changes of one object come once,
// with its present state.
func (d *Directory) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return pages(ctx, d, "list changes", func() ([]sources.Change, error) {
		from, err := d.place(after)
		if err != nil {
			return nil, err
		}
		var changes []sources.Change
		told := make(map[entry]bool)
		for _, e := range d.log[from:] {
			if !told[e] {
				told[e] = true
				changes = append(changes, d.state(e))
			}
		}
		next := fmt.Sprintf("%d.%d", d.epoch, len(d.log))
		return append(changes, sources.Change{Next: sources.Cursor(next)}), nil
	})
}

// place returns the position of a cursor in the log.
func (d *Directory) place(after sources.Cursor) (int, error) {
	if after == "" {
		return 0, nil
	}
	epoch, position, _ := strings.Cut(string(after), ".")
	from, err := strconv.Atoi(position)
	if err != nil || epoch != strconv.Itoa(d.epoch) || from < 0 || from > len(d.log) {
		return 0, &sources.Error{Kind: d.info.Kind, Op: "list changes", Reason: sources.ErrCursorExpired}
	}
	return from, nil
}

// state returns the present state of the object of an entry.
func (d *Directory) state(e entry) sources.Change {
	if e.group {
		if g, ok := d.groups[e.id]; ok {
			g = cloneGroup(g)
			return sources.Change{Group: &g}
		}
		return sources.Change{GroupRemoved: e.id}
	}
	if u, ok := d.users[e.id]; ok {
		u = u.Clone()
		return sources.Change{User: &u}
	}
	return sources.Change{UserRemoved: e.id}
}

// request counts a request and returns an error if it has to fail.
func (d *Directory) request(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return &sources.Error{Kind: d.info.Kind, Op: op, Err: err}
	}
	d.requests++
	if d.failure != nil && d.requests > d.failFrom {
		d.failed++
		return &sources.Error{Kind: d.info.Kind, Op: op, Reason: d.failure}
	}
	return nil
}

// pages yields what read returns, and counts a request for each page.
func pages[T any](ctx context.Context, d *Directory, op string, read func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		var rest []T
		for first := true; first || len(rest) > 0; first = false {
			err := func() (err error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				if err = d.request(ctx, op); err == nil && first {
					rest, err = read()
				}
				return err
			}()
			if err != nil {
				yield(none, err)
				return
			}
			page := rest[:min(d.pageSize, len(rest))]
			rest = rest[len(page):]
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// sorted returns copies of the values of m, ordered by key.
func sorted[T any](m map[string]T, clone func(T) T) []T {
	list := make([]T, 0, len(m))
	for _, id := range sortedKeys(m) {
		list = append(list, clone(m[id]))
	}
	return list
}

func cloneGroup(g sources.Group) sources.Group {
	g.Members = slices.Clone(g.Members)
	return g
}
