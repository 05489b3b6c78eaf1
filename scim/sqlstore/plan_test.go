package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
	"github.com/usher-go/usher/sources"
)

// planUsers is the number of users in the directory of the query plan tests.
const planUsers = 20_000

// fillTables writes two directories with users u1 and so on into tables without
// statistics. All users share an address and are in the group "all"; every
// tenth is also in "some", and u51 in "small". "all" is in "outer" and has
// "some" as a member.
func fillTables(tb testing.TB, db *sql.DB, users int) {
	tb.Helper()
	series := `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ` + fmt.Sprint(users) + `)`
	for _, statement := range []string{
		`INSERT INTO usher_scim_directories (tenant, connection, first, seq) VALUES ('acme', 'okta', 1000000, 2000000), ('acme', 'other', 1000000, 2000000)
			ON CONFLICT (tenant, connection) DO UPDATE SET first = excluded.first, seq = excluded.seq`,
		series + ` INSERT INTO usher_scim_records (directory, ordinal, type, id, created, display, doc)
			SELECT d.id, 1000000 + s.i, 'User', 'u' || s.i, 0, '', '{"userName":"u' || s.i || '","active":true,"emails":[{"value":"u' || s.i || '@example.com"}],
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"u' || (s.i / 10) || '"}},
				"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"managerEmail":"u' || (s.i / 10) || '@example.com"}}' FROM s, usher_scim_directories d`,
		`INSERT INTO usher_scim_records (directory, ordinal, type, id, created, display, doc)
			SELECT d.id, g.ordinal, 'Group', g.id, 0, g.id, '{"displayName":"' || g.id || '"}' FROM usher_scim_directories d,
			(SELECT 1500001 AS ordinal, 'all' AS id UNION ALL SELECT 1500002, 'some' UNION ALL SELECT 1500003, 'outer' UNION ALL SELECT 1500004, 'small') g`,
		`INSERT INTO usher_scim_versions (ordinal, directory, version, modified) SELECT ordinal, directory, ordinal, 0 FROM usher_scim_records`,
		`INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			SELECT r.ordinal, r.directory, k.name, CASE k.name WHEN 'emails.value' THEN 'shared@example.com' ELSE k.prefix || r.id END, 'User', k.name = 'userName'
			FROM usher_scim_records r, (SELECT 'userName' AS name, '' AS prefix UNION ALL SELECT 'externalId', 'ext-' UNION ALL SELECT 'emails.value', '') k
			WHERE r.type = 'User'`,
		`INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			SELECT ordinal, directory, 'emails.value', id || '@example.com', 'User', FALSE FROM usher_scim_records WHERE type = 'User'`,
		`INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			SELECT r.ordinal, r.directory, k.name, 'u' || ((r.ordinal - 1000000) / 10) || k.suffix, 'User', FALSE
			FROM usher_scim_records r, (SELECT 'manager.id' AS name, '' AS suffix UNION ALL SELECT 'manager.email', '@example.com') k WHERE r.type = 'User'`,
		`INSERT INTO usher_scim_members (grp, directory, member, member_type, display)
			SELECT 1500001, directory, ordinal, type, '' FROM usher_scim_records WHERE type = 'User' OR id = 'some'`,
		`INSERT INTO usher_scim_members (grp, directory, member, member_type, display)
			SELECT 1500002, directory, ordinal, type, '' FROM usher_scim_records WHERE type = 'User' AND ordinal % 10 = 0`,
		`INSERT INTO usher_scim_members (grp, directory, member, member_type, display)
			SELECT 1500003, directory, ordinal, type, '' FROM usher_scim_records WHERE id = 'all'`,
		`INSERT INTO usher_scim_members (grp, directory, member, member_type, display)
			SELECT 1500004, directory, ordinal, type, '' FROM usher_scim_records WHERE id = 'u51'`,
		series + ` INSERT INTO usher_scim_requests (tenant, connection, at, tie, day, entry)
			SELECT 'acme', CASE WHEN i % 2 = 0 THEN 'okta' ELSE 'other' END, 1800000000000000 + i, i, 20833, '{}' FROM s`,
		series + ` INSERT INTO usher_scim_request_counts (tenant, connection, kind, name, first, last, total, entry)
			SELECT 'tenant ' || i, 'okta', 'token', 't', 1800000000000000, 1800000000000000 + i, 1, '{}' FROM s WHERE TRUE ON CONFLICT DO NOTHING`,
	} {
		_, err := db.Exec(statement)
		require.NoError(tb, err, statement)
	}
}

