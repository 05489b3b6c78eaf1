package rest

import (
	"github.com/usher-go/usher/sources"
)

// One makes the answer of a sources.OneReader whose provider tells of a user
// what a listing tells, and nothing of groups. read asks for the user by ID; that
// there is none is the provider's answer as IsMissing knows it. lists is
// Info.Lists of the source.
func One(kind string, lists sources.Facts, id string, read func() (sources.User, error)) (sources.One, error) {
	missing := sources.One{Proven: lists & sources.FactUsers}
	if id == "" {
		return missing, nil
	}
	u, err := read()
	switch {
	case IsMissing(err):
		return missing, nil
	case err == nil && u.ID != id:
		err = Malformed("user %.80q was asked for, and %.80q answered", id, u.ID)
	}
	if err != nil {
		return sources.One{}, Wrap(kind, "read one", err)
	}
	return sources.One{Found: true, User: u, Proven: lists & (sources.FactUsers | sources.FactManagers)}, nil
}
