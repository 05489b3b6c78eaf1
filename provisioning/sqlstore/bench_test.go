package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/sources"
)

const (
	// benchPeople is the number of actions in the plan, and of members in the
	// team, in the benchmarks.
	benchPeople = 10_000
	// benchTx is the number of actions in a transaction, both of the store and
	// of the floor.
	benchTx = 500
)

// A benchDatabase is a database that the benchmarks measure.
type benchDatabase struct {
	dialect sqlstore.Dialect
	open    func() *sql.DB // opens an empty database
	// rows are the tried numbers of rows in a statement of the floor; the
	// fastest one counts.
	rows []int
}

func benchDatabases(b *testing.B, measure func(b *testing.B, db benchDatabase)) {
	b.Run("SQLite", func(b *testing.B) {
		measure(b, benchDatabase{sqlstore.SQLite, func() *sql.DB { return openDB(b, fileDSN(b)) }, []int{1, 10, 50}})
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		server := pgtest.Start(b)
		measure(b, benchDatabase{sqlstore.PostgreSQL, func() *sql.DB {
			db, err := sql.Open(pgtest.Driver, server.Schema(b))
			require.NoError(b, err)
			b.Cleanup(func() { assert.NoError(b, db.Close()) })
			return db
		}, []int{50, 500}})
	})
}

func (d benchDatabase) store(b *testing.B) (*sqlstore.Store, *sql.DB) {
	db := d.open()
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db, Dialect: d.dialect})
	require.NoError(b, err)
	return store, db
}

// BenchmarkApply applies a plan that creates everybody, and then a plan that
// changes everybody. The floor writes the same rows of the same tables in
// transactions of the same size, without any query.
func BenchmarkApply(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d benchDatabase) {
		create, update := make(timings), make(timings)
		for b.Loop() {
			store, db := d.store(b)
			plan := hires(benchPeople)
			create.measure("store", func() { apply(b, store, plan...) })
			created := readTables(b, db, 0)
			for i, m := range membersOf(b, store) {
				plan[i] = retitle(m, "Senior "+m.Title)
			}
			update.measure("store", func() { apply(b, store, plan...) })
			updated := readTables(b, db, benchPeople)
			for _, rows := range d.rows {
				_, db := d.store(b)
				floor := fmt.Sprintf("floor with %d rows a statement", rows)
				create.measure(floor, func() { writeTables(b, d, db, created, rows) })
				update.measure(floor, func() { writeTables(b, d, db, updated, rows) })
			}
		}
		create.report(b, "create", benchPeople)
		update.report(b, "update", benchPeople)
	})
}

// BenchmarkApplyOne changes one member of a team of 100,000 and, for
// comparison, of a team of 100.
func BenchmarkApplyOne(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d benchDatabase) {
		const few, many, times = 100, 100_000, 200
		took := make(map[int][]time.Duration)
		stores := make(map[int]*sqlstore.Store)
		for _, people := range []int{few, many} {
			store, db := d.store(b)
			fill(b, db, 1, 0, people)
			stores[people] = store
		}
		serial := 0
		for b.Loop() {
			for range times {
				for people, store := range stores {
					serial++
					m, err := store.Put(b.Context(), "t0", person(many+serial))
					require.NoError(b, err)
					began := time.Now()
					results, err := store.Apply(b.Context(), "t0", []provisioning.Action{retitle(m, "Senior")})
					took[people] = append(took[people], time.Since(began))
					require.NoError(b, err)
					require.NoError(b, results[0].Err)
				}
			}
		}
		b.ReportMetric(float64(median(took[many]).Microseconds()), "µs/change")
		b.ReportMetric(float64(median(took[many]))/float64(median(took[few])), "x-of-100")
	})
}

