package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Refresh brings a snapshot up to date. If src is a [DeltaSource], it reads only
// what changed after the cursor and applies that to a copy of prev. It never
// changes prev, but the copy may share the values inside users and groups with it.
// It returns the new snapshot and the cursor for the next call; store both
// together.
//
// Refresh reads everything again if there is no cursor, if the cursor has expired,
// or if prev is nil, is of another connection or does not prove its users. It then
// reads a DeltaSource from the empty cursor, so that the next call has a cursor to
// start from. Any other source is always read by [Collect], and the returned cursor
// is empty. Groups that prev does not prove are listed again. Queries are asked
// again at every call.
//
// After an error, the snapshot is partial, as it is from Collect, and the returned
// cursor is the given one: reading the same changes twice does no harm. A round
// that ends without a Next cursor is incomplete. Its snapshot proves nothing about
// users and groups, since it may hold that somebody left, and lack that they came
// back (S12).
func Refresh(ctx context.Context, src Source, prev *Snapshot, at Cursor, cfg CollectConfig) (*Snapshot, Cursor, error) {
	delta, ok := As[DeltaSource](src)
	if !ok {
		snapshot, err := Collect(ctx, src, cfg)
		return snapshot, "", err
	}
	c, err := newCollector(ctx, src, cfg)
	if err != nil {
		return c.snapshot, at, err
	}
	if !c.extends(prev) {
		at = ""
	}
	if at == "" { // everything is listed and proves what a listing proves
		prev = &Snapshot{Proven: c.info.Lists}
	}
	next, err := c.changes(delta, prev, at)
	if errors.Is(err, ErrCursorExpired) {
		if at != "" {
			return Refresh(ctx, src, nil, "", cfg)
		}
		snapshot, err := Collect(ctx, src, cfg)
		return snapshot, "", err
	}
	if err != nil {
		c.fail(opChanges, err)
	} else if c.snapshot.Proven = prev.Proven & c.info.Lists; c.snapshot.Proven != c.info.Lists {
		c.snapshot.Groups, c.progress.Groups, c.progress.Memberships = nil, 0, 0
		c.groups()
	}
	c.queries()
	if len(c.errs) > 0 {
		next = at
	}
	return c.snapshot, next, errors.Join(c.errs...)
}

const opChanges = "list changes"

// extends reports whether a delta can be applied to prev. prev has to prove the
// facts that a delta alone cannot.
func (c *collector) extends(prev *Snapshot) bool {
	return prev != nil && SameKind(prev.Kind, c.info.Kind) && prev.Connection == c.info.Connection &&
		prev.Proven.Has(FactUsers|c.info.Lists&FactManagers)
}

// changes reads one round of changes and applies them to a copy of base. If the
// error is nil, the round is complete.
func (c *collector) changes(src DeltaSource, base *Snapshot, at Cursor) (Cursor, error) {
	users, groups := make(overlay[User]), make(overlay[Group])
	next, err := c.round(src.Changes(c.ctx, at), users, groups)

	c.snapshot.Users = users.over(base.Users, func(u User) string { return u.ID })
	c.snapshot.Groups = groups.over(base.Groups, func(g Group) string { return g.ID })
	c.progress.Users, c.progress.Groups, c.progress.Memberships = len(c.snapshot.Users), len(c.snapshot.Groups), 0
	for _, g := range c.snapshot.Groups {
		c.progress.Memberships += len(g.Members)
	}
	c.report()
	if err == nil {
		err = c.withinLimits(c.progress)
	}
	return next, err
}

// round reads changes up to the next cursor. An invalid change ends the round,
// since the next cursor would skip it for good.
func (c *collector) round(seq iter.Seq2[Change, error], users overlay[User], groups overlay[Group]) (Cursor, error) {
	c.progress.Op = opChanges
	members := 0
	for change, err := range seq {
		if err != nil {
			return "", err
		}
		if err := change.check(); err != nil {
			return "", fmt.Errorf("%w: change %d: %w", ErrMalformed, c.progress.Changes, err)
		}
		switch {
		case change.User != nil:
			users[change.User.ID] = change.User
		case change.UserRemoved != "":
			users[change.UserRemoved] = nil
		case change.Group != nil:
			members += len(change.Group.Members) - memberCount(groups[change.Group.ID])
			groups[change.Group.ID] = change.Group
		case change.GroupRemoved != "":
			members -= memberCount(groups[change.GroupRemoved])
			groups[change.GroupRemoved] = nil
		default:
			return change.Next, c.ctx.Err()
		}
		if err := c.withinLimits(Progress{Users: len(users), Groups: len(groups), Memberships: members}); err != nil {
			return "", err
		}
		if c.progress.Changes++; c.progress.Changes%ProgressEvery == 0 {
			c.report()
		}
	}
	if err := c.ctx.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%w: the round of changes ended without a cursor", ErrMalformed)
}

func memberCount(g *Group) int {
	if g == nil {
		return 0
	}
	return len(g.Members)
}

func (c *collector) withinLimits(p Progress) error {
	switch {
	case p.Users > c.cfg.MaxUsers:
		return tooMany("users", c.cfg.MaxUsers)
	case p.Groups > c.cfg.MaxGroups:
		return tooMany("groups", c.cfg.MaxGroups)
	case p.Memberships > c.cfg.MaxMemberships:
		return tooMany("memberships", c.cfg.MaxMemberships)
	}
	return nil
}

// check returns an error if c is not a valid change.
func (c Change) check() error {
	set := 0
	for _, given := range []bool{c.User != nil, c.UserRemoved != "", c.Group != nil, c.GroupRemoved != "", c.Next != ""} {
		if given {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("%d fields are set, want exactly one", set)
	case c.User != nil && c.User.ID == "":
		return errors.New("the user has no ID")
	case c.Group != nil && c.Group.ID == "":
		return errors.New("the group has no ID")
	}
	return nil
}

// An overlay holds the latest state of everything that changed, by ID; nil means
// removed.
type overlay[T any] map[string]*T

// over applies the overlay to base. Changed values keep their places; new ones
// follow, sorted by ID.
func (o overlay[T]) over(base []T, id func(T) string) []T {
	result := make([]T, 0, len(base)+len(o))
	placed := make(map[string]bool, len(o))
	for _, value := range base {
		key := id(value)
		latest, changed := o[key]
		switch {
		case !changed:
			result = append(result, value)
		case latest != nil && !placed[key]:
			result = append(result, *latest)
			placed[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if latest := o[key]; latest != nil && !placed[key] {
			result = append(result, *latest)
		}
	}
	return result
}
