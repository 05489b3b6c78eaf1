package salesforce

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/soql"
)

// fakeOrg is a server that behaves like an org, as far as a Source speaks to
// one. Its forms are those of recorded answers of a developer org: the token
// answer without expires_in, the 401 with INVALID_SESSION_ID, the query's
// {"totalSize", "done", "nextRecordsUrl", "records"} with "attributes" in each
// record, Sforce-Limit-Info on every answer, and errors as a list. Paging,
// INVALID_FIELD, INVALID_QUERY_LOCATOR and REQUEST_LIMIT_EXCEEDED are as in
// the REST API developer guide.
type fakeOrg struct {
	url  string
	t    testing.TB
	page int // rows of a page
	// lacks are fields of User that this org does not have.
	lacks   map[string]bool
	objects map[string][]row
	// fault sees each request before the org does, numbered from 0, and
	// reports whether it answered it.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests int
	logins   int
	forms    []string // the token requests
	queries  []string
	token    string
	usage    string
	locators map[string][]row
	totals   map[string]int
}

const (
	fakeSecret   = "s3cr3t-consumer-secret"
	fakeSession  = "00D000000000001!AQ4AQFakeSessionKey"
	fakeAPI      = "/services/data/v64.0"
	fakeClientID = "3MVG9fake"
)