// BenchmarkOne decides about one person whose title changed: it reads the
// necessary members by key from the store, and decides. It is the variant of
// provisioning.BenchmarkOne for a database.
func BenchmarkOne(b *testing.B) {
	resolver, err := provisioning.New(provisioning.Config{Source: "okta", Connection: "okta-prod", Domains: provisioning.Domains{Primary: "acme.example"}})
	require.NoError(b, err)
	for _, people := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			directory := &sources.Snapshot{Format: sources.SnapshotFormat, Kind: "okta", Connection: "okta-prod", Proven: sources.FactUsers | sources.FactMemberships | sources.FactManagers}
			for i := range people {
				u := sources.User{
					ID: fmt.Sprintf("00u%06d", i), Status: sources.StatusActive, Email: fmt.Sprintf("person%d@acme.example", i),
					GivenName: "Person", FamilyName: fmt.Sprint(i), Title: "Seller",
				}
				if i > 0 {
					u.Manager.ID = fmt.Sprintf("00u%06d", i/10)
				}
				directory.Users = append(directory.Users, u)
			}
			store := openStore(b, fileDSN(b))
			plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: directory})
			outcome, err := provisioning.Apply(b.Context(), store, tenant, plan)
			require.NoError(b, err)
			require.Len(b, outcome.Results, people, "%.600s", plan)
			changed := &directory.Users[people/2]
			changed.Title = "Director"
			from := provisioning.Lookup{Tenant: tenant, Team: store, Directory: sources.NewIndex(directory)}
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				part, err := resolver.Gather(b.Context(), from, changed.ID)
				require.NoError(b, err)
				require.Len(b, resolver.Resolve(part).Actions, 1)
			}
		})
	}
}

// BenchmarkMembers reads a team. The floor scans the same columns without
// decoding them.
func BenchmarkMembers(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d benchDatabase) {
		store, db := d.store(b)
		apply(b, store, hires(benchPeople)...)
		took := make(timings)
		allocations := make(map[string]uint64)
		counted := func(name string, read func()) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			took.measure(name, read)
			runtime.ReadMemStats(&after)
			allocations[name] = (after.Mallocs - before.Mallocs) / benchPeople
		}
		for b.Loop() {
			counted("store", func() {
				n := 0
				for _, err := range store.Members(b.Context(), tenant) {
					require.NoError(b, err)
					n++
				}
				require.Equal(b, benchPeople, n)
			})
			counted("floor", func() { scanMembers(b, db) })
		}
		took.report(b, "read", benchPeople)
		b.ReportMetric(float64(allocations["store"]-allocations["floor"]), "allocs/member-over-floor")
	})
}

// timings are the shortest durations in all rounds, which other work on the
// machine disturbed least.
type timings map[string]time.Duration

func (t timings) measure(name string, work func()) {
	runtime.GC()
	began := time.Now()
	work()
	if took, known := time.Since(began), t[name]; known == 0 || took < known {
		t[name] = took
	}
}

// report reports the time of the store for one of n items, and its ratio to the
// best floor.
func (t timings) report(b *testing.B, what string, n int) {
	best := time.Duration(0)
	for name, took := range t {
		b.Logf("%s, %s: %.1f µs", what, name, float64(took.Microseconds())/float64(n))
		if name != "store" && (best == 0 || took < best) {
			best = took
		}
	}
	b.ReportMetric(float64(t["store"].Microseconds())/float64(n), "µs/"+what)
	b.ReportMetric(float64(t["store"])/float64(best), "x-floor/"+what)
}

func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func membersOf(b *testing.B, store provisioning.Store) []provisioning.Member {
	team := make([]provisioning.Member, 0, benchPeople)
	for m, err := range store.Members(b.Context(), tenant) {
		require.NoError(b, err)
		team = append(team, m)
	}
	return team
}

// A table holds rows of a table, as they were read.
type table struct {
	name    string
	columns []string
	rows    [][]any
	tail    string // end of the statement that writes the rows
}

