package salesforce

import (
	"bytes"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// values returns the values of an attribute.
func values(text ...string) sources.Values { return text }

// listedUsers are the users of a fakeOrg as the source has to list them.
func listedUsers() []sources.User {
	common := func(extra map[string]sources.Values) map[string]sources.Values {
		out := map[string]sources.Values{"UserType": values("Standard"), "Profile.Name": values("Standard User")}
		for name, v := range extra {
			out[name] = v
		}
		return out
	}
	return []sources.User{
		{
			ID: "005000000000001AAA", UserName: "ada@acme.com.prod", Status: sources.StatusActive, Email: "ada@acme.com",
			GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "+1 555 0100", MobilePhone: "+1 555 0101", PhoneExtension: "12",
			TimeZone: "America/Los_Angeles", Locale: "en_US", Country: "US", State: "California",
			Attributes: common(map[string]sources.Values{
				"UserRole.Name": values("CEO"), "UserRole.DeveloperName": values("CEO"), "Department": values("Board"), "department": values("Board"), "Region__c": values("West"),
				"Country": values("United States"), "CountryCode": values("US"), "State": values("California"), "StateCode": values("CA"),
			}),
		},
		{
			ID: "005000000000002AAA", UserName: "bo@acme.com", Status: sources.StatusActive, Email: "bo@acme.com",
			GivenName: "Bo", FamilyName: "O'Neil", Manager: sources.Manager{ID: "005000000000001AAA", Email: "ada@acme.com"},
			Attributes: common(map[string]sources.Values{
				"UserRole.Name": values("Sales"), "UserRole.DeveloperName": values("Sales"), "Department": values("Sales"), "department": values("Sales"),
			}),
		},
		{ // Inactive and without a first name: listed all the same (R38, R39).
			ID: "005000000000003AAA", UserName: "cy@acme.com", Status: sources.StatusInactive, Email: "cy@acme.com",
			FamilyName: "Lind", Manager: sources.Manager{ID: "005000000000002AAA", Email: "bo@acme.com"},
			Attributes: common(map[string]sources.Values{"Department": values("Sales"), "department": values("Sales")}),
		},
		{ // Of a foreign domain, in a sandbox's spelling (R40, R41).
			ID: "005000000000004AAA", UserName: "di@other.example", Status: sources.StatusActive, Email: "di=other.example@example.com.invalid",
			GivenName: "Di", FamilyName: "Ek", Manager: sources.Manager{ID: "005000000000002AAA"}, Attributes: common(nil),
		},
		{
			ID: "005000000000005AAA", UserName: "ed@acme.com", Status: sources.StatusActive, Email: "ed@acme.com",
			GivenName: "Ed", FamilyName: "Fo", Attributes: common(nil),
		},
	}
}

func listedGroups() []sources.Group {
	return []sources.Group{
		{ID: "00G000000000001EAA", Name: "Sales team", Members: []string{"005000000000001AAA", "005000000000003AAA"}},
		{ID: "00G000000000002EAA", Name: "Everybody in sales", Members: []string{
			"005000000000001AAA", "005000000000002AAA", "005000000000003AAA", "005000000000004AAA"}},
		{ID: "00G000000000004EAA", Name: "Empty"},
	}
}

func harness() sourcetest.HTTPHarness {
	return sourcetest.HTTPHarness{
		Provider: func(d *fake.Directory) http.Handler { return face(d) },
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			src, err := New(Config{
				LoginURL: address, ClientID: fakeClientID, ClientSecret: fakeSecret, Transport: transport, Attributes: []string{"Region__c", "department"},
			})
			require.NoError(t, err)
			return src
		},
		Users:     listedUsers(),
		Groups:    listedGroups(),
		Secrets:   []string{fakeSecret},
		Links:     []string{"nextRecordsUrl"},
		MissingID: "005000000000999AAA",
		Matches: map[string][]string{ // R98
			"Department = 'Sales'":                {"005000000000002AAA", "005000000000003AAA"},
			"IsActive = true AND Department = ''": {"005000000000004AAA", "005000000000005AAA"},
			"LastName = 'O\\'Neil'":               {"005000000000002AAA"},
			"Department = 'Nobody'":               {},
			"Id != null OR UserType != null":      {"005000000000001AAA", "005000000000002AAA", "005000000000003AAA", "005000000000004AAA", "005000000000005AAA"},
			"Id IN (SELECT UserOrGroupId FROM GroupMember WHERE Group.Name = 'Sales team')": {"005000000000001AAA", "005000000000003AAA"},
		},
		BadQuery: "IsActive = true) OR (Id != null",
	}
}

