package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// collect reads a provider. If another process is reading it, collect fails with
// errLeased, except in a run that a caller requested. If the reading fails after
// a part, that part is decided (S12). If nothing could be read, collect returns
// an error.
func (r *round) collect(ctx context.Context) (*sources.Snapshot, error) {
	taken := r.setup.Taken
	if taken.IsZero() {
		taken = r.cfg.Now()
	}
	queries, err := r.queries()
	if err != nil {
		return nil, err
	}
	l, _, err := r.take(ctx, r.target.Tenant, readingName(r.target))
	switch {
	case err == nil:
		defer l.give(ctx)
	case !errors.Is(err, errLeased) || !r.job.admin:
		return nil, err
	}
	snapshot, err := r.refresh(ctx, sources.CollectConfig{
		Queries: queries, Taken: taken,
		Progress: func(p sources.Progress) {
			r.emit(ctx, Event{Kind: Read, Op: p.Op, Count: read(p)})
		},
	})
	if err != nil && (ctx.Err() != nil || snapshot.Proven == 0 && len(snapshot.Users) == 0) {
		return nil, err
	}
	if err != nil {
		r.failure = fmt.Errorf("syncer: %w: %w", errIncomplete, err)
	}
	return snapshot, nil
}

// A reading is the content of a pushed directory, read without the lock. The
// snapshot may or may not contain what was pushed after the cursor.
type reading struct {
	snapshot *sources.Snapshot
	cursor   sources.Cursor
	queries  []string
}

// config returns the configuration for reading what was pushed since the cursor.
// The snapshot that results is taken now.
func (d *reading) config(now time.Time) sources.CollectConfig {
	return sources.CollectConfig{Queries: d.queries, Taken: now}
}

// errUnread says that the directory has to be read completely, without the lock.
var errUnread = errors.New("the directory was not read")

