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

// The default limits of [Collect]. They are far above the size of any directory;
// their purpose is that a provider whose pages never end causes an error before
// memory runs out.
const (
	DefaultMaxUsers       = 5_000_000
	DefaultMaxGroups      = 1_000_000
	DefaultMaxMemberships = 50_000_000
)

// ProgressEvery is the number of items of one listing between two calls of
// CollectConfig.Progress.
const ProgressEvery = 1000

// CollectConfig says what [Collect] and [Refresh] read besides users and groups,
// and where they stop. The zero value asks no query, reports no progress and has
// the default limits.
type CollectConfig struct {
	// Queries are asked through [Match], each once, in sorted order.
	Queries []string

	// MaxUsers, MaxGroups and MaxMemberships limit what is kept; MaxUsers also
	// limits the answer to each query. 0 means the default. Beyond a limit, the
	// error matches ErrTooLarge and the listing proves nothing.
	MaxUsers       int
	MaxGroups      int
	MaxMemberships int

	// Taken is the time at which the reading begins, or at which a saved answer was
	// saved. The caller states it, since this package reads no clock. It becomes
	// Snapshot.Taken; the zero time is left out there.
	Taken time.Time

	// Progress, if set, is called in the goroutine of the caller after every
	// ProgressEvery items of a listing and at the end of the listing.
	Progress func(Progress)
}

// Progress says how far a reading has come.
type Progress struct {
	// Op is what is being read: "list users", "list groups", "list
	// changes", or "match" and the query.
	Op string
	// Users, Groups and Memberships are the counts so far. Matches counts the
	// answers to all queries, Changes the changes of a delta.
	Users, Groups, Memberships, Matches, Changes int
}

// Collect reads a directory into a snapshot: its users, its groups, and the answer
// to each query. Each listing proves its own facts (rule S12): FactUsers and
// FactManagers are proven if the listing of users ended without an error,
// FactGroups and FactMemberships if the listing of groups did, both only as far as
// Info.Lists contains them. Matches has an entry for a query only if its answer is
// complete.
//
// The snapshot is never nil. The error joins the errors of all listings. A snapshot
// that comes with an error holds what could be read and is safe to use: it does not
// prove that anybody is absent. After a failed listing the next one is still read,
// unless the credentials were refused or the context is done.
//
// A user or group without an ID is left out, and its listing fails with an error
// that matches ErrMalformed and names the position. Collect keeps order and
// duplicates; the resolver decides about a user who is listed twice (S5).
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
	stopped  bool // nothing more is asked for
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
		ids := []string{} // an answer without a match is empty, not nil
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

// drain passes every item of a listing, with its position from 0, to add, and
// reports whether the listing is complete and all items were accepted. If add
// refuses an item, the rest is still read, unless a limit is reached.
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
		// A source that ends without an error although its context is done has not
		// proven anything.
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
	case strings.HasPrefix(op, "match "): // the error of the source need not name the query
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
