package rippling

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
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

const token = "c4n4ry-api-token"

func values(texts ...string) sources.Values { return texts }

// company is people as Rippling lists them: one with every field, and one of each
// status.
func company() ([]sources.User, []sources.Group) {
	with := func(id, status string, extra map[string]sources.Values) map[string]sources.Values {
		attributes := map[string]sources.Values{"user_id": values("user-" + id), "status": values(status)}
		for name, v := range extra {
			attributes[name] = v
		}
		return attributes
	}
	const ada, bo, cy, di, ed = "641b7a00000000000000000a", "641b7a00000000000000000b", "641b7a00000000000000000c", "641b7a00000000000000000d", "641b7a00000000000000000e"
	users := []sources.User{
		{
			ID: ada, UserName: "ada@acme.com", Status: sources.StatusActive, Email: "ada@acme.com",
			OtherEmails: []string{"a.byron@acme.com"}, PrivateEmail: "ada@home.example",
			GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "+44 20 7946 0000", MobilePhone: "+44 7700 900000", PhoneExtension: "143",
			TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en-GB",
			Manager: sources.Manager{Email: "chair@acme.com", Name: "Mary Chair"},
			Attributes: with(ada, "ACTIVE", map[string]sources.Values{
				"department": values("Board"), "legal_entity": values("Acme Ltd"), "organization": values("Acme Ltd"),
				"number": values("17"), "employee_number": values("17"), "employment_type": values("Salaried, full-time"), "level": values("Executive"),
				"teams": values("North", "South"), "start_date": values("2020-01-01"), "work_location_id": values("loc-1"),
				"preferred_given_name": values("Addie"), "preferred_family_name": values("Lovelace"), "preferred_language": values("en-GB"),
				"division": values("North"), "cost_center": values("C-9"),
				"custom_fields.division": values("North"), "custom_fields.cost_center": values("C-9"), "custom_fields.Badge colour": values("blue"),
				"custom_fields.skills": values("go", "sql"), "custom_fields.phone_extension": values("143"),
				"custom_fields.manager_email": values("chair@acme.com"), "custom_fields.manager_name": values("Mary Chair"),
			}),
		},
		{
			ID: bo, UserName: "bo@acme.com", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek",
			Manager: sources.Manager{ID: ada}, Attributes: with(bo, "TERMINATED", map[string]sources.Values{"end_date": values("2025-01-01")}),
		},
		{ID: cy, Status: sources.StatusStaged, PrivateEmail: "cy@home.example", GivenName: "Cy", FamilyName: "Di", Attributes: with(cy, "HIRED", nil)},
		{ID: di, Status: sources.StatusUnknown, Email: "di@acme.com", GivenName: "Di", FamilyName: "Fo", Attributes: with(di, "ON_LEAVE", nil)},
		{ID: ed, Status: sources.StatusActive, Email: "ed@acme.com", GivenName: "Ed", FamilyName: "Go", Attributes: with(ed, "ACTIVE", nil)},
	}
	groups := []sources.Group{
		{ID: "g1", Name: "Everybody", Members: []string{ada, bo, cy, di, ed}},
		{ID: "g2", Name: "Sales", Members: []string{ed}},
		{ID: "g3", Name: "Nobody"},
	}
	return users, groups
}

// face shows a directory on pages so small that there are several.
func face(d *fake.Directory) http.Handler {
	return &fake.Rippling{Directory: d, Token: token, PageRows: 2}
}

func source(t testing.TB, address string, transport http.RoundTripper) *Source {
	src, err := New(Config{URL: address, Token: token, Transport: transport})
	require.NoError(t, err)
	return src
}

func harness() sourcetest.HTTPHarness {
	users, groups := company()
	return sourcetest.HTTPHarness{
		Provider: face,
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport)
		},
		Users:     users,
		Groups:    groups,
		Secrets:   []string{token},
		Links:     []string{"next_link"},
		MissingID: "641b7affffffffffffffffff",
	}
}

// R1, R22: every reading gives the complete present directory.
func TestConformance(t *testing.T) { sourcetest.TestHTTP(t, harness()) }