// R1, R23, R24: the directory as it is now, whole, at every reading.
func TestConformance(t *testing.T) { sourcetest.TestHTTP(t, harness()) }

// The table of the package comment.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 users")
	}
	h := harness()
	h.Provider = func(d *fake.Directory) http.Handler {
		org := face(withSalesforceIDs(d))
		org.PageRows = 0
		return org
	}
	cost := sourcetest.Measure(t, h, 200_000, 2_000)
	assert.Equal(t, map[string]int{
		"POST /services/oauth2/token":                     1,
		"GET /services/data/v64.0/sobjects/User/describe": 1,
		"GET /services/data/v64.0/query":                  4, // users, groups, members, groups again
		"GET /services/data/v64.0/query/{id}":             99 + 399,
	}, cost.Requests)
	assert.Less(t, cost.Beyond, uint64(64<<20))
}

// withSalesforceIDs returns a copy of a made-up company whose IDs have the form
// of Salesforce's.
func withSalesforceIDs(d *fake.Directory) *fake.Directory {
	copied := fake.NewDirectory()
	user := func(id string) string {
		if id == "" {
			return ""
		}
		return fmt.Sprintf("005%012sAAA", id)
	}
	users, groups := d.Users(), d.Groups()
	for i := range users {
		users[i].ID, users[i].Manager.ID = user(users[i].ID), user(users[i].Manager.ID)
	}
	for i := range groups {
		groups[i].ID = fmt.Sprintf("00G%012sAAA", groups[i].ID)
		for k, member := range groups[i].Members {
			groups[i].Members[k] = user(member)
		}
	}
	copied.PutUsers(users...)
	copied.PutGroups(groups...)
	return copied
}

