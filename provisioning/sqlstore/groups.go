package sqlstore

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// A group is actions that commit together, and what becomes of them.
type group struct {
	rows    []row
	results []provisioning.Result // one for each row
	claims  []claim
	// twins says that a claim stands twice in the group.
	twins bool
	// invalid is why the group cannot be stored, whatever the tables hold.
	invalid error
	// pending are the rows that are still to be written.
	pending []*row
	// holders are the members who have what the group wants and may give it up:
	// some of the group, or some before it in the run.
	holders []string
}

// A claim is something that one member of a tenant, or one action, has.
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

// newGroups returns the groups of actions.
func newGroups(actions []provisioning.Action) []*group {
	groups := make([]*group, 0, len(actions))
	turn := int64(0)
	for some := range provisioning.Groups(actions) {
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

// claims appends what the row claims.
func (r *row) claims(claims []claim) []claim {
	claims = append(claims, claim{claimKey, "", r.action.Key}, claim{claimMember, "", r.member.ID})
	if key, ok := r.emailKey.(string); ok {
		claims = append(claims, claim{claimAddress, "", key})
	}
	if ref := r.member.Ref(); r.member.Managed && ref.ID != "" {
		claims = append(claims, claim{claimIdentity, ref.Connection, ref.ID})
	}
	return claims
}

// findTwin returns a claim that stands twice, or nil.
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

// reset takes back what was found out about the group.
func (g *group) reset() {
	g.pending, g.holders = g.pending[:0], nil
	for i := range g.rows {
		g.results[i].Repeated, g.results[i].Err = false, g.invalid
		if g.invalid == nil {
			g.pending = append(g.pending, &g.rows[i])
		}
	}
}

// refuse makes an error the result of the group.
func (g *group) refuse(err error) {
	for _, r := range g.pending {
		r.result.Err = err
	}
	g.pending = nil
}

// judge decides about the group from the states of what is pending of it. What
// was done before, or cannot be done, is pending no longer, and has its result.
// If the group wants what a pending member of it has, or one of the others, then
// these are its holders, and it cannot be written yet.
func (g *group) judge(states []state, others map[string]bool) {
	states = g.dropRepeated(states)
	for i, r := range g.pending {
		if states[i].revision != r.expected {
			g.refuse(r.refusal(provisioning.ErrStale))
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

// dropRepeated takes the rows that were done before off what is pending, and
// returns the states of the others.
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

// twinRefusal returns why a group is refused in which two pending rows claim the
// same, or nil.
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
		case twin.kind == claimMember: // of whom the first action is to make another revision
			return r.refusal(provisioning.ErrStale)
		}
		return r.refusal(provisioning.ErrConflict)
	}
	return nil
}

// refusal says of an error which action it is about.
func (r *row) refusal(err error) error {
	return fmt.Errorf("%s %s: %w", r.action.Kind, r.member.ID, err)
}

// takenBy says who has the address or the identity.
func takenBy(holder string) error {
	return fmt.Errorf("member %s has it: %w", holder, provisioning.ErrConflict)
}
