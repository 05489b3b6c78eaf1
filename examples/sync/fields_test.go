package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// A record is a user as one provider answers, in the least form that is one.
type fieldSource struct {
	id     string
	record string
	// answer makes the answer to a request for the user.
	answer func(record map[string]any) any
	// inactive are the values that say that a user is.
	inactive map[string]any
}

// whole answers with the record itself.
func whole(record map[string]any) any { return record }

// fieldSources are in the order of the table's columns, which is that of worlds.
var fieldSources = []fieldSource{
	{"00u1", `{"id": "00u1", "status": "ACTIVE", "profile": {}}`, whole, map[string]any{"status": "SUSPENDED"}},
	{"6e7b", `{"id": "6e7b", "accountEnabled": true, "userType": "Member", "manager": null}`, whole, map[string]any{"accountEnabled": false}},
	{
		"005000000000001AAA", `{"Id": "005000000000001AAA", "IsActive": true}`,
		func(record map[string]any) any {
			return map[string]any{"totalSize": 1, "done": true, "records": []any{record}}
		},
		map[string]any{"IsActive": false},
	},
	{"101", `{"id": 101, "status": 1, "state": 1, "manager_user_id": null}`, whole, map[string]any{"status": 2, "state": 2}},
	{"641b", `{"id": "641b", "user": {}}`, whole, map[string]any{"status": "TERMINATED", "user.active": false}},
	{"u1", `{"id": "u1", "active": true}`, whole, map[string]any{"active": false}},
}

// read reads one user through the provider's source, from a record in which a
// value stands at a path.
func (f fieldSource) read(t *testing.T, w world, path string, value any) sources.User {
	t.Helper()
	var record map[string]any
	require.NoError(t, json.Unmarshal([]byte(f.record), &record))
	if path != "" {
		put(t, record, path, value)
	}
	p, err := providerOf(w.kind)
	require.NoError(t, err)
	s, err := p.read(w.getenv, true)
	require.NoError(t, err)
	src, err := p.open(s, opening{transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		answer := f.answer(record)
		switch {
		case strings.HasSuffix(req.URL.Path, "/token"):
			answer = map[string]any{"access_token": "removed", "expires_in": 3600, "instance_url": w.env["SALESFORCE_LOGIN_URL"]}
		case strings.HasSuffix(req.URL.Path, "/describe"):
			answer = map[string]any{"fields": []any{
				map[string]any{"name": "Id"}, map[string]any{"name": "Username"}, map[string]any{"name": "Email"}, map[string]any{"name": "FirstName"},
				map[string]any{"name": "LastName"}, map[string]any{"name": "IsActive"}, map[string]any{"name": "ManagerId"},
			}}
		case strings.HasSuffix(req.URL.Path, "/memberOf"):
			answer = map[string]any{"value": []any{}}
		case strings.HasSuffix(req.URL.Path, "/groups"):
			answer = []any{}
		case strings.HasSuffix(req.URL.Path, "/roles"):
			answer = []any{map[string]any{"type": "READ_ONLY_ADMIN", "status": "ACTIVE"}}
		}
		body, err := json.Marshal(answer)
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Link": {`<` + req.URL.String() + `>; rel="self"`}}, Body: io.NopCloser(strings.NewReader(string(body))), Request: req,
		}, err
	})})
	require.NoError(t, err)
	one, err := src.(sources.OneReader).One(t.Context(), f.id)
	require.NoError(t, err, path)
	require.True(t, one.Found)
	return one.User
}

var elementForm = regexp.MustCompile(`^(\w+)\[(?:(\w+)=(\w+))?\]$`)

// put puts a value at a path of the table.
func put(t *testing.T, record map[string]any, path string, value any) {
	t.Helper()
	for short, urn := range map[string]string{"enterprise:": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "user:": "urn:ietf:params:scim:schemas:extension:usher:2.0:User"} {
		if rest, ok := strings.CutPrefix(path, short); ok {
			inner := map[string]any{}
			record[urn] = inner
			record, path = inner, rest
		}
	}
	parts := strings.Split(path, ".")
	for i, part := range parts {
		last := i == len(parts)-1
		if m := elementForm.FindStringSubmatch(part); m != nil {
			if last {
				record[m[1]] = []any{value}
				return
			}
			element := map[string]any{m[2]: m[3]}
			record[m[1]] = []any{element}
			record = element
			continue
		}
		if last {
			record[part] = value
			return
		}
		inner, _ := record[part].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			record[part] = inner
		}
		record = inner
	}
}

