package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// For any sequence of actions, in any division into calls, a store ends in the
// same state as the reference: the same outcome of every action, the same team
// except for revisions, the same effects and the same records.
func TestSameAsMemory(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testSameAsMemory(t, openStore(t, fileDSN(t)))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
		require.NoError(t, err)
		testSameAsMemory(t, store)
	})
}

func testSameAsMemory(t *testing.T, store *sqlstore.Store) {
	tenants := 0
	rapid.Check(t, func(r *rapid.T) {
		tenants++
		tenant := fmt.Sprint("tenant ", tenants)
		memory := new(provisioning.Memory)
		stores := [2]modelStore{store, memory}
		step := 0
		for range rapid.IntRange(1, 4).Draw(r, "calls") {
			var drafts []draft
			for range rapid.IntRange(1, 6).Draw(r, "groups") {
				drafts = append(drafts, drawGroup(r, step)...)
				step++
			}
			var outcomes [2][]string
			for i, one := range stores {
				results, err := one.Apply(t.Context(), tenant, planFor(t, one, tenant, drafts))
				require.NoError(r, err)
				for _, result := range results {
					outcomes[i] = append(outcomes[i], outcome(result))
				}
			}
			require.Equal(r, outcomes[1], outcomes[0])
		}
		require.Equal(r, plain(t, memory, tenant), plain(t, store, tenant))
		want, err := memory.Count(t.Context(), tenant, "okta-prod")
		require.NoError(t, err)
		got, err := store.Count(t.Context(), tenant, "okta-prod")
		require.NoError(t, err)
		require.Equal(r, want, got)
	})
}

// modelStore has the abilities of both stores.
type modelStore interface {
	provisioning.Store
	provisioning.Outbox
	provisioning.AuditLog
}

// A draft is an action before the revision of its member is known.
type draft struct {
	member   int
	kind     provisioning.Kind
	email    int
	identity int
	managed  bool
	stale    bool
	hides    bool // it changes a field that it does not show
	needs    []string
	key      string
	with     string
}

// drawGroup draws actions about few people with few addresses, so that
// conflicts occur. As in a plan, a group has no two actions about one member.
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
		var needs []string
		if rapid.IntRange(0, 2).Draw(r, "needy") == 0 {
			needs = append(needs, fmt.Sprint("action ", rapid.IntRange(0, step+1).Draw(r, "needed step"), rapid.IntRange(0, 1).Draw(r, "needed")))
		}
		drafts = append(drafts, draft{
			member:   member,
			kind:     rapid.SampledFrom([]provisioning.Kind{provisioning.KindCreate, provisioning.KindUpdate, provisioning.KindUpdate}).Draw(r, "kind"),
			email:    rapid.IntRange(0, 5).Draw(r, "email"),
			identity: rapid.IntRange(0, 5).Draw(r, "identity"),
			managed:  rapid.Bool().Draw(r, "managed"),
			stale:    rapid.IntRange(0, 9).Draw(r, "stale") == 0,
			hides:    rapid.IntRange(0, 9).Draw(r, "hides") == 0,
			needs:    needs,
			key:      key,
			with:     with,
		})
	}
	return drafts
}

// planFor makes actions from drafts, for the present state of a store.
func planFor(t *testing.T, store provisioning.Store, tenant string, drafts []draft) []provisioning.Action {
	t.Helper()
	team := make(map[string]provisioning.Member)
	for m, err := range store.Members(t.Context(), tenant) {
		require.NoError(t, err)
		team[m.ID] = m
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
			before := team[m.ID]
			a.Revision, a.Changes = before.Revision, provisioning.Difference(&before, &a.Member)
		}
		if d.hides {
			a.Changes = a.Changes[:len(a.Changes)/2]
		}
		a.Needs = d.needs
		if d.stale {
			a.Revision = "outdated"
		}
		actions = append(actions, a)
	}
	return actions
}

// outcome is a result without the text of its error.
func outcome(r provisioning.Result) string {
	return fmt.Sprint(r.Key, r.Kind, r.MemberID, r.Repeated, errors.Is(r.Err, provisioning.ErrStale), errors.Is(r.Err, provisioning.ErrConflict),
		errors.Is(r.Err, provisioning.ErrNotShown), errors.Is(r.Err, provisioning.ErrNeeds))
}

// plain reads all data of a tenant, without revisions and times.
func plain(t *testing.T, store modelStore, tenant string) (all []any) {
	t.Helper()
	for m, err := range store.Members(t.Context(), tenant) {
		require.NoError(t, err)
		m.Revision = ""
		all = append(all, m)
	}
	for e, err := range store.Effects(t.Context(), tenant) {
		require.NoError(t, err)
		all = append(all, e)
	}
	for r, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		all = append(all, []string{r.Key, r.Kind.String(), r.MemberID, r.Email})
	}
	return all
}
