package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// findBy has, for each kind of key, the condition on a member m that has the key
// j.value. Its arguments are the connection, if the key has one, and the tenant.
var findBy = map[provisioning.MemberKeyKind]string{
	provisioning.MemberByID: `m.id = j.value AND m.tenant = ?`,
	provisioning.MemberByExternalID: `m.external_id = j.value AND m.connection = ? AND m.tenant || '' = ?
		AND m.managed AND m.external_id <> ''`,
	provisioning.MemberByEmail:      `m.email_key = j.value AND m.tenant || '' = ?`,
	provisioning.MemberBySubject:    `m.subject = j.value AND m.tenant || '' = ? AND m.subject <> ''`,
	provisioning.MemberByName:       `m.name_key = j.value AND m.tenant || '' = ?`,
	provisioning.MemberByManager:    `m.manager_id = j.value AND m.tenant || '' = ?`,
	provisioning.MemberByRecordedBy: `m.recorded_by = j.value AND m.tenant || '' = ?`,
}

// findSizes are the numbers of values for which SQLite has a statement. If there
// are fewer values, the others are NULL; so only few statements are prepared. A
// statement of PostgreSQL takes any number of values.
var findSizes = []int{1, 8, 64}

// A finder identifies a statement that searches for values of one kind of key.
type finder struct {
	by   provisioning.MemberKeyKind
	size int // one of findSizes; 0 for any number
}

// finders are the statements. Each searches the table once for each value.
var finders = func() map[finder]string {
	queries := make(map[finder]string)
	for by, condition := range findBy {
		queries[finder{by, 0}] = `SELECT ` + memberFields("m.") + ` FROM unnest(CAST(? AS TEXT[])) AS j(value)
			CROSS JOIN LATERAL (SELECT m.* FROM @members m WHERE ` + condition + ` OFFSET 0) m LIMIT ?`
		for _, size := range findSizes {
			queries[finder{by, size}] = `WITH j(value) AS (VALUES ` + sqldb.Marks("(?)", size) + `)
				SELECT ` + memberFields("m.") + ` FROM j CROSS JOIN @members m WHERE ` + condition + ` LIMIT ?`
		}
	}
	return queries
}()

// A keySet identifies the keys of one kind, and of one connection if they have one.
type keySet struct {
	by         provisioning.MemberKeyKind
	connection string
}

// keySets returns the values of keys, by keySet, each once. It leaves out keys that
// no member can have.
func keySets(keys []provisioning.MemberKey) map[keySet][]string {
	sets := make(map[keySet][]string)
	for _, key := range keys {
		if _, known := findBy[key.By]; known && key.Value != "" && (key.Connection == "" || key.By == provisioning.MemberByExternalID) {
			set := keySet{key.By, key.Connection}
			sets[set] = append(sets[set], key.Value)
		}
	}
	for set, values := range sets {
		slices.Sort(values)
		sets[set] = slices.Compact(values)
	}
	return sets
}

// FindMembers implements provisioning.Finder. All members come from one state of
// the database.
func (s *Store) FindMembers(ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
	if limit < 0 {
		limit = math.MaxInt
	}
	found, err := s.findMembers(ctx, s.searches(tenant, keySets(keys), limit), limit)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: find members: %w", err)
	}
	return found, nil
}

