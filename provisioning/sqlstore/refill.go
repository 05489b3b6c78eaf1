package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// filledVersion is the latest version of the tables that needs refill. Later
// versions add nothing that has to be filled in.
const filledVersion = 4

// refill computes what the tables of an earlier version do not have: the keys of
// members, the counters, and the connection of each plan of everybody.
func refill(ctx context.Context, tx *sqldb.Tx) error {
	var version int
	if _, err := tx.Get(ctx, `SELECT version FROM @schema`, nil, &version); err != nil || version >= filledVersion {
		return err
	}
	var byTenant []string
	if err := tx.Each(ctx, `SELECT tenant FROM @tenants`, nil, func(rows *sql.Rows) error {
		var tenant string
		err := rows.Scan(&tenant)
		byTenant = append(byTenant, tenant)
		return err
	}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM @counts`); err != nil {
		return err
	}
	for _, tenant := range byTenant {
		if err := refillMembers(ctx, tx, tenant); err != nil {
			return err
		}
	}
	return refillPlans(ctx, tx)
}

// refillSize is the number of members in a page.
const refillSize = 1000

// refillMembers writes the keys and the counters of a tenant. The rule for
// addresses may have changed, so that two members have the same address key now.
// Both members are kept, and only one is found by the key: the member who had it
// before, if one had it.
func refillMembers(ctx context.Context, tx *sqldb.Tx, tenant string) error {
	query := `SELECT ` + memberFields("m.") + ` FROM @members m WHERE m.tenant = ? AND m.id > ? ORDER BY m.id LIMIT ?`
	sum := make(sums)
	for after := ""; ; {
		var page []provisioning.Member
		reader := newMemberReader()
		if err := tx.Each(ctx, query, []any{tenant, after, refillSize}, func(rows *sql.Rows) error {
			m, err := reader.read(rows)
			page = append(page, m)
			return err
		}); err != nil {
			return err
		}
		for i := range page {
			m := &page[i]
			sum.add(m, 1)
			if err := refillKeys(ctx, tx, tenant, m); err != nil {
				return fmt.Errorf("member %s: %w", m.ID, err)
			}
		}
		if len(page) < refillSize {
			break
		}
		after = page[len(page)-1].ID
	}
	for _, t := range sum.tallies() {
		if _, err := tx.Exec(ctx, insertCount+`VALUES (?, ?, ?, ?)`, tenant, t.kind, t.name, t.n); err != nil {
			return err
		}
	}
	return nil
}

func refillKeys(ctx context.Context, tx *sqldb.Tx, tenant string, m *provisioning.Member) error {
	keys := keyValues(m)
	var taken string
	const holder = `SELECT m.id FROM @members m WHERE m.email_key = ? AND m.tenant || '' = ? AND m.id <> ?`
	found, err := tx.Get(ctx, holder, []any{keys[emailColumn], tenant, m.ID}, &taken)
	if err != nil {
		return err
	}
	if found {
		keys[emailColumn] = nil
	}
	for i, c := range keyColumns {
		if _, err := tx.Exec(ctx, `UPDATE @members SET `+c.name+` = ? WHERE tenant = ? AND id = ?`, keys[i], tenant, m.ID); err != nil {
			return err
		}
	}
	return nil
}

// refillPlans writes the connection of each plan of everybody, and numbers all
// plans in the order in which they were saved. The numbers are smaller than those
// of plans that are saved later.
func refillPlans(ctx context.Context, tx *sqldb.Tx) error {
	var keys [][2]string
	if err := tx.Each(ctx, `SELECT tenant, hash FROM @plans ORDER BY saved_at, tenant, hash`, nil, func(rows *sql.Rows) error {
		var key [2]string
		err := rows.Scan(&key[0], &key[1])
		keys = append(keys, key)
		return err
	}); err != nil {
		return err
	}
	for i, key := range keys {
		var text []byte
		if _, err := tx.Get(ctx, `SELECT plan FROM @plans WHERE tenant = ? AND hash = ?`, []any{key[0], key[1]}, &text); err != nil {
			return err
		}
		var plan struct {
			Connection string   `json:"connection"`
			About      []string `json:"about"`
		}
		text, err := decompress(text)
		if err == nil {
			err = json.Unmarshal(text, &plan)
		}
		if err != nil || plan.About != nil { // a plan that cannot be read cannot be applied
			plan.Connection = ""
		}
		const query = `UPDATE @plans SET connection = ?, saved = ? WHERE tenant = ? AND hash = ?`
		if _, err := tx.Exec(ctx, query, plan.Connection, i-len(keys), key[0], key[1]); err != nil {
			return err
		}
	}
	return nil
}
