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

	liteFind   = `SELECT ` + columns + ` FROM @records r` + liteVersionOf + ` WHERE r.directory = ?1 AND r.id = ?2`
	liteCreate = `INSERT INTO @records (directory, ordinal, type, id, created, display, doc)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (directory, id) DO NOTHING`
	liteUpdate  = `UPDATE @records SET display = ?3, doc = ?4 WHERE directory = ?1 AND ordinal = ?2`
	liteDelete  = `DELETE FROM @records WHERE directory = ?1 AND ordinal = ?2`
	liteVersion = `INSERT INTO @versions (ordinal, directory, version, modified) VALUES (?2, ?1, ?3, ?4)
		ON CONFLICT (ordinal, directory) DO UPDATE SET version = excluded.version, modified = excluded.modified`
	// liteMoved numbers records. ?2 is the number of the first in the list.
	liteMoved = `INSERT INTO @versions (ordinal, directory, version, modified)
		SELECT json_extract(j.value, '$[0]') AS moved, ?1, ?2 + j.key, ?3 FROM json_each(?4) j WHERE moved <> ?5
		ON CONFLICT (ordinal, directory) DO UPDATE SET version = excluded.version, modified = excluded.modified`
	liteForget = `DELETE FROM @versions WHERE ordinal = ?2 AND directory = ?1`
	liteGone   = `INSERT INTO @deletions (directory, version, type, id) VALUES (?1, ?2, ?3, ?4)`

	liteKeys     = `SELECT name, value, is_unique FROM @keys WHERE ordinal = ?2 AND directory = ?1`
	liteAddKey   = `INSERT INTO @keys (directory, ordinal, name, value, type, is_unique) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	liteDropKey  = `DELETE FROM @keys WHERE ordinal = ?2 AND directory = ?1 AND name = ?3 AND value = ?4`
	liteDropKeys = `DELETE FROM @keys WHERE ordinal = ?2 AND directory = ?1`

	// These list who joins or leaves, in the order of the ordinals. The rows
	// begin with the ordinal; those of members have the type, and those of new
	// members the display. liteAdded also lists the ordinals of all, and the
	// first ID that no record has.
	liteRemoved = `SELECT json_group_array(json_array(a.member, a.member_type)), COUNT(*) FROM (SELECT m.member, m.member_type
		FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = j.value
		CROSS JOIN @members m ON m.grp = ?2 AND m.directory = ?1 AND m.member = r.ordinal ORDER BY m.member) a`
	liteOthers = `SELECT json_group_array(json_array(a.member, a.member_type)), COUNT(*) FROM (SELECT member, member_type
		FROM @members WHERE grp = ?2 AND directory = ?1 AND member NOT IN (SELECT value FROM json_each(?3)) ORDER BY member) a`
	liteAdded = `SELECT json_group_array(json_array(a.ordinal, a.type, a.display)) FILTER (WHERE a.new), COUNT(*) FILTER (WHERE a.new),
		json_group_array(a.ordinal) FILTER (WHERE a.ordinal IS NOT NULL), json_extract(?3, '$[' || MIN(a.key) FILTER (WHERE a.ordinal IS NULL) || '].id')
		FROM (SELECT j.key, json_extract(j.value, '$.display') AS display, r.ordinal, r.type,
				r.ordinal IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @members m WHERE m.grp = ?2 AND m.directory = ?1 AND m.member = r.ordinal) AS new
			FROM json_each(?3) j LEFT JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id') ORDER BY r.ordinal) a`
	liteGroups = `SELECT json_group_array(json_array(a.grp)), COUNT(*) FROM (SELECT grp FROM @members WHERE member = ?2 AND directory = ?1 ORDER BY grp) a`

	liteAddMembers = `INSERT INTO @members (directory, grp, member, member_type, display)
		SELECT ?1, ?2, json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]') FROM json_each(?3) j`
	liteShowMembers = `INSERT INTO @members (directory, grp, member, member_type, display)
		SELECT ?1, ?2, r.ordinal, r.type, json_extract(j.value, '$.display')
			FROM json_each(?3) j CROSS JOIN @records r ON r.directory = ?1 AND r.id = json_extract(j.value, '$.id') WHERE TRUE
		ON CONFLICT (grp, directory, member) DO UPDATE SET display = excluded.display WHERE excluded.display NOT IN ('', display)`
	liteRemoveMembers = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1 AND member IN (SELECT json_extract(value, '$[0]') FROM json_each(?3))`
	liteDropMembers   = `DELETE FROM @members WHERE grp = ?2 AND directory = ?1`
	liteDropGroups    = `DELETE FROM @members WHERE member = ?2 AND directory = ?1`

	// The statements count members, and not a trigger: with a trigger, SQLite
	// deletes rows one by one, at three times the cost.
	liteCount = `INSERT INTO @totals (directory, grp, type, total)
		SELECT ?1, ?2, json_extract(value, '$[1]') AS counted, ?4 * COUNT(*) FROM json_each(?3) GROUP BY counted
		ON CONFLICT (directory, grp, type) DO UPDATE SET total = total + excluded.total`
	liteUncount = `UPDATE @totals SET total = total - 1
		WHERE directory = ?1 AND grp IN (SELECT json_extract(value, '$[0]') FROM json_each(?3)) AND type = ?2`
)

// liteStatements are prepared when the store is opened.
var liteStatements = []string{
	liteDraw, liteSetSeq, liteFind, liteCreate, liteUpdate, liteDelete, liteVersion, liteMoved, liteForget, liteGone, liteKeys, liteAddKey, liteDropKey, liteDropKeys,
	liteRemoved, liteOthers, liteAdded, liteGroups, liteAddMembers, liteShowMembers, liteRemoveMembers, liteDropMembers, liteDropGroups,
	liteCount, liteUncount,
}

// errUnchanged rolls back a write that changes nothing.
var errUnchanged = errors.New("nothing to write")

// A liteWriter is a transaction with exclusive access to the database.
type liteWriter struct {
	write
	tx  *sqldb.Tx
	dir int64 // id of the directory
	seq int64 // the sequence number of this write
	// moved has the other records of memberships that began or ended.
	moved []movedList
}

// A movedList is a list in JSON of n rows that begin with an ordinal.
type movedList struct {
	rows string
	n    int64
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
		_, err = t.tx.Exec(ctx, liteVersion, t.dir, rec.Ordinal, rec.Version, at)
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
		moved, err := t.changeMembers(ctx, rec.Ordinal)
		if err != nil {
			return rec, err
		}
		changed = changed || moved
	}
	if !changed {
		return rec, errUnchanged
	}
	at := fromTime(t.At)
	rec.Version, rec.LastModified = t.seq, toTime(at)
	_, err := t.tx.Exec(ctx, liteVersion, t.dir, rec.Ordinal, rec.Version, at)
	if err == nil && t.Doc != nil {
		_, err = t.tx.Exec(ctx, liteUpdate, t.dir, rec.Ordinal, rec.Display, string(rec.Doc))
	}
	return rec, err
}

// delete removes the record and its memberships on both sides.
func (t *liteWriter) delete(ctx context.Context, rec scim.Record) error {
	members, err := t.move(ctx, liteOthers, t.dir, rec.Ordinal, none)
	if err == nil && members.n > 0 {
		_, err = t.tx.Exec(ctx, liteDropMembers, t.dir, rec.Ordinal)
	}
	if err != nil {
		return err
	}
	groups, err := t.move(ctx, liteGroups, t.dir, rec.Ordinal)
	if err != nil {
		return err
	}
	if groups.n > 0 {
		if _, err := t.tx.Exec(ctx, liteUncount, t.dir, rec.Type, groups.rows); err != nil {
			return err
		}
		if _, err := t.tx.Exec(ctx, liteDropGroups, t.dir, rec.Ordinal); err != nil {
			return err
		}
	}
	for _, query := range []string{liteDropKeys, liteForget, liteDelete} {
		if _, err := t.tx.Exec(ctx, query, t.dir, rec.Ordinal); err != nil {
			return err
		}
	}
	_, err = t.tx.Exec(ctx, liteGone, t.dir, t.seq, rec.Type, rec.ID)
	return err
}

// move reads a list of records that join or leave, and adds it to moved.
func (t *liteWriter) move(ctx context.Context, query string, args ...any) (movedList, error) {
	var l movedList
	_, err := t.tx.Get(ctx, query, args, &l.rows, &l.n)
	if l.n > 0 {
		t.moved = append(t.moved, l)
	}
	return l, err
}

// number assigns the sequence numbers after the write's number to the records
// that joined or left.
func (t *liteWriter) number(ctx context.Context, rec scim.Record) error {
	last := t.seq
	for _, l := range t.moved {
		if _, err := t.tx.Exec(ctx, liteMoved, t.dir, last+1, fromTime(t.At), l.rows, rec.Ordinal); err != nil {
			return err
		}
		last += l.n
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

// changeMembers changes the rows of a group and reports whether a row changed;
// moved records which members joined or left. Except for Replace, the cost
// depends on the size of the change and not on that of the group.
func (t *liteWriter) changeMembers(ctx context.Context, group int64) (changed bool, err error) {
	if t.remove != none {
		if err := t.leave(ctx, group, liteRemoved, t.remove, liteRemoveMembers); err != nil {
			return false, err
		}
	}
	present := none // the ordinals of the members to add
	if t.add != none {
		var joined movedList
		var missing sql.NullString
		if _, err := t.tx.Get(ctx, liteAdded, []any{t.dir, group, t.add}, &joined.rows, &joined.n, &present, &missing); err != nil {
			return false, err
		}
		if missing.Valid && !t.Members.SkipUnknown {
			return false, &scim.NoMemberError{ID: missing.String}
		}
		if joined.n > 0 {
			t.moved = append(t.moved, joined)
			if err := t.change(ctx, group, liteAddMembers, joined, 1); err != nil {
				return false, err
			}
		}
	}
	if t.Members.Replace {
		remove := liteRemoveMembers
		if t.add == none { // all leave
			remove = liteDropMembers
		}
		if err := t.leave(ctx, group, liteOthers, present, remove); err != nil {
			return false, err
		}
	}
	changed = len(t.moved) > 0
	if !t.shows {
		return changed, nil
	}
	rows, err := t.tx.Exec(ctx, liteShowMembers, t.dir, group, t.add)
	return changed || rows > 0, err
}

// leave removes the members that a query lists for ids or ordinals.
func (t *liteWriter) leave(ctx context.Context, group int64, query, list, remove string) error {
	left, err := t.move(ctx, query, t.dir, group, list)
	if err != nil || left.n == 0 {
		return err
	}
	return t.change(ctx, group, remove, left, -1)
}

// change adds or removes the listed members and counts them.
func (t *liteWriter) change(ctx context.Context, group int64, query string, l movedList, sign int) error {
	args := []any{t.dir, group, l.rows}
	if _, err := t.tx.Exec(ctx, query, args...); err != nil {
		return err
	}
	_, err := t.tx.Exec(ctx, liteCount, append(args, sign)...)
	return err
}
