package sqlstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// A group holds actions that commit together, and their results.
type group struct {
	rows    []row
	results []provisioning.Result // one for each row
	claims  []claim
	// twins says that two rows of the group have the same claim.
	twins bool
	// invalid is the reason why the group cannot be stored, independent of the
	// content of the tables. Nil: there is none.
	invalid error
	// pending are the rows that are not written yet.
	pending []*row
	// holders are the members who have an address or an identity that the group
	// needs, and may give it up. They are in the group or in another group of the
	// run.
	holders []string
}

// A claim is something that only one member of a tenant, or one action, can have.
type claim struct {
	kind             claimKind
	connection, name string
}

type claimKind uint8

const (
	claimKey claimKind = iota
	claimMember
	claimAddress
	claimIdentity
)

// newGroups returns the commit groups of actions.
func newGroups(actions []provisioning.Action) []*group {
	groups := make([]*group, 0, len(actions))
	turn := int64(0)
	for some := range provisioning.CommitGroups(actions) {
		g := newGroup(some)
		for i := range g.rows {
			turn++
			g.rows[i].turn = turn
		}
		groups = append(groups, g)
	}
	return groups
}

func newGroup(actions []provisioning.Action) *group {
	g := &group{rows: make([]row, len(actions)), results: make([]provisioning.Result, len(actions))}
	for i := range actions {
		a, r := &actions[i], &g.rows[i]
		g.results[i] = provisioning.Result{Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID}
		err := r.fill(a)
		if err != nil && g.invalid == nil {
			g.invalid = fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, err)
		}
		r.result = &g.results[i]
		g.claims = r.claims(g.claims)
	}
	g.twins = len(actions) > 1 && findTwin(g.claims) != nil
	return g
}

// claims appends the claims of the row.
func (r *row) claims(claims []claim) []claim {
	claims = append(claims, claim{claimKey, "", r.action.Key}, claim{claimMember, "", r.member.ID})
	if key, ok := r.keys[emailColumn].(string); ok {
		claims = append(claims, claim{claimAddress, "", key})
	}
	if ref := r.member.Ref(); r.member.Managed && ref.ID != "" {
		claims = append(claims, claim{claimIdentity, ref.Connection, ref.ID})
	}
	return claims
}

// findTwin returns a claim that occurs twice, or nil.
func findTwin(claims []claim) *claim {
	seen := make(map[claim]bool, len(claims))
	for i, c := range claims {
		if seen[c] {
			return &claims[i]
		}
		seen[c] = true
	}
	return nil
}

// reset removes the results and the holders of the group, and makes all rows
// pending unless the group is invalid.
func (g *group) reset() {
	g.pending, g.holders = g.pending[:0], nil
	for i := range g.rows {
		g.results[i].Repeated, g.results[i].Err = false, g.invalid
		if g.invalid == nil {
			g.pending = append(g.pending, &g.rows[i])
		}
	}
}

// keep adds the keys of the pending actions to keys.
func (g *group) keep(keys map[string]bool) {
	for _, r := range g.pending {
		keys[r.action.Key] = true
	}
}

// has reports whether an action of the group has a key.
func (g *group) has(key string) bool {
	return slices.ContainsFunc(g.rows, func(r row) bool { return r.action.Key == key })
}

// refuse sets the error as the result of each pending row, and leaves none pending.
func (g *group) refuse(err error) {
	for _, r := range g.pending {
		r.result.Err = err
	}
	g.pending = nil
}

// judge decides which rows of the group can be written, from the states of the
// pending rows and from objection. A row that was done before or cannot be done
// gets its result, and is no longer pending. If the group needs an address or an
// identity that a pending member of the group or one of the others has, these
// members become its holders, and the group cannot be written yet.
func (g *group) judge(states []state, others map[string]bool, objection func(r *row) error) {
	states = g.dropRepeated(states)
	for i, r := range g.pending {
		err := r.refusal(provisioning.ErrStale)
		if states[i].revision == r.expected {
			err = objection(r)
		}
		if err != nil {
			g.refuse(err)
			return
		}
	}
	if err := g.twinRefusal(); err != nil {
		g.refuse(err)
		return
	}
	pends := make(map[string]bool)
	for _, r := range g.pending {
		pends[r.member.ID] = true
	}
	for i, r := range g.pending {
		for _, holder := range []*string{states[i].emailHolder, states[i].identityHolder} {
			if holder == nil {
				continue
			}
			if !others[*holder] && !pends[*holder] {
				g.refuse(r.refusal(takenBy(*holder)))
				g.holders = nil
				return
			}
			g.holders = append(g.holders, *holder)
		}
	}
}

// dropRepeated removes the rows that were done before from the pending rows, and
// returns the states of the remaining rows.
func (g *group) dropRepeated(states []state) []state {
	pending, left := g.pending[:0], states[:0]
	for i, r := range g.pending {
		if r.result.Repeated = states[i].done != nil; !r.result.Repeated {
			pending, left = append(pending, r), append(left, states[i])
		}
	}
	g.pending = pending
	return left
}

// twinRefusal returns the reason to refuse the group if two of its pending rows
// have the same claim. Otherwise it returns nil.
func (g *group) twinRefusal() error {
	if !g.twins {
		return nil
	}
	var claims []claim
	for _, r := range g.pending {
		claims = r.claims(claims)
		twin := findTwin(claims)
		switch {
		case twin == nil:
			continue
		case twin.kind == claimKey:
			return r.refusal(errors.New("another action of its group has its key"))
		case twin.kind == claimMember: // the first action would change the member's revision
			return r.refusal(provisioning.ErrStale)
		}
		return r.refusal(provisioning.ErrConflict)
	}
	return nil
}

// refusal adds the action of the row to an error.
func (r *row) refusal(err error) error {
	return fmt.Errorf("%s %s: %w", r.action.Kind, r.member.ID, err)
}

// takenBy returns the conflict error that names the member who has the address or
// the identity.
func takenBy(holder string) error {
	return fmt.Errorf("member %s has it: %w", holder, provisioning.ErrConflict)
}
