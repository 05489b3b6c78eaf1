package scim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// read stores a user as the handler does and reads it as a source.
func read(t *testing.T, cfg SourceConfig, fields string) sources.User {
	t.Helper()
	rt, _ := testTypes(t)
	body, err := parseObject(`{"schemas":["` + rt.core.urn + `"],` + fields + `}`)
	require.NoError(t, err)
	doc, err := rt.normalize(body)
	require.NoError(t, err)
	return AsSource(nil, "t", "c", cfg).user(Record{Doc: appendJSON(nil, doc)})
}

// S33: pushed people have the kind of their provider, for any spelling of the
// kind.
func TestKindOfADirectory(t *testing.T) {
	for word, want := range map[string]string{
		"": "scim", "okta": "okta", "Okta": "okta", "AzureAD": "entra", "onelogin": "onelogin", "rippling": "rippling", "Acme-HR": "acme-hr",
	} {
		src := AsSource(&Memory{}, "t", "c", SourceConfig{Kind: word})
		assert.Equal(t, want, src.Info().Kind, word)
		_, err := src.User(t.Context(), "nobody")
		assert.EqualError(t, err, want+": read user: not found")
	}
	assert.Equal(t, "scim", AsSource(&Memory{}, "t", "c").Info().Kind)
}

// A blank value counts as no value (S11), primary or not.
func TestBlankValuesLoseToGoodOnes(t *testing.T) {
	for fields, want := range map[string]sources.User{
		`"emails":[{"value":" ","type":"work","primary":true},{"value":"bo@acme.com","type":"other"}]`:                    {Email: "bo@acme.com"},
		`"emails":[{"type":"work","primary":true,"display":"Bo"},{"value":"bo@acme.com"}]`:                                {Email: "bo@acme.com"},
		`"emails":[{"value":"\t","type":"home"},{"value":"h@x.org","type":"home"},{"value":"bo@acme.com","type":"work"}]`: {Email: "bo@acme.com", PrivateEmail: "h@x.org"},
		`"emails":[{"value":"a@acme.com","type":"other"},{"value":"b@acme.com","primary":true}]`:                          {Email: "b@acme.com", OtherEmails: []string{"a@acme.com"}},
		`"phoneNumbers":[{"value":" ","type":"work","primary":true},{"value":"1","type":"home"}]`:                         {Phone: "1"},
		`"phoneNumbers":[{"value":" ","type":"mobile"},{"value":"2","type":"mobile"},{"value":"9","type":"pager"}]`:       {MobilePhone: "2"},
		// RFC 7643 section 2.4: the primary value is the preferred one, also within a type.
		`"emails":[{"value":"bo@acme.com","type":"work"},{"value":"a@x.org","type":"home"},{"value":"b@x.org","type":"home","primary":true}]`:            {Email: "bo@acme.com", PrivateEmail: "b@x.org"},
		`"emails":[{"value":"bo@acme.com","type":"work"},{"value":"bo@acme.com","type":"other"},{"value":"c@x.org"},{"value":"c@x.org","type":"other"}]`: {Email: "bo@acme.com", OtherEmails: []string{"c@x.org"}},
		`"phoneNumbers":[{"value":"1","type":"mobile"},{"value":"2","type":"Mobile","primary":true},{"value":"3","type":"work"}]`:                        {Phone: "3", MobilePhone: "2"},
		`"addresses":[{"type":"work","primary":true,"streetAddress":"1 Plaza"},{"type":"home","country":"US"}]`:                                          {Country: "US"},
		`"addresses":[{"type":"work","country":" "},{"country":"US","region":"NY"}]`:                                                                     {Country: "US", State: "NY"},
	} {
		got := read(t, SourceConfig{}, fields)
		got.Status = 0
		assert.Equal(t, want, got, fields)
	}
}

