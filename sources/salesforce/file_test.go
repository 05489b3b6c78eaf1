package salesforce

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

// The files of testdata are one answer in the three forms in which it is saved.
// Keys, nesting, nulls and forms of values are those of recorded answers to a
// query on User, of the REST API guide, and of what `sf data query --json`
// prints; the people are made up.
var savedFiles = []string{"testdata/answer.json", "testdata/sf.json", "testdata/pages.json"}

func savedUsers() []sources.User {
	return []sources.User{
		{
			ID: "005Qy0000000001IAA", UserName: "nora@acme.com.acme", Status: sources.StatusActive, Email: "nora@acme.com",
			GivenName: "Nora", FamilyName: "Quist", Title: "Chief Revenue Officer", Phone: "+46 8 555 010 00", PhoneExtension: "100",
			TimeZone: "Europe/Stockholm", Locale: "sv_SE", Country: "Sweden",
			Attributes: map[string]sources.Values{
				"UserType": values("Standard"), "Department": values("Management"), "department": values("Management"), "Country": values("Sweden"), "Profile.Name": values("System Administrator"),
				"LastLoginDate": values("2026-04-28T13:10:51.000+0000"), "Seniority__c": values("12"), "Remote__c": values("true"), "Skills__c": values("Go;SQL"),
			},
		},
		{
			ID: "005Qy0000000002IAA", UserName: "tom@acme.com.acme", Status: sources.StatusActive, Email: "tom@acme.com",
			GivenName: "Tom", FamilyName: "O'Hara", Title: "Account Executive", MobilePhone: "(555) 010-0123",
			TimeZone: "America/Chicago", Locale: "en_US", Country: "United States", State: "Illinois",
			Manager: sources.Manager{ID: "005Qy0000000001IAA", Email: "nora@acme.com"},
			Attributes: map[string]sources.Values{
				"UserType": values("Standard"), "Department": values("Sales"), "department": values("Sales"), "Country": values("United States"), "State": values("Illinois"), "Profile.Name": values("Standard User"), "UserRole.Name": values("Sales Rep"),
				"LastLoginDate": values("2026-04-02T08:00:00.000+0000"), "Seniority__c": values("3.5"), "Remote__c": values("false"),
			},
		},
		{
			ID: "005Qy0000000003IAA", UserName: "dobbs@acme.com.acme", Status: sources.StatusInactive, Email: "dobbs@acme.com",
			FamilyName: "Dobbs", TimeZone: "GMT", Locale: "de",
			Manager: sources.Manager{ID: "005Qy0000000002IAA", Email: "tom@acme.com"},
			Attributes: map[string]sources.Values{
				"UserType": values("Standard"), "Department": values("Sales"), "department": values("Sales"), "Profile.Name": values("Standard User"),
				"Remote__c": values("false"), "Skills__c": values("SQL"),
			},
		},
	}
}

func fromFile(t testing.TB, cfg FileConfig) *File {
	t.Helper()
	f, err := FromFile(cfg)
	require.NoError(t, err)
	return f
}

// fromText is a source over a file with the given text.
func fromText(t testing.TB, text string) *File {
	t.Helper()
	return fromFile(t, FileConfig{Path: "saved.json", FS: fstest.MapFS{"saved.json": {Data: []byte(text)}}})
}

func TestFileConformance(t *testing.T) {
	const noRequests = "a file is not asked over a network"
	for _, path := range savedFiles {
		t.Run(path, func(t *testing.T) {
			sourcetest.Test(t, sourcetest.Harness{
				New:   func(t testing.TB) sources.Source { return fromFile(t, FileConfig{Path: path}) },
				Users: savedUsers(),
				Matches: map[string][]string{ // R98
					"Profile.Name = 'standard user' AND IsActive = true": {"005Qy0000000002IAA"},
					"Title LIKE '%exec%' OR Seniority__c > 10":           {"005Qy0000000001IAA", "005Qy0000000002IAA"},
					"Skills__c INCLUDES ('SQL')":                         {"005Qy0000000001IAA", "005Qy0000000003IAA"},
					"NOT Department IN ('Sales')":                        {"005Qy0000000001IAA"},
					"UserRole.Name != null":                              {"005Qy0000000002IAA"},
					"manager.email = 'NORA@acme.com'":                    {"005Qy0000000002IAA"},
					"ManagerId = '005Qy0000000002'":                      {"005Qy0000000003IAA"},
					"LastLoginDate >= 2026-04-28T00:00:00Z":              {"005Qy0000000001IAA"},
					"Remote__c = false AND FirstName = null":             {"005Qy0000000003IAA"},
					"Id = null":                                          {},
				},
				BadQuery: "Id != null LIMIT 1",
				Unsupported: map[string]string{
					"requests": noRequests, "fault cut": noRequests, "fault blank": noRequests, "fault drift": noRequests,
					"fault rate limited": noRequests, "fault unavailable": noRequests, "fault unauthorized": noRequests,
				},
			})
		})
	}
}

