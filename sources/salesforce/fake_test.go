package salesforce

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// fakeOrg is an org on this machine with given records, which records its requests.
type fakeOrg struct {
	*fake.Salesforce
	url string
	t   testing.TB
	// fault is called before the org with each request, numbered from 0, and
	// reports whether it answered it.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests int
	logins   int
	forms    []string // the token requests
	queries  []string
	tokens   []string // that were put on requests
}

const (
	fakeSecret   = "s3cr3t-consumer-secret"
	fakeAPI      = "/services/data/v64.0"
	fakeClientID = "3MVG9fake"
)

func newFakeOrg(t testing.TB) *fakeOrg {
	o := &fakeOrg{t: t, Salesforce: face(fake.NewDirectory())}
	o.Records = map[string][]row{"User": fakeUsers(), "Group": fakeGroups(), "GroupMember": fakeMembers(), "UserRole": fakeRoles()}
	o.Lacks = []string{"Division", "CompanyName", "EmployeeNumber"}
	key, err := fakeKey()
	require.NoError(t, err)
	o.Username, o.Key = "sync@acme.com", &key.PublicKey
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// face is an org with pages so small that there are several.
func face(d *fake.Directory) *fake.Salesforce {
	return &fake.Salesforce{
		Directory: d, ClientID: fakeClientID, ClientSecret: fakeSecret, RefreshToken: "5Aep861fake",
		Fields: []string{"Region__c"}, PageRows: 2, Cursors: 100,
	}
}

// source returns a Source that logs in with client credentials. change changes its
// configuration.
func (o *fakeOrg) source(change func(*Config)) *Source {
	cfg := Config{LoginURL: o.url, ClientID: fakeClientID, ClientSecret: fakeSecret}
	if change != nil {
		change(&cfg)
	}
	src, err := New(cfg)
	require.NoError(o.t, err)
	return src
}

func (o *fakeOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.note(w, r) {
		return
	}
	o.Salesforce.ServeHTTP(w, r)
}

func (o *fakeOrg) note(w http.ResponseWriter, r *http.Request) (answered bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.requests
	o.requests++
	if o.fault != nil {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		if o.fault(n, w, r) {
			return true
		}
	}
	if r.URL.Path == "/services/oauth2/token" {
		require.NoError(o.t, r.ParseForm())
		o.logins++
		o.forms = append(o.forms, r.PostForm.Encode())
		return false
	}
	o.tokens = append(o.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if q := r.URL.Query().Get("q"); q != "" {
		o.queries = append(o.queries, q)
	}
	return false
}

func say(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }

func sayError(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	say(w, []map[string]any{{"message": message, "errorCode": code}})
}

// A row is a record of an org, as JSON gives it. Relationships are nested.
type row = map[string]any

// fakeUsers are six people in scope, one of each kind that the decoder
// distinguishes, and a record that is not a person.
func fakeUsers() []row {
	profile := map[string]any{"Name": "Standard User"}
	ada := map[string]any{"Email": "ada@acme.com"}
	return []row{
		{"Id": "005000000000001AAA", "Username": "ada@acme.com.prod", "Email": "ada@acme.com", "FirstName": "Ada", "LastName": "Byron",
			"IsActive": true, "UserType": "Standard", "Title": "CEO", "Phone": "+1 555 0100", "MobilePhone": "+1 555 0101", "Extension": "12",
			"TimeZoneSidKey": "America/Los_Angeles", "LocaleSidKey": "en_US", "Country": "United States", "CountryCode": "US",
			"State": "California", "StateCode": "CA", "ManagerId": nil, "Manager": nil, "Profile": profile,
			"UserRoleId": "00E000000000001EAA", "UserRole": map[string]any{"Name": "CEO", "DeveloperName": "CEO"}, "Department": "Board", "Region__c": "West"},
		{"Id": "005000000000002AAA", "Username": "bo@acme.com", "Email": "bo@acme.com", "FirstName": "Bo", "LastName": "O'Neil",
			"IsActive": true, "UserType": "Standard", "ManagerId": "005000000000001AAA", "Manager": ada, "Department": "Sales",
			"Profile": profile, "UserRoleId": "00E000000000002EAA", "UserRole": map[string]any{"Name": "Sales", "DeveloperName": "Sales"}},
		{"Id": "005000000000003AAA", "Username": "cy@acme.com", "Email": "cy@acme.com", "FirstName": nil, "LastName": "Lind",
			"IsActive": false, "UserType": "Standard", "ManagerId": "005000000000002AAA", "Manager": map[string]any{"Email": "bo@acme.com"}, "Department": "Sales", "Profile": profile},
		{"Id": "005000000000004AAA", "Username": "di@other.example", "Email": "di=other.example@example.com.invalid", "FirstName": "Di", "LastName": "Ek",
			"IsActive": true, "UserType": "Standard", "ManagerId": "005000000000002AAA", "Manager": map[string]any{"Email": nil}, "Profile": profile, "UserRoleId": "00E000000000003EAA"},
		{"Id": "005000000000005AAA", "Username": "ed@acme.com", "Email": "ed@acme.com", "FirstName": "Ed", "LastName": "Fo",
			"IsActive": true, "UserType": "Standard", "Profile": profile},
		{"Id": "005000000000006AAA", "Username": "integration@acme.com", "Email": "it@acme.com", "LastName": "Platform Integration User",
			"IsActive": true, "UserType": "CloudIntegrationUser", "Profile": profile},
	}
}

// fakeGroups follow a recorded listing of Group: public groups are Regular and have
// a name; the groups of roles have no name and refer to their role.
func fakeGroups() []row {
	return []row{
		{"Id": "00G000000000001EAA", "Name": "Sales team", "DeveloperName": "Sales_team", "Type": "Regular", "RelatedId": nil},
		{"Id": "00G000000000002EAA", "Name": "Everybody in sales", "DeveloperName": "All_sales", "Type": "Regular", "RelatedId": nil},
		{"Id": "00G000000000003EAA", "Name": nil, "DeveloperName": "Sales", "Type": "RoleAndSubordinates", "RelatedId": "00E000000000002EAA"},
		{"Id": "00G000000000004EAA", "Name": nil, "DeveloperName": "Empty", "Type": "Regular", "RelatedId": nil},
		{"Id": "00G000000000005EAA", "Name": nil, "DeveloperName": "AllInternalUsers", "Type": "Organization", "RelatedId": nil},
	}
}

func fakeMembers() []row {
	return []row{
		{"Id": "011000000000001AAA", "GroupId": "00G000000000001EAA", "UserOrGroupId": "005000000000001AAA"},
		{"Id": "011000000000002AAA", "GroupId": "00G000000000001EAA", "UserOrGroupId": "005000000000003AAA"},
		{"Id": "011000000000003AAA", "GroupId": "00G000000000002EAA", "UserOrGroupId": "00G000000000001EAA"},
		{"Id": "011000000000004AAA", "GroupId": "00G000000000002EAA", "UserOrGroupId": "00G000000000003EAA"},
	}
}

// fakeRoles are the CEO, Sales below it and Field below that.
func fakeRoles() []row {
	return []row{
		{"Id": "00E000000000001EAA", "ParentRoleId": nil},
		{"Id": "00E000000000002EAA", "ParentRoleId": "00E000000000001EAA"},
		{"Id": "00E000000000003EAA", "ParentRoleId": "00E000000000002EAA"},
	}
}

var fakeKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// fakeKeyPEM returns a key made for this run, in PKCS #8.
func fakeKeyPEM(t testing.TB) []byte {
	key, err := fakeKey()
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