// R69, S33: the locale is used. If there is none, the preferred language is
// used, as for people who are read from Entra.
func TestLocale(t *testing.T) {
	for fields, want := range map[string]string{
		`"locale":"fr-FR","preferredLanguage":"de-DE"`:               "fr-FR",
		`"locale":" ","preferredLanguage":"de-DE"`:                   "de-DE",
		`"preferredLanguage":"pt-BR, pt;q=0.9, en;q=0.5"`:            "pt-BR", // RFC 7643 section 4.1.1
		`"preferredLanguage":"en;q=0.5,*;q=0.9, fr-CA;q=0.8"`:        "fr-CA",
		`"preferredLanguage":"*, en;q=0, de;q=x"`:                    "",
		`"preferredLanguage":"da;q=1"`:                               "da",
		`"preferredLanguage":" "`:                                    "",
		`"preferredLanguage":["de-DE"],"urn:x:y:2.0:User":{"a":"b"}`: "de-DE",
	} {
		u := read(t, SourceConfig{Kind: sources.KindEntra}, fields)
		assert.Equal(t, want, u.Locale, fields)
	}
}

// R84, S22: the manager is found by any key that the record has.
func TestManagerKeys(t *testing.T) {
	for fields, want := range map[string]sources.Manager{
		enterprise(`"manager":{"value":"m-1"}`):                                                            {ID: "m-1"},
		enterprise(`"manager":"m-1"`):                                                                      {ID: "m-1"},
		enterprise(`"manager":42`):                                                                         {ID: "42"},
		enterprise(`"manager":[{"$ref":"../Users/m-1","value":"m-1"}]`):                                    {ID: "m-1"},
		enterprise(`"manager":{"$ref":"https://app.example.com/scim/v2/Users/m%2F1"}`):                     {ID: "m/1"},
		enterprise(`"manager":{"$ref":"../Users/m-1"}`):                                                    {ID: "m-1"},
		enterprise(`"manager":{"value":" ","$ref":"Users/m-1/?x=1"}`):                                      {ID: "m-1"},
		enterprise(`"manager":{"value":"Ana@Acme.com"}`):                                                   {Email: "Ana@Acme.com"},
		enterprise(`"manager":{"value":"ana@"}`):                                                           {ID: "ana@"},
		enterprise(`"manager":{"value":" ","displayName":"Ana Young"}`):                                    {Name: "Ana Young"}, // a blank value is none (S11)
		enterprise(`"manager":{"value":"","$ref":" ","displayName":"Ana Young"}`):                          {Name: "Ana Young"},
		`"urn:scim:schemas:extension:enterprise:1.0":{"manager":{"managerId":"m-1"}}`:                      {ID: "m-1"}, // SCIM 1.1
		`"urn:scim:schemas:extension:enterprise:2.0:User":{"manager":"m-1"}`:                               {ID: "m-1"},
		`"urn:scim:schemas:extension:enterprise:2.0":{"manager":"m-2"},` + enterprise(`"manager":"m-1"`):   {ID: "m-1"},
		enterprise(`"manager":"m-1"`) + `,"urn:scim:schemas:extension:enterprise:2.0":{"manager":"m-2"}`:   {ID: "m-1"},
		`"urn:scim:schemas:extension:enterprise:2.0":{"manager":"m-2"},"managerEmail":"ana@x.org"`:         {Email: "ana@x.org"},
		`"urn:scim:schemas:extension:enterprise:3.0":{"manager":"m-2"}`:                                    {},
		enterprise(`"manager":{"managerId":"m-1"}`):                                                        {ID: "m-1"}, // OneLogin's template
		enterprise(`"manager":{"managerId":7,"value":" "}`):                                                {ID: "7"},
		enterprise(`"manager":{"managerId":"m-2","value":"m-1"}`):                                          {ID: "m-1"},
		enterprise(`"manager":{"managerId":"ana@acme.com"}`):                                               {Email: "ana@acme.com"},
		enterprise(`"manager":{"displayName":"Ana Young"}`):                                                {Name: "Ana Young"},
		enterprise(`"manager":"{\"value\":\"m-1\"}"`):                                                      {ID: "m-1"},
		`"manager":{"value":"m-1"}`:                                                                        {ID: "m-1"},
		`"manager.value":"m-1"`:                                                                            {ID: "m-1"},
		enterprise(`"manager":{"value":"m-1"}`) + `,"urn:acme:scim:2.0:User":{"manager":"Ana Young"}`:      {ID: "m-1"},
		`"urn:acme:scim:2.0:User":{"manager":"Ana Young"},` + enterprise(`"manager":{"value":"m-1"}`):      {ID: "m-1"},
		`"urn:acme:scim:2.0:User":{"manager":{"value":"m-2"}}`:                                             {},
		enterprise(`"manager":{"value":"m-1"}`) + `,"urn:acme:scim:2.0:User":{"managerEmail":"ana@x.org"}`: {ID: "m-1"},
		`"urn:acme:scim:2.0:User":{"managerEmail":"ana@x.org","managerFullName":"Ana Young"}`:              {Email: "ana@x.org", Name: "Ana Young"},
		`"managerEmail":"ana@x.org",` + enterprise(`"manager":{"value":"bo@x.org"}`):                       {Email: "ana@x.org"},
		enterprise(`"manager":{"value":"m-1"}`) + `,"managerFullName":"Ana Young"`:                         {ID: "m-1", Name: "Ana Young"},
	} {
		assert.Equal(t, want, read(t, SourceConfig{}, fields).Manager, fields)
	}
}

