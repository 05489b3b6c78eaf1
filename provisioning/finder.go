package provisioning

import (
	"context"
	"errors"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/set"
)

// A Finder is a store in which members are found by key, so that a decision
// about a few people reads a few members (Resolver.Gather).
type Finder interface {
	// FindMembers returns the members that at least one of the keys names, each
	// once and in any order. It may stop after limit members. The cost of a key
	// does not grow with the team.
	FindMembers(ctx context.Context, tenant string, keys []MemberKey, limit int) ([]Member, error)
	// Count returns the counters of the tenant and one of its connections,
	// which are kept with every write, not counted when asked for.
	Count(ctx context.Context, tenant, connection string) (Counts, error)
}

// Counts are what a decision needs to know of a whole team.
type Counts struct {
	// Population is how many managed active members the connection has, without
	// the protected ones.
	Population int
	// Seats counts the active members who hold each seat, of every connection
	// and hand-made ones included.
	Seats map[string]int
	// Roles counts the active members who have each role, in the same way.
	Roles map[Role]int
}

// A Role is a permission profile in a workspace.
type Role struct {
	Workspace string `json:"workspace"`
	Profile   string `json:"profile"`
}

// Counted returns what a member adds to the counts of a connection.
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

// A MemberKey is one value by which members are found. Member.Keys gives those
// of a member, in the form in which a store compares them exactly.
type MemberKey struct {
	By MemberKeyKind
	// Connection is set for MemberByExternalID.
	Connection string
	Value      string
}

// A MemberKeyKind is what of a member a key holds.
type MemberKeyKind string

// The kinds of keys.
const (
	MemberByID         MemberKeyKind = "id"
	MemberByExternalID MemberKeyKind = "external_id"
	MemberByEmail      MemberKeyKind = "email"       // folded as addresses compare (S7)
	MemberBySubject    MemberKeyKind = "subject"     // the subject at the single sign-on
	MemberByName       MemberKeyKind = "name"        // the full name, folded as names compare (S36)
	MemberByManager    MemberKeyKind = "manager"     // who reports to the member with this ID
	MemberByRecordedBy MemberKeyKind = "recorded_by" // the same, of active members whose recording is on (R129)
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

// ErrNeedsWholeRun says that a decision about a part cannot be made: it
// concerns too many people, or depends on people who are not known by key, such
// as those who wait for a seat. The whole run decides (L6).
var ErrNeedsWholeRun = errors.New("the whole run has to decide")
