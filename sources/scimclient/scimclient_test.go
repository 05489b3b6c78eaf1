package scimclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const token = "c4n4ry-scim-token"

func values(texts ...string) sources.Values { return texts }

// company is people as a SCIM server lists them, one with every field and one of
// each status, and groups, one of which is nested.
func company() ([]sources.User, []sources.Group) {
	const badge = "urn:example:params:scim:schemas:extension:badge:2.0:User"
	users := []sources.User{
		{
			ID: "u-1", UserName: "ada@acme.com", Status: sources.StatusActive, Email: "ada@acme.com",
			OtherEmails: []string{"a.byron@acme.com", "ada@lovelace.example"}, PrivateEmail: "ada@home.example",
			GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "(865) 365-1900", MobilePhone: "+44 7700 900000", PhoneExtension: "143",
			TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en-GB",
			Manager: sources.Manager{Email: "chair@acme.com", Name: "Mary Chair"},
			Attributes: map[string]sources.Values{
				"department": values("Board"), "division": values("North"), "organization": values("Acme"),
				"costCenter": values("C-9"), "cost_center": values("C-9"), "employeeNumber": values("0001"), "employee_number": values("0001"),
				"displayName": values("Ada Byron"), "userType": values("Employee"), badge + ":colour": values("blue", "red"),
			},
		},
		{ID: "u-2", UserName: "bo", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek", Manager: sources.Manager{ID: "u-1"}},
		{ID: "u-3", UserName: "cy", Status: sources.StatusUnknown, Email: "cy@acme.com", GivenName: "Cy", FamilyName: "Di"},
		{ID: "u-4", UserName: "di", Status: sources.StatusActive, Email: "di@acme.com", FamilyName: "Fo"},
		{ID: "u-5", UserName: "ed", Status: sources.StatusActive, Email: "ed@acme.com", GivenName: "Ed", FamilyName: "Go"},
	}
	groups := []sources.Group{
		{ID: "g-1", Name: "Everybody", Members: []string{"u-1", "u-2", "u-3", "u-4", "u-5"}},
		{ID: "g-2", Name: "Sales", Members: []string{"u-5"}},
		{ID: "g-3", Name: "Nobody"},
	}
	return users, groups
}

func source(t testing.TB, address string, transport http.RoundTripper, change func(*Config)) *Source {
	cfg := Config{URL: address, Token: token, Transport: transport}
	if change != nil {
		change(&cfg)
	}
	src, err := New(cfg)
	require.NoError(t, err)
	return src
}

func harness(face func(*fake.SCIM), change func(*Config)) sourcetest.HTTPHarness {
	users, groups := company()
	return sourcetest.HTTPHarness{
		Provider: func(d *fake.Directory) http.Handler {
			server := &fake.SCIM{Directory: d, Token: token, PageRows: 2}
			if face != nil {
				face(server)
			}
			return server
		},
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport, change)
		},
		Users:     users,
		Groups:    groups,
		Secrets:   []string{token},
		Links:     []string{"nextCursor"},
		MissingID: "u-999",
	}
}

// R1: any SCIM provider, with each way of paging.
func TestConformance(t *testing.T) {
	for name, h := range map[string]sourcetest.HTTPHarness{
		"by position":       harness(nil, nil),
		"by cursor":         harness(func(f *fake.SCIM) { f.Cursors = true }, nil),
		"small pages asked": harness(func(f *fake.SCIM) { f.PageRows = 100 }, func(cfg *Config) { cfg.PageSize = 1 }),
		"members by group":  harness(func(f *fake.SCIM) { f.MembersOnlyOne = true }, nil),
		"without meta":      harness(func(f *fake.SCIM) { f.NoMeta = true }, nil),
	} {
		t.Run(name, func(t *testing.T) { sourcetest.TestHTTP(t, h) })
	}
}

// The table of the package comment.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 users")
	}
	h := harness(nil, nil)
	h.Provider = func(d *fake.Directory) http.Handler { return &fake.SCIM{Directory: d, Token: token} }
	cost := sourcetest.Measure(t, h, 200_000, 2_000)
	assert.Equal(t, map[string]int{"GET /ServiceProviderConfig": 2, "GET /Users": 2001, "GET /Groups": 21}, cost.Requests)
	assert.Less(t, cost.Beyond, uint64(64<<20))
}