// Attributes of undeclared extensions replace nothing.
func TestOtherExtensionsStealNothing(t *testing.T) {
	const work = `"addresses":[{"type":"work","country":"US","region":"NY"}],`
	const gong = "urn:ietf:params:scim:schemas:extension:Gong:2.0:User"
	told := SourceConfig{UserExtension: gong}
	for _, c := range []struct {
		cfg                   SourceConfig
		fields                string
		country, state, phone string
	}{
		{SourceConfig{}, work + `"urn:acme:scim:2.0:Billing":{"country":"Narnia"}`, "US", "NY", ""},
		{SourceConfig{}, `"urn:acme:scim:2.0:Billing":{"country":"Narnia"}`, "", "", ""},
		{SourceConfig{}, work + `"urn:acme:scim:2.0:User":{"country":"Narnia","stateOrProvince":"Lantern Waste","primaryPhoneExt":7}`, "US", "NY", "7"},
		{SourceConfig{}, `"urn:acme:scim:2.0:User":{"country":"US","stateOrProvince":"CA"}`, "US", "CA", ""},
		{SourceConfig{}, work + `"` + gong + `":{"country":"DE","primaryPhoneExt":42}`, "DE", "NY", "42"},
		{SourceConfig{}, work + `"` + gong + `":{"country":"DE"}`, "US", "NY", ""},
		{told, work + `"` + gong + `":{"country":"DE"}`, "DE", "NY", ""},
		{told, work + `"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"country":"Narnia","stateOrProvince":"X"}`, "US", "NY", ""},
		{SourceConfig{}, work + `"` + DefaultUserExtension + `":{"country":"DE"}`, "DE", "NY", ""},
		{SourceConfig{}, work + `"` + DefaultUserExtension + `":{"country":" "}`, "US", "NY", ""},
	} {
		u := read(t, c.cfg, c.fields)
		assert.Equal(t, []string{c.country, c.state, c.phone}, []string{u.Country, u.State, u.PhoneExtension}, "%+v %s", c.cfg, c.fields)
	}
	u := read(t, SourceConfig{}, `"title":"CEO","urn:acme:2.0:User":{"title":"Serf","userName":"x","active":false,"department":"D","emails":["x@x.org"]}`)
	assert.Equal(t, "CEO", u.Title)
	assert.Empty(t, u.Email)
	assert.Equal(t, map[string]sources.Values{
		"urn:acme:2.0:User:title": {"Serf"}, "urn:acme:2.0:User:userName": {"x"}, "urn:acme:2.0:User:active": {"false"},
		"urn:acme:2.0:User:department": {"D"}, "urn:acme:2.0:User:emails": {"x@x.org"},
	}, u.Attributes)
}