func (s *Store) findMembers(ctx context.Context, searches []search, limit int) (found []provisioning.Member, err error) {
	for _, one := range searches {
		if err := s.db.Keep(ctx, one.query); err != nil {
			return nil, err
		}
	}
	err = s.read(ctx, func(tx *sqldb.Tx) error {
		seen := make(map[string]bool)
		reader := newMemberReader()
		for _, one := range searches {
			if len(found) >= limit {
				return nil
			}
			if err := tx.Each(ctx, one.query, one.args, func(rows *sql.Rows) error {
				m, err := reader.read(rows)
				if err == nil && !seen[m.ID] {
					seen[m.ID] = true
					found = append(found, m)
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// A search is a statement that finds members, with its arguments.
type search struct {
	query string
	args  []any
}

// searches returns the searches for sets of keys.
func (s *Store) searches(tenant string, sets map[keySet][]string, limit int) []search {
	var all []search
	for set, values := range sets {
		for len(values) > 0 {
			find, n := finder{by: set.by}, len(values)
			var args []any
			if s.dialect == PostgreSQL {
				args = append(args, literal(storable(values)))
			} else {
				size, _ := slices.BinarySearch(findSizes, n)
				find.size = findSizes[min(size, len(findSizes)-1)]
				n = min(n, find.size)
				args = make([]any, find.size)
				for i, value := range values[:n] {
					args[i] = value
				}
			}
			values = values[n:]
			if set.by == provisioning.MemberByExternalID {
				args = append(args, set.connection)
			}
			all = append(all, search{finders[find], append(args, tenant, limit)})
		}
	}
	return all
}

// The kinds of counters: the people of a connection, the holders of a seat, and the
// members with a role.
const (
	countPeople = "people"
	countSeat   = "seat"
	countRole   = "role"
)

// roleName is the name of a role's counter: a JSON list of workspace and
// profile.
func roleName(role provisioning.Role) string {
	text, _ := json.Marshal([2]string{role.Workspace, role.Profile}) // strings never fail
	return string(text)
}

func parseRole(name string) (provisioning.Role, error) {
	var role [2]string
	err := json.Unmarshal([]byte(name), &role)
	return provisioning.Role{Workspace: role[0], Profile: role[1]}, err
}

const readCounts = `SELECT kind, name, n FROM @counts WHERE tenant = ? AND n <> 0`

// Count implements provisioning.Finder.
func (s *Store) Count(ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
	counts := provisioning.Counts{Seats: make(map[string]int), Roles: make(map[provisioning.Role]int)}
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		return tx.Each(ctx, readCounts, []any{tenant}, func(rows *sql.Rows) error {
			var t tally
			err := rows.Scan(&t.kind, &t.name, &t.n)
			switch {
			case err != nil:
			case t.kind == countSeat:
				counts.Seats[t.name] = int(t.n)
			case t.kind == countRole:
				var role provisioning.Role
				role, err = parseRole(t.name)
				counts.Roles[role] = int(t.n)
			case t.kind == countPeople && t.name == connection:
				counts.Population = int(t.n)
			}
			return err
		})
	})
	if err != nil {
		return provisioning.Counts{}, fmt.Errorf("sqlstore: count: %w", err)
	}
	return counts, nil
}

// A tally is an amount that is added to a counter.
type tally struct {
	kind, name string
	n          int64
}

// sums collects tallies, by kind and name.
type sums map[[2]string]int64

// add adds n times what a member contributes to each counter.
func (s sums) add(m *provisioning.Member, n int64) {
	counted := m.Counted(m.Connection)
	if counted.Population != 0 {
		s[[2]string{countPeople, m.Connection}] += n * int64(counted.Population)
	}
	for seat, held := range counted.Seats {
		s[[2]string{countSeat, seat}] += n * int64(held)
	}
	for role, held := range counted.Roles {
		s[[2]string{countRole, roleName(role)}] += n * int64(held)
	}
}

// tallies returns the sums that are not 0, sorted.
func (s sums) tallies() []tally {
	var all []tally
	for _, counter := range slices.SortedFunc(maps.Keys(s), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if n := s[counter]; n != 0 {
			all = append(all, tally{counter[0], counter[1], n})
		}
	}
	return all
}

// tallies returns what writing the rows adds to the counters.
func (w *writer) tallies(rows []*row) []tally {
	sum := make(sums)
	for _, r := range rows {
		if before := w.members[r.member.ID]; before != nil {
			sum.add(before, -1)
		}
		after := w.after(r)
		sum.add(&after, 1)
	}
	return sum.tallies()
}

// Parts of the statements that add to counters.
const (
	insertCount = `INSERT INTO @counts (tenant, kind, name, n) `
	orAddCount  = ` ON CONFLICT (tenant, kind, name) DO UPDATE SET n = @counts.n + excluded.n`
)
