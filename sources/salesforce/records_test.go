package salesforce

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func decodeUser(t testing.TB, text string) (sources.User, error) {
	t.Helper()
	rec := newRecord()
	if err := json.Unmarshal([]byte(text), rec); err != nil {
		return sources.User{}, err
	}
	return decoder{slog.New(slog.DiscardHandler)}.user(rec)
}

// R56, R73: everything that Salesforce provisions has a place. R110: every other
// field is an attribute that an assignment can select by.
func TestEveryField(t *testing.T) {
	u, err := decodeUser(t, `{
		"attributes": {"type": "User", "url": "/services/data/v64.0/sobjects/User/005Qy0000000001IAA"},
		"Id": "005Qy0000000001IAA", "Username": "ana@acme.com.prod", "Email": "ana@acme.com", "FirstName": "Ana", "LastName": "Ek",
		"IsActive": true, "Title": "AE", "Phone": "+1 555 0100", "MobilePhone": "+1 555 0101", "Extension": "77",
		"TimeZoneSidKey": "Europe/Lisbon", "LocaleSidKey": "pt_PT",
		"Country": "Portugal", "CountryCode": "PT", "State": "Lisboa", "StateCode": "11",
		"ManagerId": "005Qy0000000002", "Manager": {"attributes": {"type": "User"}, "Email": "bo@acme.com", "Name": "Bo Ek"},
		"UserType": "Standard", "Department": "Sales", "Division": null, "EmployeeNumber": "",
		"Profile": {"attributes": {"type": "Profile"}, "Name": "Standard User", "UserLicense": {"Name": "Salesforce"}}, "UserRole": null,
		"Region__c": "EMEA", "Level__c": 3.50, "Remote__c": false, "Address": {"city": "Lisboa", "geo": [1, 2]}
	}`)
	require.NoError(t, err)
	assert.Equal(t, sources.User{
		ID: "005Qy0000000001IAA", UserName: "ana@acme.com.prod", Status: sources.StatusActive, Email: "ana@acme.com",
		GivenName: "Ana", FamilyName: "Ek", Title: "AE", Phone: "+1 555 0100", MobilePhone: "+1 555 0101", PhoneExtension: "77",
		TimeZone: "Europe/Lisbon", Locale: "pt_PT", Country: "PT", State: "Lisboa",
		Manager: sources.Manager{ID: "005Qy0000000002IAA", Email: "bo@acme.com"},
		Attributes: map[string]sources.Values{
			"Country": values("Portugal"), "CountryCode": values("PT"), "State": values("Lisboa"), "StateCode": values("11"),
			"UserType": values("Standard"), "Department": values("Sales"), "department": values("Sales"), "Profile.Name": values("Standard User"),
			"Profile.UserLicense.Name": values("Salesforce"), "Manager.Name": values("Bo Ek"), "Region__c": values("EMEA"),
			"Level__c": values("3.50"), "Remote__c": values("false"), "Address.city": values("Lisboa"),
		},
	}, u)
}

func TestManagerKeys(t *testing.T) {
	for text, want := range map[string]sources.Manager{
		`{"Id":"005Qy0000000001IAA","ManagerId":"005Qy0000000002","Manager":{"Email":"bo@acme.com"}}`: {ID: "005Qy0000000002IAA", Email: "bo@acme.com"},
		`{"Id":"005Qy0000000001IAA","ManagerId":"005Qy0000000002IAA","Manager":{"Email":null}}`:       {ID: "005Qy0000000002IAA"},
		`{"Id":"005Qy0000000001IAA","ManagerId":"005Qy0000000002IAA","Manager":null}`:                 {ID: "005Qy0000000002IAA"},
		`{"Id":"005Qy0000000001IAA","ManagerId":"005Qy0000000002IAA"}`:                                {ID: "005Qy0000000002IAA"},
		`{"Id":"005Qy0000000001IAA","ManagerId":null,"Manager":null}`:                                 {},
		`{"Id":"005Qy0000000001IAA","Manager":{"Email":"bo@acme.com"}}`:                               {Email: "bo@acme.com"},
		`{"Id":"005Qy0000000001IAA","Manager":"bo@acme.com"}`:                                         {},
	} {
		u, err := decodeUser(t, text)
		require.NoError(t, err)
		assert.Equal(t, want, u.Manager, text)
	}
}

