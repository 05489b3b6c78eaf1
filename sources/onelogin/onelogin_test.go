package onelogin

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const (
	clientID = "3a5c1b-client"
	secret   = "c4n4ry-client-secret"
)

func values(texts ...string) sources.Values { return texts }

// company are people as OneLogin lists them: one with every field, and one of
// each status.
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
	return &fake.OneLogin{Directory: d, ClientID: clientID, ClientSecret: secret, PageUsers: 2, PageRoles: 2, Hourly: -1}
}

func source(t testing.TB, address string, transport http.RoundTripper) *Source {
	src, err := New(Config{URL: address, ClientID: clientID, ClientSecret: secret, Transport: transport})
	require.NoError(t, err)
	return src
}

// R1, R27: the directory as it is now, whole, at every reading.
func TestConformance(t *testing.T) {
	users, groups := company()
	sourcetest.TestHTTP(t, sourcetest.HTTPHarness{
		Provider: face,
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport)
		},
		Users:   users,
		Groups:  groups,
		Secrets: []string{secret},
		Links:   []string{"After-Cursor"},
	})
}
