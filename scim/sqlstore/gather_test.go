package sqlstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// L6, S38: for the people whom a push affects, the decision from the records
// that are found by key equals the decision from the whole stored directory.
func TestPartOfAStoredDirectoryDecidesAsTheWhole(t *testing.T) {
	t.Run("Memory", func(t *testing.T) { partDecidesAsWhole(t, &scim.Memory{}) })
	onBoth(t, func(t *testing.T, p place) { partDecidesAsWhole(t, p.store(t)) })
}

func partDecidesAsWhole(t *testing.T, store scim.Store) {
	const tenant, connection = "t", "okta-1"
	handler, err := scim.NewHandler(scim.Config{Store: store, Authenticate: func(*http.Request) (scim.Principal, error) {
		return scim.Principal{Tenant: tenant, Connection: connection, Kind: sources.KindEntra}, nil
	}})
	require.NoError(t, err)
	p := &provider{t: t, handler: handler, random: rand.New(rand.NewPCG(3, 4))}
	for range 20 {
		p.create()
	}
	for range 4 {
		p.group()
	}
	off := new(provisioning.Limit)
	resolver, err := provisioning.New(provisioning.Config{
		Source: sources.KindEntra, Connection: connection, Domains: provisioning.Domains{Primary: "acme.com"},
		Assignments: []assignment.Assignment{
			{ID: "a", Mode: assignment.Automatic, Match: assignment.Match{Groups: p.groups[:2]}, Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{assignment.Recording}}},
			{ID: "b", Mode: assignment.Automatic, Match: assignment.Match{Groups: p.groups[2:]}, Settings: assignment.Settings{Seats: []string{"plus"}}},
		},
		Managers: provisioning.Managers{Notify: true},
		Breakers: provisioning.Breakers{Deactivate: off, Downgrade: off, RewriteIdentity: off, Reparent: off, Create: off, Adopt: off, Reactivate: off, Grant: off},
	})
	require.NoError(t, err)
	src := scim.AsSource(store, tenant, connection, scim.SourceConfig{Kind: sources.KindEntra})
	team := new(provisioning.Memory)
	whole := func() *provisioning.Plan {
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		in := provisioning.Input{Tenant: tenant, Snapshot: snapshot}
		for m, err := range team.Members(t.Context(), tenant) {
			require.NoError(t, err)
			in.Members = append(in.Members, m)
		}
		return resolver.Resolve(in)
	}
	var refused []string // members who stay listed until they are decided (S38)
	inStep := func() (settled bool) {
		for range 4 {
			plan := whole()
			if len(plan.Actions) == 0 {
				refused = nil
				for _, s := range plan.Skipped {
					refused = append(refused, s.ExternalID)
				}
				return true
			}
			_, err := provisioning.Apply(t.Context(), team, tenant, plan)
			require.NoError(t, err)
		}
		return false
	}
	require.True(t, inStep())
	parts, acted := 0, 0
	for range 150 {
		at := cursorOf(t, src, "")
		push := p.change()
		want := whole()
		about := append(concerned(t, src, at), refused...)
		in, err := resolver.Gather(t.Context(), provisioning.Lookup{Tenant: tenant, Team: team, Directory: src}, about...)
		if !errors.Is(err, provisioning.ErrNeedsWholeRun) {
			require.NoError(t, err, push)
			got := resolver.Resolve(in)
			require.Equal(t, actions(want), actions(got), "%s\nwhole\n%s\npart, about %s\n%s", push, want, in.About, got)
			parts++
			acted += min(len(got.Actions), 1)
		}
		if !inStep() { // the whole does not converge either; see the laws of the resolver
			t.Fatalf("%s: the team does not come into step", push)
		}
	}
	require.Greater(t, parts, 120, "most pushes are decided as a part")
	require.Greater(t, acted, 50, "many pushes change something")
}

// concerned returns the IDs of the people whom a round of changes names (S40).
func concerned(t *testing.T, src sources.DeltaSource, after sources.Cursor) (ids []string) {
	for c, err := range src.Changes(t.Context(), after) {
		require.NoError(t, err)
		switch {
		case c.User != nil:
			ids = append(ids, c.User.ID)
		case c.UserRemoved != "":
			ids = append(ids, c.UserRemoved)
		}
	}
	return ids
}

