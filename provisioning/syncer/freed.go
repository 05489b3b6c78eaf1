package syncer

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// freedPart limits how often a provider is read because something became free: at
// most once in Interval/freedPart.
const freedPart = 10

// A watched records what a person waits for: that Member changes, who holds what
// the person needs, or that a seat of the limited pool Seat becomes free.
type watched struct {
	ExternalID string                `json:"id"`
	Member     string                `json:"member,omitempty"`
	Revision   provisioning.Revision `json:"revision,omitempty"` // of the member when the plan was decided
	Seat       string                `json:"seat,omitempty"`
	Held       int                   `json:"held,omitempty"` // how many members had the seat then
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

// findFreed compares the members and seats that people wait for with the store.
func (r *round) findFreed(ctx context.Context) (freed, error) {
	var f freed
	asked := make(map[string]bool) // member IDs in keys
	var keys []provisioning.MemberKey
	seats := false
	for _, w := range r.st.Watched {
		switch {
		case w.Seat != "":
			seats = true
		case !asked[w.Member]:
			asked[w.Member] = true
			keys = append(keys, memberID(w.Member))
		}
	}
	if len(keys) > 0 {
		found, err := r.cfg.Store.FindMembers(ctx, r.target.Tenant, keys, len(keys))
		if err != nil {
			return f, fmt.Errorf("syncer: find members: %w", err)
		}
		now := make(map[string]provisioning.Revision, len(found))
		for i := range found {
			now[found[i].ID] = found[i].Revision
		}
		for _, w := range r.st.Watched {
			if w.Seat == "" && now[w.Member] != w.Revision {
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
		f.seat = slices.ContainsFunc(r.st.Watched, func(w watched) bool { return w.Seat != "" && counts.Seats[w.Seat] < w.Held })
	}
	return f, nil
}

func memberID(id string) provisioning.MemberKey {
	return provisioning.MemberKey{By: provisioning.MemberByID, Value: id}
}

// watch records what the people of a plan wait for, after the plan was done. A
// plan of a part leaves the entries of other people unchanged.
func (r *round) watch(ctx context.Context, plan *provisioning.Plan, outcome *provisioning.Outcome) error {
	st, waits := r.st, plan.Waits()
	st.Watched = slices.DeleteFunc(st.Watched, func(w watched) bool {
		_, about := slices.BinarySearch(plan.About, w.ExternalID)
		return about || plan.About == nil
	})
	waits = waits[:min(len(waits), maxListed-len(st.Watched))] // a whole run finds the others
	if len(waits) == 0 {
		return nil
	}
	var keys []provisioning.MemberKey
	var counts provisioning.Counts
	for _, w := range waits {
		if w.Seat == "" {
			keys = append(keys, w.Key)
		}
	}
	if len(keys) < len(waits) {
		var err error
		if counts, err = r.cfg.Store.Count(ctx, r.target.Tenant, r.target.Connection); err != nil {
			return fmt.Errorf("syncer: count members: %w", err)
		}
	}
	holders, err := r.holders(ctx, keys, outcome)
	if err != nil {
		return err
	}
	for _, w := range waits {
		if w.Seat != "" {
			st.Watched = append(st.Watched, watched{ExternalID: w.ExternalID, Seat: w.Seat, Held: counts.Seats[w.Seat]})
		}
		for _, m := range holders[w.Key] {
			if len(st.Watched) < maxListed {
				st.Watched = append(st.Watched, watched{ExternalID: w.ExternalID, Member: m.ID, Revision: m.Revision})
			}
		}
	}
	return nil
}

// holders returns, for each key, the members that have it. A member that the plan
// changed has its revision after the plan; any other member has the revision that
// the plan was decided on.
func (r *round) holders(ctx context.Context, keys []provisioning.MemberKey, outcome *provisioning.Outcome) (map[provisioning.MemberKey][]provisioning.Member, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	found, err := r.cfg.Store.FindMembers(ctx, r.target.Tenant, keys, maxListed)
	if err != nil {
		return nil, fmt.Errorf("syncer: find members: %w", err)
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
	holders := make(map[provisioning.MemberKey][]provisioning.Member)
	for i := range found {
		for _, key := range found[i].Keys() {
			holders[key] = append(holders[key], found[i])
		}
	}
	return holders, nil
}

// mayFree reports whether doing a plan may free something that others wait for.
func mayFree(plan *provisioning.Plan) bool {
	return slices.ContainsFunc(plan.Actions, func(a provisioning.Action) bool {
		return a.Kind != provisioning.KindCreate && slices.ContainsFunc(a.Changes, func(c provisioning.Change) bool {
			return slices.Contains(freeing, c.Field)
		})
	})
}

var freeing = []provisioning.Field{
	provisioning.FieldActive, provisioning.FieldEmail, provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldSeats,
}

// lookAround requests a round for each other connection of a tenant that this
// process knows, after members changed: a person there may wait for what is free
// now. Other processes find the change in their next Poll.
func (s *Syncer) lookAround(tenant, except string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for connection := range s.runs[tenant] {
		if connection != except {
			s.enqueueLocked(Target{tenant, connection}, job{look: true}, "", false)
		}
	}
}
