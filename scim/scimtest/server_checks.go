package scimtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// A serverCheck is one rule for a server. It returns an error, so that the
// tests of this package can check that it fails.
type serverCheck struct {
	name    string
	rule    string
	tenants bool // it needs two tenants
	run     func(ctx context.Context, target Target) error
}

func serverChecks() []serverCheck {
	return []serverCheck{
		{name: "racing creates", run: racingPosts,
			rule: "of racing creates of one userName, in any letter case, one is answered with 201 and the others with 409"},
		{name: "racing patches", run: racingPatches,
			rule: "racing PATCHes of one user lose nothing that was acknowledged"},
		{name: "racing memberships", run: racingMemberships,
			rule: "racing PATCHes of one group lose no member that was acknowledged"},
		{name: "tenants", run: tenantsAreApart, tenants: true,
			rule: "a tenant can neither see nor change nor use what another one has"},
	}
}

func racingPosts(ctx context.Context, target Target) error {
	c := target.client()
	for range 3 {
		name := newWord() + "@example.com"
		var created atomic.Int32
		var id atomic.Value
		err := race(func(racer int) error {
			spelled := name
			if racer%2 == 1 {
				spelled = strings.ToUpper(name)
			}
			a, err := c.must(ctx, http.MethodPost, "/Users", userBody(spelled), http.StatusCreated, http.StatusConflict)
			if err == nil && a.status == http.StatusCreated {
				created.Add(1)
				id.Store(a.id())
			}
			return err
		})
		if err != nil {
			return err
		}
		if created.Load() != 1 {
			return fmt.Errorf("%d of %d racing creates were answered with 201, want 1", created.Load(), racers)
		}
		if _, err := c.must(ctx, http.MethodDelete, "/Users/"+id.Load().(string), nil, http.StatusNoContent); err != nil {
			return err
		}
	}
	return nil
}

