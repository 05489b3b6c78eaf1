package syncer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// freedPart limits how often a provider is read because something became free: at
// most once in Interval/freedPart.
const freedPart = 10

// A watched records what a person waits for: that Member changes; that some member
// gets Key, which nobody has; or that a seat of the limited pool Seat becomes free.
type watched struct {
	ExternalID string                  `json:"id"`
	Member     string                  `json:"member,omitempty"`
	Revision   provisioning.Revision   `json:"revision,omitempty"` // of the member when the plan was decided
	Key        *provisioning.MemberKey `json:"key,omitempty"`
	Seat       string                  `json:"seat,omitempty"`
	Held       int                     `json:"held,omitempty"` // how many members had the seat then
}

// A watchList is what the people of a connection wait for, at most maxListed
// entries; a whole run finds the others. It is stored apart from the state, so that
// a push of somebody else does not have to read and write it.
type watchList struct {
	Format  int       `json:"format"`
	Watched []watched `json:"watched"`

	revision provisioning.Revision
	stored   []byte
}

func watchName(target Target) string { return "watched/" + target.Connection }

// watchList returns the stored list of the connection. If people is not nil and the
// list has no entry for them, it returns nil.
func (r *round) watchList(ctx context.Context, people []string) (*watchList, error) {
	document, revision, err := r.cfg.Store.State(ctx, r.target.Tenant, watchName(r.target))
	if err != nil {
		return nil, fmt.Errorf("syncer: read watched: %w", err)
	}
	l := &watchList{Format: stateFormat, revision: revision, stored: document}
	if people != nil && !slices.ContainsFunc(people, func(id string) bool {
		quoted, err := json.Marshal(id)
		return err != nil || bytes.Contains(document, quoted)
	}) {
		return nil, nil
	}
	if document == nil {
		return l, nil
	}
	if err := json.Unmarshal(document, l); err != nil {
		return nil, fmt.Errorf("syncer: watched of %s: %w", r.target.Connection, err)
	}
	return l, nil
}

// saveWatchList stores the list if it has changed. The caller has the tenant's lock.
func (r *round) saveWatchList(ctx context.Context, l *watchList) error {
	var document []byte // nil removes the list if nobody waits
	if r.st.Watching = len(l.Watched); r.st.Watching > 0 {
		var err error
		if document, err = json.Marshal(l); err != nil {
			return fmt.Errorf("syncer: watched of %s: %w", r.target.Connection, err)
		}
	}
	if bytes.Equal(document, l.stored) {
		return nil
	}
	_, err := r.cfg.Store.SetState(ctx, r.target.Tenant, watchName(r.target), l.revision, document)
	if errors.Is(err, provisioning.ErrStale) { // this process has lost the lock
		err = errOvertaken
	}
	if err != nil {
		return fmt.Errorf("syncer: save watched: %w", err)
	}
	return nil
}

// freed holds what has changed among the things that people wait for. The change
// may come from another connection, an approval or a manual edit.
type freed struct {
	people []string // external IDs of the people who waited for a member that changed
	seat   bool     // a seat of a pool is free: everybody has to be decided
}

// isFreed reports whether everybody has to be decided because of r.freed.
func (r *round) isFreed() bool {
	return r.freed.seat || !r.setup.Pushed && len(r.freed.people) > 0
}

