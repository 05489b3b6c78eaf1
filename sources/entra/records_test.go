package entra

import (
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const extension = "extension_3f2504e04f8911d39a0c0305e82c3301_"

// readUsers reads testdata/users.json. It has the form of a recorded list: null,
// empty lists, missing properties, a guest, and an object that the application may
// not read.
func readUsers(t *testing.T, cfg Config) []sources.User {
	t.Helper()
	data, err := os.ReadFile("testdata/users.json")
	require.NoError(t, err)
	var list page
	require.NoError(t, json.Unmarshal(data, &list))
	var users []sources.User
	for _, rec := range *list.Value {
		manager, err := rec.manager()
		require.NoError(t, err)
		u, err := newRecords(cfg).user(rec, manager)
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

// R56, R57, R62, S35: every field that Entra has; the others are read from
// configured properties.
func TestRecordedUsers(t *testing.T) {
	users := readUsers(t, Config{
		Fields:     map[string]string{"phone_extension": "extensionAttribute3", "private_email": extension + "private"},
		Properties: []string{extension + "badge", extension + "skills"},
	})
	assert.Equal(t, sources.User{
		ID: "6e7b768e-07e2-4810-8459-485f84f8f204", UserName: "adele@acme.example", Status: sources.StatusActive, Email: "adele@acme.example",
		OtherEmails: []string{"adele.v@acme.example", "adele@home.example", "av@acme.example"}, PrivateEmail: "adele@home.example",
		GivenName: "Adele", FamilyName: "Vance", Title: "Retail Manager", Phone: "+1 425 555 0109", MobilePhone: "(206) 555-0113", PhoneExtension: "143",
		Country: "United States", State: "WA", Locale: "en-US", Manager: sources.Manager{ID: "eaca2822-9c62-4244-9c01-1818b5c4f98e"},
		Attributes: map[string]sources.Values{
			"department": values("Retail"), "companyName": values("Acme"), "organization": values("Acme"), "employeeId": values("0042"), "employee_number": values("0042"),
			"employeeType": values("Employee"), "employeeOrgData.division": values("West"), "division": values("West"), "employeeOrgData.costCenter": values("C-7"),
			"cost_center": values("C-7"), "displayName": values("Adele Vance"), "officeLocation": values("18/2111"), "city": values("Bellevue"), "usageLocation": values("US"),
			"userType": values("Member"), "mailNickname": values("adele"), "otherMails": values("adele.v@acme.example", "adele@home.example"),
			"onPremisesSamAccountName": values("avance"), "onPremisesUserPrincipalName": values("avance@ad.acme.example"),
			"extensionAttribute1": values("blue"), "extensionAttribute3": values("143"),
			extension + "badge": values("17"), extension + "skills": values("go", "sql"), extension + "private": values("adele@home.example"),
		},
	}, users[0])
	assert.Equal(t, sources.User{
		ID: "eaca2822-9c62-4244-9c01-1818b5c4f98e", UserName: "u238c3a@acme.example", Status: sources.StatusInactive,
		Attributes: map[string]sources.Values{"displayName": values("Displayname-23125d"), "userType": values("Member")},
	}, users[1])
	assert.Equal(t, sources.User{
		ID: "bc6ef7fc-212e-4e35-a26c-a50460cfc266", UserName: "u1e877b_partner.example#EXT#@acme.onmicrosoft.com", Status: sources.StatusStaged, Email: "u1e877b@partner.example",
		Attributes: map[string]sources.Values{"displayName": values("Displayname-442929"), "userType": values("Guest")},
	}, users[2])
	assert.Equal(t, sources.User{ID: "38d4b262-f887-4942-914a-aba6c524f49c"}, users[3], "what may not be read is unknown")
}

// A configured property takes precedence over the usual one, unless it is empty. It
// is requested once.
func TestFieldsNameProperties(t *testing.T) {
	cfg := Config{
		Fields: map[string]string{"email": "userPrincipalName", "country": "usageLocation", "timezone": extension + "zone", "title": "employeeOrgData.division", "phone": "mobilePhone"},
		Hidden: []string{"employeeType", "city"},
	}
	users := readUsers(t, cfg)
	assert.Equal(t, "US", users[0].Country)
	assert.Equal(t, "West", users[0].Title)
	assert.Equal(t, "(206) 555-0113", users[0].Phone)
	assert.Equal(t, "u238c3a@acme.example", users[1].Email)
	selected := strings.Split(newRecords(cfg).selected, ",")
	for _, property := range []string{"userPrincipalName", "usageLocation", "employeeOrgData", extension + "zone", "mobilePhone", "onPremisesExtensionAttributes"} {
		count := 0
		for _, name := range selected {
			if name == property {
				count++
			}
		}
		assert.Equal(t, 1, count, property)
	}
	assert.NotContains(t, selected, "employeeType")
	assert.NotContains(t, selected, "city")
}

// S10, R51: a disabled account is inactive, an invited guest is staged, and a
// missing value is unknown.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		enabled, userType, state string
		want                     sources.Status
	}{
		{"true", "Member", "", sources.StatusActive}, {"false", "Member", "", sources.StatusInactive}, {"", "Member", "", sources.StatusUnknown},
		{"true", "Guest", "PendingAcceptance", sources.StatusStaged}, {"true", "guest", "Accepted", sources.StatusActive},
		{"false", "Guest", "PendingAcceptance", sources.StatusInactive}, {"true", "Member", "PendingAcceptance", sources.StatusActive},
		{"true", "", "", sources.StatusActive}, {"yes", "Member", "", sources.StatusUnknown},
	} {
		assert.Equal(t, c.want, status(c.enabled, c.userType, c.state), "%+v", c)
	}
}

// What a round reports about a manager, applied to the manager that was read: the
// removal of a manager removes that one only, and if the round contradicts itself,
// what was read decides.
func TestManagerOfARound(t *testing.T) {
	for _, c := range []struct {
		parts []string // of manager@delta
		read  string
		want  string
	}{
		{nil, "", ""},
		{nil, "r", "r"},
		{[]string{`[]`}, "r", "r"},
		{[]string{`[{"id": "a"}]`}, "r", "a"},
		{[]string{`[{"id": "a", "@removed": {"reason": "deleted"}}]`}, "a", ""},
		{[]string{`[{"id": "a", "@removed": {"reason": "deleted"}}]`}, "r", "r"},
		{[]string{`[{"id": "b"}, {"id": "a", "@removed": {"reason": "changed"}}]`}, "a", "b"},
		{[]string{`[{"id": "a", "@removed": {}}, {"id": "b"}]`}, "a", "b"},
		{[]string{`[{"id": "b"}]`, `[{"id": "a", "@removed": {}}]`}, "a", "b"},
		{[]string{`[{"id": "a", "@removed": {}}]`, `[{"id": "b"}]`}, "a", "b"},
		{[]string{`[{"id": "b"}]`, `[{"id": "b", "@removed": {}}]`}, "b", "b"},
		{[]string{`[{"id": "b"}, {"id": "b", "@removed": {}}]`}, "", ""},
		{[]string{`[{"id": "b", "@removed": {}}]`, `[{"id": "b"}]`}, "", ""},
		{[]string{`[{"id": "b"}]`, `[{"id": "b", "@removed": {}}]`, `[{"id": "b"}]`}, "b", "b"},
		{[]string{`[{"id": "a", "@removed": {}}]`, `[{"id": "b"}]`, `[{"id": "a"}]`}, "b", "b"},
		{[]string{`[{"id": "a"}]`, `[{"id": "b"}]`, `[{"id": "a"}]`}, "b", "b"},
		{[]string{`[{"id": "a"}]`, `[{"id": "a"}]`}, "b", "a"},
		{[]string{`[{"id": "a", "@removed": {}}, {"id": "b"}]`, `[{"id": "b", "@removed": {}}, {"id": "a"}]`}, "a", "a"},
	} {
		r := newRoster(rest.NewIDs(absentWidth))
		for _, part := range c.parts {
			more, err := r.tell(record{"id": json.RawMessage(`"u"`), managerDelta: json.RawMessage(part)})
			require.NoError(t, err)
			assert.False(t, more)
		}
		assert.Equal(t, c.want, r.manager(r.people[r.number("u")], c.read), "%+v", c)
	}
	for text, want := range map[string]string{`{}`: "", `{"manager": null}`: "", `{"manager": {"id": "a"}}`: "a"} {
		var rec record
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		manager, err := rec.manager()
		require.NoError(t, err)
		assert.Equal(t, want, manager)
	}
}

// What a delta reports takes precedence over what was read; the rest is as read.
// Null is a value, and clears.
func TestOver(t *testing.T) {
	read := func(text string) (rec record) {
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		return rec
	}
	whole := read(`{"id": "1", "jobTitle": null, "mail": "new@x"}`).over(read(`{"id": "1", "jobTitle": "Clerk", "mail": "old@x", "city": "Rome", "manager": {"id": "9"}}`))
	manager, err := whole.manager()
	require.NoError(t, err)
	u, err := newRecords(Config{}).user(whole, manager)
	require.NoError(t, err)
	assert.Equal(t, sources.User{ID: "1", Email: "new@x", Manager: sources.Manager{ID: "9"}, Attributes: map[string]sources.Values{"city": values("Rome")}}, u)
}

func TestMalformedRecords(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                    "without id",
		`{"id": null}`:                          "without id",
		`{"id": 7}`:                             "without id",
		`{"id": "1", "mail": {}}`:               "property mail: ",
		`{"id": "1", "jobTitle": ["a", "b"]}`:   "property jobTitle: want one value",
		`{"id": "1", "employeeOrgData": "x"}`:   "property employeeOrgData: want an object",
		`{"id": "1", "businessPhones": [null]}`: "property businessPhones: ",
		`{"id": "1", "manager": "x"}`:           "manager: want an object",
		`{"id": "1", "manager@delta": {}}`:      "manager@delta: want a list",
		`{"id": "1", "manager@delta": [{}]}`:    "manager@delta: a manager without id",
	} {
		var rec record
		require.NoError(t, json.Unmarshal([]byte(text), &rec))
		manager, err := rec.manager()
		_, failed := newRoster(rest.NewIDs(absentWidth)).tell(maps.Clone(rec))
		_, wrong := newRecords(Config{}).user(rec, manager)
		err = cmp.Or(failed, err, wrong)
		require.ErrorIs(t, err, sources.ErrMalformed, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Any record of Graph gives a user or an error, and a user has an ID.
func FuzzRecord(f *testing.F) {
	data, err := os.ReadFile("testdata/users.json")
	require.NoError(f, err)
	var list struct{ Value []json.RawMessage }
	require.NoError(f, json.Unmarshal(data, &list))
	for _, raw := range list.Value {
		f.Add([]byte(raw), []byte(`{"id": "1", "manager@delta": [{"id": "2"}]}`))
	}
	f.Add([]byte(`{"id": "1", "manager@delta": [], "mail": "\u00e9"}`), []byte(`{"id": "\"", "employeeOrgData": {"division": ["a"]}}`))
	records := newRecords(Config{Fields: map[string]string{"phone_extension": "extensionAttribute3"}, Properties: []string{"employeeOrgData.division", "x"}})
	f.Fuzz(func(t *testing.T, raw, earlier []byte) {
		var rec, read record
		if json.Unmarshal(raw, &rec) != nil || json.Unmarshal(earlier, &read) != nil {
			return
		}
		for _, rec := range []record{rec, rec.over(read)} {
			u, err := records.user(rec, "boss")
			if err != nil {
				require.ErrorIs(t, err, sources.ErrMalformed)
				require.Zero(t, u)
				continue
			}
			require.NotEmpty(t, u.ID)
			// A text that is decoded directly equals the result of encoding/json.
			var mail string
			if json.Unmarshal(rec["mail"], &mail) == nil {
				require.Equal(t, mail, u.Email)
			}
		}
	})
}