// racingPatches lets every racer add its own address, again and again.
func racingPatches(ctx context.Context, target Target) error {
	const each = 5
	c := target.client()
	user, err := c.must(ctx, http.MethodPost, "/Users", userBody(newWord()+"@example.com"), http.StatusCreated)
	if err != nil {
		return err
	}
	var want []string
	for racer := range racers {
		for i := range each {
			want = append(want, fmt.Sprintf("r%d-%d@example.com", racer, i))
		}
	}
	err = race(func(racer int) error {
		for i := range each {
			address := []object{{"value": want[racer*each+i], "type": fmt.Sprintf("r%d-%d", racer, i)}}
			body := patchBody(op("add", "emails", address))
			if _, err := c.must(ctx, http.MethodPatch, "/Users/"+user.id(), body, http.StatusOK, http.StatusNoContent); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := c.must(ctx, http.MethodGet, "/Users/"+user.id(), nil, http.StatusOK)
	if err != nil {
		return err
	}
	for _, address := range want {
		if !strings.Contains(after.text, `"`+address+`"`) {
			return fmt.Errorf("the address %s was acknowledged and is not there", address)
		}
	}
	_, err = c.must(ctx, http.MethodDelete, "/Users/"+user.id(), nil, http.StatusNoContent)
	return err
}

// racingMemberships adds members one by one and removes every second one.
func racingMemberships(ctx context.Context, target Target) error {
	const each = 4
	c := target.client()
	group, err := c.must(ctx, http.MethodPost, "/Groups", groupBody(newWord()), http.StatusCreated)
	if err != nil {
		return err
	}
	users := make([]string, racers*each)
	err = race(func(racer int) error {
		for i := range each {
			user, err := c.must(ctx, http.MethodPost, "/Users", userBody(newWord()+"@example.com"), http.StatusCreated)
			if err != nil {
				return err
			}
			id := user.id()
			users[racer*each+i] = id
			steps := []object{op("add", "members", values(id))}
			if i%2 == 1 {
				steps = append(steps, object{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", id)})
			}
			for _, step := range steps {
				if _, err := c.must(ctx, http.MethodPatch, "/Groups/"+group.id(), patchBody(step), http.StatusOK, http.StatusNoContent); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := c.must(ctx, http.MethodGet, "/Groups/"+group.id(), nil, http.StatusOK)
	if err != nil {
		return err
	}
	members := memberIDs(after)
	for i, id := range users {
		if want := i%each%2 == 0; slices.Contains(members, id) != want {
			return fmt.Errorf("%s is a member: %t, want %t, as was acknowledged", id, !want, want)
		}
		if _, err := c.must(ctx, http.MethodDelete, "/Users/"+id, nil, http.StatusNoContent); err != nil {
			return err
		}
	}
	_, err = c.must(ctx, http.MethodDelete, "/Groups/"+group.id(), nil, http.StatusNoContent)
	return err
}

// tenantsAreApart tries all requests that contain an id, a filter or a
// reference.
func tenantsAreApart(ctx context.Context, target Target) error {
	owner, intruder := target.client(), target.other()
	name, secret := newWord()+"@example.com", newWord()
	user := userBody(name)
	user["externalId"], user["title"] = "ext-"+secret, secret
	theirs, err := owner.must(ctx, http.MethodPost, "/Users", user, http.StatusCreated)
	if err != nil {
		return err
	}
	theirGroup, err := owner.must(ctx, http.MethodPost, "/Groups", groupBody(secret, theirs.id()), http.StatusCreated)
	if err != nil {
		return err
	}
	// The other tenant may use the same name.
	own, err := intruder.must(ctx, http.MethodPost, "/Users", userBody(name), http.StatusCreated)
	if err != nil {
		return err
	}
	ownGroup, err := intruder.must(ctx, http.MethodPost, "/Groups", groupBody(newWord(), own.id()), http.StatusCreated)
	if err != nil {
		return err
	}
	err = errors.Join(
		attempts(ctx, intruder, theirs.id(), theirGroup.id(), ownGroup.id(), secret),
		untouched(ctx, owner, "/Users/"+theirs.id(), theirs), untouched(ctx, owner, "/Groups/"+theirGroup.id(), theirGroup))
	for path, c := range map[string]client{
		"/Groups/" + theirGroup.id(): owner, "/Users/" + theirs.id(): owner, "/Groups/" + ownGroup.id(): intruder, "/Users/" + own.id(): intruder,
	} {
		_, deleteErr := c.must(ctx, http.MethodDelete, path, nil, http.StatusNoContent)
		err = errors.Join(err, deleteErr)
	}
	return err
}

// attempts sends requests of another tenant. No answer may contain secret,
// which is part of the names of the resources that they try to access.
func attempts(ctx context.Context, c client, userID, groupID, ownGroupID, secret string) error {
	rename := patchBody(op("replace", "externalId", "stolen"))
	grab := func(id string) object { return patchBody(op("add", "members", values(id))) }
	requests := []struct {
		method, path string
		body         any
		refused      bool // the answer must be 4xx
	}{
		{http.MethodGet, "/Users/" + userID, nil, true},
		{http.MethodPut, "/Users/" + userID, userBody("stolen"), true},
		{http.MethodPatch, "/Users/" + userID, rename, true},
		{http.MethodDelete, "/Users/" + userID, nil, true},
		{http.MethodGet, "/Groups/" + groupID, nil, true},
		{http.MethodPut, "/Groups/" + groupID, groupBody("stolen"), true},
		{http.MethodPatch, "/Groups/" + groupID, rename, true},
		{http.MethodDelete, "/Groups/" + groupID, nil, true},
		{http.MethodPost, "/Groups", groupBody(newWord(), userID), true},
		{http.MethodPatch, "/Groups/" + ownGroupID, grab(userID), true},
		{http.MethodPatch, "/Groups/" + ownGroupID, grab(groupID), true},
		{http.MethodGet, filtered("/Users", fmt.Sprintf("id eq %q", userID)), nil, false},
		{http.MethodGet, filtered("/Users", fmt.Sprintf("externalId eq %q", "ext-"+secret)), nil, false},
		{http.MethodGet, filtered("/Users", fmt.Sprintf("title co %q", secret[1:])), nil, false},
		{http.MethodGet, filtered("/Users", fmt.Sprintf("groups.value eq %q", groupID)), nil, false},
		{http.MethodGet, filtered("/Groups", fmt.Sprintf("members.value eq %q", userID)), nil, false},
		{http.MethodGet, filtered("/Groups", fmt.Sprintf("displayName eq %q", secret)), nil, false},
		{http.MethodPost, "/.search", object{"filter": fmt.Sprintf("displayName eq %q or title eq %q", secret, secret)}, false},
		{http.MethodPost, "/Bulk", object{"schemas": []string{bulkURN}, "Operations": []object{
			{"method": "PATCH", "path": "/Users/" + userID, "data": rename}, {"method": "DELETE", "path": "/Groups/" + groupID},
		}}, false},
	}
	for _, r := range requests {
		a, err := c.send(ctx, r.method, r.path, r.body)
		switch {
		case err != nil:
			return err
		case r.refused && a.status/100 != 4:
			return fmt.Errorf("another tenant: %s %s is answered with %s, want a refusal", r.method, r.path, a)
		case a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented:
			return fmt.Errorf("another tenant: %s %s is answered with %s", r.method, r.path, a)
		case !r.refused && a.status == http.StatusOK && strings.Contains(a.text, secret):
			return fmt.Errorf("another tenant: %s %s shows what is not theirs: %s", r.method, r.path, a)
		}
	}
	return nil
}

// untouched compares a resource with its earlier state, without the groups of a
// user.
func untouched(ctx context.Context, c client, path string, was answer) error {
	now, err := c.must(ctx, http.MethodGet, path, nil, http.StatusOK)
	if err != nil {
		return err
	}
	for _, field := range []string{"userName", "externalId", "title", "displayName", "members", "active"} {
		if fmt.Sprint(now.body[field]) != fmt.Sprint(was.body[field]) {
			return fmt.Errorf("after another tenant's attempts: %s of %s is %v, want %v", field, path, now.body[field], was.body[field])
		}
	}
	return nil
}
