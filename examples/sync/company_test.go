package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A world is a made-up company behind one provider: the same people everywhere,
// under IDs and attributes of the provider's own.
type world struct {
	kind string
	// user and group are how the provider's IDs look.
	user, group string
	// attributes are the provider's names of the department, besides the common
	// one.
	attributes []string
	face       func(*fake.Directory) http.Handler
	env        map[string]string
}

// canary is part of every credential.
const canary = "c4n4ry"

// Pages are small, so that there are several.
var worlds = []world{
	{
		kind: "okta", user: "00u%017d", group: "00g%017d", attributes: []string{"department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.Okta{Directory: d, Token: "c4n4ry-okta-token", PageRows: 5}
		},
		env: map[string]string{"OKTA_URL": "https://linden.okta.com", "OKTA_TOKEN": "c4n4ry-okta-token"},
	},
	{
		kind: "entra", user: "6e7b768e-07e2-4810-8459-%012d", group: "02bd9fd6-8f93-4758-87c3-%012d", attributes: []string{"department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.Entra{Directory: d, ClientID: "app", ClientSecret: "c4n4ry-entra-secret", PageRows: 5, DeltaRows: 5}
		},
		env: map[string]string{"AZURE_TENANT_ID": "linden.example", "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": "c4n4ry-entra-secret"},
	},
	{
		kind: "salesforce", user: "005%012dAAA", group: "00G%012dEAA", attributes: []string{"Department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.Salesforce{Directory: d, ClientID: "app", ClientSecret: "c4n4ry-salesforce-secret", PageRows: 5}
		},
		env: map[string]string{"SALESFORCE_LOGIN_URL": "https://linden.my.salesforce.com", "SALESFORCE_CLIENT_ID": "app", "SALESFORCE_CLIENT_SECRET": "c4n4ry-salesforce-secret"},
	},
	{
		kind: "onelogin", user: "1%08d", group: "4%05d", attributes: []string{"department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.OneLogin{Directory: d, ClientID: "app", ClientSecret: "c4n4ry-onelogin-secret", PageUsers: 5}
		},
		env: map[string]string{"ONELOGIN_URL": "https://linden.onelogin.com", "ONELOGIN_CLIENT_ID": "app", "ONELOGIN_CLIENT_SECRET": "c4n4ry-onelogin-secret"},
	},
	{
		kind: "rippling", user: "641b7a00%016d", group: "65a0c100%016d", attributes: []string{"department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.Rippling{Directory: d, Token: "c4n4ry-rippling-token", PageRows: 5}
		},
		env: map[string]string{"RIPPLING_TOKEN": "c4n4ry-rippling-token"},
	},
	{
		kind: "scim", user: "u%04d", group: "g%04d", attributes: []string{"department"},
		face: func(d *fake.Directory) http.Handler {
			return &fake.SCIM{Directory: d, Token: "c4n4ry-scim-token", PageRows: 5}
		},
		env: map[string]string{"SCIM_URL": "https://scim.linden.example", "SCIM_TOKEN": "c4n4ry-scim-token"},
	},
}

// company are the people of Linden, in the order of their IDs: who they are, whom
// they report to, and what is special about them.
func (w world) company() *fake.Directory {
	d := fake.NewDirectory()
	d.SetClock(func() time.Time { return time.Date(2026, time.November, 2, 9, 0, 0, 0, time.UTC) })
	id := func(n int) string { return fmt.Sprintf(w.user, n) }
	var users []sources.User
	for i, row := range []struct {
		given, family, title, department string
		manager                          int // 0: none
	}{
		{"Ines", "Aroztegi", "Chief Executive Officer", "Executive", 0},
		{"Marek", "Dvorak", "VP Sales", "Sales", 1},
		{"Lena", "Hoff", "VP Engineering", "Engineering", 1},
		{"Tomas", "Berg", "Account Executive", "Sales", 2},
		{"Yara", "Nassar", "Account Executive", "Sales", 2},
		{"Jon", "Aske", "Sales Engineer", "Sales", 2},
		{"Priya", "Nair", "Software Engineer", "Engineering", 3},
		{"Otto", "Lind", "Software Engineer", "Engineering", 3},
		{"Sara", "Quint", "Support Agent", "Support", 1},
		{"Milo", "Fern", "Support Agent", "Support", 9},
		{"Nora", "Zell", "Recruiter", "People", 1},
		{"Gus", "", "Contractor", "", 0}, // without a family name (R39)
	} {
		login := strings.ToLower(row.given)
		u := sources.User{
			ID: id(i + 1), UserName: login + "@linden.example", Email: login + "@linden.example", Status: sources.StatusActive,
			GivenName: row.given, FamilyName: row.family, Title: row.title, Phone: fmt.Sprintf("+44 20 7946 %04d", i),
		}
		if row.manager > 0 {
			u.Manager.ID = id(row.manager)
		}
		if row.department != "" {
			u.Attributes = map[string]sources.Values{}
			for _, name := range w.attributes {
				u.Attributes[name] = sources.Values{row.department}
			}
		}
		users = append(users, u)
	}
	users[7].Status = sources.StatusInactive     // left the company
	users[10].Email = "nora@contractors.example" // of another company's domain (R41)
	d.PutUsers(users...)
	d.PutGroups(
		sources.Group{ID: fmt.Sprintf(w.group, 1), Name: "Everybody", Members: []string{id(1), id(2), id(3), id(4), id(5), id(6), id(7), id(9), id(10)}},
		sources.Group{ID: fmt.Sprintf(w.group, 2), Name: "Leadership", Members: []string{id(1), id(2), id(3)}},
	)
	return d
}

// rules select by group and by the attributes that every source gives.
func (w world) rules() string {
	return fmt.Sprintf(`{
  "format": 1,
  "revision": "1",
  "source": %q,
  "connection": "linden",
  "domains": {"primary": "linden.example"},
  "assignments": [
    {"id": "leadership", "name": "Leadership", "mode": "automatic", "match": {"groups": [%q]}, "seats": ["core", "forecast"]},
    {"id": "sales", "name": "Sales", "mode": "automatic", "match": {"attributes": {"department": "Sales"}}, "seats": ["core"]},
    {"id": "staff", "name": "Everybody else", "mode": "automatic", "match": {"attributes": {"department": ["Engineering", "Support"]}}}
  ]
}
`, w.kind, fmt.Sprintf(w.group, 2))
}

// transport is the way to the company's provider, whatever its host is called.
func (w world) transport() http.RoundTripper { return transportOf(w, w.company()) }

func transportOf(w world, d *fake.Directory) http.RoundTripper { return fake.Transport(w.face(d)) }

func (w world) getenv(name string) string { return w.env[name] }

// forAll runs a test for each provider.
func forAll(t *testing.T, test func(t *testing.T, w world)) {
	for i, p := range providers {
		require.Less(t, i, len(worlds), "%s has no company: add one to worlds", p.kind)
		require.Equal(t, p.kind, worlds[i].kind, "the order of worlds")
	}
	require.Len(t, fieldSources, len(worlds), "each of worlds has its record in fieldSources")
	for _, w := range worlds {
		t.Run(w.kind, func(t *testing.T) { test(t, w) })
	}
}
