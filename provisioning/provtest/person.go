package provtest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A Person is a person as the directory lists them, with the member that they are
// already.
type Person struct {
	// User is the person in the directory. If User has no ID, the person is not
	// listed.
	User sources.User
	// Groups has the IDs of the person's groups, and Queries the queries that
	// select the person.
	Groups, Queries []string
	// Member is the person in the team, or nil.
	Member *provisioning.Member
}

// New returns a person who is active in the directory and in the given groups, and
// whose ID is the address. The name is split at its last space.
func New(email, name string, groups ...string) Person {
	p := Person{Groups: groups, User: sources.User{ID: email, UserName: email, Email: email, Status: sources.StatusActive}}
	p.User.GivenName = name
	for i := range name {
		if name[i] == ' ' {
			p.User.GivenName, p.User.FamilyName = name[:i], name[i+1:]
		}
	}
	return p
}

// Under returns the person with a manager, by address.
func (p Person) Under(email string) Person {
	p.User.Manager.Email = email
	return p
}

// Selected returns the person, selected by the queries.
func (p Person) Selected(queries ...string) Person {
	p.Queries = slices.Concat(p.Queries, queries)
	return p
}

// As returns the person with a member in the team.
func (p Person) As(m provisioning.Member) Person {
	p.Member = &m
	return p
}

// Gone returns the person as no longer listed in the directory.
func (p Person) Gone() Person {
	p.User = sources.User{}
	return p
}

// InputOf returns the input for a company of the people: their directory, which
// proves everything and answers every query of the config, and their members.
func InputOf(r *provisioning.Resolver, people ...Person) provisioning.Input {
	cfg := r.Config()
	s := &sources.Snapshot{
		Format: sources.SnapshotFormat, Kind: cfg.Source, Connection: cfg.Connection, Proven: sources.FactAll,
		Matches: make(map[string][]string),
	}
	members := make(map[string][]string) // of groups
	for _, a := range cfg.Assignments {
		for _, group := range a.Match.Groups {
			members[group] = nil
		}
	}
	for _, query := range r.Queries() {
		s.Matches[query] = []string{}
	}
	in := provisioning.Input{Tenant: tenant, Snapshot: s}
	for _, p := range people {
		if p.Member != nil {
			in.Members = append(in.Members, *p.Member)
		}
		if p.User.ID == "" {
			continue
		}
		s.Users = append(s.Users, p.User)
		for _, group := range p.Groups {
			members[group] = append(members[group], p.User.ID)
		}
		for _, query := range p.Queries {
			s.Matches[query] = append(s.Matches[query], p.User.ID)
		}
	}
	for group, ids := range members {
		s.Groups = append(s.Groups, sources.Group{ID: group, Members: set.Of(ids)})
	}
	return in
}

// PlanOf returns the plan for a company of the people.
func PlanOf(r *provisioning.Resolver, people ...Person) *provisioning.Plan {
	return r.Resolve(InputOf(r, people...))
}

// MemberOf returns the member that a newcomer becomes, in agreement with the
// directory. others are further people of the company, such as the manager. It
// fails the test if the person does not come in.
func MemberOf(t TB, r *provisioning.Resolver, p Person, others ...Person) provisioning.Member {
	t.Helper()
	plan := PlanOf(r, append(others, p)...)
	for _, a := range released(plan) {
		if a.Member.ExternalID == p.User.ID && a.Kind == provisioning.KindCreate {
			a.Member.Revision = "1"
			return a.Member
		}
	}
	require.FailNow(t, p.User.Email+" does not come in", plan.Explain(p.User.ID))
	return provisioning.Member{}
}

// Find returns what a plan decides about a person, whom who names as in Plan.Story.
// It fails the test unless there is exactly one such person.
func Find(t TB, plan *provisioning.Plan, who string) provisioning.Story {
	t.Helper()
	stories := plan.Story(who)
	require.Len(t, stories, 1, "%s\n%s", who, plan)
	return stories[0]
}
