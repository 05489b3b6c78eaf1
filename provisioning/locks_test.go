package provisioning_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// allFields are the fields of a member.
var allFields = []provisioning.Field{
	provisioning.FieldConnection, provisioning.FieldExternalID, provisioning.FieldManaged, provisioning.FieldActive,
	provisioning.FieldEmail, provisioning.FieldOtherEmails, provisioning.FieldPrivateEmail, provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldTitle,
	provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension, provisioning.FieldTimeZone, provisioning.FieldCountry, provisioning.FieldState,
	provisioning.FieldLocale, provisioning.FieldManager, provisioning.FieldAssignment, provisioning.FieldSeats, provisioning.FieldHome, provisioning.FieldProfiles,
	provisioning.FieldCapture, provisioning.FieldExtra,
}

// locksFor returns the locks for a source whose default assignment has a mode.
func locksFor(t *testing.T, source string, mode assignment.Mode) (provisioning.Locks, provisioning.Member) {
	cfg := provisioning.Config{Source: source, Domains: provisioning.Domains{Primary: "acme.com"}, Default: &assignment.Assignment{ID: "default", Mode: mode}}
	m := memberFor(activeUser("u1", "ana@acme.com"))
	m.Connection, m.ManagerID = source, "m-boss"
	return resolver(t, cfg).Locks(), m
}

func lockCodes(l provisioning.Locks, m provisioning.Member) map[provisioning.Field]provisioning.Code {
	codes := make(map[provisioning.Field]provisioning.Code)
	for _, f := range allFields {
		if lock := l.Field(m, f); lock.Locked {
			codes[f] = lock.Reason.Code
		}
	}
	return codes
}

// R72: fields that every source locks, whoever owns them. R9, R118: settings are
// locked under an automatic assignment. R35: people can always be removed by hand.
func TestLocksOfEverySource(t *testing.T) {
	for _, source := range []string{"okta", "entra", "onelogin", "rippling", "scim"} {
		l, m := locksFor(t, source, assignment.Automatic)
		want := map[provisioning.Field]provisioning.Code{}
		for _, f := range []provisioning.Field{provisioning.FieldConnection, provisioning.FieldExternalID, provisioning.FieldManaged, provisioning.FieldAssignment,
			provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldManager, provisioning.FieldEmail, provisioning.FieldOtherEmails, provisioning.FieldPrivateEmail, provisioning.FieldTitle} {
			want[f] = provisioning.CodeLockSource
		}
		for _, f := range []provisioning.Field{provisioning.FieldSeats, provisioning.FieldHome, provisioning.FieldProfiles, provisioning.FieldCapture, provisioning.FieldExtra} {
			want[f] = provisioning.CodeLockAutomatic
		}
		require.Equal(t, want, lockCodes(l, m), source)
	}
}

// R73: Salesforce also locks phones, locale and time zone, even if it gave no
// value.
func TestLocksOfSalesforce(t *testing.T) {
	l, m := locksFor(t, "salesforce", assignment.Manual)
	codes := lockCodes(l, m)
	for _, f := range []provisioning.Field{provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension, provisioning.FieldTitle, provisioning.FieldLocale, provisioning.FieldTimeZone} {
		require.Equal(t, provisioning.CodeLockSource, codes[f], f)
	}
	require.NotContains(t, codes, provisioning.FieldCountry, "never mapped, so free (C6)")
	require.NotContains(t, codes, provisioning.FieldSeats, "the assignment is manual (R114)")
	require.NotContains(t, codes, provisioning.FieldManager, "and the chart is the app's (R93)")
}

// R70, R71, C6: a field with a value of the source is locked; one that the source
// leaves empty can be set once, and is then locked until the source gives a value;
// one that the source never has can be edited at any time (R36).
func TestLocksSetOnce(t *testing.T) {
	l, m := locksFor(t, "okta", assignment.Automatic)
	require.False(t, l.Field(m, provisioning.FieldPhone).Locked)

	edited, err := l.Edit(m, provisioning.FieldPhone, " 540.946.4600 ")
	require.NoError(t, err)
	require.Equal(t, "540.946.4600", edited.Phone)
	require.Equal(t, provisioning.OwnerHand, edited.Owners.Of(provisioning.FieldPhone))
	require.Empty(t, m.Phone, "the member given is left alone")

	_, err = l.Edit(edited, provisioning.FieldPhone, "1")
	var locked *provisioning.LockError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, provisioning.FieldPhone, locked.Field)
	require.Equal(t, provisioning.CodeLockSetOnce, locked.Reason.Code)
	require.ErrorContains(t, err, "phone is locked")

	u := activeUser("u1", "ana@acme.com")
	u.Phone = "(865) 365-1900"
	r := resolver(t, okta())
	synced := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{edited}}).Actions[0].Member
	require.Equal(t, u.Phone, synced.Phone, "R37")
	require.Equal(t, provisioning.CodeLockSource, r.Locks().Field(synced, provisioning.FieldPhone).Reason.Code, "R70")

	u.Phone = ""
	emptied := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{synced}}).Actions[0].Member
	require.Equal(t, "(865) 365-1900", emptied.Phone, "S11")
	require.False(t, r.Locks().Field(emptied, provisioning.FieldPhone).Locked, "empty in the source: one edit")

	for range 2 {
		m, err = l.Edit(m, provisioning.FieldMobilePhone, "1")
		require.NoError(t, err, "Okta has no mobile phone")
	}
}

