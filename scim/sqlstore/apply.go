package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// errUnchanged rolls back a write that has nothing to write.
var errUnchanged = errors.New("nothing to write")

// A writer is a transaction that has a directory for itself.
type writer struct {
	tx  *sqldb.Tx
	dir int64 // id of the directory
	seq int64 // the sequence number of this write
}

// Apply implements scim.Store.
func (s *Store) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	done, err := s.turns.take(ctx, dir)
	if err != nil {
		return scim.Record{}, fail("apply", err)
	}
	defer done()
	var rec scim.Record
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		// Drawing the number locks the directory's row, so that the next writer
		// waits here until this one is done.
		const draw = `INSERT INTO @directories (tenant, connection, first, seq) VALUES (?, ?, ?, ?)
			ON CONFLICT (tenant, connection) DO UPDATE SET seq = @directories.seq + 1 RETURNING id, seq`
		t := &writer{tx: tx}
		first := time.Now().UnixMicro()
		if _, err := tx.Get(ctx, draw, []any{dir.Tenant, dir.Connection, first, first + 1}, &t.dir, &t.seq); err != nil {
			return err
		}
		var err error
		rec, err = t.apply(ctx, w)
		return err
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return scim.Record{}, fail("apply", err)
	}
	return rec, nil
}

func (t *writer) apply(ctx context.Context, w scim.Write) (scim.Record, error) {
	if w.Op == scim.Create {
		return t.create(ctx, w)
	}
	rec, err := t.find(ctx, w.Ref)
	if err != nil {
		return rec, err
	}
	if w.IfVersion != 0 && w.IfVersion != rec.Version {
		return rec, scim.ErrConflict
	}
	switch w.Op {
	case scim.Update:
		return t.update(ctx, rec, w)
	case scim.Delete:
		return rec, t.delete(ctx, rec, w.At)
	}
	return rec, fmt.Errorf("write with unknown operation %d", w.Op)
}

func (t *writer) find(ctx context.Context, ref scim.Ref) (scim.Record, error) {
	if !isText(ref.ID) || !isText(ref.Type) {
		return scim.Record{}, scim.ErrNotFound
	}
	var rec scim.Record
	var found bool
	const query = `SELECT ` + columns + ` FROM @records r WHERE r.directory = ? AND r.id = ? AND r.type = ?`
	rec, err := scanRecord(func(targets ...any) (err error) {
		found, err = t.tx.Get(ctx, query, []any{t.dir, ref.ID, ref.Type}, targets...)
		return err
	})
	if err == nil && !found {
		err = scim.ErrNotFound
	}
	return rec, err
}

func (t *writer) create(ctx context.Context, w scim.Write) (scim.Record, error) {
	const insert = `INSERT INTO @records (directory, ordinal, type, id, version, created, modified, display, doc)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (directory, id) DO NOTHING`
	at := fromTime(w.At)
	made, err := t.tx.Exec(ctx, insert, t.dir, t.seq, w.Ref.Type, w.Ref.ID, t.seq, at, at, w.Display, string(w.Doc))
	rec := scim.Record{
		Ref: w.Ref, Version: t.seq, Ordinal: t.seq, Created: toTime(at), LastModified: toTime(at), Doc: w.Doc, Display: w.Display,
	}
	if err == nil && made == 0 {
		err = scim.ErrDuplicate
	}
	if err == nil {
		err = t.addKeys(ctx, rec, distinct(w.Keys))
	}
	if err == nil {
		_, err = t.changeMembers(ctx, rec, w.Members)
	}
	return rec, err
}

func (t *writer) update(ctx context.Context, rec scim.Record, w scim.Write) (scim.Record, error) {
	changed := w.Doc != nil
	if changed {
		if err := t.replaceKeys(ctx, rec, distinct(w.Keys)); err != nil {
			return rec, err
		}
		rec.Doc, rec.Display = w.Doc, w.Display
	}
	membersChanged, err := t.changeMembers(ctx, rec, w.Members)
	if err != nil {
		return rec, err
	}
	if !changed && !membersChanged {
		return rec, errUnchanged
	}
	at := fromTime(w.At)
	rec.Version, rec.LastModified = t.seq, toTime(at)
	set, args := `version = ?, modified = ?`, []any{t.seq, at}
	if changed {
		set, args = set+`, display = ?, doc = ?`, append(args, rec.Display, string(rec.Doc))
	}
	_, err = t.tx.Exec(ctx, `UPDATE @records SET `+set+` WHERE directory = ? AND ordinal = ?`, append(args, t.dir, rec.Ordinal)...)
	return rec, err
}