// findFreed compares what people wait for with the store. It reads the members that
// they wait for, so it is called in every Poll and after changes of other
// connections, and not for a push.
func (r *round) findFreed(ctx context.Context) (freed, error) {
	var f freed
	if r.st.Watching == 0 {
		return f, nil
	}
	began := time.Now()
	defer func() { r.noteFreed(time.Since(began)) }()
	l, err := r.watchList(ctx, nil)
	if err != nil {
		return f, err
	}
	asked := make(map[provisioning.MemberKey]bool) // keys
	var keys []provisioning.MemberKey
	seats := false
	for i := range l.Watched {
		if w := &l.Watched[i]; w.Seat != "" {
			seats = true
		} else if key := w.key(); !asked[key] {
			asked[key] = true
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		found, err := r.cfg.Store.FindMembers(ctx, r.target.Tenant, keys, 2*maxListed)
		if err != nil {
			return f, fmt.Errorf("syncer: find members: %w", err)
		}
		now, has := make(map[string]provisioning.Revision, len(found)), make(map[provisioning.MemberKey]bool)
		for i := range found {
			now[found[i].ID] = found[i].Revision
			for _, key := range found[i].Keys() {
				has[key] = true
			}
		}
		for i := range l.Watched {
			if w := &l.Watched[i]; w.Member != "" && now[w.Member] != w.Revision || w.Key != nil && has[*w.Key] {
				f.people = append(f.people, w.ExternalID)
			}
		}
		slices.Sort(f.people)
		f.people = slices.Compact(f.people)
	}
	if seats {
		counts, err := r.cfg.Store.Count(ctx, r.target.Tenant, r.target.Connection)
		if err != nil {
			return f, fmt.Errorf("syncer: count members: %w", err)
		}
		f.seat = slices.ContainsFunc(l.Watched, func(w watched) bool { return w.Seat != "" && counts.Seats[w.Seat] < w.Held })
	}
	return f, nil
}

// key returns the key of the members that the person waits for.
func (w *watched) key() provisioning.MemberKey {
	if w.Key != nil {
		return *w.Key
	}
	return memberID(w.Member)
}

// freedShare is the smallest ratio of the time between two calls of findFreed after
// changes of other connections, to the time that the first call takes.
const freedShare = 20

// noteFreed records how long findFreed took.
func (r *round) noteFreed(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _ := r.memoryLocked(r.target)
	m.freedNext = time.Now().Add(freedShare * took)
}

func memberID(id string) provisioning.MemberKey {
	return provisioning.MemberKey{By: provisioning.MemberByID, Value: id}
}

// watch records what the people of a plan wait for, after the plan was done. A
// plan of a part leaves the entries of other people unchanged.
func (r *round) watch(ctx context.Context, plan *provisioning.Plan, outcome *provisioning.Outcome) error {
	waits := plan.Waits()
	if len(waits) == 0 && r.st.Watching == 0 {
		return nil
	}
	about := plan.About // whose entries are read, or nil for all
	if len(waits) > 0 {
		about = nil
	}
	l, err := r.watchList(ctx, about)
	if err != nil || l == nil {
		return err
	}
	l.Watched = slices.DeleteFunc(l.Watched, func(w watched) bool {
		_, about := slices.BinarySearch(plan.About, w.ExternalID)
		return about || plan.About == nil
	})
	waits = waits[:min(len(waits), maxListed-len(l.Watched))] // a whole run finds the others
	var keys []provisioning.MemberKey
	var counts provisioning.Counts
	for _, w := range waits {
		if w.Seat == "" {
			keys = append(keys, w.Key)
		}
	}
	if len(keys) < len(waits) {
		if counts, err = r.cfg.Store.Count(ctx, r.target.Tenant, r.target.Connection); err != nil {
			return fmt.Errorf("syncer: count members: %w", err)
		}
	}
	holders, all, err := r.holders(ctx, keys, outcome)
	if err != nil {
		return err
	}
	for _, w := range waits {
		if w.Seat != "" {
			l.Watched = append(l.Watched, watched{ExternalID: w.ExternalID, Seat: w.Seat, Held: counts.Seats[w.Seat]})
		}
		for _, m := range holders[w.Key] {
			l.Watched = append(l.Watched, watched{ExternalID: w.ExternalID, Member: m.ID, Revision: m.Revision})
		}
		if w.Seat == "" && all && len(holders[w.Key]) == 0 {
			l.Watched = append(l.Watched, watched{ExternalID: w.ExternalID, Key: &w.Key})
		}
	}
	l.Watched = l.Watched[:min(len(l.Watched), maxListed)]
	return r.saveWatchList(ctx, l)
}

// holders returns, for each key, the members that have it, and whether these are all.
// A member that the plan changed has its revision after the plan; any other member
// has the revision that the plan was decided on.
func (r *round) holders(ctx context.Context, keys []provisioning.MemberKey, outcome *provisioning.Outcome) (holders map[provisioning.MemberKey][]provisioning.Member, all bool, err error) {
	if len(keys) == 0 {
		return nil, true, nil
	}
	found, err := r.cfg.Store.FindMembers(ctx, r.target.Tenant, keys, maxListed)
	if err != nil {
		return nil, false, fmt.Errorf("syncer: find members: %w", err)
	}
	at := make(map[string]int, len(found)) // in found, by ID
	for i := range found {
		at[found[i].ID] = i
	}
	changed := make(map[string]bool)
	for _, result := range outcome.Results {
		changed[result.MemberID] = changed[result.MemberID] || result.Err == nil
	}
	for i := range r.members {
		m := &r.members[i]
		if k, holds := at[m.ID]; holds && !changed[m.ID] {
			found[k].Revision = m.Revision
		}
	}
	holders = make(map[provisioning.MemberKey][]provisioning.Member)
	for i := range found {
		for _, key := range found[i].Keys() {
			holders[key] = append(holders[key], found[i])
		}
	}
	return holders, len(found) < maxListed, nil
}

// mayFree reports whether doing a plan may give others what they wait for.
func mayFree(plan *provisioning.Plan) bool {
	return slices.ContainsFunc(plan.Actions, func(a provisioning.Action) bool {
		return slices.ContainsFunc(a.Changes, func(c provisioning.Change) bool { return slices.Contains(freeing, c.Field) })
	})
}

var freeing = []provisioning.Field{
	provisioning.FieldActive, provisioning.FieldEmail, provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldSeats,
	provisioning.FieldManager,
}

// lookAround requests a round for each other connection of a tenant that this
// process knows, after members changed: a person there may wait for what is free
// now. If the last such round took long, it waits before the next one (freedShare).
// Other processes find the change in their next Poll.
func (s *Syncer) lookAround(tenant, except string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for connection, m := range s.memories[tenant] {
		if connection == except || m.freedSoon {
			continue
		}
		look := func() { s.enqueueLocked(Target{tenant, connection}, job{look: true, freed: true}, "", false) }
		wait := time.Until(m.freedNext)
		if wait <= 0 {
			look()
			continue
		}
		m.freedSoon = true
		time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.memories[tenant][connection] == m {
				m.freedSoon = false
				look()
			}
		})
	}
}
