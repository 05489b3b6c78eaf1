package rest

import (
	"github.com/usher-go/usher/sources"
)

// One answers sources.OneReader for a provider whose answer about one user has what
// a listing has, and no groups. read asks for the user by ID. The user does not
// exist if the error of read says so, as IsMissing knows it. lists is Info.Lists of
// the source.
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
