package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// filled is the number of members, keys, effects, audit records and plans of
// each tenant in the tests of query plans. filledTenants is the number of these
// tenants.
const (
	filled        = 2_000
	filledTenants = 3
)

// fill writes n of everything for each of the tenants t0, t1, ..., beginning
// with the number first, and leaves the database without statistics. As in the
// store, the statements suit both databases.
func fill(t testing.TB, db *sql.DB, tenants, first, n int) {
	t.Helper()
	series := fmt.Sprintf(`WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM s WHERE i + 1 < %d),
		t(tenant) AS (SELECT 't0' %s) `, first, first+n, strings.Repeat(` UNION ALL SELECT 't%d'`, tenants-1))
	names := make([]any, 0, tenants)
	for i := 1; i < tenants; i++ {
		names = append(names, i)
	}
	series = fmt.Sprintf(series, names...)
	for _, statement := range []string{
		`INSERT INTO usher_members (tenant, id, revision, connection, external_id, managed, active, email, email_key, private_email,
			given_name, family_name, title, phone, mobile_phone, phone_extension, timezone, country, state, locale, manager_id, assignment_id, home,
			name_key, recorded_by)
			` + series + `SELECT tenant, 'm' || i, i + 1, 'okta', 'x' || i, TRUE, TRUE, 'p' || i || '@acme.example', 'p' || i || '@acme.example',
			'', '', '', '', '', '', '', '', '', '', '', 'b' || i / 5, '', '', 'n' || i / 2, 'b' || i / 5 FROM s, t`,
		`INSERT INTO usher_counts (tenant, kind, name, n) ` + series + `SELECT DISTINCT tenant, 'seat', 'core', 7 FROM s, t WHERE TRUE ON CONFLICT DO NOTHING`,
		`INSERT INTO usher_states (tenant, name, revision, document) ` + series + `SELECT tenant, 'n' || i, 'r', '' FROM s, t`,
		`INSERT INTO usher_windows (tenant, minute, connection, class, n) ` + series + `SELECT tenant, i, 'okta', 'create', 1 FROM s, t`,
		`INSERT INTO usher_keys (tenant, action_key, member_id) ` + series + `SELECT tenant, 'k' || i, 'm' || i FROM s, t`,
		`INSERT INTO usher_effects (tenant, kind, action_key, to_id, about_id) ` + series + `SELECT tenant, 'notify_manager', 'k' || i, 'm0', 'm' || i FROM s, t`,
		`INSERT INTO usher_audit (tenant, committed_at, action_key, kind, member_id, email, actor, changes, reasons)
			` + series + `SELECT tenant, '2026-01-01T00:00:00.000000Z', 'k' || i, 'create', 'm' || i, '', '', '[]', '[]' FROM s, t`,
		`INSERT INTO usher_tenants (tenant, revision) ` + series + fmt.Sprintf(`SELECT DISTINCT tenant, %d FROM s, t WHERE TRUE`, 10*filled) +
			` ON CONFLICT (tenant) DO NOTHING`,
		`INSERT INTO usher_plans (tenant, hash, saved_at, plan) ` + series + `SELECT tenant, 'h' || i, '2026-01-01T00:00:00.000000Z', '' FROM s, t`,
		`INSERT INTO usher_locks (tenant, owner, expires_ms) ` + series + `SELECT tenant || '/' || i, '', 0 FROM s, t`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// A planned is an operation that may read at most the given number of rows of a
// table, for any size of the table.
type planned struct {
	name string
	rows float64
	run  func(ctx context.Context, t testing.TB, s *sqlstore.Store) error
}

// plannedOperations returns all operations of a store except Members, which
// reads everybody. They can be repeated.
func plannedOperations() []planned {
	const of = "t1"
	serial := 0
	applying := func(actions func() []provisioning.Action, want error) func(context.Context, testing.TB, *sqlstore.Store) error {
		return func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			results, err := s.Apply(ctx, of, actions())
			for _, r := range results {
				if !errors.Is(r.Err, want) {
					t.Errorf("%s: the result is %v, want %v", r.Key, r.Err, want)
				}
			}
			return err
		}
	}
	newcomer := func() provisioning.Action {
		serial++
		return hire(person(100*filled + serial))
	}
	stored := func(ctx context.Context, t testing.TB, s *sqlstore.Store, n int) (changes []provisioning.Action) {
		for range n {
			m, err := s.Put(ctx, of, newcomer().Member)
			require.NoError(t, err)
			changes = append(changes, retitle(m, "Senior"))
		}
		return changes
	}
	return []planned{
		{"create one", 5, applying(func() []provisioning.Action { return []provisioning.Action{newcomer()} }, nil)},
		{"create a hundred", 500, applying(func() []provisioning.Action {
			actions := make([]provisioning.Action, 100)
			for i := range actions {
				actions[i] = newcomer()
			}
			return actions
		}, nil)},
		{"change two together", 20, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			actions := stored(ctx, t, s, 2)
			actions[0].With, actions[1].With = "swap", "swap"
			first, second := actions[0].Member.Email, actions[1].Member.Email
			amend(&actions[0], func(m *provisioning.Member) { m.Email = second })
			amend(&actions[1], func(m *provisioning.Member) { m.Email = first })
			return applying(func() []provisioning.Action { return actions }, nil)(ctx, t, s)
		}},
		{"refuse what is stale", 5, applying(func() []provisioning.Action {
			a := newcomer()
			a.Kind, a.Revision = provisioning.KindUpdate, "7"
			return []provisioning.Action{a}
		}, provisioning.ErrStale)},
		{"edit and delete by hand", 20, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			actions := stored(ctx, t, s, 1)
			return s.Delete(ctx, of, actions[0].Member.ID)
		}},
		{"keep a state", 5, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			_, revision, err := s.State(ctx, of, "n7")
			if err == nil {
				revision, err = s.SetState(ctx, of, "n7", revision, []byte("document"))
			}
			if err == nil {
				_, err = s.SetState(ctx, of, "n7", revision, nil)
			}
			return err
		}},
		{"count in a window", 100, func(ctx context.Context, _ testing.TB, s *sqlstore.Store) error {
			_, err := s.Window(ctx, of, "okta", time.Hour)
			return err
		}},
		{"begin a window anew", 100, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			a := newcomer()
			a.Approved = []provisioning.Class{provisioning.ClassCreate}
			return applying(func() []provisioning.Action { return []provisioning.Action{a} }, nil)(ctx, t, s)
		}},
		{"page of effects", 300, func(ctx context.Context, _ testing.TB, s *sqlstore.Store) error {
			for e, err := range s.Effects(ctx, of) {
				if err != nil {
					return err
				}
				return s.Delivered(ctx, of, e)
			}
			return nil
		}},
		{"audit of a member", 10, func(ctx context.Context, _ testing.TB, s *sqlstore.Store) error {
			_, err := s.MemberAudit(ctx, of, "m7", 5)
			return err
		}},
		{"page of the audit log", 300, func(ctx context.Context, _ testing.TB, s *sqlstore.Store) error {
			for _, err := range s.Audit(ctx, of) {
				return err
			}
			return nil
		}},
		{"save and read a plan", 5, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			if err := s.SavePlan(ctx, of, &provisioning.Plan{Format: provisioning.PlanFormat, Connection: "okta", Hash: "0123"}); err != nil {
				return err
			}
			_, err := s.Plan(ctx, of, "0123")
			assert.ErrorContains(t, err, "changed", "it is not the plan's hash")
			_, err = s.Superseded(ctx, of, "0123")
			return err
		}},
		{"find by each key", 5, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			m := person(2000)
			m.ID, m.Connection, m.ExternalID, m.Email, m.GivenName, m.FamilyName, m.ManagerID = "m2000", "okta", "x2000", "p2000@acme.example", "n1000", "", "b400"
			for _, key := range m.Keys() {
				if _, err := s.FindMembers(ctx, of, []provisioning.MemberKey{key}, 100); err != nil {
					return err
				}
			}
			_, err := s.Count(ctx, of, "okta")
			return err
		}},
		{"find by many keys", 500, func(ctx context.Context, t testing.TB, s *sqlstore.Store) error {
			var keys []provisioning.MemberKey
			for i := range 100 {
				m := person(2000 + i)
				m.ManagerID = fmt.Sprint("b", 400+i)
				keys = append(keys, m.Keys()...)
			}
			_, err := s.FindMembers(ctx, of, keys, 1000)
			return err
		}},
		{"lock", 5, func(ctx context.Context, _ testing.TB, s *sqlstore.Store) error {
			unlock, err := s.Lock(ctx, of)
			if err == nil {
				unlock()
			}
			return err
		}},
	}
}