// A planned is an operation with the number of rows of a table that it may
// touch, for any size of the table.
type planned struct {
	name string
	rows float64
	run  func(ctx context.Context, s *sqlstore.Store) error
}

func listing(name string, rows float64, q scim.Query, want int) planned {
	return planned{name, rows, func(ctx context.Context, s *sqlstore.Store) error {
		page, err := s.List(ctx, benchDir, q)
		if err == nil && len(page.Records) != want {
			err = fmt.Errorf("%d records, want %d", len(page.Records), want)
		}
		return err
	}}
}

func finding(name string, rows float64, want int, keys ...sources.UserKey) planned {
	return planned{name, rows, func(ctx context.Context, s *sqlstore.Store) error {
		found, _, err := scim.AsSource(s, benchDir.Tenant, benchDir.Connection).FindUsers(ctx, keys, nil, 100)
		if err == nil && len(found) != want {
			err = fmt.Errorf("%d users, want %d", len(found), want)
		}
		return err
	}}
}

func writing(name string, rows float64, w scim.Write) planned {
	return planned{name, rows, func(ctx context.Context, s *sqlstore.Store) error {
		w.At = time.Unix(1_800_000_000, 0)
		_, err := s.Apply(ctx, benchDir, w)
		return err
	}}
}

func where(keys ...string) []scim.Key {
	var out []scim.Key
	for i := 0; i < len(keys); i += 2 {
		out = append(out, scim.Key{Name: keys[i], Value: keys[i+1]})
	}
	return out
}

// userLinks returns links with the given display to the users with the numbers
// from and up to to.
func userLinks(from, to int, display string) (links []scim.Link, ids []string) {
	for i := from; i < to; i++ {
		id := fmt.Sprint("u", i)
		ids = append(ids, id)
		links = append(links, scim.Link{Ref: scim.Ref{ID: id}, Display: display})
	}
	return links, ids
}

