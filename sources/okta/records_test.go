package okta

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/okta/okta-sdk-golang/v5/okta"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// read converts the users in a file of testdata. The files have the form of answers
// recorded from orgs, with every kind of value that occurred: null, empty texts,
// numbers, booleans, lists, missing attributes.
func read[R any](t *testing.T, file string, cfg Config, make func(*Source) func(R) (sources.User, error)) []sources.User {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var list []R
	require.NoError(t, json.Unmarshal(data, &list))
	cfg.URL, cfg.Token = "https://acme.okta.com", "x"
	src := configured(t, cfg)
	var users []sources.User
	for _, rec := range list {
		u, err := make(src)(rec)
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

func readUsers(t *testing.T, cfg Config) []sources.User {
	t.Helper()
	return read(t, "users.json", cfg, func(s *Source) func(okta.User) (sources.User, error) {
		return func(rec okta.User) (sources.User, error) {
			row, err := s.ofOrg(nil)(rec)
			assert.Equal(t, row.Value.ID, row.ID)
			return row.Value, err
		}
	})
}

// R56, R57, R62, S35: every field that an org can have.
func TestRecordedUsers(t *testing.T) {
	users := readUsers(t, Config{})
	assert.Equal(t, sources.User{
		ID: "00u1cagurdhtxqBdf4x0", UserName: "ada@acme.com", Status: sources.StatusStaged, Email: "ada@acme.com",
		OtherEmails: []string{"a.byron@acme.com"}, PrivateEmail: "ada@home.example",
		GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "(865) 365-1900", MobilePhone: "+44 20 7946 0000", PhoneExtension: "143",
		TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en_GB",
		Manager: sources.Manager{Email: "chair@acme.com", ID: "222222", Name: "Mary van Chair"},
		Attributes: map[string]sources.Values{
			"status": values("PROVISIONED"), "profileUrl": values("https://acme.example/ada"), "zipCode": values("W1"), "city": values("London"),
			"displayName": values("Countess Ada"), "honorificSuffix": values("Sr."), "honorificPrefix": values("Lady"), "nickName": values("Countess"),
			"postalAddress": values("12 St James's Square"), "streetAddress": values("12 St James's Square"), "middleName": values("A."),
			"userType": values("Employee"), "level": values("7"), "share": values("0.5"), "badge": values("9007199254740991"), "remote": values("true"),
			"skills": values("go", "sql"), "grades": values("1", "2.5"),
			"department": values("Board"), "division": values("North"), "organization": values("Acme"),
			"costCenter": values("10"), "cost_center": values("10"), "employeeNumber": values("0001"), "employee_number": values("0001"),
		},
	}, users[0])
	assert.Equal(t, sources.User{
		ID: "00u1cagurdhtxqBdf4x1", UserName: "bo@acme.com", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Ek",
		Attributes: map[string]sources.Values{"status": values("DEPROVISIONED")},
	}, users[1])
	assert.Equal(t, sources.User{
		ID: "00u1cagurdhtxqBdf4x2", UserName: "cy", Status: sources.StatusActive, Email: "cy@acme.com", GivenName: "Cy",
		Country: "Sweden", State: "Skåne", Locale: "sv", Manager: sources.Manager{Name: "Bo Ek"},
		Attributes: map[string]sources.Values{"status": values("ACTIVE")},
	}, users[2])
}

// R53: the profile in the app takes precedence, unless it is empty.
func TestRecordedAppUsers(t *testing.T) {
	users := read(t, "app-users.json", Config{AppID: "0oa1app", Fields: map[string]string{"department": "team"}}, func(s *Source) func(okta.AppUser) (sources.User, error) {
		return func(rec okta.AppUser) (sources.User, error) {
			row, err := s.ofApp(nil)(rec)
			return row.Value, err
		}
	})
	assert.Equal(t, []sources.User{{
		ID: "00u1cagurdhtxqBdf4x0", UserName: "ada@acme.com", Status: sources.StatusInactive, Email: "ada@acme.com", GivenName: "Ada", FamilyName: "Byron",
		Title: "Head of Acme", PhoneExtension: "7", TimeZone: "Europe/London",
		Attributes: map[string]sources.Values{
			"status": values("SUSPENDED"), "team": values("Board"), "department": values("Board"),
			"app.title": values("Head of Acme"), "app.role": values("seller"), "app.seats": values("3"), "app.primaryPhoneExt": values("7"),
		},
	}}, users)
}

// An attribute that is configured for a field is used for that field only.
func TestFieldsNameAttributes(t *testing.T) {
	users := readUsers(t, Config{Fields: map[string]string{
		"private_email": "secondEmail", "title": "nickName", "country": "nowhere", "manager.email": "managerId", "cost_center": "level",
	}})
	u := users[0]
	assert.Equal(t, "a.byron@acme.com", u.PrivateEmail)
	assert.Empty(t, u.OtherEmails, "a private address is not a further work address")
	assert.Equal(t, "Countess", u.Title)
	assert.Empty(t, u.Country, "the attribute of the default name is not read")
	assert.Equal(t, sources.Manager{Email: "222222", Name: "Mary van Chair"}, u.Manager)
	assert.Equal(t, values("7"), u.Attributes["cost_center"])
	assert.Equal(t, values("10"), u.Attributes["costCenter"])
	assert.Equal(t, values("ada@home.example"), u.Attributes["privateEmail"], "what no field is read from stays an attribute")
	assert.Equal(t, values("CEO"), u.Attributes["title"])
	assert.NotContains(t, u.Attributes, "nickName")
}

// S22: the text that names a manager is free, and the Config says what it is.
func TestManagerKeys(t *testing.T) {
	managers := map[string]string{"222222": "00uboss"}
	for key, want := range map[ManagerKey]sources.Manager{
		ManagerByID:             {ID: "222222", Email: "chair@acme.com", Name: "Mary van Chair"},
		ManagerByEmail:          {Email: "222222", Name: "Mary van Chair"},
		ManagerByName:           {Email: "chair@acme.com", Name: "222222"},
		ManagerByLogin:          {ID: "00uboss", Email: "chair@acme.com", Name: "Mary van Chair"},
		ManagerByEmployeeNumber: {ID: "00uboss", Email: "chair@acme.com", Name: "Mary van Chair"},
	} {
		r := newRecords(Config{ManagerID: key})
		u := readUsers(t, Config{})[0]
		r.manager(&u, managers)
		assert.Equal(t, want, u.Manager, key)
	}
	r := newRecords(Config{ManagerID: ManagerByLogin})
	u := sources.User{Manager: sources.Manager{ID: " Nobody@acme.com"}}
	r.manager(&u, map[string]string{"nobody@acme.com": ""})
	assert.Equal(t, " Nobody@acme.com", u.Manager.ID, "a key of nobody, or of several, stays unknown")
	r.manager(&u, map[string]string{"nobody@acme.com": "00u7"})
	assert.Equal(t, "00u7", u.Manager.ID)
}

// S10, R51: each of Okta's words, and an unknown one.
func TestStatus(t *testing.T) {
	for word, want := range map[string]sources.Status{
		"ACTIVE": sources.StatusActive, "RECOVERY": sources.StatusActive, "PASSWORD_EXPIRED": sources.StatusActive, "LOCKED_OUT": sources.StatusActive,
		"SUSPENDED": sources.StatusInactive, "DEPROVISIONED": sources.StatusInactive,
		"STAGED": sources.StatusStaged, "PROVISIONED": sources.StatusStaged,
		"": sources.StatusUnknown, "ACTIVATING": sources.StatusUnknown, "active": sources.StatusUnknown,
	} {
		assert.Equal(t, want, status(word), word)
	}
}

// All attributes that the SDK has fields for are read; one that a later version
// adds is not lost.
func TestBaseProfileIsWhole(t *testing.T) {
	p := reflect.TypeFor[okta.UserProfile]()
	var names []string
	for i := range p.NumField() {
		if name, _, _ := strings.Cut(p.Field(i).Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	var known []string
	for name := range baseProfile {
		known = append(known, name)
	}
	assert.ElementsMatch(t, names, known)
	for name, get := range baseProfile {
		var profile okta.UserProfile
		require.NoError(t, json.Unmarshal([]byte(`{"`+name+`": "x"}`), &profile))
		require.NotNil(t, get(&profile), name)
		assert.Equal(t, "x", *get(&profile), name)
	}
}

func TestMalformedRecords(t *testing.T) {
	src := configured(t, Config{URL: "https://acme.okta.com", Token: "x"})
	for text, want := range map[string]string{
		`null`:                           "a user without id",
		`{"status": "ACTIVE"}`:           "a user without id",
		`{"id": "1", "profile": {}}`:     "user 1 without profile or status",
		`{"id": "1", "status": "X"}`:     "user 1 without profile or status",
		`{"id": "", "status": "STAGED"}`: "a user without id",
	} {
		var rec okta.User
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		_, err := src.ofOrg(nil)(rec)
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, want)
	}
	for text, want := range map[string]string{
		`{"id": "1", "profile": {}}`: "leaves out the users themselves",
		`{"id": "1", "profile": {}, "_embedded": {"user": {"id": "2", "status": "ACTIVE", "profile": {}}}}`: "another user than it names",
		`{"id": "1", "profile": {}, "_embedded": {"user": {"id": 1}}}`:                                      "the user of an app: json",
		`{"id": "1", "profile": {}, "_embedded": {"user": {"id": "1"}}}`:                                    "user 1 without profile or status",
	} {
		var rec okta.AppUser
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		_, err := src.ofApp(nil)(rec)
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, want)
	}
	_, err := src.records.group(okta.Group{})
	require.ErrorContains(t, err, "a group without id")
	_, err = member(memberID{})
	require.ErrorContains(t, err, "a member without id")
	_, err = src.removal(okta.LogEvent{})
	require.ErrorContains(t, err, "without eventType")
}

// Any attribute gives texts or nothing.
func FuzzProfile(f *testing.F) {
	f.Add(`{"a": "x", "b": 1, "c": true, "d": ["y", 2, null, {"z": 1}], "e": null, "f": {"g": 1}}`)
	f.Add(`{"managerId": "7", "a": 1e300}`)
	f.Fuzz(func(t *testing.T, text string) {
		var p okta.UserProfile
		if json.Unmarshal([]byte(text), &p) != nil {
			return
		}
		for name, values := range profileOf(&p) {
			require.NotEmpty(t, values, name)
			require.NotContains(t, values, "", name)
		}
	})
}
