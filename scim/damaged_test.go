package scim_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A stored record that cannot be read fails alone, with a line in the log, and
// affects no other record. It is still listed, so that no client takes it for
// deleted.
func TestDamagedRecordsAreIsolated(t *testing.T) {
	for name, doc := range map[string]string{
		"cut":          `{"schemas":["` + userURN + `"],"userName":"dam`,
		"empty":        ``,
		"a list":       `[]`,
		"a name twice": `{"schemas":["` + userURN + `"],"userName":"damaged","k":1,"K":2}`,
		"two values":   `{"schemas":[]}{}`,
		"not UTF-8":    "{\"title\":\"\xff\"}",
	} {
		t.Run(name, func(t *testing.T) {
			store := &scim.Memory{}
			var log bytes.Buffer
			server := mount(t, scim.Config{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			create(t, server, "/Users", user("first", `"title":"T"`))
			put(t, store, scim.Write{
				Op: scim.Create, Ref: userRef("damaged"), Doc: []byte(doc),
				Keys: []scim.Key{{Name: scim.KeyUserName, Value: "damaged", Unique: true}, {Name: scim.KeyExternalID, Value: "X"}},
			})
			create(t, server, "/Users", user("last", `"title":"T"`))
			g := create(t, server, "/Groups", group("g", "damaged"))

			for _, c := range [][2]string{
				{"GET", ""}, {"PUT", user("damaged")}, {"PATCH", ops(`{"op":"replace","path":"active","value":false}`)},
			} {
				log.Reset()
				a := send(t, server, testToken, c[0], "/Users/damaged", c[1])
				assert.Equal(t, 500, a.status, "%s: %s", c[0], a.text)
				assert.Contains(t, log.String(), "User damaged cannot be read")
				assert.Empty(t, a.header.Get("ETag"))
				assert.NotContains(t, a.text, "damaged")
			}
			assert.Equal(t, 500, send(t, server, testToken, "GET", "/Users/damaged?attributes=userName", "").status)

			shown := func(query string) (ids []string, total float64) {
				log.Reset()
				a := send(t, server, testToken, "GET", "/Users?"+query, "")
				require.Equal(t, 200, a.status, a.text)
				for _, r := range a.resources() {
					ids = append(ids, r["id"].(string))
				}
				return ids, a.body["totalResults"].(float64)
			}
			filter := func(text string) string { return "filter=" + url.QueryEscape(text) }
			for _, query := range []string{
				"", "attributes=title", "excludedAttributes=title", "sortBy=title", "count=3", filter(`id pr and not (nobody eq "x")`), "cursor=",
			} {
				ids, total := shown(query)
				assert.Contains(t, ids, "damaged", query)
				assert.Len(t, ids, 3, query)
				assert.Equal(t, 3.0, total, query)
				assert.Contains(t, log.String(), "User damaged cannot be read", query)
			}
			ids, _ := shown(filter(`userName eq "damaged"`))
			assert.Equal(t, []string{"damaged"}, ids, "so that it is not created again")
			ids, _ = shown(filter(`title eq "T"`))
			assert.Len(t, ids, 2)
			a := send(t, server, testToken, "GET", "/Users?"+filter(`id eq "damaged"`), "")
			assert.Equal(t, []any{userURN}, a.resources()[0]["schemas"])
			groups, _ := a.resources()[0]["groups"].([]any)
			assert.Len(t, groups, 1)

			// As a source, the record is a user without known data.
			src := scim.AsSource(store, "t1", "c1")
			snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
			require.NoError(t, err)
			require.Len(t, snapshot.Users, 3)
			assert.Equal(t, sources.User{ID: "damaged"}, snapshot.Users[1])
			assert.Equal(t, []string{"damaged"}, snapshot.Groups[0].Members)
			one, err := src.User(t.Context(), "damaged")
			require.NoError(t, err)
			assert.Equal(t, sources.User{ID: "damaged"}, one)
			delta, _, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
			require.NoError(t, err)
			assert.Len(t, delta.Users, 3)

			assert.Equal(t, 204, send(t, server, testToken, "DELETE", "/Users/damaged", "", "If-Match", "*").status, "the way out")
			assert.Equal(t, 200, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").status)
		})
	}
}

// S10, S12: a member whose record cannot be read stays unchanged, and this
// gives one finding.
func TestDamagedRecordsLeaveMembersAlone(t *testing.T) {
	store := &scim.Memory{}
	put(t, store, scim.Write{Op: scim.Create, Ref: userRef("u1"), Doc: []byte(`{`)})
	snapshot, err := sources.Collect(t.Context(), scim.AsSource(store, "t1", "c1"), sources.CollectConfig{})
	require.NoError(t, err)
	resolver, err := provisioning.New(provisioning.Config{
		Source: "scim", Connection: "c1", Domains: provisioning.Domains{Primary: "example.com"},
		Assignments: []assignment.Assignment{{
			ID: "sales", Mode: assignment.Automatic, Match: assignment.Match{Attributes: map[string]sources.Values{"department": {"Sales"}}},
			Settings: assignment.Settings{Seats: []string{"core"}},
		}},
	})
	require.NoError(t, err)
	plan := resolver.Resolve(provisioning.Input{Snapshot: snapshot, Members: []provisioning.Member{
		{ID: "m0", Active: true, Email: "boss@example.com", GivenName: "B", FamilyName: "B"},
		{
			ID: "m1", Connection: "c1", ExternalID: "u1", Managed: true, Active: true, Email: "a@example.com", GivenName: "A", FamilyName: "B",
			ManagerID: "m0", AssignmentID: "sales", Settings: assignment.Settings{Seats: []string{"core"}},
		},
	}})
	assert.Empty(t, plan.Actions, "%s", plan)
	assert.Empty(t, plan.Held, "%s", plan)
	require.Len(t, plan.Findings, 1, "%s", plan)
	assert.Contains(t, fmt.Sprint(plan.Findings[0]), "source.status_unknown")
}