// The address of the API has a path.
func TestConformanceUnderAPath(t *testing.T) {
	h := harness()
	h.Provider = func(d *fake.Directory) http.Handler { return http.StripPrefix("/proxy/rippling", face(d)) }
	h.New = func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
		return source(t, address+"/proxy/rippling/", transport)
	}
	world := fake.NewDirectory()
	world.PutUsers(h.Users[:1]...)
	users, err := sources.Collect(t.Context(), h.New(t, "http://127.0.0.1:1", fake.Transport(h.Provider(world))), sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, users.Users, 1)
}

// The table of the package comment.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 workers")
	}
	h := harness()
	h.Provider = func(d *fake.Directory) http.Handler { return &fake.Rippling{Directory: d, Token: token} }
	cost := sourcetest.Measure(t, h, 200_000, 2_000)
	assert.Equal(t, 2000, cost.Requests["GET /workers"])
	assert.Equal(t, 20, cost.Requests["GET /supergroups"])
	assert.Equal(t, 8229, cost.Requests["GET /supergroups/{id}/members"])
	assert.Less(t, cost.Beyond, uint64(64<<20))
}

func TestInfo(t *testing.T) {
	src := source(t, "https://rest.ripplingapis.com", nil)
	assert.Equal(t, sources.Info{Kind: "rippling", Connection: "rippling", Lists: sources.FactAll}, src.Info())
	src, err := New(Config{Connection: "hr", Token: "x", NoManagers: true, NoGroups: true})
	require.NoError(t, err)
	assert.Equal(t, sources.Info{Kind: "rippling", Connection: "hr", Lists: sources.FactUsers}, src.Info())
	for range src.Groups(t.Context()) {
		t.Fatal("groups are left out")
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{URL: "ftp://x", Version: "v2", Hidden: []string{"teams", "salary"}, Fields: map[string]string{"zone": "x"}})
	for _, want := range []string{
		"rippling: config: ", "URL: want https", "Token, TokenSource: want one of them", `Version: want a date such as 2024-08-01, not "v2"`,
		`Hidden[1]: want one of department`, `Fields["zone"]: want the name of a user's field`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = New(Config{Token: "x", TokenSource: func(context.Context) (string, error) { return "", nil }})
	require.ErrorContains(t, err, "Token, TokenSource: want one of them")
}

func TestTokenSource(t *testing.T) {
	users, _ := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	var tokens []string
	cfg := Config{
		URL: "http://127.0.0.1:1", Transport: fake.Transport(face(d)),
		TokenSource: func(context.Context) (string, error) {
			if len(tokens) == 0 {
				return "", errors.New("the refresh token is used up")
			}
			next := tokens[0]
			tokens = tokens[1:]
			return next, nil
		},
	}
	tokens = []string{"an old token", token}
	src, err := New(cfg)
	require.NoError(t, err)
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, snapshot.Users, len(users))
	assert.Empty(t, tokens)

	src, err = New(cfg)
	require.NoError(t, err)
	require.ErrorContains(t, src.Check(t.Context()), "rippling: log in: the refresh token is used up")
}

// A secret is shown in nothing that is printed, logged, encoded or returned.
func TestSecretsAreNotShown(t *testing.T) {
	var shown bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	company := face(d).(*fake.Rippling)
	cfg := Config{URL: "http://127.0.0.1:1", Token: token, Transport: fake.Transport(company), Logger: log}
	src, err := New(cfg)
	require.NoError(t, err)
	for range 2 {
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		fmt.Fprintln(&shown, err)
		require.NoError(t, json.NewEncoder(&shown).Encode(snapshot))
		company.RevokeTokens()
	}
	assert.Contains(t, shown.String(), "credentials rejected: GET /workers: 401 Unauthorized: Invalid token")
	shown.WriteString(resttest.Shown(t, cfg) + resttest.Shown(t, src))
	for _, canary := range []string{token, hex.EncodeToString([]byte(token))} {
		assert.False(t, strings.Contains(shown.String(), canary), canary)
	}
}
