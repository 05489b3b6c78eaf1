package rippling

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// readWorkers converts testdata/workers.json. It has the form of Rippling's
// published specification and of answers that clients describe.
func readWorkers(t *testing.T, cfg Config) []sources.User {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	data, err := os.ReadFile("testdata/workers.json")
	require.NoError(t, err)
	var answer struct {
		Results []worker
		Meta    meta `json:"__meta"`
	}
	require.NoError(t, json.Unmarshal(data, &answer))
	convert, judge := newRecords(cfg).reader()
	require.NoError(t, judge(answer.Meta))
	var users []sources.User
	for _, rec := range answer.Results {
		row, err := convert(rec)
		require.NoError(t, err)
		assert.Equal(t, row.Value.ID, row.ID)
		users = append(users, row.Value)
	}
	return users
}

// R56, R57, R62, S35: every field that Rippling has; the others come from custom
// fields.
func TestRecordedWorkers(t *testing.T) {
	users := readWorkers(t, Config{Fields: map[string]string{"manager.email": "custom_fields.boss"}})
	assert.Equal(t, sources.User{
		ID: "641b7a00000000000000000a", UserName: "ada@acme.com", Status: sources.StatusActive, Email: "ada@acme.com",
		OtherEmails: []string{"a.byron@acme.com"}, PrivateEmail: "ada@home.example",
		GivenName: "Ada", FamilyName: "Byron", Title: "CEO", Phone: "+44 20 7946 0000", MobilePhone: "+44 7700 900000",
		TimeZone: "Europe/London", Country: "GB", State: "ENG", Locale: "en-GB", Manager: sources.Manager{Email: "chair@acme.com"},
		Attributes: map[string]sources.Values{
			"user_id": values("541b7a00000000000000000a"), "status": values("ACTIVE"), "start_date": values("2020-01-01"), "work_location_id": values("loc-1"),
			"department": values("Board"), "legal_entity": values("Acme Ltd"), "organization": values("Acme Ltd"),
			"number": values("17"), "employee_number": values("17"), "employment_type": values("Salaried, full-time"), "level": values("Executive"),
			"teams": values("North", "South"), "cost_center": values("C-9"), "division": values("North"),
			"custom_fields.cost_center": values("C-9"), "custom_fields.division": values("North"), "custom_fields.seats": values("2"),
			"custom_fields.remote": values("true"), "custom_fields.boss": values("chair@acme.com"),
			"preferred_given_name": values("Addie"), "preferred_family_name": values("Lovelace"), "preferred_language": values("en-GB,en;q=0.5"),
		},
	}, users[0])
	assert.Equal(t, sources.User{
		ID: "641b7a00000000000000000b", UserName: "bo", Status: sources.StatusInactive, Email: "bo@acme.com", PrivateEmail: "bo@home.example",
		Manager:    sources.Manager{ID: "641b7a00000000000000000a"},
		Attributes: map[string]sources.Values{"status": values("TERMINATED"), "end_date": values("2025-01-01")},
	}, users[1])
	assert.Equal(t, sources.User{ID: "641b7a00000000000000000c", Title: "Engineer"}, users[2])

	// Data that was not requested is not kept.
	kept, err := json.Marshal(users)
	require.NoError(t, err)
	for _, sensitive := range []string{"1815", "FEMALE", "DECLINED"} {
		assert.NotContains(t, string(kept), sensitive)
	}
}

func TestFieldsNameAttributes(t *testing.T) {
	users := readWorkers(t, Config{Fields: map[string]string{"given_name": "preferred_given_name", "family_name": "nowhere"}})
	assert.Equal(t, "Addie", users[0].GivenName)
	assert.Equal(t, "Byron", users[0].FamilyName)
}

func TestHiddenFieldsAreNotRead(t *testing.T) {
	cfg := Config{Hidden: []string{"department", "custom_fields", "number", "teams"}, NoManagers: true}
	users := readWorkers(t, cfg)
	for _, name := range []string{"department", "number", "employee_number", "teams", "cost_center", "custom_fields.boss"} {
		assert.NotContains(t, users[0].Attributes, name)
	}
	assert.Contains(t, users[0].Attributes, "level")
	assert.Zero(t, users[1].Manager)
	assert.Equal(t, "limit=100&expand=user,legal_entity,employment_type,level", newRecords(cfg).workersQuery("limit=100&"))
	assert.Equal(t, "limit=100&expand=user,department,legal_entity,employment_type,level,teams,custom_fields", newRecords(Config{}).workersQuery("limit=100&"))
}

// S11, S44: a redacted field does not count as empty if that would mean something.
func TestRedactedFields(t *testing.T) {
	for name, c := range map[string]struct {
		redacted []string
		cfg      Config
		want     string // in the error
		logged   int
	}{
		"a name":                  {[]string{"title", "personal_email", "user.timezone", "user_id"}, Config{}, "", 3},
		"the manager":             {[]string{"manager_id"}, Config{}, "may not see manager_id", 0},
		"the manager's record":    {[]string{"manager"}, Config{}, "may not see manager", 0},
		"no managers":             {[]string{"manager_id"}, Config{NoManagers: true}, "", 0},
		"an attribute":            {[]string{"department", "teams_id"}, Config{}, "may not see department, teams_id", 0},
		"inside of an attribute":  {[]string{"department.name"}, Config{}, "may not see department.name", 0},
		"an attribute not wanted": {[]string{"department"}, Config{Hidden: []string{"department"}}, "", 0},
		"what is not read":        {[]string{"compensation", "date_of_birth"}, Config{}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			_, judge := newRecords(c.cfg).reader()
			var m meta
			for _, field := range c.redacted {
				m.Redacted = append(m.Redacted, struct {
					Name string `json:"name"`
				}{field})
			}
			for range 2 {
				err := judge(m)
				if c.want != "" {
					require.ErrorIs(t, err, sources.ErrForbidden)
					require.ErrorContains(t, err, c.want)
					continue
				}
				require.NoError(t, err)
			}
			assert.Equal(t, c.logged, strings.Count(log.String(), "\n"), "each is logged once")
		})
	}
	// A single worker may have redacted fields that the page does not name.
	convert, _ := newRecords(Config{}).reader()
	var rec worker
	require.NoError(t, json.Unmarshal([]byte(`{"id": "1", "__meta": {"redacted_fields": [{"name": "department"}]}}`), &rec))
	_, err := convert(rec)
	require.ErrorIs(t, err, sources.ErrForbidden)
}

