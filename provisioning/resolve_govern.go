package provisioning

import (
	"cmp"
	"slices"
	"strings"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/sources"
)

// unmatched is the position for no assignment.
const unmatched int32 = assignment.Unmatched

// A governance says which assignment governs each user: the first that matches,
// else the default, else none (S17). It also says for which users the snapshot
// lacks the facts that decide this (S44).
type governance struct {
	governing []int32 // by user: position in the rules, or unmatched
	// open holds for each user 1 + the position of the first assignment that could
	// govern and needs the missing facts, or 0 if the answer is certain. It is nil
	// if nothing is missing.
	open []int32
	// missing describes, for each position, which facts the assignment needs and
	// the snapshot lacks; "" for none.
	missing []string
	// unknownGroups are IDs of groups that are not in a proven list of groups. By
	// such a group, an assignment matches nobody (S21).
	unknownGroups []string
}

// isOpen reports whether facts about a user are missing (S44).
func (g *governance) isOpen(user int32) bool { return g.open != nil && g.open[user] != 0 }

// close says that no missing fact matters for a user.
func (g *governance) close(user int32) {
	if g.open != nil {
		g.open[user] = 0
	}
}

// govern takes time linear in users, memberships and query answers, and in users
// for each assignment that lacks facts.
func govern(rules *assignment.Rules, snapshot *sources.Snapshot, byID *idTable) governance {
	g := governor{
		rules: rules, snapshot: snapshot, byID: byID,
		groups: make(map[string][]string, len(snapshot.Groups)),
		rest:   unmatched,
	}
	if rules.Default != nil {
		g.rest = int32(len(rules.Assignments))
	}
	g.governing = make([]int32, len(snapshot.Users))
	for i := range g.governing {
		g.governing[i] = g.rest
	}
	joined := make(map[string]bool)
	for i := range snapshot.Groups { // a group that is listed several times has the members of all listings (L1)
		group := &snapshot.Groups[i]
		listed, again := g.groups[group.ID]
		switch {
		case !again:
			listed = group.Members
		case !joined[group.ID]: // the first listing shares its slice with the snapshot
			joined[group.ID] = true
			listed = slices.Concat(listed, group.Members)
		default:
			listed = append(listed, group.Members...)
		}
		g.groups[group.ID] = listed
	}
	g.missing = make([]string, len(rules.Assignments)+1)
	for i := range rules.Assignments {
		match := &rules.Assignments[i].Match
		if g.missing[i] = g.lacks(match); g.missing[i] == "" {
			g.assign(int32(i), match)
		} else {
			g.assignAsFarAsKnown(int32(i), match)
		}
	}
	return g.governance
}

type governor struct {
	governance
	rules     *assignment.Rules
	snapshot  *sources.Snapshot
	byID      *idTable
	groups    map[string][]string // members by group ID
	rest      int32               // the position for users whom no assignment matches
	inGroup   []int32             // scratch space: 1 + the assignment in one of whose groups the user is
	selected  []int32             // scratch space: 1 + the assignment whose query selects the user
	positions []int32             // scratch space of lookups
}

// lacks describes which selectors of an assignment the snapshot does not answer: a
// listed group without all its members, an unlisted group that may exist, or a
// query without a complete answer.
func (g *governor) lacks(m *assignment.Match) string {
	var missing []string
	for _, group := range m.Groups {
		_, listed := g.groups[group]
		switch {
		case listed && !g.snapshot.Proven.Has(sources.FactMemberships), !listed && !g.snapshot.Proven.Has(sources.FactGroups):
			missing = append(missing, "members of group "+group)
		case !listed && !slices.Contains(g.unknownGroups, group):
			g.unknownGroups = append(g.unknownGroups, group)
		}
	}
	if _, answered := g.snapshot.Matches[m.Query]; m.Query != "" && !answered {
		missing = append(missing, "answer to "+m.Query)
	}
	return strings.Join(missing, ", ")
}

// assign gives the assignment at a position to everybody whom it matches and who
// has none before it. The snapshot has all facts that the match needs.
func (g *governor) assign(at int32, m *assignment.Match) {
	take := func(user int32) {
		if g.undecided(user) && m.HasAttributes(&g.snapshot.Users[user]) {
			g.governing[user] = at
		}
	}
	answer := g.snapshot.Matches[m.Query]
	switch {
	case m.IsZero():
	case len(m.Groups) > 0:
		if m.Query != "" {
			selected := mark(g, &g.selected, at, answer)
			everyone := take
			take = func(user int32) {
				if selected(user) {
					everyone(user)
				}
			}
		}
		for _, group := range m.Groups {
			g.each(g.groups[group], take)
		}
	case m.Query != "":
		g.each(answer, take)
	default:
		for user := range g.governing {
			take(int32(user))
		}
	}
}

// assignAsFarAsKnown is assign if facts are missing: a user who neither certainly
// matches nor certainly does not is open.
func (g *governor) assignAsFarAsKnown(at int32, m *assignment.Match) {
	if g.open == nil {
		g.open = make([]int32, len(g.governing))
	}
	inGroup := mark(g, &g.inGroup, at, nil)
	for _, group := range m.Groups {
		inGroup = mark(g, &g.inGroup, at, g.groups[group])
	}
	answer, answered := g.snapshot.Matches[m.Query]
	selected := mark(g, &g.selected, at, answer)
	groupsKnown := true
	for _, group := range m.Groups {
		_, listed := g.groups[group]
		groupsKnown = groupsKnown && (listed && g.snapshot.Proven.Has(sources.FactMemberships) || !listed && g.snapshot.Proven.Has(sources.FactGroups))
	}
	for i := range g.governing {
		user := int32(i)
		if !g.undecided(user) || !m.HasAttributes(&g.snapshot.Users[user]) {
			continue
		}
		in := len(m.Groups) == 0 || inGroup(user)
		by := m.Query == "" || answered && selected(user)
		switch {
		case in && by:
			g.governing[user] = at
		case (in || !groupsKnown) && (by || m.Query != "" && !answered):
			g.open[user] = at + 1
		}
	}
}

// undecided reports whether no earlier assignment has the user or may have.
func (g *governor) undecided(user int32) bool {
	return g.governing[user] == g.rest && !g.isOpen(user)
}

// each calls do with the position of each ID that belongs to a user.
func (g *governor) each(ids []string, do func(user int32)) {
	g.positions = slices.Grow(g.positions[:0], len(ids))[:len(ids)]
	blocks.Each(len(ids), func() func(start, end int) {
		return func(start, end int) {
			some := ids[start:end]
			g.byID.findAll(len(some), func(k int) string { return some[k] }, g.positions[start:end])
		}
	})
	for _, user := range g.positions {
		if user != none {
			do(user)
		}
	}
}

// mark records in scratch space that the users with the IDs belong to the
// assignment, and returns a function that tests it.
func mark(g *governor, scratch *[]int32, at int32, ids []string) func(user int32) bool {
	if *scratch == nil {
		*scratch = make([]int32, len(g.governing))
	}
	marks := *scratch
	g.each(ids, func(user int32) { marks[user] = at + 1 })
	return func(user int32) bool { return marks[user] == at+1 }
}

// evidenceOf says which facts are missing to decide about an open user (S44).
func (s *survey) evidenceOf(user int32) Reason {
	at := s.open[user] - 1
	a := s.r.rules.At(at)
	return because(CodeEvidence, "assignment", cmp.Or(a.Name, a.ID), "missing", s.missing[at])
}
