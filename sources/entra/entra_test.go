package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const (
	clientID = "3a5c1b00-client"
	secret   = "c4n4ry-client-secret"
)

func values(texts ...string) sources.Values { return texts }

// id makes an object ID.
func id(n int) string { return fmt.Sprintf("0b5a1cd2-6f3e-4a57-9c11-%012d", n) }

// company is people as Entra lists them: one with every field, and one of each
// status.
func company() ([]sources.User, []sources.Group) {
	member := func(extra map[string]sources.Values) map[string]sources.Values {
		attributes := map[string]sources.Values{"userType": values("Member")}
		for name, v := range extra {
			attributes[name] = v
		}
		return attributes
	}
	users := []sources.User{
		{
			ID: id(1), UserName: "ada@acme.com", Status: sources.StatusActive, Email: "ada@acme.com",
			OtherEmails: []string{"ada@lovelace.example", "a.byron@acme.com"}, GivenName: "Ada", FamilyName: "Byron", Title: "CEO",
			Phone: "(865) 365-1900", MobilePhone: "+1 206 324 1800", PhoneExtension: "143", PrivateEmail: "ada@home.example",
			TimeZone: "W. Europe Standard Time", Country: "Germany", State: "BE", Locale: "de-DE",
			Attributes: member(map[string]sources.Values{
				"department": values("Board"), "companyName": values("Acme"), "organization": values("Acme"), "employeeId": values("0017"),
				"employee_number": values("0017"), "employeeType": values("Employee"), "employeeOrgData.division": values("North"), "division": values("North"),
				"employeeOrgData.costCenter": values("C-9"), "cost_center": values("C-9"), "displayName": values("Ada Byron"), "officeLocation": values("18/2111"),
				"city": values("Berlin"), "usageLocation": values("DE"), "mailNickname": values("ada"), "otherMails": values("ada@lovelace.example"),
				"onPremisesSamAccountName": values("abyron"), "onPremisesUserPrincipalName": values("abyron@ad.acme.com"),
				"extensionAttribute3": values("143"), "extensionAttribute15": values("blue"),
				"extension_1f_private": values("ada@home.example"), "extension_1f_skills": values("go", "sql"),
			}),
		},
		{ID: id(2), UserName: "bo@acme.com", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek", Manager: sources.Manager{ID: id(1)}, Attributes: member(nil)},
		{ID: id(3), UserName: "cy_partner.example#EXT#@acme.onmicrosoft.com", Status: sources.StatusStaged, Email: "cy@partner.example", Attributes: map[string]sources.Values{"userType": values("Guest"), "displayName": values("Cy")}},
		{ID: id(4), UserName: "di@acme.com", Status: sources.StatusUnknown, Email: "di@acme.com", GivenName: "Di", FamilyName: "Fo", Manager: sources.Manager{ID: id(2)}, Attributes: member(nil)},
		{ID: id(5), UserName: "ed@acme.com", Status: sources.StatusActive, GivenName: "Ed", FamilyName: "Go", TimeZone: "Europe/Berlin", Manager: sources.Manager{ID: id(1)}, Attributes: member(nil)},
	}
	groups := []sources.Group{
		{ID: id(101), Name: "Everybody", Members: []string{id(1), id(2), id(3), id(4), id(5)}},
		{ID: id(102), Name: "Sales", Members: []string{id(1), id(5)}},
		{ID: id(103), Name: "Nobody"},
	}
	return users, groups
}

// face shows a directory on pages so small that there are several.
func face(d *fake.Directory) *fake.Entra {
	return &fake.Entra{Directory: d, ClientID: clientID, ClientSecret: secret, PageRows: 2, DeltaRows: 2, DeltaMembers: 2, Unruly: true, TokenLife: 2 * time.Minute, Units: -1}
}

// A login is a credential that logs in at the given address for each requested
// token.
type login struct {
	address   string
	transport http.RoundTripper

	mu     sync.Mutex
	asked  []policy.TokenRequestOptions
	tokens []string
}

func (l *login) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": options.Scopes}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.address+"/acme/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := l.transport.RoundTrip(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	var answer struct {
		Token string `json:"access_token"`
		Life  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK || answer.Token == "" {
		return azcore.AccessToken{}, fmt.Errorf("login with %s\nRESPONSE %d: AADSTS7000215 %s", secret, resp.StatusCode, body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked, l.tokens = append(l.asked, options), append(l.tokens, answer.Token)
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Duration(answer.Life) * time.Second)}, nil
}

// config returns the Config for a provider at an address that reads everything of
// company.
func config(address string, transport http.RoundTripper) Config {
	return Config{
		URL: address, Transport: transport, Credential: &login{address: address, transport: transport},
		Guests: true, TimeZones: true, Properties: []string{"extension_1f_skills"},
		Fields: map[string]string{"phone_extension": "extensionAttribute3", "private_email": "extension_1f_private"},
	}
}

func source(t testing.TB, cfg Config) *Source {
	src, err := New(cfg)
	require.NoError(t, err)
	return src
}

// harness returns a harness without time zones and with these configured groups.
func harness(configured ...string) sourcetest.HTTPHarness {
	users, groups := company()
	for i := range users {
		users[i].TimeZone = ""
	}
	return sourcetest.HTTPHarness{
		Provider: func(d *fake.Directory) http.Handler { return face(d) },
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			cfg := config(address, transport)
			cfg.TimeZones, cfg.Groups = false, configured
			return source(t, cfg)
		},
		Users: users, Groups: groups,
		Aside:         func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/oauth2/v2.0/token") },
		Secrets:       []string{secret},
		Links:         []string{"@odata.nextLink", "@odata.deltaLink"},
		MissingID:     id(999),
		ExpiredCursor: "forgotten",
		Unsupported:   map[string]string{"requests": "a round of the delta is read to its end before anybody is handed out, since parts of a user may come on its last page"},
	}
}

// R1, R25, S12: every reading gives the complete present directory and its changes,
// with all that Graph's deltas may do.
func TestConformance(t *testing.T) { sourcetest.TestHTTP(t, harness()) }

// few reduces a harness to three people and two groups, for a further run.
func few(h sourcetest.HTTPHarness) sourcetest.HTTPHarness {
	h.Users = []sources.User{h.Users[0], h.Users[1], h.Users[4]}
	h.Groups = []sources.Group{{ID: id(101), Name: "Everybody", Members: []string{id(1), id(2), id(5)}}, h.Groups[1]}
	return h
}

// With the zones of mailboxes, in batches of which most requests are refused at
// first.
func TestConformanceWithTimeZones(t *testing.T) {
	h := harness()
	h.Users, _ = company()
	h = few(h)
	h.New = func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
		return source(t, config(address, transport))
	}
	h.Provider = func(d *fake.Directory) http.Handler {
		tenant := face(d)
		tenant.Concurrent = 1
		return tenant
	}
	h.Unsupported["chaos drift"] = "the zone of a user who is removed meanwhile is not known any more"
	sourcetest.TestHTTP(t, h)
}

