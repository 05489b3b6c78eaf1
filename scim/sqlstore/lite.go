package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// On SQLite a write is a transaction of prepared statements. A list of members
// goes to a statement as one JSON argument: binding many costs more than the
// rest of the work.

// The statements of a write. ?1 is the directory but in the first, and ?2 is
// the ordinal of the record.
const (
	liteDraw = `INSERT INTO @directories (tenant, connection, first, seq) VALUES (?1, ?2, ?3, ?3 + 1)
		ON CONFLICT (tenant, connection) DO UPDATE SET seq = seq + 1 RETURNING id, seq`
	liteSetSeq = `UPDATE @directories SET seq = ?2 WHERE id = ?1`

	liteFind   = `SELECT ` + columns + ` FROM @records r WHERE r.directory = ?1 AND r.id = ?2`
	liteCreate = `INSERT INTO @records (directory, ordinal, type, id, version, created, modified, display, doc)
		VALUES (?1, ?2, ?3, ?4, ?2, ?5, ?5, ?6, ?7) ON CONFLICT (directory, id) DO NOTHING`
	liteUpdate = `UPDATE @records SET version = ?3, modified = ?4, display = ?5, doc = ?6 WHERE directory = ?1 AND ordinal = ?2`
	liteTouch  = `UPDATE @records SET version = ?3, modified = ?4 WHERE directory = ?1 AND ordinal = ?2`
	liteDelete = `DELETE FROM @records WHERE directory = ?1 AND ordinal = ?2`
	liteGone   = `INSERT INTO @deletions (directory, version, type, id) VALUES (?1, ?2, ?3, ?4)`

	liteKeys     = `SELECT name, value, is_unique FROM @keys WHERE ordinal = ?2 AND directory = ?1`
	liteAddKey   = `INSERT INTO @keys (directory, ordinal, name, value, type, is_unique) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	liteDropKey  = `DELETE FROM @keys WHERE ordinal = ?2 AND directory = ?1 AND name = ?3 AND value = ?4`
	liteDropKeys = `DELETE FROM @keys WHERE ordinal = ?2 AND directory = ?1`

	liteMissing = `SELECT json_extract(j.value, '$.id') FROM json_each(?2) j
		WHERE NOT EXISTS (SELECT 1 FROM @records r WHERE r.directory = ?1 AND r.id = json_extract(j.value, '$.id')) LIMIT 1`
	liteAddMembers = `INSERT INTO @members (directory, grp, member, member_type, display)
		SELECT ?1, ?2, r.ordinal, r.type, json_extract(j.value, '$.display')
			FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id') WHERE TRUE
		ON CONFLICT (grp, directory, member) DO UPDATE SET display = excluded.display
			WHERE excluded.display <> '' AND excluded.display <> display`
	liteKeepMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 AND member NOT IN (SELECT r.ordinal
		FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id'))`
	liteRemoveMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 AND member IN (SELECT r.ordinal
		FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = j.value)`
	liteGroupsOf   = `SELECT grp FROM @members WHERE member = ?2 AND directory = ?1 AND grp <> ?2 ORDER BY grp`
	liteDropGroup  = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1`
	liteDropMember = `DELETE FROM @members WHERE member = ?2 AND directory = ?1`
)

// liteStatements are prepared when the store is opened.
var liteStatements = []string{
	liteDraw, liteSetSeq, liteFind, liteCreate, liteUpdate, liteTouch, liteDelete, liteGone, liteKeys, liteAddKey, liteDropKey, liteDropKeys,
	liteMissing, liteAddMembers, liteKeepMembers, liteRemoveMembers, liteGroupsOf, liteDropGroup, liteDropMember,
}

// errUnchanged rolls back a write that has nothing to write.
var errUnchanged = errors.New("nothing to write")

// A liteWriter is a transaction that has the database for itself.
type liteWriter struct {
	write
	tx  *sqldb.Tx
	dir int64 // id of the directory
	seq int64 // the sequence number of this write
}