// readTables reads what the store wrote for the actions after the given number.
func readTables(b *testing.B, db *sql.DB, after int) []table {
	numbered := func(name, columns string) table {
		return readTable(b, db, name, fmt.Sprintf(`SELECT %s FROM %s ORDER BY seq LIMIT %d OFFSET %d`, columns, name, benchPeople, after))
	}
	members := readTable(b, db, "usher_members", `SELECT * FROM usher_members ORDER BY revision`)
	if after > 0 {
		members.tail = ` ON CONFLICT (tenant, id) DO UPDATE SET `
		for i, column := range members.columns {
			members.tail += strings.Repeat(", ", min(i, 1)) + column + ` = excluded.` + column
		}
	}
	audit := numbered("usher_audit", "tenant, committed_at, action_key, kind, member_id, email, actor, changes, reasons")
	keys := table{name: "usher_keys", columns: []string{"tenant", "action_key", "member_id"}}
	for _, row := range audit.rows {
		keys.rows = append(keys.rows, []any{row[0], row[2], row[4]})
	}
	return []table{members, keys, audit, numbered("usher_effects", "tenant, kind, action_key, to_id, about_id")}
}

func readTable(b *testing.B, db *sql.DB, name, query string) table {
	rows, err := db.QueryContext(b.Context(), query)
	require.NoError(b, err)
	defer rows.Close()
	t := table{name: name}
	t.columns, err = rows.Columns()
	require.NoError(b, err)
	for rows.Next() {
		row, targets := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range row {
			targets[i] = &row[i]
		}
		require.NoError(b, rows.Scan(targets...))
		t.rows = append(t.rows, row)
	}
	require.NoError(b, rows.Err())
	return t
}

// writeTables writes the rows, perStatement in each statement. A transaction
// has the rows of as many actions as one of the store.
func writeTables(b *testing.B, d benchDatabase, db *sql.DB, tables []table, perStatement int) {
	for from := 0; from < benchPeople; from += benchTx {
		tx, err := db.BeginTx(b.Context(), nil)
		require.NoError(b, err)
		for _, t := range tables {
			if from < len(t.rows) {
				require.NoError(b, t.write(b.Context(), d.dialect, tx, t.rows[from:from+benchTx], perStatement))
			}
		}
		require.NoError(b, tx.Commit())
	}
}

func (t table) write(ctx context.Context, dialect sqlstore.Dialect, tx *sql.Tx, rows [][]any, perStatement int) error {
	query := t.statement(dialect, perStatement)
	exec := func(args ...any) (sql.Result, error) { return tx.ExecContext(ctx, query, args...) } // pgx prepares statements by itself
	if dialect == sqlstore.SQLite {
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		exec = func(args ...any) (sql.Result, error) { return stmt.ExecContext(ctx, args...) }
	}
	for ; len(rows) > 0; rows = rows[perStatement:] {
		args := make([]any, 0, perStatement*len(t.columns))
		for _, row := range rows[:perStatement] {
			args = append(args, row...)
		}
		if _, err := exec(args...); err != nil {
			return err
		}
	}
	return nil
}

func (t table) statement(dialect sqlstore.Dialect, rows int) string {
	var q strings.Builder
	q.WriteString(`INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES `)
	n := 0
	for row := range rows {
		q.WriteString(strings.Repeat(", ", min(row, 1)) + "(")
		for column := range t.columns {
			n++
			q.WriteString(strings.Repeat(", ", min(column, 1)))
			if dialect == sqlstore.SQLite {
				q.WriteString("?")
			} else {
				fmt.Fprintf(&q, "$%d", n)
			}
		}
		q.WriteString(")")
	}
	return q.String() + t.tail
}

// scanMembers does the minimum that a program must do to read a team.
func scanMembers(b *testing.B, db *sql.DB) {
	tx, err := db.BeginTx(b.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(b, err)
	defer tx.Rollback()
	rows, err := tx.QueryContext(b.Context(), `SELECT connection, external_id, managed, active, email, other_emails, private_email,
		given_name, family_name, title, phone, mobile_phone, phone_extension, timezone, country, state, locale, manager_id,
		assignment_id, seats, home, profiles, capture, extra, attributes, owners, revision, id, protected, subject FROM usher_members WHERE tenant = 'acme' ORDER BY id`)
	require.NoError(b, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(b, err)
	values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	n := 0
	for rows.Next() {
		require.NoError(b, rows.Scan(targets...))
		n++
	}
	require.NoError(b, rows.Err())
	require.Equal(b, benchPeople, n)
}
