package provisioning

import (
	"strings"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/sources"
)

// markUnchanged finds the members that the plan will not mention, which are nearly
// all. In a large company most of the time goes into waiting for memory, since
// users and members have different orders. So members are compared in blocks, on
// all processors, and the memory of each block is read in advance.
func (st *standing) markUnchanged() {
	blocks.Each(len(st.members), func() func(start, end int) {
		r := newReader(st.r)
		return func(start, end int) {
			st.fetch(start, end)
			for i := start; i < end; i++ {
				st.unchanged[i] = st.isUnchanged(r, int32(i))
			}
		}
	})
}

// fetch reads a little of each user of a block of members, and of the texts that
// will be compared. The reads do not depend on one another, so the processor does
// many of them at the same time. The result has no meaning; it keeps the compiler
// from removing the reads.
func (st *standing) fetch(start, end int) (sum int) {
	for _, user := range st.userOf[start:end] {
		if user != none {
			u := &st.users[user]
			sum += len(u.Email) + len(u.Title) + len(u.TimeZone) + len(u.Manager.Email)
		}
	}
	for i := range st.members[start:end] {
		m := &st.members[start+i]
		sum += first(m.Email) + first(m.GivenName) + first(m.FamilyName) + first(m.Title) + first(m.Phone) + first(m.TimeZone)
		sum += len(m.Profiles[""])
		if len(m.Seats) > 0 && len(m.Capture) > 0 {
			sum += len(m.Seats[0]) + len(m.Capture[0])
		}
	}
	for _, user := range st.userOf[start:end] {
		if user != none {
			u := &st.users[user]
			sum += first(u.Email) + first(u.GivenName) + first(u.FamilyName) + first(u.Title) + first(u.Phone) + first(u.Manager.Email)
		}
	}
	return sum
}

func first(value string) int {
	if value == "" {
		return 0
	}
	return int(value[0])
}

// isUnchanged reports whether a member is active in the source and in the team, has
// an assignment, needs no change, and has nothing to report. It allocates nothing.
// In doubt it returns false.
func (st *standing) isUnchanged(r *reader, member int32) bool {
	user := st.userOf[member]
	if user == none || st.inconsistent[user] || st.isOpen(user) {
		return false
	}
	m, u, position := &st.members[member], &st.users[user], st.governing[user]
	return m.Active && u.Status == sources.StatusActive && st.concerns(m.ExternalID) &&
		u.Email == m.Email && st.r.knownDomain(m.Email) &&
		st.r.settled(m, position) && r.sameFields(u, m)
}

// sameFields reports whether the fields that follow the source keep their values
// and owners, with nothing to report.
func (r *reader) sameFields(u *sources.User, m *Member) bool {
	given := fields(atEmail)
	for _, at := range wishedFields {
		spec := &fieldTable[at]
		value, report := spec.wish(r, u, m)
		switch {
		case report || value == "" && spec.required:
			return false
		case value == "":
			continue
		case value != *spec.value.text(m) && !spec.sameText(value, *spec.value.text(m)):
			return false
		}
		given |= 1 << at
	}
	if len(u.OtherEmails) > 0 {
		if !sameOtherEmails(u.OtherEmails, m) {
			return false
		}
		given |= 1 << atOtherEmails
	}
	if owned := m.Owners.source & sourceFields; owned != 0 && owned != given { // a member without owners is not compared
		return false
	}
	if m.Owners.source.has(atManager) && u.Manager == (sources.Manager{}) {
		return false
	}
	return len(r.cfg.Attributes) == 0 && m.Owners.attributes == "" || r.sameAttributes(u, m)
}

// sameOtherEmails reports whether the texts are, without any change, the member's
// further addresses.
func sameOtherEmails(texts []string, m *Member) bool {
	if len(texts) != len(m.OtherEmails) {
		return false
	}
	for i, value := range texts {
		if value != m.OtherEmails[i] || address.Clean(value) != value || address.Same(value, m.Email) || i > 0 && texts[i-1] >= value {
			return false
		}
	}
	return true
}

// sameAttributes reports whether the mapped attributes stay as they are.
func (r *reader) sameAttributes(u *sources.User, m *Member) bool {
	tracked := m.Owners.source&sourceFields != 0
	for _, name := range r.attributes {
		value, owner := r.wishAttribute(u, name), m.Owners.Of(Attribute(name))
		if value == "" && owner == OwnerSource || value != "" && (value != m.Attributes[name] || tracked && owner != OwnerSource) {
			return false
		}
	}
	for name, owner := range m.Owners.attributeOwners() {
		if owner == OwnerSource && !set.Has(r.attributes, name) {
			return false
		}
	}
	return true
}

// knownDomain reports whether the domain of an address is one whose people may come
// in. A member with another domain stays in (S7).
func (r *Resolver) knownDomain(email string) bool {
	domain := email[strings.LastIndexByte(email, '@')+1:]
	if r.domains[domain] {
		return true
	}
	domain, ok := address.Domain(domain) // the host may spell the domain differently
	return ok && r.domains[domain]
}

// settled reports whether a member's assignment and settings are as they should be.
// A member who has everything of the assignment was refused no seat.
func (r *Resolver) settled(m *Member, position int32) bool {
	a := r.rules.At(position)
	return a != nil && m.AssignmentID == a.ID && (a.Mode == assignment.Manual || m.Settings.Equal(&a.Settings))
}
