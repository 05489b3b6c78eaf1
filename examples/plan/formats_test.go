package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// formats is the page that these tests keep from going stale.
const formats = "../../docs/formats.md"

// documented are the types of which the page has a table, by its heading.
var documented = map[string]reflect.Type{
	"Config":     reflect.TypeFor[provisioning.Config](),
	"Domains":    reflect.TypeFor[provisioning.Domains](),
	"Assignment": reflect.TypeFor[assignment.Assignment](),
	"Match":      reflect.TypeFor[assignment.Match](),
	"Basic":      reflect.TypeFor[provisioning.Basic](),
	"Hierarchy":  reflect.TypeFor[provisioning.Hierarchy](),
	"KeepActive": reflect.TypeFor[provisioning.KeepActive](),
	"Managers":   reflect.TypeFor[provisioning.Managers](),
	"Locale":     reflect.TypeFor[provisioning.Locale](),
	"Seats":      reflect.TypeFor[assignment.Seats](),
	"Breakers":   reflect.TypeFor[provisioning.Breakers](),
	"Keep":       reflect.TypeFor[provisioning.Keep](),
	"Limit":      reflect.TypeFor[provisioning.Limit](),
	"Snapshot":   reflect.TypeFor[sources.Snapshot](),
	"User":       reflect.TypeFor[sources.User](),
	"Manager":    reflect.TypeFor[sources.Manager](),
	"Group":      reflect.TypeFor[sources.Group](),
	"Member":     reflect.TypeFor[provisioning.Member](),
	"Plan":       reflect.TypeFor[provisioning.Plan](),
	"Action":     reflect.TypeFor[provisioning.Action](),
	"Change":     reflect.TypeFor[provisioning.Change](),
	"Effect":     reflect.TypeFor[provisioning.Effect](),
	"Held":       reflect.TypeFor[provisioning.Held](),
	"Skip":       reflect.TypeFor[provisioning.Skip](),
	"Finding":    reflect.TypeFor[provisioning.Finding](),
	"Breaker":    reflect.TypeFor[provisioning.Breaker](),
	"Reason":     reflect.TypeFor[provisioning.Reason](),
	// The envelope of a team has no type of its own.
	"Members": reflect.TypeFor[struct {
		Format  int                   `json:"format"`
		Members []provisioning.Member `json:"members"`
	}](),
}

// Every field of every type stands in the page, in the order of the type, and
// the page lists no other.
func TestFormatsListEveryField(t *testing.T) {
	page, err := os.ReadFile(formats)
	require.NoError(t, err)
	tables := make(map[string][]string)
	heading := ""
	row := regexp.MustCompile("^\\| `([a-z_]+)` \\|")
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			heading = strings.TrimSpace(name)
			tables[heading] = nil
		}
		if field := row.FindStringSubmatch(line); field != nil {
			tables[heading] = append(tables[heading], field[1])
		}
	}
	for heading, fields := range tables {
		if assert.Contains(t, documented, heading) {
			assert.Equal(t, jsonFields(documented[heading]), fields, heading)
		}
	}
	assert.Len(t, tables, len(documented))
}

// jsonFields returns the JSON names of a struct's fields in their order.
func jsonFields(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported():
		case field.Anonymous && name == "":
			names = append(names, jsonFields(field.Type)...)
		case name != "-":
			names = append(names, name)
		}
	}
	return names
}

// Every rule that the page cites can be looked up.
func TestFormatsCiteKnownRules(t *testing.T) {
	page, err := os.ReadFile(formats)
	require.NoError(t, err)
	rules, err := os.ReadFile("../../docs/rules.md")
	require.NoError(t, err)
	known := make(map[string]bool)
	for _, found := range regexp.MustCompile(`(?m)^(?:\| |- )([RCAGSL][0-9]+)\b`).FindAllSubmatch(rules, -1) {
		known[string(found[1])] = true
	}
	require.Greater(t, len(known), 200)
	for _, cited := range regexp.MustCompile(`\b[RCAGSL][0-9]+\b`).FindAll(page, -1) {
		assert.True(t, known[string(cited)], string(cited))
	}
}

// The examples in the page are the files in testdata, and the plan is what the
// first of their people come to. Each is read by the function that the page
// names.
func TestFormatsExamples(t *testing.T) {
	page, err := os.ReadFile(formats)
	require.NoError(t, err)
	for _, name := range []string{"config", "snapshot", "members", "plan"} {
		want := example(t, name)
		block := regexp.MustCompile("(?s)(```json " + name + "\n)(.*?)(```\n)")
		found := block.FindSubmatch(page)
		require.NotNil(t, found, name)
		if *update {
			page = block.ReplaceAll(page, bytes.Join([][]byte{[]byte("${1}"), want, []byte("${3}")}, nil))
			continue
		}
		assert.Equal(t, string(want), string(found[2]), name)
	}
	if *update {
		require.NoError(t, os.WriteFile(formats, page, 0o644))
	}
}

func example(t *testing.T, name string) []byte {
	t.Helper()
	if name != "plan" {
		data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		require.NoError(t, err)
		return data
	}
	resolver, err := files.ReadRules("testdata/config.json", "")
	require.NoError(t, err)
	snapshot, err := files.Read("testdata/snapshot.json", maxSnapshot, sources.ReadSnapshot)
	require.NoError(t, err)
	team, err := files.Read("testdata/members.json", maxMembers, provisioning.ReadMembers)
	require.NoError(t, err)
	snapshot.Users, snapshot.Groups[0].Members = snapshot.Users[:1], snapshot.Groups[0].Members[:1]
	plan := resolver.Resolve(provisioning.Input{Tenant: "local", Snapshot: snapshot, Members: team[:1]})

	var canonical, indented bytes.Buffer
	require.NoError(t, plan.WriteJSON(&canonical))
	again, err := provisioning.ReadPlan(canonical.Bytes())
	require.NoError(t, err)
	assert.Equal(t, plan.Hash, again.Hash)
	require.NoError(t, json.Indent(&indented, canonical.Bytes(), "", "  "))
	return indented.Bytes()
}
