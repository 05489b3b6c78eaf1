package sources

import (
	"context"
	"errors"
	"slices"
)

// One is one person of a directory as a decision needs them: the user, the
// groups the user is in, and which queries select the user. It is to a
// [Snapshot] what one row is to a table, and like one it says how much of it is
// proven. The zero One proves nothing.
type One struct {
	// Found says that the directory has the user. Where it is false, User is
	// zero, Groups and Matches are nil, and FactUsers in Proven says whether
	// the provider itself said that there is no such user.
	Found bool
	User  User
	// Groups are the groups that the user is in, with ID and Name and without
	// Members, in any order: those whose Members would name the user in a full
	// listing.
	Groups []Group
	// Matches says, for each query that was answered, whether it selects the
	// user. A query without an entry was not answered.
	Matches map[string]bool
	// Proven says of this one user: FactUsers, that Found is the provider's own
	// word; FactMemberships, that the user is in no group that is not in
	// Groups; FactManagers, that a manager key which is not in User is not in
	// the directory. FactGroups is never among them: one user says nothing
	// about groups the user is not in.
	Proven Facts
}

// A OneReader reads one user now, for a fraction of what a listing costs. Use
// [ReadOne], which makes up by listings for what a source leaves out.
type OneReader interface {
	Source
	// One reads the user with the given ID, and which of the queries, in the
	// language of Matcher, select the user. A source leaves out of Groups,
	// Matches and Proven what it cannot tell without a listing. That there is
	// no such user is an answer and no error, but only if the provider itself
	// says so. An error comes with the zero One.
	One(ctx context.Context, id string, queries ...string) (One, error)
}

// ReadOne reads one user as completely as the source can: by a direct read
// where it has one, and by listings for what a direct read leaves out. With an
// error, which joins all that failed, it returns what could be read, which is
// as safe to use as a partial [Snapshot].
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

// listGroups fills Groups from a listing. What is found before an error stays.
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

// match answers one query from the IDs that it selects.
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