// plannedOperations returns all operations of the store, in a fixed order that
// can be repeated.
func plannedOperations() []planned {
	user, group := scim.Ref{Type: scim.TypeUser, ID: "new"}, func(id string) scim.Ref { return scim.Ref{Type: scim.TypeGroup, ID: id} }
	keys := []scim.Key{{Name: scim.KeyUserName, Value: "new", Unique: true}, {Name: scim.KeyEmail, Value: "new@example.com"}, {Name: scim.KeyExternalID, Value: "new"}}
	few, fewIDs := userLinks(20, 25, "few")
	half, _ := userLinks(1, 2001, "")
	get := func(ref scim.Ref) func(context.Context, *sqlstore.Store) error {
		return func(ctx context.Context, s *sqlstore.Store) error {
			_, err := s.Get(ctx, benchDir, ref, true)
			return err
		}
	}
	return []planned{
		{"get a user", 10, get(scim.Ref{Type: scim.TypeUser, ID: "u500"})},
		{"get a group", 10, get(group("outer"))},
		listing("by id", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyID, "u500"), Limit: 100, Links: true, Count: true}, 1),
		listing("by userName", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyUserName, "u500"), Limit: 100, Links: true, Count: true}, 1),
		listing("by externalId", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyExternalID, "ext-u500"), Limit: 100, Links: true, Count: true}, 1),
		listing("by email", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyEmail, "u500@example.com"), Limit: 100, Links: true, Count: true}, 1),
		listing("by userName, of any type", 10, scim.Query{Where: where(scim.KeyUserName, "u500"), Limit: 100, Links: true, Count: true}, 1),
		listing("by a userName of nobody", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyUserName, "nobody"), Limit: 100, Count: true}, 0),
		listing("by a shared email", 150, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyEmail, "shared@example.com"), After: 1015000, Limit: 100}, 100),
		listing("groups of a member", 10, scim.Query{Type: scim.TypeGroup, Where: where(scim.KeyMember, "u500"), Limit: 100, Count: true}, 2),
		listing("members of a group", 150, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyGroup, "all"), After: 1015000, Limit: 100, Count: true}, 100),
		listing("groups in a group", 10, scim.Query{Type: scim.TypeGroup, Where: where(scim.KeyGroup, "all"), Limit: 100, Count: true}, 1),
		listing("all in a group", 150, scim.Query{Where: where(scim.KeyGroup, "all"), Limit: 100, Count: true}, 100),
		listing("by userName and group", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyGroup, "all", scim.KeyUserName, "u500"), Limit: 100, Count: true}, 1),
		listing("by userName and a shared email", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyEmail, "shared@example.com", scim.KeyUserName, "u500"), Limit: 100, Count: true}, 1),
		listing("by id and group", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyGroup, "all", scim.KeyID, "u500"), Limit: 100, Count: true}, 1),
		listing("by userName and id", 10, scim.Query{Type: scim.TypeUser, Where: where(scim.KeyUserName, "u500", scim.KeyID, "u500"), Limit: 100, Count: true}, 1),
		listing("groups of two members", 10, scim.Query{Type: scim.TypeGroup, Where: where(scim.KeyMember, "u500", scim.KeyMember, "u501"), Limit: 100, Count: true}, 1),
		listing("a page of users", 150, scim.Query{Type: scim.TypeUser, After: 1015000, Limit: 100, Links: true, Count: true}, 100),
		listing("a page of users without meta", 150, scim.Query{Type: scim.TypeUser, After: 1015000, Limit: 100, NoMeta: true}, 100),
		listing("a page of users without documents", 150, scim.Query{Type: scim.TypeUser, After: 1015000, Limit: 100, NoDoc: true}, 100),
		listing("the first page of users without meta", 150, scim.Query{Type: scim.TypeUser, Limit: 100, NoMeta: true}, 100),
		listing("groups", 10, scim.Query{Type: scim.TypeGroup, Limit: 100, Count: true}, 4),
		listing("a page of everything", 150, scim.Query{After: 1015000, Limit: 100, Count: true}, 100),
		listing("a page of everything without meta", 150, scim.Query{After: 1015000, Limit: 100, NoMeta: true, NoDoc: true}, 100),
		listing("only how many", 20, scim.Query{Type: scim.TypeUser, Count: true}, 0),
		listing("by any of two", 10, scim.Query{Type: scim.TypeUser, Any: where(scim.KeyUserName, "u500", scim.KeyExternalID, "ext-u501"), Limit: 100, Links: true, Count: true}, 2),
		listing("by any, of any type", 20, scim.Query{Any: where(scim.KeyUserName, "u500", scim.KeyID, "all", scim.KeyMember, "u51", scim.KeyGroup, "small"), Limit: 100, Count: true}, 4),
		listing("by any, in a group", 20, scim.Query{Type: scim.TypeUser, Any: where(scim.KeyUserName, "u500", scim.KeyID, "u501"), Where: where(scim.KeyGroup, "some"), Limit: 100, Count: true}, 1),
		listing("groups of any member", 10, scim.Query{Type: scim.TypeGroup, Any: where(scim.KeyMember, "small", scim.KeyMember, "outer"), Limit: 1}, 0),
		finding("a user by id", 10, 1, sources.UserKey{By: sources.UserByID, Value: "u500"}),
		finding("a user by address", 10, 1, sources.UserKey{By: sources.UserByEmail, Value: "u500@example.com"}),
		finding("nobody by name", 10, 0, sources.UserKey{By: sources.UserByManagerName, Value: "ana young"}),
		finding("reports by id", 40, 10, sources.UserKey{By: sources.UserByManagerID, Value: "u500"}),
		finding("reports by address", 40, 10, sources.UserKey{By: sources.UserByManagerEmail, Value: "u500@example.com"}),
		{"changes", 150, func(ctx context.Context, s *sqlstore.Store) error {
			_, err := s.Changes(ctx, benchDir, 1015000, 100)
			return err
		}},
		writing("create a user", 10, scim.Write{Op: scim.Create, Ref: user, Doc: []byte(`{}`), Keys: keys}),
		writing("change a user", 10, scim.Write{Op: scim.Update, Ref: user, Doc: []byte(`{"a":1}`), Keys: keys[:2]}),
		writing("add a member", 10, scim.Write{Op: scim.Update, Ref: group("all"), Members: &scim.MemberChange{Add: []scim.Link{{Ref: user}}}}),
		writing("add few members", 30, scim.Write{Op: scim.Update, Ref: group("all"), Members: &scim.MemberChange{Add: few}}),
		writing("remove a member", 10, scim.Write{Op: scim.Update, Ref: group("all"), Members: &scim.MemberChange{Remove: []string{"new"}}}),
		writing("remove few members", 30, scim.Write{Op: scim.Update, Ref: group("all"), Members: &scim.MemberChange{Remove: fewIDs}}),
		writing("add few members again", 30, scim.Write{Op: scim.Update, Ref: group("all"), Members: &scim.MemberChange{Add: few}}),
		writing("create a group", 30, scim.Write{Op: scim.Create, Ref: group("g"), Doc: []byte(`{}`), Display: "g", Members: &scim.MemberChange{Add: few}}),
		writing("replace its members", 2100, scim.Write{Op: scim.Update, Ref: group("g"), Doc: []byte(`{"b":1}`), Members: &scim.MemberChange{Replace: true, Add: half}}),
		writing("replace its members again", 2100, scim.Write{Op: scim.Update, Ref: group("g"), Members: &scim.MemberChange{Replace: true, Add: half[:1000]}}),
		writing("put it into another", 10, scim.Write{Op: scim.Update, Ref: group("outer"), Members: &scim.MemberChange{Add: []scim.Link{{Ref: scim.Ref{ID: "g"}}}}}),
		writing("delete it", 2500, scim.Write{Op: scim.Delete, Ref: group("g")}),
		writing("delete a user", 10, scim.Write{Op: scim.Delete, Ref: user}),
		{"requests", 110, func(ctx context.Context, s *sqlstore.Store) error {
			_, err := s.Requests(ctx, scim.Directory{Tenant: "acme", Connection: "other"}, 100)
			return err
		}},
		remembering("requests of a quiet directory", 20, scim.Directory{Tenant: "tenant 5", Connection: "okta"}, 1000),
		remembering("requests beyond the limit", planUsers/2+10, scim.Directory{Tenant: "acme", Connection: "okta"}, 1000),
	}
}

