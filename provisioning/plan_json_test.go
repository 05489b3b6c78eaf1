package provisioning_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
)

// somePlan returns a plan with all of its parts.
func somePlan(t require.TestingT) *provisioning.Plan {
	cfg, in := okta(), crowd(3)
	cfg.Breakers.Downgrade = &provisioning.Limit{Count: number(0)}
	in.Snapshot.Users[0].Title = "Director <&>"
	in.Members[1].Seats = []string{"core"}
	in.Snapshot.Users = append(in.Snapshot.Users, activeUser("new", "new@acme.com"), activeUser("out", "out@elsewhere.example"))
	in.Members[2].Profiles = map[string]string{"ws2": "b", "ws1": "a"}
	in.Members[2].Extra = map[string]any{"n": 1e21, "b": true, "s": "x"}
	plan := resolver(t, cfg).Resolve(in)
	require.NotEmpty(t, plan.Actions)
	require.NotEmpty(t, plan.Held)
	require.NotEmpty(t, plan.Skipped)
	require.NotEmpty(t, plan.Findings)
	require.NotEmpty(t, plan.Breakers)
	return plan
}

// S15: the plan that is applied is the one that was stored. A plan with one changed
// value is refused, and so is one with another format or an unknown field.
func TestReadPlanRefusesAChangedPlan(t *testing.T) {
	text := planJSON(t, somePlan(t))
	_, err := provisioning.ReadPlan([]byte(text))
	require.NoError(t, err)

	var tree map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &tree))
	leaves := 0
	change(tree, func(describe string) {
		leaves++
		changed, err := json.Marshal(tree)
		require.NoError(t, err)
		_, err = provisioning.ReadPlan(changed)
		require.Error(t, err, "%s was changed", describe)
	}, "")
	require.Greater(t, leaves, 100)

	for _, other := range []string{
		strings.Replace(text, `"format":1`, `"format":2`, 1), strings.Replace(text, `"format":1`, `"format":1,"more":1`, 1),
		text + "{}", text[:len(text)/2], "", "null", "[]", `{"format":1,"source":"","connection":"","actions":[],"unchanged":0,"hash":""}`,
	} {
		_, err := provisioning.ReadPlan([]byte(other))
		require.Error(t, err, "%.80s", other)
	}
	_, err = provisioning.ReadPlan([]byte(strings.Replace(text, `"format":1`, `"format":2`, 1)))
	require.ErrorContains(t, err, "format: is 2; want 1")
	_, err = provisioning.ReadPlan([]byte(strings.Replace(text, "Director", "director", 1)))
	require.ErrorContains(t, err, "the plan was changed after it was made")
}

// change changes each value of a JSON tree in turn and restores it.
func change(node any, try func(describe string), path string) {
	alter := func(at string, value any, set func(any)) {
		switch v := value.(type) {
		case string:
			set(v + "x")
			try(at)
		case float64:
			set(-v - 7)
			try(at)
		case bool:
			set(!v)
			try(at)
		default:
			change(value, try, at)
			return
		}
		set(value)
	}
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			alter(path+"."+key, value, func(v any) { node[key] = v })
		}
	case []any:
		for i, value := range node {
			alter(path+"[]", value, func(v any) { node[i] = v })
		}
	}
}

// The bytes are canonical: no HTML escapes, and the hash is over them.
func TestPlanJSONIsCanonical(t *testing.T) {
	plan := somePlan(t)
	text := planJSON(t, plan)
	require.Contains(t, text, "Director <&>")
	require.True(t, strings.HasSuffix(text, "}\n"))
	require.Equal(t, text, planJSON(t, somePlan(t)))
	require.Len(t, plan.Hash, 64)
}