// The labels are those of the picklists of a real org.
func TestLabelledKeys(t *testing.T) {
	for given, want := range map[string]string{
		"Pacific/Kiritimati": "Pacific/Kiritimati",
		"(GMT+14:00) Line Islands Time (Pacific/Kiritimati)":                   "Pacific/Kiritimati",
		"(GMT-03:00) Argentina Standard Time (America/Argentina/Buenos_Aires)": "America/Argentina/Buenos_Aires",
		"(GMT+00:00) Greenwich Mean Time (GMT)":                                "GMT",
		"(GMT-08:00) Pacific Time":                                             "(GMT-08:00) Pacific Time",
		"Pacific Time (GMT-08:00)":                                             "Pacific Time (GMT-08:00)",
		"(GMT+12:00) Petropavlovsk-Kamchatski Standard Time (Asia/Kamchatka)":  "Asia/Kamchatka",
		"()": "()", "(": "(", "": "", "nonsense": "nonsense",
	} {
		assert.Equal(t, want, unlabel(given, zoneKey), given)
	}
	for given, want := range map[string]string{
		"en_US": "en_US", "de": "de", "English (United States) (en_US)": "en_US", "Chinese (zh_CN_PINYIN)": "zh_CN_PINYIN",
		"English (United States)": "English (United States)", "German (de)": "de",
	} {
		assert.Equal(t, want, unlabel(given, localeKey), given)
	}
}

func TestStatus(t *testing.T) {
	for text, want := range map[string]sources.Status{
		`{"Id":"005Qy0000000001IAA","IsActive":true}`: sources.StatusActive, `{"Id":"005Qy0000000001IAA","IsActive":false}`: sources.StatusInactive,
		`{"Id":"005Qy0000000001IAA","IsActive":null}`: sources.StatusUnknown, `{"Id":"005Qy0000000001IAA"}`: sources.StatusUnknown,
		`{"Id":"005Qy0000000001IAA","IsActive":"yes"}`: sources.StatusUnknown, `{"Id":"005Qy0000000001IAA","IsActive":1}`: sources.StatusUnknown,
	} {
		u, err := decodeUser(t, text)
		require.NoError(t, err)
		assert.Equal(t, want, u.Status, text)
	}
}

// S11: a broken field is an empty one, and the rest of the person counts.
func TestBrokenFields(t *testing.T) {
	var log strings.Builder
	rec := newRecord()
	require.NoError(t, json.Unmarshal([]byte(`{
		"Id": "005Qy0000000001IAA", "Email": {"home": "x@acme.com"}, "FirstName": ["Ana"], "LastName": "Ek", "Phone": 5550100,
		"TimeZoneSidKey": false, "ManagerId": {}, "Department": ["Sales"], "IsActive": "yes"
	}`), rec))
	u, err := decoder{slog.New(slog.NewTextHandler(&log, nil))}.user(rec)
	require.NoError(t, err)
	assert.Equal(t, sources.User{ID: "005Qy0000000001IAA", FamilyName: "Ek", Phone: "5550100"}, u)
	assert.Contains(t, log.String(), "id=005Qy0000000001IAA")
	assert.Contains(t, log.String(), "[Email FirstName TimeZoneSidKey ManagerId IsActive]")
	assert.NotContains(t, log.String(), "acme")
}

func TestNotAUser(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"Id":null}`, `{"Id":""}`, `{"Id":5}`, `null`, `{"attributes":{"type":"Contact"},"Id":"003Qy0000000001IAA"}`,
	} {
		_, err := decodeUser(t, text)
		require.ErrorIs(t, err, sources.ErrMalformed, text)
	}
}

func FuzzUser(f *testing.F) {
	f.Add(`{"Id":"005Qy0000000001","ManagerId":"005Qy0000000002","Manager":{"Email":"bo@acme.com"}}`)
	f.Add(`{"Id":"005Qy0000000001IAA","IsActive":"yes","Email":{},"Profile":{"Name":["x"],"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}`)
	f.Add(`{"Id":"005Qy0000000001IAA","TimeZoneSidKey":"(GMT+14:00) Line Islands Time (Pacific/Kiritimati)","attributes":{"type":"User"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		rec := newRecord()
		if err := json.Unmarshal([]byte(text), rec); err != nil {
			return
		}
		u, err := decoder{slog.New(slog.DiscardHandler)}.user(rec)
		if err != nil {
			require.ErrorIs(t, err, sources.ErrMalformed)
			require.Equal(t, sources.User{}, u)
			return
		}
		require.NotEmpty(t, u.ID)
		for name, v := range u.Attributes {
			require.Len(t, v, 1, name)
			require.NotEmpty(t, v[0], name)
		}
		data, err := json.Marshal(u)
		require.NoError(t, err, "a user can be stored")
		var again sources.User
		require.NoError(t, json.Unmarshal(data, &again))
		require.Equal(t, u, again)
	})
}