func cursorOf(t *testing.T, src sources.DeltaSource, after sources.Cursor) (next sources.Cursor) {
	for c, err := range src.Changes(t.Context(), after) {
		require.NoError(t, err)
		next = c.Next
	}
	return next
}

// actions returns the actions of a plan as sorted texts.
func actions(plan *provisioning.Plan) (lines []string) {
	for _, a := range plan.Actions {
		line := fmt.Sprint(a.Kind, " ", a.Member.ID, " ", a.Revision)
		for _, c := range a.Changes {
			line += fmt.Sprintf("; %s %v -> %v (%s)", c.Field, c.Old, c.New, c.Owner)
		}
		for _, e := range a.Effects {
			line += fmt.Sprintf("; %s %s %s", e.Kind, e.To, e.About)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// A provider pushes users and groups, one change at a time.
type provider struct {
	t             *testing.T
	handler       http.Handler
	random        *rand.Rand
	n             int
	users, groups []string
}

func (p *provider) send(method, path, body string) string {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	require.Less(p.t, w.Code, 300, "%s %s %s: %s", method, path, body, w.Body)
	var answer struct{ ID string }
	if w.Body.Len() > 0 {
		require.NoError(p.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}
	return answer.ID
}

func (p *provider) one(list ...string) string { return list[p.random.IntN(len(list))] }

func (p *provider) someone() string { return p.one(p.users...) }

func (p *provider) address() string { return fmt.Sprintf("p%d@acme.com", p.random.IntN(25)) }

func (p *provider) create() string {
	p.n++
	manager := ""
	if len(p.users) > 0 {
		manager = p.someone()
	}
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"n%d","active":true,"name":{"givenName":%q,"familyName":"Li"},
		"emails":[{"type":"work","value":%q}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":%q}}}`,
		p.n, p.one("Ana", "Bo", "Cy"), p.address(), manager)
	p.users = append(p.users, p.send(http.MethodPost, "/Users", body))
	return body
}

func (p *provider) group() {
	p.n++
	members := []string{p.someone(), p.someone(), p.someone()}
	if len(p.groups) > 2 {
		members = append(members, p.groups[0])
	}
	for i, id := range members {
		members[i] = fmt.Sprintf(`{"value":%q}`, id)
	}
	p.groups = append(p.groups, p.send(http.MethodPost, "/Groups", fmt.Sprintf(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g%d","members":[%s]}`, p.n, strings.Join(members, ","))))
}

// change pushes one change and returns a description of it.
func (p *provider) change() string {
	patch := func(path, operation string) string {
		p.send(http.MethodPatch, path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`)
		return path + " " + operation
	}
	user := "/Users/" + p.someone()
	switch p.random.IntN(11) {
	case 0:
		return patch(user, fmt.Sprintf(`{"op":"replace","path":"title","value":"T%d"}`, p.random.IntN(1000)))
	case 1, 2:
		return patch(user, fmt.Sprintf(`{"op":"replace","path":"emails[type eq \"work\"].value","value":%q}`, p.address()))
	case 3:
		return patch(user, `{"op":"replace","path":"active","value":`+p.one("true", "false")+`}`)
	case 4:
		return patch(user, fmt.Sprintf(`{"op":"replace","path":"name.givenName","value":%q}`, p.one("Ana", "Bo", "Cy")))
	case 5, 6:
		return patch(user, fmt.Sprintf(`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value","value":%q}`,
			p.one(p.someone(), p.address())))
	case 7:
		return patch("/Groups/"+p.one(p.groups...), fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, p.someone()))
	case 8:
		return patch("/Groups/"+p.one(p.groups...), fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, p.one(append(p.users, p.groups[0])...)))
	case 9:
		if len(p.users) < 15 {
			break
		}
		at := p.random.IntN(len(p.users))
		gone := p.users[at]
		p.users = slices.Delete(p.users, at, at+1)
		p.send(http.MethodDelete, "/Users/"+gone, "")
		return "delete " + gone
	}
	return p.create()
}