// On PostgreSQL, every statement uses an index and reads only what it needs.
// This holds in a database without statistics, with generic plans, and with
// plans that were made for empty tables. It also holds for the checks of
// foreign keys, which the database plans by itself. With statistics from a time
// with few rows, the same holds for the tables that grow with the team.
func TestPlansOfPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	generic := []string{"SET plan_cache_mode = force_generic_plan"}
	for name, c := range map[string]struct {
		settings []string
		early    bool // the statements ran before the tables were filled
		analyze  int  // number of rows of each kind when statistics were made; 0: no statistics
	}{
		"plans as chosen":                       {},
		"generic plans":                         {settings: generic},
		"generic plans from the empty tables":   {settings: generic, early: true},
		"chosen plans from the empty tables":    {early: true},
		"generic plans from the small tables":   {settings: generic, early: true, analyze: 60},
		"generic plans with small statistics":   {settings: generic, analyze: 60},
		"chosen plans with outdated statistics": {analyze: 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server.Schema(t)
			plain, err := sql.Open(pgtest.Driver, url)
			require.NoError(t, err)
			t.Cleanup(func() { _ = plain.Close() })
			_, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: plain, Dialect: sqlstore.PostgreSQL})
			require.NoError(t, err)
			tables := []string{"members", "keys", "effects", "audit", "plans", "tenants", "locks", "counts"}
			for _, table := range tables {
				_, err := plain.ExecContext(t.Context(), "ALTER TABLE usher_"+table+" SET (autovacuum_enabled = off)")
				require.NoError(t, err)
			}
			if c.analyze > 0 {
				fill(t, plain, 2, 0, c.analyze)
				for _, table := range tables {
					_, err := plain.ExecContext(t.Context(), "ANALYZE usher_"+table)
					require.NoError(t, err)
				}
			}
			db, plans := pgtest.Explained(t, url, c.settings...)
			store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
			require.NoError(t, err)
			operations := plannedOperations()
			if c.early {
				for range 7 { // from the sixth execution on, the plan may be generic
					for _, op := range operations {
						require.NoError(t, op.run(t.Context(), t, store), op.name)
					}
				}
			}
			fill(t, plain, filledTenants, 1000, filled)
			for _, op := range operations {
				plans.Take(t)
				require.NoError(t, op.run(t.Context(), t, store), op.name)
				scans, statements := plans.Take(t)
				require.NotZero(t, statements, op.name)
				for _, scan := range scans {
					small := strings.HasPrefix(scan.Of, "usher_locks") || strings.HasPrefix(scan.Of, "usher_plans")
					if strings.HasPrefix(scan.Of, "usher_") && (!small || c.analyze == 0) && scan.Of != "usher_schema" {
						assert.NotEqual(t, "Seq Scan", scan.Node, "%s: %v", op.name, scan)
						assert.LessOrEqual(t, scan.Rows, op.rows, "%s: %v", op.name, scan)
						assert.LessOrEqual(t, scan.Sorted, op.rows, "%s: %v", op.name, scan)
					}
				}
			}
		})
	}
}

