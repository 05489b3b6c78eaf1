package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

func openPostgreSQL(t testing.TB) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	require.NoError(t, err)
	return store, db
}

// An action that the database itself refuses fails together with its group, and
// all other actions are done (S28).
func TestRefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	store, _ := openPostgreSQL(t)
	actions := hires(1200)
	bad := map[int]bool{0: true, 499: true, 500: true, 731: true, 732: true, 1199: true}
	for i := range bad {
		amend(&actions[i], func(m *provisioning.Member) { m.Title = "a\x00b" }) // a text of PostgreSQL cannot contain a NUL
	}
	for i, spoil := range map[int]func(a *provisioning.Action){
		2: func(a *provisioning.Action) { a.Key = "a\x00b" },
		3: func(a *provisioning.Action) { a.Member.ID = "a\x00b" },
		4: func(a *provisioning.Action) { a.Needs = []string{"a\x00b"} },
		5: func(a *provisioning.Action) { a.Key = "a\xffb" },
	} {
		spoil(&actions[i])
		bad[i] = true
	}
	actions[731].With, actions[732].With, actions[733].With = "three", "three", "three"
	bad[733] = true
	actions[900].With, actions[901].With = "two", "two"
	results, err := store.Apply(t.Context(), tenant, actions)
	require.NoError(t, err)
	team := teamOf(t, store)
	assert.Len(t, team, len(actions)-len(bad))
	for i, r := range results {
		assert.Equal(t, bad[i], r.Err != nil, "action %d: %v", i, r.Err)
		assert.NotContains(t, team, map[bool]string{true: r.MemberID}[bad[i]])
		if bad[i] {
			assert.NotErrorIs(t, r.Err, provisioning.ErrStale)
			assert.NotErrorIs(t, r.Err, provisioning.ErrConflict)
		}
	}
	for _, key := range []provisioning.MemberKey{{By: provisioning.MemberByID, Value: "a\x00b"}, {By: provisioning.MemberByEmail, Value: "a\xffb"}} {
		found, err := store.FindMembers(t.Context(), tenant, []provisioning.MemberKey{key, {By: provisioning.MemberByID, Value: person(1).ID}}, 10)
		require.NoError(t, err)
		assert.Len(t, found, 1, "what no member has finds nobody")
	}
	assert.Len(t, plain(t, store, tenant), 3*len(team), "with an effect and a record of each")
}

// Actions that were rolled back together with a refused one are done later, and
// counted once.
func TestUndoneWithARefusal(t *testing.T) {
	t.Parallel()
	store, _ := openPostgreSQL(t)
	actions := hires(4)
	amend(&actions[1], func(m *provisioning.Member) { m.Email, m.Title = actions[0].Member.Email, "a\x00b" }) // the database refuses it in a later statement than the first
	actions[2].Needs, actions[3].Needs = []string{actions[0].Key}, []string{actions[1].Key}
	results, err := store.Apply(t.Context(), tenant, actions)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Error(t, results[1].Err)
	require.NoError(t, results[2].Err)
	require.ErrorIs(t, results[3].Err, provisioning.ErrNeeds)
	team := teamOf(t, store)
	assert.Len(t, team, 2)
	assert.Equal(t, sumOf(team, "okta-prod"), countsOf(t, store, "okta-prod"))
}

// L7: the database fails at each write in turn while the store searches for the
// refused action. A repeated call then ends in the state of a call without a
// failure.
func TestKilledAfterARefusal(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	actions := hires(5)
	amend(&actions[3], func(m *provisioning.Member) { m.Title = "a\x00b" })
	for k := 1; ; k++ {
		dsn := server.Schema(t)
		db, fault := openFaulty(stdlib.GetDefaultDriver(), dsn, math.MaxInt, func() {})
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
		require.NoError(t, err)
		fault.dieAt(k)
		results, err := store.Apply(t.Context(), tenant, actions)
		require.NoError(t, db.Close())
		died := fault.dead()
		require.Equal(t, died, err != nil, "write %d: %v", k, err)

		db, _ = openFaulty(stdlib.GetDefaultDriver(), dsn, math.MaxInt, func() {})
		store, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
		require.NoError(t, err)
		again, err := store.Apply(t.Context(), tenant, actions)
		require.NoError(t, err)
		for i, r := range again {
			require.Equal(t, i == 3, r.Err != nil, "write %d: %v", k, r.Err)
			require.True(t, i >= len(results) || r.Repeated || r.Err != nil, "write %d: what had a result was not done", k)
		}
		require.Len(t, plain(t, store, tenant), 3*4)
		require.NoError(t, db.Close())
		if !died {
			require.Greater(t, k, 8, "the batch was not taken apart")
			return
		}
	}
}

