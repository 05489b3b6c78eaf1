package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// A membership is a row to be.
type membership struct {
	ordinal int64 // the member's
	typ     string
	display string
}

// changeMembers changes the rows of a group and reports whether any changed.
// But for Replace, its cost is that of the change, whatever the group holds.
func (t *writer) changeMembers(ctx context.Context, rec scim.Record, c *scim.MemberChange) (changed bool, err error) {
	if c == nil {
		return false, nil
	}
	if rec.Type != scim.TypeGroup {
		return false, fmt.Errorf("a %s cannot have members, only a %s", rec.Type, scim.TypeGroup)
	}
	group := rec.Ordinal
	add, err := t.resolve(ctx, c.Add)
	if err != nil {
		return false, err
	}
	var rows int64
	if c.Replace {
		if rows, err = t.keepOnly(ctx, group, add); err != nil {
			return false, err
		}
		changed = rows > 0
	}
	if rows, err = t.removeIDs(ctx, group, c.Remove); err != nil {
		return false, err
	}
	changed = changed || rows > 0
	if rows, err = t.addMembers(ctx, group, add); err != nil {
		return false, err
	}
	return changed || rows > 0, nil
}

// resolve finds the records to add, each once.
func (t *writer) resolve(ctx context.Context, links []scim.Link) ([]membership, error) {
	displays := make(map[string]string, len(links))
	var ids []any
	for _, link := range links {
		if !isText(link.ID) {
			return nil, &scim.NoMemberError{ID: link.ID}
		}
		display, listed := displays[link.ID]
		if !listed {
			ids = append(ids, link.ID)
		}
		if link.Display != "" {
			display = link.Display
		}
		displays[link.ID] = display
	}
	found, err := t.lookUp(ctx, ids)
	if err != nil {
		return nil, err
	}
	add := make([]membership, 0, len(ids))
	for _, id := range ids {
		m, ok := found[id.(string)]
		if !ok {
			return nil, &scim.NoMemberError{ID: id.(string)}
		}
		m.display = displays[id.(string)]
		add = append(add, m)
	}
	return add, nil
}

// lookUp finds records by their IDs.
func (t *writer) lookUp(ctx context.Context, ids []any) (map[string]membership, error) {
	found := make(map[string]membership, len(ids))
	for some := range slices.Chunk(ids, batch) {
		query := `SELECT id, ordinal, type FROM @records WHERE directory = ? AND id IN (` + sqldb.Marks("?", len(some)) + `)`
		err := t.tx.Each(ctx, query, append([]any{t.dir}, some...), func(rows *sql.Rows) error {
			var id string
			var m membership
			err := rows.Scan(&id, &m.ordinal, &m.typ)
			found[id] = m
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// keepOnly removes the members that are not among keep. Those that stay are
// not touched, so that only a difference counts as a change.
func (t *writer) keepOnly(ctx context.Context, group int64, keep []membership) (removed int64, err error) {
	if len(keep) == 0 {
		return t.tx.Exec(ctx, `DELETE FROM @members WHERE directory = ? AND grp = ?`, t.dir, group)
	}
	stay := make(map[int64]bool, len(keep))
	for _, m := range keep {
		stay[m.ordinal] = true
	}
	var gone []any
	const query = `SELECT member FROM @members WHERE directory = ? AND grp = ?`
	err = t.tx.Each(ctx, query, []any{t.dir, group}, func(rows *sql.Rows) error {
		var member int64
		err := rows.Scan(&member)
		if !stay[member] {
			gone = append(gone, member)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return t.removeMembers(ctx, group, gone)
}

// removeIDs removes members by their ID; who is none is passed over.
func (t *writer) removeIDs(ctx context.Context, group int64, ids []string) (removed int64, err error) {
	asked := make([]any, 0, len(ids))
	for _, id := range ids {
		if isText(id) {
			asked = append(asked, id)
		}
	}
	found, err := t.lookUp(ctx, asked)
	if err != nil {
		return 0, err
	}
	gone := make([]any, 0, len(found))
	for _, m := range found {
		gone = append(gone, m.ordinal)
	}
	return t.removeMembers(ctx, group, gone)
}

func (t *writer) removeMembers(ctx context.Context, group int64, gone []any) (removed int64, err error) {
	for some := range slices.Chunk(gone, batch) {
		rows, err := t.tx.Exec(ctx, `DELETE FROM @members WHERE directory = ? AND grp = ? AND member IN (`+
			sqldb.Marks("?", len(some))+`)`, append([]any{t.dir, group}, some...)...)
		if err != nil {
			return 0, err
		}
		removed += rows
	}
	return removed, nil
}

// addMembers adds members; of those that are there it changes what differs.
func (t *writer) addMembers(ctx context.Context, group int64, add []membership) (changed int64, err error) {
	for some := range slices.Chunk(add, batch) {
		args := make([]any, 0, 5*len(some))
		for _, m := range some {
			args = append(args, t.dir, group, m.ordinal, m.typ, m.display)
		}
		rows, err := t.tx.Exec(ctx, `INSERT INTO @members (directory, grp, member, member_type, display) VALUES `+
			sqldb.Marks("(?, ?, ?, ?, ?)", len(some))+` ON CONFLICT (directory, grp, member)
			DO UPDATE SET display = excluded.display WHERE excluded.display <> '' AND excluded.display <> @members.display`, args...)
		if err != nil {
			return 0, err
		}
		changed += rows
	}
	return changed, nil
}