// R30, R31: hand-made members, and those of another connection, have no locks and
// no owners.
func TestLocksOfHandMadeMembers(t *testing.T) {
	l, linked := locksFor(t, "okta", assignment.Automatic)
	other := linked
	other.Connection = "okta-2"
	for _, m := range []provisioning.Member{{ID: "m1", Email: "ana@acme.com", Active: true}, other} {
		require.Empty(t, lockCodes(l, m))
		edited, err := l.Edit(m, provisioning.FieldTitle, "Queen")
		require.NoError(t, err)
		require.Equal(t, "Queen", edited.Title)
		require.Equal(t, provisioning.Owners{}, edited.Owners)
	}
}

// R83, R88, R93: the manager may be set by hand if the chart does not follow the
// source, or if the source could not place the member.
func TestLocksOfTheManager(t *testing.T) {
	l, m := locksFor(t, "okta", assignment.Automatic)
	require.True(t, l.Field(m, provisioning.FieldManager).Locked)
	m.ManagerID = ""
	team := map[string]provisioning.Member{"m-boss": {ID: "m-boss"}, "m-other": {ID: "m-other", ManagerID: "m-boss"}, "m-report": {ID: "m-report", ManagerID: m.ID}}
	lookup := func(id string) (provisioning.Member, bool) { found, ok := team[id]; return found, ok }
	edited, err := l.EditManager(m, "m-boss", lookup)
	require.NoError(t, err)
	require.Equal(t, "m-boss", edited.ManagerID)
	_, err = l.EditManager(edited, "m-other", lookup)
	require.NoError(t, err, "set by hand, so it may be set again")
	team[m.ID] = m
	for _, manager := range []string{m.ID, "m-report", "m-nobody"} { // S37: no one is their own manager, and no cycle is closed
		_, err = l.EditManager(m, manager, lookup)
		var refused *provisioning.EditError
		require.ErrorAs(t, err, &refused, manager)
		require.Equal(t, provisioning.FieldManager, refused.Field)
	}
	_, err = l.Edit(m, provisioning.FieldManager, m.ID)
	require.Error(t, err, "without knowing who reports to whom, nobody's manager is set")

	m.ManagerID = "m-boss"
	manual, _ := locksFor(t, "okta", assignment.Manual)
	require.False(t, manual.Field(m, provisioning.FieldManager).Locked)
	cfg := okta()
	cfg.Hierarchy.Ignore = true
	require.False(t, resolver(t, cfg).Locks().Field(m, provisioning.FieldManager).Locked)
}

// R131 to R134, A14: managers switch the capture of their direct reports, if
// the company allows it and the assignment is manual.
func TestToggleCapture(t *testing.T) {
	manager := provisioning.Member{ID: "m-boss", Active: true}
	for name, test := range map[string]struct {
		allowed bool
		mode    assignment.Mode
		change  func(manager, m *provisioning.Member)
		want    provisioning.Code
	}{
		"direct manager":          {true, assignment.Manual, func(_, _ *provisioning.Member) {}, ""},
		"not allowed":             {false, assignment.Manual, func(_, _ *provisioning.Member) {}, provisioning.CodeToggleOff},
		"automatic assignment":    {true, assignment.Automatic, func(_, _ *provisioning.Member) {}, provisioning.CodeLockAutomatic},
		"somebody else's manager": {true, assignment.Manual, func(manager, _ *provisioning.Member) { manager.ID = "m-other" }, provisioning.CodeManagerNotDirect},
		"inactive manager":        {true, assignment.Manual, func(manager, _ *provisioning.Member) { manager.Active = false }, provisioning.CodeManagerNotDirect},
		"nobody's report":         {true, assignment.Manual, func(manager, m *provisioning.Member) { manager.ID, m.ManagerID = "", "" }, provisioning.CodeManagerNotDirect},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := okta()
			cfg.Default = &assignment.Assignment{ID: "default", Mode: test.mode}
			cfg.Managers.ToggleCapture = test.allowed
			boss, m := manager, memberFor(activeUser("u1", "ana@acme.com"))
			m.ManagerID = "m-boss"
			test.change(&boss, &m)
			lock := resolver(t, cfg).Locks().ToggleCapture(boss, m)
			require.Equal(t, test.want != "", lock.Locked)
			require.Equal(t, test.want, lock.Reason.Code)
			if !lock.Locked { // R132: every kind of capture; R133: also if the manager is not a tech admin
				edited, err := resolver(t, cfg).Locks().Edit(m, provisioning.FieldCapture, []string{"recording", "call-import", "email-import"})
				require.NoError(t, err)
				require.Len(t, edited.Capture, 3)
			}
		})
	}
}

