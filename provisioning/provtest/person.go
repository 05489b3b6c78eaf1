package provtest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A Person is somebody as the directory lists them, and the member whom they are
// already.
type Person struct {
	// User is how the directory lists the person. Without an ID, the person is
	// not listed.
	User sources.User
	// Groups holds the IDs of the groups that the person is in, Queries the
	// queries that select them.
	Groups, Queries []string
	// Member is the person in the team; nil: not in yet.
	Member *provisioning.Member
}

// New returns somebody who is active in the directory, under their address as
// their ID, and in the given groups. The name is split at its last space.
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

// Under returns the person with a manager, who is named by address.
func (p Person) Under(email string) Person {
	p.User.Manager.Email = email
	return p
}

// Selected returns the person as one whom the queries select.
func (p Person) Selected(queries ...string) Person {
	p.Queries = slices.Concat(p.Queries, queries)
	return p
}

// As returns the person as one who is in the team.
func (p Person) As(m provisioning.Member) Person {
	p.Member = &m
	return p
}

// Gone returns the person as one whom the directory does not list any more.
func (p Person) Gone() Person {
	p.User = sources.User{}
	return p
}

// InputOf returns a company of the people: their directory, which proves
// everything and answers every query of the config, and those of them who are in
// the team.
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

// PlanOf returns the plan about a company of the people.
func PlanOf(r *provisioning.Resolver, people ...Person) *provisioning.Plan {
	return r.Resolve(InputOf(r, people...))
}

// MemberOf returns the member that a newcomer becomes, in step with the
// directory. Others of the company, such as the manager, may be named as well.
// It fails the test if the person does not come in.
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

// Find returns what a plan decides about a person, who is named as for
// Plan.Story. It fails the test unless that is one.
func Find(t TB, plan *provisioning.Plan, who string) provisioning.Story {
	t.Helper()
	stories := plan.Story(who)
	require.Len(t, stories, 1, "%s\n%s", who, plan)
	return stories[0]
}