// holders are the fields of a user, by their names in the table, in which a text
// stands.
func holders(t *testing.T, u sources.User, text string) []string {
	t.Helper()
	data, err := json.Marshal(u)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	var found []string
	for name, value := range fields {
		inner, ok := value.(map[string]any)
		if !ok {
			inner = map[string]any{"": value}
		}
		for key, value := range inner {
			if strings.Contains(fmt.Sprint(value), text) {
				found = append(found, strings.TrimSuffix(name+"."+key, "."))
			}
		}
	}
	slices.Sort(found)
	return found
}

// table reads the table of docs/sources.md: for each provider the fields that a
// path goes into.
func table(t *testing.T) (fields []string, columns []map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/sources.md")
	require.NoError(t, err)
	columns = make([]map[string][]string, len(worlds))
	for i := range columns {
		columns[i] = map[string][]string{}
	}
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		field := code.FindStringSubmatch(cells[0])
		if !strings.HasPrefix(line, "| `") || field == nil {
			continue
		}
		require.Len(t, cells, 1+len(worlds), line)
		fields = append(fields, field[1])
		for i, cell := range cells[1:] {
			require.NotEmpty(t, strings.TrimSpace(cell), line)
			for _, path := range code.FindAllStringSubmatch(cell, -1) {
				columns[i][path[1]] = append(columns[i][path[1]], field[1])
			}
		}
	}
	return fields, columns
}

// R56, R57, R62, S35: docs/sources.md says where each field of a user comes from,
// for each provider: a text that is put in such a place comes out in the fields
// that name it and in no other.
func TestFieldsOfUsers(t *testing.T) {
	fields, columns := table(t)
	forAll(t, func(t *testing.T, w world) {
		i := slices.IndexFunc(worlds, func(other world) bool { return other.kind == w.kind })
		f := fieldSources[i]
		plain := f.read(t, w, "", nil)
		assert.Equal(t, f.id, plain.ID)
		for _, path := range slices.Sorted(maps.Keys(columns[i])) {
			want := columns[i][path]
			switch {
			case slices.Contains(want, "id"):
				continue // the user was found by it
			case slices.Contains(want, "status"):
				if value, known := f.inactive[path]; known {
					assert.Equal(t, sources.StatusInactive, f.read(t, w, path, value).Status, path)
				}
				continue
			case strings.HasPrefix(path, "Config.") || path == "user.emails" || path == "emails" || path == "proxyAddresses":
				continue // told in words; the package's own tests show it
			}
			text := "canary@linden.example"
			if strings.HasSuffix(path, "manager.value") {
				text = "canary" // in SCIM, an address there is the manager's
			}
			found := holders(t, f.read(t, w, path, text), text)
			found = slices.DeleteFunc(found, func(name string) bool {
				return strings.HasPrefix(name, "attributes.") && !slices.Contains(fields, name)
			})
			slices.Sort(want)
			assert.Equal(t, want, found, path)
		}
	})
}

// The table names every field that a user has in the JSON of a snapshot.
func TestTableIsWhole(t *testing.T) {
	text := sources.Values{"x"}
	u := sources.User{
		OtherEmails: text, Manager: sources.Manager{ID: "x", Email: "x", Name: "x"},
		Attributes: map[string]sources.Values{
			sources.AttributeDepartment: text, sources.AttributeDivision: text, sources.AttributeCostCenter: text,
			sources.AttributeEmployeeNumber: text, sources.AttributeOrganization: text,
		},
	}
	for i, v := 0, reflect.ValueOf(&u).Elem(); i < v.NumField(); i++ {
		if field := v.Field(i); field.Type() == reflect.TypeFor[string]() {
			field.SetString("x")
		} else if v.Type().Field(i).Name != "Status" {
			require.False(t, field.IsZero(), "sources.User.%s is new: give it a value here", v.Type().Field(i).Name)
		}
	}
	fields, _ := table(t)
	slices.Sort(fields)
	assert.Equal(t, append(holders(t, u, "x"), "status"), append(slices.DeleteFunc(fields, func(name string) bool { return name == "status" }), "status"))
}