// remembering returns the operation that adds a request, and drops the requests
// beyond the limit.
func remembering(name string, rows float64, dir scim.Directory, keep int) planned {
	at := time.Unix(1_800_000_100, 0)
	r := scim.RequestRecord{At: at, Token: "t", Method: "GET", Status: 200}
	once := scim.RequestCount{N: 1, First: at, Last: at}
	history := scim.RequestHistory{
		Requests: []scim.RequestRecord{r}, Tokens: []scim.TokenUse{{Token: "t", RequestCount: once, Did: r}}, Refused: once, Dropped: once,
	}
	return planned{name, rows, func(ctx context.Context, s *sqlstore.Store) error {
		return s.AddRequests(ctx, []scim.RequestBatch{{Directory: dir, RequestHistory: history}},
			scim.RequestLimits{Requests: keep, Since: time.Unix(1_799_000_000, 0)})
	}}
}

// On PostgreSQL, every statement of the store uses an index and reads only the
// rows that it needs. This holds with and without statistics, with generic
// plans, and with plans that were made for empty tables.
func TestPlansPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	for name, c := range map[string]struct {
		settings []string
		early    bool   // the statements are planned while the tables are empty
		after    string // a statement that runs after the tables are filled
	}{
		"fresh":                  {},
		"fresh, generic plans":   {settings: []string{"SET plan_cache_mode = force_generic_plan"}},
		"planned while empty":    {settings: []string{"SET plan_cache_mode = force_generic_plan"}, early: true},
		"early, plans as chosen": {early: true},
		"with statistics":        {after: "VACUUM ANALYZE"},
		"statistics, generic":    {after: "VACUUM ANALYZE", settings: []string{"SET plan_cache_mode = force_generic_plan"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := schemaPlace(t, server)
			p.store(t)
			plain := p.open(t)
			for _, table := range []string{"directories", "records", "versions", "keys", "members", "deletions", "totals", "requests", "request_counts"} {
				_, err := plain.Exec("ALTER TABLE usher_scim_" + table + " SET (autovacuum_enabled = off)")
				require.NoError(t, err)
			}
			db, plans := pgtest.Explained(t, p.dsn, c.settings...)
			store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: p.dialect})
			require.NoError(t, err)
			if c.early {
				for range 7 { // after five executions, PostgreSQL may use a generic plan
					for _, op := range plannedOperations() {
						_ = op.run(t.Context(), store) // this finds nothing
					}
				}
			}
			fillTables(t, plain, planUsers)
			_, err = plain.Exec(c.after)
			require.NoError(t, err)
			for _, op := range plannedOperations() {
				plans.Take(t)
				require.NoError(t, op.run(t.Context(), store), op.name)
				scans, statements := plans.Take(t)
				require.Positive(t, statements, op.name)
				for _, scan := range scans {
					assert.LessOrEqual(t, scan.Rows, op.rows, "%s: %s", op.name, scan)
					if c.after == "" { // statistics may show that a table has one page
						assert.NotEqual(t, "Seq Scan", scan.Node, "%s: %s", op.name, scan)
					}
				}
			}
		})
	}
}