// read collects a listing up to its error.
func read[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

func TestAsksOnlyForFieldsTheOrgHas(t *testing.T) {
	var log bytes.Buffer
	org := newFakeOrg(t)
	org.Lacks = append(org.Lacks, "CountryCode", "StateCode", "Region__c", "UserRoleId")
	src := org.source(func(cfg *Config) {
		cfg.Attributes = []string{"Region__c", "Department"}
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	users, err := read(src.Users(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, "United States", users[0].Country)
	assert.Equal(t, "California", users[0].State)
	require.Len(t, org.queries, 1)
	assert.Equal(t, "SELECT Id, Username, Email, FirstName, LastName, IsActive, ManagerId, Title, Phone, MobilePhone, Extension,"+
		" TimeZoneSidKey, LocaleSidKey, Country, State, Manager.Email, UserType, Department, Profile.Name"+
		" FROM User WHERE UserType = 'Standard'", org.queries[0])
	assert.Contains(t, log.String(), "Region__c")
	assert.NotContains(t, log.String(), "ada")

	err = src.Check(t.Context())
	require.ErrorIs(t, err, sources.ErrBadQuery)
	assert.Contains(t, err.Error(), "Region__c")
}

// A field that is hidden from the integration user would read as nobody having
// it.
func TestHiddenFieldIsAnError(t *testing.T) {
	org := newFakeOrg(t)
	org.Lacks = append(org.Lacks, "ManagerId", "Email")
	users, err := read(org.source(nil).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrForbidden)
	assert.Contains(t, err.Error(), "Email, ManagerId")
	assert.Empty(t, users)
}

func TestScope(t *testing.T) {
	org := newFakeOrg(t)
	src := org.source(func(cfg *Config) { cfg.Scope = "UserType = 'CloudIntegrationUser' OR Title = 'CEO'" })
	users, err := read(src.Users(t.Context()))
	require.NoError(t, err)
	require.Len(t, users, 2)

	ids, err := read(src.Match(t.Context(), "Id != null"))
	require.NoError(t, err)
	assert.Equal(t, []string{"005000000000001AAA", "005000000000006AAA"}, ids)
	assert.Equal(t, "SELECT Id FROM User WHERE Id != NULL AND (UserType = 'CloudIntegrationUser' OR Title = 'CEO')", org.queries[1])

	one, err := src.One(t.Context(), "005000000000005AAA")
	require.NoError(t, err)
	assert.Equal(t, sources.One{Proven: sources.FactUsers}, one, "outside of the scope")
}

// joinedOrg is an org with permission sets, logins and a lookup to follow.
func joinedOrg(t testing.TB) *fakeOrg {
	org := newFakeOrg(t)
	org.Records["PermissionSetAssignment"] = []row{
		{"AssigneeId": "005000000000001AAA", "PermissionSet": map[string]any{"Name": "Gong"}},
		{"AssigneeId": "005000000000002AAA", "PermissionSet": map[string]any{"Name": "Gong"}},
		{"AssigneeId": "005000000000006AAA", "PermissionSet": map[string]any{"Name": "Gong"}},
		{"AssigneeId": "005000000000004AAA", "PermissionSet": map[string]any{"Name": "Other"}},
	}
	org.Records["UserLogin"] = []row{{"UserId": "005000000000002AAA", "IsFrozen": true}, {"UserId": "005000000000001AAA", "IsFrozen": false}}
	return org
}

// R98: a semi-join is sent where alone Salesforce takes one, at the top level of
// the WHERE, however the filter nests it and whatever the scope adds.
func TestSemiJoins(t *testing.T) {
	const (
		gong   = "Id IN (SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Gong')"
		thawed = "Id NOT IN (SELECT UserId FROM UserLogin WHERE IsFrozen = true)"
		role   = "UserRoleId IN (SELECT Id FROM UserRole WHERE ParentRoleId = '00E000000000001EAA')"
	)
	org := joinedOrg(t)
	for filter, want := range map[string][]string{
		gong:                            {"005000000000001AAA", "005000000000002AAA"},
		"(" + gong + ")":                {"005000000000001AAA", "005000000000002AAA"},
		"IsActive = true AND " + thawed: {"005000000000001AAA", "005000000000004AAA", "005000000000005AAA"},
		gong + " AND " + thawed:         {"005000000000001AAA"},
		"(Department = 'Board' AND (" + gong + " AND (" + thawed + ")))": {"005000000000001AAA"},
		"(Department = 'Sales' OR Department = 'Board') AND " + gong:     {"005000000000001AAA", "005000000000002AAA"},
		"NOT (Department = 'Sales') AND (" + gong + ")":                  {"005000000000001AAA"},
		role: {"005000000000002AAA"},
		"Department = 'x(SELECT' OR Department = 'Board'": {"005000000000001AAA"},
	} {
		ids, err := read(org.source(nil).Match(t.Context(), filter))
		require.NoError(t, err, filter)
		assert.Equal(t, want, ids, filter)
	}

	// A scope with a semi-join, beside everything that is asked.
	src := org.source(func(cfg *Config) { cfg.Scope = "(UserType = 'Standard' OR Title = 'CEO') AND (" + thawed + ")" })
	ids, err := read(src.Match(t.Context(), "(Department = 'Board' OR Department = 'Sales') AND "+gong))
	require.NoError(t, err)
	assert.Equal(t, []string{"005000000000001AAA"}, ids)
	users, err := read(src.Users(t.Context()))
	require.NoError(t, err)
	assert.Len(t, users, 4)
	one, err := src.One(t.Context(), "005000000000001AAA")
	require.NoError(t, err)
	assert.Equal(t, "Ada", one.User.GivenName)
	one, err = src.One(t.Context(), "005000000000002AAA")
	require.NoError(t, err)
	assert.Equal(t, sources.One{Proven: sources.FactUsers}, one, "frozen, so outside of the scope")
	groups, err := read(src.Groups(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, []string{"005000000000001AAA", "005000000000003AAA", "005000000000004AAA"}, groups[1].Members)
	require.NoError(t, src.Check(t.Context()))
	_, err = read(src.Match(t.Context(), gong+" AND "+role))
	require.ErrorContains(t, err, "with those of Config.Scope, more than two semi-joins")

	_, err = read(org.source(nil).Match(t.Context(), "Department = 'Board' OR "+gong))
	require.ErrorIs(t, err, sources.ErrBadQuery)
	require.ErrorContains(t, err, "SOQL takes no semi-join beside OR; give each side an assignment of its own")
}

func TestMatchErrors(t *testing.T) {
	org := newFakeOrg(t)
	_, err := read(org.source(nil).Match(t.Context(), "Nonsense__c = 1"))
	require.ErrorIs(t, err, sources.ErrBadQuery, "the org is the last to judge")
	assert.Contains(t, err.Error(), "INVALID_FIELD: No such column 'Nonsense__c'")

	_, err = read(org.source(nil).Match(t.Context(), "a = 1 LIMIT 1"))
	var refusal *FilterError
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, 7, refusal.Position)
	assert.Equal(t, ValidateFilter("a = 1 LIMIT 1"), refusal)
	require.NoError(t, ValidateFilter("a = 1"))

	join := "Id IN (SELECT UserId FROM UserLogin)"
	src := org.source(func(cfg *Config) { cfg.Scope = join })
	_, err = read(src.Match(t.Context(), join+" AND "+join))
	require.ErrorContains(t, err, "with those of Config.Scope")
}

func TestReadOne(t *testing.T) {
	org := newFakeOrg(t)
	src := org.source(nil)
	one, err := src.One(t.Context(), "005000000000002") // the short form of the ID
	require.NoError(t, err)
	assert.Equal(t, "005000000000002AAA", one.User.ID)
	assert.Equal(t, sources.FactUsers|sources.FactManagers, one.Proven)

	asked := org.requests
	for _, id := range []string{"", "nobody", "' OR Id != '", "005000000000002AA'"} {
		one, err = src.One(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sources.One{Proven: sources.FactUsers}, one)
	}
	assert.Equal(t, asked, org.requests, "no record has such an ID")
}

func TestInfo(t *testing.T) {
	src := newFakeOrg(t).source(func(cfg *Config) { cfg.Connection = "sf-prod" })
	assert.Equal(t, sources.Info{
		Kind: "salesforce", Connection: "sf-prod",
		Lists: sources.FactAll,
	}, src.Info())
	assert.Equal(t, "salesforce", newFakeOrg(t).source(nil).Info().Connection)
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{
		LoginURL: "http://login.salesforce.com", APIVersion: "64", Scope: "a = 1 LIMIT 1",
		Attributes: []string{"ok", "a b", "x; DROP"}, MaxAPIUsage: 101,
	})
	for _, want := range []string{
		"LoginURL: want https", `APIVersion: want a form such as v64.0, not "64"`, "Scope: position 7: LIMIT",
		`Attributes[1]: want the name of a field, such as Region__c or Profile.Name, not "a b"`, `Attributes[2]: `,
		"MaxAPIUsage: want a percentage from 1 to 100, not 101",
	} {
		require.ErrorContains(t, err, want)
	}
}

// Nothing personal and no secret is logged, even at the lowest level.
func TestLogHoldsNothingPersonal(t *testing.T) {
	var log bytes.Buffer
	org := newFakeOrg(t)
	org.Records["User"][0]["Title"] = map[string]any{"odd": "shape"}
	failed := false
	org.fault = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n != 2 || failed {
			return false
		}
		failed = true
		w.Header().Set("Retry-After", "0")
		sayError(w, 503, "SERVER_UNAVAILABLE", "ada@acme.com")
		return true
	}
	src := org.source(func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	users, err := read(src.Users(t.Context()))
	require.NoError(t, err)
	require.Len(t, users, 5, "a broken field does not fail the run")
	assert.Empty(t, users[0].Title)
	assert.Contains(t, log.String(), "005000000000001AAA")
	assert.Contains(t, log.String(), "Title")
	assert.Contains(t, log.String(), "repeat a request")
	for _, secret := range []string{"ada", "Byron", "00D000000000001!", fakeSecret, "SELECT"} {
		assert.NotContains(t, log.String(), secret)
	}
}

// Pages are read one at a time and only as far as they are wanted.
func TestStreams(t *testing.T) {
	org := newFakeOrg(t)
	org.PageRows = 1
	for range org.source(nil).Users(t.Context()) {
		break
	}
	assert.Equal(t, 3, org.requests, "login, description, first page")
}

// One login serves everybody who needs one at the same time.
func TestConcurrentCallsLogInOnce(t *testing.T) {
	org := newFakeOrg(t)
	src := org.source(nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := read(src.Match(t.Context(), "Id != null"))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 1, org.logins)
}
