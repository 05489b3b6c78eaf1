package okta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// users lists the users who changed after a time. It lists all users of an app,
// since Okta does not say when an assignment changed; and all users if managers are
// named by a key, since a changed key of one user decides who is the manager of
// others. It returns the time by Okta's clock before the listing.
func (s *Source) users(ctx context.Context, since string, emit func(sources.User) bool) (began time.Time, err error) {
	var managers map[string]string
	if s.records.keyed() {
		since = beginning
		if managers, began, err = s.keys(ctx, usersSince(beginning)); err != nil {
			return began, err
		}
	}
	var at time.Time
	if s.app != "" {
		at, err = listing(ctx, s.api, appUsers(s.app), s.ofApp(managers), emit)
	} else {
		at, err = listing(ctx, s.api, usersSince(since), s.ofOrg(managers), emit)
	}
	if began.IsZero() {
		began = at
	}
	return began, err
}

// firstUsers reads the first page of what users lists.
func (s *Source) firstUsers(ctx context.Context) (err error) {
	if s.app != "" {
		_, err = page(ctx, s.api, appUsers(s.app), "", s.ofApp(nil))
	} else {
		_, err = page(ctx, s.api, usersSince(beginning), "", s.ofOrg(nil))
	}
	return err
}

func (s *Source) ofOrg(managers map[string]string) func(okta.User) (rest.Row[sources.User], error) {
	return func(rec okta.User) (rest.Row[sources.User], error) {
		return s.records.user(person{rec.Id, rec.Status, rec.Profile, nil}, managers)
	}
}

func (s *Source) ofApp(managers map[string]string) func(okta.AppUser) (rest.Row[sources.User], error) {
	return func(rec okta.AppUser) (rest.Row[sources.User], error) {
		p, err := embedded(&rec)
		if err != nil {
			return rest.Row[sources.User]{}, err
		}
		return s.records.user(p, managers)
	}
}

// keys maps the key that names managers to the ID of its user. A key that several
// users have is left out.
func (s *Source) keys(ctx context.Context, users list[okta.User]) (ids map[string]string, began time.Time, err error) {
	ids = make(map[string]string)
	type keyed struct{ id, key string }
	began, err = listing(ctx, s.api, users, func(rec okta.User) (rest.Row[keyed], error) {
		if rec.Id == nil || *rec.Id == "" {
			return rest.Row[keyed]{}, rest.Malformed("a user without id")
		}
		return rest.Row[keyed]{Value: keyed{*rec.Id, s.records.key(&rec)}, ID: *rec.Id}, nil
	}, func(u keyed) bool {
		if _, taken := ids[u.key]; taken {
			u.id = ""
		}
		ids[u.key] = u.id
		return true
	})
	delete(ids, "") // users without a key
	return ids, began, err
}

// user reads one user, with the same result as users.
func (s *Source) user(ctx context.Context, id string) (sources.User, error) {
	var p person
	if s.app != "" {
		rec, _, err := execute(ctx, s.api, func(ctx context.Context) (*okta.AppUser, *okta.APIResponse, error) {
			return sdk.ApplicationUsersAPI.GetApplicationUser(ctx, s.app, id).Expand("user").Execute()
		})
		switch {
		case rest.IsMissing(err): // either the user or the app is missing; the answer does not say which
			return sources.User{}, cmp.Or(s.appExists(ctx), err)
		case err == nil && rec == nil:
			err = rest.Malformed("no user of the app came")
		case err == nil:
			p, err = embedded(rec)
		}
		if err != nil {
			return sources.User{}, err
		}
	} else {
		rec, _, err := execute(ctx, s.api, func(ctx context.Context) (*okta.UserGetSingleton, *okta.APIResponse, error) {
			return sdk.UserAPI.GetUser(ctx, id).Execute()
		})
		if err == nil && rec == nil {
			err = rest.Malformed("no user came")
		}
		if err != nil {
			return sources.User{}, err
		}
		p = person{rec.Id, rec.Status, rec.Profile, nil}
	}
	row, err := s.records.user(p, nil)
	if err != nil || !s.records.keyed() || row.Value.Manager.ID == "" {
		return row.Value, err
	}
	managers, err := s.lookUp(ctx, row.Value.Manager.ID)
	if err != nil {
		return sources.User{}, err
	}
	row, err = s.records.user(p, managers)
	return row.Value, err
}

// appExists returns an error unless Okta says that the app exists.
func (s *Source) appExists(ctx context.Context) error {
	var app struct{ ID string }
	err := s.get(ctx, "/api/v1/apps/"+url.PathEscape(s.app), &app)
	switch {
	case rest.IsMissing(err):
		return &rest.Error{Reason: sources.ErrNotFound, Detail: "there is no app of the ID in Config.AppID"}
	case err == nil && app.ID != s.app:
		return rest.Malformed("another app answered than the one in Config.AppID")
	}
	return err
}

