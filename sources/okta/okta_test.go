package okta

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const (
	token    = "00c4n4ry-api-token_0123456789abcdefghij"
	clientID = "0oa1client0000000007"
	appID    = "0oa1app00000000000x7"
)

func values(texts ...string) sources.Values { return texts }

// company is people as Okta lists them: one with every field, and one of each
// status.
func company() ([]sources.User, []sources.Group) {
	status := func(word string, extra map[string]sources.Values) map[string]sources.Values {
		attributes := map[string]sources.Values{"status": values(word)}
		maps.Copy(attributes, extra)
		return attributes
	}
	users := []sources.User{
		{
			ID: "00u1cagurdhtxqBdf4x0", UserName: "ada@acme.com", Status: sources.StatusActive, Email: "ada@acme.com",
			OtherEmails: []string{"a.byron@acme.com", "ada@lovelace.example"}, PrivateEmail: "ada@home.example",
			GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "(865) 365-1900", MobilePhone: "+1 206 324 1800", PhoneExtension: "143",
			TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en_GB",
			Manager: sources.Manager{ID: "222222", Email: "chair@acme.com", Name: "Mary Chair"},
			Attributes: status("ACTIVE", map[string]sources.Values{
				"department": values("Board"), "division": values("North"), "organization": values("Acme"),
				"costCenter": values("C-9"), "cost_center": values("C-9"), "employeeNumber": values("0001"), "employee_number": values("0001"),
				"userType": values("Employee"), "nickName": values("Countess"), "badge": values("blue"), "skills": values("go", "sql"),
			}),
		},
		{
			ID: "00u1cagurdhtxqBdf4x1", UserName: "bo@acme.com", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek",
			Manager: sources.Manager{ID: "00u1cagurdhtxqBdf4x0"}, Attributes: status("DEPROVISIONED", nil),
		},
		{ID: "00u1cagurdhtxqBdf4x2", UserName: "cy", Status: sources.StatusStaged, Email: "cy@acme.com", GivenName: "Cy", Attributes: status("STAGED", nil)},
		{ID: "00u1cagurdhtxqBdf4x3", UserName: "di", Status: sources.StatusActive, Email: "di@acme.com", GivenName: "Di", FamilyName: "Fo", Attributes: status("LOCKED_OUT", nil)},
		{ID: "00u1cagurdhtxqBdf4x4", UserName: "ed", Status: sources.StatusUnknown, Email: "ed@acme.com", GivenName: "Ed", FamilyName: "Go", Attributes: status("ACTIVATING", nil)},
	}
	groups := []sources.Group{
		{ID: "00g1emfcdsTvHqmuTjv0", Name: "Everyone", Members: []string{"00u1cagurdhtxqBdf4x0", "00u1cagurdhtxqBdf4x1", "00u1cagurdhtxqBdf4x2", "00u1cagurdhtxqBdf4x3", "00u1cagurdhtxqBdf4x4"}},
		{ID: "00g1emfcdsTvHqmuTjv1", Name: "Sales", Members: []string{"00u1cagurdhtxqBdf4x0", "00u1cagurdhtxqBdf4x3"}},
		{ID: "00g1emfcdsTvHqmuTjv2", Name: "Nobody"},
	}
	return users, groups
}

// keys are made once: an RSA key takes a while.
var (
	rsaKey, rsaErr = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, ecErr   = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
)

func pemOf(t testing.TB, key any) []byte {
	t.Helper()
	require.NoError(t, rsaErr)
	require.NoError(t, ecErr)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// org shows a directory to an API token and to a service app, in so small pages
// that there are several.
func org(d *fake.Directory) *fake.Okta {
	return &fake.Okta{
		Directory: d, Token: token, ClientID: clientID, ClientKey: &rsaKey.PublicKey, Apps: map[string][]string{appID: nil},
		PageRows: 2, TokenLife: 2 * time.Minute, PerMinute: -1,
	}
}

func face(d *fake.Directory) http.Handler { return org(d) }

func source(t testing.TB, address string, transport http.RoundTripper) *Source {
	t.Helper()
	return configured(t, Config{URL: address, Token: token, Transport: transport})
}

func configured(t testing.TB, cfg Config) *Source {
	t.Helper()
	src, err := New(cfg)
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
		Users: users, Groups: groups, Secrets: []string{token}, Links: []string{"Link"},
		MissingID: "00u9999999999999999", ExpiredCursor: "a place of another source",
	}
}

// small is harness with a smaller org, since faults are played at each request.
func small() sourcetest.HTTPHarness {
	h := harness()
	h.Users = h.Users[:3]
	h.Groups = []sources.Group{{ID: "00g1emfcdsTvHqmuTjv1", Name: "Sales", Members: []string{h.Users[0].ID, h.Users[2].ID}}}
	return h
}

// R1, R22: every reading gives the complete present directory.
func TestConformance(t *testing.T) { sourcetest.TestHTTP(t, harness()) }

// The same with a service app whose tokens are bound to a key.
func TestConformanceWithDPoP(t *testing.T) {
	h := small()
	key := pemOf(t, ecKey)
	h.Provider = func(d *fake.Directory) http.Handler {
		o := org(d)
		o.DPoP, o.ClientKey = true, &ecKey.PublicKey
		return o
	}
	h.New = func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
		return configured(t, Config{URL: address, ClientID: clientID, PrivateKey: key, Sees: SeesAll, Transport: transport})
	}
	h.Secrets = []string{string(key)}
	sourcetest.TestHTTP(t, h)
}

// R53: the users of the app, with their profiles in it.
func TestConformanceOfAnApp(t *testing.T) {
	h := small()
	for i := range h.Users {
		h.Users[i].Attributes["app.role"] = values("seller")
	}
	h.New = func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
		return configured(t, Config{URL: address, Token: token, AppID: appID, Sees: SeesAll, Transport: transport})
	}
	sourcetest.TestHTTP(t, h)
}

func TestInfo(t *testing.T) {
	src := source(t, "https://acme.okta.com", nil)
	assert.Equal(t, sources.Info{Kind: "okta", Connection: "okta", Lists: sources.FactAll}, src.Info())
	src = configured(t, Config{Connection: "okta-eu", URL: "https://acme.okta.com", Token: "x", Sees: SeesPart})
	assert.Equal(t, sources.Info{Kind: "okta", Connection: "okta-eu"}, src.Info())
}
