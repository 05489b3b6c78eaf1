package provisioning_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// S34: every change of a user is in the plan for an otherwise unchanged member, and
// the shortcut for unchanged people notices it. A field that is missing in one of
// these places fails this test.
func TestEverySourceFieldIsNoticed(t *testing.T) {
	changed := map[string]any{ // by field of sources.User; every field has to be named
		"UserName": nil, // a login is no address, and no member has it
		"Status":   sources.StatusInactive, "Email": "other@acme.com", "OtherEmails": []string{"more@acme.com"}, "PrivateEmail": "me@elsewhere.example",
		"GivenName": "Zoe", "FamilyName": "Zander", "Title": "Zar", "Phone": "+1 212 555 0199", "MobilePhone": "+1 212 555 0198", "PhoneExtension": "77",
		"TimeZone": "Asia/Tokyo", "Country": "JP", "State": "13", "Locale": "de-DE", "Manager": sources.Manager{Email: "boss@acme.com"},
		"Attributes": map[string]sources.Values{"costCenter": {"99"}},
	}
	cfg := okta()
	cfg.Attributes = map[string]string{"cost_center": "costCenter"}
	r := resolver(t, cfg)
	full := activeUser("u1", "ana@acme.com")
	full.OtherEmails, full.PrivateEmail, full.Title = []string{"a@acme.com"}, "ana@home.example", "Rep"
	full.Phone, full.MobilePhone, full.PhoneExtension = "+1 212 555 0100", "+1 212 555 0101", "12"
	full.TimeZone, full.Country, full.State, full.Locale = "America/New_York", "US", "NY", "en-US"
	full.Manager = sources.Manager{Email: "chief@acme.com"}
	full.Attributes = map[string]sources.Values{"costCenter": {"42"}}
	boss, chief := activeUser("u2", "boss@acme.com"), activeUser("u3", "chief@acme.com")
	store, _ := storeWith(t, nil)
	for range 2 {
		applyAll(t, store, r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(full, boss, chief), Members: teamOf(t, store)}))
	}
	team := teamOf(t, store)
	require.Empty(t, r.Resolve(provisioning.Input{Snapshot: allProven(full, boss, chief), Members: team}).Actions, "in step")

	user := reflect.TypeFor[sources.User]()
	for i := range user.NumField() {
		name := user.Field(i).Name
		if name == "ID" {
			continue
		}
		value, known := changed[name]
		require.True(t, known, "sources.User.%s is new: say here what it does", name)
		if value == nil {
			continue
		}
		for what, to := range map[string]reflect.Value{"changed": reflect.ValueOf(value), "emptied": reflect.Zero(user.Field(i).Type)} {
			if what == "emptied" && (name == "Status" || name == "TimeZone") { // an empty status is not a status, and country and state give the same zone
				continue
			}
			t.Run(name+" "+what, func(t *testing.T) {
				u := full.Clone()
				reflect.ValueOf(&u).Elem().Field(i).Set(to)
				in := provisioning.Input{Snapshot: allProven(u, boss, chief), Members: team}
				plan := r.Resolve(in)
				require.Equal(t, planJSON(t, r.ResolveWithoutShortcut(in)), planJSON(t, plan))
				require.Len(t, plan.Actions, 1, "%s", plan)
				require.Equal(t, "u1", plan.Actions[0].Member.ExternalID)
				if what == "changed" {
					require.NotEmpty(t, values(plan.Actions[0]), "%s", plan)
				}
				require.NoError(t, plan.Actions[0].Check(memberOf(team, "u1")))
			})
		}
	}
}

// values lists the fields whose value an action changes.
func values(a provisioning.Action) (fields []string) {
	for _, c := range a.Changes {
		if c.IsValue() {
			fields = append(fields, c.Field.String())
		}
	}
	return fields
}

func memberOf(team []provisioning.Member, externalID string) *provisioning.Member {
	for i := range team {
		if team[i].ExternalID == externalID {
			return &team[i]
		}
	}
	panic(fmt.Sprint("nobody is ", externalID))
}

// S35: attributes have the application's names, and owners, S11, set-once, locks
// and changes like every field.
func TestAttributes(t *testing.T) {
	cfg := okta()
	cfg.Attributes = map[string]string{"cost_center": "costCenter", "floor": "floor"}
	r := resolver(t, cfg)
	u := activeUser("u1", "ana@acme.com")
	u.Attributes = map[string]sources.Values{"costCenter": {"42", "43"}}
	store, _ := storeWith(t, nil)
	apply := func(r *provisioning.Resolver) *provisioning.Plan {
		plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: teamOf(t, store)})
		applyAll(t, store, plan)
		return plan
	}
	apply(r)
	m := teamOf(t, store)[0]
	cost, floor := provisioning.Attribute("cost_center"), provisioning.Attribute("floor")
	require.Equal(t, map[string]string{"cost_center": "42, 43"}, m.Attributes)
	require.Equal(t, provisioning.OwnerSource, m.Owners.Of(cost))
	require.True(t, r.Locks().Field(m, cost).Locked)

	edited, err := r.Locks().Edit(m, floor, "3") // a field that the source leaves empty is set by hand once
	require.NoError(t, err)
	require.Equal(t, "3", edited.Attributes["floor"])
	require.Equal(t, provisioning.CodeLockSetOnce, r.Locks().Field(edited, floor).Reason.Code)
	store.Put("t", edited)
	require.Empty(t, apply(r).Actions, "an empty attribute is no value")

	u.Attributes = map[string]sources.Values{"costCenter": {"44"}, "floor": {"4"}}
	plan := apply(r)
	require.Contains(t, plan.String(), "cost_center 42, 43 -> 44, floor 3 -> 4")
	require.Contains(t, plan.String(), "overwrites.manual_edit")

	u.Attributes = nil
	plan = apply(r)
	require.Equal(t, 1, plan.Count(provisioning.KindUpdate), "told once")
	require.Empty(t, apply(r).Actions)
	m = teamOf(t, store)[0]
	require.Equal(t, "44", m.Attributes["cost_center"])
	require.Equal(t, provisioning.OwnerNobody, m.Owners.Of(cost))

	u.Attributes = map[string]sources.Values{"costCenter": {"44"}}
	apply(r)
	unmapped := resolver(t, okta())
	plan = apply(unmapped)
	require.Contains(t, plan.Explain("u1"), "source.unmapped")
	m = teamOf(t, store)[0]
	require.Equal(t, "44", m.Attributes["cost_center"], "kept, and nobody's")
	require.Equal(t, provisioning.OwnerNobody, m.Owners.Of(cost))
	require.Empty(t, apply(unmapped).Actions)
}
