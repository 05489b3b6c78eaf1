package sqlstore_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

func TestOpenNamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{Dialect: 7, Prefix: "a; DROP TABLE", Lease: time.Millisecond})
	for _, field := range []string{"Config.DB", "Config.Dialect", "Config.Prefix", "Config.Lease"} {
		assert.ErrorContains(t, err, field)
	}
}

func TestOpenAgainKeepsEverything(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	store := openStore(t, dsn)
	apply(t, store, hires(3)...)
	assert.Equal(t, teamOf(t, store), teamOf(t, openStore(t, dsn)))
}

func TestOpenAtTheSameTime(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	var opening sync.WaitGroup
	failures := make([]error, 8)
	for i := range failures {
		db := openDB(t, dsn)
		opening.Go(func() {
			_, failures[i] = sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
		})
	}
	opening.Wait()
	assert.NoError(t, errors.Join(failures...))
}

// The tables are created completely or not at all, for any point at which the
// process dies.
func TestMigrationIsAtomic(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		dsn := fileDSN(t)
		db, fault := openFaulty(new(sqlite.Driver), dsn, k, func() {})
		_, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
		require.NoError(t, db.Close())
		var tables int
		require.NoError(t, openDB(t, dsn).QueryRowContext(t.Context(),
			`SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'usher_%' AND name <> 'usher_schema'`).Scan(&tables))
		if !fault.dead() {
			require.NoError(t, err)
			require.Equal(t, 10, tables)
			return
		}
		require.Error(t, err)
		require.Zero(t, tables, "died at write %d", k)
		apply(t, openStore(t, dsn), hire(person(1)))
	}
}

func TestNewerTablesAreRefused(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	openStore(t, dsn)
	db := openDB(t, dsn)
	_, err := db.ExecContext(t.Context(), `UPDATE usher_schema SET version = 99`)
	require.NoError(t, err)
	_, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	assert.EqualError(t, err, "sqlstore: open: the tables are of version 99, and this program knows them up to 5: use a newer program")
}

// A pool in which each connection has a database of its own would sometimes not
// find the tables.
func TestUnsharedMemoryIsRefused(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: openDB(t, ":memory:")})
	assert.ErrorContains(t, err, "each connection has a database of its own")
}

func TestPrefixesDoNotMeet(t *testing.T) {
	t.Parallel()
	db := openDB(t, fileDSN(t))
	first, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Prefix: "first_"})
	require.NoError(t, err)
	second, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Prefix: "second_"})
	require.NoError(t, err)
	apply(t, first, hire(person(1)))
	assert.Empty(t, teamOf(t, second))
	apply(t, second, hire(person(1)))
}

// A plan that another program changed in the database is not applied.
func TestChangedPlanIsRefused(t *testing.T) {
	t.Parallel()
	db := openDB(t, fileDSN(t))
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	require.NoError(t, store.SavePlan(t.Context(), tenant, &provisioning.Plan{Format: provisioning.PlanFormat, Hash: "0123"}))
	_, err = store.Plan(t.Context(), tenant, "0123")
	require.Error(t, err)
	assert.NotErrorIs(t, err, provisioning.ErrNoPlan)
}

// An error that concerns one action is in its result, and the other actions are
// done (S28).
func TestActionThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	store := openStore(t, fileDSN(t))
	actions := hires(4)
	amend(&actions[1], func(m *provisioning.Member) { m.Extra = map[string]any{"share": math.NaN()} }) // JSON cannot represent this number
	actions[2].Kind, actions[2].With = 99, "unknown kind"
	actions[3].With = "unknown kind"
	actions = append(actions, hire(person(4)))
	results, err := store.Apply(t.Context(), tenant, actions)
	require.NoError(t, err)
	assert.NoError(t, results[0].Err)
	assert.ErrorContains(t, results[1].Err, actions[1].Member.ID)
	assert.Error(t, results[2].Err)
	assert.Error(t, results[3].Err)
	assert.NoError(t, results[4].Err)
	assert.Len(t, teamOf(t, store), 2)
}

// Errors name members by their IDs, because an address or a name could get into
// a log.
func TestErrorsHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	store := openStore(t, fileDSN(t))
	m := person(1)
	m.Email, m.GivenName, m.FamilyName = "secret.address@acme.example", "Secretgiven", "Secretfamily"
	apply(t, store, hire(m))
	again, rival := hire(m), hire(m)
	again.Key, rival.Key, rival.Member.ID = "again", "rival", "other"
	results, err := store.Apply(t.Context(), tenant, []provisioning.Action{again, rival})
	require.NoError(t, err)
	_, failure := store.Put(t.Context(), tenant, m)
	for _, err := range []error{results[0].Err, results[1].Err, failure} {
		require.Error(t, err)
		assert.NotContains(t, strings.ToLower(err.Error()), "secret")
	}
}

// R4: the audit log has the time of the host's clock, in UTC and in
// microseconds.
func TestAuditHasTheHostsClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 23, 30, 0, 123456789, time.FixedZone("EST", -5*3600))
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: openDB(t, fileDSN(t)), Now: func() time.Time { return at }})
	require.NoError(t, err)
	apply(t, store, hire(person(1)))
	for r, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		assert.Equal(t, time.Date(2026, 3, 2, 4, 30, 0, 123456000, time.UTC), r.At)
	}
}

// Listings are read in pages, and every row is returned once.
func TestListingsCrossPages(t *testing.T) {
	t.Parallel()
	const people = 600
	store := openStore(t, fileDSN(t))
	apply(t, store, hires(people)...)
	effects, records := 0, 0
	for e, err := range store.Effects(t.Context(), tenant) {
		require.NoError(t, err)
		require.Equal(t, person(effects).ID, e.About)
		require.NoError(t, store.Delivered(t.Context(), tenant, e)) // a write inside the loop
		effects++
	}
	for r, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		require.Equal(t, person(records).ID, r.MemberID)
		records++
	}
	assert.Equal(t, people, effects)
	assert.Equal(t, people, records)
	for range store.Effects(t.Context(), tenant) {
		t.Fatal("an effect is still due")
	}
}

// The host may read the tables: each field has a column, and sets and maps are
// JSON.
func TestTablesReadAsSQL(t *testing.T) {
	t.Parallel()
	db := openDB(t, fileDSN(t))
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	m := person(1)
	m.Seats = []string{"core", "engage"}
	apply(t, store, hire(m), hire(person(2)))
	var id, profile string
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT id, json_extract(profiles, '$.ws1') FROM usher_members
		WHERE tenant = 'acme' AND active AND EXISTS (SELECT 1 FROM json_each(seats) WHERE value = 'engage')`).Scan(&id, &profile))
	assert.Equal(t, m.ID, id)
	assert.Equal(t, "standard", profile)
	var changes sql.NullString
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT changes FROM usher_audit WHERE member_id = ?`, m.ID).Scan(&changes))
	assert.True(t, json.Valid([]byte(changes.String)))
}