// selective matches the conditions of which each search must have one: few rows
// meet the condition, or the rows come in the order of the index and LIMIT
// stops the search.
var selective = regexp.MustCompile(`\b(day|last)<\?|\b(id|ordinal|value|grp|member|tenant|rowid)=\?|\((type|member_type),(ordinal|member)\)>|\b(version|ordinal)>\?`)

// On SQLite, every statement of the store uses an index, in a database without
// statistics.
func TestPlansSQLite(t *testing.T) {
	p := filePlace(t)
	p.store(t)
	plain := p.open(t)
	fillTables(t, plain, planUsers)
	traced := &trace{}
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: traced.open(t, p)})
	require.NoError(t, err)
	for _, op := range plannedOperations() {
		traced.take()
		require.NoError(t, op.run(t.Context(), store), op.name)
		statements := traced.take()
		require.NotEmpty(t, statements, op.name)
		for _, s := range statements {
			plan := litePlan(t, plain, s)
			for _, step := range plan {
				words := strings.Fields(step)
				switch {
				case words[0] == "SEARCH":
					assert.Regexp(t, selective, step, "%s: %s\n%s", op.name, s.text, strings.Join(plan, "\n"))
				case words[0] == "SCAN" && !strings.Contains(step, "VIRTUAL TABLE") && !strings.HasSuffix(step, "VALUES CLAUSE") && words[1] != "CONSTANT":
					made := slices.Contains(plan, "MATERIALIZE "+words[1]) || slices.Contains(plan, "CO-ROUTINE "+words[1])
					assert.True(t, made, "%s: %s\n%s\n%s", op.name, step, s.text, strings.Join(plan, "\n"))
				}
			}
		}
	}
}

// litePlan returns the steps of a statement's plan, such as "SEARCH r USING
// INDEX usher_scim_records_type (directory=? AND type=?)".
func litePlan(t *testing.T, db *sql.DB, s traceLine) (steps []string) {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+s.text, s.args...)
	require.NoError(t, err, s.text)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}