// lookUp finds the user who has the key that names a manager.
func (s *Source) lookUp(ctx context.Context, key string) (map[string]string, error) {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.records.fold(key))
	var terms []string
	for _, attribute := range s.records.keyAttributes() {
		terms = append(terms, fmt.Sprintf(`profile.%s eq "%s"`, attribute, quoted))
	}
	found := called([]int32{mostRowsAll}, func(ctx context.Context, after string, limit int32) ([]okta.User, *okta.APIResponse, error) {
		return from(sdk.UserAPI.ListUsers(ctx).Search(strings.Join(terms, " or ")), after, limit).Execute()
	})
	ids, _, err := s.keys(ctx, found)
	return ids, err
}

// groups lists the groups that changed after a time, each with all its members; all
// groups if since is empty.
func (s *Source) groups(ctx context.Context, since string, emit func(sources.Group) bool) error {
	var failed error
	_, err := listing(ctx, s.api, groupsSince(since), s.records.group, func(g sources.Group) bool {
		_, failed = listing(ctx, s.api, members(g.ID), member, func(id string) bool {
			g.Members = append(g.Members, id)
			return true
		})
		if rest.IsMissing(failed) {
			failed = s.groupGone(ctx, g.ID)
			return failed == nil
		}
		return failed == nil && emit(g)
	})
	return cmp.Or(failed, err)
}

// groupGone returns an error unless Okta says that a listed group does not exist.
// Members that are not found may have other reasons, and a group that is left out
// counts as removed.
func (s *Source) groupGone(ctx context.Context, id string) error {
	var group struct{ ID string }
	err := s.get(ctx, "/api/v1/groups/"+url.PathEscape(id), &group)
	switch {
	case rest.IsMissing(err): // the group was removed in the meantime
		return nil
	case err == nil:
		return &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("group %.80q is there, and its members are not found", id)}
	}
	return err
}

// groupsOf lists the groups of one user, without members.
func (s *Source) groupsOf(ctx context.Context, id string) ([]sources.Group, error) {
	var groups []sources.Group
	_, err := listing(ctx, s.api, groupsOf(id), s.records.group, func(g sources.Group) bool {
		groups = append(groups, g)
		return true
	})
	return groups, err
}

// seesEverybody are the admin roles that show every user and every group of an org.
// The roles of group and help desk administrators may be limited to some groups,
// and a group administrator does not see the group Everyone.
var seesEverybody = []string{"SUPER_ADMIN", "ORG_ADMIN", "READ_ONLY_ADMIN"}

// whole reads a listing and then checks that the credential sees everybody. It
// checks at the end, so that it notices a role that was removed during the listing.
func whole[T any](ctx context.Context, s *Source, emit func(T) bool, read func(emit func(T) bool) error) error {
	stopped := false
	err := read(func(value T) bool {
		stopped = !emit(value)
		return !stopped
	})
	if err != nil || stopped {
		return err
	}
	return s.proven(ctx)
}

// proven returns an error unless the credential is known to see everybody.
func (s *Source) proven(ctx context.Context) error {
	if s.sees != SeesByRoles {
		return nil
	}
	// The SDK expects an object for the roles of a service app; Okta sends a list.
	path := "/oauth2/v1/clients/" + url.PathEscape(s.api.client) + "/roles"
	if s.api.client == "" {
		var me struct{ ID string }
		if err := s.get(ctx, usersPath+"/me", &me); err != nil {
			return err
		}
		if me.ID == "" {
			return rest.Malformed("the owner of the API token has no id")
		}
		path = usersPath + "/" + url.PathEscape(me.ID) + "/roles"
	}
	var roles []struct{ Type, Status string }
	err := s.get(ctx, path, &roles)
	if failure, ok := errors.AsType[*rest.Error](err); ok && (failure.Status == http.StatusForbidden || failure.Status == http.StatusNotFound) {
		return &rest.Error{Method: failure.Method, Path: failure.Path, Status: failure.Status, Reason: sources.ErrForbidden, Err: failure,
			Detail: "the admin roles of the credential cannot be read, so that it is not known whether it sees everybody; say that in Config.Sees"}
	}
	if err != nil {
		return err
	}
	types := make([]string, len(roles))
	for i, role := range roles {
		if role.Status == "ACTIVE" && slices.Contains(seesEverybody, role.Type) {
			return nil
		}
		types[i] = role.Type
	}
	return &rest.Error{Reason: sources.ErrForbidden, Detail: excerpt(fmt.Sprintf(
		"the credential may not see everybody by its admin roles (%s); give it Read-Only Administrator, or say in Config.Sees what it sees", strings.Join(types, ", ")))}
}

// get reads an object that the SDK has no suitable call for.
func (s *Source) get(ctx context.Context, path string, v any) error {
	_, err := s.api.http.Read(ctx, s.api.base.JoinPath(path).String(), v)
	return err
}
