package provisioning_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
	"github.com/usher-go/usher/sources"
)

// R29: a plan states the config revision with which it was made.
func TestPlanCarriesTheConfigRevision(t *testing.T) {
	cfg, in := okta(), crowd(1)
	cfg.Revision = "1"
	first := resolver(t, cfg).Resolve(in)
	require.Equal(t, "1", first.ConfigRevision)
	cfg.Revision = "2"
	require.NotEqual(t, first.Hash, resolver(t, cfg).Resolve(in).Hash, "an approval of the one is none of the other")
}

// A user without an ID cannot be told from other users, and would be created
// again on every run.
func TestUserWithoutID(t *testing.T) {
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(activeUser("", "ana@acme.com"), activeUser("", "bo@acme.com"))})
	require.Empty(t, plan.Actions)
	require.Equal(t, provisioning.CodeMissingID, plan.Skipped[0].Reasons[0].Code)
}

// shouting is a PhoneNormalizer whose results are recognisable.
type shouting struct{}

func (shouting) NormalizePhone(p provisioning.Phone) provisioning.NormalizedPhone {
	switch p.Number {
	case "bad":
		return provisioning.NormalizedPhone{Number: p.Number, Extension: p.Extension, Codes: []provisioning.Code{provisioning.CodePhoneUnparsed}}
	case "panic":
		panic("a number I do not like")
	}
	return provisioning.NormalizedPhone{Number: strings.ToUpper(p.Country + p.Number), Extension: p.Extension}
}

// The resolver passes both numbers and the country to the host's
// PhoneNormalizer, and the plan contains what the normalizer reports.
func TestPhoneNormalizer(t *testing.T) {
	cfg := okta()
	cfg.Phones = shouting{}
	good, bad := activeUser("u1", "ana@acme.com"), activeUser("u2", "bo@acme.com")
	good.Phone, good.MobilePhone, good.Country, good.PhoneExtension = "abc", "def", "fr", "12"
	bad.Phone = "bad"
	in := provisioning.Input{Tenant: "t", Snapshot: allProven(good, bad)}
	r := resolver(t, cfg)
	plan := r.Resolve(in)
	require.Equal(t, [3]string{"FRABC", "FRDEF", "12"}, [3]string{plan.Actions[0].Member.Phone, plan.Actions[0].Member.MobilePhone, plan.Actions[0].Member.PhoneExtension})
	require.Contains(t, plan.Explain("u2"), "phone.unparsed")
	provtest.CheckLaws(t, r, in)

	in.Snapshot.Users[0].Phone = "panic"
	in.Members = crowd(20_000).Members // enough for several workers
	in.Members[0].ExternalID, in.Members[0].Connection = "u1", "okta"
	require.Panics(t, func() { r.Resolve(in) }, "a panic is the caller's to recover")
}

// A mobile number has no field for an extension, so the whole text is kept.
func TestMobileNumberKeepsItsExtension(t *testing.T) {
	u := activeUser("u1", "ana@acme.com")
	u.MobilePhone = "540.946.4600 x 12"
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u)})
	require.Equal(t, [2]string{u.MobilePhone, ""}, [2]string{plan.Actions[0].Member.MobilePhone, plan.Actions[0].Member.PhoneExtension})
	require.Contains(t, plan.Explain("u1"), "phone.unparsed")
}

// The host may spell its team's addresses differently from the members. The
// plan still recognises the addresses, and nothing changes.
func TestHostSpellsAddresses(t *testing.T) {
	for _, spelled := range []string{"ana@ACME.com", "ANA@acme.com", "ana@acme.com"} {
		u := activeUser("u1", spelled)
		m := memberFor(u)
		m.Email = "ana@ACME.COM"
		plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{m}})
		require.True(t, plan.Empty(), "%s", plan)
		require.Empty(t, plan.Findings)
	}
}

// A resolver may be used by several goroutines at once.
func TestResolverIsConcurrent(t *testing.T) {
	r, in := resolver(t, okta()), crowd(200)
	in.Snapshot.Users[0].Title, in.Snapshot.Users[1].Locale = "Director", "de_DE"
	want := r.Resolve(in).Hash
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if got := r.Resolve(in).Hash; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			r.Locks().Field(in.Members[0], provisioning.FieldTitle)
		})
	}
	wait.Wait()
}

// S16, S20: a protected member keeps a seat that the assignment no longer
// gives, so the seat is not available to another person.
func TestProtectedSeatIsNotGrantedAgain(t *testing.T) {
	cfg, in := okta(), crowd(2)
	cfg.Assignments = []assignment.Assignment{{ID: "plus", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g1"}}, Settings: assignment.Settings{Seats: []string{"plus"}}}}
	cfg.Seats.Pools = map[string]int{"plus": 1}
	in.Snapshot.Groups = []sources.Group{{ID: "g1", Members: []string{"u001"}}}
	in.Members[0].Protected, in.Members[0].Seats = true, []string{"plus"}
	plan := resolver(t, cfg).Resolve(in)
	require.Contains(t, plan.Explain("u001"), "seat.pool_exhausted")
	require.Empty(t, plan.Actions[0].Member.Seats)

	in.Members[0].Protected = false // without protection the seat moves from one member to the other
	plan = resolver(t, cfg).Resolve(in)
	require.Equal(t, []string{"plus"}, plan.Actions[1].Member.Seats)
}

// A member's ID is derived from the connection and the external ID. If a member
// with another identity already has that ID, the next ID is used, so that
// nobody gets another person's history (S1, S4).
func TestNewMemberPassesOverATakenID(t *testing.T) {
	r := resolver(t, okta())
	store := new(provisioning.Memory)
	run := func(users ...sources.User) []provisioning.Member {
		applyAll(t, store, r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(users...), Members: teamOf(t, store)}))
		return teamOf(t, store)
	}
	first, again := activeUser("u1", "ana@acme.com"), activeUser("u2", "ana@acme.com")
	again.GivenName = first.GivenName
	id := run(first)[0].ID
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	team := run(again)
	require.Len(t, team, 1)
	require.Equal(t, [2]string{id, "u2"}, [2]string{team[0].ID, team[0].ExternalID})
	first.Email = "ana.young@acme.com"
	require.Len(t, run(again, first), 2)
	require.Equal(t, "u2", byID(teamOf(t, store))[id].ExternalID)
}

// If two members already share an address, no new member with that address is
// created.
func TestAddressOfTwoMembers(t *testing.T) {
	team := []provisioning.Member{{ID: "h1", Active: true, Email: "ana@acme.com"}, {ID: "h2", Active: true, Email: "Ana@acme.com"}}
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(activeUser("u1", "ana@acme.com")), Members: team})
	require.Empty(t, plan.Actions)
	require.Contains(t, plan.Explain("u1"), "email.taken")
}

// Personal data does not appear in logs.
func TestMemberLogsAsItsID(t *testing.T) {
	m := memberFor(activeUser("u1", "ana@acme.com"))
	require.Equal(t, "m-u1", m.LogValue().String())
	require.Equal(t, sources.Ref{Connection: "okta", ID: "u1"}, m.Ref())
	m.ExternalID = ""
	require.Equal(t, sources.Ref{}, m.Ref())
}