// SQL of the host that does not take the lock interleaves with Apply. What it
// writes counts once it is committed, and is not overwritten.
func TestHostWritesMeanwhile(t *testing.T) {
	t.Parallel()
	t.Run("the members", func(t *testing.T) {
		t.Parallel()
		store, db := openPostgreSQL(t)
		apply(t, store, hires(3)...)
		team := teamOf(t, store)
		var actions []provisioning.Action
		for i := range 3 {
			actions = append(actions, retitle(team[person(i).ID], "Senior"))
		}
		results := applyMeanwhile(t, store, db, actions,
			`UPDATE usher_members SET title = 'by hand', revision = 1000 WHERE id = 'm000000'`,
			`DELETE FROM usher_members WHERE id = 'm000001'`)
		assert.ErrorIs(t, results[0].Err, provisioning.ErrStale)
		assert.ErrorIs(t, results[1].Err, provisioning.ErrStale)
		assert.NoError(t, results[2].Err)
		team = teamOf(t, store)
		assert.Equal(t, "by hand", team[person(0).ID].Title)
		assert.NotContains(t, team, person(1).ID)
		assert.Equal(t, "Senior", team[person(2).ID].Title)
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		store, db := openPostgreSQL(t)
		apply(t, store, hires(1)...)
		actions := hires(201)[1:]
		amend(&actions[100], func(m *provisioning.Member) { m.Email = "new@acme.example" })
		results := applyMeanwhile(t, store, db, actions, `INSERT INTO usher_members SELECT (jsonb_populate_record(m,
			'{"id": "other", "email": "new@acme.example", "email_key": "new@acme.example", "external_id": "other"}')).* FROM usher_members m`)
		for i, r := range results {
			if i == 100 {
				assert.ErrorIs(t, r.Err, provisioning.ErrConflict)
			} else {
				assert.NoError(t, r.Err)
			}
		}
		assert.Len(t, teamOf(t, store), 201)
	})
}

// applyMeanwhile applies actions while a transaction of the host has executed
// its statements and has not committed yet.
func applyMeanwhile(t *testing.T, store *sqlstore.Store, db *sql.DB, actions []provisioning.Action, statements ...string) []provisioning.Result {
	t.Helper()
	host, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer host.Rollback()
	for _, statement := range statements {
		_, err := host.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	var committed atomic.Bool
	time.AfterFunc(200*time.Millisecond, func() {
		committed.Store(true)
		assert.NoError(t, host.Commit())
	})
	results, err := store.Apply(t.Context(), tenant, actions)
	require.NoError(t, err)
	assert.True(t, committed.Load(), "nobody waited")
	return results
}

// Actions that commit together share a transaction, for any number of actions.
func TestLargeGroup(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	var commits atomic.Int64
	db := openWatched(new(sqlite.Driver), dsn, func(c call) error {
		if c.query == "COMMIT" {
			commits.Add(1)
		}
		return nil
	})
	defer db.Close()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	actions := hires(3000)
	for i := 100; i < 2900; i++ {
		actions[i].With = "all"
	}
	commits.Store(0)
	apply(t, store, actions...)
	assert.Equal(t, int64(2), commits.Load())

	team := teamOf(t, store)
	rotated := make([]provisioning.Action, len(actions))
	for i := range rotated { // each member gets the address of the next one
		rotated[i] = retitle(team[person(i).ID], "Senior")
		amend(&rotated[i], func(m *provisioning.Member) { m.Email = person((i + 1) % len(rotated)).Email })
		rotated[i].With = "all"
	}
	apply(t, store, rotated...)
	assert.Equal(t, person(0).Email, teamOf(t, store)[person(2999).ID].Email)
}

// A transaction gives revisions that are unique, also if it has to start again:
// no revision is given twice.
func TestRevisionsAreGivenOnce(t *testing.T) {
	t.Parallel()
	lite := openStore(t, fileDSN(t))
	postgres, _ := openPostgreSQL(t)
	for name, store := range map[string]*sqlstore.Store{"SQLite": lite, "PostgreSQL": postgres} {
		actions := hires(60)
		for i := 0; i < 60; i += 3 {
			amend(&actions[i+1], func(m *provisioning.Member) { m.Email = actions[i].Member.Email }) // a conflict in the middle of the batch
		}
		seen := make(map[provisioning.Revision]string)
		for round := range 3 {
			for i := range actions {
				if m, ok := teamOf(t, store)[actions[i].Member.ID]; ok {
					actions[i] = retitle(m, fmt.Sprint("round ", round))
				}
			}
			_, err := store.Apply(t.Context(), tenant, actions)
			require.NoError(t, err)
			team := teamOf(t, store)
			require.Len(t, team, 40)
			for id, m := range team {
				require.Empty(t, seen[m.Revision], "%s: %s has revision %s of another", name, id, m.Revision)
				seen[m.Revision] = id
			}
		}
	}
}
