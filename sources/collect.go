package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// The limits of [Collect] where its config gives none. They are far above any
// directory this library was built for; their purpose is that a provider that
// pages in a circle ends in an error instead of in all memory.
const (
	DefaultMaxUsers       = 5_000_000
	DefaultMaxGroups      = 1_000_000
	DefaultMaxMemberships = 50_000_000
)

// ProgressEvery is the number of items of one listing between two calls of
// CollectConfig.Progress.
const ProgressEvery = 1000

// CollectConfig says what [Collect] and [Refresh] read beyond users and groups,
// and where they stop. The zero value reads no query, reports no progress and
// has the default limits.
type CollectConfig struct {
	// Queries are asked one by one through [Match], each once, in sorted order.
	Queries []string

	// MaxUsers, MaxGroups and MaxMemberships bound what is kept; MaxUsers also
	// bounds the answer to each query. 0 stands for the default. A directory
	// beyond a limit gives an error that matches ErrTooLarge, and the listing
	// that met it proves nothing.
	MaxUsers       int
	MaxGroups      int
	MaxMemberships int

	// Taken is when the reading begins, by the caller's clock, since this
	// package reads none; it becomes Snapshot.Taken. Of a saved answer it is
	// when the answer was saved. The zero time leaves it out.
	Taken time.Time

	// Progress, if set, is called from the goroutine of the caller after every
	// ProgressEvery items of a listing and once at the listing's end.
	Progress func(Progress)
}

// Progress is how far a reading has come.
type Progress struct {
	// Op is what is being read: "list users", "list groups", "list
	// changes", or "match" and the query.
	Op string
	// Users, Groups and Memberships are the counts so far; Matches counts the
	// answers to all queries, Changes what a delta brought.
	Users, Groups, Memberships, Matches, Changes int
}

// Collect reads a directory into a snapshot: its users, its groups, and the
// answer to each query. What the snapshot proves is decided one by one (rule
// S12): users and managers if the listing of users ended without an error,
// groups and memberships if the listing of groups did, each only as far as
// Info.Lists says that a listing proves it. A query has an entry in Matches
// only if it was answered to its end.
//
// The snapshot is never nil. With an error, which joins all that failed, it
// holds what could be read and is as safe to use as any: nobody is taken to be
// gone on account of it. One listing that fails does not keep the next from
// being read, unless the credentials were refused or the context is done.
//
// A user or a group without an ID is left out and makes its listing an error
// that matches ErrMalformed and names the position. Collect changes neither
// order nor duplicates; a user listed twice is for the resolver to judge (S5).
func Collect(ctx context.Context, src Source, cfg CollectConfig) (*Snapshot, error) {
	c, err := newCollector(ctx, src, cfg)
	if err != nil {
		return c.snapshot, err
	}
	c.users()
	c.groups()
	c.queries()
	return c.snapshot, errors.Join(c.errs...)
}

// A collector fills one snapshot, listing by listing.
type collector struct {
	ctx      context.Context
	src      Source
	info     Info
	cfg      CollectConfig
	snapshot *Snapshot
	match    func(query string) iter.Seq2[string, error]
	progress Progress
	errs     []error
	stopped  bool // there is no point in asking the provider for more
}

func newCollector(ctx context.Context, src Source, cfg CollectConfig) (*collector, error) {
	c := &collector{ctx: ctx, src: src, cfg: cfg, snapshot: &Snapshot{Format: SnapshotFormat, Taken: cfg.Taken.UTC().Round(0)}}
	c.match = func(query string) iter.Seq2[string, error] { return Match(ctx, src, query) }
	if src == nil {
		return c, errors.New("sources: the source is nil")
	}
	c.info = src.Info()
	c.snapshot.Kind, c.snapshot.Connection = c.info.Kind, c.info.Connection
	for _, limit := range []struct {
		field  string
		value  *int
		preset int
	}{
		{"MaxUsers", &c.cfg.MaxUsers, DefaultMaxUsers},
		{"MaxGroups", &c.cfg.MaxGroups, DefaultMaxGroups},
		{"MaxMemberships", &c.cfg.MaxMemberships, DefaultMaxMemberships},
	} {
		if *limit.value < 0 {
			return c, fmt.Errorf("sources: CollectConfig.%s is %d: want 0 for the default, or a limit", limit.field, *limit.value)
		}
		if *limit.value == 0 {
			*limit.value = limit.preset
		}
	}
	if slices.Contains(cfg.Queries, "") {
		return c, errors.New("sources: CollectConfig.Queries holds an empty query")
	}
	return c, nil
}