// delete removes the record and its memberships on both sides. The record's
// end has the number of this write, and each group that it was in takes one of
// those that follow.
func (t *writer) delete(ctx context.Context, rec scim.Record, at time.Time) error {
	var groups []int64
	const query = `SELECT grp FROM @members WHERE directory = ? AND member = ? AND grp <> ? ORDER BY grp`
	err := t.tx.Each(ctx, query, []any{t.dir, rec.Ordinal, rec.Ordinal}, func(rows *sql.Rows) error {
		var group int64
		err := rows.Scan(&group)
		groups = append(groups, group)
		return err
	})
	if err != nil {
		return err
	}
	last := t.seq
	for _, group := range groups {
		last++
		const touch = `UPDATE @records SET version = ?, modified = ? WHERE directory = ? AND ordinal = ?`
		if _, err := t.tx.Exec(ctx, touch, last, fromTime(at), t.dir, group); err != nil {
			return err
		}
	}
	for _, statement := range []struct {
		query string
		args  []any
	}{
		{`UPDATE @directories SET seq = ? WHERE id = ?`, []any{last, t.dir}},
		{`DELETE FROM @members WHERE directory = ? AND grp = ?`, []any{t.dir, rec.Ordinal}},
		{`DELETE FROM @members WHERE directory = ? AND member = ?`, []any{t.dir, rec.Ordinal}},
		{`DELETE FROM @keys WHERE directory = ? AND ordinal = ?`, []any{t.dir, rec.Ordinal}},
		{`DELETE FROM @records WHERE directory = ? AND ordinal = ?`, []any{t.dir, rec.Ordinal}},
		{`INSERT INTO @deletions (directory, version, type, id) VALUES (?, ?, ?, ?)`, []any{t.dir, t.seq, rec.Type, rec.ID}},
	} {
		if _, err := t.tx.Exec(ctx, statement.query, statement.args...); err != nil {
			return err
		}
	}
	return nil
}

// distinct leaves out keys that say the same twice, such as an address that is
// listed as work and as home.
func distinct(keys []scim.Key) []scim.Key {
	var out []scim.Key
	for _, key := range keys {
		same := func(k scim.Key) bool { return k.Name == key.Name && k.Value == key.Value }
		if !slices.ContainsFunc(out, same) {
			out = append(out, key)
		}
	}
	return out
}

// replaceKeys writes the keys that are new and removes those that are gone,
// which most changes of a record have none of.
func (t *writer) replaceKeys(ctx context.Context, rec scim.Record, keys []scim.Key) error {
	var have []scim.Key
	const query = `SELECT name, value, is_unique FROM @keys WHERE directory = ? AND ordinal = ?`
	err := t.tx.Each(ctx, query, []any{t.dir, rec.Ordinal}, func(rows *sql.Rows) error {
		var key scim.Key
		err := rows.Scan(&key.Name, &key.Value, &key.Unique)
		have = append(have, key)
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range have {
		if slices.Contains(keys, key) {
			continue
		}
		const remove = `DELETE FROM @keys WHERE directory = ? AND ordinal = ? AND name = ? AND value = ?`
		if _, err := t.tx.Exec(ctx, remove, t.dir, rec.Ordinal, key.Name, key.Value); err != nil {
			return err
		}
	}
	keys = slices.DeleteFunc(keys, func(key scim.Key) bool { return slices.Contains(have, key) })
	return t.addKeys(ctx, rec, keys)
}

// addKeys writes keys that the record does not have. One that another record
// has, and that is unique, is what makes it fewer.
func (t *writer) addKeys(ctx context.Context, rec scim.Record, keys []scim.Key) error {
	for some := range slices.Chunk(keys, batch) {
		args := make([]any, 0, 6*len(some))
		for _, key := range some {
			args = append(args, t.dir, rec.Ordinal, key.Name, key.Value, rec.Type, key.Unique)
		}
		made, err := t.tx.Exec(ctx, `INSERT INTO @keys (directory, ordinal, name, value, type, is_unique)
			VALUES `+sqldb.Marks("(?, ?, ?, ?, ?, ?)", len(some))+` ON CONFLICT DO NOTHING`, args...)
		if err != nil {
			return err
		}
		if made < int64(len(some)) {
			return scim.ErrDuplicate
		}
	}
	return nil
}