func newFakeOrg(t testing.TB) *fakeOrg {
	o := &fakeOrg{
		t: t, page: 2, usage: "api-usage=150/15000",
		objects:  map[string][]row{"User": fakeUsers(), "Group": fakeGroups(), "GroupMember": fakeMembers(), "UserRole": fakeRoles()},
		locators: map[string][]row{}, totals: map[string]int{},
	}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// source returns a Source that logs in with client credentials. A change to the
// configuration comes as a function.
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
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.requests
	o.requests++
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if o.fault != nil && o.fault(n, w, r) {
		return
	}
	if r.URL.Path == "/services/oauth2/token" {
		o.login(w, r)
		return
	}
	w.Header().Set("Sforce-Limit-Info", o.usage)
	if o.token == "" || r.Header.Get("Authorization") != "Bearer "+o.token {
		sayError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, fakeAPI)
	switch {
	case !ok:
		sayError(w, http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	case path == "/sobjects/User/describe":
		o.describe(w)
	case path == "/query":
		o.query(w, r.URL.Query().Get("q"))
	case strings.HasPrefix(path, "/query/"):
		o.more(w, strings.TrimPrefix(path, "/query/"))
	default:
		sayError(w, http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
}

func (o *fakeOrg) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Form.Get("client_id")+r.Form.Get("assertion") == "" {
		w.WriteHeader(http.StatusBadRequest)
		say(w, map[string]any{"error": "invalid_client", "error_description": "invalid client credentials"})
		return
	}
	o.logins++
	o.forms = append(o.forms, r.PostForm.Encode())
	o.token = fakeSession + strconv.Itoa(o.logins)
	say(w, map[string]any{
		"access_token": o.token, "signature": "c2lnbmF0dXJl", "scope": "api", "instance_url": o.url,
		"id": "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA", "token_type": "Bearer", "issued_at": "1682687496205",
	})
}

// describe names the fields that the users have, and the relationships.
func (o *fakeOrg) describe(w http.ResponseWriter) {
	var fields []map[string]any
	add := func(name, relationship any) {
		if !o.lacks[name.(string)] {
			fields = append(fields, map[string]any{"name": name, "relationshipName": relationship, "type": "string"})
		}
	}
	for _, name := range []string{
		"Id", "Username", "Email", "FirstName", "LastName", "IsActive", "Title", "Phone", "MobilePhone", "Extension",
		"TimeZoneSidKey", "LocaleSidKey", "Country", "CountryCode", "State", "StateCode", "UserType", "Department", "Region__c",
	} {
		add(name, nil)
	}
	add("ManagerId", "Manager")
	add("ProfileId", "Profile")
	add("UserRoleId", "UserRole")
	say(w, map[string]any{"name": "User", "fields": fields})
}

var queryForm = regexp.MustCompile(`^SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?( LIMIT 1)?$`)

func (o *fakeOrg) query(w http.ResponseWriter, q string) {
	o.queries = append(o.queries, q)
	m := queryForm.FindStringSubmatch(q)
	if m == nil {
		sayError(w, http.StatusBadRequest, "MALFORMED_QUERY", "unexpected token: "+q)
		return
	}
	fields, object, where, limited := strings.Split(m[1], ", "), m[2], m[3], m[4] != ""
	if nestedJoin(where) {
		sayError(w, http.StatusBadRequest, "MALFORMED_QUERY",
			"Semi join sub-selects are only allowed at the top level WHERE clause expressions and not in nested WHERE expressions.")
		return
	}
	selected, field := o.selectFrom(object, where)
	if field == "" && object == "User" {
		field = o.unknown(fields)
	}
	if field != "" {
		sayError(w, http.StatusBadRequest, "INVALID_FIELD", "No such column '"+field+"' on entity '"+object+"'")
		return
	}
	if limited {
		selected = selected[:min(1, len(selected))]
	}
	rows := []row{}
	for _, r := range selected {
		rows = append(rows, project(r, object, fields))
	}
	locator := fmt.Sprintf("01g%012d", len(o.locators))
	o.locators[locator], o.totals[locator] = rows, len(rows)
	o.answer(w, locator, 0)
}

// selectFrom returns the rows that a condition selects, or the first field in it
// that the org lacks.
func (o *fakeOrg) selectFrom(object, where string) (rows []row, unknown string) {
	if where == "" {
		return o.objects[object], ""
	}
	where = joinForm.ReplaceAllStringFunc(where, func(join string) string {
		m := joinForm.FindStringSubmatch(join)
		ids := []string{"'nobody'"}
		answers, _ := o.selectFrom(m[2], m[3])
		for _, r := range answers {
			ids = append(ids, fmt.Sprintf("'%v'", r[m[1]]))
		}
		return "IN (" + strings.Join(ids, ", ") + ")"
	})
	condition, err := soql.Parse(where)
	require.NoError(o.t, err, "a condition that is sent")
	if field := o.unknown(condition.Fields()); field != "" {
		return nil, field
	}
	program, err := condition.Compile()
	require.NoError(o.t, err)
	for _, r := range o.objects[object] {
		values := make([]*soql.Value, len(program.Fields()))
		for i, field := range program.Fields() {
			v := scalar(r.lookup(field))
			values[i] = &v
		}
		in, err := program.Match(values)
		require.NoError(o.t, err)
		if in {
			rows = append(rows, r)
		}
	}
	return rows, ""
}

var (
	joinForm  = regexp.MustCompile(`IN \(SELECT (\w+) FROM (\w+)(?: WHERE ([^()]+))?\)`)
	textForm  = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
	innerForm = regexp.MustCompile(`\([^()]*\)`)
)

// nestedJoin reports whether a semi-join stands in parentheses other than its
// own.
func nestedJoin(where string) bool {
	where = textForm.ReplaceAllString(where, "''")
	where = joinForm.ReplaceAllString(where, "IN JOIN")
	for {
		inner := innerForm.FindString(where)
		if inner == "" {
			return false
		}
		if strings.Contains(inner, "JOIN") {
			return true
		}
		where = strings.Replace(where, inner, "", 1)
	}
}

// A row is a record of an org, as JSON gives it. Relationships are nested.
type row map[string]any

// lookup returns the value of a field such as "Profile.Name", and nothing where
// there is none.
func (r row) lookup(field string) any {
	var value any = map[string]any(r)
	for name := range strings.SplitSeq(field, ".") {
		inner, _ := value.(map[string]any)
		value = inner[name]
	}
	return value
}

func scalar(v any) soql.Value {
	switch v := v.(type) {
	case string:
		return soql.Text(v)
	case bool:
		return soql.Bool(v)
	}
	return soql.Value{}
}

// unknown returns the first field that the org lacks.
func (o *fakeOrg) unknown(fields []string) string {
	for _, field := range fields {
		if o.lacks[field] || field == "Nonsense__c" {
			return field
		}
	}
	return ""
}

// project makes the record of an answer: with the fields that were asked for,
// null where the org has no value, and where the record lives.
func project(rec row, object string, fields []string) row {
	out := row{"attributes": map[string]any{"type": object, "url": fmt.Sprintf("%s/sobjects/%s/%v", fakeAPI, object, rec["Id"])}}
	for _, field := range fields {
		relationship, name, nested := strings.Cut(field, ".")
		value := rec.lookup(field)
		switch {
		case !nested:
			out[field] = value
		case rec[relationship] == nil:
			out[relationship] = nil
		default:
			inner, _ := out[relationship].(map[string]any)
			if inner == nil {
				inner = map[string]any{"attributes": map[string]any{"type": relationship}}
				out[relationship] = inner
			}
			inner[name] = value
		}
	}
	return out
}

func (o *fakeOrg) more(w http.ResponseWriter, locator string) {
	id, offset, _ := strings.Cut(locator, "-")
	at, err := strconv.Atoi(offset)
	if rows, ok := o.locators[id]; !ok || err != nil || at > len(rows) {
		sayError(w, http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
		return
	}
	o.answer(w, id, at)
}

func (o *fakeOrg) answer(w http.ResponseWriter, locator string, at int) {
	rows := o.locators[locator]
	end := min(at+o.page, len(rows))
	body := map[string]any{"totalSize": o.totals[locator], "done": end == len(rows), "records": rows[at:end]}
	if end < len(rows) {
		body["nextRecordsUrl"] = fmt.Sprintf("%s/query/%s-%d", fakeAPI, locator, end)
	}
	say(w, body)
}

func say(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }

func sayError(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	say(w, []map[string]any{{"message": message, "errorCode": code}})
}

// fakeUsers are six people in scope, one of each kind that the decoder has to
// tell apart, and a process that is nobody.
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

// fakeGroups follow a recorded listing of Group: public groups are Regular and
// have a name, the groups of roles have none and say which role they are for.
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
