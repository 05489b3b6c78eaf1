package salesforce

import (
	"encoding/json"
	"errors"
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
	id, err := rec.idOf("User")
	if err != nil {
		return sources.User{}, err
	}
	return decoder{slog.New(slog.DiscardHandler)}.user(rec, id), nil
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

// S35: under the names that all sources share, beside Salesforce's own.
func TestCommonNames(t *testing.T) {
	u, err := decodeUser(t, `{"Id":"005Qy0000000001IAA","Department":"Sales","Division":"EMEA","CompanyName":"Acme","EmployeeNumber":"E7","CostCenter__c":4711}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]sources.Values{
		"Department": values("Sales"), "Division": values("EMEA"), "CompanyName": values("Acme"), "EmployeeNumber": values("E7"), "CostCenter__c": values("4711"),
		sources.AttributeDepartment: values("Sales"), sources.AttributeDivision: values("EMEA"), sources.AttributeOrganization: values("Acme"),
		sources.AttributeEmployeeNumber: values("E7"), sources.AttributeCostCenter: values("4711"),
	}, u.Attributes)
	u, err = decodeUser(t, `{"Id":"005Qy0000000001IAA","Department":"","Division":null,"Cost_Center__c":"9"}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]sources.Values{"Cost_Center__c": values("9"), "cost_center": values("9")}, u.Attributes, "S11")
}

// A code of the org's own is never taken for another country's or state's, and
// nothing is lost. The codes are those that Salesforce comes with.
func TestCountryAndState(t *testing.T) {
	for _, c := range []struct{ countryCode, country, stateCode, state, wantCountry, wantState string }{
		{"US", "United States", "CA", "California", "US", "California"},
		{"US", "United States", "USCA", "California", "US", "California"},
		{"MX", "Mexico", "CH", "Chihuahua", "MX", "Chihuahua"},
		{"IE", "Ireland", "CN", "Cavan", "IE", "Cavan"},
		{"KR", "Korea, Republic of", "", "", "KR", ""},
		{"EN", "England", "", "Kent", "England", "Kent"}, // added by the org
		{"XK", "Kosovo", "", "", "Kosovo", ""},
		{"de", "Deutschland", "BY", "", "de", "BY"},
		{"", "Sweden", "", "Skåne", "Sweden", "Skåne"},
		{"QX", "", "ZZ", "", "QX", "ZZ"},
		{" A", "Austria", "", "", "Austria", ""},
		{"", "", "", "", "", ""},
	} {
		data, err := json.Marshal(map[string]any{"Id": "005Qy0000000001IAA", "CountryCode": c.countryCode, "Country": c.country, "StateCode": c.stateCode, "State": c.state})
		require.NoError(t, err)
		u, err := decodeUser(t, string(data))
		require.NoError(t, err)
		assert.Equal(t, c.wantCountry, u.Country, c)
		assert.Equal(t, c.wantState, u.State, c)
		for name, value := range map[string]string{"CountryCode": c.countryCode, "Country": c.country, "StateCode": c.stateCode, "State": c.state} {
			if value != "" {
				assert.Equal(t, values(value), u.Attributes[name])
			}
		}
	}
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
		`{"Id":"005Qy0000000001IAA","Manager":{"Id":"005Qy0000000002"}}`:                              {ID: "005Qy0000000002IAA"},
		`{"Id":"005Qy0000000001IAA","Manager":{"Name":"Bo Ek"}}`:                                      {Name: "Bo Ek"},
		`{"Id":"005Qy0000000001IAA","Manager":{"Name":"Bo Ek","Email":"bo@acme.com"}}`:                {Email: "bo@acme.com"},
		`{"Id":"005Qy0000000001IAA","Manager.Name":"Bo Ek","Manager.Email":"","ManagerId":""}`:        {Name: "Bo Ek"},
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
		`{"Id":"005Qy0000000001IAA","IsActive":"true"}`: sources.StatusActive, `{"Id":"005Qy0000000001IAA","IsActive":"FALSE"}`: sources.StatusInactive,
		`{"Id":"005Qy0000000001IAA","IsActive":"1"}`: sources.StatusActive, `{"Id":"005Qy0000000001IAA","isactive":"0"}`: sources.StatusInactive,
		`{"Id":"005Qy0000000001IAA","IsActive":""}`:    sources.StatusUnknown,
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
	u := decoder{slog.New(slog.NewTextHandler(&log, nil))}.user(rec, "005Qy0000000001IAA")
	assert.Equal(t, sources.User{ID: "005Qy0000000001IAA", FamilyName: "Ek", Phone: "5550100"}, u)
	assert.Contains(t, log.String(), "id=005Qy0000000001IAA")
	assert.Contains(t, log.String(), "[Email FirstName TimeZoneSidKey ManagerId IsActive]")
	assert.NotContains(t, log.String(), "acme")
}

// What is not UTF-8 in an answer is read as encoding/json reads it, so that a
// user can always be stored.
func TestInvalidUTF8(t *testing.T) {
	u, err := decodeUser(t, "{\"Id\":\"005Qy0000000001IAA\",\"LastName\":\"M\xfcller\",\"X\xff__c\":\"\\ud800\"}")
	require.NoError(t, err)
	assert.Equal(t, "M\uFFFDller", u.FamilyName)
	assert.Equal(t, map[string]sources.Values{"X\uFFFD__c": values("\uFFFD")}, u.Attributes)
}

func TestNotAUser(t *testing.T) {
	for _, text := range []string{
		`{"Id":"1"}`, `{"Id":"003Qy0000000001IAA"}`, `{"Id":"005Qy0000000001IAA","attributes.type":"Contact"}`, `{"Id":"005Qy00000000 1IAA"}`,
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
		u, err := decodeUser(t, text)
		if _, syntax := errors.AsType[*json.SyntaxError](err); syntax {
			return
		}
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