// On SQLite, every statement uses an index, and more columns of it than the
// tenant.
func TestPlansOfSQLite(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	plain := openDB(t, dsn)
	openStore(t, dsn)
	fill(t, plain, filledTenants, 0, filled)
	var mu sync.Mutex
	seen := make(map[string]int) // number of arguments of each query
	db := openWatched(new(sqlite.Driver), dsn, func(c call) error {
		mu.Lock()
		defer mu.Unlock()
		seen[c.query] = max(seen[c.query], len(c.args))
		return nil
	})
	defer db.Close()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	clear(seen)
	for _, op := range plannedOperations() {
		require.NoError(t, op.run(t.Context(), t, store), op.name)
	}
	for query, args := range seen {
		switch word, _, _ := strings.Cut(query, " "); word {
		case "CONNECT", "BEGIN", "COMMIT", "COMMITTED", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA":
			continue
		}
		for _, step := range explainSQLite(t, plain, query, args) {
			assert.NotContains(t, step, "TEMP B-TREE", query)
			assert.NotRegexp(t, `^SCAN (m|k|o|p|usher_)`, step, query)
			assert.NotRegexp(t, `^SEARCH (m|k|o|p|usher_(members|keys|effects|audit|plans)) .*\(tenant=\?\)`, step, query)
		}
	}
	steps := explainSQLite(t, plain, `SELECT id FROM usher_members WHERE tenant = ? ORDER BY id`, 1)
	assert.NotContains(t, strings.Join(steps, "\n"), "TEMP B-TREE")
}

// On SQLite, a change of a title writes no index of the members: it would be one more
// page for each.
func TestUpdateWritesNoIndex(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	var mu sync.Mutex
	seen := make(map[string]int)
	db := openWatched(new(sqlite.Driver), dsn, func(c call) error {
		mu.Lock()
		defer mu.Unlock()
		seen[c.query] = len(c.args)
		return nil
	})
	defer db.Close()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	apply(t, store, hire(person(1)))
	clear(seen)
	apply(t, store, retitle(teamOf(t, store)[person(1).ID], "Boss"))
	found := false
	for query, args := range seen {
		require.NotContains(t, query, "INSERT INTO usher_members")
		if !strings.HasPrefix(query, "UPDATE usher_members ") {
			continue
		}
		found = true
		rows, err := openDB(t, dsn).QueryContext(t.Context(), "EXPLAIN "+query, make([]any, args)...)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var opcode string
			var other [7]any
			require.NoError(t, rows.Scan(&other[0], &opcode, &other[1], &other[2], &other[3], &other[4], &other[5], &other[6]))
			require.NotContains(t, []string{"IdxInsert", "IdxDelete"}, opcode)
		}
		require.NoError(t, rows.Err())
	}
	require.True(t, found)
	require.Equal(t, "Boss", teamOf(t, store)[person(1).ID].Title)
}

func explainSQLite(t *testing.T, db *sql.DB, query string, args int) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, args)...)
	require.NoError(t, err, query)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		steps = append(steps, detail)
	}
	require.NoError(t, rows.Err())
	return steps
}
