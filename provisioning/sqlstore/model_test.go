package sqlstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
)

// Whatever is applied, the store ends as the reference does: the same outcome
// of every action, and the same team but for the revisions.
func TestSameAsMemory(t *testing.T) {
	t.Parallel()
	databases := 0
	rapid.Check(t, func(r *rapid.T) {
		databases++
		store := openStore(t, fmt.Sprintf("file:model%d?mode=memory&cache=shared", databases))
		memory := new(provisioning.Memory)
		stores := [2]provisioning.Store{store, memory}
		for step := range rapid.IntRange(1, 8).Draw(r, "steps") {
			drafts := drawGroup(r, step)
			var outcomes [2][]string
			for i, one := range stores {
				results, err := one.Apply(t.Context(), tenant, planFor(t, one, drafts))
				require.NoError(r, err)
				for _, result := range results {
					outcomes[i] = append(outcomes[i], outcome(result))
				}
			}
			require.Equal(r, outcomes[1], outcomes[0])
		}
		require.Equal(r, plain(t, memory), plain(t, store))
	})
}

// A draft is an action before it is known which revision a store gave.
type draft struct {
	member   int
	kind     provisioning.Kind
	email    int
	identity int
	managed  bool
	stale    bool
	key      string
	with     string
}

// drawGroup draws actions about few people with few addresses, so that they
// meet. No group has two actions about one member, as no plan has.
func drawGroup(r *rapid.T, step int) []draft {
	with := ""
	if rapid.Bool().Draw(r, "together") {
		with = fmt.Sprint("group ", step)
	}
	members := rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 1, 4, rapid.ID).Draw(r, "members")
	var drafts []draft
	for i, member := range members {
		key := fmt.Sprint("action ", step, i)
		if rapid.IntRange(0, 9).Draw(r, "repeat") == 0 && step > 0 {
			key = fmt.Sprint("action ", step-1, i)
		}
		drafts = append(drafts, draft{
			member:   member,
			kind:     rapid.SampledFrom([]provisioning.Kind{provisioning.KindCreate, provisioning.KindUpdate, provisioning.KindUpdate}).Draw(r, "kind"),
			email:    rapid.IntRange(0, 5).Draw(r, "email"),
			identity: rapid.IntRange(0, 5).Draw(r, "identity"),
			managed:  rapid.Bool().Draw(r, "managed"),
			stale:    rapid.IntRange(0, 9).Draw(r, "stale") == 0,
			key:      key,
			with:     with,
		})
	}
	return drafts
}

// planFor makes the actions of drafts for the state that a store is in.
func planFor(t *testing.T, store provisioning.Store, drafts []draft) []provisioning.Action {
	t.Helper()
	revisions := make(map[string]provisioning.Revision)
	for m, err := range store.Members(t.Context(), tenant) {
		require.NoError(t, err)
		revisions[m.ID] = m.Revision
	}
	var actions []provisioning.Action
	for _, d := range drafts {
		m := person(d.member)
		m.Email, m.ExternalID, m.Managed = "", fmt.Sprint("00u", d.identity), d.managed
		if d.email > 0 {
			m.Email = fmt.Sprintf("%c@acme.example", []rune("xaAbBc")[d.email])
		}
		a := hire(m)
		a.Kind, a.Key, a.With = d.kind, d.key, d.with
		if a.Kind != provisioning.KindCreate {
			a.Revision = revisions[m.ID]
		}
		if d.stale {
			a.Revision = "outdated"
		}
		actions = append(actions, a)
	}
	return actions
}

// outcome is a result without the words of its error.
func outcome(r provisioning.Result) string {
	return fmt.Sprint(r.Key, r.Kind, r.MemberID, r.Repeated, errors.Is(r.Err, provisioning.ErrStale), errors.Is(r.Err, provisioning.ErrConflict))
}

// plain reads a team without its revisions.
func plain(t *testing.T, store provisioning.Store) []provisioning.Member {
	t.Helper()
	var team []provisioning.Member
	for m, err := range store.Members(t.Context(), tenant) {
		require.NoError(t, err)
		m.Revision = ""
		team = append(team, m)
	}
	return team
}