// reads calls read, which reads a directory, while other rounds of the tenant go
// on. In one process, one round at a time reads a connection: if another round
// reads it, reads waits for the end of that reading and returns done false
// without calling read.
func (r *round) reads(ctx context.Context, read func() error) (done bool, err error) {
	r.mu.Lock()
	other := r.readings[r.target]
	if other == nil {
		r.reading = make(chan struct{})
		r.readings[r.target] = r.reading
	}
	r.mu.Unlock()
	aside := r.job.aside
	if aside == nil {
		aside = func(_ bool, do func()) { do() }
	}
	if other == nil || other == r.reading {
		aside(r.setup.Pushed, func() {
			if done, err = true, r.takeReader(ctx); err == nil {
				r.start(ctx)
				err = r.guard(ctx, r.target, read) // here, so that aside ends
			}
		})
		return done, err
	}
	aside(false, func() {
		select {
		case <-other:
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	return false, err
}

// takeReader takes a token of workers.readers, which the round keeps to its end.
// It waits until the context ends. A pushed directory needs no token.
func (r *round) takeReader(ctx context.Context) error {
	if r.setup.Pushed || r.reader || r.job.aside == nil {
		return nil
	}
	select {
	case r.workers.readers <- struct{}{}:
		r.reader = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endReading ends the reading of the connection, and its lease. Rounds that wait
// for it go on.
func (r *round) endReading(ctx context.Context) {
	if r.leased != nil {
		r.leased.give(ctx)
		r.leased = nil
	}
	if r.reading == nil {
		return
	}
	r.mu.Lock()
	delete(r.readings, r.target)
	r.mu.Unlock()
	close(r.reading)
	r.reading = nil
}

func readingName(target Target) string { return "read/" + target.Connection }

// isReadElsewhere reports whether another round, of any process, reads the
// directory in order to decide everybody.
func (r *round) isReadElsewhere(ctx context.Context) bool {
	_, _, err := r.free(ctx, r.target.Tenant, readingName(r.target))
	return errors.Is(err, errLeased)
}

// readPushed reads a pushed directory completely, without the lock.
func (r *round) readPushed(ctx context.Context) error {
	r.report.everybody = true
	queries, err := r.queries()
	if err != nil {
		return err
	}
	l, _, err := r.take(ctx, r.target.Tenant, readingName(r.target))
	if err != nil && !errors.Is(err, errLeased) {
		return err
	}
	if err == nil {
		r.leased = l
	}
	d := &reading{queries: queries}
	cfg := d.config(r.cfg.Now())
	cfg.Progress = func(p sources.Progress) {
		r.emit(ctx, Event{Kind: Read, Op: p.Op, Count: read(p)})
	}
	if d.cursor = r.st.Cursor; d.cursor != "" {
		feed, err := r.feed(ctx, d.cursor) // so that few changes are left to read under the lock
		if err != nil && !errors.Is(err, sources.ErrCursorExpired) {
			return err
		}
		d.cursor = feed.next
	}
	if d.cursor == "" {
		d.snapshot, d.cursor, err = sources.Refresh(ctx, r.setup.Source, nil, "", cfg)
	} else {
		d.snapshot, err = sources.Collect(ctx, r.setup.Source, cfg)
	}
	if err == nil {
		r.read = d
	}
	return err
}

// errIncomplete says that a part of a directory could not be read.
var errIncomplete = errors.New("the directory could not be read to its end")

// read returns how many items of the current operation have been read so far.
func read(p sources.Progress) int {
	switch p.Op {
	case "list users":
		return p.Users
	case "list groups":
		return p.Groups
	case "list changes":
		return p.Changes
	}
	return p.Matches
}

func (r *round) queries() ([]string, error) {
	resolver, err := provisioning.New(r.setup.Rules)
	if err != nil {
		return nil, err
	}
	return resolver.Queries(), nil
}

// A feed holds what changed in a pushed directory.
type feed struct {
	about   []string          // IDs of changed users, each once
	names   map[string]string // names of changed groups, by ID
	changed bool              // there is at least one change
	next    sources.Cursor    // after the last change
}

// feed reads what changed after a cursor. The source lists users who joined or left
// a group among the changed users. A change of the group itself concerns no user
// (S40).
func (r *round) feed(ctx context.Context, after sources.Cursor) (feed, error) {
	source, _ := sources.As[sources.DeltaSource](r.setup.Source)
	seen := make(map[string]bool)
	f := feed{names: make(map[string]string)}
	for change, err := range source.Changes(ctx, after) {
		switch {
		case err != nil:
			return f, err
		case change.User != nil:
			seen[change.User.ID] = true
		case change.UserRemoved != "":
			seen[change.UserRemoved] = true
		case change.Group != nil:
			f.names[change.Group.ID] = change.Group.Name
		case change.Next != "":
			f.next = change.Next
			continue
		}
		f.changed = true
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	if f.next == "" {
		return f, fmt.Errorf("syncer: changes of %s: %w: they ended without a cursor", r.target.Connection, sources.ErrMalformed)
	}
	f.about = slices.Sorted(maps.Keys(seen))
	return f, nil
}

// nameGroups records the names of the groups that assignments select by, so that
// reappeared recognises a group that has a new ID.
func (r *round) nameGroups(names map[string]string) {
	known := make(map[string]string)
	for _, a := range r.setup.Rules.Assignments {
		for _, id := range a.Match.Groups {
			name, listed := names[id]
			if !listed {
				name = r.st.Groups[id]
			}
			if name != "" {
				known[id] = name
			}
		}
	}
	r.st.Groups = known
}

// reappeared adds a problem for each group that an assignment selects by, if
// the group is gone and a group of the same name has another ID (S40).
func (r *round) reappeared(snapshot *sources.Snapshot) {
	names, ids := make(map[string]string, len(snapshot.Groups)), make(map[string]string, len(snapshot.Groups))
	for i := range snapshot.Groups {
		g := &snapshot.Groups[i]
		names[g.ID], ids[g.Name] = g.Name, g.ID
	}
	r.nameGroups(names)
	r.st.clear(CodeGroupReappeared)
	if !snapshot.Proven.Has(sources.FactGroups) {
		return
	}
	for _, a := range r.setup.Rules.Assignments {
		for _, id := range a.Match.Groups {
			_, listed := names[id]
			if other := ids[r.st.Groups[id]]; !listed && other != "" {
				r.st.problem(CodeGroupReappeared, fmt.Sprintf("assignment %s selects by group %s, which is gone; a group of the same name has the ID %s", a.ID, id, other), r.cfg.Now())
			}
		}
	}
}
