package provisioning

import "fmt"

// A Keep is a role that must always have enough members (S43). If fewer than
// AtLeast active members with the role would be left, everybody who would leave or
// lose it is held, and no approval releases them. People who wait count as gone,
// and people who get the role in the same plan do not count yet. With roles that
// many people have, pushed changes to one of these people need a run over
// everybody.
type Keep struct {
	Role
	// AtLeast is how many must be left. 0 means 1.
	AtLeast int `json:"at_least,omitempty"`
}

func (k *Keep) atLeast() int { return max(1, k.AtLeast) }

func (v *validation) keep() {
	seen := make(map[Role]int)
	for i, k := range v.cfg.Keep {
		path := fmt.Sprintf("keep[%d]", i)
		if k.Workspace == "" {
			v.fail(path+".workspace", "is empty; want the workspace in which the profile holds")
		}
		if k.Profile == "" {
			v.fail(path+".profile", "is empty; want the permission profile that may not run empty")
		}
		if k.AtLeast < 0 {
			v.fail(path+".at_least", "is %d; want 1 or more", k.AtLeast)
		}
		if other, twice := seen[k.Role]; twice {
			v.fail(path, "stands in keep[%d] as well", other)
		}
		seen[k.Role] = i
	}
}

// has reports whether an active member has the role.
func (k *Keep) has(m *Member) bool { return m.Active && m.Profiles[k.Workspace] == k.Profile }

// loses reports whether a draft takes the role from its person. An active member
// whose record is given to another person counts as having left.
func (k *Keep) loses(d *draft) bool {
	return d.before != nil && k.has(d.before) && (d.recycled || !k.has(&d.after))
}

// keep stops everybody who would leave or lose a role of which too few would be
// left, and everybody whose action must commit with theirs. It reports whether it
// stopped anybody new; then the others have to be decided again.
func (c *chart) keep() bool {
	more := false
	for i := range c.r.cfg.Keep {
		if k := &c.r.cfg.Keep[i]; c.left(k) < k.atLeast() {
			more = c.keepAll(k) || more
		}
	}
	return more
}

// left counts the members who have a role and certainly keep it, including those
// who are not in the input. If missing evidence could take the role away, it counts
// as taken away, so that more evidence never holds somebody whom less evidence
// releases (L3).
func (c *chart) left(k *Keep) int {
	gone := make(map[int32]bool)
	for i := range c.holds.held {
		if d := c.holds.held[i].draft; k.loses(d) {
			gone[d.person] = true
		}
	}
	for i := range c.claims {
		if claim := &c.claims[i]; claim.holder != none && (claim.denied == codeWaits || claim.denied == CodeAbsenceIncomplete) {
			gone[claim.holder] = true
		}
	}
	left := c.others.Roles[k.Role]
	for i := range c.members {
		m := &c.members[i]
		if !k.has(m) {
			continue
		}
		person := int32(i)
		at := c.draftOf[person]
		switch {
		case at != none && k.loses(c.list[at]):
		case !m.Protected && (gone[person] || c.mayLeave(person)):
		default:
			left++
		}
	}
	return left
}

// keepAll stops everybody who would lose a role. People whose actions must commit
// with theirs are not stopped; they are decided again.
func (c *chart) keepAll(k *Keep) bool {
	h := c.holds
	if h.kept == nil {
		h.kept = make(map[Role]bool)
	}
	h.kept[k.Role] = true
	h.tripped |= 1 << classKeep
	var stopped []*draft
	for _, d := range c.list {
		if k.loses(d) {
			stopped = append(stopped, c.freeze([]int32{d.person})...)
		}
	}
	c.hold(stopped, c.groups())
	for i := range h.held {
		if w := &h.held[i]; k.loses(w.draft) {
			w.classes |= 1 << classKeep
		}
	}
	return len(stopped) > 0
}

// keptRoles returns a reason for each role that a waiting person would lose and has
// to keep.
func (c *chart) keptRoles(d *draft) []Reason {
	var reasons []Reason
	for i := range c.r.cfg.Keep {
		if k := &c.r.cfg.Keep[i]; c.holds.kept[k.Role] && k.loses(d) {
			reasons = append(reasons, because(CodeKeepLast, "workspace", k.Workspace, "profile", k.Profile, "at_least", fmt.Sprint(k.atLeast())))
		}
	}
	return reasons
}

// bearsKept reports whether the part may take a role of Config.Keep from somebody,
// while others about whom it does not decide have the role: it is unknown whether
// these wait.
func (g *gatherer) bearsKept(in Input) bool {
	for i := range g.cfg.Keep {
		k := &g.cfg.Keep[i]
		decided, others := false, in.Facts.Roles[k.Role] > 0
		for j := range in.Members {
			m := &in.Members[j]
			if !k.has(m) {
				continue
			}
			about := g.isLinked(m) && g.about[m.ExternalID]
			decided = decided || about || !m.Managed || g.migrates(m)
			others = others || !about
		}
		if decided && others {
			return true
		}
	}
	return false
}