// The enterprise extension of SCIM 1.1 and of the drafts fills what the one of
// RFC 7643 leaves empty.
func TestEarlyEnterpriseExtension(t *testing.T) {
	const early = `"urn:scim:schemas:extension:enterprise:1.0":{"department":"D","costCenter":"C"}`
	u := read(t, SourceConfig{}, early)
	assert.Equal(t, sources.Values{"D"}, u.Attributes["department"])
	assert.Equal(t, sources.Values{"C"}, u.Attributes["cost_center"])
	assert.Equal(t, sources.Values{"C"}, u.Attributes["urn:scim:schemas:extension:enterprise:1.0:costCenter"])
	for _, fields := range []string{early + "," + enterprise(`"department":"E"`), enterprise(`"department":"E"`) + "," + early} {
		u = read(t, SourceConfig{}, fields)
		assert.Equal(t, sources.Values{"E"}, u.Attributes["department"], fields)
		assert.Equal(t, sources.Values{"C"}, u.Attributes["cost_center"], fields)
	}
}

// S35: the shared names are present beside the provider's own names.
func TestSharedNames(t *testing.T) {
	want := map[string]sources.Values{
		"department": {"D"}, "division": {"V"}, "organization": {"O"},
		"costCenter": {"4130"}, "cost_center": {"4130"}, "employeeNumber": {"701984"}, "employee_number": {"701984"},
	}
	const fields = `"department":"D","division":"V","organization":"O","costCenter":4130,"EMPLOYEENUMBER":"701984"`
	assert.Equal(t, want, read(t, SourceConfig{}, enterprise(fields)).Attributes)
	assert.Equal(t, want, read(t, SourceConfig{}, fields).Attributes, "at the top of a body")
	assert.Nil(t, read(t, SourceConfig{}, enterprise(`"department":" "`)).Attributes, "S11")
}

// Values by which assignments select are texts.
func TestAttributesAreTexts(t *testing.T) {
	u := read(t, SourceConfig{}, `"externalId":157663,"userType":true,"shoeSize":44,"photos":[{"value":"https://x.org/p"}],
		"roles":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"A\"}"},"User",7],
		"entitlements":["a",{"value":"b"}],
		"urn:x:2.0:User":{"badge":7,"on":false,"list":["p",8,{"value":"q"},{"other":1}],"role":"{\"id\":\"1\",\"value\":\"R\"}","json":"{\"a\":1}","empty":""}`)
	assert.Equal(t, map[string]sources.Values{
		"externalId": {"157663"}, "userType": {"true"}, "shoeSize": {"44"}, "roles": {"Admin", "User", "7"}, "entitlements": {"a", "b"},
		"urn:x:2.0:User:badge": {"7"}, "urn:x:2.0:User:on": {"false"}, "urn:x:2.0:User:list": {"p", "8", "q"},
		"urn:x:2.0:User:role": {"R"}, "urn:x:2.0:User:json": {`{"a":1}`},
	}, u.Attributes)
}

// R48 to R50: for the kinds that must push an email, userName is not an email.
func TestUserNameAsAddress(t *testing.T) {
	for _, c := range []struct{ kind, fields, want string }{
		{"", `"userName":"bo@acme.com"`, "bo@acme.com"},
		{"scim", `"userName":"bo@acme.com","emails":[{"value":" ","type":"work"}]`, "bo@acme.com"},
		{"scim", `"userName":"bo@acme.com","emails":[{"value":"b@acme.com"}]`, "b@acme.com"},
		{"scim", `"userName":"bo"`, ""},
		{"scim", `"userName":"bo@"`, ""},
		{"scim", `"userName":"acme\\bo@acme.com"`, ""},
		{"okta", `"userName":"bo@acme.com"`, ""},
		{"entra", `"userName":"bo@acme.com"`, ""},
		{"onelogin", `"userName":"bo@acme.com"`, ""},
		{"rippling", `"userName":"bo@acme.com"`, ""},
		{"acme-hr", `"userName":"bo@acme.com"`, ""},
	} {
		assert.Equal(t, c.want, read(t, SourceConfig{Kind: c.kind}, c.fields).Email, "%s %s", c.kind, c.fields)
	}
}
