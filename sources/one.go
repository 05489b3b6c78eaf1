package sources

import (
	"context"
	"errors"
	"slices"
)

// One holds what a directory says about one person: the user, the groups that the
// user is in, and which queries select the user. Proven says how much of it is
// complete. The zero One proves nothing.
type One struct {
	// Found says that the directory has the user. If it is false, User is zero,
	// Groups and Matches are nil, and FactUsers in Proven says whether the provider
	// itself stated that there is no such user.
	Found bool
	User  User
	// Groups are the groups in whose Members a full listing would have the user.
	// They have ID and Name, no Members, and any order.
	Groups []Group
	// Matches says for each answered query whether it selects the user. A query
	// without an entry was not answered.
	Matches map[string]bool
	// Proven holds facts about this user. FactUsers: the provider itself stated
	// Found. FactMemberships: the user is in no group besides Groups. FactManagers:
	// the directory has no manager key for the user besides those in User. It never
	// holds FactGroups, since one user says nothing about other groups.
	Proven Facts
}

// A OneReader reads one user now, for a fraction of the cost of a listing. Use
// [ReadOne], which adds by listings what a source leaves out.
type OneReader interface {
	Source
	// One reads the user with the given ID, and finds out which of the queries, in
	// the language of Matcher, select the user. A source leaves out of Groups,
	// Matches and Proven what it can tell only by a listing. If the provider itself
	// says that there is no such user, the error is nil. An error comes with the
	// zero One.
	One(ctx context.Context, id string, queries ...string) (One, error)
}

// ReadOne reads one user as completely as the source can: directly if the source is
// a [OneReader], and by listings for what is left out. The error joins all that
// failed; the One beside it holds what could be read and is as safe to use as a
// partial [Snapshot].
func ReadOne(ctx context.Context, src Source, id string, queries ...string) (One, error) {
	one, err := readUser(ctx, src, id, queries)
	if err != nil || !one.Found {
		return one, err
	}
	var errs []error
	if src.Info().Lists.Has(FactMemberships) && !one.Proven.Has(FactMemberships) {
		errs = append(errs, one.listGroups(ctx, src))
	}
	for _, query := range queries {
		if _, answered := one.Matches[query]; !answered {
			errs = append(errs, one.match(ctx, src, query))
		}
	}
	return one, errors.Join(errs...)
}

// readUser reads the user directly, or lists users until the user is found.
func readUser(ctx context.Context, src Source, id string, queries []string) (One, error) {
	if r, ok := As[OneReader](src); ok {
		return r.One(ctx, id, queries...)
	}
	lists := src.Info().Lists
	for u, err := range src.Users(ctx) {
		if err != nil {
			return One{}, err
		}
		if u.ID == id {
			return One{Found: true, User: u, Proven: FactUsers | lists&FactManagers}, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return One{}, err
	}
	return One{Proven: lists & FactUsers}, nil
}

// listGroups fills Groups from a listing. After an error, it keeps the groups found
// before it.
func (o *One) listGroups(ctx context.Context, src Source) error {
	o.Groups = nil
	for g, err := range src.Groups(ctx) {
		if err != nil {
			return err
		}
		if slices.Contains(g.Members, o.User.ID) {
			o.Groups = append(o.Groups, Group{ID: g.ID, Name: g.Name})
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.Proven |= FactMemberships
	return nil
}

// match finds out whether a query selects the user, by listing the IDs that it
// selects.
func (o *One) match(ctx context.Context, src Source, query string) error {
	selected := false
	for id, err := range Match(ctx, src, query) {
		if err != nil {
			return err
		}
		if selected = id == o.User.ID; selected {
			break
		}
	}
	if err := ctx.Err(); err != nil && !selected {
		return err
	}
	if o.Matches == nil {
		o.Matches = map[string]bool{}
	}
	o.Matches[query] = selected
	return nil
}