func TestFileInfo(t *testing.T) {
	managers := sources.FactUsers | sources.FactManagers
	assert.Equal(t, sources.Info{Kind: "salesforce", Connection: "sf-prod", Lists: managers},
		fromFile(t, FileConfig{Path: "testdata/sf.json", Connection: "sf-prod"}).Info())

	for text, want := range map[string]sources.Facts{
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA","ManagerId":null}]}`:                            managers,
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA","Manager":null}]}`:                              managers,
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA"}]}`:                                             sources.FactUsers,
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA","Manager":{"Name":"Bo Ek"}}]}`:                  managers,
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA","Manager":{"Title":"CEO"}}]}`:                   sources.FactUsers,
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA","Manager.Email":""}]}`:                          managers,
		`{"totalSize":2,"done":true,"records":[{"Id":"005Qy0000000001IAA","ManagerId":"2"},{"Id":"005Qy0000000002IAA"}]}`: managers,
		`[{"Id":"005Qy0000000001IAA","ManagerId":null}]`:                                                                  sources.FactManagers,
		"Id,Email\n005Qy0000000001IAA,a@acme.com\n":                                                                       0,
		`{"totalSize":0,"done":true,"records":[]}`:                                                                        sources.FactUsers,
	} {
		assert.Equal(t, want, fromText(t, text).Info().Lists, text)
	}
}

// S5: a record that one answer has twice is what the server says, and the resolver
// decides about it.
func TestRecordTwiceInOneAnswer(t *testing.T) {
	one := `{"Id":"005Qy0000000001IAA"}`
	users, err := read(fromText(t, `{"totalSize":2,"done":true,"records":[`+one+`,`+one+`]}`).Users(t.Context()))
	require.NoError(t, err)
	require.Len(t, users, 2)
}

// S12: a file proves what an answer proves.
func TestIncompleteFiles(t *testing.T) {
	one, two := `"records":[{"Id":"005Qy0000000001IAA"}]`, `"records":[{"Id":"005Qy0000000002IAA"}]`
	for text, want := range map[string]string{
		`{"totalSize":1,"done":false,` + one + `}`:                       "done: false",
		`{"totalSize":2,"done":true,` + one + `}`:                        "1 records of 2",
		`{"totalSize":0,"done":true,` + one + `}`:                        "1 records of 0",
		`{"done":true,` + one + `}`:                                      "without totalSize and done",
		`{"status":0,"result":{"totalSize":1,"done":false,` + one + `}}`: "done: false",
		`{"status":1,"name":"INVALID_FIELD","message":"No such column"}`: "status 1, INVALID_FIELD: No such column",
		`{"status":0}`:                               "want an answer of Salesforce (totalSize, done, records) or a record",
		`{"status":0,"result":[]}`:                   "neither an answer nor a record",
		`[{"totalSize":2,"done":false,` + one + `}]`: "done: false",
		`[{"totalSize":2,"done":true,` + one + `},{"totalSize":2,"done":true,` + two + `}]`:  "a page after the last one",
		`[{"totalSize":2,"done":false,` + one + `},{"totalSize":3,"done":true,` + two + `}]`: "changed from 2 to 3",
		`[{"totalSize":2,"done":false,` + one + `},{"totalSize":2,"done":true,` + one + `}]`: `the record "005Qy0000000001IAA" is on two pages`,
		`[]`:     "neither an answer nor a record",
		`[7]`:    "want an answer of Salesforce, an object or an array of objects, not 7",
		``:       "ends in the middle",
		`"text"`: "neither JSON nor CSV with a column Id",
		`<html>`: "neither JSON nor CSV with a column Id",
		`{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA"`:                   "ends in the middle",
		`{"totalSize":1,"done":true,` + one:                                                  "ends in the middle",
		`{"totalSize":1,"done":true,` + one + `}{}`:                                          "something follows",
		`{"totalSize":1,"done":true,"records":[{"Email":"x@acme.com"}]}`:                     "a record without Id",
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Group"},"Id":"00G"}]}`: `a record of "Group"`,
	} {
		src := fromText(t, text)
		_, err := read(src.Users(t.Context()))
		require.ErrorIs(t, err, sources.ErrMalformed, text)
		require.ErrorContains(t, err, want, text)
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.Error(t, err, text)
		assert.Zero(t, snapshot.Proven&sources.FactUsers, text)
		if !strings.Contains(text, "Email") && !strings.Contains(text, "Group") {
			_, err = read(src.Match(t.Context(), "Id = null"))
			require.ErrorIs(t, err, sources.ErrMalformed, text)
		}
	}
}