func (s *Store) applyLite(ctx context.Context, wait sqldb.Wait, dir scim.Directory, w write) (rec scim.Record, err error) {
	err = s.db.WriteWithin(ctx, wait, func(tx *sqldb.Tx) error {
		t := &liteWriter{write: w, tx: tx}
		// Drawing the number is the first statement, which takes the lock.
		first := time.Now().UnixMicro()
		if _, err := tx.Get(ctx, liteDraw, []any{dir.Tenant, dir.Connection, first}, &t.dir, &t.seq); err != nil {
			return err
		}
		rec, err = t.apply(ctx)
		return err
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return rec, err
}

func (t *liteWriter) apply(ctx context.Context) (scim.Record, error) {
	if t.Op == scim.Create {
		return t.create(ctx)
	}
	rec, err := t.find(ctx)
	if err != nil {
		return rec, err
	}
	if t.IfVersion != 0 && t.IfVersion != rec.Version {
		return rec, scim.ErrConflict
	}
	if t.Op == scim.Delete {
		return rec, t.delete(ctx, rec)
	}
	return t.update(ctx, rec)
}

func (t *liteWriter) find(ctx context.Context) (scim.Record, error) {
	var rec scim.Record
	err := t.tx.Each(ctx, liteFind, []any{t.dir, t.Ref.ID}, func(rows *sql.Rows) (err error) {
		rec, err = scanRecord(rows)
		return err
	})
	if err == nil && (rec.ID == "" || rec.Type != t.Ref.Type) {
		err = scim.ErrNotFound
	}
	return rec, err
}

func (t *liteWriter) create(ctx context.Context) (scim.Record, error) {
	at := fromTime(t.At)
	rec := scim.Record{
		Ref: t.Ref, Version: t.seq, Ordinal: t.seq, Created: toTime(at), LastModified: toTime(at), Doc: t.Doc, Display: t.Display,
	}
	made, err := t.tx.Exec(ctx, liteCreate, t.dir, t.seq, t.Ref.Type, t.Ref.ID, at, t.Display, string(t.Doc))
	if err == nil && made == 0 {
		err = scim.ErrDuplicate
	}
	if err == nil {
		err = t.addKeys(ctx, rec, t.keys)
	}
	if err == nil && t.Members != nil {
		_, err = t.changeMembers(ctx, rec.Ordinal)
	}
	return rec, err
}

func (t *liteWriter) update(ctx context.Context, rec scim.Record) (scim.Record, error) {
	changed := t.Doc != nil
	if changed {
		if err := t.replaceKeys(ctx, rec); err != nil {
			return rec, err
		}
		rec.Doc, rec.Display = t.Doc, t.Display
	}
	if t.Members != nil {
		rows, err := t.changeMembers(ctx, rec.Ordinal)
		if err != nil {
			return rec, err
		}
		changed = changed || rows > 0
	}
	if !changed {
		return rec, errUnchanged
	}
	at := fromTime(t.At)
	rec.Version, rec.LastModified = t.seq, toTime(at)
	query, args := liteTouch, []any{t.dir, rec.Ordinal, t.seq, at}
	if t.Doc != nil {
		query, args = liteUpdate, append(args, rec.Display, string(rec.Doc))
	}
	_, err := t.tx.Exec(ctx, query, args...)
	return rec, err
}

// delete removes the record and its memberships on both sides. The record's
// end has the number of this write, and each group that it was in takes one of
// those that follow.
func (t *liteWriter) delete(ctx context.Context, rec scim.Record) error {
	var groups []int64
	err := t.tx.Each(ctx, liteGroupsOf, []any{t.dir, rec.Ordinal}, func(rows *sql.Rows) error {
		groups = append(groups, 0)
		return rows.Scan(&groups[len(groups)-1])
	})
	if err != nil {
		return err
	}
	last := t.seq
	for _, group := range groups {
		last++
		if _, err := t.tx.Exec(ctx, liteTouch, t.dir, group, last, fromTime(t.At)); err != nil {
			return err
		}
	}
	for _, query := range []string{liteDropGroup, liteDropMember, liteDropKeys, liteDelete} {
		if _, err := t.tx.Exec(ctx, query, t.dir, rec.Ordinal); err != nil {
			return err
		}
	}
	if _, err := t.tx.Exec(ctx, liteGone, t.dir, t.seq, rec.Type, rec.ID); err != nil {
		return err
	}
	_, err = t.tx.Exec(ctx, liteSetSeq, t.dir, last)
	return err
}

// replaceKeys writes the keys that are new and removes those that are gone,
// which most changes of a record have none of.
func (t *liteWriter) replaceKeys(ctx context.Context, rec scim.Record) error {
	have := make(map[scim.Key]bool)
	err := t.tx.Each(ctx, liteKeys, []any{t.dir, rec.Ordinal}, func(rows *sql.Rows) error {
		var key scim.Key
		err := rows.Scan(&key.Name, &key.Value, &key.Unique)
		have[key] = true
		return err
	})
	if err != nil {
		return err
	}
	var more []scim.Key
	for _, key := range t.keys {
		if !have[key] {
			more = append(more, key)
		}
		delete(have, key)
	}
	for key := range have {
		if _, err := t.tx.Exec(ctx, liteDropKey, t.dir, rec.Ordinal, key.Name, key.Value); err != nil {
			return err
		}
	}
	return t.addKeys(ctx, rec, more)
}

// addKeys writes keys that the record does not have. A unique one is not
// written if another record has it.
func (t *liteWriter) addKeys(ctx context.Context, rec scim.Record, keys []scim.Key) error {
	for _, key := range keys {
		made, err := t.tx.Exec(ctx, liteAddKey, t.dir, rec.Ordinal, key.Name, key.Value, rec.Type, key.Unique)
		if err != nil {
			return err
		}
		if made == 0 {
			return scim.ErrDuplicate
		}
	}
	return nil
}

// changeMembers changes the rows of a group and returns how many it changed.
// But for Replace, its cost is that of the change, whatever the group holds.
// Of those that stay only a text that differs is a change.
func (t *liteWriter) changeMembers(ctx context.Context, group int64) (changed int64, err error) {
	var missing string
	found, err := t.tx.Get(ctx, liteMissing, []any{t.dir, t.add}, &missing)
	if err != nil {
		return 0, err
	}
	if found {
		return 0, &scim.NoMemberError{ID: missing}
	}
	for _, step := range []struct {
		wanted bool
		query  string
		list   string
	}{
		{t.Members.Replace, liteKeepMembers, t.add},
		{t.remove != none, liteRemoveMembers, t.remove},
		{t.add != none, liteAddMembers, t.add},
	} {
		if !step.wanted {
			continue
		}
		rows, err := t.tx.Exec(ctx, step.query, t.dir, group, step.list)
		if err != nil {
			return 0, err
		}
		changed += rows
	}
	return changed, nil
}
