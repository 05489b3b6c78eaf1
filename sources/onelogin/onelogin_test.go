package onelogin

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const (
	clientID = "3a5c1b-client"
	secret   = "c4n4ry-client-secret"
)

func values(texts ...string) sources.Values { return texts }

// company is people as OneLogin lists them: one with every field, and one of each
// status.
func company() ([]sources.User, []sources.Group) {
	state := func(status string, extra map[string]sources.Values) map[string]sources.Values {
		attributes := map[string]sources.Values{"status": values(status), "state": values("1")}
		for name, v := range extra {
			attributes[name] = v
		}
		return attributes
	}
	users := []sources.User{
		{
			ID: "132422371", UserName: "ada", Status: sources.StatusActive, Email: "ada@acme.com",
			OtherEmails: []string{"a.byron@acme.com", "ada@lovelace.example"}, PrivateEmail: "ada@home.example",
			GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "(865) 365-1900", MobilePhone: "+1 206 324 1800", PhoneExtension: "143",
			TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en-GB",
			Manager: sources.Manager{Email: "chair@acme.com", Name: "Mary Chair"},
			Attributes: state("1", map[string]sources.Values{
				"department": values("Board"), "company": values("Acme"), "organization": values("Acme"), "group_id": values("477661"),
				"external_id": values("E-1"), "directory_id": values("9"), "samaccountname": values("abyron"),
				"userprincipalname": values("ada@ad.acme.com"), "distinguished_name": values("CN=Ada"), "member_of": values("CN=Staff"),
				"manager_ad_id": values("77"), "division": values("North"), "cost_center": values("C-9"), "employee_number": values("0001"),
				"custom_attributes.division": values("North"), "custom_attributes.cost_center": values("C-9"),
				"custom_attributes.employee_number": values("0001"), "custom_attributes.badge": values("blue"),
				"custom_attributes.other_emails": values("a.byron@acme.com,ada@lovelace.example"), "custom_attributes.private_email": values("ada@home.example"),
				"custom_attributes.mobile_phone": values("+1 206 324 1800"), "custom_attributes.phone_extension": values("143"),
				"custom_attributes.timezone": values("Europe/London"), "custom_attributes.country": values("GB"), "custom_attributes.state": values("ENG"),
				"custom_attributes.manager_email": values("chair@acme.com"), "custom_attributes.manager_name": values("Mary Chair"),
			}),
		},
		{
			ID: "132422372", UserName: "bo", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek",
			Manager: sources.Manager{ID: "132422371"}, Attributes: state("2", nil),
		},
		{ID: "132422373", Status: sources.StatusStaged, Email: "cy@acme.com", GivenName: "Cy", Attributes: state("0", nil)},
		{ID: "132422374", Status: sources.StatusActive, Email: "di@acme.com", GivenName: "Di", FamilyName: "Fo", Attributes: state("3", nil)},
		{ID: "132422375", Status: sources.StatusUnknown, Email: "ed@acme.com", GivenName: "Ed", FamilyName: "Go", Attributes: state("6", nil)},
	}
	groups := []sources.Group{
		{ID: "428308", Name: "Default", Members: []string{"132422371", "132422372", "132422373"}},
		{ID: "439868", Name: "Sales", Members: []string{"132422371", "132422374"}},
		{ID: "439869", Name: "Nobody"},
	}
	return users, groups
}

// face shows a directory on pages so small that there are several.
func face(d *fake.Directory) http.Handler {
	return &fake.OneLogin{Directory: d, ClientID: clientID, ClientSecret: secret, PageUsers: 2, PageRoles: 2, TokenLife: 2 * time.Minute, PerHour: -1}
}

func source(t testing.TB, address string, transport http.RoundTripper) *Source {
	src, err := New(Config{URL: address, ClientID: clientID, ClientSecret: secret, Transport: transport})
	require.NoError(t, err)
	return src
}

// R1, R27: every reading gives the complete present directory.
func TestConformance(t *testing.T) {
	users, groups := company()
	sourcetest.TestHTTP(t, sourcetest.HTTPHarness{
		Provider: face,
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport)
		},
		Users:     users,
		Groups:    groups,
		Secrets:   []string{secret},
		Links:     []string{"After-Cursor"},
		MissingID: "999999999",
	})
}

func TestInfo(t *testing.T) {
	src := source(t, "https://acme.onelogin.com", nil)
	assert.Equal(t, sources.Info{Kind: "onelogin", Connection: "onelogin", Lists: sources.FactAll}, src.Info())
	src, err := New(Config{Connection: "ol-prod", URL: "https://acme.onelogin.com", ClientID: "x", ClientSecret: "y", NoManagers: true})
	require.NoError(t, err)
	assert.Equal(t, sources.Info{
		Kind: "onelogin", Connection: "ol-prod", Lists: sources.FactUsers | sources.FactGroups | sources.FactMemberships,
	}, src.Info())
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{URL: "http://acme.onelogin.com", Fields: map[string]string{"zone": "tz", "country": " "}})
	for _, want := range []string{
		"onelogin: config: ", "URL: want https", "ClientID: required", "ClientSecret: required",
		`Fields["zone"]: want the name of a user's field`, `Fields["country"]: want the name of an attribute`,
	} {
		require.ErrorContains(t, err, want)
	}
}

// A secret is shown in nothing that is printed, logged, encoded or returned.
func TestSecretsAreNotShown(t *testing.T) {
	var shown bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	account := &fake.OneLogin{Directory: d, ClientID: clientID, ClientSecret: secret, PerHour: 4}
	var tokens []string
	transport := resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		tokens = append(tokens, strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		return fake.Transport(account).RoundTrip(req)
	})
	cfg := Config{URL: "http://127.0.0.1:1", ClientID: clientID, ClientSecret: secret, Transport: transport, Logger: log}
	src, err := New(cfg)
	require.NoError(t, err)
	for range 3 {
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		fmt.Fprintln(&shown, err)
		require.NoError(t, json.NewEncoder(&shown).Encode(snapshot))
	}
	assert.Contains(t, shown.String(), "rate limited")

	wrong := cfg
	wrong.ClientID = "somebody else"
	src, err = New(wrong)
	require.NoError(t, err)
	err = src.Check(t.Context())
	require.Error(t, err)
	fmt.Fprintln(&shown, err)

	shown.WriteString(resttest.Shown(t, cfg) + resttest.Shown(t, src))
	for _, canary := range append(tokens, secret, base64.StdEncoding.EncodeToString([]byte(clientID+":"+secret)), hex.EncodeToString([]byte(secret))) {
		assert.NotContains(t, shown.String(), canary)
	}
}
