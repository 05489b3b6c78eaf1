package onelogin

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// readUsers converts testdata/users.json. It has the form of a recorded list, with
// every kind of value that occurred: empty texts, null, numbers as IDs, custom
// attributes that are missing, empty or null.
func readUsers(t *testing.T, cfg Config) []sources.User {
	t.Helper()
	data, err := os.ReadFile("testdata/users.json")
	require.NoError(t, err)
	var list []user
	require.NoError(t, json.Unmarshal(data, &list))
	var users []sources.User
	for _, rec := range list {
		row, err := newRecords(cfg).user(rec)
		require.NoError(t, err)
		assert.Equal(t, row.Value.ID, row.ID)
		assert.Equal(t, 2021, row.Created.Year())
		users = append(users, row.Value)
	}
	return users
}

// R56, R57, R62, S35: every field that OneLogin has; the others come from custom
// attributes.
func TestRecordedUsers(t *testing.T) {
	users := readUsers(t, Config{Fields: map[string]string{"timezone": "tz", "manager.email": "boss"}})
	assert.Equal(t, sources.User{
		ID: "132422371", Status: sources.StatusActive, Email: "ada@acme.com", GivenName: "Ada", FamilyName: "Byron",
		OtherEmails: []string{"a.byron@acme.com", "ada@lovelace.example"}, PrivateEmail: "ada@home.example",
		Title: "CEO", Phone: "(865) 365-1900", MobilePhone: "+44 20 7946 0000", PhoneExtension: "143",
		TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en-GB",
		Manager: sources.Manager{Email: "chair@acme.com", Name: "Mary Chair"},
		Attributes: map[string]sources.Values{
			"department": values("Board"), "company": values("Acme"), "organization": values("Acme"), "status": values("1"), "state": values("1"),
			"division": values("North"), "cost_center": values("C-9"), "employee_number": values("0001"),
			"custom_attributes.customUserField": values("custom-user-value"), "custom_attributes.tz": values("Europe/London"),
			"custom_attributes.country": values("GB"), "custom_attributes.state": values("ENG"), "custom_attributes.boss": values("chair@acme.com"),
			"custom_attributes.level": values("7"), "custom_attributes.remote": values("true"), "custom_attributes.skills": values("go", "sql"),
			"custom_attributes.mobile_phone": values("+44 20 7946 0000"), "custom_attributes.phone_extension": values("143"),
			"custom_attributes.private_email": values("ada@home.example"), "custom_attributes.manager_name": values("Mary Chair"),
			"custom_attributes.other_emails": values("a.byron@acme.com; ada@lovelace.example"),
			"custom_attributes.division":     values("North"), "custom_attributes.cost_center": values("C-9"), "custom_attributes.employee_number": values("0001"),
		},
	}, users[0])
	assert.Equal(t, sources.User{
		ID: "133771160", UserName: "bo", Status: sources.StatusInactive, Email: "bo@acme.com", GivenName: "Bo", Locale: "sv-SE",
		Manager: sources.Manager{ID: "132422371"},
		Attributes: map[string]sources.Values{
			"group_id": values("477661"), "external_id": values("E-2"), "directory_id": values("55"), "samaccountname": values("bo"),
			"userprincipalname": values("bo@ad.acme.com"), "distinguished_name": values("CN=Bo"), "member_of": values("CN=Staff"),
			"manager_ad_id": values("12"), "status": values("2"), "state": values("1"),
		},
	}, users[1])
}

func TestNoManagers(t *testing.T) {
	for _, u := range readUsers(t, Config{NoManagers: true}) {
		assert.Zero(t, u.Manager)
	}
}

// A configured custom attribute takes precedence over the usual place, unless it is
// empty.
func TestFieldsNameAttributes(t *testing.T) {
	users := readUsers(t, Config{Fields: map[string]string{"title": "customUserField", "phone": "empty", "country": "nowhere"}})
	assert.Equal(t, "custom-user-value", users[0].Title)
	assert.Equal(t, "(865) 365-1900", users[0].Phone)
	assert.Empty(t, users[0].Country, "the attribute of the default name is not read")
}

// R51, S10.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		status, state string
		want          sources.Status
	}{
		{"0", "1", sources.StatusStaged}, {"1", "1", sources.StatusActive}, {"2", "1", sources.StatusInactive},
		{"3", "1", sources.StatusActive}, {"4", "1", sources.StatusActive}, {"5", "1", sources.StatusActive},
		{"6", "1", sources.StatusUnknown}, {"7", "1", sources.StatusStaged}, {"8", "1", sources.StatusActive},
		{"", "1", sources.StatusUnknown}, {"1", "", sources.StatusActive}, {"1", "9", sources.StatusActive},
		{"1", "0", sources.StatusStaged}, {"1", "2", sources.StatusInactive}, {"1", "3", sources.StatusInactive},
		{"2", "0", sources.StatusInactive}, {"", "2", sources.StatusInactive}, {"", "0", sources.StatusUnknown},
	} {
		assert.Equal(t, c.want, status(c.status, c.state), "status %q, state %q", c.status, c.state)
	}
}

func TestMalformedRecords(t *testing.T) {
	for text, want := range map[string]string{
		`{"manager_user_id": null}`: "a user without id",
		`{"id": 7}`:                 "leaves out manager_user_id (user 7); Config.NoManagers",
	} {
		var rec user
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		_, err := newRecords(Config{}).user(rec)
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, want)
	}
	var rec user
	require.Error(t, json.Unmarshal([]byte(`{"id": 7, "title": {"x": 1}}`), &rec))
	require.Error(t, json.Unmarshal([]byte(`{"id": 7, "role_ids": 9}`), &rec))
	require.Error(t, json.Unmarshal([]byte(`{"id": 7, "role_ids": [null]}`), &rec))

	_, err := newRecords(Config{}).group(role{})
	require.ErrorContains(t, err, "a role without id")
	_, err = newRecords(Config{}).membership(user{})
	require.ErrorContains(t, err, "a user without id")
	require.NoError(t, json.Unmarshal([]byte(`{"id": 7}`), &rec))
	_, err = newRecords(Config{}).membership(rec)
	require.ErrorContains(t, err, "who has a role is not known")
}

func TestMoment(t *testing.T) {
	rec := user{}
	require.NoError(t, json.Unmarshal([]byte(`{"created_at": "soon"}`), &rec))
	assert.Equal(t, time.Time{}, moment(rec.Created))
}