func TestReadMembers(t *testing.T) {
	for _, text := range []string{
		`[{"id": "m1", "email": "a@acme.com", "managed": true, "active": true, "seats": ["b", "a", "b"], "revision": 7}]`,
		` {"format": 1, "members": [{"id": "m1", "email": "a@acme.com", "managed": true, "active": true, "seats": ["a", "b"], "revision": "7"}]}`,
	} {
		team, err := provisioning.ReadMembers([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, []string{"a", "b"}, team[0].Seats, "sets are brought into order")
		require.Equal(t, provisioning.Revision("7"), team[0].Revision)
	}
	for text, want := range map[string]string{
		`[{"email": "a@acme.com"}]`:                    "members[0].id: is empty",
		`[{"id": "m1"}, {"id": "m2"}, {"id": "m1"}]`:   `members[2].id: "m1" is that of members[0] as well`,
		`[{"id": "m1", "emial": "a@acme.com"}]`:        "emial",
		`{"format": 2, "members": []}`:                 "format: is 2; want 1",
		`{"members": []}`:                              "format: is 0; want 1",
		`[{"id": "m1", "owners": {"title": "robot"}}]`: "owners",
		`[{"id": "m1", "owners": {"shoe": "hand"}}]`:   "owners",
		`[{"id": "m1", "revision": true}]`:             "revision",
		`[{"id": "m1"}] []`:                            "",
		`[`:                                            "",
		``:                                             "",
	} {
		_, err := provisioning.ReadMembers([]byte(text))
		require.Error(t, err, text)
		require.Contains(t, err.Error(), want)
	}
	team := []provisioning.Member{memberFor(activeUser("u1", "ana@acme.com"))}
	team[0].Owners = team[0].Owners.With(provisioning.FieldTitle, provisioning.OwnerHand).With(provisioning.FieldEmail, provisioning.OwnerSource)
	var b bytes.Buffer
	require.NoError(t, provisioning.WriteMembers(&b, team))
	read, err := provisioning.ReadMembers(b.Bytes())
	require.NoError(t, err)
	require.Equal(t, team, read)
}

// The words in JSON correspond to the values in Go, in both directions.
func TestWords(t *testing.T) {
	for _, f := range allFields {
		var back provisioning.Field
		require.NoError(t, back.UnmarshalText([]byte(f.String())))
		require.Equal(t, f, back)
	}
	for class := provisioning.ClassDeactivate; class <= provisioning.ClassIdentity; class++ {
		var back provisioning.Class
		require.NoError(t, back.UnmarshalText([]byte(class.String())))
		require.Equal(t, class, back)
	}
	for kind := provisioning.KindDeactivate; kind <= provisioning.KindCreate; kind++ {
		var back provisioning.Kind
		require.NoError(t, back.UnmarshalText([]byte(kind.String())))
		require.Equal(t, kind, back)
	}
	for _, owner := range []provisioning.Owner{provisioning.OwnerNobody, provisioning.OwnerHand, provisioning.OwnerSource} {
		var back provisioning.Owner
		require.NoError(t, back.UnmarshalText([]byte(owner.String())))
		require.Equal(t, owner, back)
	}
	require.Error(t, new(provisioning.Field).UnmarshalText([]byte("shoe")))
	require.Error(t, new(provisioning.Class).UnmarshalText([]byte("all")))
	require.Error(t, new(provisioning.Kind).UnmarshalText([]byte("")))
	require.Error(t, new(provisioning.Owner).UnmarshalText([]byte("robot")))
	require.NotEmpty(t, provisioning.Class(99).String()+provisioning.Kind(99).String()+provisioning.Owner(99).String())
}

// A team that was read has unique IDs and can be resolved.
func FuzzReadMembers(f *testing.F) {
	for _, seed := range []string{
		`[{"id": "m1", "connection": "okta", "external_id": "u1", "managed": true, "active": true, "email": "ana@acme.com", "assignment_id": "default", "owners": {"title": "hand"}, "revision": 1}]`,
		`{"format": 1, "members": [{"id": "m1", "seats": ["b", "a"], "profiles": {"ws1": "rep"}, "extra": {"x": 1.5}, "manager_id": "m1"}]}`,
		`[{"id": "m1", "extra": {"x": [1]}}]`, `[]`, `{}`, `[{}]`, "\ufeff[]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		team, err := provisioning.ReadMembers(data)
		if err != nil {
			return
		}
		require.Len(t, byID(team), len(team))
		u := activeUser("u1", "ana@acme.com")
		r := resolver(t, okta())
		plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: team})
		require.NoError(t, readAgain(plan))
		for _, a := range plan.Actions { // L5
			require.NotEmpty(t, a.Reasons, "%s %s", a.Kind, a.Member.Email)
		}
		for i := range team {
			for _, f := range allFields {
				r.Locks().Field(team[i], f)
			}
			_ = plan.Explain(team[i].Email)
		}
		var b bytes.Buffer
		require.NoError(t, provisioning.WriteMembers(&b, team))
		again, err := provisioning.ReadMembers(b.Bytes())
		require.NoError(t, err)
		require.Len(t, again, len(team))
	})
}

func readAgain(plan *provisioning.Plan) error {
	var b bytes.Buffer
	if err := plan.WriteJSON(&b); err != nil {
		return err
	}
	_, err := provisioning.ReadPlan(b.Bytes())
	return err
}

// A plan that was read has the hash of its content, prints no forged line, is equal
// after writing and reading, and can be applied. The fuzzer cannot compute hashes,
// so the test seals the plan.
func FuzzReadPlan(f *testing.F) {
	f.Add([]byte(planJSON(f, somePlan(f))))
	f.Add([]byte(planJSON(f, resolver(f, okta()).Resolve(provisioning.Input{Tenant: "t"}))))
	f.Add([]byte(`{"format":1,"actions":[{"kind":"create","with":"g","changes":[{"field":"seats","old":null,"new":["a",1],"owner":"source"}],"reasons":[{"code":"a\nb"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := provisioning.ReadPlan(data); err != nil {
			data = provisioning.Sealed(data)
		}
		plan, err := provisioning.ReadPlan(data)
		if err != nil {
			return
		}
		require.NotEmpty(t, plan.Hash)
		require.NoError(t, readAgain(plan))
		lines := 1 + len(plan.Breakers) + len(plan.Actions) + len(plan.Held) + len(plan.Findings) + len(plan.Skipped)
		require.Equal(t, lines, strings.Count(plan.String(), "\n"), "%q", plan.String())
		_ = plan.Explain("x")
		if plan.Tenant == "" {
			return
		}
		if _, err = provisioning.Apply(context.Background(), new(provisioning.Memory), plan.Tenant, plan, provtest.ApproveAll(plan)...); err != nil {
			require.ErrorIs(t, err, provisioning.ErrPlanChanged, "a forged hash of a class approves nothing")
		}
	})
}

// A part about nobody stays a part: as a plan about everybody, it would supersede
// the plan that was shown (S45).
func TestPartAboutNobodyIsNoWholePlan(t *testing.T) {
	r, in := company(t, 10)
	in.About = []string{}
	for _, kind := range []string{"okta", "scim"} { // the plan reports a directory of another kind and decides about nobody
		in.Snapshot.Kind = kind
		plan := r.Resolve(in)
		require.NotNil(t, plan.About)
		read, err := provisioning.ReadPlan([]byte(planJSON(t, plan)))
		require.NoError(t, err)
		require.NotNil(t, read.About)
	}
}
