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
// is one JSON argument of a statement: many arguments would cost more than the
// rest of the work.

// The statements of a write. ?1 is the directory, except in the first one, and
// ?2 is the ordinal of the record.
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
	liteAddMembers  = liteInsertMembers + ` DO NOTHING RETURNING member`
	liteShowMembers = liteInsertMembers + ` (grp, directory, member) DO UPDATE SET display = excluded.display
		WHERE excluded.display NOT IN ('', display)`
	liteInsertMembers = `INSERT INTO @members (directory, grp, member, member_type, display)
		SELECT ?1, ?2, r.ordinal, r.type, json_extract(j.value, '$.display')
			FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id') WHERE TRUE
		ON CONFLICT`
	liteKeepMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 AND member NOT IN (SELECT r.ordinal
		FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id')) RETURNING member`
	liteRemoveMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 AND member IN (SELECT r.ordinal
		FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = j.value) RETURNING member`
	liteDropMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 RETURNING member`
	liteDropGroups  = `DELETE FROM @members WHERE member = ?2 AND directory = ?1 RETURNING grp`
)

// liteStatements are prepared when the store is opened.
var liteStatements = []string{
	liteDraw, liteSetSeq, liteFind, liteCreate, liteUpdate, liteTouch, liteDelete, liteGone, liteKeys, liteAddKey, liteDropKey, liteDropKeys,
	liteMissing, liteAddMembers, liteShowMembers, liteKeepMembers, liteRemoveMembers, liteDropMembers, liteDropGroups,
}

// errUnchanged rolls back a write that changes nothing.
var errUnchanged = errors.New("nothing to write")

// A liteWriter is a transaction with exclusive access to the database.
type liteWriter struct {
	write
	tx  *sqldb.Tx
	dir int64 // id of the directory
	seq int64 // the sequence number of this write
	// moved lists the ordinals of the other records of memberships that began
	// or ended.
	moved []int64
}

// applyLite applies a write. It also returns how long it had exclusive access
// to the database.
func (s *Store) applyLite(ctx context.Context, wait sqldb.Wait, dir scim.Directory, w write) (rec scim.Record, held time.Duration, err error) {
	var locked time.Time
	err = s.db.WriteWithin(ctx, wait, func(tx *sqldb.Tx) error {
		t := &liteWriter{write: w, tx: tx}
		// The first statement takes the lock and assigns the sequence number.
		first := time.Now().UnixMicro()
		if _, err := tx.Get(ctx, liteDraw, []any{dir.Tenant, dir.Connection, first}, &t.dir, &t.seq); err != nil {
			return err
		}
		locked = time.Now()
		if rec, err = t.apply(ctx); err != nil {
			return err
		}
		return t.number(ctx, rec)
	})
	if !locked.IsZero() {
		held = time.Since(locked)
	}
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return rec, held, err
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
		shown, err := t.changeMembers(ctx, rec.Ordinal)
		if err != nil {
			return rec, err
		}
		changed = changed || shown || len(t.moved) > 0
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

// delete removes the record and its memberships on both sides.
func (t *liteWriter) delete(ctx context.Context, rec scim.Record) error {
	for _, query := range []string{liteDropMembers, liteDropGroups} {
		if err := t.move(ctx, query, t.dir, rec.Ordinal); err != nil {
			return err
		}
	}
	for _, query := range []string{liteDropKeys, liteDelete} {
		if _, err := t.tx.Exec(ctx, query, t.dir, rec.Ordinal); err != nil {
			return err
		}
	}
	_, err := t.tx.Exec(ctx, liteGone, t.dir, t.seq, rec.Type, rec.ID)
	return err
}

// move runs a statement that changes memberships, and adds the members to
// moved.
func (t *liteWriter) move(ctx context.Context, query string, args ...any) error {
	return t.tx.Each(ctx, query, args, func(rows *sql.Rows) error {
		t.moved = append(t.moved, 0)
		return rows.Scan(&t.moved[len(t.moved)-1])
	})
}

// number assigns the sequence numbers after the write's number to the records
// that joined or left.
func (t *liteWriter) number(ctx context.Context, rec scim.Record) error {
	last := t.seq
	for _, ordinal := range t.moved {
		if ordinal == rec.Ordinal {
			continue
		}
		last++
		if _, err := t.tx.Exec(ctx, liteTouch, t.dir, ordinal, last, fromTime(t.At)); err != nil {
			return err
		}
	}
	if last == t.seq {
		return nil
	}
	_, err := t.tx.Exec(ctx, liteSetSeq, t.dir, last)
	return err
}

// replaceKeys adds new keys and removes old ones. Most changes of a record do
// neither.
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

// addKeys adds keys that the record does not have. It returns ErrDuplicate if
// another record has a unique one.
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

// changeMembers changes the rows of a group and reports whether a display
// changed; move records which members joined or left. Except for Replace, the
// cost depends on the size of the change and not on that of the group.
func (t *liteWriter) changeMembers(ctx context.Context, group int64) (shown bool, err error) {
	if !t.Members.SkipUnknown {
		var missing string
		found, err := t.tx.Get(ctx, liteMissing, []any{t.dir, t.add}, &missing)
		if err != nil {
			return false, err
		}
		if found {
			return false, &scim.NoMemberError{ID: missing}
		}
	}
	if t.Members.Replace {
		err = t.move(ctx, liteKeepMembers, t.dir, group, t.add)
	}
	if err == nil && t.remove != none {
		err = t.move(ctx, liteRemoveMembers, t.dir, group, t.remove)
	}
	if err == nil && t.add != none {
		err = t.move(ctx, liteAddMembers, t.dir, group, t.add)
	}
	if err != nil || !t.shows {
		return false, err
	}
	rows, err := t.tx.Exec(ctx, liteShowMembers, t.dir, group, t.add)
	return rows > 0, err
}