// An ID without its object is not an empty field, unless nobody wants to read it.
func TestExpandedFields(t *testing.T) {
	for text, want := range map[string]string{
		`{"id": "1", "status": "ACTIVE", "department_id": "d1"}`:                                              "department",
		`{"id": "1", "status": "ACTIVE", "department_id": "d1", "department": "d1"}`:                          "department",
		`{"id": "1", "status": "ACTIVE", "department_id": "d1", "department": null}`:                          "department",
		`{"id": "1", "status": "ACTIVE", "department_id": "d1", "department": {"name": "Board"}}`:             "",
		`{"id": "1", "status": "ACTIVE", "department_id": null, "level_id": "", "teams_id": []}`:              "",
		`{"id": "1", "status": "ACTIVE", "legal_entity_id": "e1"}`:                                            "legal_entity",
		`{"id": "1", "status": "ACTIVE", "employment_type_id": "t1"}`:                                         "employment_type",
		`{"id": "1", "status": "ACTIVE", "level_id": 7}`:                                                      "",
		`{"id": "1", "status": "ACTIVE", "teams_id": ["1", "2"], "teams": []}`:                                "teams",
		`{"id": "1", "status": "ACTIVE", "teams_id": ["1"], "teams": ["1"]}`:                                  "teams",
		`{"id": "1", "status": "ACTIVE", "teams_id": ["1"], "teams": [{"name": "North"}]}`:                    "",
		`{"id": "1", "status": "ACTIVE", "user_id": "u1"}`:                                                    "user",
		`{"id": "1", "status": "ACTIVE", "user_id": "u1", "user": {}}`:                                        "",
		`{"id": "1", "status": "ACTIVE", "user_id": "u1", "__meta": {"redacted_fields": [{"name": "user"}]}}`: "",
		`{"id": "1", "status": "ACTIVE", "user_id": "u1", "user": null, "__meta": {}}`:                        "user",
		`{"id": "1", "status": "ACTIVE", "user_id": "u1", "user": {"active": null}, "x": "y"}`:                "",
	} {
		var rec worker
		require.NoError(t, json.Unmarshal([]byte(text), &rec), text)
		records := newRecords(Config{Hidden: []string{"level"}, Logger: slog.New(slog.DiscardHandler)})
		convert, _ := records.reader()
		row, err := convert(rec)
		require.NoError(t, err, text)
		status := sources.StatusActive
		if want != "" {
			status = sources.StatusUnknown
		}
		require.Equal(t, status, row.Value.Status, text)
		require.Equal(t, want, records.unexpanded(rec, len(rec.Meta.Redacted) > 0), text)
		rec.Status.Value = "TERMINATED"
		row, err = convert(rec)
		require.NoError(t, err, text)
		require.Equal(t, sources.StatusInactive, row.Value.Status, "a departure is known")
	}
}

func TestStatus(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		engagement string
		active     *bool
		want       sources.Status
	}{
		{"ACTIVE", &yes, sources.StatusActive}, {"ACTIVE", nil, sources.StatusActive}, {"ACTIVE", &no, sources.StatusInactive}, {"active", &yes, sources.StatusActive},
		{"TERMINATED", &yes, sources.StatusInactive}, {"HIRED", &no, sources.StatusStaged}, {"ACCEPTED", nil, sources.StatusStaged}, {"INIT", &yes, sources.StatusStaged},
		{"ON_LEAVE", &yes, sources.StatusUnknown}, {"", nil, sources.StatusUnknown}, {"", &yes, sources.StatusActive}, {"", &no, sources.StatusInactive},
	} {
		assert.Equal(t, c.want, status(c.engagement, c.active), c.engagement)
	}
}

func TestMalformedRecords(t *testing.T) {
	_, err := newRecords(Config{}).user(worker{})
	require.ErrorContains(t, err, "a worker without id")
	for _, id := range []string{``, `../users`, `a/b`, `a?b`, `..`} {
		var rec supergroup
		require.NoError(t, json.Unmarshal([]byte(`{"id": "`+id+`"}`), &rec))
		_, err = group(rec)
		require.ErrorIs(t, err, sources.ErrMalformed, id)
	}
	var rec supergroup
	require.NoError(t, json.Unmarshal([]byte(`{"id": "g", "name": "internal", "display_name": "Shown"}`), &rec))
	row, err := group(rec)
	require.NoError(t, err)
	assert.Equal(t, sources.Group{ID: "g", Name: "Shown"}, row.Value)
	require.NoError(t, json.Unmarshal([]byte(`{"id": "g", "display_name": null}`), &rec))
	row, _ = group(rec)
	assert.Equal(t, "internal", row.Value.Name)
	_, err = member(struct {
		ID rest.Text `json:"id"`
	}{})
	require.ErrorIs(t, err, sources.ErrMalformed)
	for _, text := range []string{`{"id": {}}`, `{"id": "1", "title": []}`, `{"id": "1", "user": "u"}`, `{"id": "1", "teams": "x"}`} {
		require.Error(t, json.Unmarshal([]byte(text), &worker{}), text)
	}
}