func TestInfo(t *testing.T) {
	assert.Equal(t, sources.Info{Kind: "scim", Connection: "scim", Lists: sources.FactAll}, source(t, "https://x.example/scim/v2", nil, nil).Info())
	assert.Equal(t, sources.Info{Kind: "okta", Connection: "okta", Lists: sources.FactUsers | sources.FactManagers},
		source(t, "https://x.example", nil, func(cfg *Config) { cfg.Kind, cfg.NoGroups = "Okta", true }).Info())
	assert.Equal(t, sources.Info{Kind: "scim", Connection: "aws", Lists: sources.FactUsers | sources.FactManagers | sources.FactGroups},
		source(t, "https://x.example", nil, func(cfg *Config) { cfg.Connection, cfg.NoMembers = "aws", true }).Info())
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{URL: "http://x.example", PageSize: -1, Paging: "none", Fields: map[string]string{"zone": "x"},
		UserExtension: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"})
	for _, want := range []string{
		"scimclient: config: ", "URL: want https", "PageSize: want a number of resources, not -1", `Paging: want index, cursor, all or nothing, not "none"`,
		`Fields["zone"]`, "UserExtension", "Token, TokenSource, UserName, TokenURL: want one of them",
	} {
		require.ErrorContains(t, err, want)
	}
	for want, cfg := range map[string]Config{
		"want one of them":   {Token: "x", UserName: "a", Password: "b"},
		"UserName, Password": {UserName: "a"},
		"want all three":     {TokenURL: "https://x.example/token", ClientID: "a"},
		"TokenURL: want":     {TokenURL: "x", ClientID: "a", ClientSecret: "b"},
	} {
		cfg.URL = "https://x.example"
		_, err = New(cfg)
		require.ErrorContains(t, err, want)
	}
}

// A field is read from the configured attribute.
func TestFields(t *testing.T) {
	users, _ := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	src := source(t, "http://127.0.0.1:1", fake.Transport(&fake.SCIM{Directory: d, Token: token}), func(cfg *Config) {
		cfg.Fields = map[string]string{"title": "userType", "phone": "nowhere", "cost_center": "department"}
	})
	for u, err := range src.Users(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "Employee", u.Title)
		assert.Equal(t, "(865) 365-1900", u.Phone)
		assert.Equal(t, values("Board"), u.Attributes["cost_center"])
		break
	}
}

// A secret is shown in nothing that is printed, logged, encoded or returned, with
// every way to authenticate.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "c4n4ry/p&ss word"
	var shown bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	echo := resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		var sent bytes.Buffer
		if req.Body != nil {
			_, _ = sent.ReadFrom(req.Body)
		}
		body, _ := json.Marshal(map[string]string{"detail": req.Header.Get("Authorization") + " " + sent.String() + " " + secret})
		return respond(403, string(body)), nil
	})
	for _, cfg := range []Config{
		{Token: secret},
		{UserName: "user", Password: secret},
		{TokenURL: "http://127.0.0.1:1/token", ClientID: "id", ClientSecret: secret, Scope: "read"},
		{TokenSource: func(context.Context) (string, error) { return secret, nil }},
	} {
		cfg.URL, cfg.Transport, cfg.Logger = "http://127.0.0.1:1", echo, log
		src, err := New(cfg)
		require.NoError(t, err)
		err = src.Check(t.Context())
		require.ErrorIs(t, err, sources.ErrForbidden)
		fmt.Fprintln(&shown, err)
		shown.WriteString(resttest.Shown(t, cfg) + resttest.Shown(t, src))
	}
	assert.Contains(t, shown.String(), "[removed]")
	for _, canary := range []string{"c4n4ry", hex.EncodeToString([]byte("c4n4ry")), base64.StdEncoding.EncodeToString([]byte("user:" + secret))} {
		assert.False(t, strings.Contains(shown.String(), canary), canary)
	}
}