func (c *collector) users() {
	users := c.src.Users(c.ctx)
	if batch, ok := As[BatchMatcher](c.src); ok && len(c.cfg.Queries) > 0 {
		users, c.match = batch.UsersAndMatches(c.ctx, c.cfg.Queries)
	}
	if drain(c, "list users", users, c.addUser) {
		c.snapshot.Proven |= c.info.Lists & (FactUsers | FactManagers)
	}
}

func (c *collector) addUser(u User, position int) error {
	if u.ID == "" {
		return fmt.Errorf("%w: user %d has no ID", ErrMalformed, position)
	}
	if len(c.snapshot.Users) == c.cfg.MaxUsers {
		return tooMany("users", c.cfg.MaxUsers)
	}
	c.snapshot.Users = append(c.snapshot.Users, u)
	c.progress.Users++
	return nil
}

func (c *collector) groups() {
	if drain(c, "list groups", c.src.Groups(c.ctx), c.addGroup) {
		c.snapshot.Proven |= c.info.Lists & (FactGroups | FactMemberships)
	}
}

func (c *collector) addGroup(g Group, position int) error {
	if g.ID == "" {
		return fmt.Errorf("%w: group %d has no ID", ErrMalformed, position)
	}
	if len(c.snapshot.Groups) == c.cfg.MaxGroups {
		return tooMany("groups", c.cfg.MaxGroups)
	}
	if len(g.Members) > c.cfg.MaxMemberships-c.progress.Memberships {
		return tooMany("memberships", c.cfg.MaxMemberships)
	}
	c.snapshot.Groups = append(c.snapshot.Groups, g)
	c.progress.Groups++
	c.progress.Memberships += len(g.Members)
	return nil
}

func (c *collector) queries() {
	for _, query := range slices.Compact(slices.Sorted(slices.Values(c.cfg.Queries))) {
		ids := []string{} // an answer without a match is empty, not absent
		answered := drain(c, fmt.Sprintf("match %q", query), c.match(query), func(id string, position int) error {
			if id == "" {
				return fmt.Errorf("%w: answer %d is an empty ID", ErrMalformed, position)
			}
			if len(ids) == c.cfg.MaxUsers {
				return tooMany("answers", c.cfg.MaxUsers)
			}
			ids = append(ids, id)
			c.progress.Matches++
			return nil
		})
		if !answered {
			continue
		}
		if c.snapshot.Matches == nil {
			c.snapshot.Matches = make(map[string][]string)
		}
		slices.Sort(ids)
		c.snapshot.Matches[query] = slices.Compact(ids)
	}
}

func tooMany(what string, limit int) error {
	return fmt.Errorf("%w: more than %d %s", ErrTooLarge, limit, what)
}

// drain hands every item of one listing to add, with its position from 0, and
// reports whether the listing came to its end and all of it was good. An item
// that is not good is left out and the rest still read; beyond a limit nothing
// more is read.
func drain[T any](c *collector, op string, seq iter.Seq2[T, error], add func(T, int) error) bool {
	if c.stopped {
		return false
	}
	c.progress.Op = op
	var failed error
	position := 0
	for item, err := range seq {
		if err != nil {
			failed = errors.Join(failed, err)
			break
		}
		if err := add(item, position); err != nil {
			if failed == nil || errors.Is(err, ErrTooLarge) {
				failed = errors.Join(failed, err)
			}
			if errors.Is(err, ErrTooLarge) {
				break
			}
		}
		position++
		if position%ProgressEvery == 0 {
			c.report()
		}
	}
	c.report()
	if failed == nil {
		// A source that ends silently when its context is done must not turn a
		// cancellation into proof that the rest is gone.
		failed = c.ctx.Err()
	}
	if failed == nil {
		return true
	}
	c.fail(op, failed)
	return false
}

// fail records the error of one listing and decides whether to go on.
func (c *collector) fail(op string, err error) {
	var known *Error
	switch named := errors.As(err, &known); {
	case !named:
		err = &Error{Kind: c.info.Kind, Op: op, Err: err}
	case strings.HasPrefix(op, "match "): // which of the queries, the source's error need not say
		err = fmt.Errorf("%s: %w", op, err)
	}
	c.errs = append(c.errs, err)
	c.stopped = c.ctx.Err() != nil || errors.Is(err, ErrUnauthorized)
}

func (c *collector) report() {
	if c.cfg.Progress != nil {
		c.cfg.Progress(c.progress)
	}
}
