package provisioning

import (
	"context"
	"errors"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/set"
)

// A Finder is a store that finds members by key, so that a decision about a few
// people reads only a few members (Resolver.Gather).
type Finder interface {
	// FindMembers returns the members that have at least one of the keys, each once
	// and in any order. It may stop after limit members. The cost of a key does not
	// depend on the size of the team.
	FindMembers(ctx context.Context, tenant string, keys []MemberKey, limit int) ([]Member, error)
	// Count returns the counters of the tenant and one of its connections. The
	// store maintains them with every write; it does not count on demand.
	Count(ctx context.Context, tenant, connection string) (Counts, error)
}

// Counts is what a decision needs to know about the whole team.
type Counts struct {
	// Population is the number of the connection's managed active members, without
	// the protected ones.
	Population int
	// Seats counts the active members who hold each seat, over all connections and
	// including hand-made members.
	Seats map[string]int
	// Roles counts the active members who have each role, over the same members.
	Roles map[Role]int
}

// A Role is a permission profile in a workspace.
type Role struct {
	Workspace string `json:"workspace"`
	Profile   string `json:"profile"`
}

// Counted returns what a member contributes to the counts of a connection.
func (m *Member) Counted(connection string) Counts {
	var c Counts
	if !m.Active {
		return c
	}
	if m.Managed && m.ExternalID != "" && m.Connection == connection && !m.Protected {
		c.Population = 1
	}
	for _, seat := range set.Of(m.Seats) {
		if c.Seats == nil {
			c.Seats = make(map[string]int)
		}
		c.Seats[seat] = 1
	}
	for workspace, profile := range m.Profiles {
		if c.Roles == nil {
			c.Roles = make(map[Role]int, len(m.Profiles))
		}
		c.Roles[Role{workspace, profile}] = 1
	}
	return c
}

// A MemberKey is one value by which members are found. Member.Keys returns the keys
// of a member, in the form in which stores compare them exactly.
type MemberKey struct {
	By MemberKeyKind
	// Connection is set for MemberByExternalID.
	Connection string
	Value      string
}

// A MemberKeyKind says which value of a member a key holds.
type MemberKeyKind string

// The kinds of keys.
const (
	MemberByID         MemberKeyKind = "id"
	MemberByExternalID MemberKeyKind = "external_id"
	MemberByEmail      MemberKeyKind = "email"       // folded in the way addresses are compared (S7)
	MemberBySubject    MemberKeyKind = "subject"     // the subject at the single sign-on
	MemberByName       MemberKeyKind = "name"        // the full name, folded in the way names are compared (S36)
	MemberByManager    MemberKeyKind = "manager"     // the ID of the manager: finds the reports
	MemberByRecordedBy MemberKeyKind = "recorded_by" // the ID of the manager: finds active reports whose recording is on (R129)
)

// Keys returns the keys by which a Finder finds the member.
func (m *Member) Keys() []MemberKey {
	keys := []MemberKey{{By: MemberByID, Value: m.ID}}
	add := func(key MemberKey) {
		if key.Value != "" {
			keys = append(keys, key)
		}
	}
	if m.Managed {
		add(MemberKey{MemberByExternalID, m.Connection, m.ExternalID})
	}
	add(emailMemberKey(m.Email))
	add(MemberKey{By: MemberBySubject, Value: m.Subject})
	add(nameMemberKey(m.GivenName, m.FamilyName))
	add(MemberKey{By: MemberByManager, Value: m.ManagerID})
	if m.Active && set.Has(set.Of(m.Capture), assignment.Recording) {
		add(MemberKey{By: MemberByRecordedBy, Value: m.ManagerID})
	}
	return keys
}

func emailMemberKey(email string) MemberKey {
	return MemberKey{By: MemberByEmail, Value: address.Key(email)}
}

func nameMemberKey(parts ...string) MemberKey {
	return MemberKey{By: MemberByName, Value: string(name.AppendKey(nil, parts...))}
}

// ErrNeedsWholeRun says that no decision about a part can be made: it would concern
// too many people, or it depends on people who cannot be found by key, such as
// people who wait for a seat. A run over everybody has to decide (L6).
var ErrNeedsWholeRun = errors.New("the whole run has to decide")