// Edit accepts only values of the field's type.
func TestEditTypes(t *testing.T) {
	l, m := locksFor(t, "okta", assignment.Manual)
	m.ManagerID = ""
	good := map[provisioning.Field]any{
		provisioning.FieldActive: false, provisioning.FieldPhone: "1", provisioning.FieldHome: "ws1",
		provisioning.FieldSeats: []string{"b", "a", "b"}, provisioning.FieldCapture: []string{"recording"},
		provisioning.FieldProfiles: map[string]string{"ws1": "rep"}, provisioning.FieldExtra: map[string]any{"x": true},
	}
	for f, value := range good {
		edited, err := l.Edit(m, f, value)
		require.NoError(t, err, f)
		require.Equal(t, provisioning.OwnerHand, edited.Owners.Of(f), f)
		for other, wrong := range good {
			if _, same := value.(string); same && (other == provisioning.FieldPhone || other == provisioning.FieldHome) || other == f ||
				f == provisioning.FieldSeats && other == provisioning.FieldCapture || f == provisioning.FieldCapture && other == provisioning.FieldSeats {
				continue
			}
			_, err := l.Edit(m, f, wrong)
			assert.ErrorContains(t, err, "another value than a", "%s to %T", f, wrong)
			var locked *provisioning.LockError
			assert.False(t, errors.As(err, &locked))
		}
		_, err = l.Edit(m, f, nil)
		require.Error(t, err)
	}
	edited, err := l.Edit(m, provisioning.FieldSeats, []string{"b", "a", "b"})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, edited.Seats, "a set")

	given := map[string]string{"ws1": "rep"}
	edited, err = l.Edit(m, provisioning.FieldProfiles, given)
	require.NoError(t, err)
	given["ws1"] = "admin"
	require.Equal(t, "rep", edited.Profiles["ws1"], "the value given is copied")

	handMade := provisioning.Member{ID: "m1"}
	for _, f := range []provisioning.Field{provisioning.FieldConnection, provisioning.FieldExternalID, provisioning.FieldAssignment} {
		_, err := l.Edit(handMade, f, "x")
		require.Error(t, err, "%s is nobody's to edit", f)
	}
	_, err = l.Edit(handMade, provisioning.FieldManaged, true)
	require.Error(t, err)
}

// R70, C6: for a person whom a plan created, fields with a value of the source are
// locked, and no run undoes a permitted edit, as long as the source gives the same
// values.
func TestPermittedEditsAreKept(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		store, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		applyAll(t, store, plan)
		in.Members = teamOf(t, store)
		joined := make(map[string]bool)
		for _, a := range plan.Actions {
			joined[a.Member.ID] = a.Kind >= provisioning.KindRehire
		}
		given := make(map[string]sources.User)
		for _, u := range in.Snapshot.Users {
			given[u.ID] = u
		}
		edits := make(map[string]provisioning.Field)
		for i, m := range in.Members {
			if !joined[m.ID] {
				continue
			}
			u := given[m.ExternalID]
			for _, f := range []provisioning.Field{provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldCountry, provisioning.FieldState, provisioning.FieldLocale} {
				edited, err := r.Locks().Edit(m, f, "edited")
				if err != nil {
					continue
				}
				if f == provisioning.FieldCountry {
					require.Empty(t, strings.TrimSpace(u.Country), "%s: the source gives it", m.ID)
				}
				in.Members[i], edits[m.ID] = edited, f
				break
			}
		}
		after := r.Resolve(in)
		for _, a := range allActions(after) {
			f, edited := edits[a.Member.ID]
			for _, c := range a.Changes {
				require.False(t, edited && c.Field == f, "%s of %s is taken back:\n%s", f, a.Member.ID, after.Explain(a.Member.ID))
			}
		}
	})
}

// R8, R18, S19: capture is off for whoever has no access, and no hand turns it on:
// neither an admin's nor the manager's (R131), also for a hand-made member.
func TestNobodyWithoutAccessIsCaptured(t *testing.T) {
	cfg := okta()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Manual}
	cfg.Managers.ToggleCapture = true
	l := resolver(t, cfg).Locks()
	boss := memberFor(activeUser("u0", "boss@acme.com"))
	linked := memberFor(activeUser("u1", "ana@acme.com"))
	linked.Active = false
	linked.ManagerID = boss.ID
	handMade := provisioning.Member{ID: "m2", Email: "bo@acme.com", ManagerID: boss.ID}
	for _, m := range []provisioning.Member{linked, handMade} {
		require.Equal(t, provisioning.CodeCaptureNoAccess, l.ToggleCapture(boss, m).Reason.Code)
		_, err := l.Edit(m, provisioning.FieldCapture, []string{"recording"})
		var refused *provisioning.LockError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, provisioning.CodeCaptureNoAccess, refused.Reason.Code)

		m.Active = true
		require.False(t, l.ToggleCapture(boss, m).Locked)
	}
}
