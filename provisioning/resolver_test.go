package provisioning_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

// R29: a plan tells under which state of the config it was made.
func TestPlanCarriesTheConfigRevision(t *testing.T) {
	cfg, in := okta(), crowd(1)
	cfg.Revision = "1"
	first := resolver(t, cfg).Resolve(in)
	require.Equal(t, "1", first.ConfigRevision)
	cfg.Revision = "2"
	require.NotEqual(t, first.Hash, resolver(t, cfg).Resolve(in).Hash, "an approval of the one is none of the other")
}

// Whoever has no id could be told from nobody else, and would be created anew
// on every run.
func TestUserWithoutID(t *testing.T) {
	plan := resolver(t, okta()).Resolve(provisioning.Input{Snapshot: allProven(activeUser("", "ana@acme.com"), activeUser("", "bo@acme.com"))})
	require.Empty(t, plan.Actions)
	require.Equal(t, provisioning.CodeMissingID, plan.Skipped[0].Reasons[0].Code)
}

// shouting is a PhoneNormalizer that can be recognised.
type shouting struct{}

func (shouting) Normalize(number, extension, country string) (string, string, []string) {
	if number == "bad" {
		return number, extension, []string{"phone.unparsed"}
	}
	return strings.ToUpper(country + number), extension, nil
}

// A host's PhoneNormalizer is asked about both numbers, with the country, and
// what it reports is told.
func TestPhoneNormalizer(t *testing.T) {
	cfg := okta()
	cfg.Phones = shouting{}
	good, bad := activeUser("u1", "ana@acme.com"), activeUser("u2", "bo@acme.com")
	good.Phone, good.MobilePhone, good.Country, good.PhoneExtension = "abc", "def", "fr", "12"
	bad.Phone = "bad"
	in := provisioning.Input{Snapshot: allProven(good, bad)}
	r := resolver(t, cfg)
	plan := r.Resolve(in)
	require.Equal(t, [3]string{"FRABC", "FRDEF", "12"}, [3]string{plan.Actions[0].Member.Phone, plan.Actions[0].Member.MobilePhone, plan.Actions[0].Member.PhoneExtension})
	require.Contains(t, plan.Explain("u2"), "phone.unparsed")
	requireConverges(t, r, in, plan)
}

// The host may spell addresses of its team in another way than members carry
// them: that makes nobody a stranger, and changes nothing.
func TestHostSpellsAddresses(t *testing.T) {
	for _, spelled := range []string{"ana@ACME.com", "ANA@acme.com", "ana@acme.com"} {
		u := activeUser("u1", spelled)
		m := memberFor(u)
		m.Email = "ana@ACME.COM"
		plan := resolver(t, okta()).Resolve(provisioning.Input{Snapshot: allProven(u), Members: []provisioning.Member{m}})
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
