package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// These are the credentials of the made-up providers, and of the companies that
// push.
const (
	clientID     = "fleet"
	clientSecret = "made-up"
	scimToken    = "made-up"
)

// A company is the directory of one tenant, as its provider stores it.
type company struct {
	tenant  string
	pushes  bool
	people  *fake.Directory
	refuses atomic.Bool // it refuses the credentials
	refused atomic.Bool // it has refused them at least once

	ids map[string]string // for a company that pushes: the host's ID of each person
}

// newCompanies makes up the companies. The last ones push, and the first ones
// refuse the credentials at first.
func newCompanies(opt options) []*company {
	companies := make([]*company, opt.tenants)
	for i := range companies {
		c := &company{tenant: fmt.Sprintf("t%04d", i+1), pushes: i >= opt.tenants-opt.pushing, people: fake.NewDirectory()}
		users, groups := fake.Company(opt.people, 5)
		for k := range users {
			users[k].Email = users[k].UserName + "@" + c.tenant + ".example"
		}
		c.people.PutUsers(users...)
		c.people.PutGroups(groups...)
		c.refuses.Store(i < opt.failing)
		if c.pushes {
			c.ids = make(map[string]string)
		}
		companies[i] = c
	}
	return companies
}

// kind returns the kind of the provider: OneLogin is read, Okta pushes.
func (c *company) kind() string {
	if c.pushes {
		return sources.KindOkta
	}
	return sources.KindOneLogin
}

// readable returns the APIs of the companies that are read, each below the name
// of its tenant.
func readable(companies []*company) http.Handler {
	mux := http.NewServeMux()
	for _, c := range companies {
		if c.pushes {
			continue
		}
		face := &fake.OneLogin{Directory: c.people, ClientID: clientID, ClientSecret: clientSecret, PerHour: -1}
		mux.Handle("/"+c.tenant+"/", http.StripPrefix("/"+c.tenant, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.refuses.Load() {
				c.refused.Store(true)
				http.Error(w, `{"message": "Unauthorized"}`, http.StatusUnauthorized)
				return
			}
			face.ServeHTTP(w, r)
		})))
	}
	return mux
}

// hour plays one hour of a company: some people get another title, one joins,
// one leaves. It returns the affected people.
func (c *company) hour(n int) []sources.User {
	users := c.people.Users()
	var changed []sources.User
	for i := range 5 {
		u := users[(7*n+11*i+1)%len(users)]
		u.Title = fmt.Sprintf("Account Executive %d", n)
		changed = append(changed, u)
	}
	gone := users[len(users)/2+n%len(users)/2]
	gone.Status = sources.StatusInactive
	newcomer := users[0].Clone()
	newcomer.ID, newcomer.UserName = fmt.Sprint(200_000_000+n), fmt.Sprintf("new%d", n)
	newcomer.Email, newcomer.GivenName = newcomer.UserName+"@"+c.tenant+".example", "Newcomer"
	newcomer.Manager.ID = users[1].ID
	changed = append(changed, gone, newcomer)
	c.people.PutUsers(changed...)
	return changed
}

// push pushes users as Okta does, one by one: a new one by POST, a known one by
// PATCH. A person who becomes inactive is deactivated.
func (c *company) push(ctx context.Context, base string, users []sources.User) error {
	for i := range users {
		u := &users[i]
		id := c.ids[u.ID]
		switch {
		case id == "" && u.Status != sources.StatusActive:
			continue // Okta pushes only assigned people
		case id == "":
			var created struct{ ID string }
			answer, err := c.send(ctx, http.MethodPost, base+"/Users", map[string]any{
				"schemas":  []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
				"userName": u.Email, "externalId": u.ID, "active": true, "title": u.Title,
				"name":   map[string]string{"givenName": u.GivenName, "familyName": u.FamilyName},
				"emails": []map[string]any{{"value": u.Email, "primary": true, "type": "work"}},
			})
			if err != nil {
				return err
			}
			if err := json.Unmarshal(answer, &created); err != nil {
				return err
			}
			c.ids[u.ID] = created.ID
		default:
			_, err := c.send(ctx, http.MethodPatch, base+"/Users/"+id, map[string]any{
				"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
				"Operations": []map[string]any{
					{"op": "replace", "value": map[string]any{"title": u.Title, "active": u.Status == sources.StatusActive}},
				},
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *company) send(ctx context.Context, method, url string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+scimToken+"-"+c.tenant)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, strings.TrimPrefix(url, "http://"), resp.Status, answer)
	}
	return answer, err
}