func TestFileScope(t *testing.T) {
	ids := func(src sources.Source) (ids []string) {
		users, err := read(src.Users(t.Context()))
		require.NoError(t, err)
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		return ids
	}
	everybody := fromFile(t, FileConfig{Path: "testdata/answer.json", Scope: "Id != null"})
	assert.Len(t, ids(everybody), 4)
	assert.Equal(t, []string{"005Qy0000000001IAA"}, ids(fromText(t, `{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA"}]}`)), "no UserType, no doubt")

	absent := fromFile(t, FileConfig{Path: "testdata/answer.json", Scope: "Region__c = 'West'"})
	_, err := read(absent.Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrUnsupported)
	assert.Contains(t, err.Error(), "do not carry Region__c")
}

func TestFileCannotAnswer(t *testing.T) {
	src := fromFile(t, FileConfig{Path: "testdata/answer.json"})
	for filter, want := range map[string]string{
		"Region__c = 'West' OR Contact.Name = 'x'":               "do not carry Region__c, Contact.Name",
		"IsActive = true OR Region__c = 'West'":                  "do not carry Region__c",
		"Id IN (SELECT AssigneeId FROM PermissionSetAssignment)": "a semi-join asks other objects",
		"LastLoginDate = LAST_N_DAYS:30":                         "depend on the clock",
		"IsActive = 'true'":                                      "IsActive: the value in the record is not of the same type",
	} {
		_, err := read(src.Match(t.Context(), filter))
		require.ErrorIs(t, err, sources.ErrUnsupported, filter)
		require.ErrorContains(t, err, want, filter)
	}
}

func TestFromFileErrors(t *testing.T) {
	for want, cfg := range map[string]FileConfig{
		"Path: open testdata/none.json": {Path: "testdata/none.json"},
		"Scope: position 1: a closing":  {Path: "testdata/answer.json", Scope: ")"},
		"Scope: a file cannot answer":   {Path: "testdata/answer.json", Scope: "Id IN (SELECT UserId FROM UserLogin)"},
	} {
		_, err := FromFile(cfg)
		require.ErrorContains(t, err, want)
	}
}

// endless is a file that never ends, and a record in it that does not either.
type endless struct{ sent int }

func (e *endless) Open(string) (fs.File, error) { return &endless{}, nil }
func (e *endless) Stat() (fs.FileInfo, error)   { return nil, fs.ErrInvalid }
func (e *endless) Close() error                 { return nil }
func (e *endless) Read(p []byte) (int, error) {
	head := `{"totalSize":1,"done":true,"records":[{"Id":"`
	if e.sent == 0 {
		e.sent = copy(p, head)
		return e.sent, nil
	}
	for i := range p {
		p[i] = 'x'
	}
	e.sent += len(p)
	if e.sent > 64<<20 {
		return 0, io.ErrUnexpectedEOF // nobody stopped us
	}
	return len(p), nil
}

func TestFileTooLarge(t *testing.T) {
	_, err := read(fromFile(t, FileConfig{Path: "x", FS: &endless{}}).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrTooLarge, "one record")

	text := `{"totalSize":1,"done":true,"records":[{"Id":"005Qy0000000001IAA"}]}`
	saved := fstest.MapFS{"x": {Data: []byte(text)}}
	_, err = read(fromFile(t, FileConfig{Path: "x", FS: saved, MaxBytes: int64(len(text))}).Users(t.Context()))
	require.NoError(t, err)
	_, err = read(fromFile(t, FileConfig{Path: "x", FS: saved, MaxBytes: int64(len(text)) - 2}).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrTooLarge)
}

func TestFileCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := read(fromFile(t, FileConfig{Path: "testdata/sf.json"}).Users(ctx))
	require.ErrorIs(t, err, context.Canceled)
}
