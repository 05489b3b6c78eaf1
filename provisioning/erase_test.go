package provisioning_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

// Names finds the texts of a person in plans, without regard to letter case. It
// finds an ID only as a whole text, since many IDs are short.
func TestErasureNames(t *testing.T) {
	m := provisioning.Member{ID: "m1", ExternalID: "7", Email: "ana@acme.com", GivenName: "Ana", FamilyName: "O\"Hara & Co", OtherEmails: []string{"a.y@acme.com"}}
	own := []provisioning.Record{{MemberID: "m1", Email: "old@acme.com", Changes: []provisioning.Change{
		{Field: provisioning.FieldEmail, Old: "older@acme.com", New: "old@acme.com"}, {Field: provisioning.FieldFamilyName, Old: "Lee", New: "O\"Hara & Co"},
	}}}
	e := provisioning.NewErasure("m1", m, own)
	for text, want := range map[string]bool{
		`{"id":"m1"}`: true, `{"id":"m12"}`: false, `{"external_id":"7"}`: true, `{"title":"77"}`: false,
		`{"email":"ANA@Acme.com"}`: true, `{"fact":"for <older@acme.com>"}`: true, `{"email":"a.y@acme.com"}`: true,
		`{"manager":"ana o\"hara & co"}`: true, `{"family_name":"Lee"}`: false, `{"email":"bo@acme.com"}`: false,
	} {
		require.Equal(t, want, e.Names([]byte(text)), text)
	}
	theirs := provisioning.Record{MemberID: "m2", Reasons: []provisioning.Reason{
		{Code: provisioning.CodeManagerSet, Facts: map[string]string{"manager": "Ana O\"Hara & Co"}}, {Code: provisioning.CodeEmailTaken, Facts: map[string]string{"address": "bo@acme.com"}},
	}}
	redacted, named := e.Redact(theirs)
	require.True(t, named)
	require.Nil(t, redacted.Reasons[0].Facts)
	require.Equal(t, theirs.Reasons[1], redacted.Reasons[1])
	require.NotNil(t, theirs.Reasons[0].Facts, "what was given stays as it was")
}

// If the member was deleted before, Erase removes what the audit log says about the
// person.
func TestEraseAfterDelete(t *testing.T) {
	store := new(provisioning.Memory)
	cfg := okta()
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(activeUser("1", "ana@acme.com"), activeUser("2", "bo@acme.com"))})
	require.NoError(t, store.SavePlan(context.Background(), "t", plan))
	applyAll(t, store, plan)
	id := plan.Actions[0].Member.ID
	store.Delete("t", id)
	require.NoError(t, store.Erase(context.Background(), "t", id))
	for r, err := range store.Audit(context.Background(), "t") {
		require.NoError(t, err)
		require.Equal(t, r.MemberID != id, len(r.Changes) > 0)
		require.False(t, r.MemberID == id && r.Email != "")
		require.WithinDuration(t, time.Now(), r.At, time.Minute)
	}
	_, err := store.Plan(context.Background(), "t", plan.Hash)
	require.ErrorIs(t, err, provisioning.ErrNoPlan)
}
