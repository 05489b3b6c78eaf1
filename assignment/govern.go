package assignment

import (
	"slices"

	"github.com/usher-go/usher/sources"
)

// Rules are the assignments in the order of the table, uppermost first.
type Rules struct {
	Assignments []Assignment
	// Default governs whoever matches no assignment (R33). Nil: they are out
	// of scope (S17).
	Default *Assignment
}

// Unmatched is the position of nobody's assignment.
const Unmatched = -1

// At returns the assignment at a position that Govern gave. The position after
// the last is the default's; Unmatched gives nil.
func (r *Rules) At(position int32) *Assignment {
	switch {
	case position < 0:
		return nil
	case int(position) < len(r.Assignments):
		return &r.Assignments[position]
	}
	return r.Default
}

// Position returns the position of the assignment with the given ID, or
// Unmatched.
func (r *Rules) Position(id string) int32 {
	for i := range r.Assignments {
		if r.Assignments[i].ID == id {
			return int32(i)
		}
	}
	if r.Default != nil && r.Default.ID == id {
		return int32(len(r.Assignments))
	}
	return Unmatched
}

// Queries returns the queries that the assignments use, each once, in the
// order of the table. Collect them together with the snapshot.
func (r *Rules) Queries() []string {
	var queries []string
	seen := make(map[string]bool)
	for i := range r.Assignments {
		if q := r.Assignments[i].Match.Query; q != "" && !seen[q] {
			seen[q] = true
			queries = append(queries, q)
		}
	}
	return queries
}

// Evidence says what a snapshot lacks for a certain answer.
type Evidence struct {
	// Groups is false if an assignment selects by group and the snapshot does
	// not prove its groups and memberships.
	Groups bool
	// Queries holds the queries that were not answered to their end.
	Queries []string
	// UnknownGroups holds group IDs that no group of a proven list has; such
	// an assignment matches nobody by them (S21).
	UnknownGroups []string
}

// Complete reports whether everything that decides was proven. If it is not,
// every current assignment is to be kept (S12).
func (e Evidence) Complete() bool { return e.Groups && len(e.Queries) == 0 }

// Evidence checks what the rules need against what the snapshot proves.
func (r *Rules) Evidence(snapshot *sources.Snapshot) Evidence {
	proven := snapshot.Proven.Has(sources.FactGroups | sources.FactMemberships)
	e := Evidence{Groups: true}
	known := make(map[string]bool, len(snapshot.Groups))
	for i := range snapshot.Groups {
		known[snapshot.Groups[i].ID] = true
	}
	seen := make(map[string]bool)
	for i := range r.Assignments {
		for _, group := range r.Assignments[i].Match.Groups {
			e.Groups = proven
			if proven && !known[group] && !seen[group] {
				seen[group] = true
				e.UnknownGroups = append(e.UnknownGroups, group)
			}
		}
	}
	for _, query := range r.Queries() {
		if _, answered := snapshot.Matches[query]; !answered {
			e.Queries = append(e.Queries, query)
		}
	}
	return e
}

// Govern returns, for each user of the snapshot, the position of the
// assignment that governs: the uppermost match, else the default's position,
// else Unmatched. The function positions writes, for each of some user IDs, the
// index in snapshot.Users, or a negative number if there is none. It gets many
// at a time, at most 256, which lets it look them up faster.
//
// It runs in time linear in users, memberships and query answers.
func (r *Rules) Govern(snapshot *sources.Snapshot, positions func(ids []string, into []int32)) []int32 {
	governing := make([]int32, len(snapshot.Users))
	rest := int32(Unmatched)
	if r.Default != nil {
		rest = int32(len(r.Assignments))
	}
	for i := range governing {
		governing[i] = rest
	}
	groups := make(map[string][]string, len(snapshot.Groups))
	for i := range snapshot.Groups {
		group := &snapshot.Groups[i]
		if listed := groups[group.ID]; listed != nil { // a group listed twice has the members of both (L1)
			groups[group.ID] = slices.Concat(listed, group.Members)
		} else {
			groups[group.ID] = group.Members
		}
	}
	g := governor{snapshot: snapshot, positions: positions, groups: groups, governing: governing, rest: rest}
	for i := range r.Assignments {
		g.assign(int32(i), &r.Assignments[i].Match)
	}
	return governing
}

type governor struct {
	snapshot  *sources.Snapshot
	positions func(ids []string, into []int32)
	groups    map[string][]string
	governing []int32
	rest      int32
	selected  []int32 // scratch: the assignment, plus one, whose query selects the user
}

// assign gives the assignment at the given position everybody whom it matches
// and who has none above it.
func (g *governor) assign(at int32, m *Match) {
	take := func(user int32) {
		if user >= 0 && g.governing[user] == g.rest && m.attributes(&g.snapshot.Users[user]) {
			g.governing[user] = at
		}
	}
	answer := g.snapshot.Matches[m.Query]
	switch {
	case m.IsZero():
	case len(m.Groups) > 0:
		if m.Query != "" {
			take = g.narrowed(at, answer, take)
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

// each calls do with the position of each of the IDs.
func (g *governor) each(ids []string, do func(user int32)) {
	var positions [256]int32
	for some := range slices.Chunk(ids, len(positions)) {
		g.positions(some, positions[:])
		for _, user := range positions[:len(some)] {
			do(user)
		}
	}
}

// narrowed restricts take to the users of a query's answer.
func (g *governor) narrowed(at int32, answer []string, take func(int32)) func(int32) {
	if g.selected == nil {
		g.selected = make([]int32, len(g.governing))
	}
	g.each(answer, func(user int32) {
		if user >= 0 {
			g.selected[user] = at + 1
		}
	})
	return func(user int32) {
		if user >= 0 && g.selected[user] == at+1 {
			take(user)
		}
	}
}
