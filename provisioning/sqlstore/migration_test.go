package sqlstore_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// Tables of the first version are upgraded and keep all data. After that they
// are the same as new ones.
func TestTablesOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testFirstVersion(t, sqlstore.SQLite, "testdata/version1_sqlite.sql", openDB(t, fileDSN(t)), openDB(t, fileDSN(t)),
			`SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master ORDER BY name`)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		server := pgtest.Start(t)
		open := func() *sql.DB {
			db, err := sql.Open(pgtest.Driver, server.Schema(t))
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			return db
		}
		testFirstVersion(t, sqlstore.PostgreSQL, "testdata/version1_postgresql.sql", open(), open(),
			`SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, is_identity, column_default)
				FROM information_schema.columns WHERE table_schema = current_schema()
			UNION ALL SELECT replace(indexdef, current_schema(), '') FROM pg_indexes WHERE schemaname = current_schema()
			UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
				WHERE connamespace = current_schema()::regnamespace ORDER BY 1`)
	})
}

func testFirstVersion(t *testing.T, dialect sqlstore.Dialect, dump string, old, fresh *sql.DB, schema string) {
	text, err := os.ReadFile(dump)
	require.NoError(t, err)
	_, err = old.ExecContext(t.Context(), string(text))
	require.NoError(t, err)
	const twin = `INSERT INTO usher_members (tenant, id, revision, connection, external_id, managed, active, email, email_key, private_email,
			given_name, family_name, title, phone, mobile_phone, phone_extension, timezone, country, state, locale, manager_id, assignment_id, home)
		SELECT tenant, $1, 1, connection, external_id, managed, active, $2, $2, private_email, given_name, family_name, title, phone, mobile_phone,
			phone_extension, timezone, country, state, locale, manager_id, assignment_id, home FROM usher_members WHERE tenant = 'other' AND id = 'hand-1'`
	for id, email := range map[string]string{"kim-1": "kim@b\u00fccher.example", "kim-2": "kim@xn--bcher-kva.example"} { // the rule of the first version takes them for two addresses
		_, err = old.ExecContext(t.Context(), twin, id, email)
		require.NoError(t, err)
	}
	var plan string
	require.NoError(t, old.QueryRowContext(t.Context(), `SELECT plan FROM usher_plans`).Scan(&plan))

	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: old, Dialect: dialect})
	require.NoError(t, err)
	_, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: fresh, Dialect: dialect})
	require.NoError(t, err)
	assert.Equal(t, textsOf(t, fresh, schema), textsOf(t, old, schema))

	team := teamOf(t, store)
	require.Len(t, team, 3)
	var ana, bob, carl provisioning.Member
	for _, m := range team {
		switch m.GivenName {
		case "Ana":
			ana = m
		case "Bob":
			bob = m
		case "Carl":
			carl = m
		}
	}
	assert.Equal(t, `O'Neil "Nell"`, ana.FamilyName)
	assert.Equal(t, []string{"a.oneil@acme.example"}, ana.OtherEmails)
	assert.Equal(t, "Senior Seller", bob.Title)
	assert.Equal(t, ana.ID, bob.ManagerID)
	assert.Equal(t, []string{"core", "engage"}, bob.Seats)
	assert.Equal(t, map[string]string{"ws1": "standard"}, bob.Profiles)
	assert.Equal(t, []provisioning.Revision{"1", "3", "4"}, []provisioning.Revision{ana.Revision, bob.Revision, carl.Revision})
	assert.True(t, carl.Protected)
	assert.Equal(t, map[string]any{"limit": 2.5, "beta": true, "team": "north"}, carl.Extra)

	var effects []provisioning.Effect
	for e, err := range store.Effects(t.Context(), tenant) {
		require.NoError(t, err)
		effects = append(effects, e)
	}
	require.Len(t, effects, 1)
	assert.Equal(t, bob.ID, effects[0].About)
	require.NoError(t, store.Delivered(t.Context(), tenant, effects[0]))
	var records []provisioning.Record
	for r, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		records = append(records, r)
	}
	require.Len(t, records, 3)
	assert.Equal(t, time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC), records[2].At)
	assert.Equal(t, "schedule", records[2].Actor)

	// Keys and counters match the members, and plans supersede each other.
	require.Equal(t, sumOf(team, "okta-prod"), countsOf(t, store, "okta-prod"))
	require.Equal(t, 2, countsOf(t, store, "okta-prod").Population)
	for id, m := range team {
		for _, key := range m.Keys() {
			found, err := store.FindMembers(t.Context(), tenant, []provisioning.MemberKey{key}, 10)
			require.NoError(t, err)
			assert.Contains(t, found, team[id], "%v", key)
		}
	}
	kim, err := store.FindMembers(t.Context(), "other", []provisioning.MemberKey{{By: provisioning.MemberByEmail, Value: "kim@xn--bcher-kva.example"}}, 10)
	require.NoError(t, err)
	require.Len(t, kim, 1)
	assert.Equal(t, "kim-2", kim[0].ID, "who had the key before")
	_, hash, _ := strings.Cut(plan, `"hash":"`)
	superseded, err := store.Superseded(t.Context(), tenant, hash[:64])
	require.NoError(t, err)
	assert.False(t, superseded)
	newer := &provisioning.Plan{Format: provisioning.PlanFormat, Tenant: tenant, Connection: "okta-prod", Hash: "newer"}
	require.NoError(t, store.SavePlan(t.Context(), tenant, newer))
	superseded, err = store.Superseded(t.Context(), tenant, hash[:64])
	require.NoError(t, err)
	assert.True(t, superseded)

	// Done actions stay done, keys of other members stay theirs, and new
	// actions work.
	again, rival, next := hire(ana), hire(person(1)), retitle(bob, "VP")
	again.Key = records[0].Key
	amend(&rival, func(m *provisioning.Member) { m.Email = "BOB@acme.example" })
	results, err := store.Apply(t.Context(), tenant, []provisioning.Action{again, rival, next})
	require.NoError(t, err)
	assert.True(t, results[0].Repeated)
	assert.ErrorIs(t, results[1].Err, provisioning.ErrConflict)
	assert.NoError(t, results[2].Err)
	assert.Equal(t, provisioning.Revision("8"), teamOf(t, store)[bob.ID].Revision)

	var kept []byte
	require.NoError(t, old.QueryRowContext(t.Context(), `SELECT plan AS kept FROM usher_plans WHERE hash <> 'newer'`).Scan(&kept))
	assert.Equal(t, plan, string(kept))
	saved, err := store.Plan(t.Context(), tenant, hash[:64])
	require.NoError(t, err)
	assert.Len(t, saved.Actions, 2)
}

// countsOf returns the counters of a connection.
func countsOf(t testing.TB, store *sqlstore.Store, connection string) provisioning.Counts {
	t.Helper()
	counts, err := store.Count(t.Context(), tenant, connection)
	require.NoError(t, err)
	return counts
}

// sumOf computes the counters from the members of a team.
func sumOf(team map[string]provisioning.Member, connection string) provisioning.Counts {
	sum := provisioning.Counts{Seats: make(map[string]int), Roles: make(map[provisioning.Role]int)}
	for _, m := range team {
		counted := m.Counted(connection)
		sum.Population += counted.Population
		for seat, n := range counted.Seats {
			sum.Seats[seat] += n
		}
		for role, n := range counted.Roles {
			sum.Roles[role] += n
		}
	}
	return sum
}

func textsOf(t *testing.T, db *sql.DB, query string) (texts []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}