// With configured groups only, which have no delta.
func TestConformanceOfConfiguredGroups(t *testing.T) {
	sourcetest.TestHTTP(t, few(harness(id(102), id(101), id(104))))
}

func TestInfo(t *testing.T) {
	src := source(t, Config{Credential: &login{}})
	assert.Equal(t, sources.Info{Kind: "entra", Connection: "entra", Lists: sources.FactAll}, src.Info())
	assert.Equal(t, "entra-prod", source(t, Config{Connection: "entra-prod", Credential: &login{}}).Info().Connection)
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{
		URL: "http://graph.microsoft.com", Groups: []string{"Sales team"}, Properties: []string{"a b"}, Hidden: []string{"id"},
		Fields: map[string]string{"zone": "tz", "country": " ", "title": "x,y"},
	})
	for _, want := range []string{
		"entra: config: ", "URL: want https", "Credential: required", `Groups[0]: want the object ID of a group, not "Sales team"`,
		`Properties[0]: want the name of a property of a user, not "a b"`, `Hidden[0]: want one of mail, `,
		`Fields["zone"]: want the name of a user's field`, `Fields["country"]: want the name of an attribute`, `Fields["title"]: want the name of a property of a user, not "x,y"`,
	} {
		require.ErrorContains(t, err, want)
	}
}

// A Graph that repeats the request gets no token into an error, in an answer of its
// own or in one of a batch.
func TestEchoedTokens(t *testing.T) {
	const canary = "c4n4ry/0p4que+token"
	for _, of := range []string{"/users/delta", "/$batch"} {
		echo := func(req *http.Request) string {
			return `{"error": {"code": "BadRequest", "message": "you sent ` + req.Header.Get("Authorization") + `, that is ` + url.QueryEscape(canary) + ` and ` + canary + `"}}`
		}
		src := source(t, Config{URL: host, Credential: fixed(canary), Attempts: 1, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			switch strings.TrimPrefix(req.URL.Path, "/v1.0") {
			case "/$batch":
				return resttest.JSON(200, `{"responses": [{"id": "0", "status": 400, "headers": {}, "body": `+echo(req)+`}]}`), nil
			case of:
				return resttest.JSON(400, echo(req)), nil
			}
			return resttest.JSON(200, `{"value": [{"id": "a", "jobTitle": "CEO"}], `+usersEnd), nil
		})})
		_, err := told(t, src, at(src))
		require.ErrorContains(t, err, "BadRequest: you sent Bearer [removed]", of)
		assert.NotContains(t, err.Error(), "c4n4ry", of)
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
	tenant := face(d)
	tenant.Units = 40
	cfg := config("http://127.0.0.1:1", fake.Transport(tenant))
	credential := cfg.Credential.(*login)
	cfg.Logger, cfg.MaxWait = log, time.Millisecond
	src := source(t, cfg)
	limited := false
	for range 4 {
		snapshot, cursor, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
		limited = limited || err != nil
		fmt.Fprintln(&shown, err, cursor)
		require.NoError(t, json.NewEncoder(&shown).Encode(snapshot))
	}
	assert.True(t, limited)
	assert.Contains(t, shown.String(), "rate limited")

	tenant.ClientSecret = "another"
	err := source(t, cfg).Check(t.Context())
	require.Error(t, err)
	assert.EqualError(t, err, "entra: log in: provider unavailable: the credential gave no token (AADSTS7000215)")
	fmt.Fprintf(&shown, "%v %+v %#v", err, err, err)

	shown.WriteString(resttest.Shown(t, cfg) + resttest.Shown(t, src))
	require.NotEmpty(t, credential.tokens)
	for _, canary := range append(credential.tokens, secret) {
		assert.NotContains(t, shown.String(), canary)
	}
}
