package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// findBy are the conditions on a member m whose key of a kind is in a list.
// Arguments that follow the list are the connection, if the key has one, and
// the tenant.
var findBy = map[provisioning.MemberKeyKind][2]string{
	provisioning.MemberByID: {`m.id IN (`, `) AND m.tenant = ?`},
	provisioning.MemberByExternalID: {`m.external_id IN (`,
		`) AND m.connection = ? AND m.tenant || '' = ? AND m.managed AND m.external_id <> ''`},
	provisioning.MemberByEmail:      {`m.email_key IN (`, `) AND m.tenant || '' = ?`},
	provisioning.MemberByName:       {`m.name_key IN (`, `) AND m.tenant || '' = ?`},
	provisioning.MemberByManager:    {`m.manager_id IN (`, `) AND m.tenant || '' = ?`},
	provisioning.MemberByRecordedBy: {`m.recorded_by IN (`, `) AND m.tenant || '' = ?`},
}

// findSizes are how many values a statement looks for. The last one is repeated
// where there are fewer, so that the statements are few.
var findSizes = []int{1, 8, 64}

// A findStatement looks for values of one kind of key.
type findStatement struct {
	by   provisioning.MemberKeyKind
	size int
}

var findQueries = func() map[findStatement]string {
	queries := make(map[findStatement]string)
	for by, condition := range findBy {
		for _, size := range findSizes {
			queries[findStatement{by, size}] = `SELECT ` + memberFields("m.") + ` FROM @members m WHERE ` +
				condition[0] + sqldb.Marks("?", size) + condition[1] + ` LIMIT ?`
		}
	}
	return queries
}()

// A keySet are the keys of one kind, and of one connection if they have one.
type keySet struct {
	by         provisioning.MemberKeyKind
	connection string
}

// keySets returns the values of keys, each once. What no member can have is left
// out.
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

// FindMembers implements provisioning.Finder. The members are of one state.
func (s *Store) FindMembers(ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
	if limit < 0 {
		limit = math.MaxInt
	}
	var found []provisioning.Member
	sets := keySets(keys)
	if err := s.keepFinders(ctx, sets); err != nil {
		return nil, fmt.Errorf("sqlstore: find members: %w", err)
	}
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		seen := make(map[string]bool)
		reader := newMemberReader()
		for set, values := range sets {
			for len(values) > 0 && len(found) < limit {
				query, args := set.next(&values, tenant, limit)
				if err := tx.Each(ctx, query, args, func(rows *sql.Rows) error {
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
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: find members: %w", err)
	}
	return found, nil
}

// findSize returns how many values the statement for n values looks for.
func findSize(n int) int {
	for _, size := range findSizes {
		if n <= size {
			return size
		}
	}
	return findSizes[len(findSizes)-1]
}

// next returns the statement and the arguments that look for the next values,
// and takes these off.
func (set keySet) next(values *[]string, tenant string, limit int) (string, []any) {
	size := findSize(len(*values))
	args := make([]any, 0, size+3)
	for i := range size {
		args = append(args, (*values)[min(i, len(*values)-1)])
	}
	*values = (*values)[min(size, len(*values)):]
	if set.by == provisioning.MemberByExternalID {
		args = append(args, set.connection)
	}
	return findQueries[findStatement{set.by, size}], append(args, tenant, limit)
}

// keepFinders has the statements prepared that look for sets of keys.
func (s *Store) keepFinders(ctx context.Context, sets map[keySet][]string) error {
	for set, values := range sets {
		sizes := []int{findSize(len(values))}
		if largest := findSizes[len(findSizes)-1]; len(values) > largest {
			sizes = append(sizes, findSize(len(values)%largest))
		}
		for _, size := range sizes {
			if err := s.db.Keep(ctx, findQueries[findStatement{set.by, size}]); err != nil {
				return err
			}
		}
	}
	return nil
}

// The kinds of counters: the population of a connection, and who holds a seat.
const (
	countPeople = "people"
	countSeat   = "seat"
)

// Count implements provisioning.Finder.
func (s *Store) Count(ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
	counts := provisioning.Counts{Seats: make(map[string]int)}
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT kind, name, n FROM @counts WHERE tenant = ? AND n <> 0`
		return tx.Each(ctx, query, []any{tenant}, func(rows *sql.Rows) error {
			var t tally
			err := rows.Scan(&t.kind, &t.name, &t.n)
			switch {
			case t.kind == countSeat:
				counts.Seats[t.name] = int(t.n)
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

// A tally is what is added to a counter.
type tally struct {
	kind, name string
	n          int64
}

// sums collect tallies, by kind and name.
type sums map[[2]string]int64

// add adds what a member counts, times n.
func (s sums) add(m *provisioning.Member, n int64) {
	counted := m.Counted(m.Connection)
	if counted.Population != 0 {
		s[[2]string{countPeople, m.Connection}] += n * int64(counted.Population)
	}
	for seat, held := range counted.Seats {
		s[[2]string{countSeat, seat}] += n * int64(held)
	}
}

// tallies returns what is to be added.
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

// How counters are written.
const (
	insertCount = `INSERT INTO @counts (tenant, kind, name, n) `
	orAddCount  = ` ON CONFLICT (tenant, kind, name) DO UPDATE SET n = @counts.n + excluded.n`
)
